//! Reading a log from its first bundle to its last: on every core, and judged in order.
//!
//! Each reader takes every n-th bundle: fetches it with its tile of hashes, hashes its entries, compares, decodes
//! them, encodes them again and compares, and hashes the subtree over them. Whoever asked takes the results in
//! the order of the bundles, so the first damage is the one that is named, whichever reader was faster.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use model::Entry;

use super::source::{Published, fetch_tile};
use super::{Damage, Source};
use crate::draft;
use crate::shelf::root_over;
use crate::tile::{self, FULL, Kind, TilePath};
use crate::tree::{Hash, empty_root, leaf_hash, node_hash};

/// So many bundles may be read ahead by each reader: enough to be never idle, little enough to hold in memory.
const AHEAD: usize = 16;

/// A bundle that was read and is what its tile says.
pub(super) struct Bundle {
    pub(super) number: u64,
    pub(super) entries: Vec<Entry>,
    /// How many bytes the bundle and its tile have.
    pub(super) bytes: u64,
    leaves: Vec<Hash>,
    /// The root over a full bundle.
    root: Option<Hash>,
}

/// Reads the bundles `from..` of a log of `size` entries with so many readers, and gives them in order to `take`.
pub(super) fn walk(
    source: &dyn Source,
    from: u64,
    size: u64,
    readers: usize,
    mut take: impl FnMut(Bundle) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let end = size.div_ceil(FULL);
    let readers = readers.max(1);
    thread::scope(|scope| {
        let mut inboxes: Vec<Receiver<Result<Bundle, Damage>>> = Vec::with_capacity(readers);
        for reader in 0..readers as u64 {
            let (out, inbox) = sync_channel(AHEAD);
            inboxes.push(inbox);
            let numbers = (from + reader..end).step_by(readers);
            let thread = thread::Builder::new().name("verify".to_owned());
            thread
                .spawn_scoped(scope, move || read_all(source, size, numbers, &out))
                .map_err(Damage::Thread)?;
        }
        for (number, inbox) in (from..end).zip(inboxes.iter().cycle()) {
            // A reader ends early only after it has sent an error, and that ends this loop.
            let Ok(bundle) = inbox.recv() else {
                return Err(Damage::Missing { path: TilePath::full(Kind::Entries, number).to_string() });
            };
            take(bundle?)?;
        }
        Ok(())
    })
}

fn read_all(
    source: &dyn Source,
    size: u64,
    numbers: impl Iterator<Item = u64>,
    out: &SyncSender<Result<Bundle, Damage>>,
) {
    let mut encoded = Vec::new();
    for number in numbers {
        let bundle = read(source, number, size, &mut encoded);
        let failed = bundle.is_err();
        // Nobody listens any more: something earlier was damaged.
        if out.send(bundle).is_err() || failed {
            return;
        }
    }
}

fn read(source: &dyn Source, number: u64, size: u64, encoded: &mut Vec<u8>) -> Result<Bundle, Damage> {
    let at = |kind| {
        let missing = || Damage::Missing { path: TilePath::full(kind, number).to_string() };
        TilePath::at_size(kind, number, size).ok_or_else(missing)
    };
    let (bundle, tile) = (at(Kind::Entries)?, at(Kind::Hashes(0))?);
    let bytes = fetch_tile(source, bundle)?;
    let is_left_out = bundle.is_full() && source.leaves_out(number);
    let hashes = if is_left_out { Vec::new() } else { fetch_tile(source, tile)? };
    let width = bundle.width();
    let wrong = || Damage::Bundle { path: bundle.to_string(), expected: width };
    let entries: Vec<&[u8]> = tile::entries(&bytes).collect::<Option<_>>().ok_or_else(wrong)?;
    if entries.len() != width {
        return Err(wrong());
    }
    // First against the tree: bytes that are not the log's are named so, whatever they decode to.
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    if !is_left_out {
        compare_leaves(bundle, tile, &leaves, &hashes)?;
    }
    let entries = (number * FULL..).zip(entries).map(|(index, bytes)| decode(index, bytes, encoded));
    Ok(Bundle {
        number,
        entries: entries.collect::<Result<_, _>>()?,
        bytes: (bytes.len() + hashes.len()) as u64,
        root: bundle.is_full().then(|| root_over(&leaves)),
        leaves,
    })
}

fn compare_leaves(bundle: TilePath, tile: TilePath, leaves: &[Hash], bytes: &[u8]) -> Result<(), Damage> {
    if leaves.as_flattened() == bytes {
        return Ok(());
    }
    let hash = same(leaves, bytes);
    if bytes.len() != size_of_val(leaves) {
        return Err(Damage::Tile { path: tile.to_string(), hash });
    }
    let index = tile.number() * FULL + hash as u64;
    Err(Damage::Leaf { index, bundle: bundle.to_string(), tile: tile.to_string() })
}

/// How many hashes are the same from the beginning.
fn same(computed: &[Hash], bytes: &[u8]) -> usize {
    computed.iter().zip(bytes.as_chunks().0).take_while(|(a, b)| a == b).count()
}

/// Reads an entry. `encoded` is a buffer that is used again and again.
fn decode(index: u64, bytes: &[u8], encoded: &mut Vec<u8>) -> Result<Entry, Damage> {
    let entry = Entry::decode(bytes).map_err(|source| Damage::Entry { index, source })?;
    encoded.clear();
    entry.encode_into(encoded);
    if *encoded != bytes {
        return Err(Damage::Encoding { index });
    }
    let rows = draft::count(&entry.event);
    if rows > draft::MAX_ROWS {
        return Err(Damage::Rows { index, rows });
    }
    Ok(entry)
}

/// The right edge of a tree that grows by whole bundles: for each tile level the hashes of the tile that is not
/// full yet. Computed anew here, without the tree that the log itself is written with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Edge {
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge that the tree over the first `old` entries had, as it is published now. Believe it only if it has
    /// the [`root`](Self::root) that is known.
    pub(super) fn at(published: &Published<'_>, old: u64) -> Result<Self, Damage> {
        let levels = (0u8..).take_while(|level| tile::nodes_at(Kind::Hashes(*level), old) > 0);
        let levels = levels.map(|level| published.edge(level, old)).collect::<Result<_, _>>()?;
        Ok(Self { levels })
    }

    /// The root over everything (RFC 6962 section 2.1): each level's hashes, and behind them what is not complete.
    pub(super) fn root(&self) -> Hash {
        let mut rest = None;
        for level in &self.levels {
            let hashes: Vec<Hash> = level.iter().copied().chain(rest).collect();
            rest = root_of(&hashes);
        }
        rest.unwrap_or_else(empty_root)
    }

    /// Without the leaves behind the last whole bundle.
    pub(super) fn whole_bundles(mut self) -> Self {
        if let Some(leaves) = self.levels.first_mut() {
            leaves.clear();
        }
        self
    }

    /// Takes in the next bundle, and hands out each tile above the leaves that has become full.
    pub(super) fn push(
        &mut self,
        bundle: Bundle,
        mut full: impl FnMut(TilePath, &[Hash]) -> Result<(), Damage>,
    ) -> Result<(), Damage> {
        let Some(mut hash) = bundle.root else {
            *self.level(0) = bundle.leaves;
            return Ok(());
        };
        let mut number = bundle.number;
        self.level(0).clear();
        for level in 1u8.. {
            let growing = self.level(level);
            growing.push(hash);
            if growing.len() as u64 != FULL {
                break;
            }
            number /= FULL;
            full(TilePath::full(Kind::Hashes(level), number), growing)?;
            hash = root_over(growing);
            growing.clear();
        }
        Ok(())
    }

    /// The tiles above the leaves that are not full in a tree of `size` entries.
    pub(super) fn partials(&self, size: u64) -> impl Iterator<Item = (TilePath, &[Hash])> {
        (0u8..).zip(&self.levels).skip(1).filter_map(move |(level, hashes)| {
            let kind = Kind::Hashes(level);
            let tile = TilePath::at_size(kind, tile::nodes_at(kind, size) / FULL, size)?;
            Some((tile, hashes.as_slice()))
        })
    }

    fn level(&mut self, level: u8) -> &mut Vec<Hash> {
        let level = usize::from(level);
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, || Vec::with_capacity(FULL as usize));
        }
        &mut self.levels[level]
    }
}

/// Compares a tile of hashes with what the level below gives. Answers how many bytes it has.
pub(super) fn compare(source: &dyn Source, tile: TilePath, computed: &[Hash]) -> Result<u64, Damage> {
    let bytes = fetch_tile(source, tile)?;
    if bytes == computed.as_flattened() {
        return Ok(bytes.len() as u64);
    }
    Err(Damage::Tile { path: tile.to_string(), hash: same(computed, &bytes) })
}

/// The root over any number of hashes: the left subtree is the largest power of two that leaves a right one.
fn root_of(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [one] => Some(*one),
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            Some(node_hash(&root_over(left), &root_of(right)?))
        }
    }
}
