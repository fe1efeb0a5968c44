//! The auditor's reading of what takes two administrators (P8).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use model::entry::{Act, Decided, Decision, Erased, Proposed};
use model::{Month, ProposalId, Role, StaffId, Timestamp};

use super::fold::Breach;

/// A proposal that nobody decided is over after that.
const OPEN_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many administrators it takes.
const NEEDED: usize = 2;

/// What was proposed, and what two have confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Proposals {
    open: HashMap<ProposalId, Open>,
    /// Erasures that two have confirmed and that are not carried out.
    erasures: HashSet<ProposalId>,
    /// The keys of months before this one were destroyed.
    erased_before: Option<Month>,
}

/// What a proposal is about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum What {
    Erase,
    AllowUnwitnessed,
    Lift(StaffId),
    Name,
}

impl What {
    pub(super) fn of(act: &Act) -> Self {
        match act {
            Act::Erase { .. } => What::Erase,
            Act::AllowUnwitnessed { .. } => What::AllowUnwitnessed,
            Act::Lift { staff } => What::Lift(staff.clone()),
            Act::Name { .. } => What::Name,
        }
    }

    /// Administrators decide, about findings analysts too; nobody about their own containment.
    pub(super) fn is_for(&self, staff: &StaffId, role: Role) -> bool {
        match self {
            What::Erase | What::AllowUnwitnessed => role == Role::Admin,
            What::Lift(contained) => role.may_revoke() && contained != staff,
            What::Name => role.may_revoke(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Open {
    what: What,
    expires: Timestamp,
    confirmed_by: BTreeSet<StaffId>,
}

impl Proposals {
    /// A proposal of somebody who may make it; an administrator confirms it thereby.
    pub(super) fn propose(&mut self, e: &Proposed, now: Timestamp) -> Result<(), Breach> {
        let latest = now.plus(OPEN_FOR);
        let expires = match e.act {
            Act::AllowUnwitnessed { until } => latest.min(until),
            Act::Erase { .. } | Act::Lift { .. } | Act::Name { .. } => latest,
        };
        let what = What::of(&e.act);
        let open = Open { what, expires, confirmed_by: e.by.staff().cloned().into_iter().collect() };
        match self.open.insert(e.proposal, open) {
            None if !self.erasures.contains(&e.proposal) => Ok(()),
            _ => Err(Breach::Twice(e.proposal.to_string())),
        }
    }

    /// What an open proposal is about.
    pub(super) fn what(&self, proposal: ProposalId) -> Result<&What, Breach> {
        self.open.get(&proposal).map(|open| &open.what).ok_or(Breach::NoProposal(proposal))
    }

    /// A decision. What two have now confirmed.
    pub(super) fn decide(&mut self, e: &Decided, now: Timestamp) -> Result<Option<What>, Breach> {
        let open = self.open.get_mut(&e.proposal).ok_or(Breach::NoProposal(e.proposal))?;
        if open.expires <= now {
            return Err(Breach::Expired { what: e.proposal.to_string(), at: open.expires });
        }
        if e.decision == Decision::Confirm {
            if !open.confirmed_by.insert(e.by.clone()) {
                return Err(Breach::ConfirmedTwice { proposal: e.proposal, by: e.by.clone() });
            }
            if open.confirmed_by.len() < NEEDED {
                return Ok(None);
            }
            if open.what == What::Erase {
                self.erasures.insert(e.proposal);
            }
        }
        let decided = self.open.remove(&e.proposal);
        Ok(decided.filter(|_| e.decision == Decision::Confirm).map(|open| open.what))
    }

    /// Keys were destroyed: those of a customer by what two confirmed, or those of months that are over.
    pub(super) fn erase(&mut self, e: &Erased, now: Timestamp) -> Result<(), Breach> {
        match e {
            Erased::Customer { proposal, .. } => match self.erasures.remove(proposal) {
                true => Ok(()),
                false => Err(match self.open.get(proposal) {
                    Some(open) => {
                        Breach::Unconfirmed { proposal: *proposal, confirmed: open.confirmed_by.len() }
                    }
                    None => Breach::NoProposal(*proposal),
                }),
            },
            Erased::Before { month } => {
                if *month > Month::of(now) || self.erased_before.is_some_and(|before| *month <= before) {
                    return Err(Breach::WrongMonth(*month));
                }
                self.erased_before = Some(*month);
                Ok(())
            }
        }
    }
}
