//! What the fold admits, one by one, and over random histories what it never admits.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{
    Log, START, app, grant_id, listed, login, observed_app, opening, record, reveal, session, settings,
    staff_recorded,
};
use ledger::{Admission, Draft, Record};
use model::entry::{
    Actor, GrantIssued, RevokeReason, SessionClosed, SessionEnd, StaffRecorded, Target, Viewer, Why,
};
use model::{
    AppId, Budgets, ClassSet, CustomerId, Event, Evidence, FieldClass, GrantId, MarkFault, MarkFaultKind,
    MarkId, MarkIssued, MarkSound, Mode, Purpose, Role, SessionId, StaffId, StaffRecord, StaffStatus, Tier,
    Timestamp,
};
use proptest::prelude::*;
use sightline_access::{State, revocation};

/// A grant for `me` at `c-1`, as a router's ticket earns it.
fn explained(n: u8, now: Timestamp) -> GrantIssued {
    let customer = CustomerId::new("c-1");
    GrantIssued {
        grant: grant_id(n),
        staff: "me".into(),
        app: app(),
        subject: opening(&customer).commitment(),
        tier: Tier::Standard,
        classes: FieldClass::IdentityName.into(),
        purpose: Purpose::CustomerSupport,
        evidence: Evidence::Routed,
        expires: now.plus(Duration::from_secs(3600)),
        charged: false,
        would_refuse: None,
    }
}

fn weak(n: u8, now: Timestamp) -> GrantIssued {
    GrantIssued { evidence: Evidence::None, charged: true, ..explained(n, now) }
}

fn at(grant: GrantIssued, customer: &str) -> Draft {
    Draft { event: Event::GrantIssued(grant), openings: vec![opening(&customer.into())] }
}

fn me() -> Viewer {
    Viewer { staff: "me".into(), session: session(1), app: app() }
}

fn look(n: u8) -> Draft {
    reveal(me(), &"c-1".into(), grant_id(n), FieldClass::IdentityName.into(), Mode::Enforce)
}

/// `me` sits in session 1 at the desk and in session 2 at the observed app.
fn log() -> Log {
    let mut log = Log::new();
    let me = record(&"me".into(), Role::Agent);
    let start = vec![
        settings(Budgets::default(), Mode::Enforce),
        staff_recorded(me.clone()),
        login(1, &me.staff, &app(), START),
        login(2, &me.staff, &observed_app(), START),
    ];
    log.append(start).unwrap();
    log
}

// ---- One by one ---------------------------------------------------------------------------------

#[test]
fn a_grant_and_the_look_under_it_come_in_one_group() {
    let mut log = log();
    assert_eq!(log.append(vec![at(explained(1, START), "c-1"), look(1)]), Ok(()));
}

#[test]
fn a_group_whose_last_entry_is_refused_leaves_no_trace() {
    let mut log = log();
    let before = log.state.read().encode();
    let beyond = reveal(me(), &"c-1".into(), grant_id(1), FieldClass::ContactEmail.into(), Mode::Enforce);
    let charged = at(weak(1, START), "c-1");
    assert_eq!(log.append(vec![charged.clone(), beyond.clone()]), Err(Why::Stale));
    assert_eq!(log.state.read().encode(), before);
    let revoke = revocation(Target::Staff("me".into()), Actor::Operator, RevokeReason::Drill);
    assert_eq!(log.append(vec![charged, revoke, beyond]), Err(Why::SessionRevoked));
    assert_eq!(log.state.read().encode(), before);
}

#[test]
fn nothing_is_shown_after_grant_session_or_person_was_revoked() {
    for (target, why) in [
        (Target::Grant(grant_id(1)), Why::GrantRevoked),
        (Target::Session(session(1)), Why::SessionRevoked),
        (Target::Staff("me".into()), Why::SessionRevoked),
    ] {
        let mut log = log();
        log.append(vec![at(explained(1, START), "c-1"), look(1)]).unwrap();
        log.append(vec![revocation(target, Actor::Operator, RevokeReason::Drill)]).unwrap();
        assert_eq!(log.append(vec![look(1)]), Err(why));
    }
}

#[test]
fn a_suspended_person_gets_no_grant_and_old_grants_stay_dead_when_they_return() {
    let mut log = log();
    log.append(vec![at(explained(1, START), "c-1")]).unwrap();
    log.append(vec![revocation(Target::Staff("me".into()), Actor::Operator, RevokeReason::Drill)]).unwrap();
    assert_eq!(log.append(vec![at(explained(2, START), "c-1")]), Err(Why::StaffInactive));
    let back = vec![staff_recorded(record(&"me".into(), Role::Agent)), login(3, &"me".into(), &app(), START)];
    log.append(back).unwrap();
    let by = Viewer { session: session(3), ..me() };
    let look = reveal(by, &"c-1".into(), grant_id(1), FieldClass::IdentityName.into(), Mode::Enforce);
    assert_eq!(log.append(vec![look]), Err(Why::GrantRevoked));
}

#[test]
fn a_look_needs_a_grant_of_the_same_person_app_customer_and_classes() {
    let mut log = log();
    let other = StaffId::new("s-2");
    log.append(vec![staff_recorded(record(&other, Role::Agent)), login(4, &other, &app(), START)]).unwrap();
    log.append(vec![at(explained(1, START), "c-1")]).unwrap();
    let name = ClassSet::from(FieldClass::IdentityName);
    let theirs = Viewer { staff: other, session: session(4), app: app() };
    let elsewhere = Viewer { session: session(2), app: observed_app(), ..me() };
    let wrong_door = Viewer { session: session(2), ..me() };
    let borrowed = Viewer { session: session(4), ..me() };
    let grant = grant_id(1);
    for (what, draft, why) in [
        ("person", reveal(theirs, &"c-1".into(), grant, name, Mode::Enforce), Why::NoReason),
        ("app", reveal(elsewhere, &"c-1".into(), grant, name, Mode::Observe), Why::NoReason),
        ("customer", reveal(me(), &"c-2".into(), grant, name, Mode::Enforce), Why::NoReason),
        (
            "classes",
            reveal(
                me(),
                &"c-1".into(),
                grant,
                ClassSet::all().without(ClassSet::SECRET).without(FieldClass::Undeclared.into()),
                Mode::Enforce,
            ),
            Why::Stale,
        ),
        ("grant", reveal(me(), &"c-1".into(), grant_id(9), name, Mode::Enforce), Why::GrantExpired),
        ("door", reveal(wrong_door, &"c-1".into(), grant, name, Mode::Enforce), Why::SessionEnded),
        ("session", reveal(borrowed, &"c-1".into(), grant, name, Mode::Enforce), Why::SessionEnded),
        ("mode", reveal(me(), &"c-1".into(), grant, name, Mode::Observe), Why::Stale),
    ] {
        assert_eq!(log.append(vec![draft]), Err(why), "another {what}");
    }
    assert_eq!(log.append(vec![look(1)]), Ok(()));
    log.wait(60);
    assert_eq!(log.append(vec![look(1)]), Err(Why::GrantExpired));
}

#[test]
fn a_fault_of_the_mark_masks_for_its_session_until_a_page_is_sound_and_only_where_it_is_enforced() {
    let mut log = log();
    let email = ClassSet::from(FieldClass::ContactEmail);
    let both = email.union(FieldClass::IdentityName.into());
    log.append(vec![at(GrantIssued { classes: both, ..explained(1, START) }, "c-1")]).unwrap();
    let look = |classes| vec![reveal(me(), &"c-1".into(), grant_id(1), classes, Mode::Enforce)];
    let fault = |by: Viewer, masks| {
        vec![Draft::plain(Event::MarkFault(MarkFault { by, what: MarkFaultKind::Hidden, masks }))]
    };
    let rows = |by, mode| {
        let mut draft = listed(by, 1, mode);
        if let Event::Listed(listed) = &mut draft.event {
            listed.classes = email;
        }
        vec![draft]
    };
    let fence = log.state.read().fence();
    log.append(fault(me(), ClassSet::EMPTY)).unwrap();
    assert!(log.state.read().fence() > fence);
    assert_eq!(log.append(look(both)), Ok(()), "only recorded");

    log.append(fault(me(), ClassSet::NEEDS_MARK)).unwrap();
    assert_eq!(log.append(look(both)), Err(Why::Stale));
    assert_eq!(log.append(rows(me(), Mode::Enforce)), Err(Why::Stale));
    assert_eq!(log.append(look(FieldClass::IdentityName.into())), Ok(()));
    assert_eq!(log.state.read().masked(session(1)), ClassSet::NEEDS_MARK);
    assert_eq!(log.state.read().masked(session(2)), ClassSet::EMPTY);

    log.append(vec![Draft::plain(Event::MarkSound(MarkSound { by: me() }))]).unwrap();
    assert_eq!(log.append(look(both)), Ok(()));

    let observed = Viewer { session: session(2), app: observed_app(), ..me() };
    log.append(fault(observed.clone(), ClassSet::NEEDS_MARK)).unwrap();
    assert_eq!(log.append(rows(observed, Mode::Observe)), Ok(()));
}

#[test]
fn a_mark_is_issued_and_called_sound_only_by_whoever_sits_in_the_session() {
    let mut log = log();
    let issued = |by| {
        Draft::plain(Event::MarkIssued(MarkIssued { mark: MarkId::from_bytes([1; 10]), by, bucket: START }))
    };
    let sound = |by| Draft::plain(Event::MarkSound(MarkSound { by }));
    let stranger = || Viewer { session: session(9), ..me() };
    assert_eq!(log.append(vec![issued(stranger())]), Err(Why::SessionEnded));
    assert_eq!(log.append(vec![sound(stranger())]), Err(Why::SessionEnded));
    assert_eq!(log.append(vec![issued(me()), issued(me()), sound(me())]), Ok(()));
    let closed =
        Draft::plain(Event::SessionClosed(SessionClosed { session: session(1), why: SessionEnd::Logout }));
    let what = MarkFaultKind::Silent;
    let masks = ClassSet::NEEDS_MARK;
    log.append(vec![Draft::plain(Event::MarkFault(MarkFault { by: me(), what, masks })), closed]).unwrap();
    assert_eq!(log.state.read().masked(session(1)), ClassSet::EMPTY, "forgotten with the session");
    assert_eq!(log.append(vec![issued(me())]), Err(Why::SessionEnded));
}

#[test]
fn no_entry_shows_a_secret_in_any_mode() {
    let mut log = log();
    for secret in ClassSet::SECRET.iter() {
        for app in [app(), observed_app()] {
            let grant = GrantIssued { classes: secret.into(), app, ..explained(1, START) };
            assert_eq!(log.append(vec![at(grant, "c-1")]), Err(Why::Policy), "{secret}");
        }
    }
    let undeclared = GrantIssued { classes: FieldClass::Undeclared.into(), ..explained(1, START) };
    assert_eq!(log.append(vec![at(undeclared.clone(), "c-1")]), Err(Why::Policy));
    let observed = GrantIssued { app: observed_app(), ..undeclared };
    assert_eq!(log.append(vec![at(observed, "c-1")]), Ok(()));
}

#[test]
fn two_answers_to_one_question_are_charged_once() {
    let mut log = log();
    log.append(vec![at(weak(1, START), "c-1")]).unwrap();
    assert_eq!(log.append(vec![at(weak(2, START), "c-1")]), Err(Why::Stale));
    assert_eq!(log.state.read().budget(&"me".into(), log.now).weak_used, 1);
}

#[test]
fn a_weak_grant_is_free_only_within_a_live_one_and_not_longer_than_it() {
    let mut log = log();
    let free = |n, now| GrantIssued { charged: false, ..weak(n, now) };
    assert_eq!(log.append(vec![at(free(1, START), "c-1")]), Err(Why::Stale));
    log.append(vec![at(weak(2, START), "c-1")]).unwrap();
    assert_eq!(log.append(vec![at(free(3, START), "c-1")]), Ok(()));
    assert_eq!(log.append(vec![at(free(4, START), "c-2")]), Err(Why::Stale), "another customer");
    log.wait(1);
    assert_eq!(log.append(vec![at(free(5, log.now), "c-1")]), Err(Why::Stale), "a minute longer");
}

#[test]
fn a_grant_lasts_no_longer_than_the_settings_say() {
    let mut log = log();
    let long = GrantIssued { expires: START.plus(Duration::from_secs(3 * 3600)), ..explained(1, START) };
    assert_eq!(log.append(vec![at(long, "c-1")]), Err(Why::Stale));
}

#[test]
fn rows_that_are_not_charged_use_up_nothing_and_no_more_are_charged_than_there_are() {
    let mut log = log();
    let rows = |charged| {
        let mut draft = listed(me(), 400, Mode::Enforce);
        if let Event::Listed(e) = &mut draft.event {
            e.charged = charged;
        }
        draft
    };
    log.append(vec![rows(0)]).unwrap();
    assert_eq!(log.state.read().budget(&"me".into(), log.now).listed_left(), 300);
    assert_eq!(log.append(vec![rows(401)]), Err(Why::BadRequest));
}

#[test]
fn rows_beyond_the_budget_are_refused_and_observed_ones_are_not() {
    let mut log = log();
    log.append(vec![listed(me(), 250, Mode::Enforce)]).unwrap();
    assert_eq!(log.append(vec![listed(me(), 51, Mode::Enforce)]), Err(Why::ListingBudget));
    assert_eq!(log.append(vec![listed(me(), 50, Mode::Enforce)]), Ok(()));
    let observed = Viewer { session: session(2), app: observed_app(), ..me() };
    assert_eq!(log.append(vec![listed(observed, 5_000, Mode::Observe)]), Ok(()));
    let state = log.state.read();
    assert_eq!(state.budget(&"me".into(), log.now).listed_left(), 0);
    assert_eq!(state.budget_if_enforced(&"me".into(), log.now).listed_used, 5_300);
}

#[test]
fn revoking_a_grant_that_is_not_there_is_a_mistake() {
    let mut log = log();
    let revoke = revocation(Target::Grant(grant_id(1)), Actor::Operator, RevokeReason::Drill);
    assert_eq!(log.append(vec![revoke]), Err(Why::BadRequest));
}

#[test]
fn what_has_expired_takes_no_memory() {
    let mut log = log();
    log.append(vec![look_nowhere()]).unwrap();
    let before = log.state.read().encode().len();
    for n in 0..100 {
        log.append(vec![at(explained(n, START), "c-1")]).unwrap();
    }
    assert!(log.state.read().encode().len() > before);
    log.wait(61);
    log.append(vec![look_nowhere()]).unwrap();
    assert_eq!(log.state.read().encode().len(), before);
}

/// An entry that changes nothing.
fn look_nowhere() -> Draft {
    Draft::plain(Event::Started(model::entry::Started { software: "sightline".to_owned() }))
}

// ---- Over random histories ----------------------------------------------------------------------

/// What may happen next. Numbers choose from small sets, so that histories collide with themselves;
/// `back` says which session: so many logins ago.
#[derive(Debug, Clone)]
enum Step {
    Login {
        staff: u8,
        observed: bool,
    },
    Logout {
        back: u8,
    },
    Grant {
        n: u8,
        staff: u8,
        observed: bool,
        customer: u8,
        weak: bool,
        charged: bool,
        high_value: bool,
    },
    /// Mostly as the holder of the grant would look; else somebody at somebody.
    Look {
        grant: u8,
        as_holder: bool,
        back: u8,
        customer: u8,
    },
    List {
        back: u8,
        rows: u32,
    },
    RevokeGrant {
        n: u8,
    },
    RevokeSession {
        back: u8,
    },
    RevokeStaff {
        staff: u8,
    },
    Status {
        staff: u8,
        active: bool,
    },
    Mode {
        enforce: bool,
    },
}

const STAFF: [&str; 2] = ["s-0", "s-1"];
const BUDGETS: Budgets = Budgets {
    weak_per_shift: 2,
    weak_high_value_per_shift: 1,
    listed_per_shift: 20,
    shift_hours: 3,
    grant_minutes: 60,
};

fn staff_id(n: u8) -> StaffId {
    STAFF[usize::from(n)].into()
}

fn step() -> impl Strategy<Value = Step> {
    let (staff, n, customer) = (0..2u8, 1..6u8, 0..3u8);
    let back = prop_oneof![4 => Just(0u8), 1 => 1..4u8];
    let (rarely, mostly) = (prop::bool::weighted(0.2), prop::bool::weighted(0.8));
    prop_oneof![
        4 => (staff.clone(), rarely).prop_map(|(staff, observed)| Step::Login { staff, observed }),
        1 => back.clone().prop_map(|back| Step::Logout { back }),
        8 => (n.clone(), staff.clone(), rarely, customer.clone(), any::<bool>(), any::<bool>(), rarely).prop_map(
            |(n, staff, observed, customer, weak, charged, high_value)| Step::Grant {
                n, staff, observed, customer, weak, charged, high_value,
            },
        ),
        12 => (n.clone(), mostly, back.clone(), customer)
            .prop_map(|(grant, as_holder, back, customer)| Step::Look { grant, as_holder, back, customer }),
        4 => (back.clone(), 0..12u32).prop_map(|(back, rows)| Step::List { back, rows }),
        2 => n.prop_map(|n| Step::RevokeGrant { n }),
        1 => back.prop_map(|back| Step::RevokeSession { back }),
        1 => staff.clone().prop_map(|staff| Step::RevokeStaff { staff }),
        3 => (staff, mostly).prop_map(|(staff, active)| Step::Status { staff, active }),
        1 => mostly.prop_map(|enforce| Step::Mode { enforce }),
    ]
}

/// Minutes to wait, and what then comes in one group.
fn history() -> impl Strategy<Value = Vec<(u64, Vec<Step>)>> {
    let wait = prop_oneof![6 => 0..3u64, 1 => Just(45), 1 => Just(200)];
    let group =
        prop_oneof![3 => step().prop_map(|step| vec![step]), 1 => prop::collection::vec(step(), 2..4)];
    prop::collection::vec((wait, group), 20..80)
}

/// What the test knows of the history, by its own count.
#[derive(Debug, Default)]
struct Witness {
    desk_is_observed: bool,
    /// Every session there was, in the order of logins.
    seats: Vec<Viewer>,
    grants: BTreeMap<GrantId, (GrantIssued, CustomerId)>,
    over: BTreeSet<SessionId>,
    revoked: BTreeSet<GrantId>,
    inactive: BTreeSet<StaffId>,
    shifts: BTreeMap<StaffId, (Timestamp, u32, u32, u32)>,
}

impl Witness {
    fn mode(&self, app: &AppId) -> Mode {
        if self.desk_is_observed || *app == observed_app() { Mode::Observe } else { Mode::Enforce }
    }

    /// `place`: the step's place in its group.
    fn draft(&self, step: &Step, place: usize, now: Timestamp) -> Draft {
        let nobody = Viewer { staff: staff_id(0), session: session(0), app: app() };
        let seat = |back: u8| self.seats.iter().rev().nth(back.into()).unwrap_or(&nobody).clone();
        let door = |observed| if observed { observed_app() } else { app() };
        let revoke = |target| revocation(target, Actor::Operator, RevokeReason::Drill);
        match step.clone() {
            Step::Login { staff, observed } => {
                let fresh = u8::try_from(self.seats.len() + place + 1).expect("fewer logins than that");
                login(fresh, &staff_id(staff), &door(observed), now)
            }
            Step::Logout { back } => Draft::plain(Event::SessionClosed(SessionClosed {
                session: seat(back).session,
                why: SessionEnd::Logout,
            })),
            Step::Grant { n, staff, observed, customer, weak, charged, high_value } => {
                let grant = GrantIssued {
                    staff: staff_id(staff),
                    app: door(observed),
                    evidence: if weak { Evidence::SelfMade } else { Evidence::Routed },
                    charged: weak && charged,
                    tier: if high_value { Tier::HighValue } else { Tier::Standard },
                    ..explained(n, now)
                };
                at(grant, &format!("c-{customer}"))
            }
            Step::Look { grant, as_holder, back, customer } => {
                let customer = CustomerId::new(format!("c-{customer}"));
                let (by, customer) = match self.holder(grant_id(grant), back) {
                    Some(holder) if as_holder => holder,
                    Some(_) | None => (seat(back), customer),
                };
                let mode = self.mode(&by.app);
                reveal(by, &customer, grant_id(grant), FieldClass::IdentityName.into(), mode)
            }
            Step::List { back, rows } => {
                let by = seat(back);
                let mode = self.mode(&by.app);
                listed(by, rows, mode)
            }
            Step::RevokeGrant { n } => revoke(Target::Grant(grant_id(n))),
            Step::RevokeSession { back } => revoke(Target::Session(seat(back).session)),
            Step::RevokeStaff { staff } => revoke(Target::Staff(staff_id(staff))),
            Step::Status { staff, active } => {
                let status = if active { StaffStatus::Active } else { StaffStatus::Suspended };
                staff_recorded(StaffRecord { status, ..record(&staff_id(staff), Role::Agent) })
            }
            Step::Mode { enforce } => settings(BUDGETS, if enforce { Mode::Enforce } else { Mode::Observe }),
        }
    }

    /// The holder of a grant, in one of their sessions at its app, and whom it is about.
    fn holder(&self, grant: GrantId, back: u8) -> Option<(Viewer, CustomerId)> {
        let (held, customer) = self.grants.get(&grant)?;
        let mut theirs = self.seats.iter().rev().filter(|s| s.staff == held.staff && s.app == held.app);
        Some((theirs.nth(back.into())?.clone(), customer.clone()))
    }

    /// Notes an admitted entry, and says what must not have been.
    fn saw(&mut self, Record { entry, openings, .. }: &Record) -> Result<(), TestCaseError> {
        let now = entry.time;
        match &entry.event {
            Event::SessionOpened(e) => {
                prop_assert!(!self.inactive.contains(&e.staff), "a suspended person logged in");
                self.seats.push(Viewer { staff: e.staff.clone(), session: e.session, app: e.door.clone() });
            }
            Event::SessionClosed(e) => drop(self.over.insert(e.session)),
            Event::StaffRecorded(StaffRecorded { record, .. }) => {
                if record.status == StaffStatus::Active {
                    self.inactive.remove(&record.staff);
                } else {
                    self.end(&record.staff);
                }
            }
            Event::Revoked(e) => match &e.target {
                Target::Grant(grant) => drop(self.revoked.insert(*grant)),
                Target::Session(session) => drop(self.over.insert(*session)),
                Target::Staff(staff) => self.end(&staff.clone()),
            },
            Event::SettingsInForce(e) => self.desk_is_observed = e.apps[0].mode == Mode::Observe,
            Event::GrantIssued(e) => {
                prop_assert!(!self.inactive.contains(&e.staff), "a grant for a suspended person");
                if e.charged && self.mode(&e.app) == Mode::Enforce {
                    let (_, weak, high, _) = self.shift(&e.staff, now);
                    *weak += 1;
                    *high += u32::from(e.tier.is_high_value());
                    prop_assert!(*weak <= BUDGETS.weak_per_shift, "over the weak budget");
                    prop_assert!(*high <= BUDGETS.weak_high_value_per_shift, "over the high-value budget");
                } else if e.charged {
                    self.shift(&e.staff, now);
                }
                self.revoked.remove(&e.grant);
                let subject = &openings[0].as_ref().expect("just made").subject;
                self.grants.insert(e.grant, (e.clone(), subject.customer.clone()));
            }
            Event::Revealed(e) => {
                prop_assert!(!self.over.contains(&e.by.session), "a look in a session that is over");
                prop_assert!(!self.revoked.contains(&e.grant), "a look under a revoked grant");
                prop_assert!(!self.inactive.contains(&e.by.staff), "a look of a suspended person");
                let (grant, customer) =
                    self.grants.get(&e.grant).expect("a look under a grant that never was");
                prop_assert_eq!(customer, &openings[0].as_ref().expect("just made").subject.customer);
                prop_assert!(now < grant.expires && grant.staff == e.by.staff && grant.app == e.by.app);
                self.shift(&e.by.staff, now);
            }
            Event::Listed(e) => {
                prop_assert!(!self.over.contains(&e.by.session), "a list in a session that is over");
                let enforced = self.mode(&e.by.app) == Mode::Enforce;
                let (_, _, _, rows) = self.shift(&e.by.staff, now);
                if enforced {
                    *rows += e.rows;
                    prop_assert!(*rows <= BUDGETS.listed_per_shift, "over the listing budget");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, staff: &StaffId) {
        self.inactive.insert(staff.clone());
        self.over.extend(self.seats.iter().filter(|s| s.staff == *staff).map(|s| s.session));
        self.revoked.extend(self.grants.values().filter(|(g, _)| g.staff == *staff).map(|(g, _)| g.grant));
    }

    fn shift(&mut self, staff: &StaffId, now: Timestamp) -> &mut (Timestamp, u32, u32, u32) {
        let fresh = (now.plus(BUDGETS.shift()), 0, 0, 0);
        let shift = self.shifts.entry(staff.clone()).or_insert(fresh);
        if shift.0 <= now {
            *shift = fresh;
        }
        shift
    }
}

fn replayed(records: &[Record], forget_customers: bool) -> Result<Vec<u8>, (usize, Why)> {
    let mut state = State::default();
    for (i, record) in records.iter().enumerate() {
        let mut record = record.clone();
        if forget_customers {
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
    fn over_any_history_revocation_and_budgets_hold_and_a_replay_gives_the_same_bytes(history in history()) {
        let mut log = Log::new();
        let mut witness = Witness::default();
        let start = STAFF.iter().map(|s| staff_recorded(record(&(*s).into(), Role::Agent)));
        log.append([settings(BUDGETS, Mode::Enforce)].into_iter().chain(start).collect()).unwrap();
        for (minutes, group) in history {
            log.wait(minutes);
            let before = (log.admitted.len(), log.state.read().encode());
            let draft = |(place, step)| witness.draft(step, place, log.now);
            let drafts = group.iter().enumerate().map(draft).collect();
            match log.append(drafts) {
                Ok(()) => log.admitted[before.0..].iter().try_for_each(|record| witness.saw(record))?,
                Err(_) => prop_assert_eq!(log.state.read().encode(), before.1, "a refusal left a trace"),
            }
        }
        prop_assert_eq!(replayed(&log.admitted, false), Ok(log.state.read().encode()));
        prop_assert!(replayed(&log.admitted, true).is_ok(), "a replay after erasure refuses what was admitted");
    }

    #[test]
    fn a_lost_batch_of_any_entries_leaves_the_state_as_it_was_and_what_follows_decides_alike(
        history in history(),
        lost in history(),
        after in history(),
    ) {
        let run = |losing: bool| {
            let mut log = Log::new();
            let mut witness = Witness::default();
            let start = STAFF.iter().map(|s| staff_recorded(record(&(*s).into(), Role::Agent)));
            log.append([settings(BUDGETS, Mode::Enforce)].into_iter().chain(start).collect()).unwrap();
            let mut go = |log: &mut Log, history: &[(u64, Vec<Step>)], settle: bool| {
                for (minutes, group) in history {
                    log.wait(*minutes);
                    let before = log.admitted.len();
                    let place = |(i, step)| witness.draft(step, i, log.now);
                    let drafts = group.iter().enumerate().map(place).collect();
                    if log.admit(drafts).is_ok() && settle {
                        log.state.settle();
                        log.admitted[before..].iter().for_each(|record| drop(witness.saw(record)));
                    }
                }
            };
            go(&mut log, &history, true);
            if losing {
                let (bytes, admitted, now) = (log.state.read().encode(), log.admitted.len(), log.now);
                go(&mut log, &lost, false);
                log.state.undo();
                log.admitted.truncate(admitted);
                log.now = now;
                assert_eq!(log.state.read().encode(), bytes, "a lost batch left a trace");
            }
            go(&mut log, &after, true);
            (log.admitted, log.state.read().encode())
        };
        prop_assert_eq!(run(true), run(false));
    }
}
