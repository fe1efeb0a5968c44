//! What tickets prove, and the tricks that prove nothing.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use std::time::Duration;

use model::{AppId, CustomerId, Evidence, StaffId, TicketId, Tier, Timestamp};
use proptest::prelude::*;
use sightline_access::{TicketActor, TicketEvent, TicketWhat, Tickets};

const DAY: u64 = 24;

/// A desk with one ticket, `k-1`, opened about `c-1`; the viewer is `me`.
struct Desk {
    tickets: Tickets,
    _dir: tempfile::TempDir,
}

/// `hour`, what happened, by whom, and (after `>`) to whom.
fn event(line: &str) -> TicketEvent {
    let (happened, to) = match line.split_once('>') {
        Some((happened, to)) => (happened, Some(StaffId::new(to.trim()))),
        None => (line, None),
    };
    let words: Vec<_> = happened.split_whitespace().collect();
    let [hour, what, by, ref rest @ ..] = words[..] else { panic!("not an event: {line}") };
    TicketEvent {
        time: at(hour.parse().unwrap()),
        what: serde_json::from_value(what.into()).unwrap(),
        ticket: TicketId::new("k-1"),
        customer: CustomerId::new(rest.first().copied().unwrap_or("c-1")),
        by: by.parse().unwrap(),
        to,
    }
}

fn at(hour: u64) -> Timestamp {
    Timestamp(1_760_000_000_000).plus(Duration::from_secs(hour * 3600))
}

impl Desk {
    fn after(events: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tickets = Tickets::open(&dir.path().join("tickets.db")).unwrap();
        let events: Vec<_> = events.iter().map(|line| event(line)).collect();
        tickets.apply(&app(), &events, None).unwrap();
        Self { tickets, _dir: dir }
    }

    fn evidence(&self, staff: &str, customer: &str, hour: u64) -> Evidence {
        let links = self.tickets.links(&app(), &staff.into(), &customer.into(), at(hour));
        links.first().map_or(Evidence::None, |link| link.evidence)
    }
}

fn app() -> AppId {
    AppId::new("desk")
}

/// The evidence that `me` has at `c-1`, one hour after hour 1.
fn mine(events: &[&str]) -> Evidence {
    Desk::after(events).evidence("me", "c-1", 2)
}

fn mine_at(hour: u64, events: &[&str]) -> Evidence {
    Desk::after(events).evidence("me", "c-1", hour)
}

// ---- The classes --------------------------------------------------------------------------------

#[test]
fn opened_by_the_customer_and_routed_to_me_is_a() {
    assert_eq!(mine(&["0 opened customer", "1 assigned router > me"]), Evidence::Routed);
}

#[test]
fn assigned_by_another_person_is_b() {
    assert_eq!(mine(&["0 opened customer", "1 assigned s-lead > me"]), Evidence::Assigned);
    assert_eq!(mine(&["0 opened s-lead", "1 transferred s-lead > me"]), Evidence::Assigned);
}

#[test]
fn an_account_that_somebody_else_linked_to_my_case_is_c() {
    let events = ["0 opened customer", "0 assigned router > me", "1 linked router c-2"];
    assert_eq!(Desk::after(&events).evidence("me", "c-2", 2), Evidence::Linked);
    assert_eq!(Desk::after(&events).evidence("me", "c-1", 2), Evidence::Routed);
}

#[test]
fn picked_from_the_queue_is_d() {
    assert_eq!(mine(&["0 opened customer", "1 picked me"]), Evidence::Picked);
    assert_eq!(mine(&["0 opened customer", "1 assigned me > me"]), Evidence::Picked);
}

#[test]
fn made_by_me_with_a_contact_that_the_telephony_verified_is_e() {
    assert_eq!(mine(&["0 contact router", "0 opened me"]), Evidence::Contact);
    assert_eq!(mine(&["0 opened me", "1 contact customer"]), Evidence::Contact);
}

#[test]
fn made_by_me_without_contact_is_f() {
    assert_eq!(mine(&["0 opened me"]), Evidence::SelfMade);
}

#[test]
fn a_ticket_of_somebody_else_is_no_evidence() {
    assert_eq!(mine(&["0 opened customer", "1 assigned router > s-2"]), Evidence::None);
    assert_eq!(mine(&["0 opened customer"]), Evidence::None);
    assert_eq!(Desk::after(&["0 opened customer", "0 picked me"]).evidence("me", "c-2", 2), Evidence::None);
}

#[test]
fn the_strongest_ticket_comes_first() {
    let desk = Desk::after(&["0 opened me"]);
    let mut routed = [event("0 opened customer"), event("1 assigned router > me")];
    routed.iter_mut().for_each(|e| e.ticket = "k-2".into());
    desk.tickets.apply(&app(), &routed, None).unwrap();
    let links = desk.tickets.links(&app(), &"me".into(), &"c-1".into(), at(2));
    let found: Vec<_> = links.iter().map(|l| (l.ticket.as_str(), l.evidence)).collect();
    assert_eq!(found, [("k-2", Evidence::Routed), ("k-1", Evidence::SelfMade)]);
}

// ---- Time ---------------------------------------------------------------------------------------

#[test]
fn a_closed_ticket_explains_a_day_longer() {
    let events = ["0 opened customer", "0 assigned router > me", "5 closed me"];
    assert_eq!(mine_at(5 + DAY, &events), Evidence::Routed);
    assert_eq!(mine_at(6 + DAY, &events), Evidence::SelfMade);
}

#[test]
fn a_ticket_without_a_word_from_the_customer_for_thirty_days_is_stale() {
    let events = ["0 opened customer", "0 assigned router > me", "700 acted me"];
    assert_eq!(mine_at(30 * DAY, &events), Evidence::Routed);
    assert_eq!(mine_at(30 * DAY + 1, &events), Evidence::SelfMade);
    let alive = ["0 opened customer", "0 assigned router > me", "700 acted customer"];
    assert_eq!(mine_at(30 * DAY + 1, &alive), Evidence::Routed);
}

#[test]
fn a_ticket_that_i_passed_on_explains_no_more() {
    let events = ["0 opened customer", "0 assigned router > me", "1 transferred me > s-2"];
    assert_eq!(mine(&events), Evidence::SelfMade);
    assert_eq!(Desk::after(&events).evidence("s-2", "c-1", 2), Evidence::Assigned);
}

#[test]
fn a_ticket_that_the_customer_opened_again_explains_as_before() {
    let events = ["0 opened customer", "0 assigned router > me", "2 closed me", "300 reopened customer"];
    assert_eq!(mine_at(301, &events), Evidence::Routed);
}

// ---- Tricks -------------------------------------------------------------------------------------

#[test]
fn sending_my_own_ticket_to_a_colleague_and_having_it_back_makes_it_no_better() {
    assert_eq!(
        mine(&["0 opened me", "0 transferred me > s-2", "1 transferred s-2 > me"]),
        Evidence::SelfMade
    );
}

#[test]
fn a_picked_ticket_stays_picked_after_a_round_trip() {
    let by_colleague =
        ["0 opened customer", "0 picked me", "1 transferred me > s-2", "1 transferred s-2 > me"];
    assert_eq!(mine(&by_colleague), Evidence::Picked);
    let by_router = ["0 opened customer", "0 picked me", "1 transferred me", "1 assigned router > me"];
    assert_eq!(mine(&by_router), Evidence::Picked);
}

#[test]
fn a_router_that_hands_my_own_ticket_back_to_me_proves_nothing() {
    assert_eq!(mine(&["0 opened me", "1 assigned router > me"]), Evidence::SelfMade);
}

#[test]
fn a_contact_that_i_noted_myself_proves_nothing() {
    assert_eq!(mine(&["0 opened me", "1 contact me"]), Evidence::SelfMade);
}

#[test]
fn a_contact_with_another_customer_proves_nothing() {
    assert_eq!(mine(&["0 opened me", "1 contact router c-2"]), Evidence::SelfMade);
}

#[test]
fn accounts_that_i_linked_to_my_own_case_are_my_own_idea() {
    let events = ["0 opened customer", "0 assigned router > me", "1 linked me c-2"];
    assert_eq!(Desk::after(&events).evidence("me", "c-2", 2), Evidence::SelfMade);
}

#[test]
fn an_account_linked_to_a_case_that_i_made_up_is_no_better_than_the_case() {
    let events = ["0 opened me", "1 linked router c-2"];
    assert_eq!(Desk::after(&events).evidence("me", "c-2", 2), Evidence::SelfMade);
}

#[test]
fn putting_another_customer_on_my_ticket_proves_nothing() {
    let events = ["0 opened customer", "0 assigned router > me", "1 acted me c-2", "1 opened me c-2"];
    assert_eq!(Desk::after(&events).evidence("me", "c-2", 2), Evidence::None);
}

#[test]
fn opening_an_old_ticket_again_does_not_bring_it_back_to_life() {
    let old = ["0 opened customer", "0 assigned router > me", "1 closed me", "200 reopened me"];
    assert_eq!(mine_at(201, &old), Evidence::SelfMade);
    // The same by way of the system, which opens a ticket again when somebody writes in it.
    let by_acting =
        ["0 opened customer", "0 assigned router > me", "1 closed me", "200 acted me", "200 reopened router"];
    assert_eq!(mine_at(201, &by_acting), Evidence::SelfMade);
    // And closing it once more, for the grace of a day.
    let twice = [&old[..], &["201 closed me"]].concat();
    assert_eq!(mine_at(202, &twice), Evidence::SelfMade);
    // It is the customer who can.
    let asked = [&old[..], &["202 acted customer"]].concat();
    assert_eq!(mine_at(203, &asked), Evidence::Routed);
    let wrote = [
        "0 opened customer",
        "0 assigned router > me",
        "1 closed me",
        "200 acted customer",
        "200 reopened router",
    ];
    assert_eq!(mine_at(201, &wrote), Evidence::Routed);
}

#[test]
fn picking_what_a_colleague_made_up_is_no_evidence_either() {
    assert_eq!(mine(&["0 opened s-2", "1 picked me"]), Evidence::SelfMade);
    assert_eq!(mine(&["0 opened s-2", "0 contact router", "1 picked me"]), Evidence::Picked);
}

#[test]
fn a_ticket_whose_beginning_is_unknown_must_come_from_a_person() {
    assert_eq!(mine(&["1 assigned router > me"]), Evidence::SelfMade);
    assert_eq!(mine(&["1 assigned s-lead > me", "1 acted customer"]), Evidence::Assigned);
}

/// What the viewer can do to a ticket alone.
fn own_act() -> impl Strategy<Value = String> {
    const ACTS: &[&str] = &[
        "opened me",
        "assigned me > me",
        "transferred me > me",
        "transferred me > s-2",
        "picked me",
        "linked me c-1",
        "contact me",
        "acted me",
        "closed me",
        "reopened me",
        "assigned router > me",
        "reopened router",
        "linked me c-2",
    ];
    (1..100u64, prop::sample::select(ACTS)).prop_map(|(hour, act)| format!("{hour} {act}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Also where the system does the viewer's bidding.
    #[test]
    fn nothing_that_i_do_alone_to_a_ticket_of_mine_is_evidence(acts in prop::collection::vec(own_act(), 0..8)) {
        let events: Vec<_> = ["0 opened me"].into_iter().chain(acts.iter().map(String::as_str)).collect();
        prop_assert!(mine_at(101, &events).is_weak());
    }

    #[test]
    fn nothing_that_i_do_alone_makes_the_evidence_better(acts in prop::collection::vec(own_act(), 0..8)) {
        let before = ["0 opened customer", "0 picked me"];
        let after: Vec<_> = before.into_iter().chain(acts.iter().map(String::as_str)).collect();
        prop_assert!(mine_at(101, &after) >= mine_at(101, &before));
    }
}

// ---- The store ----------------------------------------------------------------------------------

#[test]
fn the_same_event_twice_changes_nothing() {
    let desk = Desk::after(&["0 opened customer", "1 assigned router > me"]);
    desk.tickets.apply(&app(), &[event("0 opened customer"), event("1 assigned router > me")], None).unwrap();
    assert_eq!(desk.tickets.links(&app(), &"me".into(), &"c-1".into(), at(2)).len(), 1);
    assert_eq!(desk.tickets.customers(), 1);
}

#[test]
fn what_happened_late_is_put_where_it_belongs() {
    let desk = Desk::after(&["0 opened customer", "3 transferred me > s-2"]);
    desk.tickets.apply(&app(), &[event("1 assigned router > me")], None).unwrap();
    assert_eq!(desk.evidence("s-2", "c-1", 4), Evidence::Assigned);
    assert_eq!(desk.evidence("me", "c-1", 4), Evidence::SelfMade);
}

#[test]
fn an_answer_changes_with_the_event_that_changes_it() {
    let desk = Desk::after(&["0 opened customer"]);
    assert_eq!(desk.evidence("me", "c-1", 2), Evidence::None);
    desk.tickets.apply(&app(), &[event("1 assigned router > me")], None).unwrap();
    assert_eq!(desk.evidence("me", "c-1", 2), Evidence::Routed);
    desk.tickets.apply(&app(), &[event("2 linked router c-2")], None).unwrap();
    assert_eq!(desk.evidence("me", "c-2", 2), Evidence::Linked);
}

#[test]
fn tickets_tiers_and_cursor_survive_a_restart_in_a_file_of_the_owner() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tickets.db");
    let tickets = Tickets::open(&path).unwrap();
    let events = [event("0 opened customer"), event("1 assigned router > me")];
    tickets.apply(&app(), &events, Some("page-7")).unwrap();
    let tiers = [("c-1".into(), Tier::HighValue), ("c-9".into(), Tier::Protected)];
    tickets.set_tiers(&app(), &tiers).unwrap();
    tickets.set_tiers(&app(), &[("c-9".into(), Tier::Standard)]).unwrap();
    drop(tickets);

    let tickets = Tickets::open(&path).unwrap();
    assert_eq!(tickets.cursor(&app()).unwrap().as_deref(), Some("page-7"));
    assert_eq!(tickets.cursor(&"other".into()).unwrap(), None);
    assert_eq!(tickets.tier(&app(), &"c-1".into()), Tier::HighValue);
    assert_eq!(tickets.tier(&app(), &"c-9".into()), Tier::Standard);
    assert_eq!(tickets.tier(&"other".into(), &"c-1".into()), Tier::Standard);
    assert_eq!(tickets.customers(), 2);
    assert_eq!(tickets.customer_of(&app(), &"k-1".into()), Some("c-1".into()));
    assert_eq!(tickets.customer_of(&app(), &"k-2".into()), None);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }
}

#[test]
fn one_app_knows_nothing_of_another_ones_tickets() {
    let desk = Desk::after(&["0 opened customer", "1 assigned router > me"]);
    assert!(desk.tickets.links(&"other".into(), &"me".into(), &"c-1".into(), at(2)).is_empty());
}

#[test]
fn a_ticket_event_reads_as_in_the_access_log() {
    let line = r#"{"kind":"ticket","time":"2026-01-05T08:00:00Z","event":"assigned","ticket":"k-5",
                   "customer":"c-9","by":"router","to":"s-17"}"#;
    let event: TicketEvent = serde_json::from_str(line).unwrap();
    assert_eq!(event.what, TicketWhat::Assigned);
    assert_eq!(event.by, TicketActor::Router);
    assert_eq!(event.to, Some("s-17".into()));
    let again: TicketEvent = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
    assert_eq!(again, event);
}
