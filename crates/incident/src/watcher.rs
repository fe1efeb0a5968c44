//! The watch in the house: follows the ledger, tells findings, and contains where the settings say so.
//!
//! It tails: no look waits for it. What it knows is in one file, which is never needed: without it the ledger is
//! followed from its beginning. A crash between a finding and the file tells the finding again, and admission refuses
//! the same evidence at the same level, as it does where several gateways watch one ledger.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::{AccessError, SharedState, Tickets};
use ledger::disk::{Disk, Readers, replace};
use ledger::{AppendError, Draft, Ledger, LedgerError};
use model::clock::random;
use model::entry::{Actor, RevokeReason, Revoked, Target, Why};
use model::{Clock, Contained, Entropy, Event, Finding, Level, Timestamp, WatchMode};
use watch::{Ladder, Live, Options};

/// How many entries are taken in at a time.
const BATCH: usize = 2048;
/// How many events of tickets are taken in at a time.
const TICKETS: usize = 4096;
/// The file is written at most so often.
const SAVED: Duration = Duration::from_secs(10);
/// How long to wait for a ledger or a store that cannot be read for now.
const AGAIN: Duration = Duration::from_secs(1);
/// What happened longer ago teaches, and is not told any more: a ledger that is watched for the first time.
const TOLD_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);
/// What happened longer ago is told, and contains nobody by itself.
const CONTAINED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// `[watch]`: what is done about findings.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchSettings {
    /// `shadow`: people look at findings. `contain`: the rung that is reached is put in force at once.
    pub mode: WatchMode,
    /// The highest rung that is put in force without a person.
    pub highest: Level,
    /// Under throttle one new customer in so many minutes.
    pub throttle_minutes: u32,
    /// Where the rungs stand, by role, as `sightline watch calibrate` writes it.
    pub ladder: Ladder,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            mode: WatchMode::Shadow,
            highest: Level::Suspend,
            throttle_minutes: 3,
            ladder: Ladder::default(),
        }
    }
}

impl WatchSettings {
    /// What is wrong with the settings.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=240).contains(&self.throttle_minutes) {
            return Err("[watch] throttle_minutes: from 1 to 240".into());
        }
        for (role, rungs) in self
            .ladder
            .role
            .iter()
            .map(|(role, r)| (role.word(), r))
            .chain([("default", &self.ladder.default)])
        {
            let stand: Vec<f64> = Level::ALL.iter().map(|level| rungs.at(*level)).collect();
            let rises = stand.windows(2).all(|pair| pair[0] < pair[1]) && stand[0] > 0.0;
            if !rises || stand.iter().any(|at| !at.is_finite()) {
                return Err(format!("[watch.ladder] {role}: each rung must stand above the one before it"));
            }
        }
        Ok(())
    }
}

/// What a watcher stands on.
#[derive(Debug)]
pub struct WatcherParts {
    /// The record.
    pub ledger: Ledger,
    /// The state that admission decides against.
    pub state: SharedState,
    /// What the apps say of tickets.
    pub tickets: Tickets,
    /// What is done about findings.
    pub settings: WatchSettings,
    /// The budget of weak looks a shift.
    pub weak_per_shift: u32,
    /// Where to keep what is known between starts.
    pub file: PathBuf,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// Follows the ledger; there is one in each process.
#[derive(Debug)]
pub struct Watcher {
    parts: WatcherParts,
    live: Box<Live>,
    /// Found, with the time of the entry that showed it, and not recorded yet.
    waiting: VecDeque<(Timestamp, Finding)>,
    saved: Instant,
}

/// Why the watch stands still for now.
#[derive(Debug, thiserror::Error)]
enum Standstill {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Tickets(#[from] AccessError),
    #[error("a finding cannot be recorded: {0}")]
    Append(#[from] AppendError),
}

impl Watcher {
    /// Goes on from the file, or from the beginning of the ledger where there is none that fits.
    pub fn open(parts: WatcherParts) -> Self {
        let options = Options { ladder: parts.settings.ladder.clone(), weak_per_shift: parts.weak_per_shift };
        let size = parts.ledger.size();
        let known = match parts.disk.read(&parts.file) {
            Ok(bytes) => match Live::load(options.clone(), &bytes) {
                Ok(live) if live.next() <= size => Some(live),
                Ok(_) => {
                    tracing::warn!(file = %parts.file.display(), "the watch had seen more entries than there are; it begins anew");
                    None
                }
                Err(error) => {
                    tracing::warn!(file = %parts.file.display(), %error, "the watch begins anew");
                    None
                }
            },
            Err(_) => None,
        };
        let live = known.unwrap_or_else(|| Live::new(options, random(&*parts.entropy)));
        Self { parts, live: Box::new(live), waiting: VecDeque::new(), saved: Instant::now() }
    }

    /// Follows for as long as the ledger is open.
    pub async fn follow(mut self) {
        let mut growth = self.parts.ledger.growth();
        let mut is_saved = true;
        loop {
            let size = *growth.borrow_and_update();
            if self.live.next() < size || !self.waiting.is_empty() {
                is_saved = false;
                if let Err(error) = self.step().await {
                    tracing::warn!(%error, "the watch waits");
                    tokio::time::sleep(AGAIN).await;
                }
                if self.saved.elapsed() >= SAVED {
                    is_saved = self.save();
                }
                continue;
            }
            let grown = tokio::time::timeout(SAVED, growth.changed()).await;
            if !is_saved && self.saved.elapsed() >= SAVED {
                is_saved = self.save();
            }
            if matches!(grown, Ok(Err(_))) {
                self.save();
                return;
            }
        }
    }

    /// Takes in what has come since, and tells what it shows. Public for tests and measurements.
    pub async fn catch_up(&mut self) -> Result<Vec<Finding>, String> {
        let mut told = Vec::new();
        while self.live.next() < self.parts.ledger.size() {
            told.extend(self.step().await.map_err(|error| error.to_string())?);
        }
        Ok(told)
    }

    /// Tells what waits to be told, then takes one batch in and tells what it shows.
    async fn step(&mut self) -> Result<Vec<Finding>, Standstill> {
        let mut told = self.tell_all().await?;
        let (ledger, tickets) = (self.parts.ledger.clone(), self.parts.tickets.clone());
        // Stands in while the real one is away on another thread.
        let standing_in = Box::new(Live::new(Options::default(), [0; 32]));
        let mut live = std::mem::replace(&mut self.live, standing_in);
        let taken = tokio::task::spawn_blocking(move || {
            let found = take(&mut live, &ledger, &tickets);
            (live, found)
        });
        let found = match taken.await {
            Ok((live, found)) => {
                self.live = live;
                found?
            }
            // A task that cannot be joined was ended with the runtime, and this one is next.
            Err(_) => std::future::pending().await,
        };
        self.waiting.extend(found);
        told.extend(self.tell_all().await?);
        Ok(told)
    }

    async fn tell_all(&mut self) -> Result<Vec<Finding>, AppendError> {
        let mut told = Vec::new();
        while let Some((time, finding)) = self.waiting.front() {
            let age = self.parts.clock.now().since(*time);
            if age <= TOLD_WITHIN && self.tell(finding, age).await? {
                told.push(finding.clone());
            }
            self.waiting.pop_front();
        }
        Ok(told)
    }

    /// Records a finding, and with it what is done about it. Whether it was news.
    async fn tell(&self, finding: &Finding, age: Duration) -> Result<bool, AppendError> {
        let contained = self.containment(finding).filter(|_| age <= CONTAINED_WITHIN);
        let mut drafts = vec![Draft::plain(Event::Finding(Box::new(finding.clone())))];
        let alone = drafts.clone();
        drafts.extend(contained.into_iter().flatten().map(Draft::plain));
        match self.append(drafts).await {
            // Somebody has contained this person further in the meantime.
            Err(AppendError::Refused(_)) => match self.append(alone).await {
                Err(AppendError::Refused(Why::Stale)) => Ok(false),
                other => other.map(|()| true),
            },
            other => other.map(|()| true),
        }
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<(), AppendError> {
        self.parts.ledger.append_all(drafts).await.map(drop)
    }

    fn containment(&self, finding: &Finding) -> Option<Vec<Event>> {
        let level = finding.level.min(self.parts.settings.highest);
        let state = self.parts.state.read();
        let is_higher = state.contained(&finding.staff).is_none_or(|held| held.level < level);
        if state.watch_mode() != WatchMode::Contain || !is_higher {
            return None;
        }
        Some(containment(finding, level))
    }

    /// A file that cannot be written costs time at the next start, nothing else.
    fn save(&mut self) -> bool {
        self.saved = Instant::now();
        // What waits is found again from the older file.
        if !self.waiting.is_empty() {
            return false;
        }
        let saved = replace(&*self.parts.disk, &self.parts.file, &self.live.save(), Readers::Owner);
        if let Err(error) = &saved {
            tracing::warn!(file = %self.parts.file.display(), %error, "what the watch knows was not saved");
        }
        saved.is_ok()
    }
}

/// The entries that put a rung in force because of a finding.
fn containment(finding: &Finding, level: Level) -> Vec<Event> {
    let reason = RevokeReason::UnexplainedLooks;
    let contained = Event::Contained(Contained {
        staff: finding.staff.clone(),
        level,
        by: Actor::System,
        session: None,
        finding: Some(finding.finding),
        reason,
    });
    let target = Target::Staff(finding.staff.clone());
    let revoked = Event::Revoked(Revoked { target, by: Actor::System, reason });
    [contained].into_iter().chain((level == Level::Revoke).then_some(revoked)).collect()
}

/// Takes the next entries in, and the events of tickets that have come by then, in the order of their times.
fn take(
    live: &mut Live,
    ledger: &Ledger,
    tickets: &Tickets,
) -> Result<Vec<(Timestamp, Finding)>, Standstill> {
    let records = ledger.read(live.next(), BATCH)?;
    let mut events = tickets.since(live.ticket(), TICKETS)?;
    events.sort_by_key(|(number, _, event)| (event.time, *number));
    let newest = events.iter().map(|(number, ..)| *number).max();
    let mut events = events.into_iter().peekable();
    let mut found = Vec::new();
    let mut out = Vec::new();
    for record in &records {
        while let Some((number, app, event)) = events.next_if(|(_, _, event)| event.time <= record.entry.time)
        {
            live.take_ticket(number, &app, &event, &mut out);
        }
        live.take(record.index, &record.entry, &record.openings, &mut out);
        found.extend(out.drain(..).map(|finding| (record.entry.time, finding)));
    }
    let time = records.last().map_or(Timestamp(0), |record| record.entry.time);
    for (number, app, event) in events {
        live.take_ticket(number, &app, &event, &mut out);
    }
    found.extend(out.drain(..).map(|finding| (time, finding)));
    if let Some(newest) = newest {
        live.tickets_taken(newest);
    }
    Ok(found)
}
