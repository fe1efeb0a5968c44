//! What the apps say about who works for whom: tickets, and the tiers of customers.

mod store;

use model::{Evidence, TicketId, Timestamp};

pub use model::ticket::{TicketActor, TicketEvent, TicketWhat};
pub use store::Tickets;

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
