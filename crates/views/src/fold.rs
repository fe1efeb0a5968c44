//! How entries become rows.
use crate::ViewsError;
use ledger::{Ledger, Record};

/// The half of a view that writes; there is one.
#[derive(Debug)]
pub struct Fold {}

/// How far a fold has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries folded.
    pub done: u64,
    /// Entries in the ledger.
    pub of: u64,
}

impl Fold {
    /// Takes the next records in, all of them or none.
    pub fn fold(&mut self, _records: &[Record]) -> Result<(), ViewsError> {
        todo!()
    }

    /// Keeps up with the ledger until it is closed.
    pub async fn follow(self, _ledger: Ledger) -> Result<(), ViewsError> {
        todo!()
    }
}
