//! The tickets, as far as they can still explain a look.

use model::ticket::{Proof, TicketActor, TicketEvent, TicketWhat, proof};
use model::{Evidence, Timestamp};

use crate::cell::Cell;
use crate::clock::{DAY, MINUTE};
use crate::numbers::NumberMap;

/// An event with numbers for names.
pub(crate) type Fact = TicketEvent<u32, u32, u32>;

/// A ticket that comes this long after the look still explains it.
pub(crate) const GRACE: u64 = 10 * MINUTE;
/// A ticket without an event for so long is forgotten: by then it is stale, and explains no more than
/// one that never was.
const FORGOTTEN: u64 = 60 * DAY;
/// Of a ticket with more events the first and the newest are kept.
const MOST_EVENTS: usize = 64;

/// What an event was to the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Something new.
    New,
    /// The same event once more; left out.
    Known,
    /// A ticket with this number was opened before.
    OpenedBefore,
}

/// Tickets by number, and who has which.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Book {
    #[n(0)]
    tickets: NumberMap<Vec<Fact>>,
    /// For each customer, the tickets that speak of them.
    #[n(1)]
    of: NumberMap<Vec<u32>>,
}

impl Book {
    /// Takes an event in.
    pub(crate) fn take(&mut self, fact: Fact) -> Taken {
        let events = self.tickets.entry(fact.ticket).or_default();
        if events.iter().rev().take(8).any(|known| *known == fact) {
            return Taken::Known;
        }
        let opened = fact.what == TicketWhat::Opened && events.iter().any(|e| e.what == TicketWhat::Opened);
        let tickets = self.of.entry(fact.customer).or_default();
        if !tickets.contains(&fact.ticket) {
            tickets.push(fact.ticket);
        }
        events.push(fact);
        if events.len() > MOST_EVENTS {
            events.remove(MOST_EVENTS / 4);
        }
        if opened { Taken::OpenedBefore } else { Taken::New }
    }

    /// What explains a look of `viewer` at `customer` at `looked`, by the events up to `until`.
    pub(crate) fn cell(&self, viewer: u32, customer: u32, looked: Timestamp, until: Timestamp) -> Cell {
        self.explain(viewer, customer, looked, until).0
    }

    /// The same, and the ticket that explains it.
    pub(crate) fn explain(
        &self,
        viewer: u32,
        customer: u32,
        looked: Timestamp,
        until: Timestamp,
    ) -> (Cell, Option<u32>) {
        let mut best: Option<Proof> = None;
        let mut by = None;
        let mut others = false;
        for ticket in self.of.get(&customer).into_iter().flatten() {
            let Some(events) = self.tickets.get(ticket) else { continue };
            let known = events.partition_point(|e| e.time <= until);
            let events = &events[..known];
            match proof(events, &viewer, &customer, looked) {
                Some(found) => {
                    if best
                        .is_none_or(|b| (found.evidence, found.by_colleague) < (b.evidence, b.by_colleague))
                    {
                        (best, by) = (Some(found), Some(*ticket));
                    }
                }
                None => others |= is_alive(events, looked),
            }
        }
        (Cell::of(best.filter(|b| b.evidence != Evidence::None), others), by)
    }

    /// Who gave a ticket of this customer to `viewer` last.
    pub(crate) fn giver(&self, viewer: u32, customer: u32) -> Option<u32> {
        let tickets = self.of.get(&customer)?.iter().filter_map(|t| self.tickets.get(t));
        let given = tickets.flatten().filter(|e| e.to == Some(viewer)).max_by_key(|e| e.time)?;
        match given.by {
            TicketActor::Staff(giver) if giver != viewer => Some(giver),
            TicketActor::Staff(_) | TicketActor::Customer | TicketActor::Router => None,
        }
    }

    /// Who has a ticket of this customer, other than `viewer`.
    pub(crate) fn holder(&self, viewer: u32, customer: u32) -> Option<u32> {
        let tickets = self.of.get(&customer)?.iter().rev().filter_map(|t| self.tickets.get(t));
        let mut holders = tickets.filter_map(|events| events.iter().rev().find_map(|e| e.to));
        holders.find(|holder| *holder != viewer)
    }

    /// Whom a ticket was first said to be about.
    pub(crate) fn customer_of(&self, ticket: u32) -> Option<u32> {
        self.tickets.get(&ticket)?.first().map(|e| e.customer)
    }

    /// Forgets what can explain nothing any more, and says which tickets these were.
    pub(crate) fn forget(&mut self, now: Timestamp) -> Vec<u32> {
        let oldest = now.0.saturating_sub(FORGOTTEN);
        let mut forgotten = Vec::new();
        self.tickets.retain(|ticket, events| {
            let keeps = events.last().is_some_and(|e| e.time.0 >= oldest);
            if !keeps {
                forgotten.push(*ticket);
            }
            keeps
        });
        let tickets = &self.tickets;
        self.of.retain(|_, of| {
            of.retain(|t| tickets.contains_key(t));
            !of.is_empty()
        });
        forgotten
    }
}

/// Open, or closed less than a day ago, and not older than a month.
fn is_alive(events: &[Fact], now: Timestamp) -> bool {
    let Some(last) = events.last() else { return false };
    let closed = events
        .iter()
        .rev()
        .find(|e| matches!(e.what, TicketWhat::Closed | TicketWhat::Reopened | TicketWhat::Opened))
        .filter(|e| e.what == TicketWhat::Closed);
    now.0.saturating_sub(last.time.0) < 30 * DAY
        && closed.is_none_or(|c| now.0.saturating_sub(c.time.0) < DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(minute: u64, what: TicketWhat, ticket: u32, by: TicketActor<u32>, to: Option<u32>) -> Fact {
        Fact { time: Timestamp(minute * MINUTE), what, ticket, customer: 9, by, to }
    }

    #[test]
    fn a_ticket_explains_the_look_of_whoever_has_it_and_is_somebody_elses_for_others() {
        let mut book = Book::default();
        assert_eq!(book.take(fact(0, TicketWhat::Opened, 5, TicketActor::Customer, None)), Taken::New);
        assert_eq!(book.take(fact(1, TicketWhat::Assigned, 5, TicketActor::Router, Some(17))), Taken::New);
        assert_eq!(book.take(fact(1, TicketWhat::Assigned, 5, TicketActor::Router, Some(17))), Taken::Known);
        let now = Timestamp(10 * MINUTE);
        assert_eq!(book.cell(17, 9, now, now), Cell::Routed);
        assert_eq!(book.cell(18, 9, now, now), Cell::OthersCustomer);
        assert_eq!(book.cell(18, 10, now, now), Cell::Nothing);
        let early = Timestamp(30_000);
        assert_eq!(book.cell(17, 9, early, early), Cell::OthersCustomer, "not before it came");
        assert_eq!(book.cell(17, 9, early, now), Cell::Routed, "within the grace");
    }

    #[test]
    fn what_a_colleague_wrote_and_passed_on_is_told_apart() {
        let mut book = Book::default();
        book.take(fact(0, TicketWhat::Opened, 5, TicketActor::Staff(3), None));
        book.take(fact(1, TicketWhat::Transferred, 5, TicketActor::Staff(3), Some(17)));
        let now = Timestamp(2 * MINUTE);
        assert_eq!(book.cell(17, 9, now, now), Cell::ColleagueMade);
        assert_eq!(book.giver(17, 9), Some(3));
        assert_eq!(book.cell(3, 9, now, now), Cell::SelfMade);
    }

    #[test]
    fn old_tickets_are_forgotten() {
        let mut book = Book::default();
        book.take(fact(0, TicketWhat::Opened, 5, TicketActor::Customer, None));
        assert!(book.forget(Timestamp(59 * DAY)).is_empty());
        assert_eq!(book.customer_of(5), Some(9));
        assert_eq!(book.forget(Timestamp(61 * DAY)), [5]);
        assert!(book.customer_of(5).is_none() && book.of.is_empty());
    }
}
