//! Tickets, as the apps tell of them, and what they prove: the facts from which the evidence class of
//! a look is computed (DESIGN section 6, kind `ticket`).
//!
//! The identifiers are parameters, so that whoever reads millions of events can number them.

mod evidence;

use std::convert::Infallible;
use std::str::FromStr;

pub use evidence::{Proof, proof};

use crate::{CustomerId, StaffId, TicketId, Timestamp, words};

words! {
    /// What happened to a ticket.
    pub enum TicketWhat as "ticket event" {
        /// It was made.
        Opened = 0 "opened",
        /// It was given to somebody.
        Assigned = 1 "assigned",
        /// It was passed on to somebody else.
        Transferred = 2 "transferred",
        /// Somebody took it from the queue.
        Picked = 3 "picked",
        /// An account was linked to it.
        Linked = 4 "linked",
        /// The customer was in contact, verified (call, chat, one-time code).
        Contact = 5 "contact",
        /// Something was said or done in it.
        Acted = 6 "acted",
        /// It was closed.
        Closed = 7 "closed",
        /// It was opened again.
        Reopened = 8 "reopened",
    }
}

/// Who did something to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
pub enum TicketActor<S = StaffId> {
    /// The customer.
    #[n(0)]
    Customer,
    /// The ticket system itself.
    #[n(1)]
    Router,
    /// A staff member.
    #[n(2)]
    Staff(#[n(0)] S),
}

/// What one event of a ticket system says.
#[derive(
    Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize, serde::Deserialize,
)]
#[serde(bound(
    serialize = "T: serde::Serialize, C: serde::Serialize, S: serde::Serialize, TicketActor<S>: serde::Serialize",
    deserialize = "T: serde::Deserialize<'de>, C: serde::Deserialize<'de>, S: serde::Deserialize<'de>, \
                   TicketActor<S>: serde::Deserialize<'de>"
))]
pub struct TicketEvent<T = TicketId, C = CustomerId, S = StaffId> {
    /// When it happened, by the app's clock.
    #[n(0)]
    pub time: Timestamp,
    /// What happened.
    #[n(1)]
    #[serde(rename = "event")]
    pub what: TicketWhat,
    /// To which ticket.
    #[n(2)]
    pub ticket: T,
    /// Whom the ticket is about; with `linked`, whose account was linked to it.
    #[n(3)]
    pub customer: C,
    /// Who did it.
    #[n(4)]
    pub by: TicketActor<S>,
    /// Who has the ticket from here on, where that changes.
    #[n(5)]
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub to: Option<S>,
}

/// `Option::default` without asking that `S` has a default.
fn none<S>() -> Option<S> {
    None
}

impl<S: PartialEq> TicketActor<S> {
    /// Whether this is `staff`.
    pub fn is(&self, staff: &S) -> bool {
        matches!(self, TicketActor::Staff(who) if who == staff)
    }
}

impl From<String> for TicketActor {
    fn from(word: String) -> Self {
        match word.as_str() {
            "customer" => TicketActor::Customer,
            "router" => TicketActor::Router,
            staff => TicketActor::Staff(StaffId::new(staff)),
        }
    }
}

impl FromStr for TicketActor {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(word.to_owned().into())
    }
}

impl From<TicketActor> for String {
    fn from(actor: TicketActor) -> Self {
        match actor {
            TicketActor::Customer => "customer".to_owned(),
            TicketActor::Router => "router".to_owned(),
            TicketActor::Staff(staff) => staff.as_str().to_owned(),
        }
    }
}

impl serde::Serialize for TicketActor {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(match self {
            TicketActor::Customer => "customer",
            TicketActor::Router => "router",
            TicketActor::Staff(staff) => staff.as_str(),
        })
    }
}

impl<'de> serde::Deserialize<'de> for TicketActor {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(d)?.into())
    }
}
