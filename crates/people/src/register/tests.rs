use model::Role;
use model::entry::{RevokeReason, SessionEnd};
use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const START: Timestamp = Timestamp(1_700_000_000_000);

fn staff(n: u8) -> StaffId {
    StaffId::new(format!("s-{n}"))
}

fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 10])
}

fn record(n: u8, status: StaffStatus) -> StaffRecord {
    StaffRecord {
        staff: staff(n),
        role: Role::Agent,
        team: "payments".to_owned(),
        employer: "in-house".to_owned(),
        site: None,
        status,
        cleared_until: None,
    }
}

fn recorded(n: u8, status: StaffStatus, by: Actor) -> Event {
    Event::StaffRecorded(StaffRecorded { record: record(n, status), by })
}

fn opened(ses: u8, st: u8, at: Timestamp) -> Event {
    Event::SessionOpened(SessionOpened {
        session: session(ses),
        staff: staff(st),
        door: AppId::new("desk"),
        token: Digest::of(&[ses]),
        expires: at.plus(12 * HOUR),
    })
}

fn closed(ses: u8) -> Event {
    Event::SessionClosed(SessionClosed { session: session(ses), why: SessionEnd::Logout })
}

fn revoked(target: Target) -> Event {
    Event::Revoked(Revoked { target, by: Actor::Operator, reason: RevokeReason::Drill })
}

fn admit(register: &mut Register, time: Timestamp, event: Event) -> Result<(), Why> {
    register.admit(&Entry { time, event })
}

fn with_session() -> Register {
    let mut register = Register::default();
    admit(&mut register, START, recorded(1, StaffStatus::Active, Actor::System)).unwrap();
    admit(&mut register, START, opened(1, 1, START)).unwrap();
    register
}

#[test]
fn a_session_acts_until_its_time_is_over() {
    let register = with_session();
    let last = START.plus(12 * HOUR).minus(Duration::from_millis(1));
    assert_eq!(register.may_act(session(1), last).unwrap().1.staff, staff(1));
    assert_eq!(register.may_act(session(1), START.plus(12 * HOUR)), Err(Why::SessionEnded));
    assert_eq!(register.may_act(session(2), START), Err(Why::SessionEnded));
    assert_eq!(register.session_with_token(&Digest::of(&[1])), Some(session(1)));
}

#[test]
fn revoking_a_person_ends_their_sessions_and_lets_no_new_one_open() {
    let mut register = with_session();
    admit(&mut register, START, revoked(Target::Staff(staff(1)))).unwrap();
    assert_eq!(register.may_act(session(1), START), Err(Why::SessionRevoked));
    assert_eq!(admit(&mut register, START, opened(2, 1, START)), Err(Why::StaffInactive));
}

#[test]
fn a_login_does_not_lift_a_suspension_but_a_person_does_and_old_sessions_stay_over() {
    let mut register = with_session();
    admit(&mut register, START, revoked(Target::Staff(staff(1)))).unwrap();
    let by_login = recorded(1, StaffStatus::Active, Actor::System);
    assert_eq!(admit(&mut register, START, by_login), Err(Why::StaffInactive));
    admit(&mut register, START, recorded(1, StaffStatus::Active, Actor::Operator)).unwrap();
    assert_eq!(register.may_act(session(1), START), Err(Why::SessionRevoked));
    admit(&mut register, START, opened(2, 1, START)).unwrap();
    assert!(register.may_act(session(2), START).is_ok());
}

#[test]
fn whoever_left_is_out_at_once() {
    let mut register = with_session();
    admit(&mut register, START, recorded(1, StaffStatus::Left, Actor::System)).unwrap();
    assert_eq!(register.may_act(session(1), START), Err(Why::StaffInactive));
    admit(&mut register, START, recorded(1, StaffStatus::Active, Actor::Staff(staff(9)))).unwrap();
    assert_eq!(register.may_act(session(1), START), Err(Why::StaffInactive), "old sessions do not revive");
}

#[test]
fn clearance_in_the_past_means_inactive() {
    let mut register = with_session();
    let mut lapsing = record(1, StaffStatus::Active);
    lapsing.cleared_until = Some(START.plus(HOUR));
    let event = Event::StaffRecorded(StaffRecorded { record: lapsing, by: Actor::System });
    admit(&mut register, START, event).unwrap();
    assert!(register.may_act(session(1), START).is_ok());
    assert_eq!(register.may_act(session(1), START.plus(HOUR)), Err(Why::StaffInactive));
    let later = START.plus(HOUR);
    assert_eq!(admit(&mut register, later, opened(2, 1, later)), Err(Why::StaffInactive));
}

#[test]
fn a_session_closes_once() {
    let mut register = with_session();
    admit(&mut register, START, closed(1)).unwrap();
    assert_eq!(admit(&mut register, START, closed(1)), Err(Why::SessionEnded));
    assert_eq!(register.may_act(session(1), START), Err(Why::SessionEnded));
}

#[test]
fn an_unknown_target_of_a_revocation_is_refused_rather_than_believed_done() {
    let mut register = with_session();
    for target in [Target::Staff(staff(7)), Target::Session(session(7))] {
        assert_eq!(admit(&mut register, START, revoked(target)), Err(Why::BadRequest));
    }
}

#[test]
fn a_cookie_or_an_id_is_used_for_one_session_only() {
    let mut register = with_session();
    assert_eq!(admit(&mut register, START, opened(1, 1, START)), Err(Why::BadRequest));
    let Event::SessionOpened(mut same_token) = opened(2, 1, START) else { unreachable!() };
    same_token.token = Digest::of(&[1]);
    assert_eq!(admit(&mut register, START, Event::SessionOpened(same_token)), Err(Why::BadRequest));
}

#[test]
fn sessions_long_over_are_forgotten() {
    let mut register = with_session();
    let later = START.plus(12 * HOUR).plus(REMEMBERED).plus(Duration::from_millis(1));
    admit(&mut register, later, opened(2, 1, later)).unwrap();
    assert_eq!(register.sessions.keys().copied().collect::<Vec<_>>(), [session(2)]);
    assert_eq!(register.session_with_token(&Digest::of(&[1])), None);
}

fn any_event() -> impl Strategy<Value = (u64, Event)> {
    let status =
        prop_oneof![Just(StaffStatus::Active), Just(StaffStatus::Suspended), Just(StaffStatus::Left)];
    let by = prop_oneof![Just(Actor::System), Just(Actor::Operator)];
    let event = prop_oneof![
        (0u8..4, status, by).prop_map(|(n, status, by)| recorded(n, status, by)),
        (0u8..12, 0u8..4).prop_map(|(ses, st)| opened(ses, st, START.plus(30 * HOUR))),
        (0u8..12).prop_map(closed),
        (0u8..12).prop_map(|n| revoked(Target::Session(session(n)))),
        (0u8..4).prop_map(|n| revoked(Target::Staff(staff(n)))),
    ];
    (0..20_000_000u64, event)
}

proptest! {
    #[test]
    fn a_refused_entry_changes_nothing_and_what_has_ended_stays_ended(
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let mut register = Register::default();
        let mut now = START;
        for (later, event) in events {
            now = Timestamp(now.0 + later);
            let before = register.clone();
            let opens = matches!(event, Event::SessionOpened(_));
            match register.admit(&Entry { time: now, event }) {
                Err(_) => prop_assert_eq!(&register, &before),
                Ok(()) => {
                    for (id, was) in before.sessions.iter().filter(|(_, s)| s.ended.is_some()) {
                        let is = register.sessions.get(id);
                        prop_assert!(is.is_none_or(|s| s.ended == was.ended));
                    }
                    if !opens {
                        prop_assert_eq!(register.sessions.len(), before.sessions.len());
                    }
                }
            }
            for (id, s) in &register.sessions {
                prop_assert_eq!(register.by_token.get(&s.token), Some(id));
                if register.staff[&s.staff].status != StaffStatus::Active {
                    prop_assert!(s.ended.is_some(), "a person who may not work has no open session");
                }
            }
            prop_assert_eq!(register.by_token.len(), register.sessions.len());
        }
    }

    #[test]
    fn the_same_entries_give_the_same_bytes_and_the_bytes_give_the_register_back(
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let fold = || {
            let mut register = Register::default();
            let mut now = START;
            for (later, event) in &events {
                now = Timestamp(now.0 + later);
                let _ = register.admit(&Entry { time: now, event: event.clone() });
            }
            register
        };
        let bytes = minicbor::to_vec(fold()).unwrap();
        prop_assert_eq!(&minicbor::to_vec(fold()).unwrap(), &bytes);
        prop_assert_eq!(minicbor::decode::<Register>(&bytes).unwrap(), fold());
    }
}
