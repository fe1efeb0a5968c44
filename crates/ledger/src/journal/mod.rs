//! The journal: the one durable truth, as batches of entries each closed by a signed checkpoint.
//! Everything else (tiles, published checkpoints, views) can be derived from it again.

mod batch;
mod chunk;
mod compact;
mod file;
mod frame;
pub(crate) mod postgres;

use std::fmt::Debug;
use std::ops::ControlFlow;

pub(crate) use batch::{Batch, BatchWriter};
pub(crate) use chunk::Chunk;
pub use compact::Compaction;
pub(crate) use compact::{Order, compact};
pub(crate) use file::{FileJournal, Files, Place};

use crate::error::LedgerError;
use crate::tree::Hash;

/// How far the ledger has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// Why a turn could not be taken, or a batch is not durable. The turn is over.
#[derive(Debug)]
pub(crate) enum Setback {
    /// Nothing was appended by this turn: decide again, and try again.
    Again(String),
    /// Nobody knows whether the batch was appended. The next turn shows it if it was.
    Unknown(String),
    /// What is durable is unknown until the journal is opened again, or it is not the journal that it was.
    Fatal(LedgerError),
}

impl From<LedgerError> for Setback {
    fn from(error: LedgerError) -> Self {
        if error.is_passing() { Self::Again(error.to_string()) } else { Self::Fatal(error) }
    }
}

/// What is to be appended.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    pub(crate) batch: &'a Batch,
    /// The root over everything up to its end.
    pub(crate) root: Hash,
    /// The number of the last fence in it, counted from 1.
    pub(crate) fence: Option<u64>,
}

/// The writing side. There is one in a process, on the commit thread; where several processes write one journal
/// they take turns.
pub(crate) trait Journal: Send {
    /// Takes the turn, and shows `visitor` the batches behind `tip` that others appended: from here to
    /// [`commit`](Self::commit) or [`pass`](Self::pass) nobody else appends, so what is decided now holds.
    fn begin(&mut self, tip: &Tip, visitor: &mut BatchVisitor<'_>) -> Result<(), Setback>;

    /// Shows `visitor` the batches behind `tip` that others appended, without taking the turn.
    fn follow(&mut self, tip: &Tip, visitor: &mut BatchVisitor<'_>) -> Result<(), Setback>;

    /// Appends the batch in one piece and returns once it is durable: after a crash either all of it is
    /// there or, if this did not return, possibly none. The turn is over, whatever comes of it.
    fn commit(&mut self, next: &Next<'_>) -> Result<(), Setback>;

    /// Gives up the turn.
    fn pass(&mut self);

    /// A reader of what is durable.
    fn reader(&self) -> std::sync::Arc<dyn JournalReader>;
}

/// The reading side, for any thread.
pub(crate) trait JournalReader: Send + Sync + Debug {
    /// Visits, in order, the durable batches from the one that holds entry `from` on, until the visitor
    /// breaks off.
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<(), LedgerError>;

    /// The segments, where the journal is in files: they can be compacted.
    fn files(&self) -> Option<&Files> {
        None
    }
}

/// What looks at batches.
pub(crate) type Visitor<'a> = dyn FnMut(&Batch) -> Result<ControlFlow<()>, LedgerError> + 'a;

/// What looks at every batch.
pub(crate) type BatchVisitor<'a> = dyn FnMut(&Batch) -> Result<(), LedgerError> + 'a;
