//! Tiles and bundles, derived from the journal: full ones as files, the growing ones in memory.
//!
//! Tiles are written without a sync. What a crash leaves behind is compared when the journal is replayed at the next
//! start, by the same code that derives tiles in operation, and written again where it differs. Only a snapshot, which
//! spares the replay, needs the full tiles below it to be durable, and syncs them first.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::checkpoint::Checkpoint;
use crate::disk::{Disk, replace_derived};
use crate::error::{At, LedgerError};
use crate::journal::{Batch, JournalReader};
use crate::packed;
use crate::tile::{self, FULL, HEIGHT, Kind, TilePath};
use crate::tiler::{Edge, Tiler};
use crate::tree::{Frontier, Hash, Nodes, Spine, leaf_hash, node_hash};

/// The tiles of the tree over the first [`size`](Self::size) entries.
#[derive(Debug)]
pub(crate) struct Shelf {
    store: TileStore,
    tiler: Tiler,
    /// How many tiles were not there as they should be, and were written.
    written: u64,
    /// Full tiles that were written, or found, and may not be durable.
    unsynced: Vec<TilePath>,
    /// The checkpoint of the last batch taken in.
    checkpoint: Arc<str>,
    /// For each tile level, the full tile that was read last.
    cache: Mutex<Vec<Option<Cached>>>,
}

/// A full tile in memory.
#[derive(Debug, Clone)]
struct Cached {
    number: u64,
    bytes: Arc<[u8]>,
}

impl Shelf {
    /// The shelf of the tree that `tiler` has grown so far; for one without entries the checkpoint may be any.
    /// The full tiles of that tree are there, durably.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, tiler: Tiler, checkpoint: Arc<str>) -> Self {
        let store = TileStore { disk, dir };
        Self { store, tiler, written: 0, unsynced: Vec::new(), checkpoint, cache: Mutex::default() }
    }

    /// How many entries it has taken in.
    pub(crate) fn size(&self) -> u64 {
        self.tiler.size()
    }

    /// The root over them.
    pub(crate) fn root(&self) -> Hash {
        self.tiler.root()
    }

    /// The tree's right edge, for whoever goes on from here.
    pub(crate) fn frontier(&self) -> &Frontier {
        self.tiler.frontier()
    }

    /// The signed checkpoint over them, as a note.
    pub(crate) fn checkpoint(&self) -> &Arc<str> {
        &self.checkpoint
    }

    /// Takes in everything up to `size` that it does not have yet.
    pub(crate) fn catch_up(&mut self, journal: &dyn JournalReader, size: u64) -> Result<(), LedgerError> {
        if self.size() >= size {
            return Ok(());
        }
        journal.visit(self.size(), &mut |batch| {
            self.take(batch)?;
            Ok(if batch.end() < size { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
    }

    /// Takes in the next batch, and checks that its entries have the root that its checkpoint says.
    pub(crate) fn take(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        debug_assert_eq!(batch.first(), self.size());
        for item in batch.items() {
            self.tiler.add(item.entry, |tile, bytes| {
                self.unsynced.push(tile);
                self.written += u64::from(self.store.put_full(tile, bytes)?);
                Ok::<_, LedgerError>(())
            })?;
        }
        let wrong = LedgerError::WrongRoot { size: batch.end() };
        let body = batch.checkpoint().split_inclusive("\n\n").next().and_then(|text| text.strip_suffix('\n'));
        match body.map(Checkpoint::parse) {
            Some(Ok(said)) if (said.size, said.root) == (self.size(), self.root()) => {}
            _ => return Err(wrong),
        }
        self.checkpoint = batch.checkpoint().into();
        Ok(())
    }

    /// The edge of the tree over the first `size` entries, which it must have taken in.
    pub(crate) fn edge_at(&self, size: u64) -> Result<Edge, LedgerError> {
        let mut edge = Edge { growing: Vec::new(), bundle: Vec::new() };
        for kind in tile::kinds(size) {
            let end = tile::nodes_at(kind, size);
            match kind {
                Kind::Hashes(level) => {
                    let hashes = (end / FULL * FULL..end).map(|index| self.node(level * HEIGHT, index));
                    edge.growing.push(hashes.collect::<Result<_, _>>()?);
                }
                Kind::Entries => {
                    if let Some(path) = TilePath::at_size(kind, end / FULL, size) {
                        edge.bundle = self.tile(path)?.unwrap_or_default();
                    }
                }
            }
        }
        Ok(edge)
    }

    /// How many full tiles may not be durable.
    pub(crate) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Some full tiles that may not be durable, for the caller to [sync](TileStore::sync).
    pub(crate) fn take_unsynced(&mut self, most: usize) -> (TileStore, Vec<TilePath>) {
        let rest = self.unsynced.split_off(most.min(self.unsynced.len()));
        (self.store.clone(), std::mem::replace(&mut self.unsynced, rest))
    }

    /// Writes the partial tiles of the tree over the first `size` entries, which it must have taken in, so that the
    /// directory is a whole log of that size by itself. A tile that is full by now stands for its partial ones.
    pub(crate) fn put_partials(&mut self, size: u64) -> Result<(), LedgerError> {
        for tile in tile::partials(size) {
            let is_full = TilePath::full(tile.kind(), tile.number()).is_within(self.size());
            if !is_full && let Some(bytes) = self.tile(tile)? {
                self.written += u64::from(self.store.put(tile, &bytes)?);
            }
        }
        Ok(())
    }

    /// How many tiles were not there as they should be, and were written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// A shelf in the same place that has taken in nothing yet.
    pub(crate) fn anew(&self) -> Self {
        let TileStore { disk, dir } = self.store.clone();
        Self::new(disk, dir, Tiler::default(), self.checkpoint.clone())
    }

    /// The bytes of a tile, full or partial; `None` where the tree has no such tile.
    pub(crate) fn tile(&self, tile: TilePath) -> Result<Option<Vec<u8>>, LedgerError> {
        if !tile.is_within(self.size()) {
            return Ok(None);
        }
        let full = TilePath::full(tile.kind(), tile.number());
        let bytes = if full.is_within(self.size()) {
            self.store.read(full)?
        } else {
            self.tiler.growing_bytes(tile.kind()).to_vec()
        };
        Ok(tile::prefix(tile.kind(), &bytes, tile.width()).map(<[u8]>::to_vec))
    }

    /// An entry out of its bundle, if that has the one that the tile of hashes says.
    pub(crate) fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        let bundle = TilePath::at_size(Kind::Entries, index / FULL, self.size());
        let Some(bundle) = bundle.filter(|_| index < self.size()) else { return Ok(None) };
        let (bytes, leaf) = (self.tile(bundle)?.unwrap_or_default(), self.node(0, index)?);
        let entry = tile::entries(&bytes).nth((index % FULL) as usize).flatten();
        Ok(entry.filter(|entry| leaf_hash(entry) == leaf).map(<[u8]>::to_vec))
    }

    /// The inclusion proof of an entry in the tree over the first `size` entries, which must be there.
    pub(crate) fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        Spine::of(self, size)?.inclusion(self, index)
    }

    /// The proof that the tree over the first `old` entries is a beginning of that over the first `new`, which
    /// must be there.
    pub(crate) fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        Spine::of(self, new)?.consistency(self, old)
    }

    /// The root over the first `size` entries, which must be there.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        Ok(Spine::of(self, size)?.root())
    }

    fn full_tile(&self, level: u8, number: u64) -> Result<Arc<[u8]>, LedgerError> {
        let at = usize::from(level);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(cached)) = cache.get(at)
            && cached.number == number
        {
            return Ok(cached.bytes.clone());
        }
        let tile = TilePath::full(Kind::Hashes(level), number);
        let bytes: Arc<[u8]> = self.store.read(tile)?.into();
        if bytes.len() as u64 != FULL * size_of::<Hash>() as u64 {
            let source = io::Error::new(io::ErrorKind::InvalidData, "a full tile has 256 hashes");
            return Err(LedgerError::Disk {
                doing: "read",
                path: self.store.dir.join(tile.to_string()),
                source,
            });
        }
        if cache.len() <= at {
            cache.resize(at + 1, None);
        }
        cache[at] = Some(Cached { number, bytes: bytes.clone() });
        Ok(bytes)
    }
}

impl Nodes for Shelf {
    type Error = LedgerError;

    /// A node between two tile levels is the root over a run of hashes of the lower one.
    fn node(&self, level: u8, index: u64) -> Result<Hash, LedgerError> {
        let (tile_level, above) = (level / HEIGHT, level % HEIGHT);
        let (first, count) = (index << above, 1usize << above);
        let (number, at) = (first / FULL, (first % FULL) as usize);
        let is_full = tile::nodes_at(Kind::Hashes(tile_level), self.size()) / FULL > number;
        if is_full {
            let bytes = self.full_tile(tile_level, number)?;
            Ok(root_over(&bytes.as_chunks().0[at..at + count]))
        } else {
            Ok(root_over(&self.tiler.growing(tile_level)[at..at + count]))
        }
    }
}

/// The files of tiles, under a directory that can be served as it is.
#[derive(Debug, Clone)]
pub(crate) struct TileStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl TileStore {
    fn read(&self, tile: TilePath) -> Result<Vec<u8>, LedgerError> {
        let path = self.dir.join(tile.to_string());
        match self.disk.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let packed = packed::read_tile(&*self.disk, &self.dir, tile).at("unpack", &path)?;
                packed.ok_or(error).at("read", &path)
            }
            read => read.at("read", &path),
        }
    }

    /// Whether compaction left this tile out, and the packed bundle gives it.
    fn is_packed(&self, tile: TilePath, bytes: &[u8]) -> bool {
        let packed = packed::read_tile(&*self.disk, &self.dir, tile);
        packed.is_ok_and(|packed| packed.is_some_and(|packed| packed == bytes))
    }

    /// Makes tiles durable, and the names that lead to them.
    pub(crate) fn sync(&self, tiles: &[TilePath]) -> Result<(), LedgerError> {
        let mut dirs = BTreeSet::new();
        for tile in tiles {
            let path = self.dir.join(tile.to_string());
            match self.disk.append(&path).and_then(|mut file| file.sync()) {
                // It was packed since, which made it durable.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    packed::read_tile(&*self.disk, &self.dir, *tile).at("unpack", &path)?.ok_or(error)
                }
                synced => synced.map(|()| Vec::new()),
            }
            .at("sync", &path)?;
            dirs.extend(
                path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.dir)).map(PathBuf::from),
            );
        }
        dirs.iter().try_for_each(|dir| self.disk.sync_dir(dir).at("sync", dir))
    }

    /// Writes a full tile, and removes the partial ones that led to it. Whether it had to be written.
    fn put_full(&self, tile: TilePath, bytes: &[u8]) -> Result<bool, LedgerError> {
        let written = self.put(tile, bytes)?;
        let partials = self.dir.join(tile.partials());
        self.disk.remove_dir(&partials).at("remove", &partials)?;
        Ok(written)
    }

    /// Writes a tile, unless it is there already. Whether it had to be written.
    fn put(&self, tile: TilePath, bytes: &[u8]) -> Result<bool, LedgerError> {
        let path = self.dir.join(tile.to_string());
        match self.disk.read(&path) {
            Ok(there) if there == bytes => return Ok(false),
            Ok(_) => {
                tracing::warn!(path = %path.display(), "a tile differs from the journal and is written again")
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if tile.is_full() && self.is_packed(tile, bytes) {
                    return Ok(false);
                }
            }
            Err(source) => return Err(LedgerError::Disk { doing: "read", path, source }),
        }
        if let Some(parent) = path.parent() {
            self.disk.create_dir(parent).at("make", parent)?;
        }
        replace_derived(&*self.disk, &path, bytes).at("write", &path)?;
        Ok(true)
    }
}

/// The root over a power of two of hashes.
pub(crate) fn root_over(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&root_over(left), &root_over(right))
        }
    }
}
