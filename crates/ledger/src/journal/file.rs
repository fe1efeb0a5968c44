//! The journal in files: segments of frames, one write and one sync for each batch. Old segments are replaced by compacted
//! ones, see `compact.rs`.

use std::fmt::{self, Debug};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::frame::{self, Found, Frame};
use super::{Batch, BatchVisitor, Journal, JournalReader, Next, Setback, Tip, Visitor};
use crate::disk::{Disk, DiskFile, Readers};
use crate::error::{At, LedgerError};
use crate::packed::Bundles;

/// How far apart the places are that the index knows: a read scans at most this many entries or bytes too many.
const MARK_ENTRIES: u64 = 256;
const MARK_BYTES: u64 = 64 * 1024;

/// The writing side of the journal in files.
pub(crate) struct FileJournal {
    files: Arc<Files>,
    last: Option<(PathBuf, Box<dyn DiskFile>)>,
    segment_bytes: u64,
    buffer: Vec<u8>,
}

impl Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

/// Where a journal in files stands.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    /// What the entries of compacted segments are read from.
    pub(super) bundles: Bundles,
}

impl Place {
    /// The journal in `dir`, of the log that is published in `public`.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, public: PathBuf) -> Self {
        Self { bundles: Bundles::new(disk.clone(), public), disk, dir }
    }
}

/// What the writing and the reading side share.
#[derive(Debug)]
pub(crate) struct Files {
    pub(super) place: Place,
    map: RwLock<Map>,
    /// Whether another process may compact what is read here.
    is_foreign: bool,
}

/// A segment that takes no more batches.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) at: usize,
    pub(super) path: PathBuf,
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) length: u64,
}

impl Files {
    /// The segments that take no more batches, in order.
    pub(super) fn full(&self) -> Vec<Full> {
        let map = self.map();
        let pairs = map.segments.windows(2).enumerate();
        let full = pairs.map(|(at, pair)| Full {
            at,
            path: pair[0].path.clone(),
            first: pair[0].first(),
            end: pair[1].first(),
            length: pair[0].length,
        });
        full.collect()
    }

    /// Puts the file at `new`, which holds the same `length` bytes and is durable, in the place of a full segment. Who
    /// reads the old one reads on.
    pub(super) fn replace(&self, full: &Full, new: &Path, length: u64) -> Result<(), LedgerError> {
        let Place { disk, dir, .. } = &self.place;
        {
            // Nobody opens it while its name and what is known of it disagree.
            let mut map = self.map_mut();
            disk.rename(new, &full.path).at("replace", &full.path)?;
            map.segments[full.at].renew(length);
        }
        disk.sync_dir(dir).at("sync", dir)
    }

    fn map(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn map_mut(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where what is. Only durable bytes are in it, so no reader sees others.
#[derive(Debug, Default)]
struct Map {
    segments: Vec<Segment>,
    size: u64,
}

/// A file of frames that follow on one another.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    length: u64,
    /// Where frames begin, far enough apart; the first is that at the beginning. Behind the last one nothing is known of
    /// a segment that nobody has read: whoever reads it for the first time learns.
    marks: Vec<Mark>,
    /// How often it was replaced. What is learned of one version says nothing of the next.
    version: u32,
}

/// A frame begins there.
#[derive(Debug, Clone, Copy)]
struct Mark {
    first: u64,
    offset: u64,
}

impl Mark {
    fn is_far_from(self, last: Self) -> bool {
        self.first >= last.first + MARK_ENTRIES || self.offset >= last.offset + MARK_BYTES
    }
}

impl Segment {
    fn new(path: PathBuf, first: u64, length: u64) -> Self {
        Self { path, length, marks: vec![Mark { first, offset: 0 }], version: 0 }
    }

    /// Another file stands in its place.
    fn renew(&mut self, length: u64) {
        self.length = length;
        self.marks.truncate(1);
        self.version += 1;
    }

    fn first(&self) -> u64 {
        self.marks[0].first
    }

    fn last_mark(&self) -> Mark {
        self.marks[self.marks.len() - 1]
    }

    /// The mark at or before this entry, which is not before the first.
    fn mark_before(&self, entry: u64) -> Mark {
        self.marks[self.marks.partition_point(|mark| mark.first <= entry) - 1]
    }

    fn note(&mut self, mark: Mark) {
        if mark.is_far_from(self.last_mark()) {
            self.marks.push(mark);
        }
    }
}

impl Map {
    /// Notes a frame with the entries `first..end` behind those of the last segment.
    fn add(&mut self, first: u64, end: u64, length: u64) {
        let Some(segment) = self.segments.last_mut() else { return };
        segment.note(Mark { first, offset: segment.length });
        segment.length += length;
        self.size = end;
    }
}

fn segment_name(first: u64) -> String {
    format!("{first:020}.wal")
}

/// What an interrupted compaction leaves behind.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.ends_with(".wal.new")
}

impl FileJournal {
    /// Makes the directory of an empty journal.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path) -> Result<(), LedgerError> {
        disk.create_dir(dir).at("make", dir)
    }

    /// Opens the journal and shows to `visitor` every batch, or, where the first `known` entries are known otherwise,
    /// those of the segments that do not end before `known`: older files are not looked into, only listed. What an
    /// interrupted write left at the end is cut off, unless `promised` entries were published and would not be there
    /// without it.
    pub(crate) fn open(
        place: Place,
        segment_bytes: u64,
        known: u64,
        promised: u64,
        visitor: &mut BatchVisitor<'_>,
    ) -> Result<Self, LedgerError> {
        let (map, rest) = survey(&place, known, promised, visitor)?;
        let disk = &place.disk;
        if let Some(Unfinished { path, offset, .. }) = rest {
            disk.truncate(&path, offset).at("cut off the interrupted write at the end of", &path)?;
        }
        let last = match map.segments.last() {
            Some(Segment { path, .. }) => Some((path.clone(), disk.append(path).at("open", path)?)),
            None => None,
        };
        let files = Files { place, map: RwLock::new(map), is_foreign: false };
        Ok(Self { files: Arc::new(files), last, segment_bytes, buffer: Vec::new() })
    }

    /// Reads a journal that another process may be writing, and changes nothing. Answers the reader, and how
    /// many bytes of an unfinished write stand at the end.
    pub(crate) fn read_only(
        place: Place,
        promised: u64,
        visitor: &mut BatchVisitor<'_>,
    ) -> Result<(Arc<dyn JournalReader>, u64), LedgerError> {
        let (map, rest) = survey(&place, 0, promised, visitor)?;
        let files = Files { place, map: RwLock::new(map), is_foreign: true };
        Ok((Arc::new(files), rest.map_or(0, |rest| rest.length)))
    }

    fn begin_segment(&mut self, first: u64) -> Result<(), LedgerError> {
        let Place { disk, dir, .. } = &self.files.place;
        let path = dir.join(segment_name(first));
        self.last = Some((path.clone(), disk.create(&path, Readers::Owner).at("make", &path)?));
        // Without this a crash could lose the whole file, synced contents and all.
        disk.sync_dir(dir).at("sync", dir)?;
        self.files.map_mut().segments.push(Segment::new(path, first, 0));
        Ok(())
    }
}

/// What an interrupted write left at the end of the last segment.
struct Unfinished {
    path: PathBuf,
    offset: u64,
    length: u64,
}

/// Reads the journal, without the segments that end at `known` or before.
fn survey(
    place: &Place,
    known: u64,
    promised: u64,
    visitor: &mut BatchVisitor<'_>,
) -> Result<(Map, Option<Unfinished>), LedgerError> {
    let Place { disk, dir, .. } = place;
    let mut found = Vec::new();
    for name in disk.list(dir).at("list", dir)?.into_iter().filter(|name| !is_unfinished(name)) {
        let path = dir.join(&name);
        match name.strip_suffix(".wal").map(str::parse) {
            Some(Ok(first)) if name == segment_name(first) => found.push((first, path)),
            _ => return Err(LedgerError::Foreign { path }),
        }
    }
    // The segment that holds the last known entry is read: what is known must agree with what it says.
    let skipped = found.partition_point(|(first, _)| *first < known).saturating_sub(1);
    let mut map = Map::default();
    let last = found.len().saturating_sub(1);
    for (at, (first, path)) in found.into_iter().enumerate() {
        let length = disk.length(&path).at("look at", &path)?;
        if at < skipped || (at == skipped && at > 0) {
            map.size = first;
        }
        if first != map.size || (at == 0 && first > 0) {
            let what = "the segment that should stand here is missing";
            return Err(LedgerError::Damaged { path, offset: 0, entry: map.size, what });
        }
        if at < skipped {
            map.segments.push(Segment::new(path, first, length));
            continue;
        }
        map.segments.push(Segment::new(path.clone(), first, 0));
        if let Err(Broken { offset, what }) = scan(place, &mut map, length, visitor)? {
            let mut rest = Vec::new();
            // No further than the length that was judged: another process may be writing on.
            let tail = disk.read_from(&path, offset).at("read", &path)?;
            tail.take(length - offset).read_to_end(&mut rest).at("read", &path)?;
            if at < last || map.size < promised || !frame::is_interrupted_write(&rest, offset) {
                return Err(LedgerError::Damaged { path, offset, entry: map.size, what });
            }
            return Ok((map, Some(Unfinished { path, offset, length: rest.len() as u64 })));
        }
    }
    Ok((map, None))
}

struct Broken {
    offset: u64,
    what: &'static str,
}

/// Reads the last segment of the map, which had `length` bytes, from its beginning.
fn scan(
    place: &Place,
    map: &mut Map,
    mut length: u64,
    visitor: &mut BatchVisitor<'_>,
) -> Result<Result<(), Broken>, LedgerError> {
    let Some(path) = map.segments.last().map(|segment| segment.path.clone()) else { return Ok(Ok(())) };
    let mut file = BufReader::with_capacity(256 * 1024, place.disk.read_from(&path, 0).at("read", &path)?);
    if is_compacted(&mut file).at("read", &path)? {
        // It may have been replaced since it was looked at; what was opened is never written again.
        length = place.disk.length(&path).at("look at", &path)?;
    }
    let mut offset = 0;
    loop {
        match frame::read(&mut file, length - offset).at("read", &path)? {
            Found::End => return Ok(Ok(())),
            Found::Broken(what) => return Ok(Err(Broken { offset, what })),
            Found::Frame(frame, _) if frame.first() != map.size => {
                let what = "a batch stands where another should";
                return Err(LedgerError::Damaged { path, offset, entry: map.size, what });
            }
            Found::Frame(frame, bytes) => {
                let mut on = |batch: &Batch| visitor(batch).map(ControlFlow::Continue);
                let (ControlFlow::Continue(()) | ControlFlow::Break(())) =
                    visit_frame(&frame, 0, &place.bundles, &mut on)?;
                map.add(frame.first(), frame.end(), bytes);
                offset += bytes;
            }
        }
    }
}

/// Whether a segment that is read from its beginning is compacted.
fn is_compacted(file: &mut impl BufRead) -> io::Result<bool> {
    Ok(frame::is_compacted(file.fill_buf()?))
}

/// Visits the batches of a frame from the one that holds entry `from` on.
pub(super) fn visit_frame(
    frame: &Frame,
    from: u64,
    bundles: &Bundles,
    visitor: &mut Visitor<'_>,
) -> Result<ControlFlow<()>, LedgerError> {
    match frame {
        Frame::Batch(batch) if batch.end() > from => visitor(batch),
        Frame::Batch(_) => Ok(ControlFlow::Continue(())),
        Frame::Chunk(chunk) => chunk.visit(from, bundles, visitor),
    }
}

impl Journal for FileJournal {
    /// The ledger's lock keeps others away: it is always this process's turn.
    fn begin(&mut self, _: &Tip, _: &mut BatchVisitor<'_>) -> Result<(), Setback> {
        Ok(())
    }

    fn follow(&mut self, _: &Tip, _: &mut BatchVisitor<'_>) -> Result<(), Setback> {
        Ok(())
    }

    fn pass(&mut self) {}

    fn commit(&mut self, next: &Next<'_>) -> Result<(), Setback> {
        let batch = next.batch;
        if self.files.map().segments.last().is_none_or(|segment| segment.length >= self.segment_bytes) {
            self.begin_segment(batch.first())?;
        }
        let Some((path, file)) = &mut self.last else { return Err(LedgerError::Stopped.into()) };
        frame::write(batch, &mut self.buffer);
        file.write(&self.buffer).at("write", path)?;
        file.sync().at("sync", path)?;
        self.files.map_mut().add(batch.first(), batch.end(), self.buffer.len() as u64);
        Ok(())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.files.clone()
    }
}

impl JournalReader for Files {
    fn files(&self) -> Option<&Files> {
        Some(self)
    }

    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<(), LedgerError> {
        let at = {
            let map = self.map();
            if from >= map.size {
                return Ok(());
            }
            // The first segment begins with entry 0, so there is one at or before every entry.
            map.segments.partition_point(|segment| segment.first() <= from) - 1
        };
        for at in at.. {
            let mut learned = Learned::default();
            let done = self.visit_segment(at, from, visitor, &mut learned);
            if !learned.marks.is_empty() {
                let segment = &mut self.map_mut().segments[at];
                if segment.version == learned.version {
                    learned.marks.into_iter().for_each(|mark| segment.note(mark));
                }
            }
            if done?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Where frames begin in a version of a segment.
#[derive(Default)]
struct Learned {
    version: u32,
    marks: Vec<Mark>,
}

impl Files {
    /// Breaks off behind the last segment, too. What was `learned` of where frames begin is new.
    fn visit_segment(
        &self,
        at: usize,
        from: u64,
        visitor: &mut Visitor<'_>,
        learned: &mut Learned,
    ) -> Result<ControlFlow<()>, LedgerError> {
        let disk = &self.place.disk;
        if self.is_foreign {
            self.look_again(at)?;
        }
        let (path, length, mut here, mut last, file) = {
            let map = self.map();
            let Some(segment) = map.segments.get(at) else { return Ok(ControlFlow::Break(())) };
            let begin = segment.mark_before(from.max(segment.first()));
            learned.version = segment.version;
            // Before it can be replaced.
            let file = disk.read_from(&segment.path, begin.offset).at("read", &segment.path)?;
            (segment.path.clone(), segment.length, begin, segment.last_mark(), file)
        };
        let mut file = BufReader::with_capacity(MARK_BYTES as usize, file);
        while here.offset < length {
            let found = frame::read(&mut file, length - here.offset).at("read", &path)?;
            let (frame, bytes) = match found {
                Found::Frame(frame, bytes) if frame.first() == here.first => (frame, bytes),
                _ => {
                    let what = "there is no whole batch where one should stand";
                    return Err(LedgerError::Damaged { path, offset: here.offset, entry: here.first, what });
                }
            };
            if here.is_far_from(last) {
                learned.marks.push(here);
                last = here;
            }
            here = Mark { first: frame.end(), offset: here.offset + bytes };
            if frame.end() > from && visit_frame(&frame, from, &self.place.bundles, visitor)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the process that has the ledger open has compacted a segment since.
    fn look_again(&self, at: usize) -> Result<(), LedgerError> {
        let Some((path, known)) =
            self.map().segments.get(at).map(|segment| (segment.path.clone(), segment.length))
        else {
            return Ok(());
        };
        let disk = &self.place.disk;
        let length = disk.length(&path).at("look at", &path)?;
        let file = disk.read_from(&path, 0).at("read", &path)?;
        if length != known && is_compacted(&mut BufReader::with_capacity(64, file)).at("read", &path)? {
            self.map_mut().segments[at].renew(length);
        }
        Ok(())
    }
}
