//! From entries to tiles: the one place that knows how a growing tree is cut into tiles. What writes tiles
//! (the shelf) and what checks them (verification) both go through it.

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

impl Tiler {
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

    /// The partial tiles of the tree as it is.
    pub(crate) fn partials(&self) -> impl Iterator<Item = (TilePath, &[u8])> {
        tile::kinds(self.size()).filter_map(|kind| {
            let number = tile::nodes_at(kind, self.size()) / FULL;
            Some((TilePath::at_size(kind, number, self.size())?, self.growing_bytes(kind)))
        })
    }
}
