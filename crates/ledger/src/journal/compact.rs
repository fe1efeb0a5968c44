//! Compaction: full segments whose entries are published in full bundles are replaced by such as leave them out.
//!
//! A bundle is packed from the journal, synced, and read back before the first byte of the journal depends on it; the new
//! segment is written beside the old one, synced, and read back through the packed bundles, and only if that comes to the
//! same entries, openings and checkpoints are the plain tiles removed and the old segment replaced, by one rename. A crash
//! anywhere before the rename leaves the old segment, and what is packed by then is packed for the next time.

use std::collections::BTreeSet;
use std::io::{self, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::chunk::{Kept, Stored};
use super::file::{Full, visit_frame};
use super::frame::{self, Found};
use super::{Batch, Files, JournalReader, Place};
use crate::disk::{DiskFile, Readers};
use crate::error::{At, LedgerError};
use crate::packed;
use crate::tile::{self, FULL, Kind, TilePath};
use crate::vault::{Keyed, Vault};

/// A chunk ends once it has so many entries. A customer's openings are grouped within a chunk, and a read opens the table
/// of a whole one.
const CHUNK: usize = 16_384;
/// A checkpoint is kept once so many entries have come since the last one. A read unpacks at least so many.
const KEEP: u32 = 1024;

/// What was compacted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compaction {
    /// How many segments of the journal.
    pub segments: u64,
    /// How many entries are in them.
    pub entries: u64,
    /// How many bytes these segments had.
    pub journal_bytes_before: u64,
    /// How many bytes they have.
    pub journal_bytes_after: u64,
    /// How many bytes the bundles and tiles had that were packed or left out.
    pub tile_bytes_before: u64,
    /// How many bytes the packed bundles have.
    pub tile_bytes_after: u64,
}

impl Compaction {
    /// How many bytes everything had that was compacted.
    pub fn bytes_before(&self) -> u64 {
        self.journal_bytes_before + self.tile_bytes_before
    }

    /// How many bytes it has.
    pub fn bytes_after(&self) -> u64 {
        self.journal_bytes_after + self.tile_bytes_after
    }
}

/// What a compaction is done with.
pub(crate) struct Order<'a> {
    pub(crate) vault: &'a Vault,
    /// So many entries are published.
    pub(crate) published: u64,
    /// The checkpoint of this size is kept: a snapshot stands on it.
    pub(crate) snapshot: u64,
    /// Told how many entries are done, and of how many.
    pub(crate) progress: &'a mut dyn FnMut(u64, u64),
    /// Whether to leave off. What is done by then is done.
    pub(crate) stops: &'a dyn Fn() -> bool,
}

/// Compacts every full segment that is not, and whose entries are all in full bundles that are published.
pub(crate) fn compact(files: &Files, order: &mut Order<'_>) -> Result<Compaction, LedgerError> {
    let mut segments = Vec::new();
    for full in files.full() {
        if full.end.div_ceil(FULL) * FULL <= order.published && !is_compacted(&files.place, &full.path)? {
            segments.push(full);
        }
    }
    let whole = segments.iter().map(|full| full.end - full.first).sum();
    let mut done = Compaction::default();
    for full in &segments {
        let Some(new) = rewrite(files, full, order)? else { break };
        let (before, after) = leave_out(&files.place, full)?;
        files.replace(full, &new.path, new.length)?;
        done.segments += 1;
        done.entries += full.end - full.first;
        done.journal_bytes_before += full.length;
        done.journal_bytes_after += new.length;
        done.tile_bytes_before += before;
        done.tile_bytes_after += after;
        (order.progress)(done.entries, whole);
    }
    Ok(done)
}

fn is_compacted(place: &Place, path: &Path) -> Result<bool, LedgerError> {
    let mut beginning = Vec::new();
    let file = place.disk.read_from(path, 0).at("read", path)?;
    io::Read::read_to_end(&mut io::Read::take(file, 4), &mut beginning).at("read", path)?;
    Ok(frame::is_compacted(&beginning))
}

/// A segment that is ready to take the place of another.
struct Rewritten {
    path: PathBuf,
    length: u64,
}

/// Packs the bundles of a segment, and writes it anew; `None` if it was told to leave off.
fn rewrite(files: &Files, full: &Full, order: &Order<'_>) -> Result<Option<Rewritten>, LedgerError> {
    let place = &files.place;
    if pack(files, full, order.stops)?.is_break() {
        return Ok(None);
    }
    let path = full.path.with_added_extension("new");
    let file = place.disk.create(&path, Readers::Owner).at("make", &path)?;
    let mut writer = Writer::new(file, &path, full, order);
    files.visit(full.first, &mut |batch| {
        if batch.first() >= full.end || (order.stops)() {
            return Ok(ControlFlow::Break(()));
        }
        writer.take(batch)?;
        Ok(ControlFlow::Continue(()))
    })?;
    if (order.stops)() {
        return Ok(None);
    }
    let (length, story) = writer.finish()?;
    if read_back(place, &path, length, order.vault)? != story {
        return Err(LedgerError::Compaction { path: full.path.clone() });
    }
    Ok(Some(Rewritten { path, length }))
}

/// Packs every bundle that has entries of this segment, from the journal, and makes it durable.
fn pack(files: &Files, full: &Full, stops: &dyn Fn() -> bool) -> Result<ControlFlow<()>, LedgerError> {
    let Place { disk, bundles, .. } = &files.place;
    let (begin, end) = (full.first / FULL * FULL, full.end.div_ceil(FULL) * FULL);
    let (mut bundle, mut dirs, mut stopped) = (Vec::new(), BTreeSet::new(), false);
    let public = bundles.public();
    files.visit(begin, &mut |batch| {
        for item in batch.items().filter(|item| (begin..end).contains(&item.index)) {
            tile::push_entry(&mut bundle, item.entry);
            if (item.index + 1) % FULL != 0 {
                continue;
            }
            stopped = stops();
            if stopped {
                return Ok(ControlFlow::Break(()));
            }
            let (number, path) = (item.index / FULL, packed::path(public, item.index / FULL));
            let is_there =
                packed::read(&**disk, public, number).is_ok_and(|there| there.as_ref() == Some(&bundle));
            if let Some(dir) = path.parent() {
                disk.create_dir(dir).at("make", dir)?;
                dirs.extend(dir.ancestors().take_while(|dir| dir.starts_with(public)).map(PathBuf::from));
            }
            if !is_there {
                packed::write(&**disk, public, number, &bundle).at("write", &path)?;
            }
            bundle.clear();
        }
        Ok(if batch.end() < end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    if stopped {
        return Ok(ControlFlow::Break(()));
    }
    dirs.iter().try_for_each(|dir| disk.sync_dir(dir).at("sync", dir))?;
    Ok(ControlFlow::Continue(()))
}

/// What a segment says: of two that say the same, one can stand for the other.
#[derive(Default)]
struct Story(Sha256);

impl Story {
    #[allow(clippy::expect_used)]
    fn item(&mut self, entry: &[u8], openings: &[Keyed]) {
        self.0.update((entry.len() as u64).to_be_bytes());
        self.0.update(entry);
        self.0.update((openings.len() as u64).to_be_bytes());
        // Writing CBOR to a Vec cannot fail.
        let bytes = zeroize::Zeroizing::new(minicbor::to_vec(openings).expect("a Vec takes every byte"));
        self.0.update(&*bytes);
    }

    fn checkpoint(&mut self, checkpoint: &str) {
        self.0.update((checkpoint.len() as u64).to_be_bytes());
        self.0.update(checkpoint);
    }

    fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// A segment that is being written.
struct Writer<'a> {
    file: Box<dyn DiskFile>,
    path: &'a Path,
    vault: &'a Vault,
    end: u64,
    snapshot: u64,
    /// The first entry of the chunk, and the openings of its entries.
    first: u64,
    openings: Vec<Vec<Keyed>>,
    batches: Vec<Kept>,
    /// How many entries came since the last checkpoint that was kept.
    since: u32,
    frame: Vec<u8>,
    length: u64,
    story: Story,
}

impl<'a> Writer<'a> {
    fn new(file: Box<dyn DiskFile>, path: &'a Path, full: &Full, order: &'a Order<'_>) -> Self {
        Self {
            file,
            path,
            vault: order.vault,
            end: full.end,
            snapshot: order.snapshot,
            first: full.first,
            openings: Vec::new(),
            batches: Vec::new(),
            since: 0,
            frame: Vec::new(),
            length: 0,
            story: Story::default(),
        }
    }

    fn take(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        for item in batch.items() {
            let openings = self.vault.open_keyed(item.index, item.sealed)?;
            self.story.item(item.entry, &openings);
            self.openings.push(openings);
        }
        self.since += batch.count();
        let is_needed = batch.end() == self.end || batch.end() == self.snapshot;
        if self.since >= KEEP || is_needed {
            self.story.checkpoint(batch.checkpoint());
            let checkpoint = batch.checkpoint().to_owned();
            self.batches.push(Kept { count: std::mem::take(&mut self.since), checkpoint });
            if self.openings.len() >= CHUNK || batch.end() == self.end {
                self.write_chunk(batch.end())?;
            }
        }
        Ok(())
    }

    #[allow(clippy::expect_used)]
    fn write_chunk(&mut self, end: u64) -> Result<(), LedgerError> {
        let openings = self.vault.group(self.first, &self.openings)?;
        let stored = Stored { batches: std::mem::take(&mut self.batches), openings };
        // Writing CBOR to a Vec cannot fail.
        let bytes = minicbor::to_vec(&stored).expect("a Vec takes every byte");
        frame::write_chunk(self.first, (end - self.first) as u32, &bytes, &mut self.frame);
        self.file.write(&self.frame).at("write", self.path)?;
        self.length += self.frame.len() as u64;
        self.first = end;
        self.openings.clear();
        Ok(())
    }

    /// How long it is, and what it says.
    fn finish(mut self) -> Result<(u64, [u8; 32]), LedgerError> {
        self.file.sync().at("sync", self.path)?;
        Ok((self.length, self.story.end()))
    }
}

/// What a segment says, as whoever opens the ledger would read it.
fn read_back(place: &Place, path: &Path, length: u64, vault: &Vault) -> Result<[u8; 32], LedgerError> {
    let mut file = BufReader::with_capacity(256 * 1024, place.disk.read_from(path, 0).at("read", path)?);
    let (mut offset, mut story) = (0, Story::default());
    loop {
        match frame::read(&mut file, length - offset).at("read", path)? {
            Found::End => return Ok(story.end()),
            Found::Broken(what) => {
                let path = path.to_owned();
                return Err(LedgerError::Damaged { path, offset, entry: 0, what });
            }
            Found::Frame(frame, bytes) => {
                let mut tell = |batch: &Batch| {
                    for item in batch.items() {
                        story.item(item.entry, &vault.open_keyed(item.index, item.sealed)?);
                    }
                    story.checkpoint(batch.checkpoint());
                    Ok(ControlFlow::Continue(()))
                };
                let (ControlFlow::Continue(()) | ControlFlow::Break(())) =
                    visit_frame(&frame, 0, &place.bundles, &mut tell)?;
                offset += bytes;
            }
        }
    }
}

/// Removes the tiles that packed bundles stand for. How many bytes they had, and the packed ones have.
fn leave_out(place: &Place, full: &Full) -> Result<(u64, u64), LedgerError> {
    let Place { disk, bundles, .. } = place;
    let (mut before, mut after) = (0, 0);
    for number in full.first / FULL..full.end.div_ceil(FULL) {
        for kind in [Kind::Entries, Kind::Hashes(0)] {
            let path = bundles.public().join(TilePath::full(kind, number).to_string());
            // Where the segment before ended in this bundle it is gone already.
            let Ok(length) = disk.length(&path) else { continue };
            disk.remove(&path).at("remove", &path)?;
            before += length;
        }
        let path = packed::path(bundles.public(), number);
        after += disk.length(&path).at("look at", &path)?;
    }
    Ok((before, after))
}
