//! The journal in files: segments of frames, one write and one sync for each batch.

use std::fmt::{self, Debug};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::frame::{self, Found};
use super::{Batch, BatchVisitor, Journal, JournalReader, Setback, Tip, Visitor};
use crate::disk::{Disk, DiskFile, Readers};
use crate::error::{At, LedgerError};

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

/// What the writing and the reading side share.
#[derive(Debug)]
struct Files {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    map: RwLock<Map>,
}

impl Files {
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
    marks: Vec<Mark>,
    size: u64,
}

#[derive(Debug, Clone)]
struct Segment {
    path: PathBuf,
    length: u64,
}

/// A frame begins there.
#[derive(Debug, Clone, Copy)]
struct Mark {
    first: u64,
    segment: usize,
    offset: u64,
}

impl Map {
    /// Notes a frame that was appended to the last segment.
    fn add(&mut self, batch: &Batch, length: u64) {
        let segment = self.segments.len() - 1;
        let offset = self.segments[segment].length;
        let far = self.marks.last().is_none_or(|mark| {
            mark.segment != segment
                || batch.first() - mark.first >= MARK_ENTRIES
                || offset - mark.offset >= MARK_BYTES
        });
        if far {
            self.marks.push(Mark { first: batch.first(), segment, offset });
        }
        self.segments[segment].length += length;
        self.size = batch.end();
    }
}

fn segment_name(first: u64) -> String {
    format!("{first:020}.wal")
}

impl FileJournal {
    /// Makes the directory of an empty journal.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path) -> Result<(), LedgerError> {
        disk.create_dir(dir).at("make", dir)
    }

    /// Opens the journal and shows every batch to `visitor`. What an interrupted write left at the end is cut
    /// off, unless `promised` entries were published and would not be there without it.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes: u64,
        promised: u64,
        visitor: &mut BatchVisitor<'_>,
    ) -> Result<Self, LedgerError> {
        let (map, rest) = survey(&*disk, dir, promised, visitor)?;
        if let Some(Unfinished { path, offset, .. }) = rest {
            disk.truncate(&path, offset).at("cut off the interrupted write at the end of", &path)?;
        }
        let last = match map.segments.last() {
            Some(Segment { path, .. }) => Some((path.clone(), disk.append(path).at("open", path)?)),
            None => None,
        };
        let files = Files { disk, dir: dir.to_owned(), map: RwLock::new(map) };
        Ok(Self { files: Arc::new(files), last, segment_bytes, buffer: Vec::new() })
    }

    /// Reads a journal that another process may be writing, and changes nothing. Answers the reader, and how
    /// many bytes of an unfinished write stand at the end.
    pub(crate) fn read_only(
        disk: Arc<dyn Disk>,
        dir: &Path,
        promised: u64,
        visitor: &mut BatchVisitor<'_>,
    ) -> Result<(Arc<dyn JournalReader>, u64), LedgerError> {
        let (map, rest) = survey(&*disk, dir, promised, visitor)?;
        let files = Files { disk, dir: dir.to_owned(), map: RwLock::new(map) };
        Ok((Arc::new(files), rest.map_or(0, |rest| rest.length)))
    }

    fn begin_segment(&mut self, first: u64) -> Result<(), LedgerError> {
        let Files { disk, dir, .. } = &*self.files;
        let path = dir.join(segment_name(first));
        self.last = Some((path.clone(), disk.create(&path, Readers::Owner).at("make", &path)?));
        // Without this a crash could lose the whole file, synced contents and all.
        disk.sync_dir(dir).at("sync", dir)?;
        self.files.map_mut().segments.push(Segment { path, length: 0 });
        Ok(())
    }
}

/// What an interrupted write left at the end of the last segment.
struct Unfinished {
    path: PathBuf,
    offset: u64,
    length: u64,
}

/// Reads the whole journal.
fn survey(
    disk: &dyn Disk,
    dir: &Path,
    promised: u64,
    visitor: &mut BatchVisitor<'_>,
) -> Result<(Map, Option<Unfinished>), LedgerError> {
    let names = disk.list(dir).at("list", dir)?;
    let mut map = Map::default();
    for (at, name) in names.iter().enumerate() {
        let path = dir.join(name);
        let first: u64 = match name.strip_suffix(".wal").map(str::parse) {
            Some(Ok(first)) if *name == segment_name(first) => first,
            _ => return Err(LedgerError::Foreign { path }),
        };
        if first != map.size {
            let what = "the segment that should stand here is missing";
            return Err(LedgerError::Damaged { path, offset: 0, entry: map.size, what });
        }
        let length = disk.length(&path).at("look at", &path)?;
        map.segments.push(Segment { path: path.clone(), length: 0 });
        if let Err(Broken { offset, what }) = scan(disk, &mut map, length, visitor)? {
            let mut rest = Vec::new();
            // No further than the length that was judged: another process may be writing on.
            let tail = disk.read_from(&path, offset).at("read", &path)?;
            tail.take(length - offset).read_to_end(&mut rest).at("read", &path)?;
            let is_last = at + 1 == names.len();
            if !is_last || map.size < promised || !frame::is_interrupted_write(&rest, offset) {
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

/// Reads the last segment of the map from its beginning.
fn scan(
    disk: &dyn Disk,
    map: &mut Map,
    length: u64,
    visitor: &mut BatchVisitor<'_>,
) -> Result<Result<(), Broken>, LedgerError> {
    let Some(path) = map.segments.last().map(|segment| segment.path.clone()) else { return Ok(Ok(())) };
    let mut file = BufReader::with_capacity(256 * 1024, disk.read_from(&path, 0).at("read", &path)?);
    let mut offset = 0;
    loop {
        match frame::read(&mut file, length - offset).at("read", &path)? {
            Found::End => return Ok(Ok(())),
            Found::Broken(what) => return Ok(Err(Broken { offset, what })),
            Found::Frame(batch, _) if batch.first() != map.size => {
                let what = "a batch stands where another should";
                return Err(LedgerError::Damaged { path, offset, entry: map.size, what });
            }
            Found::Frame(batch, bytes) => {
                visitor(&batch)?;
                map.add(&batch, bytes);
                offset += bytes;
            }
        }
    }
}

impl Journal for FileJournal {
    /// The ledger's lock keeps others away: it is always this process's turn.
    fn begin(&mut self, _: &Tip, _: &mut BatchVisitor<'_>) -> Result<(), Setback> {
        Ok(())
    }

    fn pass(&mut self) {}

    fn commit(&mut self, batch: &Batch) -> Result<(), Setback> {
        if self.files.map().segments.last().is_none_or(|segment| segment.length >= self.segment_bytes) {
            self.begin_segment(batch.first())?;
        }
        let Some((path, file)) = &mut self.last else { return Err(LedgerError::Stopped.into()) };
        frame::write(batch, &mut self.buffer);
        file.write(&self.buffer).at("write", path)?;
        file.sync().at("sync", path)?;
        self.files.map_mut().add(batch, self.buffer.len() as u64);
        Ok(())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.files.clone()
    }
}

impl JournalReader for Files {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<(), LedgerError> {
        let (mut at, segments) = {
            let map = self.map();
            if from >= map.size {
                return Ok(());
            }
            // The first mark is entry 0, so there is one at or before every entry.
            let mark = map.marks.partition_point(|mark| mark.first <= from) - 1;
            let mark = map.marks[mark];
            (Mark { segment: 0, ..mark }, map.segments[mark.segment..].to_vec())
        };
        for Segment { path, length } in segments {
            let file = self.disk.read_from(&path, at.offset).at("read", &path)?;
            let mut file = BufReader::with_capacity(MARK_BYTES as usize, file);
            while at.offset < length {
                let Found::Frame(batch, bytes) =
                    frame::read(&mut file, length - at.offset).at("read", &path)?
                else {
                    let what = "it was whole when it was opened";
                    return Err(LedgerError::Damaged { path, offset: at.offset, entry: at.first, what });
                };
                (at.first, at.offset) = (batch.end(), at.offset + bytes);
                if batch.end() > from && visitor(&batch)?.is_break() {
                    return Ok(());
                }
            }
            at.offset = 0;
        }
        Ok(())
    }
}
