//! A batch: what one commit makes durable.
//!
//! Its bytes are `(u16 length of entry, u32 length of sealed openings, entry, sealed openings)` for each
//! item, big-endian, and then the text of the signed checkpoint over the tree up to the last item. The
//! sealed openings are no part of what is hashed: they can be forgotten, and the proofs still hold.

use std::sync::Arc;

use crate::tile;
use crate::vault::{Sealed, Stretch};

/// A batch that is complete.
#[derive(Debug)]
pub(crate) struct Batch {
    first: u64,
    count: u32,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// As it was committed: items, and behind them the checkpoint.
    Committed { items_end: usize, bytes: Vec<u8> },
    /// From a compacted segment.
    Compacted {
        /// In the form that bundles have.
        entries: Vec<u8>,
        openings: Arc<Stretch>,
        checkpoint: String,
    },
}

/// One entry of a batch, with its openings sealed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) index: u64,
    pub(crate) entry: &'a [u8],
    pub(crate) sealed: Sealed<'a>,
}

impl Batch {
    /// Checks that `bytes` are a batch of `count` items.
    pub(crate) fn parse(first: u64, count: u32, bytes: Vec<u8>) -> Result<Self, &'static str> {
        if count == 0 || first.checked_add(u64::from(count)).is_none() {
            return Err("a batch without entries");
        }
        let mut rest = bytes.as_slice();
        for _ in 0..count {
            (_, rest) = split_item(first, rest).ok_or("an entry reaches over the end of its batch")?;
        }
        let items_end = bytes.len() - rest.len();
        std::str::from_utf8(rest).map_err(|_| "the checkpoint of a batch is not text")?;
        Ok(Self { first, count, body: Body::Committed { items_end, bytes } })
    }

    /// Batches that were compacted into one: `entries` are those of bundles, `openings` those of a stretch that holds
    /// them.
    pub(crate) fn compacted(
        first: u64,
        count: u32,
        entries: Vec<u8>,
        openings: Arc<Stretch>,
        checkpoint: String,
    ) -> Self {
        Self { first, count, body: Body::Compacted { entries, openings, checkpoint } }
    }

    /// The number of the first entry.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The size of the tree up to the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// How many entries.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The signed checkpoint, as a note.
    pub(crate) fn checkpoint(&self) -> &str {
        match &self.body {
            // It was checked, or written from text.
            Body::Committed { items_end, bytes } => {
                std::str::from_utf8(&bytes[*items_end..]).unwrap_or_default()
            }
            Body::Compacted { checkpoint, .. } => checkpoint,
        }
    }

    /// The bytes that are committed. Compacted ones never are: there are none of them.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Committed { bytes, .. } => bytes,
            Body::Compacted { .. } => &[],
        }
    }

    /// The entries.
    pub(crate) fn items(&self) -> Box<dyn Iterator<Item = Item<'_>> + '_> {
        match &self.body {
            Body::Committed { items_end, bytes } => {
                let mut rest = &bytes[..*items_end];
                Box::new((self.first..).map_while(move |index| {
                    let (item, tail) = split_item(index, rest)?;
                    rest = tail;
                    Some(item)
                }))
            }
            Body::Compacted { entries, openings, .. } => {
                let sealed = Sealed::Grouped(openings);
                let entries = tile::entries(entries).flatten();
                Box::new((self.first..).zip(entries).map(move |(index, entry)| Item { index, entry, sealed }))
            }
        }
    }
}

fn split_item(index: u64, bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (entry_length, rest) = bytes.split_first_chunk()?;
    let (sealed_length, rest) = rest.split_first_chunk()?;
    let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*entry_length)))?;
    let (sealed, rest) = rest.split_at_checked(u32::from_be_bytes(*sealed_length) as usize)?;
    Some((Item { index, entry, sealed: Sealed::Each(sealed) }, rest))
}

/// A batch that is being put together.
#[derive(Debug)]
pub(crate) struct BatchWriter {
    first: u64,
    count: u32,
    bytes: Vec<u8>,
}

impl BatchWriter {
    /// An empty batch whose first entry has this number.
    pub(crate) fn new(first: u64) -> Self {
        Self { first, count: 0, bytes: Vec::new() }
    }

    /// Adds an entry of at most 65,535 bytes with its sealed openings.
    pub(crate) fn push(&mut self, entry: &[u8], sealed: &[u8]) {
        debug_assert!(entry.len() <= usize::from(u16::MAX));
        self.bytes.extend_from_slice(&(entry.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(&(sealed.len() as u32).to_be_bytes());
        self.bytes.extend_from_slice(entry);
        self.bytes.extend_from_slice(sealed);
        self.count += 1;
    }

    /// Closes the batch with the signed checkpoint over the tree up to its last entry.
    pub(crate) fn close(mut self, checkpoint: &str) -> Batch {
        let items_end = self.bytes.len();
        self.bytes.extend_from_slice(checkpoint.as_bytes());
        Batch { first: self.first, count: self.count, body: Body::Committed { items_end, bytes: self.bytes } }
    }
}
