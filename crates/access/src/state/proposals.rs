//! What two administrators decide: proposals, and what they lead to.

use std::collections::BTreeMap;
use std::time::Duration;

use model::entry::{Act, Actor, Decided, Decision, Erased, Proposed, Why};
use model::{CustomerId, Month, ProposalId, Role, SessionId, StaffId, Timestamp};
use people::Register;

use super::console::at_console;

/// How long a proposal waits to be decided.
pub const OPEN_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// For how long, at the most, two administrators may let the gateway go on without its witnesses.
pub const UNWITNESSED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many administrators it takes.
pub const NEEDED: usize = 2;

/// A proposal, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Proposal {
    /// Its id.
    #[n(0)]
    pub id: ProposalId,
    /// What is to be done.
    #[n(1)]
    pub act: Act,
    /// Who proposed it.
    #[n(2)]
    pub by: Actor,
    /// The entry that says so; its opening names the customer.
    #[n(3)]
    pub index: u64,
    /// When it was proposed.
    #[n(4)]
    pub proposed: Timestamp,
    /// It must be decided before that.
    #[n(5)]
    pub expires: Timestamp,
    /// The administrators who have confirmed it, in that order.
    #[n(6)]
    pub confirmed_by: Vec<StaffId>,
    /// Whom it is about. Kept here because the entry that carries it out can be opened by nobody, and each of several
    /// gateways must forget the same.
    #[n(7)]
    pub(super) customer: Option<CustomerId>,
}

impl Proposal {
    /// Whether somebody of this role may decide about it; never about their own containment.
    pub fn is_for(&self, staff: &StaffId, role: Role) -> bool {
        may_decide(&self.act, staff, role)
    }
}

fn may_decide(act: &Act, staff: &StaffId, role: Role) -> bool {
    let is_own = matches!(act, Act::Lift { staff: contained } if contained == staff);
    act.is_for(role) && !is_own
}

/// The proposals that wait for something, and what others have led to.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(super) struct Proposals {
    /// Not decided. Those that have expired are dropped when the next one comes.
    #[n(0)]
    open: BTreeMap<ProposalId, Proposal>,
    /// Confirmed, and not carried out.
    #[n(1)]
    confirmed: BTreeMap<ProposalId, Proposal>,
    #[n(2)]
    pub(super) unwitnessed_until: Option<Timestamp>,
    #[n(3)]
    pub(super) erased_before: Option<Month>,
}

impl Proposals {
    pub(super) fn open(&self, now: Timestamp) -> impl Iterator<Item = &Proposal> {
        self.open.values().filter(move |proposal| now < proposal.expires)
    }

    pub(super) fn confirmed(&self) -> impl Iterator<Item = &Proposal> {
        self.confirmed.values()
    }

    pub(super) fn check_proposed(&self, e: &Proposed, people: &Register, now: Timestamp) -> Result<(), Why> {
        match (&e.by, e.session) {
            (Actor::Staff(staff), Some(session)) => check_decider(&e.act, people, staff, session, now)?,
            (Actor::Operator, None) => {}
            _ => return Err(Why::BadRequest),
        }
        if self.open.contains_key(&e.proposal) || self.confirmed.contains_key(&e.proposal) {
            return Err(Why::BadRequest);
        }
        match e.act {
            Act::Erase { .. } | Act::Lift { .. } | Act::Name { .. } => Ok(()),
            Act::AllowUnwitnessed { until } if now < until && until <= now.plus(UNWITNESSED_FOR) => Ok(()),
            Act::AllowUnwitnessed { .. } => Err(Why::BadRequest),
        }
    }

    pub(super) fn check_decided(&self, e: &Decided, people: &Register, now: Timestamp) -> Result<(), Why> {
        let (session, _) = people.may_act(e.session, now)?;
        if session.staff != e.by {
            return Err(Why::SessionEnded);
        }
        let open = self.open.get(&e.proposal).filter(|proposal| now < proposal.expires);
        let proposal = open.ok_or(Why::NoSuchProposal)?;
        check_decider(&proposal.act, people, &e.by, e.session, now)?;
        match e.decision {
            Decision::Confirm if proposal.confirmed_by.contains(&e.by) => Err(Why::AlreadyConfirmed),
            Decision::Confirm | Decision::Reject => Ok(()),
        }
    }

    /// Keys of this month are in use, so they cannot be gone.
    pub(super) fn check_erased(&self, e: &Erased, now: Timestamp) -> Result<(), Why> {
        match e {
            Erased::Customer { proposal, .. } => {
                let confirmed = self.confirmed.get(proposal).ok_or(Why::NoSuchProposal)?;
                if matches!(confirmed.act, Act::Erase { .. }) { Ok(()) } else { Err(Why::BadRequest) }
            }
            Erased::Before { month } => {
                let further = self.erased_before.is_none_or(|before| before < *month);
                if further && *month <= Month::of(now) { Ok(()) } else { Err(Why::BadRequest) }
            }
        }
    }

    pub(super) fn propose(
        &mut self,
        index: u64,
        e: &Proposed,
        customer: Option<&CustomerId>,
        now: Timestamp,
    ) {
        self.open.retain(|_, proposal| now < proposal.expires);
        let expires = match e.act {
            Act::Erase { .. } | Act::Lift { .. } | Act::Name { .. } => now.plus(OPEN_FOR),
            Act::AllowUnwitnessed { until } => now.plus(OPEN_FOR).min(until),
        };
        let proposal = Proposal {
            id: e.proposal,
            act: e.act.clone(),
            by: e.by.clone(),
            index,
            proposed: now,
            expires,
            confirmed_by: e.by.staff().cloned().into_iter().collect(),
            customer: customer.cloned(),
        };
        self.open.insert(e.proposal, proposal);
    }

    /// What two have now confirmed.
    pub(super) fn decide(&mut self, e: &Decided) -> Option<Act> {
        let mut proposal = self.open.remove(&e.proposal)?;
        if e.decision == Decision::Reject {
            return None;
        }
        proposal.confirmed_by.push(e.by.clone());
        if proposal.confirmed_by.len() < NEEDED {
            self.open.insert(e.proposal, proposal);
            return None;
        }
        let act = proposal.act.clone();
        match act {
            Act::AllowUnwitnessed { until } => self.unwitnessed_until = Some(until),
            Act::Erase { .. } => drop(self.confirmed.insert(e.proposal, proposal)),
            Act::Lift { .. } | Act::Name { .. } => {}
        }
        Some(act)
    }

    /// Whom to forget: no proposal names them any more either.
    pub(super) fn carried_out(&mut self, e: &Erased) -> Option<CustomerId> {
        match e {
            Erased::Customer { proposal, .. } => {
                let customer = self.confirmed.remove(proposal)?.customer?;
                for other in self.open.values_mut().chain(self.confirmed.values_mut()) {
                    other.customer.take_if(|theirs| *theirs == customer);
                }
                Some(customer)
            }
            Erased::Before { month } => {
                self.erased_before = Some(*month);
                None
            }
        }
    }
}

/// Whether this is somebody to decide about such an act, in a live session of their own at the console; never about
/// their own containment.
fn check_decider(
    act: &Act,
    people: &Register,
    staff: &StaffId,
    session: SessionId,
    now: Timestamp,
) -> Result<(), Why> {
    let record = at_console(people, staff, session, now)?;
    if may_decide(act, staff, record.role) { Ok(()) } else { Err(Why::NotPermitted) }
}
