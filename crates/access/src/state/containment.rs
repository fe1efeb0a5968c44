//! Findings, what is done about them, and how it is taken back.

use std::time::Duration;

use model::containment::{MOST_CONTRIBUTIONS, MOST_POINTS};
use model::entry::{Actor, RevokeReason, Why};
use model::{
    Contained, Finding, FindingId, Level, LiftReason, Lifted, Reauthenticated, Role, SessionId, StaffId,
    Timestamp, Triaged, Turn, Undo, UndoCell, UndoMap, Verdict, WatchInForce, WatchMode,
};
use people::Register;

use super::console::at_console;

/// A fresh login counts for so long.
const FRESH: Duration = Duration::from_secs(15 * 60);
/// Under throttle one new customer in so many minutes, where nothing else is in force.
const THROTTLE_MINUTES: u32 = 3;
/// The longest word for a detector.
const LONGEST_WORD: usize = 32;

/// A finding, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Told {
    /// The finding.
    #[n(0)]
    pub id: FindingId,
    /// The entry that tells it.
    #[n(1)]
    pub index: u64,
    /// When it was told.
    #[n(2)]
    pub time: Timestamp,
    /// About whom.
    #[n(3)]
    pub staff: StaffId,
    /// Their role then.
    #[n(4)]
    pub role: Role,
    /// What weighs most, as a stable word.
    #[n(5)]
    pub detector: String,
    /// The rung that was reached.
    #[n(6)]
    pub level: Level,
    /// The score, in hundredths of a nat.
    #[n(7)]
    pub score: i32,
    /// Customers in the looks that the score is made of; a look that the budget refused counts.
    #[n(8)]
    pub exposed: u32,
    /// The last entry of its evidence.
    #[n(9)]
    pub at: u64,
    /// What was made of it last, by whom, and when.
    #[n(10)]
    pub triage: Option<(Verdict, StaffId, Timestamp)>,
    /// Whether two analysts have opened it by name.
    #[n(11)]
    pub named: bool,
}

impl Told {
    /// Whether something remains to be done.
    pub fn is_open(&self) -> bool {
        self.triage.as_ref().is_none_or(|(verdict, ..)| !verdict.closes())
    }
}

/// A rung in force.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Held {
    /// Which.
    #[n(0)]
    pub level: Level,
    /// Since when.
    #[n(1)]
    pub since: Timestamp,
    /// The entry that says so.
    #[n(2)]
    pub index: u64,
    /// Who put it in force.
    #[n(3)]
    pub by: Actor,
    /// Because of which finding.
    #[n(4)]
    pub finding: Option<FindingId>,
    /// Why.
    #[n(5)]
    pub reason: RevokeReason,
    /// Under throttle: the next new customer from then on.
    #[n(6)]
    pub next: Timestamp,
    /// The session that was opened with a fresh login since.
    #[n(7)]
    pub fresh: Option<SessionId>,
}

/// What was told, and what is in force.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(super) struct Containment {
    #[n(0)]
    pub(super) told: UndoMap<FindingId, Told>,
    #[n(1)]
    pub(super) held: UndoMap<StaffId, Held>,
    /// For each person the level and the last entry of the finding that was told last.
    #[n(2)]
    last: UndoMap<StaffId, (Level, u64)>,
    #[n(3)]
    in_force: Settings,
}

#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub(super) struct Settings(#[n(0)] UndoCell<Option<(WatchMode, u32)>>);

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Containment {
    pub(super) fn mode(&self) -> WatchMode {
        self.in_force.0.map_or(WatchMode::Shadow, |(mode, _)| mode)
    }

    pub(super) fn throttle_minutes(&self) -> u32 {
        self.in_force.0.map_or(THROTTLE_MINUTES, |(_, minutes)| minutes)
    }

    /// Whether this person may be shown anything at all.
    pub(super) fn admits(&self, staff: &StaffId) -> Result<(), Why> {
        match self.held.get(staff).map(|held| held.level) {
            Some(Level::StepUp) => Err(Why::StepUp),
            Some(Level::Suspend | Level::Revoke) => Err(Why::Suspended),
            None | Some(Level::Nudge | Level::Throttle) => Ok(()),
        }
    }

    /// Whoever is suspended has no say about others either.
    pub(super) fn has_say(&self, staff: &StaffId) -> Result<(), Why> {
        match self.held.get(staff) {
            Some(held) if held.level >= Level::Suspend => Err(Why::Suspended),
            _ => Ok(()),
        }
    }

    /// Whether this is somebody who may take access away, in a live session of their own at the console.
    fn check_analyst(
        &self,
        people: &Register,
        staff: &StaffId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), Why> {
        let record = at_console(people, staff, session, now)?;
        self.has_say(staff)?;
        if record.role.may_revoke() { Ok(()) } else { Err(Why::NotPermitted) }
    }

    /// Whether this person may be granted one more customer. Whether it is a new one only an opening could tell,
    /// which a replay may lack: so every grant counts.
    pub(super) fn admits_grant(&self, staff: &StaffId, now: Timestamp) -> Result<(), Why> {
        self.admits(staff)?;
        match self.held.get(staff) {
            Some(held) if held.level == Level::Throttle && now < held.next => Err(Why::Throttled),
            _ => Ok(()),
        }
    }

    /// Whether this person may see so many rows of strangers.
    pub(super) fn admits_rows(&self, staff: &StaffId, strangers: u32) -> Result<(), Why> {
        match self.held.get(staff) {
            Some(held) if held.level == Level::Throttle && strangers > 0 => Err(Why::Throttled),
            _ => Ok(()),
        }
    }

    pub(super) fn granted(&mut self, staff: &StaffId, now: Timestamp) {
        let wait = Duration::from_secs(60 * u64::from(self.throttle_minutes()));
        if self.held.get(staff).is_some_and(|held| held.level == Level::Throttle)
            && let Some(held) = self.held.get_mut(staff)
        {
            held.next = now.plus(wait);
        }
    }

    /// The same evidence is told once at each level, by whichever gateway comes first.
    pub(super) fn check_finding(&self, index: u64, e: &Finding, people: &Register) -> Result<(), Why> {
        let word = |word: &str| {
            let plain =
                word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
            plain && !word.is_empty() && word.len() <= LONGEST_WORD
        };
        let bounded = e.contributions.len() <= MOST_CONTRIBUTIONS
            && e.curve.len() <= MOST_POINTS
            && e.rungs.len() <= Level::ALL.len()
            && e.from <= e.at
            && e.at < index
            && e.contributions.iter().all(|c| c.entry <= e.at && word(&c.detector))
            && word(&e.detector);
        if !bounded || !people.staff.contains_key(&e.staff) {
            return Err(Why::BadRequest);
        }
        let told = |(level, at): &(Level, u64)| e.from <= *at && e.level <= *level;
        if self.told.contains_key(&e.finding) || self.last.get(&e.staff).is_some_and(told) {
            return Err(Why::Stale);
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, index: u64, e: &Finding, now: Timestamp) {
        let told = Told {
            id: e.finding,
            index,
            time: now,
            staff: e.staff.clone(),
            role: e.role,
            detector: e.detector.clone(),
            level: e.level,
            score: e.score,
            exposed: e.exposed,
            at: e.at,
            triage: None,
            named: false,
        };
        self.told.insert(e.finding, told);
        self.last.insert(e.staff.clone(), (e.level, e.at));
    }

    /// Sightline itself contains only somebody about whom a finding was told (P7), and only as far as that reaches.
    pub(super) fn check_contained(
        &self,
        e: &Contained,
        people: &Register,
        now: Timestamp,
    ) -> Result<(), Why> {
        if !people.staff.contains_key(&e.staff) {
            return Err(Why::BadRequest);
        }
        let found = e.finding.map(|id| self.told.get(&id).filter(|told| told.staff == e.staff));
        match (&e.by, e.session) {
            (Actor::System, None) => {
                let told = found.flatten().ok_or(Why::BadRequest)?;
                if e.level > told.level || !told.is_open() {
                    return Err(Why::BadRequest);
                }
                if self.mode() != WatchMode::Contain {
                    return Err(Why::NotPermitted);
                }
            }
            (Actor::Operator, None) => {}
            (Actor::Staff(by), Some(session)) => self.check_analyst(people, by, session, now)?,
            _ => return Err(Why::BadRequest),
        }
        if matches!(found, Some(None)) {
            return Err(Why::BadRequest);
        }
        // Downwards only by lifting, with its reason.
        if self.held.get(&e.staff).is_some_and(|held| e.level <= held.level) {
            return Err(Why::Stale);
        }
        Ok(())
    }

    pub(super) fn contain(&mut self, index: u64, e: &Contained, now: Timestamp) {
        let held = Held {
            level: e.level,
            since: now,
            index,
            by: e.by.clone(),
            finding: e.finding,
            reason: e.reason,
            next: now,
            fresh: None,
        };
        self.held.insert(e.staff.clone(), held);
    }

    /// Whoever is contained answers for themselves what the rung asks of them; anything else somebody else lifts, and
    /// a suspension two ([`model::entry::Act::Lift`]).
    pub(super) fn check_lifted(&self, e: &Lifted, people: &Register, now: Timestamp) -> Result<(), Why> {
        let held = self.held.get(&e.staff).ok_or(Why::Stale)?;
        if e.by != e.staff {
            self.check_analyst(people, &e.by, e.session, now)?;
            let theirs_to_say = !matches!(e.reason, LiftReason::Answered | LiftReason::SteppedUp);
            let permitted = held.level < Level::Suspend && theirs_to_say && e.purpose.is_none();
            return if permitted { Ok(()) } else { Err(Why::NotPermitted) };
        }
        let (session, _) = people.may_act(e.session, now)?;
        if session.staff != e.staff {
            return Err(Why::SessionEnded);
        }
        match (held.level, e.reason) {
            (Level::Nudge, LiftReason::Answered) => Ok(()),
            (Level::StepUp, LiftReason::SteppedUp) if e.purpose.is_none() => Err(Why::NoReason),
            (Level::StepUp, LiftReason::SteppedUp) if held.fresh == Some(e.session) => Ok(()),
            (Level::StepUp, LiftReason::SteppedUp) => Err(Why::StepUp),
            _ => Err(Why::NotPermitted),
        }
    }

    pub(super) fn lift(&mut self, staff: &StaffId) {
        self.held.remove(staff);
    }

    pub(super) fn check_triaged(&self, e: &Triaged, people: &Register, now: Timestamp) -> Result<(), Why> {
        self.check_analyst(people, &e.by, e.session, now)?;
        let told = self.told.get(&e.finding).ok_or(Why::BadRequest)?;
        // Nobody judges a finding about themselves.
        if told.staff == e.by { Err(Why::NotPermitted) } else { Ok(()) }
    }

    pub(super) fn triage(&mut self, e: &Triaged, now: Timestamp) {
        if let Some(told) = self.told.get_mut(&e.finding) {
            told.triage = Some((e.verdict, e.by.clone(), now));
        }
    }

    pub(super) fn name(&mut self, finding: &FindingId) {
        if let Some(told) = self.told.get_mut(finding) {
            told.named = true;
        }
    }

    pub(super) fn check_fresh(
        &self,
        e: &Reauthenticated,
        people: &Register,
        now: Timestamp,
    ) -> Result<(), Why> {
        let (session, _) = people.may_act(e.session, now)?;
        let recent = e.asked <= now && now.since(e.asked) <= FRESH;
        if session.staff == e.staff && recent { Ok(()) } else { Err(Why::BadRequest) }
    }

    /// A login that was asked for before the rung was in force proves nothing.
    pub(super) fn prove(&mut self, e: &Reauthenticated) {
        if self.held.get(&e.staff).is_some_and(|held| held.since <= e.asked)
            && let Some(held) = self.held.get_mut(&e.staff)
        {
            held.fresh = Some(e.session);
        }
    }

    pub(super) fn put_in_force(&mut self, e: &WatchInForce) {
        self.in_force.0.set(Some((e.mode, e.throttle_minutes)));
    }
}

impl Undo for Containment {
    fn turn(&mut self, turn: Turn) {
        let Self { told, held, last, in_force } = self;
        told.turn(turn);
        held.turn(turn);
        last.turn(turn);
        in_force.0.turn(turn);
    }
}
