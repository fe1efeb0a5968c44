use ledger::Verified;
use model::Entry;

fn main() {}

fn convert(entry: Entry) -> Verified {
    entry.into()
}

fn change(verified: &mut Verified, entry: Entry) {
    verified.entry = entry;
}
