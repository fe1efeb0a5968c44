//! Checking a whole log, from what it publishes or from its own directory, without trusting whoever runs it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use model::entry::{DecodeError, Why};
use model::{Entry, Timestamp};

use crate::admission::Admission;
use crate::checkpoint::Checkpoint;
use crate::disk::{Disk, OsDisk};
use crate::draft::{self, Record};
use crate::error::{CheckpointError, LedgerError};
use crate::journal::FileJournal;
use crate::layout::Layout;
use crate::options::Options;
use crate::receipt::{LogVerifier, Receipt};
use crate::shelf::root_over;
use crate::tile::{self, FULL, HEIGHT, Kind, TilePath};
use crate::tiler::Tiler;
use crate::tree::{Hash, Nodes, Spine, inclusion_holds, leaf_hash};

/// Where a log is read from: a directory, or (in the command line) a URL.
pub trait Source {
    /// The bytes at `checkpoint` or `tile/…`; `None` if there is nothing.
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>>;

    /// The directory of the log's own journal, where it can be read too.
    fn journal(&self) -> Option<PathBuf> {
        None
    }
}

/// A log in a directory: a ledger of this machine, or a copy of what one publishes.
#[derive(Debug, Clone)]
pub struct Directory {
    public: PathBuf,
    journal: Option<PathBuf>,
}

impl Directory {
    /// The log in `dir`: either a ledger's directory, or one with `checkpoint` and `tile/`.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let layout = Layout::new(dir, &Options::default());
        match layout.check(&OsDisk) {
            Ok(()) => Ok(Self { public: layout.public(), journal: Some(layout.journal()) }),
            Err(LedgerError::NotALedger { .. }) if dir.join("checkpoint").is_file() => {
                Ok(Self { public: dir.to_owned(), journal: None })
            }
            Err(error) => Err(error),
        }
    }
}

impl Source for Directory {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        match OsDisk.read(&self.public.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn journal(&self) -> Option<PathBuf> {
        self.journal.clone()
    }
}

/// What was checked, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Which log.
    pub origin: String,
    /// How many entries the published checkpoint is about; each was read, hashed and found in the tree.
    pub entries: u64,
    /// The root over them, in base64.
    pub root: String,
    /// How many tiles of hashes were computed again and compared.
    pub tiles: u64,
    /// How many bundles of entries were read.
    pub bundles: u64,
    /// How many bytes of published data were read.
    pub bytes: u64,
    /// How many signatures of checkpoints were checked.
    pub signatures: u64,
    /// The time of the first entry.
    pub first: Option<Timestamp>,
    /// The time of the last entry.
    pub last: Option<Timestamp>,
    /// What was checked of the log's own journal, where it was at hand.
    pub journal: Option<JournalSummary>,
}

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

/// What is wrong with a log, and where.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It could not be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// What.
        path: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Something that must be there is not.
    #[error("{path} is missing")]
    Missing {
        /// What.
        path: String,
    },
    /// The checkpoint does not verify.
    #[error("{path}: {source}")]
    Checkpoint {
        /// Where it stands.
        path: String,
        /// What is wrong.
        source: CheckpointError,
    },
    /// A bundle that is cut off, too long, or holds another number of entries.
    #[error("{path} does not hold {expected} entries")]
    Bundle {
        /// Which one.
        path: String,
        /// How many entries it should hold.
        expected: usize,
    },
    /// An entry that is not the one that was hashed into the tree.
    #[error("entry {index} (in {bundle}) is not the one that {tile} has the hash of")]
    Leaf {
        /// Which entry.
        index: u64,
        /// In which bundle.
        bundle: String,
        /// Against which tile.
        tile: String,
    },
    /// A tile that is not what the level below gives.
    #[error("{path} is not what the tiles below it give, from hash {hash} on")]
    Tile {
        /// Which one.
        path: String,
        /// The first hash in it that is wrong.
        hash: usize,
    },
    /// The tree over all entries has another root than the checkpoint says.
    #[error("the {size} entries do not have the root that the checkpoint says")]
    Root {
        /// How many entries.
        size: u64,
    },
    /// Bytes in the log that are no entry.
    #[error("entry {index} cannot be read: {source}")]
    Entry {
        /// Which one.
        index: u64,
        /// What is wrong.
        source: DecodeError,
    },
    /// An entry that is not written in the one way in which it should be.
    #[error("entry {index} is not in the deterministic encoding")]
    Encoding {
        /// Which one.
        index: u64,
    },
    /// A list of more rows than an entry may speak of.
    #[error("entry {index} speaks of {rows} rows, more than any entry can")]
    Rows {
        /// Which one.
        index: u64,
        /// How many.
        rows: usize,
    },
    /// Time went back.
    #[error("entry {index} is of {time}, and the one before it of {before}")]
    Time {
        /// Which one.
        index: u64,
        /// Its time.
        time: Timestamp,
        /// The time of the entry before.
        before: Timestamp,
    },
    /// An entry that could not have been admitted.
    #[error("entry {index} could not have been admitted: {why}")]
    NotAdmitted {
        /// Which one.
        index: u64,
        /// Why.
        why: Why,
    },
    /// The journal itself.
    #[error("the journal: {0}")]
    Journal(LedgerError),
    /// The journal is whole, and tells another story than what is published.
    #[error("the journal and what is published disagree about the first {size} entries")]
    Disagreement {
        /// How many entries are published.
        size: u64,
    },
}

/// Checks everything: the signature of the checkpoint, every entry and its encoding, every tile, the root, that
/// time never goes back; with `admission`, that every entry could have been admitted where it stands; and where
/// the journal is at hand, each of its batches and that it tells the same story.
///
/// `progress` is told how many entries are done, and of how many.
pub fn check(
    source: &dyn Source,
    log: &LogVerifier,
    admission: Option<&mut dyn Admission>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary, Damage> {
    let (_, checkpoint) = checkpoint(source, log)?;
    let mut check = Check {
        source,
        admission,
        tiler: Tiler::default(),
        summary: Summary {
            origin: checkpoint.origin.clone(),
            entries: checkpoint.size,
            root: BASE64_STANDARD.encode(checkpoint.root),
            tiles: 0,
            bundles: 0,
            bytes: 0,
            signatures: 1,
            first: None,
            last: None,
            journal: None,
        },
    };
    for number in 0..checkpoint.size.div_ceil(FULL) {
        check.bundle(number, checkpoint.size)?;
        progress(check.tiler.size(), checkpoint.size);
    }
    if check.tiler.root() != checkpoint.root {
        return Err(Damage::Root { size: checkpoint.size });
    }
    let mut summary = check.summary;
    if let Some(dir) = source.journal() {
        let journal = check_journal(&dir, log, &checkpoint)?;
        summary.signatures += journal.batches;
        summary.journal = Some(journal);
    }
    Ok(summary)
}

/// A receipt for an entry, made from what a log publishes, and verified.
pub fn prove(source: &dyn Source, log: &LogVerifier, index: u64) -> Result<Receipt, Damage> {
    let (note, Checkpoint { size, root, .. }) = checkpoint(source, log)?;
    let bundle = TilePath::at_size(Kind::Entries, index / FULL, size).filter(|_| index < size);
    let bundle = bundle.ok_or_else(|| Damage::Missing { path: format!("entry {index}") })?;
    let bytes = fetch_tile(source, bundle)?;
    let entry = tile::entries(&bytes).nth((index % FULL) as usize).flatten();
    let entry = entry.ok_or_else(|| Damage::Bundle { path: bundle.to_string(), expected: bundle.width() })?;
    let nodes = Published { source, size };
    let path = Spine::of(&nodes, size)?.inclusion(&nodes, index)?;
    if !inclusion_holds(&leaf_hash(entry), index, size, &path, &root) {
        let tile = TilePath::at_size(Kind::Hashes(0), index / FULL, size).map(|tile| tile.to_string());
        return Err(Damage::Leaf { index, bundle: bundle.to_string(), tile: tile.unwrap_or_default() });
    }
    Ok(Receipt::new(index, entry.to_vec(), path, note))
}

/// Entries as a log publishes them, from number `from` on, up to `limit`. Not verified: see [`check`] and
/// [`prove`].
pub fn entries(
    source: &dyn Source,
    log: &LogVerifier,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, Entry)>, Damage> {
    let (_, Checkpoint { size, .. }) = checkpoint(source, log)?;
    let mut found = Vec::new();
    for number in from / FULL..size.div_ceil(FULL) {
        let Some(bundle) = TilePath::at_size(Kind::Entries, number, size) else { break };
        let bytes = fetch_tile(source, bundle)?;
        for (index, entry) in
            (number * FULL..).zip(tile::entries(&bytes)).skip_while(|(index, _)| *index < from)
        {
            if found.len() == limit {
                return Ok(found);
            }
            let cut = || Damage::Bundle { path: bundle.to_string(), expected: bundle.width() };
            let entry = Entry::decode(entry.ok_or_else(cut)?);
            found.push((index, entry.map_err(|source| Damage::Entry { index, source })?));
        }
    }
    Ok(found)
}

/// The checkpoint that a log publishes, as a note and as what it says.
pub fn checkpoint(source: &dyn Source, log: &LogVerifier) -> Result<(Arc<str>, Checkpoint), Damage> {
    let path = || "checkpoint".to_owned();
    let note = source.fetch("checkpoint").map_err(|source| Damage::Unreadable { path: path(), source })?;
    let note = String::from_utf8_lossy(&note.ok_or_else(|| Damage::Missing { path: path() })?).into_owned();
    let checkpoint = log.checkpoint(&note).map_err(|source| Damage::Checkpoint { path: path(), source })?;
    Ok((note.into(), checkpoint))
}

/// Fetches a tile; for a partial one that is gone, the full one, of which it is the beginning.
fn fetch_tile(source: &dyn Source, tile: TilePath) -> Result<Vec<u8>, Damage> {
    let fetch = |path: &str| {
        source.fetch(path).map_err(|source| Damage::Unreadable { path: path.to_owned(), source })
    };
    let path = tile.to_string();
    if let Some(bytes) = fetch(&path)? {
        return Ok(bytes);
    }
    let missing = || Damage::Missing { path: path.clone() };
    if tile.is_full() {
        return Err(missing());
    }
    let full = fetch(&TilePath::full(tile.kind(), tile.number()).to_string())?.ok_or_else(missing)?;
    tile::prefix(tile.kind(), &full, tile.width()).map(<[u8]>::to_vec).ok_or_else(missing)
}

/// The nodes of a published tree.
struct Published<'a> {
    source: &'a dyn Source,
    size: u64,
}

impl Nodes for Published<'_> {
    type Error = Damage;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Damage> {
        let (tile_level, above) = (level / HEIGHT, level % HEIGHT);
        let (first, count) = (index << above, 1usize << above);
        let (kind, number, at) = (Kind::Hashes(tile_level), first / FULL, (first % FULL) as usize);
        let missing = || Damage::Missing { path: TilePath::full(kind, number).to_string() };
        let tile = TilePath::at_size(kind, number, self.size).ok_or_else(missing)?;
        let bytes = fetch_tile(self.source, tile)?;
        let cut = || Damage::Tile { path: tile.to_string(), hash: bytes.len() / 32 };
        Ok(root_over(bytes.as_chunks().0.get(at..at + count).ok_or_else(cut)?))
    }
}

struct Check<'a> {
    source: &'a dyn Source,
    admission: Option<&'a mut dyn Admission>,
    tiler: Tiler,
    summary: Summary,
}

impl Check<'_> {
    fn bundle(&mut self, number: u64, size: u64) -> Result<(), Damage> {
        let Some(bundle) = TilePath::at_size(Kind::Entries, number, size) else { return Ok(()) };
        let bytes = fetch_tile(self.source, bundle)?;
        self.summary.bundles += 1;
        self.summary.bytes += bytes.len() as u64;
        let entries: Option<Vec<&[u8]>> = tile::entries(&bytes).collect();
        let wrong = || Damage::Bundle { path: bundle.to_string(), expected: bundle.width() };
        let entries = entries.filter(|entries| entries.len() == bundle.width()).ok_or_else(wrong)?;
        // First against the tree: bytes that are not the log's are named so, whatever they decode to.
        let (source, summary) = (self.source, &mut self.summary);
        for entry in &entries {
            self.tiler.add(entry, |tile, computed| compare(source, tile, computed, summary))?;
        }
        if self.tiler.size() == size {
            self.partials()?;
        }
        (number * FULL..).zip(entries).try_for_each(|(index, entry)| self.entry(index, entry))
    }

    fn partials(&mut self) -> Result<(), Damage> {
        let summary = &mut self.summary;
        self.tiler.partials().try_for_each(|(tile, computed)| compare(self.source, tile, computed, summary))
    }

    fn entry(&mut self, index: u64, bytes: &[u8]) -> Result<(), Damage> {
        let entry = Entry::decode(bytes).map_err(|source| Damage::Entry { index, source })?;
        if entry.encode() != bytes {
            return Err(Damage::Encoding { index });
        }
        let time = entry.time;
        match self.summary.last {
            Some(before) if time < before => return Err(Damage::Time { index, time, before }),
            _ => self.summary.last = Some(time),
        }
        self.summary.first.get_or_insert(time);
        let rows = draft::count(&entry.event);
        if rows > draft::MAX_ROWS {
            return Err(Damage::Rows { index, rows });
        }
        if let Some(admission) = &mut self.admission {
            let openings = vec![None; rows];
            let admitted = admission.admit(&[Record { index, entry, openings }]);
            admitted.map_err(|why| Damage::NotAdmitted { index, why })?;
            admission.settle();
        }
        Ok(())
    }
}

/// Compares a tile of hashes with what the entries give. (Bundles are what everything is computed from.)
fn compare(
    source: &dyn Source,
    tile: TilePath,
    computed: &[u8],
    summary: &mut Summary,
) -> Result<(), Damage> {
    let Kind::Hashes(level) = tile.kind() else { return Ok(()) };
    let bytes = fetch_tile(source, tile)?;
    summary.tiles += 1;
    summary.bytes += bytes.len() as u64;
    if bytes == computed {
        return Ok(());
    }
    let path = tile.to_string();
    let same = bytes.as_chunks::<32>().0.iter().zip(computed.as_chunks::<32>().0).take_while(|(a, b)| a == b);
    let hash = same.count();
    if level == 0 && hash < tile.width() && bytes.len() == computed.len() {
        let index = tile.number() * FULL + hash as u64;
        let bundle =
            TilePath::at_size(Kind::Entries, tile.number(), tile.number() * FULL + tile.width() as u64);
        return Err(Damage::Leaf {
            index,
            bundle: bundle.map(|b| b.to_string()).unwrap_or_default(),
            tile: path,
        });
    }
    Err(Damage::Tile { path, hash })
}

/// Checks every batch of a journal (checksum, root, signature), and that it has what is published.
fn check_journal(dir: &Path, log: &LogVerifier, published: &Checkpoint) -> Result<JournalSummary, Damage> {
    let mut tiler = Tiler::default();
    let mut summary = JournalSummary { entries: 0, batches: 0, bytes: 0, unfinished_bytes: 0 };
    let mut root = (published.size == 0).then(|| tiler.root());
    let checked = FileJournal::read_only(Arc::new(OsDisk), dir, published.size, &mut |batch| {
        for item in batch.items() {
            let Ok(()) = tiler.add(item.entry, |_, _| Ok::<_, std::convert::Infallible>(()));
        }
        let said = log.checkpoint(batch.checkpoint());
        let said = said.map_err(|source| LedgerError::Checkpoint { path: dir.to_owned(), source })?;
        if (said.size, said.root) != (tiler.size(), tiler.root()) {
            return Err(LedgerError::WrongRoot { size: batch.end() });
        }
        if tiler.size() == published.size {
            root = Some(tiler.root());
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
