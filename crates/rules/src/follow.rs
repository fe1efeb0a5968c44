//! The worker: holds every entry of the ledger against the rules, once, and records what is met.
//!
//! What correlations have counted is not saved: it is counted again from the entries of their time. Where a crash came
//! between an entry that says that a rule was met and the cursor, the ledger itself says how far the rules had come.
//! Entries of this worker are not held against rules, so that none can feed itself.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use export::{Cursor, CursorError};
use ledger::disk::Disk;
use ledger::{Draft, Ledger, LedgerError, Record};
use model::{Entropy, Event, RuleLevel, RuleMatched, StaffId, Timestamp};
use rsigma_parser::Level;
use serde::Serialize;
use tokio::time::sleep;

use crate::count::Overflow;
use crate::event::{Knowledge, Teller};
use crate::problem::Problem;
use crate::set::{Hit, RuleSet};
use crate::settings::{Fingerprint, RulesSettings};
use crate::source::RuleFile;

/// How many entries are read at a time.
const STRIDE: usize = 500;
/// How often files are looked at, and how long a ledger that takes nothing is left alone.
const AGAIN: Duration = Duration::from_secs(2);
/// The most entries that are counted again at a start.
const WARM: u64 = 1_000_000;
/// How often a rule is recorded within an hour; what is beyond that is a number in the next entry.
const MAX_AN_HOUR: u32 = 60;
/// The most rules that one entry is recorded to have met.
const MAX_MET: usize = 256;
/// How many overflows are remembered for whoever asks.
const REMEMBERED: usize = 32;

/// What the worker needs besides its settings.
pub struct Parts {
    /// The ledger.
    pub ledger: Ledger,
    /// Where the cursor is kept.
    pub dir: PathBuf,
    /// What rules may know besides the ledger.
    pub knows: Arc<dyn Knowledge>,
    /// The disk that the cursor is on.
    pub disk: Arc<dyn Disk>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// Why rules cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Files of rules.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Files(Vec<Problem>),
    /// A rule that is to be off is not there.
    #[error("[rules] off: there is no rule {0}; `sightline rules list` shows them")]
    NoSuchRule(String),
    /// The cursor.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// How the rules are doing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// How many rules are in force that can say something.
    pub rules: usize,
    /// The number of the first entry that was not held against them.
    pub next: u64,
    /// How many entries recorded since the start say that a rule was met.
    pub recorded: u64,
    /// What is wrong with files that changed; the rules before that stay in force.
    pub problems: Vec<Problem>,
    /// Rules that counted too much, the latest last.
    pub overflows: VecDeque<Overflow>,
}

/// What may be asked of the worker. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Rules(Arc<Mutex<Status>>);

impl Rules {
    /// How the rules are doing.
    pub fn status(&self) -> Status {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker, ready to run.
pub struct Follower {
    rules: Rules,
    settings: RulesSettings,
    /// The files of the rules in force.
    files: Vec<RuleFile>,
    fingerprint: Fingerprint,
    ledger: Ledger,
    cursor: Cursor,
    knows: Arc<dyn Knowledge>,
    entropy: Arc<dyn Entropy>,
    bench: Bench,
}

/// What goes to the thread that evaluates and comes back.
struct Bench {
    set: RuleSet,
    teller: Teller,
    often: HashMap<String, Often>,
}

/// How often a rule was met in an hour of the ledger.
#[derive(Debug, Default)]
struct Often {
    hour: u64,
    recorded: u32,
    unrecorded: u32,
}

impl Follower {
    /// Compiles the rules and takes the cursor. A ledger that is met for the first time is held against the rules from
    /// its next entry on.
    pub fn open(settings: RulesSettings, parts: Parts) -> Result<(Rules, Self), RulesError> {
        let fingerprint = settings.fingerprint();
        let (files, set) = compile(&settings)?;
        let origin = parts.ledger.verifier().origin().to_owned();
        let size = parts.ledger.size();
        let mut cursor = Cursor::take(parts.disk, &parts.dir, "rules", &origin, size)?;
        // What was recorded after the cursor was last moved was found in entries that are done.
        let done = recorded_up_to(&parts.ledger, cursor.next().min(size))?;
        if done != cursor.next() {
            cursor.set(done)?;
        }
        let teller = Teller::new(&origin, &*parts.entropy);
        let rules = Rules::default();
        let follower = Self {
            rules: rules.clone(),
            settings,
            files,
            fingerprint,
            ledger: parts.ledger,
            cursor,
            knows: parts.knows,
            entropy: parts.entropy,
            bench: Bench { set, teller, often: HashMap::new() },
        };
        follower.in_force();
        Ok((rules, follower))
    }

    /// Holds entries against the rules for as long as the ledger is open.
    pub async fn run(mut self) {
        let mut growth = self.ledger.growth();
        self.warm().await;
        loop {
            self.reload().await;
            let size = *growth.borrow_and_update();
            if self.cursor.next() >= size {
                tokio::select! {
                    grown = growth.changed() => if grown.is_err() { return },
                    () = sleep(AGAIN) => {}
                }
                continue;
            }
            match self.step().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "entries cannot be held against the rules; tried again");
                    sleep(AGAIN).await;
                    // What was counted is not known to be what was recorded.
                    self.warm().await;
                }
            }
        }
    }

    /// Evaluates some entries, records what they meet, and only then moves the cursor. False when the ledger is closed.
    async fn step(&mut self) -> Result<bool, RulesError> {
        let from = self.cursor.next();
        let Some((next, found)) = self.evaluate(from, STRIDE).await? else { return Ok(false) };
        for drafts in found {
            let recorded = drafts.len() as u64;
            // One entry's matches are a group, so they are recorded all or not at all: `recorded_up_to` rests on it.
            if let Err(error) = self.ledger.append_all(drafts).await {
                tracing::warn!(%error, "a met rule could not be recorded; it is kept, and recorded when that is possible");
                sleep(AGAIN).await;
                self.cursor.set(recorded_up_to(&self.ledger, from)?)?;
                self.warm().await;
                return Ok(true);
            }
            self.rules.lock().recorded += recorded;
        }
        self.cursor.set(next)?;
        self.rules.lock().next = next;
        Ok(true)
    }

    /// Reads and evaluates on a thread that may block: the entry after the last, and what each entry met.
    async fn evaluate(
        &mut self,
        from: u64,
        limit: usize,
    ) -> Result<Option<(u64, Vec<Vec<Draft>>)>, RulesError> {
        let (ledger, knows, off) = (self.ledger.clone(), self.knows.clone(), self.settings.off.clone());
        let Some(mut bench) = self.lend() else { return Ok(None) };
        let evaluated = tokio::task::spawn_blocking(move || {
            let found = bench.hold(&ledger, &*knows, &off, from, limit);
            (bench, found)
        });
        // A task that cannot be joined was ended with the runtime, and this one is next.
        let Ok((mut bench, found)) = evaluated.await else { return Ok(None) };
        self.note(bench.set.take_overflows());
        self.bench = bench;
        Ok(Some(found?))
    }

    /// The bench, with an empty one in its place until it comes back.
    fn lend(&mut self) -> Option<Bench> {
        let set = RuleSet::compile(&[]).ok()?;
        let teller = Teller::new(self.ledger.verifier().origin(), &*self.entropy);
        Some(std::mem::replace(&mut self.bench, Bench { set, teller, often: HashMap::new() }))
    }

    /// Counts the entries of the longest window in front of the cursor, as if the rules had always been there.
    async fn warm(&mut self) {
        let next = self.cursor.next();
        self.rules.lock().next = next;
        // It was compiled before, of the same files.
        if let Ok(set) = RuleSet::compile(&self.files) {
            self.bench.set = set;
        }
        self.bench.often.clear();
        let mut from = match self.begin_of_window(next) {
            Ok(from) => from,
            Err(error) => return tracing::warn!(%error, "correlations begin to count with the next entry"),
        };
        while from < next {
            let limit = (next - from).min(STRIDE as u64) as usize;
            match self.evaluate(from, limit).await {
                Ok(Some((to, _))) if to > from => from = to,
                Ok(_) => return,
                Err(error) => {
                    return tracing::warn!(%error, "correlations begin to count with the next entry");
                }
            }
        }
    }

    /// The first entry that a correlation at `next` could still count.
    fn begin_of_window(&self, next: u64) -> Result<u64, LedgerError> {
        let Some(last) = self.ledger.read(next.saturating_sub(1), 1)?.first().map(|record| record.entry.time)
        else {
            return Ok(next);
        };
        let oldest = last.minus(self.bench.set.longest_window().max(Duration::from_secs(3600)));
        let (mut low, mut high) = (next.saturating_sub(WARM), next);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.ledger.read(middle, 1)?.first() {
                Some(record) if record.entry.time < oldest => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Where files have changed, compiles them apart; only a whole set takes the place of the one before it.
    async fn reload(&mut self) {
        let fingerprint = self.settings.fingerprint();
        if fingerprint == self.fingerprint {
            return;
        }
        self.fingerprint = fingerprint;
        let settings = self.settings.clone();
        let Ok(compiled) = tokio::task::spawn_blocking(move || compile(&settings)).await else { return };
        match compiled {
            Ok((files, set)) => {
                (self.files, self.bench.set) = (files, set);
                self.rules.lock().problems.clear();
                self.in_force();
                tracing::info!(rules = self.rules.status().rules, "other rules are in force");
                self.warm().await;
            }
            Err(RulesError::Files(problems)) => {
                for problem in &problems {
                    tracing::warn!(%problem, "a file of rules has changed and cannot be used; the rules before it stay");
                }
                self.rules.lock().problems = problems;
            }
            Err(error) => {
                tracing::warn!(%error, "files of rules have changed and cannot be used; the rules before them stay");
                self.rules.lock().problems = vec![Problem::new("[rules]", None, error.to_string())];
            }
        }
    }

    fn in_force(&self) {
        let says = self
            .bench
            .set
            .rules()
            .iter()
            .filter(|rule| rule.applies && !rule.counted_only && !self.settings.off.contains(&rule.id));
        let mut status = self.rules.lock();
        status.rules = says.count();
        status.next = self.cursor.next();
    }

    fn note(&self, overflows: Vec<Overflow>) {
        for overflow in overflows {
            tracing::warn!(
                rules = overflow.rules.join(" "),
                why = overflow.why,
                "a rule counts more than it may"
            );
            let mut status = self.rules.lock();
            if status.overflows.len() == REMEMBERED {
                status.overflows.pop_front();
            }
            status.overflows.push_back(overflow);
        }
    }
}

impl Bench {
    /// Holds entries against the rules: the entry after the last, and for each entry that met any what to record.
    fn hold(
        &mut self,
        ledger: &Ledger,
        knows: &dyn Knowledge,
        off: &[String],
        from: u64,
        limit: usize,
    ) -> Result<(u64, Vec<Vec<Draft>>), RulesError> {
        let (mut next, mut found) = (from, Vec::new());
        for record in ledger.read(from, limit)? {
            next = record.index + 1;
            if matches!(record.entry.event, Event::RuleMatched(_)) {
                continue;
            }
            let event = self.teller.tell(&record, ledger, knows)?;
            let seconds = (record.entry.time.0 / 1000) as i64;
            let mut drafts = Vec::new();
            for hit in self.set.evaluate(record.index, seconds, &event) {
                if off.contains(&self.set.rules()[hit.rule].id) {
                    continue;
                }
                if let Some(matched) = self.matched(ledger, &record, hit)? {
                    drafts.push(Draft::plain(Event::RuleMatched(matched)));
                }
            }
            if !drafts.is_empty() {
                drafts.truncate(MAX_MET);
                found.push(drafts);
            }
        }
        Ok((next, found))
    }

    /// What to record of a hit; nothing if the rule is met too often.
    fn matched(
        &mut self,
        ledger: &Ledger,
        record: &Record,
        hit: Hit,
    ) -> Result<Option<RuleMatched>, LedgerError> {
        let rule = &self.set.rules()[hit.rule];
        let often = self.often.entry(rule.id.clone()).or_default();
        let Some(unrecorded) = often.meet(record.entry.time) else { return Ok(None) };
        let mut staff: Vec<StaffId> = Vec::new();
        for index in &hit.entries {
            let read = if *index == record.index { Vec::new() } else { ledger.read(*index, 1)? };
            let event = read.first().map_or(&record.entry.event, |read| &read.entry.event);
            staff.extend(event.staff().filter(|one| !staff.contains(one)).cloned());
        }
        Ok(Some(RuleMatched {
            rule: rule.id.clone(),
            text: rule.digest,
            level: level(rule.level),
            entries: hit.entries,
            staff,
            unrecorded,
        }))
    }
}

impl Often {
    /// Whether this time is recorded, and then how many times before it were not.
    fn meet(&mut self, time: Timestamp) -> Option<u32> {
        let hour = time.0 / 3_600_000;
        if hour != self.hour {
            self.hour = hour;
            self.recorded = 0;
        }
        if self.recorded >= MAX_AN_HOUR {
            self.unrecorded = self.unrecorded.saturating_add(1);
            return None;
        }
        self.recorded += 1;
        Some(std::mem::take(&mut self.unrecorded))
    }
}

/// Compiles the rules of a configuration, and says what is wrong with them.
pub fn check(settings: &RulesSettings) -> Result<(), RulesError> {
    compile(settings).map(drop)
}

fn compile(settings: &RulesSettings) -> Result<(Vec<RuleFile>, RuleSet), RulesError> {
    let files = settings.files().map_err(RulesError::Files)?;
    let set = RuleSet::compile(&files).map_err(RulesError::Files)?;
    match settings.off.iter().find(|id| !set.rules().iter().any(|rule| rule.id == **id)) {
        Some(id) => Err(RulesError::NoSuchRule(id.clone())),
        None => Ok((files, set)),
    }
}

/// The first entry, from `next` on, that no entry says was held against the rules.
fn recorded_up_to(ledger: &Ledger, next: u64) -> Result<u64, LedgerError> {
    let (mut done, mut from) = (next, next);
    loop {
        let records = ledger.read(from, STRIDE)?;
        let Some(last) = records.last() else { return Ok(done) };
        from = last.index + 1;
        for record in &records {
            if let Event::RuleMatched(matched) = &record.entry.event
                && matched.rule != RuleMatched::CANARY_USED
                && let Some(completed) = matched.entries.last()
            {
                done = done.max(completed + 1);
            }
        }
    }
}

fn level(level: Level) -> RuleLevel {
    match level {
        Level::Informational => RuleLevel::Informational,
        Level::Low => RuleLevel::Low,
        Level::Medium => RuleLevel::Medium,
        Level::High => RuleLevel::High,
        Level::Critical => RuleLevel::Critical,
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
