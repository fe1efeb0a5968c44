//! The rules that every log of Sightline keeps, as a fold over its entries.
//!
//! This is the auditor's own reading of the entries. It shares nothing with the admission that wrote them (the
//! room `access`), so that a mistake there is found here, and it is small, so that it can be read in one sitting:
//!
//! - time never goes back;
//! - a session is opened by somebody who is staff and may work, and every look, list and write happens in an open
//!   session of its viewer, at the door of its app;
//! - nothing is shown after the revocation of its session, its grant or its viewer (P2);
//! - every look has a grant of its viewer in its app, in force and covering every class that it shows (P3);
//! - `secret.*` is never shown;
//! - where something is enforced, what a fault of the mark masks is not shown in that session until its mark is in place;
//! - a login alone gives nobody back what was taken away;
//! - nobody's keys are destroyed but by a proposal that two administrators confirmed (P8): `proposals.rs`;
//! - nothing is shown to somebody whom containment shows nothing, and a suspension takes two to lift: `rungs.rs`.

use std::collections::HashMap;
use std::time::Duration;

use model::entry::{
    Actor, Decided, GrantIssued, Proposed, Revealed, SessionOpened, StaffRecorded, Target, Viewer,
};
use model::{
    AppId, ClassSet, Entry, Event, Evidence, GrantId, Lifted, Mode, Month, ProposalId, Role, SessionId,
    StaffId, StaffStatus, Timestamp,
};

use super::proposals::{Proposals, What};
use super::rungs::Rungs;

/// For so long what has expired is remembered, so that a breach can name it.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// So many sessions or grants are kept before those long expired are let go of for the first time.
const SWEEP_AT: usize = 4096;

/// Which rule an entry breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Time went back.
    #[error("it is of {time}, and the one before it of {before}")]
    Time {
        /// Its time.
        time: Timestamp,
        /// The time of the entry before.
        before: Timestamp,
    },
    /// A session or grant that is opened or issued a second time.
    #[error("{0} was there already")]
    Twice(String),
    /// A session that was never opened.
    #[error("{0} was never opened, or has been over for more than a day")]
    NoSession(SessionId),
    /// A grant that was never issued.
    #[error("{0} was never issued, or has been over for more than a day")]
    NoGrant(GrantId),
    /// A person the log does not know.
    #[error("{0} was never recorded as staff")]
    NoStaff(StaffId),
    /// Shown after it was taken away.
    #[error("{what} ended with entry {by}")]
    Ended {
        /// The session, grant or person.
        what: String,
        /// The entry that took it away.
        by: u64,
    },
    /// Shown after its time was over.
    #[error("{what} expired at {at}")]
    Expired {
        /// The session, grant or clearance.
        what: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody else's.
    #[error("{what} is that of {owner} in {app}")]
    NotTheirs {
        /// The session or grant.
        what: String,
        /// Whose it is.
        owner: StaffId,
        /// In which app.
        app: AppId,
    },
    /// More was shown than was granted.
    #[error("{grant} does not cover {classes}")]
    Uncovered {
        /// The grant.
        grant: GrantId,
        /// What it does not cover.
        classes: ClassSet,
    },
    /// What is never shown was shown.
    #[error("it shows {0}")]
    Secret(ClassSet),
    /// What is masked while a session's mark is not in place was shown.
    #[error("it shows {classes}, which {session} is not shown until its mark is in place")]
    Unmarked {
        /// The session.
        session: SessionId,
        /// What was shown of what is masked.
        classes: ClassSet,
    },
    /// Shown to somebody whom containment shows nothing.
    #[error("{staff} was contained by entry {by}")]
    Contained {
        /// Who.
        staff: StaffId,
        /// The entry that says so.
        by: u64,
    },
    /// Taken back by one person, where it takes two.
    #[error("{staff} was suspended by entry {by}, and one person alone lifted it")]
    LiftedAlone {
        /// Who.
        staff: StaffId,
        /// The entry that suspended them.
        by: u64,
    },
    /// Suspended, and at work again by nobody's decision.
    #[error("{staff} was suspended by entry {by}, and a login alone made them active again")]
    Reinstated {
        /// Who.
        staff: StaffId,
        /// The entry that suspended them.
        by: u64,
    },
    /// Whoever is contained lifted it, and had not done what it asks of them.
    #[error("{staff} was contained by entry {by}, and lifted it without doing what that asks")]
    Unanswered {
        /// Who.
        staff: StaffId,
        /// The entry that contained them.
        by: u64,
    },
    /// Proposed or decided by somebody for whom it is not to decide.
    #[error(
        "{0} is no administrator, or for what is about findings no analyst, or decides about their own access"
    )]
    NotAdministrator(StaffId),
    /// Proposed by nobody who may.
    #[error("nobody who may propose it proposed {0}")]
    NoProposer(ProposalId),
    /// A proposal that there is not.
    #[error("{0} was never proposed, or was rejected, decided or carried out before")]
    NoProposal(ProposalId),
    /// One administrator counted as two.
    #[error("{by} had confirmed {proposal} already")]
    ConfirmedTwice {
        /// The proposal.
        proposal: ProposalId,
        /// Who.
        by: StaffId,
    },
    /// Carried out without two administrators.
    #[error(
        "{proposal} was carried out, and {confirmed} of the two administrators that it takes had confirmed it"
    )]
    Unconfirmed {
        /// The proposal.
        proposal: ProposalId,
        /// How many had confirmed it.
        confirmed: usize,
    },
    /// Keys of months that are not over, or that were destroyed before.
    #[error("the keys before {0} were destroyed already, or are those of a month that has not come")]
    WrongMonth(Month),
}

/// How many of what there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Looks: entries that showed something of one customer.
    pub looks: u64,
    /// Of these, how many had each evidence class, from A to G.
    pub evidence: [u64; Evidence::ALL.len()],
    /// Lists.
    pub lists: u64,
    /// Rows in them.
    pub rows: u64,
    /// Writes.
    pub writes: u64,
    /// Sessions.
    pub sessions: u64,
    /// Grants.
    pub grants: u64,
    /// Revocations.
    pub revocations: u64,
}

/// What the rules need to know of the entries so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fold {
    time: Timestamp,
    tally: Tally,
    staff: HashMap<StaffId, Standing>,
    sessions: HashMap<SessionId, Held>,
    grants: HashMap<GrantId, Held>,
    proposals: Proposals,
    /// What a session is not shown until its mark is in place.
    #[serde(default)]
    unmarked: HashMap<SessionId, ClassSet>,
    rungs: Rungs,
}

/// A person's standing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Standing {
    role: Role,
    cleared_until: Option<Timestamp>,
    /// The entry that suspended them.
    ended: Option<u64>,
}

/// A session or a grant.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Held {
    staff: StaffId,
    /// The app, or for a session the door.
    app: AppId,
    /// What a grant covers; for a session nothing.
    classes: ClassSet,
    expires: Timestamp,
    /// The entry that took it away.
    ended: Option<u64>,
}

impl Fold {
    /// How many of what there were.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The time of the last entry.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Takes in the next entry, or says which rule it breaks.
    pub fn take(&mut self, index: u64, entry: &Entry) -> Result<(), Breach> {
        let now = entry.time;
        if now < self.time {
            return Err(Breach::Time { time: now, before: self.time });
        }
        self.time = now;
        match &entry.event {
            Event::StaffRecorded(e) => self.staff(index, e)?,
            Event::SessionOpened(e) => self.session(e)?,
            Event::SessionClosed(e) => {
                end(self.sessions.get_mut(&e.session), index);
                self.unmarked.remove(&e.session);
            }
            Event::GrantIssued(e) => self.grant(e)?,
            Event::Revealed(e) => self.look(e)?,
            Event::Listed(e) => {
                self.seat(&e.by)?;
                never_secret(e.classes)?;
                self.marked(&e.by, e.classes, e.mode)?;
                self.tally.lists += 1;
                self.tally.rows += u64::from(e.rows);
            }
            Event::Written(e) => {
                self.seat(&e.by)?;
                self.tally.writes += 1;
            }
            Event::Revoked(e) => self.revoke(index, &e.target),
            Event::Proposed(e) => self.propose(e)?,
            Event::Decided(e) => self.decide(e)?,
            Event::Erased(e) => self.proposals.erase(e, now)?,
            Event::MarkIssued(e) => self.seat(&e.by)?,
            Event::MarkFault(e) => {
                let masked = self.unmarked.entry(e.by.session).or_default();
                *masked = masked.union(e.masks);
            }
            Event::MarkSound(e) => {
                self.seat(&e.by)?;
                self.unmarked.remove(&e.by.session);
            }
            Event::Contained(e) => self.rungs.contain(index, e, now),
            Event::Lifted(e) => self.lift(e)?,
            Event::Reauthenticated(e) => self.rungs.prove(e),
            Event::Started(_)
            | Event::SettingsInForce(_)
            | Event::PolicyInForce(_)
            | Event::Refused(_)
            | Event::Questioned(_)
            | Event::IncidentOpened(_)
            | Event::Finding(_)
            | Event::Triaged(_)
            | Event::WatchInForce(_)
            | Event::RuleMatched(_)
            | Event::CanariesPlanted(_) => {}
        }
        Ok(())
    }

    fn staff(&mut self, index: u64, StaffRecorded { record, by }: &StaffRecorded) -> Result<(), Breach> {
        let before = self.staff.get(&record.staff).and_then(|standing| standing.ended);
        let active = record.status == StaffStatus::Active;
        if let (Some(by), true, Actor::System) = (before, active, by) {
            return Err(Breach::Reinstated { staff: record.staff.clone(), by });
        }
        let ended = if active { None } else { Some(before.unwrap_or(index)) };
        let standing = Standing { role: record.role, cleared_until: record.cleared_until, ended };
        self.staff.insert(record.staff.clone(), standing);
        if !active {
            self.end_all_of(&record.staff, index);
        }
        Ok(())
    }

    fn session(&mut self, e: &SessionOpened) -> Result<(), Breach> {
        self.may_work(&e.staff)?;
        self.tally.sessions += 1;
        let (staff, app) = (e.staff.clone(), e.door.clone());
        let held = Held { staff, app, classes: ClassSet::EMPTY, expires: e.expires, ended: None };
        keep(&mut self.sessions, e.session, held, self.time)
    }

    fn grant(&mut self, e: &GrantIssued) -> Result<(), Breach> {
        self.may_work(&e.staff)?;
        self.rungs.admits(&e.staff)?;
        self.tally.grants += 1;
        let (staff, app) = (e.staff.clone(), e.app.clone());
        let held = Held { staff, app, classes: e.classes, expires: e.expires, ended: None };
        keep(&mut self.grants, e.grant, held, self.time)
    }

    fn look(&mut self, e: &Revealed) -> Result<(), Breach> {
        self.seat(&e.by)?;
        never_secret(e.classes)?;
        self.marked(&e.by, e.classes, e.mode)?;
        let grant = self.grants.get(&e.grant).ok_or(Breach::NoGrant(e.grant))?;
        grant.admits(&e.grant, &e.by, self.time)?;
        let uncovered = e.classes.without(grant.classes);
        if !uncovered.is_empty() {
            return Err(Breach::Uncovered { grant: e.grant, classes: uncovered });
        }
        self.tally.looks += 1;
        self.tally.evidence[e.evidence as usize] += 1;
        Ok(())
    }

    /// The viewer sits in an open session of their own, at this app's door, may work, and may be shown something.
    fn seat(&self, by: &Viewer) -> Result<(), Breach> {
        self.rungs.admits(&by.staff)?;
        self.sits(by)
    }

    fn sits(&self, by: &Viewer) -> Result<(), Breach> {
        let session = self.sessions.get(&by.session).ok_or(Breach::NoSession(by.session))?;
        session.admits(&by.session, by, self.time)?;
        self.may_work(&by.staff)
    }

    /// Nothing is shown that a fault of the session's mark masks.
    fn marked(&self, by: &Viewer, shown: ClassSet, mode: Mode) -> Result<(), Breach> {
        let masked = self.unmarked.get(&by.session).copied().unwrap_or_default();
        let classes = shown.intersection(masked);
        match mode {
            Mode::Enforce if !classes.is_empty() => Err(Breach::Unmarked { session: by.session, classes }),
            Mode::Enforce | Mode::Observe => Ok(()),
        }
    }

    fn may_work(&self, staff: &StaffId) -> Result<(), Breach> {
        let standing = self.staff.get(staff).ok_or_else(|| Breach::NoStaff(staff.clone()))?;
        match *standing {
            Standing { ended: Some(by), .. } => Err(Breach::Ended { what: staff.to_string(), by }),
            Standing { cleared_until: Some(at), .. } if at <= self.time => {
                Err(Breach::Expired { what: format!("the clearance of {staff}"), at })
            }
            _ => Ok(()),
        }
    }

    fn propose(&mut self, e: &Proposed) -> Result<(), Breach> {
        match (&e.by, e.session) {
            (Actor::Staff(staff), Some(session)) => self.decider(&What::of(&e.act), staff, session)?,
            (Actor::Operator, None) => {}
            _ => return Err(Breach::NoProposer(e.proposal)),
        }
        self.proposals.propose(e, self.time)
    }

    fn decide(&mut self, e: &Decided) -> Result<(), Breach> {
        self.decider(self.proposals.what(e.proposal)?, &e.by, e.session)?;
        if let Some(What::Lift(staff)) = self.proposals.decide(e, self.time)? {
            self.rungs.lift_confirmed(&staff);
        }
        Ok(())
    }

    /// Somebody to decide about such an act, in an open session of their own at the console; never about their own
    /// containment.
    fn decider(&self, what: &What, staff: &StaffId, session: SessionId) -> Result<(), Breach> {
        self.sits(&Viewer { staff: staff.clone(), session, app: AppId::new(AppId::CONSOLE) })?;
        self.rungs.admits_to_decide(staff)?;
        match self.staff.get(staff) {
            Some(standing) if what.is_for(staff, standing.role) => Ok(()),
            _ => Err(Breach::NotAdministrator(staff.clone())),
        }
    }

    /// In an open session of their own; about somebody else, as an analyst at the console.
    fn lift(&mut self, e: &Lifted) -> Result<(), Breach> {
        if e.by == e.staff {
            let door = self.sessions.get(&e.session).ok_or(Breach::NoSession(e.session))?.app.clone();
            self.sits(&Viewer { staff: e.by.clone(), session: e.session, app: door })?;
        } else {
            self.decider(&What::Lift(e.staff.clone()), &e.by, e.session)?;
        }
        self.rungs.lift(e)
    }

    fn revoke(&mut self, index: u64, target: &Target) {
        self.tally.revocations += 1;
        match target {
            Target::Staff(staff) => {
                if let Some(standing) = self.staff.get_mut(staff) {
                    standing.ended.get_or_insert(index);
                }
                self.end_all_of(staff, index);
            }
            Target::Session(session) => end(self.sessions.get_mut(session), index),
            Target::Grant(grant) => end(self.grants.get_mut(grant), index),
        }
    }

    fn end_all_of(&mut self, staff: &StaffId, index: u64) {
        let all = self.sessions.values_mut().chain(self.grants.values_mut());
        all.filter(|held| held.staff == *staff).for_each(|held| end(Some(held), index));
    }
}

impl Held {
    fn admits(&self, id: &dyn std::fmt::Display, by: &Viewer, now: Timestamp) -> Result<(), Breach> {
        let what = || id.to_string();
        match self.ended {
            Some(by) => Err(Breach::Ended { what: what(), by }),
            None if self.expires <= now => Err(Breach::Expired { what: what(), at: self.expires }),
            None if self.staff != by.staff || self.app != by.app => {
                Err(Breach::NotTheirs { what: what(), owner: self.staff.clone(), app: self.app.clone() })
            }
            None => Ok(()),
        }
    }
}

fn end(held: Option<&mut Held>, index: u64) {
    if let Some(held) = held {
        held.ended.get_or_insert(index);
    }
}

/// Keeps a new session or grant. When there is no more room, lets go of those long expired first.
fn keep<K: Copy + Eq + std::hash::Hash + std::fmt::Display>(
    all: &mut HashMap<K, Held>,
    id: K,
    held: Held,
    now: Timestamp,
) -> Result<(), Breach> {
    if all.len() >= SWEEP_AT && all.len() == all.capacity() {
        let then = now.minus(REMEMBERED);
        all.retain(|_, held| held.expires > then);
        // So that the next time is as far away as there are left.
        all.reserve(all.len() + 1);
    }
    match all.insert(id, held) {
        None => Ok(()),
        Some(_) => Err(Breach::Twice(id.to_string())),
    }
}

fn never_secret(classes: ClassSet) -> Result<(), Breach> {
    let secret = classes.intersection(ClassSet::SECRET);
    if secret.is_empty() { Ok(()) } else { Err(Breach::Secret(secret)) }
}
