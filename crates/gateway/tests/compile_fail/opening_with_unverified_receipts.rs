use ledger::Receipt;
use sightline_gateway::seal::Sealed;

fn main() {}

fn open(sealed: Sealed, receipts: &[Receipt]) {
    let _ = sealed.open(receipts);
}
