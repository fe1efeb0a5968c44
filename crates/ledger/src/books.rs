//! What is read of an open ledger, from any thread: entries, tiles, proofs, the published checkpoint.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use model::{Entropy, Entry, Opening};
use tokio::sync::watch;

use crate::disk::{Disk, Readers, replace};
use crate::draft::{Record, opens};
use crate::error::{At, LedgerError};
use crate::head::HeadStore;
use crate::journal::{Batch, Compaction, JournalReader, Order, compact};
use crate::note::grease;
use crate::public::Public;
use crate::publication::Publication;
use crate::receipt::{LogVerifier, Receipt};
use crate::shelf::{Shelf, TileStore};
use crate::snapshot::SnapshotStore;
use crate::tile::{self, TilePath};
use crate::tiler::Edge;
use crate::tree::Hash;
use crate::vault::{Sealed, Vault};

/// What is read of an open ledger.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) journal: Arc<dyn JournalReader>,
    pub(crate) vault: Vault,
    pub(crate) shelf: Mutex<Shelf>,
    /// What this log's checkpoints verify with.
    pub(crate) log: LogVerifier,
    pub(crate) head: HeadStore,
    /// What the head store holds.
    pub(crate) head_now: Mutex<Published>,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) publication: Box<dyn Publication>,
    pub(crate) public: Option<Public>,
    /// Held for a round of publishing: whoever compacts begins one, too.
    pub(crate) publishing: Mutex<()>,
    /// Why nothing can be published for now.
    pub(crate) trouble: Mutex<Option<String>>,
    /// The latest checkpoint that anybody outside may see.
    pub(crate) published: RwLock<Published>,
    /// The checkpoint that is given out: a published one, with whatever cosignatures came for it.
    pub(crate) given: RwLock<Given>,
    /// Where that one stands as a file.
    pub(crate) checkpoint_path: PathBuf,
    /// Whether a published checkpoint is given out only once witnesses were asked.
    pub(crate) witnessed: bool,
    /// For grease.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Held by whoever compacts.
    pub(crate) compacting: Mutex<()>,
    /// How many entries are durable.
    pub(crate) durable: watch::Sender<u64>,
    /// Set once, by whoever meets the first fatal error.
    pub(crate) stopped: AtomicBool,
}

/// A published checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) size: u64,
    pub(crate) note: Arc<str>,
}

/// The checkpoint that is given out.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) checkpoint: Published,
    /// The same with grease, for whoever asks over the network. The file has none: it is derived again byte for byte.
    pub(crate) greased: Arc<str>,
}

impl Given {
    pub(crate) fn new(checkpoint: Published, entropy: &dyn Entropy) -> Self {
        let greased = grease(&checkpoint.note, entropy).into();
        Self { checkpoint, greased }
    }
}

impl Books {
    pub(crate) fn size(&self) -> u64 {
        *self.durable.borrow()
    }

    /// How many entries are known to be durable: taken in here, or published by whichever node.
    pub(crate) fn known(&self) -> u64 {
        self.size().max(self.published().size)
    }

    /// Says that everything up to `size` is durable.
    pub(crate) fn grow(&self, size: u64) {
        self.durable.send_replace(size);
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Stops the ledger. Whether this was the first call.
    pub(crate) fn stop(&self) -> bool {
        !self.stopped.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn published(&self) -> Published {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn given(&self) -> Given {
        self.given.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn read(&self, from: u64, limit: usize) -> Result<Vec<Record>, LedgerError> {
        read(&*self.journal, &self.vault, from, limit)
    }

    pub(crate) fn prove(&self, index: u64) -> Result<Receipt, LedgerError> {
        let size = self.size();
        let mut shelf = self.shelf();
        shelf.catch_up(&*self.journal, size)?;
        // Where the bundle is damaged, the journal may still have it.
        let mut entry = shelf.entry(index).unwrap_or_default();
        if entry.is_none() {
            self.journal.visit(index, &mut |batch| {
                entry = batch.items().find(|item| item.index == index).map(|item| item.entry.to_vec());
                Ok(ControlFlow::Break(()))
            })?;
        }
        let entry = entry.ok_or(LedgerError::NoSuchEntry { index, size })?;
        // What witnesses have cosigned proves more than what only this log says.
        let Published { size, note } = match self.given().checkpoint {
            given if given.size > index => given,
            _ => Published { size: shelf.size(), note: shelf.checkpoint().clone() },
        };
        Ok(Receipt::new(index, entry, shelf.inclusion(index, size)?, note))
    }

    pub(crate) fn consistency(&self, old: u64) -> Result<(Vec<Hash>, Arc<str>), LedgerError> {
        let size = self.size();
        if old > size {
            return Err(LedgerError::NoSuchEntry { index: old, size });
        }
        let mut shelf = self.shelf();
        shelf.catch_up(&*self.journal, size)?;
        Ok((shelf.consistency(old, shelf.size())?, shelf.checkpoint().clone()))
    }

    pub(crate) fn growth(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        let size = self.known();
        if old > new || new > size {
            return Err(LedgerError::NoSuchEntry { index: old.max(new), size });
        }
        let mut shelf = self.shelf();
        shelf.catch_up(&*self.journal, new)?;
        shelf.consistency(old, new)
    }

    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        if size > self.known() {
            return Err(LedgerError::NoSuchEntry { index: size, size: self.known() });
        }
        let mut shelf = self.shelf();
        shelf.catch_up(&*self.journal, size)?;
        shelf.root_at(size)
    }

    pub(crate) fn tile(&self, path: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        match path.parse::<TilePath>() {
            Ok(tile) if tile.is_within(self.published().size) => self.shelf().tile(tile),
            _ => Ok(None),
        }
    }

    /// A tile that this node has derived, published or not.
    pub(crate) fn own_tile(&self, tile: TilePath) -> Result<Vec<u8>, LedgerError> {
        let shelf = self.shelf();
        let missing = || LedgerError::NoSuchEntry { index: tile.number() * tile::FULL, size: shelf.size() };
        shelf.tile(tile)?.ok_or_else(missing)
    }

    /// The edge of the tree over the first `size` entries, which must be durable.
    pub(crate) fn edge_at(&self, size: u64) -> Result<Edge, LedgerError> {
        let mut shelf = self.shelf();
        shelf.catch_up(&*self.journal, size)?;
        shelf.edge_at(size)
    }

    /// Derives every tile again from the journal, and writes those that are not there as they should be. Nobody else
    /// reads or writes tiles meanwhile. Says how far it is, and answers how many it wrote.
    pub(crate) fn rebuild_tiles(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, LedgerError> {
        let size = self.size();
        let mut shelf = self.shelf();
        let mut anew = shelf.anew();
        self.journal.visit(0, &mut |batch| {
            if batch.end() > size {
                return Ok(ControlFlow::Break(()));
            }
            anew.take(batch)?;
            progress(batch.end(), size);
            Ok(ControlFlow::Continue(()))
        })?;
        anew.put_partials(size)?;
        let written = anew.written();
        *shelf = anew;
        Ok(written)
    }

    /// Compacts what of the journal can be.
    pub(crate) fn compact(
        &self,
        progress: &mut dyn FnMut(u64, u64),
        stops: &dyn Fn() -> bool,
    ) -> Result<Compaction, LedgerError> {
        let Some(files) = self.journal.files() else { return Ok(Compaction::default()) };
        // One at a time: two would write the same files.
        let _held = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        // One that cannot be read is not started from.
        let snapshot = self.snapshots.load().ok().flatten().map_or(0, |(checkpoint, _)| checkpoint.size);
        let (vault, published) = (&self.vault, self.published().size);
        compact(files, &mut Order { vault, published, snapshot, progress, stops })
    }

    /// Up to `most` full tiles that may not be durable, where they are, and how many there are besides.
    pub(crate) fn take_unsynced(&self, most: usize) -> (TileStore, Vec<TilePath>, usize) {
        let mut shelf = self.shelf();
        let (store, tiles) = shelf.take_unsynced(most);
        (store, tiles, shelf.unsynced())
    }

    /// Gives out a published checkpoint, from here on and as a file, unless a later one is given out.
    pub(crate) fn give_out(&self, checkpoint: Published) -> Result<(), LedgerError> {
        let path = &self.checkpoint_path;
        let mut given = self.given.write().unwrap_or_else(PoisonError::into_inner);
        if checkpoint.size < given.checkpoint.size {
            return Ok(());
        }
        replace(&*self.disk, path, checkpoint.note.as_bytes(), Readers::All).at("write", path)?;
        *given = Given::new(checkpoint, &*self.entropy);
        Ok(())
    }
}

/// Reads up to `limit` records from number `from` on.
pub(crate) fn read(
    journal: &dyn JournalReader,
    vault: &Vault,
    from: u64,
    limit: usize,
) -> Result<Vec<Record>, LedgerError> {
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    journal.visit(from, &mut |batch| {
        for item in batch.items().filter(|item| item.index >= from).take(limit - found.len()) {
            found.push(record(vault, item.index, item.entry, item.sealed)?);
        }
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

/// Reads an item of the journal. What opens must open its own entry: openings that were moved from one entry to
/// another would point at the wrong customer.
pub(crate) fn record(
    vault: &Vault,
    index: u64,
    entry: &[u8],
    sealed: Sealed<'_>,
) -> Result<Record, LedgerError> {
    let entry = Entry::decode(entry).map_err(|source| LedgerError::Entry { index, source })?;
    let openings = vault.open_all(index, sealed)?;
    let known: Option<Vec<Opening>> = openings.iter().cloned().collect();
    if let Some(known) = known {
        let what = "they are not those of this entry";
        opens(&entry.event, &known).map_err(|_| LedgerError::Openings { index, what })?;
    }
    Ok(Record { index, entry, openings })
}

/// Reads every item of a batch.
pub(crate) fn records<'a>(
    vault: &'a Vault,
    batch: &'a Batch,
) -> impl Iterator<Item = Result<Record, LedgerError>> + 'a {
    batch.items().map(|item| record(vault, item.index, item.entry, item.sealed))
}
