//! What takes two administrators: what is admitted one by one, and over random histories what never is.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{Log, START, app, grant_id, login, opening, record, reveal, session, settings, staff_recorded};
use ledger::{Draft, Record};
use model::entry::{
    Act, Actor, Decided, Decision, Erased, GrantIssued, Proposed, RevokeReason, Target, Viewer, Why,
};
use model::{
    AppId, Budgets, CustomerId, Event, Evidence, FieldClass, Mode, Month, ProposalId, Purpose, Role,
    SessionId, StaffId, StaffRecord, StaffStatus, Tier, Timestamp,
};
use proptest::prelude::*;
use sightline_access::{OPEN_FOR, State, revocation};

const DAY: u64 = 24 * 60;

fn id(n: u8) -> ProposalId {
    ProposalId::from_bytes([n; 10])
}

fn console() -> AppId {
    AppId::new(AppId::CONSOLE)
}

fn erase(n: u8, by: Actor, session: Option<SessionId>) -> Draft {
    let opening = opening(&"c-1".into());
    let act = Act::Erase { subject: opening.commitment() };
    Draft { event: Event::Proposed(Proposed { proposal: id(n), act, by, session }), openings: vec![opening] }
}

fn from_shell(n: u8) -> Draft {
    erase(n, Actor::Operator, None)
}

fn in_console(n: u8, staff: &str, seat: u8) -> Draft {
    erase(n, Actor::Staff(staff.into()), Some(session(seat)))
}

fn unwitnessed(n: u8, until: Timestamp) -> Draft {
    let act = Act::AllowUnwitnessed { until };
    Draft::plain(Event::Proposed(Proposed { proposal: id(n), act, by: Actor::Operator, session: None }))
}

fn decide(n: u8, staff: &str, seat: u8, decision: Decision) -> Draft {
    let (by, session) = (staff.into(), session(seat));
    Draft::plain(Event::Decided(Decided { proposal: id(n), by, session, decision }))
}

fn confirm(n: u8, staff: &str, seat: u8) -> Draft {
    decide(n, staff, seat, Decision::Confirm)
}

fn erased(n: u8) -> Draft {
    let opening = opening(&"c-1".into());
    let what = Erased::Customer { proposal: id(n), subject: Some(opening.commitment()) };
    Draft { event: Event::Erased(what), openings: vec![opening] }
}

/// Administrators a, b and c in sessions 1, 2 and 3 of the console; a also at the desk, in 4; an analyst in 5.
fn log() -> Log {
    let mut log = Log::new();
    let mut start = vec![settings(Budgets::default(), Mode::Enforce)];
    let staff = [("a", Role::Admin), ("b", Role::Admin), ("c", Role::Admin), ("analyst", Role::Analyst)];
    start.extend(staff.iter().map(|(name, role)| staff_recorded(record(&(*name).into(), *role))));
    for (seat, name, door) in [
        (1, "a", console()),
        (2, "b", console()),
        (3, "c", console()),
        (4, "a", app()),
        (5, "analyst", console()),
    ] {
        start.push(login(seat, &name.into(), &door, START));
    }
    log.append(start).unwrap();
    log
}

fn confirmed(log: &Log) -> Vec<ProposalId> {
    log.state.read().confirmed_proposals().map(|p| p.id).collect()
}

fn open(log: &Log) -> Vec<ProposalId> {
    log.state.read().open_proposals(log.now).map(|p| p.id).collect()
}

// ---- One by one ---------------------------------------------------------------------------------

#[test]
fn what_the_operator_proposes_takes_two_administrators() {
    let mut log = log();
    log.append(vec![from_shell(1)]).unwrap();
    log.append(vec![confirm(1, "a", 1)]).unwrap();
    assert_eq!((confirmed(&log), open(&log)), (vec![], vec![id(1)]));
    log.append(vec![confirm(1, "b", 2)]).unwrap();
    assert_eq!((confirmed(&log), open(&log)), (vec![id(1)], vec![]));
}

#[test]
fn an_administrator_who_proposes_in_the_console_is_the_first_of_the_two() {
    let mut log = log();
    log.append(vec![in_console(1, "a", 1)]).unwrap();
    assert_eq!(log.append(vec![confirm(1, "a", 1)]), Err(Why::AlreadyConfirmed));
    log.append(vec![confirm(1, "b", 2)]).unwrap();
    assert_eq!(confirmed(&log), [id(1)]);
}

#[test]
fn nobody_confirms_twice_not_even_from_another_session() {
    let mut log = log();
    log.append(vec![from_shell(1), login(6, &"a".into(), &console(), START)]).unwrap();
    log.append(vec![confirm(1, "a", 1)]).unwrap();
    assert_eq!(log.append(vec![confirm(1, "a", 6)]), Err(Why::AlreadyConfirmed));
}

#[test]
fn only_an_administrator_in_their_own_live_session_at_the_console_decides_or_proposes() {
    let mut log = log();
    log.append(vec![from_shell(1)]).unwrap();
    for (staff, seat, why) in [
        ("analyst", 5, Why::NotPermitted),
        ("a", 4, Why::SessionEnded),
        ("a", 2, Why::SessionEnded),
        ("a", 9, Why::SessionEnded),
    ] {
        for decision in [Decision::Confirm, Decision::Reject] {
            assert_eq!(log.append(vec![decide(1, staff, seat, decision)]), Err(why), "{staff} in {seat}");
        }
        assert_eq!(log.append(vec![in_console(2, staff, seat)]), Err(why), "{staff} in {seat}");
    }
    log.append(vec![revocation(Target::Session(session(1)), Actor::Operator, RevokeReason::Drill)]).unwrap();
    assert_eq!(log.append(vec![confirm(1, "a", 1)]), Err(Why::SessionRevoked));
    log.wait(13 * 60);
    assert_eq!(log.append(vec![confirm(1, "b", 2)]), Err(Why::SessionEnded));
    for by in [Actor::Operator, Actor::System] {
        assert_eq!(log.append(vec![erase(2, by, Some(session(2)))]), Err(Why::BadRequest));
    }
    assert_eq!(log.append(vec![erase(2, Actor::System, None)]), Err(Why::BadRequest));
    assert_eq!(log.append(vec![erase(2, Actor::Staff("a".into()), None)]), Err(Why::BadRequest));
}

#[test]
fn what_is_unknown_decided_rejected_or_expired_cannot_be_decided() {
    let mut log = log();
    assert_eq!(log.append(vec![confirm(1, "a", 1)]), Err(Why::NoSuchProposal));
    log.append(vec![from_shell(1), from_shell(2), from_shell(3)]).unwrap();
    log.append(vec![confirm(1, "a", 1), confirm(1, "b", 2)]).unwrap();
    assert_eq!(log.append(vec![confirm(1, "c", 3)]), Err(Why::NoSuchProposal));
    log.append(vec![decide(2, "c", 3, Decision::Reject)]).unwrap();
    assert_eq!(log.append(vec![confirm(2, "a", 1)]), Err(Why::NoSuchProposal));
    log.now = log.now.plus(OPEN_FOR);
    log.append(vec![login(7, &"a".into(), &console(), log.now)]).unwrap();
    assert_eq!(log.append(vec![confirm(3, "a", 7)]), Err(Why::NoSuchProposal));
    assert_eq!(open(&log), []);
}

#[test]
fn an_id_serves_for_one_proposal() {
    let mut log = log();
    log.append(vec![from_shell(1)]).unwrap();
    assert_eq!(log.append(vec![from_shell(1)]), Err(Why::BadRequest));
    log.append(vec![confirm(1, "a", 1), confirm(1, "b", 2)]).unwrap();
    assert_eq!(log.append(vec![from_shell(1)]), Err(Why::BadRequest));
}

#[test]
fn nothing_is_erased_that_two_administrators_have_not_confirmed_and_nothing_twice() {
    let mut log = log();
    log.append(vec![from_shell(1), unwitnessed(2, START.plus(OPEN_FOR))]).unwrap();
    assert_eq!(log.append(vec![erased(1)]), Err(Why::NoSuchProposal));
    log.append(vec![confirm(1, "a", 1), confirm(2, "a", 1)]).unwrap();
    assert_eq!(log.append(vec![erased(1)]), Err(Why::NoSuchProposal));
    log.append(vec![confirm(1, "b", 2), confirm(2, "b", 2)]).unwrap();
    assert_eq!(log.append(vec![erased(2)]), Err(Why::NoSuchProposal));
    log.append(vec![erased(1)]).unwrap();
    assert_eq!(log.append(vec![erased(1)]), Err(Why::NoSuchProposal));
}

#[test]
fn two_administrators_let_the_gateway_go_on_without_witnesses_for_a_week_at_most() {
    let mut log = log();
    let until = START.plus(Duration::from_secs(3600));
    for wrong in [START, START.plus(Duration::from_secs(7 * 86_400 + 1))] {
        assert_eq!(log.append(vec![unwitnessed(1, wrong)]), Err(Why::BadRequest));
    }
    log.append(vec![unwitnessed(1, until), confirm(1, "a", 1)]).unwrap();
    assert_eq!(log.state.read().unwitnessed_until(), None);
    log.append(vec![confirm(1, "b", 2)]).unwrap();
    assert_eq!(log.state.read().unwitnessed_until(), Some(until));
    log.append(vec![unwitnessed(2, until)]).unwrap();
    log.now = until;
    assert_eq!(log.append(vec![confirm(2, "a", 1)]), Err(Why::NoSuchProposal));
}

#[test]
fn retention_goes_forward_and_never_into_this_month() {
    let mut log = log();
    let before = |month| Draft::plain(Event::Erased(Erased::Before { month }));
    let month = Month::of(log.now);
    log.append(vec![before(month.minus(3))]).unwrap();
    for wrong in [month.minus(3), month.minus(4), Month::from_number(month.number() + 1)] {
        assert_eq!(log.append(vec![before(wrong)]), Err(Why::BadRequest));
    }
    assert_eq!(log.state.read().erased_before(), Some(month.minus(3)));
}

#[test]
fn after_an_erasure_the_state_is_that_of_a_replay_which_never_learns_the_customer() {
    let mut log = log();
    let customer = CustomerId::new("c-1");
    let grant = GrantIssued {
        grant: grant_id(1),
        staff: "a".into(),
        app: app(),
        subject: opening(&customer).commitment(),
        tier: Tier::Standard,
        classes: FieldClass::IdentityName.into(),
        purpose: Purpose::CustomerSupport,
        evidence: Evidence::Routed,
        expires: START.plus(Duration::from_secs(3600)),
        charged: false,
        would_refuse: None,
    };
    let by = Viewer { staff: "a".into(), session: session(4), app: app() };
    let look = reveal(by, &customer, grant_id(1), FieldClass::IdentityName.into(), Mode::Enforce);
    let issued = Draft { event: Event::GrantIssued(grant), openings: vec![opening(&customer)] };
    log.append(vec![issued, look]).unwrap();
    log.append(vec![from_shell(1), confirm(1, "a", 1), confirm(1, "b", 2)]).unwrap();
    log.append(vec![erased(1)]).unwrap();
    assert_eq!(log.state.read().live_grants(&"a".into(), &app(), &customer, log.now), []);
    assert_eq!(replayed(&log.admitted, erased_up_to(&log.admitted)), Ok(log.state.read().encode()));

    // Another gateway followed while the keys were there, and cannot open the last entry.
    let mut elsewhere = log.admitted.clone();
    elsewhere.last_mut().unwrap().openings = vec![None];
    assert_eq!(replayed(&elsewhere, 0), Ok(log.state.read().encode()));
}

// ---- Over random histories ----------------------------------------------------------------------

#[derive(Debug, Clone)]
enum Step {
    Propose { by: Option<u8> },
    Decide { back: u8, by: u8, borrowed: bool, confirm: bool },
    CarryOut { back: u8 },
    Login { by: u8 },
    Logout { by: u8 },
    Role { of: u8, admin: bool, active: bool },
}

const STAFF: [&str; 4] = ["a", "b", "c", "d"];

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4u8;
    prop_oneof![
        3 => prop::option::of(who.clone()).prop_map(|by| Step::Propose { by }),
        8 => (0..3u8, who.clone(), prop::bool::weighted(0.1), prop::bool::weighted(0.85))
            .prop_map(|(back, by, borrowed, confirm)| Step::Decide { back, by, borrowed, confirm }),
        3 => (0..3u8).prop_map(|back| Step::CarryOut { back }),
        4 => who.clone().prop_map(|by| Step::Login { by }),
        1 => who.clone().prop_map(|by| Step::Logout { by }),
        2 => (who, prop::bool::weighted(0.8), prop::bool::weighted(0.8))
            .prop_map(|(of, admin, active)| Step::Role { of, admin, active }),
    ]
}

/// What an auditor remembers who reads the log from the outside.
#[derive(Debug, Default)]
struct Witness {
    proposed: u8,
    logins: u8,
    seats: BTreeMap<StaffId, SessionId>,
    standing: BTreeMap<StaffId, (Role, StaffStatus)>,
    over: BTreeSet<SessionId>,
    confirmed_by: BTreeMap<ProposalId, BTreeSet<StaffId>>,
    made: BTreeMap<ProposalId, Timestamp>,
    closed: BTreeSet<ProposalId>,
}

impl Witness {
    fn staff(n: u8) -> StaffId {
        STAFF[usize::from(n)].into()
    }

    fn seat(&self, n: u8) -> SessionId {
        self.seats.get(&Self::staff(n)).copied().unwrap_or(session(255))
    }

    fn draft(&mut self, step: &Step, now: Timestamp) -> Draft {
        match *step {
            Step::Propose { by } => {
                self.proposed = self.proposed.wrapping_add(1);
                match by {
                    None => from_shell(self.proposed),
                    Some(n) => erase(self.proposed, Actor::Staff(Self::staff(n)), Some(self.seat(n))),
                }
            }
            Step::Decide { back, by, borrowed, confirm } => {
                let decision = if confirm { Decision::Confirm } else { Decision::Reject };
                let session = self.seat(if borrowed { (by + 1) % 4 } else { by });
                let proposal = id(self.proposed.wrapping_sub(back));
                let decided = Decided { proposal, by: Self::staff(by), session, decision };
                Draft::plain(Event::Decided(decided))
            }
            Step::CarryOut { back } => erased(self.proposed.wrapping_sub(back)),
            Step::Login { by } => {
                self.logins = self.logins.wrapping_add(1);
                login(self.logins, &Self::staff(by), &console(), now)
            }
            Step::Logout { by } => {
                revocation(Target::Session(self.seat(by)), Actor::Operator, RevokeReason::Drill)
            }
            Step::Role { of, admin, active } => {
                let role = if admin { Role::Admin } else { Role::Analyst };
                let status = if active { StaffStatus::Active } else { StaffStatus::Suspended };
                staff_recorded(StaffRecord { status, ..record(&Self::staff(of), role) })
            }
        }
    }

    fn may(&self, staff: &StaffId, session: SessionId) -> bool {
        self.standing.get(staff) == Some(&(Role::Admin, StaffStatus::Active))
            && self.seats.get(staff) == Some(&session)
            && !self.over.contains(&session)
    }

    fn saw(&mut self, Record { entry, .. }: &Record) -> Result<(), TestCaseError> {
        match &entry.event {
            Event::Proposed(e) => {
                if let Actor::Staff(staff) = &e.by {
                    prop_assert!(self.may(staff, e.session.unwrap()), "a stranger proposed");
                }
                let first = e.by.staff().cloned();
                self.confirmed_by.insert(e.proposal, first.into_iter().collect());
                self.made.insert(e.proposal, entry.time);
            }
            Event::Decided(e) => {
                prop_assert!(self.may(&e.by, e.session), "a stranger decided");
                prop_assert!(!self.closed.contains(&e.proposal), "decided after the end");
                prop_assert!(entry.time < self.made[&e.proposal].plus(OPEN_FOR), "decided too late");
                let confirmed = self.confirmed_by.get_mut(&e.proposal).unwrap();
                match e.decision {
                    Decision::Confirm => prop_assert!(confirmed.insert(e.by.clone()), "confirmed twice"),
                    Decision::Reject => {
                        confirmed.clear();
                        self.closed.insert(e.proposal);
                    }
                }
                if confirmed.len() == 2 {
                    self.closed.insert(e.proposal);
                }
            }
            Event::Erased(Erased::Customer { proposal, .. }) => {
                let two = self.confirmed_by.remove(proposal);
                prop_assert_eq!(two.map(|two| two.len()), Some(2), "erased without two, or twice");
            }
            Event::SessionOpened(e) => drop(self.seats.insert(e.staff.clone(), e.session)),
            Event::Revoked(e) => {
                if let Target::Session(session) = e.target {
                    self.over.insert(session);
                }
            }
            Event::StaffRecorded(e) => {
                let record = &e.record;
                self.standing.insert(record.staff.clone(), (record.role, record.status));
                if record.status != StaffStatus::Active {
                    self.over.extend(self.seats.get(&record.staff));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Of how many records nothing opens after the last erasure. (Here it is always the same customer.)
fn erased_up_to(records: &[Record]) -> usize {
    let is_erasure = |record: &Record| matches!(record.entry.event, Event::Erased(Erased::Customer { .. }));
    records.iter().rposition(is_erasure).map_or(0, |last| last + 1)
}

/// A replay that cannot open the first so many records.
fn replayed(records: &[Record], unopened: usize) -> Result<Vec<u8>, (usize, Why)> {
    let mut state = State::default();
    for (i, record) in records.iter().enumerate() {
        let mut record = record.clone();
        if i < unopened {
            record.openings.iter_mut().for_each(|opening| *opening = None);
        }
        state.admit(&[record]).map_err(|why| (i, why))?;
        state.settle();
    }
    Ok(state.encode())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn over_any_history_nothing_is_done_without_two_and_a_replay_gives_the_same_bytes(
        history in prop::collection::vec((prop::sample::select(vec![0, 1, 60, DAY]), step()), 1..60)
    ) {
        let mut log = Log::new();
        let mut witness = Witness::default();
        let mut start = vec![settings(Budgets::default(), Mode::Enforce)];
        start.extend(STAFF.iter().map(|s| staff_recorded(record(&(*s).into(), Role::Admin))));
        log.append(start).unwrap();
        log.admitted.iter().try_for_each(|record| witness.saw(record))?;
        for (minutes, step) in history {
            log.wait(minutes);
            let before = (log.admitted.len(), log.state.read().encode());
            let draft = witness.draft(&step, log.now);
            match log.append(vec![draft]) {
                Ok(()) => log.admitted[before.0..].iter().try_for_each(|record| witness.saw(record))?,
                Err(_) => prop_assert_eq!(log.state.read().encode(), before.1, "a refusal left a trace"),
            }
        }
        prop_assert_eq!(replayed(&log.admitted, 0), Ok(log.state.read().encode()));
        prop_assert_eq!(replayed(&log.admitted, erased_up_to(&log.admitted)), Ok(log.state.read().encode()));
        prop_assert!(replayed(&log.admitted, log.admitted.len()).is_ok(), "what was admitted is refused unopened");
    }
}
