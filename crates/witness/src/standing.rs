//! How the log stands with its witnesses, and whether looks may still be shown.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use ledger::Ledger;
use ledger::policy::Policy;
use model::{IncidentKind, Timestamp};

/// How the log stands with its witnesses: shared between the [`Asker`](crate::Asker), which finds out, and
/// whoever wants to know. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Standing(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    policy: Policy,
    max_age: Duration,
    known: RwLock<Known>,
}

/// What is known of the witnesses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The last checkpoint behind which a quorum stands.
    pub(crate) quorum: Option<Quorum>,
    /// One place for each witness, in the order of the policy.
    pub(crate) witnesses: Vec<Heard>,
    /// A witness has proved that the ledger has another history, or had more.
    pub(crate) contradicted: Option<IncidentKind>,
    /// The time of the first entry behind `quorum`, once it was looked up: (its number, its time).
    next: Option<(u64, Timestamp)>,
}

/// A checkpoint behind which a quorum stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Quorum {
    /// How many entries it is about.
    pub size: u64,
    /// Since when, by the clocks of the witnesses.
    pub time: Timestamp,
}

/// What was last heard of one witness.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Heard {
    /// Its name.
    pub name: String,
    /// Where it is asked.
    pub url: String,
    /// The largest checkpoint that it cosigned.
    pub cosigned: Option<Quorum>,
    /// Why it has not cosigned the last one it was asked for.
    pub error: Option<String>,
}

/// Why nothing may be shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// Too few witnesses have cosigned what the ledger has recorded since this time.
    Overdue {
        /// The time of the first entry that no quorum has cosigned.
        since: Timestamp,
    },
    /// A witness has proved that this is not the history that was shown before.
    Contradicted {
        /// In which way.
        what: IncidentKind,
    },
}

/// The whole standing, for pages and for `--json`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Status {
    /// How many entries the ledger has.
    pub size: u64,
    /// The least number of witnesses that make a quorum.
    pub needed: usize,
    /// How old the first entry without a quorum may be, in seconds.
    pub max_age_seconds: u64,
    /// The last checkpoint behind which a quorum stands.
    pub quorum: Option<Quorum>,
    /// The witnesses.
    pub witnesses: Vec<Heard>,
    /// Why nothing may be shown; absent if looks may be shown.
    pub closed: Option<Closed>,
}

impl Standing {
    /// That of a log that asks no witnesses.
    pub fn without_witnesses() -> Self {
        Self(None)
    }

    /// That of a log with these witnesses, before any was asked.
    pub(crate) fn new(policy: Policy, max_age: Duration) -> Self {
        let heard = |witness: &ledger::policy::PolicyWitness| Heard {
            name: witness.name.clone(),
            url: witness.url.clone().unwrap_or_default(),
            ..Heard::default()
        };
        let known = Known { witnesses: policy.witnesses().iter().map(heard).collect(), ..Known::default() };
        Self(Some(Arc::new(Inner { policy, max_age, known: RwLock::new(known) })))
    }

    /// The trust policy by which this log asks; `None` if it asks nobody.
    pub fn policy(&self) -> Option<&Policy> {
        self.0.as_ref().map(|inner| &inner.policy)
    }

    /// Why nothing of this ledger may be shown at `now`; `None` if looks may be shown.
    ///
    /// Counts from the ledger itself and not from whether anybody still asks witnesses: should the asking
    /// stop for whatever reason, this closes too.
    pub fn closed(&self, ledger: &Ledger, now: Timestamp) -> Option<Closed> {
        let inner = self.0.as_ref()?;
        let (quorum, next) = {
            let known = inner.known();
            if let Some(what) = known.contradicted {
                return Some(Closed::Contradicted { what });
            }
            (known.quorum, known.next)
        };
        let is_old = |time: Timestamp| now.since(time) > inner.max_age;
        // What follows a young checkpoint is younger still.
        if quorum.is_some_and(|quorum| !is_old(quorum.time)) {
            return None;
        }
        let first = quorum.map_or(0, |quorum| quorum.size);
        if ledger.size() <= first {
            return None;
        }
        let since = match next {
            Some((index, time)) if index == first => time,
            _ => inner.look_up(ledger, first)?,
        };
        is_old(since).then_some(Closed::Overdue { since })
    }

    /// Everything that is known; `None` for a log that asks no witnesses.
    pub fn status(&self, ledger: &Ledger, now: Timestamp) -> Option<Status> {
        let inner = self.0.as_ref()?;
        let closed = self.closed(ledger, now);
        let known = inner.known();
        Some(Status {
            size: ledger.size(),
            needed: inner.policy.smallest_quorum(),
            max_age_seconds: inner.max_age.as_secs(),
            quorum: known.quorum,
            witnesses: known.witnesses.clone(),
            closed,
        })
    }

    /// What a witness has proved against the ledger.
    pub(crate) fn contradicted(&self) -> Option<IncidentKind> {
        self.0.as_ref().and_then(|inner| inner.known().contradicted)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Known)) {
        if let Some(inner) = &self.0 {
            change(&mut inner.known_mut());
        }
    }
}

impl Inner {
    // A panic while something was noted leaves what was noted before, which is older: closed rather than open.
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of an entry. An entry that cannot be read is as old as can be.
    fn look_up(&self, ledger: &Ledger, index: u64) -> Option<Timestamp> {
        let time = match ledger.read(index, 1) {
            Ok(records) => records.first()?.entry.time,
            Err(error) => {
                tracing::error!(%error, "the first entry that no quorum has cosigned cannot be read");
                return Some(Timestamp(0));
            }
        };
        self.known_mut().next = Some((index, time));
        Some(time)
    }
}

impl Known {
    /// Notes a quorum, unless a later one is known.
    pub(crate) fn note_quorum(&mut self, quorum: Quorum) {
        if self.quorum.is_none_or(|known| known.size <= quorum.size) {
            self.quorum = Some(quorum);
        }
    }
}
