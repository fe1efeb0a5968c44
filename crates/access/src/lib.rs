//! Reasons to look: policy, tickets, evidence, grants, budgets, and the state that admission decides against.
//!
//! CONTRACT STUB: signatures other rooms build against.

use std::path::Path;
use std::sync::{Arc, RwLock};

use ledger::{Admission, Draft};
use model::entry::Why;
use model::{
    AppId, Budgets, ClassSet, CustomerId, Digest, Entropy, Evidence, FieldClass, GrantId, Mode,
    Purpose, StaffId, StaffRecord, TicketId, Tier, Timestamp,
};

/// Everything that admission decides against; a fold over entries and nothing else. Deterministic, and
/// encodable, so that a replay can be compared byte for byte.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub people: people::Register,
}

impl State {
    /// The grants of this person at this customer that are live at `now`, newest first.
    pub fn live_grants(
        &self,
        _staff: &StaffId,
        _app: &AppId,
        _customer: &CustomerId,
        _now: Timestamp,
    ) -> Vec<Grant> {
        todo!()
    }
    /// What is left of the shift's budgets.
    pub fn budget(&self, _staff: &StaffId, _now: Timestamp) -> Remaining {
        todo!()
    }
    /// Changes whenever an earlier decision may no longer hold (the number of the last fence).
    pub fn fence(&self) -> u64 {
        todo!()
    }
    /// The mode of an app.
    pub fn mode(&self, _app: &AppId) -> Option<Mode> {
        todo!()
    }
    /// The deterministic encoding of the whole state.
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }
}

/// A live grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub classes: ClassSet,
    pub evidence: Evidence,
    pub purpose: Purpose,
    pub ticket: Option<TicketId>,
    pub tier: Tier,
    pub expires: Timestamp,
}

/// What is left of a shift's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Remaining {
    pub settings: Budgets,
    pub weak_used: u32,
    pub weak_high_value_used: u32,
    pub listed_used: u32,
    pub shift_ends: Option<Timestamp>,
}

/// The state, shared between the commit thread (which writes) and the deciders (who read).
#[derive(Debug, Clone, Default)]
pub struct SharedState(pub Arc<RwLock<State>>);

impl Admission for SharedState {
    fn admit(&mut self, _group: &[ledger::Record]) -> Result<(), Why> {
        todo!()
    }
}
impl people::Registered for SharedState {
    fn with_register(&self, _f: &mut dyn FnMut(&people::Register)) {
        todo!()
    }
}

/// What one event of a ticket system says; DESIGN section 6, kind `ticket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketEvent {
    pub time: Timestamp,
    pub what: TicketWhat,
    pub ticket: TicketId,
    pub customer: CustomerId,
    pub by: TicketActor,
    pub to: Option<StaffId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketWhat {
    Opened,
    Assigned,
    Transferred,
    Picked,
    Linked,
    Contact,
    Acted,
    Closed,
    Reopened,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketActor {
    Customer,
    Router,
    Staff(StaffId),
}

/// A ticket that links a viewer to a customer, for the page "Why do you need this customer?".
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TicketLink {
    pub ticket: TicketId,
    pub evidence: Evidence,
    pub opened: Timestamp,
}

/// Tickets and tiers as the apps report them; durable beside the ledger, rebuilt from the apps.
#[derive(Debug, Clone)]
pub struct Tickets {}
impl Tickets {
    pub fn open(_path: &Path) -> Result<Self, AccessError> {
        todo!()
    }
    /// Takes events of one app in, idempotently (the same event twice changes nothing), and the feed's cursor with them, in one transaction.
    pub fn apply(
        &self,
        _app: &AppId,
        _events: &[TicketEvent],
        _cursor: Option<&str>,
    ) -> Result<(), AccessError> {
        todo!()
    }
    pub fn cursor(&self, _app: &AppId) -> Result<Option<String>, AccessError> {
        todo!()
    }
    /// Tiers of customers; those not named are standard. Replaces what is named.
    pub fn set_tiers(&self, _app: &AppId, _tiers: &[(CustomerId, Tier)]) -> Result<(), AccessError> {
        todo!()
    }
    pub fn tier(&self, _app: &AppId, _customer: &CustomerId) -> Tier {
        todo!()
    }
    /// The tickets that link this person to this customer, the strongest evidence first.
    pub fn links(
        &self,
        _app: &AppId,
        _staff: &StaffId,
        _customer: &CustomerId,
        _now: Timestamp,
    ) -> Vec<TicketLink> {
        todo!()
    }
    /// The customer of a ticket, if known.
    pub fn customer_of(&self, _app: &AppId, _ticket: &TicketId) -> Option<CustomerId> {
        todo!()
    }
    /// How many customers are known (for "percent of all customers").
    pub fn customers(&self) -> u64 {
        todo!()
    }
}

/// The Cedar policy in force.
#[derive(Debug, Clone)]
pub struct Policy {}
impl Policy {
    /// Parses and validates schema and policies; errors name file and line.
    pub fn load(_schema: &Path, _policies: &[&Path]) -> Result<Self, AccessError> {
        todo!()
    }
    /// The policy that ships with the binary (policies/).
    pub fn shipped() -> Self {
        todo!()
    }
    pub fn digest(&self) -> Digest {
        todo!()
    }
}

/// Per field class: shown as it is, masked with a button to ask for it, or masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdicts {
    pub show: ClassSet,
    pub ask: ClassSet,
}

/// What a look rests on.
#[derive(Debug, Clone)]
pub enum Basis {
    /// A live grant covers it.
    Granted(Grant),
    /// No grant yet, but evidence (or, in observe, the mode) lets one be issued without a question: append this
    /// draft, in front of the reveal.
    Issue { grant: Grant, draft: Draft },
    /// The viewer must say why first.
    AskWhy { links: Vec<TicketLink> },
    /// Refused, with the reason for the page.
    Refuse(Why),
}

/// The answer to "may they?".
#[derive(Debug, Clone)]
pub struct Decision {
    pub verdicts: Verdicts,
    pub basis: Basis,
    pub evidence: Evidence,
    pub tier: Tier,
    pub mode: Mode,
    /// In observe: what enforcement would have masked of `ClassSet::all()`, and whether it would have stopped the look.
    pub would_mask: ClassSet,
    pub would_refuse: Option<Why>,
}

/// A question to [`Access::decide`].
#[derive(Debug, Clone)]
pub struct Look<'a> {
    pub viewer: &'a StaffRecord,
    pub app: &'a AppId,
    pub customer: &'a CustomerId,
    /// The ticket that the route names, if it does.
    pub ticket: Option<&'a TicketId>,
    pub now: Timestamp,
}

/// What the viewer says on the page "Why do you need this customer?".
#[derive(Debug, Clone)]
pub struct Reason {
    pub purpose: Purpose,
    pub ticket: Option<TicketId>,
    pub note: Option<String>,
    /// Classes asked for one by one, beyond what the policy shows unasked.
    pub asked: ClassSet,
}

/// Policy, tickets and state together.
#[derive(Debug, Clone)]
pub struct Access {}
impl Access {
    pub fn new(_state: SharedState, _policy: Policy, _tickets: Tickets, _entropy: Arc<dyn Entropy>) -> Self {
        todo!()
    }
    /// Decides about a record. Cached per (staff, customer, fence).
    pub fn decide(&self, _look: &Look<'_>) -> Decision {
        todo!()
    }
    /// Verdicts for rows of a list: what may be shown of customers to whom no grant leads.
    pub fn decide_listing(&self, _viewer: &StaffRecord, _app: &AppId, _now: Timestamp) -> Verdicts {
        todo!()
    }
    /// The grant that this reason earns: a draft to append, or why not (budget, policy, no such ticket).
    pub fn justify(&self, _look: &Look<'_>, _reason: &Reason) -> Result<(Grant, Draft), Why> {
        todo!()
    }
    pub fn state(&self) -> &SharedState {
        todo!()
    }
    pub fn tickets(&self) -> &Tickets {
        todo!()
    }
    pub fn policy_digest(&self) -> Digest {
        todo!()
    }
}

/// (The access room turns this into enums with context.)
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AccessError(pub String);

#[allow(dead_code)]
type Unused = FieldClass;
