//! A blast radius to take away: an evidence bundle that can be checked without us.
//!
//! Its files are the answer, a receipt of every entry that it names and of every entry that these rest on (who was
//! staff, sessions, grants, revocations, settings and policies in force), the checkpoint that all receipts lead to,
//! the log's key, and a manifest of all of it, signed by that key.

mod page;
mod sink;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger::tile::{self, Kind, TilePath};
use ledger::verify::{self, CHECKPOINT, Damage, MANIFEST, Source, receipt_name};
use ledger::{Ledger, LedgerError};
use model::entry::Target;
use model::{Digest, Entry, Event, GrantId, SessionId, StaffId};

use crate::{Answer, Blast, text};
use sink::Sink;

/// How long the export waits for the log to publish the question itself.
const PATIENCE: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(50);

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The directory or file is there already.
    #[error("{0} exists already; nothing was overwritten")]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An entry could not be proved.
    #[error("the log cannot be read as it is published: {0}")]
    Log(#[from] Damage),
    /// The log does not publish what is recorded.
    #[error("entry {0} was recorded, and the log has not published it; ask again when it does")]
    NotPublished(u64),
}

/// How many of what an export has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Receipts of the question and of the entries that the answer names.
    pub named: usize,
    /// Receipts of what these rest on.
    pub context: usize,
}

/// Writes the bundle into `to`, which must not be there yet: a directory, or one file if its name ends with
/// `.tar.zst`. Only its owner may read it, because it names customers. `policy` is the log's trust policy.
pub async fn blast_radius(
    answer: &Answer<Blast>,
    ledger: &Ledger,
    policy: Option<&str>,
    to: &Path,
) -> Result<Exported, ExportError> {
    let named = entries(answer);
    let last = named.last().copied().unwrap_or(answer.asked_as);
    let log = Pinned { ledger, note: published(ledger, last).await? };
    let mut receipts = BTreeMap::new();
    let mut about = About::default();
    for index in &named {
        about.add(&prove(&log, *index, &mut receipts)?);
    }
    for index in context(&log, &mut about, last)? {
        if !receipts.contains_key(&index) {
            prove(&log, index, &mut receipts)?;
        }
    }
    let exported = Exported { named: named.len(), context: receipts.len() - named.len() };
    write(answer, &log, policy, &receipts, exported, to)?;
    Ok(exported)
}

/// What a receipt is in the bundle: its text, and the entry that it proves.
type Receipts = BTreeMap<u64, (String, Entry)>;

fn prove(log: &Pinned<'_>, index: u64, receipts: &mut Receipts) -> Result<Entry, ExportError> {
    let verifier = log.ledger.verifier();
    let receipt = verify::prove(log, verifier, index)?;
    let broken = |source| Damage::Receipt { path: receipt_name(index), source };
    let entry = receipt.verify(verifier).map_err(broken)?.entry().clone();
    receipts.insert(index, (receipt.to_tlog_proof(), entry.clone()));
    Ok(entry)
}

fn write(
    answer: &Answer<Blast>,
    log: &Pinned<'_>,
    policy: Option<&str>,
    receipts: &Receipts,
    exported: Exported,
    to: &Path,
) -> Result<(), ExportError> {
    let mut bundle = Bundle { sink: Sink::create(to)?, digests: BTreeMap::new() };
    let json = |e: serde_json::Error| ExportError::File { path: to.to_owned(), source: e.into() };
    let mut lines = Vec::new();
    for (index, (receipt, entry)) in receipts {
        bundle.add(&receipt_name(*index), receipt.as_bytes())?;
        serde_json::to_writer(&mut lines, &Line { index: *index, entry }).map_err(json)?;
        lines.push(b'\n');
    }
    bundle.add("entries.jsonl", &lines)?;
    bundle.add(CHECKPOINT, log.note.as_bytes())?;
    bundle.add("log.vkey", format!("{}\n", answer.log).as_bytes())?;
    if let Some(policy) = policy {
        bundle.add("trust-policy", policy.as_bytes())?;
    }
    let mut csv = Vec::new();
    let written = crate::csv::blast_radius(&answer.answer.radius, &mut csv);
    written.map_err(|e| ExportError::File { path: to.to_owned(), source: e.into() })?;
    bundle.add("blast-radius.csv", &csv)?;
    let mut whole = serde_json::to_vec_pretty(answer).map_err(json)?;
    whole.push(b'\n');
    bundle.add("blast-radius.json", &whole)?;
    bundle.add("blast-radius.txt", text::blast_radius(answer, 110).as_bytes())?;
    bundle.add("README.html", page::readme(answer, exported, policy.is_some()).as_bytes())?;
    let manifest = log.ledger.sign_manifest(answer.at, answer.as_of, bundle.digests);
    // Last, so that a bundle with this file is a whole one.
    bundle.sink.add(MANIFEST, manifest.as_bytes())?;
    bundle.sink.finish()
}

/// A bundle that is being written.
struct Bundle {
    sink: Sink,
    digests: BTreeMap<String, Digest>,
}

impl Bundle {
    fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
        self.digests.insert(path.to_owned(), Digest::of(bytes));
        self.sink.add(path, bytes)
    }
}

/// A line of `entries.jsonl`.
#[derive(serde::Serialize)]
struct Line<'a> {
    index: u64,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// The question itself, and every entry that the answer names.
fn entries(answer: &Answer<Blast>) -> BTreeSet<u64> {
    let radius = &answer.answer.radius;
    let reached = radius.seen.iter().chain(&radius.listed).flat_map(|reached| &reached.entries);
    [&answer.asked_as].into_iter().chain(reached).chain(&radius.erased).copied().collect()
}

/// The log as it is published at one moment, so that every receipt leads to one checkpoint.
struct Pinned<'a> {
    ledger: &'a Ledger,
    note: String,
}

impl Source for Pinned<'_> {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        match path {
            CHECKPOINT => Ok(Some(self.note.clone().into_bytes())),
            tile => self.ledger.tile(tile).map_err(Into::into),
        }
    }
}

/// A checkpoint that has this entry. The log publishes about once a second.
async fn published(ledger: &Ledger, index: u64) -> Result<String, ExportError> {
    let waited = tokio::time::Instant::now();
    loop {
        let note = ledger.checkpoint();
        let checkpoint = ledger.verifier().checkpoint(&note);
        let checkpoint =
            checkpoint.map_err(|source| Damage::Checkpoint { path: CHECKPOINT.to_owned(), source })?;
        if checkpoint.size > index {
            return Ok(note);
        }
        if waited.elapsed() > PATIENCE {
            return Err(ExportError::NotPublished(index));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Of whom and what the named entries speak.
#[derive(Default)]
struct About {
    staff: BTreeSet<StaffId>,
    sessions: BTreeSet<SessionId>,
    grants: BTreeSet<GrantId>,
}

impl About {
    fn add(&mut self, entry: &Entry) {
        let by = match &entry.event {
            Event::Revealed(e) => {
                self.grants.insert(e.grant);
                &e.by
            }
            Event::Listed(e) => &e.by,
            _ => return,
        };
        self.staff.insert(by.staff.clone());
        self.sessions.insert(by.session);
    }

    /// Whether somebody who judges the named entries has to know this one.
    fn concerns(&self, event: &Event) -> bool {
        match event {
            Event::StaffRecorded(e) => self.staff.contains(&e.record.staff),
            Event::SessionOpened(e) => self.sessions.contains(&e.session),
            Event::SessionClosed(e) => self.sessions.contains(&e.session),
            Event::GrantIssued(e) => self.grants.contains(&e.grant),
            Event::Revoked(e) => match &e.target {
                Target::Staff(staff) => self.staff.contains(staff),
                Target::Session(session) => self.sessions.contains(session),
                Target::Grant(grant) => self.grants.contains(grant),
            },
            Event::SettingsInForce(_) | Event::PolicyInForce(_) => true,
            _ => false,
        }
    }
}

/// The entries up to `last` that the named ones rest on. Reads the log from its beginning.
fn context(log: &Pinned<'_>, about: &mut About, last: u64) -> Result<Vec<u64>, ExportError> {
    let mut found = Vec::new();
    let size = last + 1;
    for number in 0..size.div_ceil(tile::FULL) {
        let Some(bundle) = TilePath::at_size(Kind::Entries, number, size) else { break };
        let cut = || Damage::Bundle { path: bundle.to_string(), expected: bundle.width() };
        let bytes = log.ledger.tile(&bundle.to_string()).map_err(unreadable(bundle))?.ok_or_else(cut)?;
        for (index, entry) in (number * tile::FULL..).zip(tile::entries(&bytes)) {
            let entry = Entry::decode(entry.ok_or_else(cut)?);
            let entry = entry.map_err(|source| Damage::Entry { index, source })?;
            if about.concerns(&entry.event) {
                found.push(index);
            }
        }
    }
    Ok(found)
}

fn unreadable(tile: TilePath) -> impl FnOnce(LedgerError) -> Damage {
    move |source| Damage::Unreadable { path: tile.to_string(), source: source.into() }
}
