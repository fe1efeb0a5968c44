//! Rules of detection that an entry met, and decoys for those who look without a reason.

use crate::entry::Actor;
use crate::{AppId, Digest, StaffId, words};

/// Entries met a rule. A lead, not a verdict.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct RuleMatched {
    /// The rule, by its id.
    #[n(0)]
    pub rule: String,
    /// The digest of the file that it stood in: with it, what was met can be read later.
    #[n(1)]
    pub text: Digest,
    /// How serious its author thinks it is.
    #[n(2)]
    pub level: RuleLevel,
    /// The entries that met it, by number, in order; of many, the latest. The last completed it.
    #[n(3)]
    pub entries: Vec<u64>,
    /// The staff members whom these entries are about.
    #[n(4)]
    pub staff: Vec<StaffId>,
    /// How often the rule was met since the entry before this one that says so, and was not recorded, because it was met
    /// too often.
    #[n(5)]
    pub unrecorded: u32,
}

impl RuleMatched {
    /// What stands for a rule where something that only a decoy has was used from outside: the entries are those that
    /// showed it to somebody.
    pub const CANARY_USED: &str = "canary-used";
}

words! {
    /// How serious the author of a rule thinks it is to meet it; Sigma's `level`.
    pub enum RuleLevel as "level of a rule" {
        /// Worth knowing.
        Informational = 0 "informational",
        /// Worth a look when there is time.
        Low = 1 "low",
        /// Worth a look.
        Medium = 2 "medium",
        /// Worth a look now.
        High = 3 "high",
        /// Worth being woken up.
        Critical = 4 "critical",
    }
}

/// Decoy customers were put into an app, or taken out of use. Which ones, their openings say, outside the entry.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct CanariesPlanted {
    /// In which app.
    #[n(0)]
    pub app: AppId,
    /// What was done with them.
    #[n(1)]
    pub what: CanaryChange,
    /// How many.
    #[n(2)]
    pub count: u32,
    /// [`Digest::over`] the commitments to them, in order.
    #[n(3)]
    pub subjects: Digest,
    /// Who did it.
    #[n(4)]
    pub by: Actor,
}

words! {
    /// What was done with canaries.
    pub enum CanaryChange as "change of canaries" {
        /// They are decoys from here on.
        Planted = 0 "planted",
        /// A look at them is a finding still; they are shown to nobody new.
        Retired = 1 "retired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Event, Timestamp};

    #[test]
    fn a_met_rule_and_planted_canaries_read_back_from_their_entries() {
        let matched = Event::RuleMatched(RuleMatched {
            rule: "9c7d7d7e-0000-5000-8000-000000000001".into(),
            text: Digest([1; 32]),
            level: RuleLevel::High,
            entries: vec![3, 900, 70_000],
            staff: vec!["s-17".into()],
            unrecorded: 2,
        });
        let planted = Event::CanariesPlanted(CanariesPlanted {
            app: AppId::new("desk"),
            what: CanaryChange::Planted,
            count: 20,
            subjects: Digest([2; 32]),
            by: Actor::Operator,
        });
        for (event, kind, staff) in
            [(matched, "rule_matched", Some("s-17".into())), (planted, "canaries_planted", None)]
        {
            let entry = Entry { time: Timestamp(1_750_000_000_000), event };
            assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
            assert_eq!((entry.event.kind(), entry.event.staff().cloned()), (kind, staff));
            assert!(!entry.event.is_fence());
        }
    }
}
