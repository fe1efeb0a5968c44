//! The auditor's reading of what takes two administrators (P8).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use model::entry::{Act, Decided, Decision, Erased, Proposed};
use model::{Month, ProposalId, StaffId, Timestamp};

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

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Open {
    erases: bool,
    expires: Timestamp,
    confirmed_by: BTreeSet<StaffId>,
}

impl Proposals {
    /// A proposal of somebody who may make it; an administrator confirms it thereby.
    pub(super) fn propose(&mut self, e: &Proposed, now: Timestamp) -> Result<(), Breach> {
        let latest = now.plus(OPEN_FOR);
        let (erases, expires) = match e.act {
            Act::Erase { .. } => (true, latest),
            Act::AllowUnwitnessed { until } => (false, latest.min(until)),
        };
        let open = Open { erases, expires, confirmed_by: e.by.staff().cloned().into_iter().collect() };
        match self.open.insert(e.proposal, open) {
            None if !self.erasures.contains(&e.proposal) => Ok(()),
            _ => Err(Breach::Twice(e.proposal.to_string())),
        }
    }

    /// The decision of an administrator.
    pub(super) fn decide(&mut self, e: &Decided, now: Timestamp) -> Result<(), Breach> {
        let open = self.open.get_mut(&e.proposal).ok_or(Breach::NoProposal(e.proposal))?;
        if open.expires <= now {
            return Err(Breach::Expired { what: e.proposal.to_string(), at: open.expires });
        }
        if e.decision == Decision::Confirm {
            if !open.confirmed_by.insert(e.by.clone()) {
                return Err(Breach::ConfirmedTwice { proposal: e.proposal, by: e.by.clone() });
            }
            if open.confirmed_by.len() < NEEDED {
                return Ok(());
            }
            if open.erases {
                self.erasures.insert(e.proposal);
            }
        }
        self.open.remove(&e.proposal);
        Ok(())
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
