//! The ticket store after an erasure.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use common::{START, app, observed_app};
use model::{CustomerId, TicketId, Tier};
use sightline_access::{TicketActor, TicketEvent, TicketWhat, Tickets};

fn event(what: TicketWhat, ticket: &str, customer: &str) -> TicketEvent {
    let (ticket, customer) = (TicketId::new(ticket), CustomerId::new(customer));
    TicketEvent { time: START, what, ticket, customer, by: TicketActor::Customer, to: None }
}

#[test]
fn a_forgotten_customer_is_gone_from_memory_and_file_with_their_tickets_and_nobody_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let tickets = Tickets::open(&dir.path().join("tickets.db")).unwrap();
    let events = [
        event(TicketWhat::Opened, "ticket-jane", "jane-doe"),
        event(TicketWhat::Linked, "ticket-jane", "john-roe"),
        event(TicketWhat::Opened, "ticket-john", "john-roe"),
        event(TicketWhat::Linked, "ticket-john", "jane-doe"),
    ];
    for app in [app(), observed_app()] {
        tickets.apply(&app, &events, Some("cursor")).unwrap();
        tickets.set_tiers(&app, &[("jane-doe".into(), Tier::Protected)]).unwrap();
    }
    assert_eq!(tickets.customer_of(&app(), &"ticket-jane".into()), Some("jane-doe".into()));

    assert!(tickets.knows(&"jane-doe".into()).unwrap());
    tickets.forget(&"jane-doe".into()).unwrap();
    assert!(!tickets.knows(&"jane-doe".into()).unwrap());
    tickets.forget(&"jane-doe".into()).unwrap();
    for app in [app(), observed_app()] {
        assert_eq!(tickets.customer_of(&app, &"ticket-jane".into()), None);
        assert_eq!(tickets.customer_of(&app, &"ticket-john".into()), Some("john-roe".into()));
        assert_eq!(tickets.tier(&app, &"jane-doe".into()), Tier::Standard);
        assert_eq!(tickets.cursor(&app).unwrap().as_deref(), Some("cursor"));
    }
    assert_eq!(tickets.customers(), 2);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(4).any(|part| part == b"jane"));
    }
}
