//! The journal: the one durable truth, as batches of entries each closed by a signed checkpoint.
//! Everything else (tiles, published checkpoints, views) can be derived from it again.

mod batch;
mod file;
mod frame;

use std::fmt::Debug;
use std::ops::ControlFlow;

pub(crate) use batch::{Batch, BatchWriter};
pub(crate) use file::FileJournal;

use crate::error::LedgerError;

/// The writing side. There is one, on the commit thread.
pub(crate) trait Journal: Send {
    /// Appends the batch in one piece and returns once it is durable: after a crash either all of it is
    /// there or, if this did not return, possibly none. Any error is fatal: what is on the disk is then
    /// unknown until the journal is opened again.
    fn commit(&mut self, batch: &Batch) -> Result<(), LedgerError>;

    /// A reader of what is durable.
    fn reader(&self) -> std::sync::Arc<dyn JournalReader>;
}

/// The reading side, for any thread.
pub(crate) trait JournalReader: Send + Sync + Debug {
    /// Visits, in order, the durable batches from the one that holds entry `from` on, until the visitor
    /// breaks off.
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<(), LedgerError>;
}

/// What looks at batches.
pub(crate) type Visitor<'a> = dyn FnMut(&Batch) -> Result<ControlFlow<()>, LedgerError> + 'a;
