//! Containment: what is admitted one by one, and over random histories what never is.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::time::Duration;

use common::{
    Log, START, app, grant_id, listed, login, opening, record, reveal, session, settings, staff_recorded,
};
use ledger::{Admission, Draft, Record};
use model::containment::{Peers, Usual};
use model::entry::{Act, Actor, Decided, Decision, GrantIssued, Proposed, RevokeReason, Viewer, Why};
use model::{
    AppId, Budgets, ClassSet, Contained, CustomerId, Event, Evidence, FieldClass, Finding, FindingId, Level,
    LiftReason, Lifted, Mode, ProposalId, Purpose, Reauthenticated, Role, StaffId, Tier, Triaged, Verdict,
    WatchInForce, WatchMode,
};
use proptest::prelude::*;
use sightline_access::{SharedState, State};

const ME: &str = "me";

fn id(n: u8) -> FindingId {
    FindingId::from_bytes([n; 10])
}

/// An agent `me` at the desk in 1; analysts a and b in 2 and 3 and an administrator c in 4, at the console; a lead d
/// there in 5.
fn log(mode: WatchMode) -> Log {
    let mut log = Log::new();
    let console = AppId::new(AppId::CONSOLE);
    let by = Actor::Operator;
    let mut start = vec![
        settings(Budgets::default(), Mode::Enforce),
        Draft::plain(Event::WatchInForce(WatchInForce { mode, throttle_minutes: 3, by })),
    ];
    for (seat, name, role, door) in [
        (1, ME, Role::Agent, app()),
        (2, "a", Role::Analyst, console.clone()),
        (3, "b", Role::Analyst, console.clone()),
        (4, "c", Role::Admin, console.clone()),
        (5, "d", Role::Lead, console),
    ] {
        start.push(staff_recorded(record(&name.into(), role)));
        start.push(login(seat, &name.into(), &door, START));
    }
    log.append(start).unwrap();
    log
}

fn finding_from(n: u8, level: Level, from: u64, at: u64) -> Draft {
    Draft::plain(Event::Finding(Box::new(Finding {
        finding: id(n),
        staff: ME.into(),
        role: Role::Agent,
        detector: "purpose".to_owned(),
        level,
        score: 700,
        from,
        at,
        exposed: 2,
        seen: 5,
        contributions: Vec::new(),
        usual: Usual { shifts: 1, one_in: None, customers: 1, rows: 1 },
        curve: Vec::new(),
        rungs: Vec::new(),
        peers: Peers::default(),
    })))
}

fn finding(n: u8, level: Level) -> Draft {
    finding_from(n, level, 1, 2)
}

fn contain(level: Level, by: Actor, seat: Option<u8>, finding: Option<u8>) -> Draft {
    Draft::plain(Event::Contained(Contained {
        staff: ME.into(),
        level,
        by,
        session: seat.map(session),
        finding: finding.map(id),
        reason: RevokeReason::UnexplainedLooks,
    }))
}

fn by_analyst(level: Level) -> Draft {
    contain(level, Actor::Staff("a".into()), Some(2), None)
}

fn lift(by: &str, seat: u8, reason: LiftReason, purpose: Option<Purpose>) -> Draft {
    let session = session(seat);
    Draft::plain(Event::Lifted(Lifted { staff: ME.into(), by: by.into(), session, reason, purpose }))
}

fn stepped_up(seat: u8) -> Draft {
    lift(ME, seat, LiftReason::SteppedUp, Some(Purpose::CustomerSupport))
}

fn fresh(seat: u8, asked: model::Timestamp) -> Draft {
    let session = session(seat);
    Draft::plain(Event::Reauthenticated(Reauthenticated { session, staff: ME.into(), asked }))
}

fn propose_lift(n: u8, by: &str, seat: u8) -> Draft {
    let (proposal, act) = (ProposalId::from_bytes([n; 10]), Act::Lift { staff: ME.into() });
    let by = Actor::Staff(by.into());
    Draft::plain(Event::Proposed(Proposed { proposal, act, by, session: Some(session(seat)) }))
}

fn confirm(n: u8, by: &str, seat: u8) -> Draft {
    let (proposal, session) = (ProposalId::from_bytes([n; 10]), session(seat));
    Draft::plain(Event::Decided(Decided { proposal, by: by.into(), session, decision: Decision::Confirm }))
}

fn viewer() -> Viewer {
    Viewer { staff: ME.into(), session: session(1), app: app() }
}

fn grant(n: u8, log: &Log) -> Draft {
    let opening = opening(&CustomerId::new(format!("c-{n}")));
    let event = Event::GrantIssued(GrantIssued {
        grant: grant_id(n),
        staff: ME.into(),
        app: app(),
        subject: opening.commitment(),
        tier: Tier::Standard,
        classes: ClassSet::from_iter([FieldClass::ContactEmail]),
        purpose: Purpose::CustomerSupport,
        evidence: Evidence::Routed,
        expires: log.now.plus(Duration::from_secs(3600)),
        charged: false,
        would_refuse: None,
    });
    Draft { event, openings: vec![opening] }
}

fn look(n: u8) -> Draft {
    let classes = ClassSet::from_iter([FieldClass::ContactEmail]);
    reveal(viewer(), &CustomerId::new(format!("c-{n}")), grant_id(n), classes, Mode::Enforce)
}

// ---- One by one ---------------------------------------------------------------------------------

#[test]
fn the_same_evidence_is_told_once_at_each_level_whichever_gateway_tells_it() {
    let mut log = log(WatchMode::Shadow);
    log.append(vec![finding(1, Level::Nudge)]).unwrap();
    assert_eq!(log.append(vec![finding(1, Level::Suspend)]), Err(Why::Stale), "one id, one finding");
    assert_eq!(log.append(vec![finding(2, Level::Nudge)]), Err(Why::Stale), "another node's");
    log.append(vec![finding(3, Level::StepUp)]).unwrap();
    assert_eq!(log.append(vec![finding(4, Level::Nudge)]), Err(Why::Stale), "less than was told");
    log.append(vec![finding_from(5, Level::Nudge, 3, 4)]).unwrap();
    assert_eq!(log.append(vec![finding_from(6, Level::Revoke, 3, 900)]), Err(Why::BadRequest), "the future");
    assert_eq!(log.state.read().findings().count(), 3);
}

#[test]
fn sightline_contains_nobody_without_a_finding_nor_further_than_it_reaches_nor_in_shadow() {
    let mut log = log(WatchMode::Shadow);
    log.append(vec![finding(1, Level::StepUp)]).unwrap();
    let system = |level, finding| contain(level, Actor::System, None, finding);
    assert_eq!(log.append(vec![system(Level::StepUp, Some(1))]), Err(Why::NotPermitted), "shadow");
    let by = Actor::Operator;
    let in_force = WatchInForce { mode: WatchMode::Contain, throttle_minutes: 3, by };
    log.append(vec![Draft::plain(Event::WatchInForce(in_force))]).unwrap();
    assert_eq!(log.append(vec![system(Level::StepUp, None)]), Err(Why::BadRequest));
    assert_eq!(log.append(vec![system(Level::StepUp, Some(9))]), Err(Why::BadRequest));
    assert_eq!(log.append(vec![system(Level::Throttle, Some(1))]), Err(Why::BadRequest));
    let fence = log.state.read().fence();
    log.append(vec![system(Level::StepUp, Some(1))]).unwrap();
    assert!(log.state.read().fence() > fence, "a fence");
    assert_eq!(log.append(vec![system(Level::Nudge, Some(1))]), Err(Why::Stale), "downwards");
    assert_eq!(log.append(vec![system(Level::StepUp, Some(1))]), Err(Why::Stale), "twice");
}

#[test]
fn an_analyst_contains_at_the_console_and_nobody_else_does() {
    let mut log = log(WatchMode::Shadow);
    let as_staff = |who: &str, seat| contain(Level::Throttle, Actor::Staff(who.into()), seat, None);
    assert_eq!(log.append(vec![as_staff("d", Some(5))]), Err(Why::NotPermitted));
    assert_eq!(log.append(vec![as_staff("a", None)]), Err(Why::BadRequest));
    assert_eq!(log.append(vec![as_staff("a", Some(3))]), Err(Why::SessionEnded));
    assert_eq!(log.append(vec![as_staff(ME, Some(1))]), Err(Why::SessionEnded));
    log.append(vec![as_staff("a", Some(2))]).unwrap();
}

#[test]
fn a_step_up_shows_nothing_until_a_fresh_login_and_the_purpose_and_grants_end_with_it() {
    let mut log = log(WatchMode::Shadow);
    let g = grant(1, &log);
    log.append(vec![g, look(1)]).unwrap();
    let before = log.now;
    log.wait(1);
    log.append(vec![by_analyst(Level::StepUp)]).unwrap();
    let g = grant(2, &log);
    assert_eq!(log.append(vec![look(1)]), Err(Why::StepUp));
    assert_eq!(log.append(vec![g, look(2)]), Err(Why::StepUp));
    assert_eq!(log.append(vec![listed(viewer(), 0, Mode::Enforce)]), Err(Why::StepUp));
    assert_eq!(log.append(vec![stepped_up(1)]), Err(Why::StepUp), "no fresh login");
    log.append(vec![login(6, &ME.into(), &app(), log.now), fresh(6, before)]).unwrap();
    assert_eq!(log.append(vec![stepped_up(6)]), Err(Why::StepUp), "asked for before");
    log.append(vec![fresh(6, log.now)]).unwrap();
    assert_eq!(log.append(vec![lift(ME, 6, LiftReason::SteppedUp, None)]), Err(Why::NoReason));
    assert_eq!(log.append(vec![stepped_up(1)]), Err(Why::StepUp), "another session than the fresh one");
    assert_eq!(log.append(vec![lift(ME, 6, LiftReason::FalseAlarm, None)]), Err(Why::NotPermitted));
    log.append(vec![stepped_up(6)]).unwrap();
    assert_eq!(log.append(vec![look(1)]), Err(Why::GrantRevoked), "the reason again");
    let g = grant(2, &log);
    log.append(vec![g, look(2)]).unwrap();
}

#[test]
fn a_throttle_lets_one_new_customer_through_in_some_minutes_and_no_strangers_in_lists() {
    let mut log = log(WatchMode::Shadow);
    log.append(vec![by_analyst(Level::Throttle)]).unwrap();
    let g = grant(1, &log);
    log.append(vec![g, look(1), look(1)]).unwrap();
    let g = grant(2, &log);
    assert_eq!(log.append(vec![g.clone()]), Err(Why::Throttled));
    assert_eq!(log.append(vec![listed(viewer(), 1, Mode::Enforce)]), Err(Why::Throttled));
    log.append(vec![listed(viewer(), 0, Mode::Enforce), look(1)]).unwrap();
    log.wait(3);
    log.append(vec![g]).unwrap();
    log.append(vec![lift("b", 3, LiftReason::Explained, None)]).unwrap();
    let g = grant(3, &log);
    log.append(vec![g]).unwrap();
}

#[test]
fn a_suspension_takes_two_to_lift_and_never_oneself() {
    let mut log = log(WatchMode::Shadow);
    log.append(vec![by_analyst(Level::Suspend)]).unwrap();
    let g = grant(1, &log);
    assert_eq!(log.append(vec![g]), Err(Why::Suspended));
    assert_eq!(log.append(vec![lift("a", 2, LiftReason::Explained, None)]), Err(Why::NotPermitted));
    log.append(vec![fresh(1, log.now)]).unwrap();
    assert_eq!(log.append(vec![stepped_up(1)]), Err(Why::NotPermitted));
    assert_eq!(log.append(vec![propose_lift(1, "d", 5)]), Err(Why::NotPermitted));
    log.append(vec![propose_lift(1, "a", 2)]).unwrap();
    assert_eq!(log.append(vec![confirm(1, "a", 2)]), Err(Why::AlreadyConfirmed));
    assert!(log.state.read().contained(&ME.into()).is_some());
    log.append(vec![confirm(1, "b", 3)]).unwrap();
    assert!(log.state.read().contained(&ME.into()).is_none());
    let g = grant(1, &log);
    log.append(vec![g]).unwrap();

    // An analyst who is contained has no say in it.
    let contained = Contained {
        staff: "b".into(),
        level: Level::Suspend,
        by: Actor::Operator,
        session: None,
        finding: None,
        reason: RevokeReason::Other,
    };
    log.append(vec![Draft::plain(Event::Contained(contained))]).unwrap();
    let (proposal, act) = (ProposalId::from_bytes([2; 10]), Act::Lift { staff: "b".into() });
    let proposed = |by: &str, seat| {
        let (act, by) = (act.clone(), Actor::Staff(by.into()));
        Draft::plain(Event::Proposed(Proposed { proposal, act, by, session: Some(session(seat)) }))
    };
    assert_eq!(log.append(vec![proposed("b", 3)]), Err(Why::Suspended));
    log.append(vec![proposed("a", 2)]).unwrap();
    assert_eq!(log.append(vec![confirm(2, "b", 3)]), Err(Why::Suspended));
    // Nor in anything else that is decided about others.
    log.append(vec![contain(Level::Throttle, Actor::Staff("a".into()), Some(2), None)]).unwrap();
    assert_eq!(log.append(vec![lift("b", 3, LiftReason::Explained, None)]), Err(Why::Suspended));
    let more = contain(Level::Suspend, Actor::Staff("b".into()), Some(3), None);
    assert_eq!(log.append(vec![more]), Err(Why::Suspended));
    log.append(vec![lift("a", 2, LiftReason::Explained, None)]).unwrap();
    log.append(vec![confirm(2, "c", 4)]).unwrap();
}

#[test]
fn a_finding_is_judged_by_analysts_never_by_whom_it_is_about_and_is_named_by_two() {
    let mut log = log(WatchMode::Shadow);
    log.append(vec![finding(1, Level::StepUp)]).unwrap();
    let triage = |by: &str, seat, n| {
        let (by, session, verdict) = (StaffId::new(by), session(seat), Verdict::FalseAlarm);
        Draft::plain(Event::Triaged(Triaged { finding: id(n), by, session, verdict }))
    };
    assert_eq!(log.append(vec![triage("d", 5, 1)]), Err(Why::NotPermitted));
    assert_eq!(log.append(vec![triage("a", 2, 7)]), Err(Why::BadRequest));
    log.append(vec![triage("a", 2, 1)]).unwrap();
    assert!(!log.state.read().finding(&id(1)).unwrap().is_open());
    let (proposal, act) = (ProposalId::from_bytes([3; 10]), Act::Name { finding: id(1) });
    let by = Actor::Staff("a".into());
    let proposed = Event::Proposed(Proposed { proposal, act, by, session: Some(session(2)) });
    log.append(vec![Draft::plain(proposed)]).unwrap();
    assert!(!log.state.read().finding(&id(1)).unwrap().named);
    log.append(vec![confirm(3, "c", 4)]).unwrap();
    assert!(log.state.read().finding(&id(1)).unwrap().named);
}

// ---- Over random histories ----------------------------------------------------------------------

#[derive(Debug, Clone)]
enum Step {
    Find(u8, usize, u64),
    ContainBySystem(usize, u8),
    ContainByAnalyst(usize),
    Lift(usize),
    LoginAfresh(u8),
    Answer(u8),
    Propose(u8),
    Confirm(u8, bool),
    Look(u8),
    List(u32),
    Wait(u64),
    Lose,
    Mode(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..12, 0usize..5, 0u64..40).prop_map(|(n, level, from)| Step::Find(n, level, from)),
        3 => (0usize..5, 0u8..12).prop_map(|(level, n)| Step::ContainBySystem(level, n)),
        2 => (0usize..5).prop_map(Step::ContainByAnalyst),
        1 => (0usize..6).prop_map(Step::Lift),
        2 => (10u8..40).prop_map(Step::LoginAfresh),
        2 => (10u8..40).prop_map(Step::Answer),
        1 => (0u8..9).prop_map(Step::Propose),
        2 => (0u8..9, any::<bool>()).prop_map(|(n, a)| Step::Confirm(n, a)),
        6 => (0u8..60).prop_map(Step::Look),
        1 => (0u32..3).prop_map(Step::List),
        2 => (0u64..5).prop_map(Step::Wait),
        1 => Just(Step::Lose),
        1 => any::<bool>().prop_map(Step::Mode),
    ]
}

fn drafts(step: &Step, log: &Log) -> Vec<Draft> {
    let level = |n: &usize| Level::ALL[*n];
    match step {
        Step::Find(n, l, from) => {
            let at = (log.admitted.len() as u64).saturating_sub(1);
            vec![finding_from(*n, level(l), (*from).min(at), at)]
        }
        Step::ContainBySystem(l, n) => vec![contain(level(l), Actor::System, None, Some(*n))],
        Step::ContainByAnalyst(l) => vec![by_analyst(level(l))],
        Step::Lift(reason) => vec![lift("b", 3, LiftReason::ALL[*reason], None)],
        Step::LoginAfresh(n) => vec![login(*n, &ME.into(), &app(), log.now), fresh(*n, log.now)],
        Step::Answer(n) => vec![stepped_up(*n)],
        Step::Propose(n) => vec![propose_lift(*n, "a", 2)],
        Step::Confirm(n, a) => vec![if *a { confirm(*n, "a", 2) } else { confirm(*n, "b", 3) }],
        Step::Look(n) => vec![grant(*n + 100, log), look(*n + 100)],
        Step::List(rows) => vec![listed(viewer(), *rows, Mode::Enforce)],
        Step::Mode(contain) => {
            let mode = if *contain { WatchMode::Contain } else { WatchMode::Shadow };
            let by = Actor::Operator;
            vec![Draft::plain(Event::WatchInForce(WatchInForce { mode, throttle_minutes: 3, by }))]
        }
        Step::Wait(_) | Step::Lose => Vec::new(),
    }
}

fn replayed(records: &[Record], forgetful: bool) -> State {
    let mut state = SharedState::default();
    for record in records {
        let mut record = record.clone();
        if forgetful {
            record.openings.iter_mut().for_each(|opening| *opening = None);
        }
        state.admit(&[record]).expect("what was admitted is admitted again");
    }
    state.settle();
    state.read().clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Nothing is shown to whom containment shows nothing; what is lost leaves no trace; a replay is the same byte for
    /// byte, and with every opening gone admits the same.
    #[test]
    fn containment_holds_is_undone_exactly_and_replays(steps in prop::collection::vec(step(), 0..60)) {
        let mut log = log(WatchMode::Contain);
        let mut last_new: Option<(u64, model::Timestamp)> = None;
        for step in &steps {
            match step {
                Step::Wait(minutes) => log.wait(*minutes),
                Step::Lose => {
                    log.state.settle();
                    let (before, admitted) = (log.state.read().encode(), log.admitted.len());
                    for other in &steps {
                        let _ = log.admit(drafts(other, &log));
                    }
                    log.state.undo();
                    log.admitted.truncate(admitted);
                    prop_assert_eq!(log.state.read().encode(), before);
                }
                step => {
                    let held = log.state.read().contained(&ME.into()).cloned();
                    let drafts = drafts(step, &log);
                    let refused = log.append(drafts).err();
                    if let (Step::Look(_), Some(held)) = (step, &held) {
                        match held.level {
                            level if level.closes() => prop_assert!(refused.is_some()),
                            Level::Throttle => {
                                let again = last_new.is_some_and(|(index, at)| {
                                    index == held.index && log.now < at.plus(Duration::from_secs(180))
                                });
                                prop_assert!(!(again && refused.is_none()), "two new customers at once");
                                if refused.is_none() {
                                    last_new = Some((held.index, log.now));
                                }
                            }
                            _ => {}
                        }
                    }
                    if let (Step::Lift(_) | Step::Answer(_), Some(held), None) = (step, &held, refused) {
                        prop_assert!(held.level < Level::Suspend, "one person lifted a suspension");
                    }
                }
            }
        }
        let state = log.state.read().clone();
        prop_assert_eq!(replayed(&log.admitted, false).encode(), state.encode());
        let saved = State::load(&state.save()).expect("of this version");
        prop_assert_eq!(saved.encode(), state.encode());
        replayed(&log.admitted, true);
        let levels: Vec<_> = log.admitted.iter().filter_map(|r| match &r.entry.event {
            Event::Finding(e) => Some((e.finding, e.level, e.from, e.at)),
            _ => None,
        }).collect();
        for pair in levels.windows(2) {
            prop_assert!(!(pair[1].2 <= pair[0].3 && pair[1].1 <= pair[0].1), "told twice: {pair:?}");
        }
    }
}
