//! Checking a log's own journal, where it is at hand.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Damage;
use super::source::OwnJournal;
use crate::checkpoint::Checkpoint;
use crate::disk::OsDisk;
use crate::error::LedgerError;
use crate::journal::{FileJournal, Place};
use crate::receipt::LogVerifier;
use crate::tiler::Tiler;

/// What was checked of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct JournalSummary {
    /// How many entries it has: those published, and those since.
    pub entries: u64,
    /// How many batches, each with its signed checkpoint.
    pub batches: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many bytes of a write that was going on or interrupted; nobody was promised what is in it.
    pub unfinished_bytes: u64,
}

/// Checks every batch of a journal (checksum, root, signature), and that it has what is published. Ends early, with
/// whatever error, when it is told to stop: nobody waits for its answer then.
pub(super) fn check(
    own: &OwnJournal,
    log: &LogVerifier,
    published: &Checkpoint,
    stop: &AtomicBool,
) -> Result<JournalSummary, Damage> {
    let mut tiler = Tiler::default();
    let mut summary = JournalSummary { entries: 0, batches: 0, bytes: 0, unfinished_bytes: 0 };
    let mut root = (published.size == 0).then(|| tiler.root());
    let OwnJournal { dir, public } = own;
    let place = Place::new(Arc::new(OsDisk), dir.clone(), public.clone());
    let checked = FileJournal::read_only(place, published.size, &mut |batch| {
        if stop.load(Ordering::Relaxed) {
            return Err(LedgerError::Stopped);
        }
        for item in batch.items() {
            let Ok(()) = tiler.add(item.entry, |_, _| Ok::<_, Infallible>(()));
            // Batches that were compacted into one may have been published one by one.
            if tiler.size() == published.size {
                root = Some(tiler.root());
            }
        }
        let said = log.checkpoint(batch.checkpoint());
        let said = said.map_err(|source| LedgerError::Checkpoint { path: dir.to_owned(), source })?;
        if (said.size, said.root) != (tiler.size(), tiler.root()) {
            return Err(LedgerError::WrongRoot { size: batch.end() });
        }
        summary.entries = batch.end();
        summary.batches += 1;
        summary.bytes += batch.bytes().len() as u64;
        Ok(())
    });
    let (_, unfinished_bytes) = checked.map_err(Damage::Journal)?;
    if root != Some(published.root) {
        return Err(Damage::Disagreement { size: published.size });
    }
    Ok(JournalSummary { unfinished_bytes, ..summary })
}
