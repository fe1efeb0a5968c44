//! How far a ticket explains a look (DESIGN section 2, evidence class).
//!
//! One thought runs through all of it: what the viewer could have written alone is worth nothing. So
//! each fact counts by who made it. What the viewer did to a ticket can take evidence away and never
//! adds any; what came back to the viewer is worth no more than what they had before they sent it off.

use std::time::Duration;

use super::{TicketActor, TicketEvent, TicketWhat};
use crate::{Evidence, Timestamp};

/// How long after its closing a ticket still explains a look: there is work to wind up.
const CLOSING_GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long a ticket explains looks without a word from outside.
const STALE_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// What one ticket proves about one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// How far it explains the look.
    pub evidence: Evidence,
    /// When the ticket was opened, as far as the events go back.
    pub opened: Timestamp,
    /// Another staff member wrote the ticket, and nobody verified a contact with the customer.
    pub by_colleague: bool,
}

/// How one ticket links `viewer` to `customer`. `events` are all events of that ticket, in the order
/// in which they happened. None if it does not.
pub fn proof<T, C: PartialEq, S: PartialEq>(
    events: &[TicketEvent<T, C, S>],
    viewer: &S,
    customer: &C,
    now: Timestamp,
) -> Option<Proof> {
    let first = events.first()?;
    let opening = opening(events).unwrap_or(first);
    let story = Story { events, viewer, about: &opening.customer };
    let own = story.evidence_for_its_customer(now)?;
    let evidence =
        if opening.customer == *customer { own } else { story.evidence_for_linked(customer, own)? };
    let by_colleague = matches!(story.origin(), Origin::Colleague);
    Some(Proof { evidence, opened: opening.time, by_colleague })
}

/// A ticket as it concerns one viewer.
struct Story<'a, T, C, S> {
    events: &'a [TicketEvent<T, C, S>],
    viewer: &'a S,
    /// The customer whom it was opened about. Another one in later events is a change of mind of
    /// whoever made it, and proves nothing.
    about: &'a C,
}

/// Who brought the ticket into the world, as seen by the viewer.
enum Origin {
    Customer,
    /// The system, or staff who verified a contact.
    Vouched,
    /// Another staff member, and no contact.
    Colleague,
    Viewer {
        contact: bool,
    },
    /// The feed began after the opening.
    Unknown,
}

fn opening<T, C, S>(events: &[TicketEvent<T, C, S>]) -> Option<&TicketEvent<T, C, S>> {
    events.iter().find(|e| e.what == TicketWhat::Opened)
}

impl<'a, T, C: PartialEq, S: PartialEq> Story<'a, T, C, S> {
    /// None if the viewer never had the ticket.
    fn evidence_for_its_customer(&self, now: Timestamp) -> Option<Evidence> {
        let origin = self.origin();
        let mut ways_to_viewer = self
            .events
            .iter()
            .filter(|e| self.hands_to(e) == Some(Some(self.viewer)))
            .map(|e| self.worth_of_giving(&e.by, &origin));
        // Sending a ticket to a colleague and having it back makes its first way to the viewer no better.
        let first = ways_to_viewer.next()?;
        let last = ways_to_viewer.next_back().unwrap_or(first);
        if !self.has_it() || self.is_spent(now) {
            return Some(Evidence::SelfMade);
        }
        Some(first.max(last))
    }

    /// An account that somebody else linked to a case is as good as the case, and C at the best. An
    /// account that the viewer linked to their own case is their own idea.
    fn evidence_for_linked(&self, customer: &C, own: Evidence) -> Option<Evidence> {
        let mut links =
            self.events.iter().filter(|e| e.what == TicketWhat::Linked && e.customer == *customer).peekable();
        links.peek()?;
        let by_others = links.any(|e| !e.by.is(self.viewer));
        Some(if by_others { own.max(Evidence::Linked) } else { Evidence::SelfMade })
    }

    fn origin(&self) -> Origin {
        let contact = self.events.iter().any(|e| self.is_contact(e));
        match opening(self.events).map(|e| &e.by) {
            Some(TicketActor::Customer) => Origin::Customer,
            Some(TicketActor::Router) => Origin::Vouched,
            Some(by) if by.is(self.viewer) => Origin::Viewer { contact },
            Some(TicketActor::Staff(_)) if contact => Origin::Vouched,
            Some(TicketActor::Staff(_)) => Origin::Colleague,
            None => Origin::Unknown,
        }
    }

    /// Who has the ticket after this event: `None` if it changes nothing, `Some(None)` for nobody.
    fn hands_to(&self, e: &'a TicketEvent<T, C, S>) -> Option<Option<&'a S>> {
        let doer = match &e.by {
            TicketActor::Staff(staff) => Some(staff),
            TicketActor::Customer | TicketActor::Router => None,
        };
        match e.what {
            TicketWhat::Assigned | TicketWhat::Transferred => Some(e.to.as_ref()),
            TicketWhat::Picked => Some(e.to.as_ref().or(doer)),
            TicketWhat::Opened => e.to.as_ref().or(doer).map(Some),
            TicketWhat::Linked
            | TicketWhat::Contact
            | TicketWhat::Acted
            | TicketWhat::Closed
            | TicketWhat::Reopened => None,
        }
    }

    fn has_it(&self) -> bool {
        self.events.iter().rev().find_map(|e| self.hands_to(e)) == Some(Some(self.viewer))
    }

    fn worth_of_giving(&self, giver: &TicketActor<S>, origin: &Origin) -> Evidence {
        if let Origin::Viewer { contact } = origin {
            return if *contact { Evidence::Contact } else { Evidence::SelfMade };
        }
        match giver {
            TicketActor::Staff(staff) if staff == self.viewer => match origin {
                Origin::Customer | Origin::Vouched => Evidence::Picked,
                Origin::Colleague | Origin::Viewer { .. } | Origin::Unknown => Evidence::SelfMade,
            },
            TicketActor::Staff(_) => Evidence::Assigned,
            TicketActor::Router | TicketActor::Customer => match origin {
                Origin::Customer => Evidence::Routed,
                Origin::Vouched | Origin::Colleague => Evidence::Assigned,
                // A router may hand a ticket back to whoever made it.
                Origin::Viewer { .. } | Origin::Unknown => Evidence::SelfMade,
            },
        }
    }

    /// Closed for good, stale, or opened again without the customer.
    fn is_spent(&self, now: Timestamp) -> bool {
        let closed = self
            .events
            .iter()
            .rev()
            .find(|e| matches!(e.what, TicketWhat::Closed | TicketWhat::Reopened | TicketWhat::Opened))
            .is_some_and(|e| e.what == TicketWhat::Closed && now.since(e.time) > CLOSING_GRACE);
        let stale = self
            .events
            .iter()
            .filter(|e| self.is_from_outside(e))
            .map(|e| e.time)
            .max()
            .is_none_or(|last| now.since(last) > STALE_AFTER);
        closed || stale || self.was_dug_up()
    }

    /// A ticket that the viewer opened again, or the system did after something that the viewer did,
    /// while the customer had said nothing since it was closed.
    fn was_dug_up(&self) -> bool {
        let Some(reopened) = self.events.iter().rposition(|e| e.what == TicketWhat::Reopened) else {
            return false;
        };
        let by_viewer_or_system = match &self.events[reopened].by {
            TicketActor::Customer => false,
            TicketActor::Router => true,
            TicketActor::Staff(staff) => staff == self.viewer,
        };
        let closed = self.events[..reopened].iter().rposition(|e| e.what == TicketWhat::Closed).unwrap_or(0);
        by_viewer_or_system && !self.events[closed + 1..].iter().any(|e| self.is_from_customer(e))
    }

    /// A contact with this customer that somebody other than the viewer verified.
    fn is_contact(&self, e: &TicketEvent<T, C, S>) -> bool {
        e.what == TicketWhat::Contact && !e.by.is(self.viewer) && e.customer == *self.about
    }

    fn is_from_customer(&self, e: &TicketEvent<T, C, S>) -> bool {
        e.by == TicketActor::Customer || self.is_contact(e)
    }

    /// A sign that the matter is alive which the viewer did not make. For a ticket that staff opened
    /// without a contact, its opening is one.
    fn is_from_outside(&self, e: &TicketEvent<T, C, S>) -> bool {
        self.is_from_customer(e) || (e.what == TicketWhat::Opened && !e.by.is(self.viewer))
    }
}
