//! Checking a whole log, from what it publishes or from its own directory, without trusting whoever runs it.
//!
//! [`check`] reads a log; `walk.rs` is how, `fold.rs` are the rules that its entries keep. What the auditor brings
//! from elsewhere (the key, checkpoints they kept) is in [`Options`] and [`LogVerifier`].

mod bundle;
mod damage;
mod fold;
mod journal;
mod proposals;
mod rungs;
mod source;
mod walk;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use model::{Entry, Timestamp};

use crate::admission::Admission;
use crate::checkpoint::Checkpoint;
use crate::draft::{self, Record};
use crate::packed;
use crate::policy::Policy;
use crate::receipt::{LogVerifier, Receipt};
use crate::tile::{self, FULL, Kind, TilePath};
use crate::tree::{Spine, consistency_holds, inclusion_holds, leaf_hash};

pub use bundle::{BundleSummary, CHECKPOINT, MANIFEST, check_bundle, receipt_name};
pub use damage::Damage;
pub use fold::{Breach, Fold, Tally};
pub use journal::JournalSummary;
pub use source::{Directory, OwnJournal, Source};
use source::{Published, fetch_tile};
use walk::{Bundle, Edge, compare, walk};

/// What may lie beside the tiles: the checkpoint, and what a log publishes about itself.
const BESIDE: [&str; 4] = ["checkpoint", "log.vkey", "trust-policy", "pruning-policy"];

/// What was checked, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Which log.
    pub origin: String,
    /// How many entries the published checkpoint is about; each was read, hashed and found in the tree.
    pub entries: u64,
    /// The root over them, in base64.
    pub root: String,
    /// How many of them had been verified before, and were not read again.
    pub verified_before: u64,
    /// How many checkpoints that were known before the log has grown from.
    pub grown_from: u64,
    /// How many tiles of hashes were computed again and compared.
    pub tiles: u64,
    /// How many bundles of entries were read.
    pub bundles: u64,
    /// How many bytes of published data were read.
    pub bytes: u64,
    /// How many signatures of checkpoints were checked.
    pub signatures: u64,
    /// The time of the first entry that was read.
    pub first: Option<Timestamp>,
    /// The time of the last entry.
    pub last: Option<Timestamp>,
    /// What the entries say, counted; none if the rules were not checked.
    pub tally: Option<Tally>,
    /// Who cosigned the checkpoint, as the policy calls them, and when (seconds since the Unix epoch). None if
    /// no policy was given.
    pub cosigned: Option<Vec<(String, u64)>>,
    /// Whether every entry was also admitted again, as the gateway did.
    pub replayed: bool,
    /// What was checked of the log's own journal, where it was at hand.
    pub journal: Option<JournalSummary>,
}

/// What an auditor keeps of a log that was good, to begin with next time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Kept {
    /// When it was verified.
    pub at: Timestamp,
    /// The checkpoint, as a signed note.
    pub checkpoint: String,
    /// What the rules need to know of its entries.
    pub fold: Fold,
}

/// A checkpoint that the auditor has from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Where from, for messages.
    pub name: String,
    /// The signed note.
    pub note: String,
}

/// How a log is checked.
pub struct Options<'a> {
    /// What was kept of it the last time. The log must have grown from it.
    pub kept: Option<&'a Kept>,
    /// Do not read again what was verified when that was kept.
    pub only_new: bool,
    /// Checkpoints from elsewhere, from which the log must have grown too.
    pub known: &'a [Known],
    /// Which logs and which quorum of witnesses to believe.
    pub policy: Option<&'a Policy>,
    /// Whether the entries must keep the rules of Sightline's logs (see [`Fold`]).
    pub rules: bool,
    /// Also admit every entry again where it stands. Needs the whole log.
    pub replay: Option<&'a mut dyn Admission>,
    /// How many threads read.
    pub readers: usize,
}

impl Default for Options<'_> {
    /// Everything is read, the rules are checked, and nothing was known before.
    fn default() -> Self {
        let readers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { kept: None, only_new: false, known: &[], policy: None, rules: true, replay: None, readers }
    }
}

/// A log that is good.
#[derive(Debug)]
pub struct Checked {
    /// What was checked, in numbers.
    pub summary: Summary,
    /// Its checkpoint, as a signed note.
    pub checkpoint: Arc<str>,
    /// What the rules need to know of its entries.
    pub fold: Fold,
}

/// Checks a log: the signature of the checkpoint; every entry, its encoding, and the rules of [`Fold`]; every
/// tile; the root; that the log has grown from every checkpoint that is known of it; and where the journal is at
/// hand, each of its batches and that it tells the same story.
///
/// `progress` is told how many entries are done, and of how many.
pub fn check(
    source: &dyn Source,
    log: &LogVerifier,
    options: Options<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Checked, Damage> {
    let (note, checkpoint) = checkpoint(source, log)?;
    let cosigned = options.policy.map(|policy| cosigned(policy, &note)).transpose()?;
    let known = known(log, &options, &checkpoint)?;
    let start = Start::of(source, log, &options, &checkpoint)?;
    let Options { rules, replay, readers, .. } = options;
    let check = Check {
        verified: start.verified,
        edge: start.edge,
        fold: rules.then_some(start.fold),
        summary: Summary {
            origin: checkpoint.origin.clone(),
            entries: checkpoint.size,
            root: BASE64_STANDARD.encode(checkpoint.root),
            verified_before: start.verified,
            grown_from: known.len() as u64,
            tiles: 0,
            bundles: 0,
            bytes: 0,
            signatures: 1 + known.len() as u64,
            first: None,
            last: None,
            tally: None,
            cosigned,
            replayed: replay.is_some(),
            journal: None,
        },
    };
    let stop = AtomicBool::new(false);
    let (check, journal) = thread::scope(|scope| {
        let (checkpoint, stop) = (&checkpoint, &stop);
        let journal = source.journal();
        let journal = journal.map(|own| scope.spawn(move || journal::check(&own, log, checkpoint, stop)));
        let checked = check.published(source, checkpoint, &known, replay, readers, progress);
        // What is published is named first: whoever looks at a log from outside sees the same.
        stop.store(checked.is_err(), Ordering::Relaxed);
        let journal = journal.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        Ok((checked?, journal.transpose()?))
    })?;
    let Check { mut summary, fold, .. } = check;
    summary.signatures += journal.map_or(0, |journal| journal.batches);
    summary.journal = journal;
    summary.tally = fold.as_ref().map(|fold| *fold.tally());
    Ok(Checked { summary, checkpoint: note, fold: fold.unwrap_or_default() })
}

/// Who cosigned the checkpoint, if they are enough.
fn cosigned(policy: &Policy, note: &str) -> Result<Vec<(String, u64)>, Damage> {
    let accepted = policy.check(note);
    Ok(accepted.map_err(|source| Damage::NotAccepted { path: "checkpoint".into(), source })?.cosigned)
}

/// Every checkpoint that is known of this log, read, with its name. None is of more entries than it has now.
fn known(
    log: &LogVerifier,
    options: &Options<'_>,
    now: &Checkpoint,
) -> Result<Vec<(String, Checkpoint)>, Damage> {
    let kept = options.kept.map(|kept| (kept_name(kept), kept.checkpoint.as_str()));
    let all = kept.into_iter().chain(options.known.iter().map(|known| (known.name.clone(), &*known.note)));
    all.map(|(name, note)| match log.checkpoint(note) {
        Err(source) => Err(Damage::Checkpoint { path: name, source }),
        Ok(old) if old.size > now.size => {
            Err(Damage::RolledBack { known: name, old: old.size, size: now.size })
        }
        Ok(old) => Ok((name, old)),
    })
    .collect()
}

fn kept_name(kept: &Kept) -> String {
    format!("the checkpoint that was verified at {}", kept.at)
}

/// Whether the log as it is now has grown from what it was.
fn grew_from(source: &dyn Source, known: &str, old: &Checkpoint, now: &Checkpoint) -> Result<(), Damage> {
    let nodes = Published { source, size: now.size };
    let proof = Spine::of(&nodes, now.size)?.consistency(&nodes, old.size)?;
    if consistency_holds(old.size, &old.root, now.size, &now.root, &proof) {
        return Ok(());
    }
    Err(Damage::Forked { known: known.to_owned(), old: old.size })
}

/// Where reading begins.
#[derive(Default)]
struct Start {
    /// So many entries were verified before.
    verified: u64,
    /// The right edge of the tree over the whole bundles of them.
    edge: Edge,
    /// What the rules know of them.
    fold: Fold,
}

impl Start {
    fn of(
        source: &dyn Source,
        log: &LogVerifier,
        options: &Options<'_>,
        now: &Checkpoint,
    ) -> Result<Self, Damage> {
        let Some(kept) = options.kept.filter(|_| options.only_new && options.replay.is_none()) else {
            return Ok(Self::default());
        };
        let name = kept_name(kept);
        let old = log.checkpoint(&kept.checkpoint);
        let old = old.map_err(|source| Damage::Checkpoint { path: name.clone(), source })?;
        // The hashes come from the log as it is now. They are believed because they have the root that was kept.
        let edge = Edge::at(&Published { source, size: now.size }, old.size)?;
        if edge.root() != old.root {
            return Err(Damage::Forked { known: name, old: old.size });
        }
        Ok(Self { verified: old.size, edge: edge.whole_bundles(), fold: kept.fold.clone() })
    }
}

/// What is known after each bundle.
struct Check {
    verified: u64,
    edge: Edge,
    fold: Option<Fold>,
    summary: Summary,
}

impl Check {
    /// Reads everything that is published, and compares it with itself and with what was known.
    fn published(
        mut self,
        source: &dyn Source,
        checkpoint: &Checkpoint,
        known: &[(String, Checkpoint)],
        mut replay: Option<&mut dyn Admission>,
        readers: usize,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, Damage> {
        let size = checkpoint.size;
        walk(source, self.verified / FULL, size, readers, |bundle| {
            let done = (bundle.number + 1) * FULL;
            self.bundle(source, bundle, &mut replay)?;
            progress(done.min(size), size);
            Ok(())
        })?;
        for (tile, computed) in self.edge.partials(size) {
            self.summary.bytes += compare(source, tile, computed)?;
            self.summary.tiles += 1;
        }
        if self.edge.root() != checkpoint.root {
            return Err(Damage::Root { size });
        }
        for (name, old) in known {
            grew_from(source, name, old, checkpoint)?;
        }
        strays(source, size)?;
        Ok(self)
    }

    fn bundle(
        &mut self,
        source: &dyn Source,
        bundle: Bundle,
        replay: &mut Option<&mut dyn Admission>,
    ) -> Result<(), Damage> {
        let summary = &mut self.summary;
        summary.bundles += 1;
        summary.tiles += 1;
        summary.bytes += bundle.bytes;
        let first = bundle.number * FULL;
        for (index, entry) in (first..).zip(&bundle.entries).skip_while(|(index, _)| *index < self.verified) {
            summary.first.get_or_insert(entry.time);
            summary.last = Some(entry.time);
            if let Some(fold) = &mut self.fold {
                let kind = entry.event.kind();
                fold.take(index, entry).map_err(|breach| Damage::Breach { index, kind, breach })?;
            }
            if let Some(admission) = replay {
                let openings = vec![None; draft::count(&entry.event)];
                let admitted = admission.admit(&[Record { index, entry: entry.clone(), openings }]);
                admitted.map_err(|why| Damage::NotAdmitted { index, why })?;
                admission.settle();
            }
        }
        self.edge.push(bundle, |tile, computed| {
            summary.bytes += compare(source, tile, computed)?;
            summary.tiles += 1;
            Ok(())
        })
    }
}

/// What lies with the log and is no part of it, and partial tiles that are not what they grew into.
fn strays(source: &dyn Source, size: u64) -> Result<(), Damage> {
    let listed =
        source.list().map_err(|source| Damage::Unreadable { path: "the directory".into(), source })?;
    let listed = listed.unwrap_or_default();
    for path in listed.iter().map(String::as_str) {
        // What an interrupted write of a tile leaves behind.
        if BESIDE.contains(&path) || path.ends_with(".new") {
            continue;
        }
        if let Some(plain) = path.strip_suffix(packed::SUFFIX) {
            packed_stray(source, plain, path, listed.binary_search_by(|other| (**other).cmp(plain)).is_ok())?;
            continue;
        }
        let Ok(tile) = path.parse::<TilePath>() else {
            return Err(Damage::Foreign { path: path.to_owned() });
        };
        let Some(now) = TilePath::at_size(tile.kind(), tile.number(), size) else { continue };
        if tile.width() < now.width() {
            let (old, whole) = (fetch_tile(source, tile)?, fetch_tile(source, now)?);
            // Shorter than it should be is what a power cut left of it; it is served from the whole tile.
            if !tile::prefix(tile.kind(), &whole, tile.width()).is_some_and(|right| right.starts_with(&old)) {
                return Err(Damage::Partial { path: path.to_owned() });
            }
        }
    }
    Ok(())
}

/// A packed bundle. Where the plain one stands, too, that is the one that was read: compaction broke off between them.
fn packed_stray(source: &dyn Source, plain: &str, path: &str, is_twice: bool) -> Result<(), Damage> {
    let read = |path: &str| {
        let bytes =
            source.fetch(path).map_err(|source| Damage::Unreadable { path: path.to_owned(), source })?;
        bytes.ok_or_else(|| Damage::Missing { path: path.to_owned() })
    };
    match plain.parse::<TilePath>() {
        Ok(tile) if tile.kind() == Kind::Entries && tile.is_full() && !is_twice => Ok(()),
        Ok(tile) if tile.kind() == Kind::Entries && tile.is_full() => {
            let unpacked = packed::unpack(&read(path)?);
            let unpacked = unpacked
                .map_err(|error| Damage::Unreadable { path: path.to_owned(), source: error.into() })?;
            let is_same = read(plain)? == unpacked;
            if is_same { Ok(()) } else { Err(Damage::Partial { path: path.to_owned() }) }
        }
        _ => Err(Damage::Foreign { path: path.to_owned() }),
    }
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
