//! Everything that admission decides against: a fold over entries and nothing else.
//!
//! Each entry is first checked against the state as it is and then absorbed, so that an entry that
//! is refused leaves no trace. A check may read openings and then only to refuse more: at replay,
//! where the opening of an erased customer is gone, every entry that was admitted is admitted again.

mod console;
mod containment;
mod grants;
mod proposals;
mod shared;
mod shift;

use std::collections::BTreeMap;

use ledger::Record;
use model::entry::{
    Act, Decided, Erased, GrantIssued, Listed, Revealed, Revoked, SessionClosed, SettingsInForce,
    StaffRecorded, Target, Viewer, Why,
};
use model::{
    AppId, Budgets, ClassSet, CustomerId, Digest, Entry, Event, FieldClass, FindingId, IncidentOpened, Level,
    MarkFault, MarkFaultKind, MarkSound, Mode, Month, Opening, SessionId, StaffId, StaffStatus, Timestamp,
    Turn, Undo, UndoCell, UndoMap, WatchMode,
};

use containment::Containment;
pub use containment::{Held as Containing, Told};
pub use grants::Grant;
use grants::{Grants, Held};
use proposals::Proposals;
pub use proposals::{NEEDED, OPEN_FOR, Proposal, UNWITNESSED_FOR};
pub use shared::SharedState;
pub use shift::Remaining;
use shift::Shift;

/// Which version of the state a snapshot holds.
const FORM: &[u8] = b"access 3\n";

/// Everything that admission decides against. Deterministic, and encodable, so that a replay can be
/// compared byte for byte.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub struct State {
    /// Staff and sessions.
    #[n(0)]
    pub people: people::Register,
    #[n(1)]
    budgets: UndoCell<Budgets>,
    #[n(2)]
    apps: UndoCell<BTreeMap<AppId, Mode>>,
    #[n(3)]
    policy: UndoCell<Option<Digest>>,
    #[n(4)]
    fence: UndoCell<u64>,
    #[n(5)]
    grants: Grants,
    #[n(6)]
    shifts: UndoMap<StaffId, Shift>,
    #[n(7)]
    configuration: UndoCell<Option<Digest>>,
    #[n(8)]
    proposals: UndoCell<Proposals>,
    /// Of the last entry.
    #[n(9)]
    time: UndoCell<Timestamp>,
    #[n(16)]
    incidents: UndoCell<Vec<IncidentOpened>>,
    #[n(17)]
    containment: Containment,
    /// What a session is not shown until its mark is in place.
    #[n(21)]
    unmarked: UndoMap<SessionId, Unmarked>,
}

/// What a session is not shown in `enforce`, because its mark is not in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Unmarked {
    /// The classes.
    #[n(0)]
    pub classes: ClassSet,
    /// When a fault was recorded last.
    #[n(1)]
    pub since: Timestamp,
    /// Whether all that was wrong is that pages were not heard from.
    #[n(2)]
    pub silent: bool,
}

impl Unmarked {
    /// Whether a page that was sent then lifts it by being sound: one that was sent behind the fault, or, where nothing
    /// but silence was wrong, any.
    pub fn is_lifted_by(&self, sent: Timestamp) -> bool {
        self.silent || sent > self.since
    }
}

impl State {
    /// The grants of this person at this customer that are live at `now`, newest first.
    pub fn live_grants(
        &self,
        staff: &StaffId,
        app: &AppId,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Vec<Grant> {
        self.grants.live(staff, app, customer, now)
    }

    /// What is left of the shift's budgets.
    pub fn budget(&self, staff: &StaffId, now: Timestamp) -> Remaining {
        Remaining::of(*self.budgets, self.shift(staff, now).as_ref(), |shift| shift.enforced)
    }

    /// What would be left if every app were in `enforce`: looks in observed apps count too.
    pub fn budget_if_enforced(&self, staff: &StaffId, now: Timestamp) -> Remaining {
        Remaining::of(*self.budgets, self.shift(staff, now).as_ref(), |shift| {
            shift.enforced.plus(shift.observed)
        })
    }

    /// The number of the last fence, counted from 1: a decision made at one fence may not hold at
    /// the next.
    pub fn fence(&self) -> u64 {
        *self.fence
    }

    /// The mode of an app; none if no settings name it, which is then treated as `enforce` (P9).
    pub fn mode(&self, app: &AppId) -> Option<Mode> {
        self.apps.get(app).copied()
    }

    /// The budgets in force.
    pub fn budgets(&self) -> Budgets {
        *self.budgets
    }

    /// The digest of the configuration in force, once one has been recorded.
    pub fn configuration(&self) -> Option<Digest> {
        *self.configuration
    }

    /// The digest of the policy in force, once one has been recorded.
    pub fn policy(&self) -> Option<Digest> {
        *self.policy
    }

    /// The proposals that can be decided at `now`, by id.
    pub fn open_proposals(&self, now: Timestamp) -> impl Iterator<Item = &Proposal> {
        self.proposals.open(now)
    }

    /// The proposals that two administrators have confirmed and that are to be carried out, by id.
    pub fn confirmed_proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.proposals.confirmed()
    }

    /// Until when two administrators let the gateway go on without its witnesses, the last time that they did.
    pub fn unwitnessed_until(&self) -> Option<Timestamp> {
        self.proposals.unwitnessed_until
    }

    /// The first month whose keys retention has not destroyed, once it has destroyed any.
    pub fn erased_before(&self) -> Option<Month> {
        self.proposals.erased_before
    }

    /// Every finding that was told, by id.
    pub fn findings(&self) -> impl Iterator<Item = &Told> {
        self.containment.told.values()
    }

    /// A finding that was told.
    pub fn finding(&self, id: &FindingId) -> Option<&Told> {
        self.containment.told.get(id)
    }

    /// The rung of containment that this person is on.
    pub fn contained(&self, staff: &StaffId) -> Option<&Containing> {
        self.containment.held.get(staff)
    }

    /// Everybody who is on a rung of containment.
    pub fn all_contained(&self) -> impl Iterator<Item = (&StaffId, &Containing)> {
        self.containment.held.iter()
    }

    /// Why containment lets this person be shown nothing, if it does.
    pub fn closed_by_containment(&self, staff: &StaffId) -> Result<(), Why> {
        self.containment.admits(staff)
    }

    /// What is done about findings by itself.
    pub fn watch_mode(&self) -> WatchMode {
        self.containment.mode()
    }

    /// Under throttle one new customer in so many minutes.
    pub fn throttle_minutes(&self) -> u32 {
        self.containment.throttle_minutes()
    }

    /// Every incident that was opened, in the order of the ledger.
    pub fn incidents(&self) -> &[IncidentOpened] {
        &self.incidents
    }

    /// What a session is not shown in `enforce`, if its mark is not in place.
    pub fn unmarked(&self, session: SessionId) -> Option<Unmarked> {
        self.unmarked.get(&session).copied()
    }

    /// The classes of [`unmarked`](Self::unmarked).
    pub fn masked(&self, session: SessionId) -> ClassSet {
        self.unmarked(session).map_or(ClassSet::EMPTY, |unmarked| unmarked.classes)
    }

    /// The deterministic encoding of the whole state, for comparing one replay with another. It holds
    /// customers in the clear: keep it in memory.
    #[allow(clippy::expect_used)]
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("a Vec takes every byte")
    }

    /// The state to start from instead of a replay, where its bytes are of this version of it. Whoever changes what a
    /// replay comes to, without a change of what is encoded, counts [`FORM`] up.
    pub fn save(&self) -> Vec<u8> {
        [FORM, &self.encode()].concat()
    }

    /// Reads [`save`](Self::save)d bytes, if they are of this version.
    pub fn load(saved: &[u8]) -> Option<Self> {
        let encoded = saved.strip_prefix(FORM)?;
        let mut state: Self = minicbor::decode(encoded).ok()?;
        state.grants.order_by_expiry();
        state.turn(Turn::Settle);
        // What this version does not know it would forget.
        (state.encode() == encoded).then_some(state)
    }

    /// Admits `group` and absorbs all of it, or says why not and leaves no trace of any of it. Each
    /// record is decided against the state that the ones before it made.
    pub fn admit(&mut self, group: &[Record]) -> Result<(), Why> {
        self.turn(Turn::Begin);
        let admitted = group.iter().try_for_each(|record| self.admit_one(record));
        admitted.inspect_err(|_| self.turn(Turn::Refuse))
    }

    fn admit_one(&mut self, record: &Record) -> Result<(), Why> {
        self.check(record.index, &record.entry, &record.openings)?;
        self.people.admit(&record.entry)?;
        self.absorb(record);
        Ok(())
    }

    /// Takes back, exactly, everything that was admitted since [`settle`](Self::settle): its batch was lost.
    pub fn undo(&mut self) {
        self.turn(Turn::Lose);
    }

    /// Everything that was admitted is durable, and stays.
    pub fn settle(&mut self) {
        let now = *self.time;
        self.grants.drop_expired(now);
        self.turn(Turn::Settle);
    }

    fn check(&self, index: u64, entry: &Entry, openings: &[Option<Opening>]) -> Result<(), Why> {
        match &entry.event {
            Event::GrantIssued(grant) => self.check_grant(grant, customer(openings), entry.time),
            Event::Revealed(reveal) => self.check_reveal(reveal, customer(openings), entry.time),
            Event::Listed(listed) => self.check_listed(listed, entry.time),
            Event::Written(written) => self.check_seat(&written.by, entry.time),
            Event::MarkIssued(e) => self.check_seat(&e.by, entry.time),
            Event::MarkSound(e) => self.check_seat(&e.by, entry.time),
            Event::Proposed(e) => {
                e.by.staff().map_or(Ok(()), |staff| self.containment.has_say(staff))?;
                self.proposals.check_proposed(e, &self.people, entry.time)
            }
            Event::Decided(e) => {
                self.containment.has_say(&e.by)?;
                self.proposals.check_decided(e, &self.people, entry.time)
            }
            Event::Erased(e) => self.proposals.check_erased(e, entry.time),
            Event::Finding(e) => self.containment.check_finding(index, e, &self.people),
            Event::Contained(e) => self.containment.check_contained(e, &self.people, entry.time),
            Event::Lifted(e) => self.containment.check_lifted(e, &self.people, entry.time),
            Event::Triaged(e) => self.containment.check_triaged(e, &self.people, entry.time),
            Event::Reauthenticated(e) => self.containment.check_fresh(e, &self.people, entry.time),
            Event::Revoked(Revoked { target: Target::Grant(grant), .. }) => {
                self.grants.unexpired(*grant, entry.time).map(drop).ok_or(Why::BadRequest)
            }
            Event::Started(_)
            | Event::SettingsInForce(_)
            | Event::PolicyInForce(_)
            | Event::StaffRecorded(_)
            | Event::SessionOpened(_)
            | Event::SessionClosed(_)
            | Event::Refused(_)
            | Event::Revoked(_)
            | Event::Questioned(_)
            | Event::MarkFault(_)
            | Event::WatchInForce(_)
            | Event::IncidentOpened(_)
            | Event::RuleMatched(_)
            | Event::CanariesPlanted(_) => Ok(()),
        }
    }

    fn check_grant(&self, e: &GrantIssued, customer: Option<&CustomerId>, now: Timestamp) -> Result<(), Why> {
        let mode = self.mode_or_closed(&e.app);
        self.people.active(&e.staff, now)?;
        self.containment.admits_grant(&e.staff, now)?;
        if e.expires <= now {
            return Err(Why::GrantExpired);
        }
        if e.expires > now.plus(self.budgets.grant()) || self.grants.has(e.grant) {
            return Err(Why::Stale);
        }
        check_classes(e.classes, mode)?;
        if mode == Mode::Enforce
            && let Some(why) = e.would_refuse
        {
            return Err(why);
        }
        if e.charged {
            self.check_charge(e, mode, customer, now)
        } else {
            self.check_uncharged(e, customer, now)
        }
    }

    fn check_charge(
        &self,
        e: &GrantIssued,
        mode: Mode,
        customer: Option<&CustomerId>,
        now: Timestamp,
    ) -> Result<(), Why> {
        match mode {
            Mode::Enforce => {
                // Two answers to one question, sent at once: the second would pay for nothing.
                if customer.is_some_and(|c| !self.live_grants(&e.staff, &e.app, c, now).is_empty()) {
                    return Err(Why::Stale);
                }
                self.budget(&e.staff, now).over_with_weak(e.tier).map_or(Ok(()), Err)
            }
            Mode::Observe => {
                let over = self.budget_if_enforced(&e.staff, now).over_with_weak(e.tier);
                if over.is_some() && e.would_refuse.is_none() { Err(Why::Stale) } else { Ok(()) }
            }
        }
    }

    /// A weak reason is free of charge only inside a grant that is live, and never longer than it:
    /// else one charge would last for ever.
    fn check_uncharged(
        &self,
        e: &GrantIssued,
        customer: Option<&CustomerId>,
        now: Timestamp,
    ) -> Result<(), Why> {
        let covered = || {
            self.grants.iter_live(now).any(|held| {
                held.staff == e.staff
                    && held.app == e.app
                    && held.may_be_about(customer)
                    && held.grant.expires >= e.expires
            })
        };
        if e.evidence.is_weak() && !covered() { Err(Why::Stale) } else { Ok(()) }
    }

    fn check_reveal(&self, e: &Revealed, customer: Option<&CustomerId>, now: Timestamp) -> Result<(), Why> {
        self.check_seat(&e.by, now)?;
        let mode = self.check_mode(&e.by.app, e.mode)?;
        check_classes(e.classes, mode)?;
        self.check_marked(&e.by, e.classes, mode)?;
        let held = self.grants.unexpired(e.grant, now).ok_or(Why::GrantExpired)?;
        if held.staff != e.by.staff || held.app != e.by.app || !held.may_be_about(customer) {
            return Err(Why::NoReason);
        }
        if held.revoked {
            return Err(Why::GrantRevoked);
        }
        if held.grant.classes.covers(e.classes) { Ok(()) } else { Err(Why::Stale) }
    }

    fn check_listed(&self, e: &Listed, now: Timestamp) -> Result<(), Why> {
        self.check_seat(&e.by, now)?;
        self.containment.admits_rows(&e.by.staff, e.charged)?;
        let mode = self.check_mode(&e.by.app, e.mode)?;
        check_classes(e.classes, mode)?;
        self.check_marked(&e.by, e.classes, mode)?;
        if e.charged > e.rows {
            return Err(Why::BadRequest);
        }
        match mode {
            Mode::Enforce => self.budget(&e.by.staff, now).over_with_rows(e.charged).map_or(Ok(()), Err),
            Mode::Observe => Ok(()),
        }
    }

    /// Whether the viewer sits where they say, in a session of their own, at this app's door, and is not contained.
    fn check_seat(&self, by: &Viewer, now: Timestamp) -> Result<(), Why> {
        let (session, _) = self.people.may_act(by.session, now)?;
        self.containment.admits(&by.staff)?;
        if session.staff == by.staff && session.door == by.app { Ok(()) } else { Err(Why::SessionEnded) }
    }

    /// What a fault of the session's mark masks may have been decided before the fault: it is decided again.
    fn check_marked(&self, by: &Viewer, shown: ClassSet, mode: Mode) -> Result<(), Why> {
        let masked = shown.intersection(self.masked(by.session));
        if mode == Mode::Enforce && !masked.is_empty() { Err(Why::Stale) } else { Ok(()) }
    }

    /// An entry decided under another mode than that in force was decided too early.
    fn check_mode(&self, app: &AppId, decided_under: Mode) -> Result<Mode, Why> {
        let mode = self.mode_or_closed(app);
        if mode == decided_under { Ok(mode) } else { Err(Why::Stale) }
    }

    pub(crate) fn mode_or_closed(&self, app: &AppId) -> Mode {
        mode_or_closed(&self.apps, app)
    }

    fn absorb(&mut self, Record { index, entry, openings }: &Record) {
        let now = entry.time;
        self.time.set(now);
        match &entry.event {
            Event::GrantIssued(e) => self.absorb_grant(e, openings, now),
            Event::Revealed(e) => self.use_shift(&e.by.staff, now, |_| {}),
            Event::Listed(e) => self.use_shift(&e.by.staff, now, |shift| shift.used(e.mode).list(e.charged)),
            Event::SettingsInForce(e) => self.absorb_settings(e),
            Event::PolicyInForce(e) => self.policy.set(Some(e.policy)),
            Event::StaffRecorded(StaffRecorded { record, .. }) if record.status != StaffStatus::Active => {
                self.grants.revoke_where(|held| held.staff == record.staff);
            }
            Event::Revoked(e) => match &e.target {
                Target::Staff(staff) => self.grants.revoke_where(|held| held.staff == *staff),
                Target::Grant(grant) => self.grants.revoke(*grant),
                Target::Session(_) => {}
            },
            Event::Proposed(e) => {
                self.proposals.change(|proposals| proposals.propose(*index, e, customer(openings), now));
            }
            Event::Decided(e) => self.absorb_decided(e),
            Event::Erased(e) => self.absorb_erased(e),
            Event::IncidentOpened(e) => self.incidents.change(|incidents| incidents.push(e.clone())),
            Event::MarkFault(e) => self.absorb_fault(e, now),
            Event::MarkSound(MarkSound { by }) => self.unmarked.remove(&by.session),
            Event::SessionClosed(SessionClosed { session, .. }) => self.unmarked.remove(session),
            Event::Finding(e) => self.containment.tell(*index, e, now),
            Event::Contained(e) => {
                self.containment.contain(*index, e, now);
                // From here on every look needs its reason again.
                if e.level > Level::Nudge {
                    self.grants.revoke_where(|held| held.staff == e.staff);
                }
            }
            Event::Lifted(e) => self.containment.lift(&e.staff),
            Event::Triaged(e) => self.containment.triage(e, now),
            Event::WatchInForce(e) => self.containment.put_in_force(e),
            Event::Reauthenticated(e) => self.containment.prove(e),
            Event::StaffRecorded(_)
            | Event::Started(_)
            | Event::SessionOpened(_)
            | Event::Written(_)
            | Event::Refused(_)
            | Event::Questioned(_)
            | Event::MarkIssued(_)
            | Event::RuleMatched(_)
            | Event::CanariesPlanted(_) => {}
        }
        if entry.event.is_fence() {
            self.fence.set(index + 1);
        }
    }

    fn absorb_grant(&mut self, e: &GrantIssued, openings: &[Option<Opening>], now: Timestamp) {
        if e.charged {
            let mode = self.mode_or_closed(&e.app);
            self.use_shift(&e.staff, now, |shift| shift.used(mode).charge(e.tier));
        }
        self.containment.granted(&e.staff, now);
        self.grants.insert(e.grant, Held::new(e, subject(openings)));
    }

    /// What needs nobody to carry it out happens with the second confirmation.
    fn absorb_decided(&mut self, e: &Decided) {
        let mut act = None;
        self.proposals.change(|proposals| act = proposals.decide(e));
        match act {
            Some(Act::Lift { staff }) => self.containment.lift(&staff),
            Some(Act::Name { finding }) => self.containment.name(&finding),
            Some(Act::Erase { .. } | Act::AllowUnwitnessed { .. }) | None => {}
        }
    }

    /// A replay never learns whom the grants were about: from here on the state does not know it either. The entry
    /// itself cannot be asked: only the gateway that wrote it could open it.
    fn absorb_erased(&mut self, e: &Erased) {
        let mut erased = None;
        self.proposals.change(|proposals| erased = proposals.carried_out(e));
        if let Some(customer) = erased {
            self.grants.forget(&customer);
        }
    }

    fn absorb_fault(&mut self, e: &MarkFault, now: Timestamp) {
        let people = &self.people;
        self.unmarked.retain(|session, _| people.knows(*session));
        if !e.masks.is_empty() && people.knows(e.by.session) {
            let before = self.unmarked(e.by.session);
            let unmarked = Unmarked {
                classes: e.masks.union(before.map_or(ClassSet::EMPTY, |before| before.classes)),
                since: now,
                silent: e.what == MarkFaultKind::Silent && before.is_none_or(|before| before.silent),
            };
            self.unmarked.insert(e.by.session, unmarked);
        }
    }

    /// What was granted under one mode says nothing under the other: in `observe`, grants are made
    /// without a reason.
    fn absorb_settings(&mut self, e: &SettingsInForce) {
        let apps: BTreeMap<_, _> = e.apps.iter().map(|app| (app.app.clone(), app.mode)).collect();
        let before = &self.apps;
        self.grants
            .revoke_where(|held| mode_or_closed(before, &held.app) != mode_or_closed(&apps, &held.app));
        self.apps.set(apps);
        self.budgets.set(e.budgets);
        self.configuration.set(Some(e.configuration));
    }

    fn shift(&self, staff: &StaffId, now: Timestamp) -> Option<Shift> {
        self.shifts.get(staff).copied().filter(|shift| now < shift.ends)
    }

    /// Uses the shift that is on, or a new one.
    fn use_shift(&mut self, staff: &StaffId, now: Timestamp, usage: impl FnOnce(&mut Shift)) {
        let on = self.shift(staff, now);
        let mut shift = on.unwrap_or_else(|| Shift::starting(now, &self.budgets));
        usage(&mut shift);
        if on != Some(shift) {
            self.shifts.insert(staff.clone(), shift);
        }
    }
}

impl Undo for State {
    fn turn(&mut self, turn: Turn) {
        let Self {
            people,
            budgets,
            apps,
            policy,
            fence,
            grants,
            shifts,
            configuration,
            proposals,
            time,
            incidents,
            unmarked,
            containment,
        } = self;
        let parts: [&mut dyn Undo; 13] = [
            people,
            budgets,
            apps,
            policy,
            fence,
            grants,
            shifts,
            configuration,
            proposals,
            time,
            incidents,
            unmarked,
            containment,
        ];
        parts.into_iter().for_each(|part| part.turn(turn));
    }
}

fn mode_or_closed(apps: &BTreeMap<AppId, Mode>, app: &AppId) -> Mode {
    apps.get(app).copied().unwrap_or(Mode::Enforce)
}

/// `secret.*` never, in no mode; undeclared fields only where nothing is enforced. The policy says
/// so too; this holds whatever it says.
fn check_classes(classes: ClassSet, mode: Mode) -> Result<(), Why> {
    let undeclared = classes.contains(FieldClass::Undeclared) && mode == Mode::Enforce;
    let secret = !classes.intersection(ClassSet::SECRET).is_empty();
    if secret || undeclared { Err(Why::Policy) } else { Ok(()) }
}

fn subject(openings: &[Option<Opening>]) -> Option<&model::Subject> {
    openings.first().and_then(Option::as_ref).map(|opening| &opening.subject)
}

fn customer(openings: &[Option<Opening>]) -> Option<&CustomerId> {
    subject(openings).map(|subject| &subject.customer)
}
