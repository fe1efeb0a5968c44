//! What happens between opening a journal and knowing everything that it says: from its beginning, or from a snapshot.
//!
//! From its beginning, every frame, hash, opening and root is checked, every entry is admitted again, and every tile
//! is compared. From a snapshot the same holds for what came after it; of what came before, only that the published
//! checkpoint leads to the snapshot's, by the tiles, and that the journal has the snapshot's checkpoint where it should.

use std::collections::HashMap;
use std::sync::Arc;

use model::entry::{Act, Erased, Proposed};
use model::{CustomerId, Event, ProposalId, Timestamp};

use crate::admission::Admission;
use crate::books::records;
use crate::checkpoint::Checkpoint;
use crate::disk::Disk;
use crate::draft::Record;
use crate::error::LedgerError;
use crate::head::HeadStore;
use crate::journal::{Batch, Journal};
use crate::layout::Layout;
use crate::options::Options;
use crate::receipt::LogVerifier;
use crate::shelf::Shelf;
use crate::snapshot::{Ignored, Snapshot, SnapshotStore};
use crate::store::Store;
use crate::tiler::Tiler;
use crate::tree::{Hash, consistency_holds};
use crate::vault::Vault;

/// What a replay starts with.
pub(crate) struct Start<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) layout: &'a Layout,
    pub(crate) store: &'a Store,
    pub(crate) options: &'a Options,
    pub(crate) log: &'a LogVerifier,
    pub(crate) vault: &'a Vault,
    pub(crate) head: &'a HeadStore,
    /// What the head store says was published, as a note and read.
    pub(crate) head_note: &'a str,
    pub(crate) promised: &'a Checkpoint,
    pub(crate) snapshots: &'a SnapshotStore,
}

/// Where a replay has come to.
pub(crate) struct Replayed {
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) shelf: Shelf,
    pub(crate) last_time: Timestamp,
    /// The size of the snapshot that it began from; 0 if there was none.
    pub(crate) began_at: u64,
}

enum Failed {
    /// The snapshot is no good, and admission is as it was.
    Ignored(Ignored),
    Ledger(LedgerError),
}

impl From<Ignored> for Failed {
    fn from(why: Ignored) -> Self {
        Self::Ignored(why)
    }
}

impl Start<'_> {
    /// From the snapshot, if there is one that can be believed, and else from the beginning.
    pub(crate) fn replay(&self, admission: &mut dyn Admission) -> Result<Replayed, LedgerError> {
        match self.replay_from_snapshot(admission) {
            Ok(Some(replayed)) => return Ok(replayed),
            Ok(None) => {}
            Err(Failed::Ignored(why)) => {
                let path = self.snapshots.path();
                tracing::warn!(path = %path.display(), %why, "the snapshot is ignored, and everything replayed");
            }
            Err(Failed::Ledger(error)) => return Err(error),
        }
        let mut replay = Replay {
            shelf: Shelf::new(
                self.disk.clone(),
                self.layout.public(),
                Tiler::default(),
                self.head_note.into(),
            ),
            last_time: Timestamp(0),
            root_at_head: None,
            awaited: None,
            to_erase: HashMap::new(),
        };
        let journal = self.read_journal(&mut replay, 0, admission)?;
        self.finish(replay, journal, 0)
    }

    fn replay_from_snapshot(&self, admission: &mut dyn Admission) -> Result<Option<Replayed>, Failed> {
        let Some((checkpoint, snapshot)) = self.snapshots.load()? else { return Ok(None) };
        let Snapshot { note, time, admission: saved, tiler } = snapshot;
        let shelf = Shelf::new(self.disk.clone(), self.layout.public(), tiler, note.as_str().into());
        let mut root_at_head = None;
        if self.promised.size <= checkpoint.size {
            let Checkpoint { size, root, .. } = self.promised;
            let proof = shelf
                .consistency(*size, checkpoint.size)
                .map_err(|error| Ignored::Tiles(error.to_string()))?;
            if !consistency_holds(*size, root, checkpoint.size, &checkpoint.root, &proof) {
                return Err(Ignored::Unbound.into());
            }
            root_at_head = Some(*root);
        }
        let awaited = Some(Awaited { size: checkpoint.size, note, saved });
        let to_erase = HashMap::new();
        let mut replay = Replay { shelf, last_time: time, root_at_head, awaited, to_erase };
        let read = self.read_journal(&mut replay, checkpoint.size, admission);
        match (&replay.awaited, read) {
            // Whatever is wrong, it was met before anything was absorbed, and a full replay says it better.
            (Some(awaited), _) if awaited.size == checkpoint.size => Err(Ignored::Unbound.into()),
            (Some(_), _) => Err(Ignored::State.into()),
            (None, Ok(journal)) => {
                self.finish(replay, journal, checkpoint.size).map(Some).map_err(Failed::Ledger)
            }
            (None, Err(error)) => Err(Failed::Ledger(error)),
        }
    }

    fn read_journal(
        &self,
        replay: &mut Replay,
        known: u64,
        admission: &mut dyn Admission,
    ) -> Result<Box<dyn Journal>, LedgerError> {
        replay.note_root(self.promised)?;
        self.store.journal(self.layout, self.options, known, self.promised.size, &mut |batch| {
            if replay.awaited.is_some() {
                return replay.meet(batch, admission);
            }
            replay.shelf.take(batch)?;
            replay.note_root(self.promised)?;
            for record in records(self.vault, batch) {
                let record = record?;
                replay.erase_again(&record, self.vault)?;
                replay.admit(record, admission)?;
            }
            admission.settle();
            Ok(())
        })
    }

    /// Whether the journal holds everything that was published, and is of this log.
    fn finish(
        &self,
        replay: Replay,
        journal: Box<dyn Journal>,
        began_at: u64,
    ) -> Result<Replayed, LedgerError> {
        let Replay { shelf, last_time, root_at_head, .. } = replay;
        let (path, size) = (self.head.path(), shelf.size());
        if size < self.promised.size {
            return Err(LedgerError::RolledBack { path, head: self.promised.size, size });
        }
        if root_at_head != Some(self.promised.root) {
            return Err(LedgerError::Forked { path, size: self.promised.size });
        }
        let last = self.log.checkpoint(shelf.checkpoint());
        last.map_err(|source| LedgerError::Checkpoint { path: self.layout.journal(), source })?;
        Ok(Replayed { journal, shelf, last_time, began_at })
    }
}

/// A snapshot that the journal must still be seen to agree with.
struct Awaited {
    size: u64,
    note: String,
    saved: zeroize::Zeroizing<Vec<u8>>,
}

/// What is learned while the journal is read.
struct Replay {
    shelf: Shelf,
    last_time: Timestamp,
    /// The journal's root at the size that was published.
    root_at_head: Option<Hash>,
    awaited: Option<Awaited>,
    /// Whom proposals of an erasure name. Where one can still be read after it was carried out, old keys were
    /// put back.
    to_erase: HashMap<ProposalId, CustomerId>,
}

impl Replay {
    /// A batch while the snapshot is awaited; the first that does not end before it must be its own.
    fn meet(&mut self, batch: &Batch, admission: &mut dyn Admission) -> Result<(), LedgerError> {
        let Some(awaited) = &mut self.awaited else { return Ok(()) };
        if batch.end() < awaited.size {
            return Ok(());
        }
        if batch.end() != awaited.size || batch.checkpoint() != awaited.note {
            return Err(LedgerError::Stopped);
        }
        if !admission.load(&awaited.saved) {
            awaited.size = 0;
            return Err(LedgerError::Stopped);
        }
        self.awaited = None;
        Ok(())
    }

    /// Batches that were compacted into one may have been published one by one.
    fn note_root(&mut self, promised: &Checkpoint) -> Result<(), LedgerError> {
        if self.root_at_head.is_none() && self.shelf.size() >= promised.size {
            self.root_at_head = Some(self.shelf.root_at(promised.size)?);
        }
        Ok(())
    }

    /// Destroys again what is destroyed already, should an old copy of the keys have been put back.
    fn erase_again(&mut self, record: &Record, vault: &Vault) -> Result<(), LedgerError> {
        match &record.entry.event {
            Event::Proposed(Proposed { proposal, act: Act::Erase { .. }, .. }) => {
                let named = record.openings.iter().flatten().next();
                self.to_erase.extend(named.map(|opening| (*proposal, opening.subject.customer.clone())));
                Ok(())
            }
            Event::Erased(Erased::Customer { proposal, .. }) => match self.to_erase.remove(proposal) {
                Some(customer) => vault.destroy(&customer),
                None => Ok(()),
            },
            Event::Erased(Erased::Before { month }) => vault.destroy_before(*month),
            _ => Ok(()),
        }
    }

    fn admit(&mut self, record: Record, admission: &mut dyn Admission) -> Result<(), LedgerError> {
        self.last_time = self.last_time.max(record.entry.time);
        let index = record.index;
        admission.admit(&[record]).map_err(|why| LedgerError::Contradiction { index, why })
    }
}
