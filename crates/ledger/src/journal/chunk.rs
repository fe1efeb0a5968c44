//! A chunk of a compacted segment: some batches, without the entries, which full bundles hold; with their openings
//! grouped, and with fewer checkpoints than there were.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Batch, Visitor};
use crate::error::LedgerError;
use crate::packed::Bundles;
use crate::vault::{Grouped, Stretch};

/// What is stored of a chunk.
#[derive(minicbor::Encode, minicbor::Decode)]
pub(crate) struct Stored {
    #[n(0)]
    pub(crate) batches: Vec<Kept>,
    #[n(1)]
    pub(crate) openings: Grouped,
}

/// What is kept of batches that are read as one from now on.
#[derive(minicbor::Encode, minicbor::Decode)]
pub(crate) struct Kept {
    /// How many entries.
    #[n(0)]
    pub(crate) count: u32,
    /// The signed checkpoint behind the last of them.
    #[n(1)]
    pub(crate) checkpoint: String,
}

/// A chunk that was read.
#[derive(Debug)]
pub(crate) struct Chunk {
    first: u64,
    end: u64,
    /// Where each batch ends, and its checkpoint.
    batches: Vec<(u64, String)>,
    openings: Arc<Stretch>,
}

impl Chunk {
    /// Checks that `bytes` are a chunk of `count` entries, as far as it can be told without them.
    pub(crate) fn parse(first: u64, count: u32, bytes: &[u8]) -> Result<Self, &'static str> {
        let stored: Stored = minicbor::decode(bytes).map_err(|_| "a chunk cannot be read")?;
        let mut batches = Vec::with_capacity(stored.batches.len());
        let mut end = first;
        for Kept { count, checkpoint } in stored.batches {
            end = end.checked_add(u64::from(count)).filter(|_| count > 0).ok_or("a batch without entries")?;
            batches.push((end, checkpoint));
        }
        if end == first || end - first != u64::from(count) {
            return Err("the batches of a chunk are not those that it says");
        }
        Ok(Self { first, end, batches, openings: Arc::new(Stretch::new(first, stored.openings)) })
    }

    /// The number of the first entry.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The size of the tree up to the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Visits its batches from the one that holds entry `from` on.
    pub(crate) fn visit(
        &self,
        from: u64,
        bundles: &Bundles,
        visitor: &mut Visitor<'_>,
    ) -> Result<ControlFlow<()>, LedgerError> {
        let mut first = self.first;
        for (end, checkpoint) in &self.batches {
            if *end > from {
                let entries = bundles.entries(first, *end)?;
                let (count, openings) = ((end - first) as u32, self.openings.clone());
                let batch = Batch::compacted(first, count, entries, openings, checkpoint.clone());
                if visitor(&batch)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            first = *end;
        }
        Ok(ControlFlow::Continue(()))
    }
}
