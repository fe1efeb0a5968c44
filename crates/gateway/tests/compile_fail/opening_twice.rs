use ledger::Verified;
use sightline_gateway::seal::Sealed;

fn main() {}

fn open(sealed: Sealed, receipts: &[Verified]) {
    let _ = sealed.open(receipts);
    let _ = sealed.open(receipts);
}
