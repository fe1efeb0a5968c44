//! The state behind a real ledger: revocation among concurrent looks, and replay.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Counting, app, login, opening, record, reveal, session, settings, staff_recorded};
use ledger::{AppendError, Draft, Ledger, Options};
use model::entry::{Act, Actor, Decided, Decision, Erased, Proposed, RevokeReason, Target, Viewer, Why};
use model::{AppId, Budgets, Clock, Event, Mode, ProposalId, Role, SystemClock};
use sightline_access::{
    Access, Basis, Look, Policy, SharedState, State, TicketActor, TicketEvent, TicketWhat, Tickets,
    revocation,
};

fn open(dir: &Path) -> (Ledger, SharedState) {
    let state = SharedState::default();
    (Ledger::open(dir, &Options::default(), state.clone()).unwrap(), state)
}

/// `me` has a routed ticket of each of the customers and is logged in.
async fn start(dir: &Path) -> (Ledger, SharedState, Access) {
    let log = dir.join("log");
    Ledger::create(&log, "example.com/sightline", &Options::default()).unwrap();
    let (ledger, state) = open(&log);
    let tickets = Tickets::open(&dir.join("tickets.db")).unwrap();
    let now = SystemClock.now();
    let routed = |n: u32, what, by, to: Option<&str>| TicketEvent {
        time: now,
        what,
        ticket: format!("k-{n}").as_str().into(),
        customer: format!("c-{n}").as_str().into(),
        by,
        to: to.map(Into::into),
    };
    let events: Vec<_> = (0..40)
        .flat_map(|n| {
            [
                routed(n, TicketWhat::Opened, TicketActor::Customer, None),
                routed(n, TicketWhat::Assigned, TicketActor::Router, Some("me")),
            ]
        })
        .collect();
    tickets.apply(&app(), &events, None).unwrap();
    let access = Access::new(state.clone(), Policy::shipped(), tickets, Arc::new(Counting::default()));
    let drafts = vec![
        settings(Budgets::default(), Mode::Enforce),
        staff_recorded(record(&"me".into(), Role::Agent)),
        login(1, &"me".into(), &app(), now),
    ];
    ledger.append_all(drafts).await.unwrap();
    (ledger, state, access)
}

/// Looks at a customer as the gateway does, and says why not.
async fn look(ledger: &Ledger, access: &Access, customer: &str) -> Result<(), Why> {
    let me = record(&"me".into(), Role::Agent);
    let (app, customer) = (app(), customer.into());
    let by = Viewer { staff: me.staff.clone(), session: session(1), app: app.clone() };
    let look = Look { viewer: &me, app: &app, customer: &customer, ticket: None, now: SystemClock.now() };
    let decision = access.decide(&look);
    let (grant, mut drafts) = match decision.basis {
        Basis::Granted(grant) => (grant.id, Vec::new()),
        Basis::Issue { grant, draft } => (grant.id, vec![draft]),
        Basis::AskWhy { .. } => return Err(Why::NoReason),
        Basis::Refuse(why) => return Err(why),
    };
    drafts.push(reveal(by, &customer, grant, decision.verdicts.show, Mode::Enforce));
    match ledger.append_all(drafts).await {
        Ok(_) => Ok(()),
        Err(AppendError::Refused(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_look_has_a_later_number_than_the_revocation() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _, access) = start(dir.path()).await;
    let viewers: Vec<_> = (0..8)
        .map(|viewer| {
            let (ledger, access) = (ledger.clone(), access.clone());
            tokio::spawn(async move {
                let mut n = viewer;
                loop {
                    match look(&ledger, &access, &format!("c-{}", n % 40)).await {
                        Ok(()) => n += 1,
                        Err(why) => return (n - viewer, why),
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let revoke = revocation(Target::Staff("me".into()), Actor::Operator, RevokeReason::Drill);
    let revoked = ledger.append(revoke).await.unwrap().index();
    let mut looks = 0;
    for viewer in viewers {
        let (seen, why) = viewer.await.unwrap();
        looks += seen;
        assert!(matches!(why, Why::SessionRevoked | Why::StaffInactive | Why::NoReason), "{why}");
    }
    assert!(looks > 0, "nobody looked before the revocation");
    let records = ledger.read(0, usize::MAX).unwrap();
    let revealed: Vec<_> =
        records.iter().filter(|r| matches!(r.entry.event, Event::Revealed(_))).map(|r| r.index).collect();
    assert_eq!(revealed.len(), looks, "a look that was answered is recorded, and no other");
    assert!(revealed.iter().all(|index| *index < revoked));
    ledger.close().await;
}

#[tokio::test]
async fn a_ledger_that_is_opened_again_gives_the_same_state_also_without_its_erased_customers() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, state, access) = start(dir.path()).await;
    for n in 0..5 {
        look(&ledger, &access, &format!("c-{n}")).await.unwrap();
    }
    let before = state.read().encode();
    ledger.close().await;
    drop(ledger);
    let (ledger, state) = open(&dir.path().join("log"));
    assert_eq!(state.read().encode(), before, "from a snapshot");
    let saved = state.read().save();
    assert_eq!(State::load(&saved).map(|state| state.encode()), Some(before.clone()));
    assert!(State::load(&saved[1..]).is_none() && State::load(&saved[..saved.len() - 1]).is_none());
    ledger.close().await;
    std::fs::remove_dir_all(dir.path().join("log/snapshot")).unwrap();
    let (ledger, state) = open(&dir.path().join("log"));
    assert_eq!(state.read().encode(), before, "from a replay");

    let opening = opening(&"c-1".into());
    let act = Act::Erase { subject: opening.commitment() };
    let proposal = ProposalId::from_bytes([1; 10]);
    let proposed = Proposed { proposal, act, by: Actor::Operator, session: None };
    let decided = |staff: &str, seat| {
        let (by, session) = (staff.into(), session(seat));
        Draft::plain(Event::Decided(Decided { proposal, by, session, decision: Decision::Confirm }))
    };
    let erased = Erased::Customer { proposal, subject: Some(opening.commitment()) };
    let now = SystemClock.now();
    let console = AppId::new(AppId::CONSOLE);
    let drafts = vec![
        staff_recorded(record(&"a".into(), Role::Admin)),
        staff_recorded(record(&"b".into(), Role::Admin)),
        login(2, &"a".into(), &console, now),
        login(3, &"b".into(), &console, now),
        Draft { event: Event::Proposed(proposed), openings: vec![opening.clone()] },
        decided("a", 2),
        decided("b", 3),
        Draft { event: Event::Erased(erased), openings: vec![opening] },
    ];
    ledger.append_all(drafts).await.unwrap();
    let before = state.read().encode();
    ledger.close().await;
    drop(ledger);
    let (ledger, state) = open(&dir.path().join("log"));
    assert_eq!(state.read().encode(), before);
    let grants = |customer: &str| state.read().live_grants(&"me".into(), &app(), &customer.into(), now).len();
    assert_eq!((grants("c-0"), grants("c-1")), (1, 0));
    ledger.close().await;
}
