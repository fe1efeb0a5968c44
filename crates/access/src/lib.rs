//! Reasons to look: policy, tickets, evidence, grants, budgets, and the state that admission
//! decides against.
//!
//! Start with [`Access::decide`], the answer to "may they?". It reads three things: [`State`], the
//! fold over the ledger (sessions, grants, budgets); [`Tickets`], what the apps say about who works
//! for whom; and [`Policy`], what a reason is worth. What it decides is a proposal: the ledger
//! admits it at its place in the sequence, or not ([`State::admit`]).

mod decide;
mod error;
mod justify;
mod policy;
mod revoke;
mod state;
mod tickets;

pub use decide::{Access, Basis, Decision, Look, Shadow};
pub use error::{AccessError, PolicyErrors, PolicyFault};
pub use justify::Reason;
pub use policy::{Case, Policy, Verdicts};
pub use revoke::revocation;
pub use state::{
    Containing, Grant, NEEDED, OPEN_FOR, Proposal, Remaining, SharedState, State, Told, UNWITNESSED_FOR,
    Unmarked,
};
pub use tickets::{TicketActor, TicketEvent, TicketLink, TicketWhat, Tickets};
