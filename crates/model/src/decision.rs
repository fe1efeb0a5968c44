//! What one person must not decide alone (P8): proposed, decided by two administrators, carried out.

use crate::{Actor, Commitment, FindingId, Month, ProposalId, Role, SessionId, StaffId, Timestamp, words};

/// Somebody proposes what takes two administrators.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Proposed {
    /// The proposal.
    #[n(0)]
    pub proposal: ProposalId,
    /// What is to be done.
    #[n(1)]
    pub act: Act,
    /// Who proposes it: an administrator, who thereby confirms it for their part, or the operator, who does not.
    #[n(2)]
    pub by: Actor,
    /// In which session of the console, for an administrator.
    #[n(3)]
    pub session: Option<SessionId>,
}

/// What takes two administrators.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Destroys the keys of a customer, so that no entry can be told to be about them any more.
    #[n(0)]
    Erase {
        /// The customer.
        #[n(0)]
        subject: Commitment,
    },
    /// Goes on although the witnesses do not cosign.
    #[n(1)]
    AllowUnwitnessed {
        /// Until then.
        #[n(0)]
        until: Timestamp,
    },
    /// Lifts what a staff member is contained by, whatever the rung.
    #[n(2)]
    Lift {
        /// Who.
        #[n(0)]
        staff: StaffId,
    },
    /// Shows the name behind a finding.
    #[n(3)]
    Name {
        /// Which finding.
        #[n(0)]
        finding: FindingId,
    },
}

impl Act {
    /// The kind, as one stable word.
    pub fn kind(&self) -> &'static str {
        match self {
            Act::Erase { .. } => "erase",
            Act::AllowUnwitnessed { .. } => "allow_unwitnessed",
            Act::Lift { .. } => "lift",
            Act::Name { .. } => "name",
        }
    }

    /// The customer whom it is about.
    pub fn subject(&self) -> Option<Commitment> {
        match self {
            Act::Erase { subject } => Some(*subject),
            Act::AllowUnwitnessed { .. } | Act::Lift { .. } | Act::Name { .. } => None,
        }
    }

    /// Whether somebody of this role may propose and decide it.
    pub fn is_for(&self, role: Role) -> bool {
        match self {
            Act::Erase { .. } | Act::AllowUnwitnessed { .. } => role == Role::Admin,
            Act::Lift { .. } | Act::Name { .. } => role.may_revoke(),
        }
    }
}

/// An administrator decides about a proposal, for their part.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Decided {
    /// Which proposal.
    #[n(0)]
    pub proposal: ProposalId,
    /// The administrator.
    #[n(1)]
    pub by: StaffId,
    /// In which session of theirs.
    #[n(2)]
    pub session: SessionId,
    /// What they decide.
    #[n(3)]
    pub decision: Decision,
}

words! {
    /// What an administrator decides.
    pub enum Decision as "decision" {
        /// Let it be done. It takes two.
        Confirm = 0 "confirm",
        /// Let it not be done. It takes one.
        Reject = 1 "reject",
    }
}

/// Keys of openings were destroyed, before this entry was written.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Erased {
    /// All keys that a customer had at this place of the ledger.
    #[n(0)]
    Customer {
        /// By which proposal.
        #[n(0)]
        proposal: ProposalId,
        /// The customer. None: the process ended between the keys and the entry, so that nobody knows any more.
        #[n(1)]
        subject: Option<Commitment>,
    },
    /// The keys of all customers for the months that are kept no longer.
    #[n(1)]
    Before {
        /// The first month whose keys remain.
        #[n(0)]
        month: Month,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Event, Timestamp};

    #[test]
    fn decisions_and_erasures_read_back_and_have_a_form_in_json() {
        let proposal = ProposalId::from_bytes([1; 10]);
        let session = Some(SessionId::from_bytes([2; 10]));
        let subject = Commitment([3; 32]);
        let by = Actor::Staff("s-1".into());
        let proposed = |act| Event::Proposed(Proposed { proposal, act, by: by.clone(), session });
        let (month, until) = (Month::of(Timestamp(0)), Timestamp(1));
        for (event, json) in [
            (proposed(Act::Erase { subject }), r#""act":{"erase":{"subject":"0303"#),
            (proposed(Act::AllowUnwitnessed { until }), r#""act":{"allow_unwitnessed":{"until":"1970"#),
            (
                Event::Decided(Decided {
                    proposal,
                    by: "s-1".into(),
                    session: SessionId::from_bytes([2; 10]),
                    decision: Decision::Reject,
                }),
                r#""decision":"reject""#,
            ),
            (Event::Erased(Erased::Customer { proposal, subject: None }), r#""customer":{"proposal":"pro-"#),
            (Event::Erased(Erased::Before { month }), r#""event":"erased","before":{"month":"1970-01"}"#),
        ] {
            let entry = Entry { time: Timestamp(5), event };
            assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
            let text = serde_json::to_string(&entry).unwrap();
            assert!(text.contains(json), "{text}");
        }
    }
}
