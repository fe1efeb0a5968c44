//! From entries to tiles: the one place that knows how a growing tree is cut into tiles. What writes tiles
//! (the shelf) and what checks them (verification) both go through it.

use crate::shelf::root_over;
use crate::tile::{self, FULL, HEIGHT, Kind, TilePath};
use crate::tree::{Frontier, Hash, leaf_hash};

/// A tree that grows, with the tiles at its right edge that are not full yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tiler {
    frontier: Frontier,
    /// For each tile level, the hashes of the tile that grows.
    growing: Vec<Vec<Hash>>,
    /// The bundle that grows.
    bundle: Vec<u8>,
}

/// What of a tree is not in full tiles: enough to go on growing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edge {
    /// For each tile level, the hashes of the tile that grows.
    pub(crate) growing: Vec<Vec<Hash>>,
    /// The bundle that grows.
    pub(crate) bundle: Vec<u8>,
}

impl Tiler {
    /// The tree of `size` entries that has this edge; `None` if there can be none. Whether it is the right tree, its
    /// root says.
    pub(crate) fn resume(size: u64, Edge { growing, bundle }: Edge) -> Option<Self> {
        let levels = tile::kinds(size).filter_map(|kind| match kind {
            Kind::Hashes(level) => Some(tile::nodes_at(Kind::Hashes(level), size) % FULL),
            Kind::Entries => None,
        });
        let fits = levels.eq(growing.iter().map(|hashes| hashes.len() as u64));
        let leaves = tile::entries(&bundle).map(|entry| entry.map(leaf_hash));
        let leaves: Vec<Hash> = leaves.collect::<Option<_>>()?;
        if !fits || growing.first().map(Vec::as_slice).unwrap_or_default() != leaves {
            return None;
        }
        let frontier = Frontier::resume(size, |level, index| {
            let (hashes, above) = (&growing[usize::from(level / HEIGHT)], level % HEIGHT);
            let at = ((index << above) % FULL) as usize;
            root_over(&hashes[at..at + (1 << above)])
        });
        Some(Self { frontier, growing, bundle })
    }

    /// How many entries it has taken in.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over them.
    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The tree's right edge.
    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Takes in an entry, and hands out each tile that has become full.
    pub(crate) fn add<E>(
        &mut self,
        entry: &[u8],
        mut full: impl FnMut(TilePath, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.frontier.push(leaf_hash(entry));
        let size = self.size();
        tile::push_entry(&mut self.bundle, entry);
        if size.is_multiple_of(FULL) {
            full(TilePath::full(Kind::Entries, size / FULL - 1), &self.bundle)?;
            self.bundle.clear();
        }
        // A hash is new on each tile level whose subtrees end with this entry.
        for level in 0..=(size.trailing_zeros() as u8 / HEIGHT) {
            let Some(hash) = self.frontier.newest(level * HEIGHT) else { break };
            if self.growing.len() == usize::from(level) {
                self.growing.push(Vec::with_capacity(FULL as usize));
            }
            let growing = &mut self.growing[usize::from(level)];
            growing.push(hash);
            if growing.len() as u64 == FULL {
                let number = tile::nodes_at(Kind::Hashes(level), size) / FULL - 1;
                full(TilePath::full(Kind::Hashes(level), number), growing.as_flattened())?;
                growing.clear();
            }
        }
        // Only tiles are asked for nodes, never the frontier: keep what the next entries need.
        if size.is_multiple_of(FULL) {
            self.frontier.forget();
        }
        Ok(())
    }

    /// The hashes of the tile that grows on a level.
    pub(crate) fn growing(&self, level: u8) -> &[Hash] {
        self.growing.get(usize::from(level)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The bytes of the tile that grows.
    pub(crate) fn growing_bytes(&self, kind: Kind) -> &[u8] {
        match kind {
            Kind::Entries => &self.bundle,
            Kind::Hashes(level) => self.growing(level).as_flattened(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashMap;
    use tlog_tiles::{Error, HashReader, Tile, stored_hashes};

    struct Stored(Vec<tlog_tiles::Hash>);

    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
            Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
        }
    }

    /// Adds an entry; the tiles that became full.
    fn grow(tiler: &mut Tiler, n: u64) -> Vec<(TilePath, Vec<u8>)> {
        let mut full = Vec::new();
        let keep = |tile, bytes: &[u8]| {
            full.push((tile, bytes.to_vec()));
            Ok::<_, ()>(())
        };
        tiler.add(&n.to_be_bytes(), keep).unwrap();
        full
    }

    #[test]
    fn a_tree_that_is_resumed_from_its_edge_grows_into_the_same_tree() {
        let mut tiler = Tiler::default();
        let sizes = [0, 1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 65_536 + 300];
        for size in 0..=65_536 + 300u64 {
            if sizes.contains(&size) {
                let edge = Edge { growing: tiler.growing.clone(), bundle: tiler.bundle.clone() };
                let mut resumed = Tiler::resume(size, edge.clone()).unwrap();
                assert_eq!(resumed.root(), tiler.root(), "at {size}");
                assert!(Tiler::resume(size + 1, edge).is_none());
                let mut other = tiler.clone();
                for n in size..size + 700 {
                    assert_eq!(grow(&mut resumed, n), grow(&mut other, n), "{n} after {size}");
                    assert_eq!(resumed.root(), other.root(), "{n} after {size}");
                }
            }
            grow(&mut tiler, size);
        }
    }

    /// One level-2 hash and a bit more.
    #[test]
    fn every_tile_full_and_partial_is_that_of_tlog_tiles() {
        let (mut tiler, mut full, mut stored) = (Tiler::default(), HashMap::new(), Stored(Vec::new()));
        let sizes = [1, 2, 255, 256, 257, 600, 65_535, 65_536, 65_537, 65_536 + 300];
        for size in 1..=65_536 + 300u64 {
            let entry = size.to_be_bytes();
            let hashes = stored_hashes(size - 1, &entry, &stored).unwrap();
            stored.0.extend(hashes);
            tiler
                .add(&entry, |tile, bytes| {
                    let before = full.insert(tile.to_string(), bytes.to_vec());
                    assert_eq!(before, None, "{tile} was handed out twice");
                    Ok::<_, ()>(())
                })
                .unwrap();
            if !sizes.contains(&size) {
                continue;
            }
            let partial: HashMap<_, _> = tile::partials(size)
                .map(|tile| (tile.to_string(), tiler.growing_bytes(tile.kind()).to_vec()))
                .collect();
            for kind in tile::kinds(size).filter(|kind| *kind != Kind::Entries) {
                let Kind::Hashes(level) = kind else { continue };
                for number in 0..tile::nodes_at(kind, size).div_ceil(FULL) {
                    let ours = TilePath::at_size(kind, number, size).unwrap();
                    let theirs = Tile::new(8, level, number, ours.width() as u32, false);
                    let theirs = theirs.read_data(&stored).unwrap();
                    let there = if ours.is_full() { &full } else { &partial };
                    assert_eq!(there.get(&ours.to_string()), Some(&theirs), "{ours} at size {size}");
                }
            }
            let hash_partials = partial.keys().filter(|path| !path.starts_with("tile/entries")).count();
            let expected = (0..3).filter(|level| size >> (8 * level) & 255 != 0).count();
            assert_eq!(hash_partials, expected, "no empty tile and none too many at size {size}");
        }
    }
}
