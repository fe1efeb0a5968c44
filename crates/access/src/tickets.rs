//! What the apps say about who works for whom: tickets, and the tiers of customers.

mod evidence;
mod store;

use std::convert::Infallible;
use std::str::FromStr;

use model::{CustomerId, Evidence, StaffId, TicketId, Timestamp};

pub use store::Tickets;

/// What one event of a ticket system says (DESIGN section 6, kind `ticket`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TicketEvent {
    /// When it happened, by the app's clock.
    pub time: Timestamp,
    /// What happened.
    #[serde(rename = "event")]
    pub what: TicketWhat,
    /// To which ticket.
    pub ticket: TicketId,
    /// Whom the ticket is about; with `linked`, whose account was linked to it.
    pub customer: CustomerId,
    /// Who did it.
    pub by: TicketActor,
    /// Who has the ticket from here on, where that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<StaffId>,
}

/// What happened to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TicketWhat {
    /// It was made.
    Opened,
    /// It was given to somebody.
    Assigned,
    /// It was passed on to somebody else.
    Transferred,
    /// Somebody took it from the queue.
    Picked,
    /// An account was linked to it.
    Linked,
    /// The customer was in contact, verified (call, chat, one-time code).
    Contact,
    /// Something was said or done in it.
    Acted,
    /// It was closed.
    Closed,
    /// It was opened again.
    Reopened,
}

impl TicketWhat {
    const ALL: [Self; 9] = [
        Self::Opened,
        Self::Assigned,
        Self::Transferred,
        Self::Picked,
        Self::Linked,
        Self::Contact,
        Self::Acted,
        Self::Closed,
        Self::Reopened,
    ];

    /// The word of the access log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Assigned => "assigned",
            Self::Transferred => "transferred",
            Self::Picked => "picked",
            Self::Linked => "linked",
            Self::Contact => "contact",
            Self::Acted => "acted",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.word() == word)
    }
}

/// Who did something to a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(from = "String", into = "String")]
pub enum TicketActor {
    /// The customer.
    Customer,
    /// The ticket system itself.
    Router,
    /// A staff member.
    Staff(StaffId),
}

impl TicketActor {
    /// Whether this is `staff`.
    pub fn is(&self, staff: &StaffId) -> bool {
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

/// A ticket that links a viewer to a customer, for the page "Why do you need this customer?".
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TicketLink {
    /// Which ticket.
    pub ticket: TicketId,
    /// How far it explains a look.
    pub evidence: Evidence,
    /// When it was opened.
    pub opened: Timestamp,
}
