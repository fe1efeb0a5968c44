//! Incidents: what must not have happened, and needs people to look into it.

use crate::entry::Actor;
use crate::{IncidentId, words};

/// An incident was opened.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct IncidentOpened {
    /// The incident.
    #[n(0)]
    pub incident: IncidentId,
    /// What happened.
    #[n(1)]
    pub what: IncidentKind,
    /// Who opened it.
    #[n(2)]
    pub by: Actor,
    /// How many entries the ledger had when it was noticed.
    #[n(3)]
    pub size: u64,
    /// The witness that contradicts the ledger, by the name of its key.
    #[n(4)]
    pub witness: Option<String>,
    /// How many entries that witness has seen.
    #[n(5)]
    pub seen: Option<u64>,
    /// Whether it is proved: the witness showed a checkpoint that this ledger's own key signed and that
    /// contradicts the ledger. Otherwise it is what the witness says.
    #[n(6)]
    pub proved: bool,
}

words! {
    /// What an incident is about.
    pub enum IncidentKind as "kind of incident" {
        /// A witness has seen another history of this ledger.
        LedgerFork = 0 "ledger_fork",
        /// A witness has seen more entries than the ledger has: it was set back.
        LedgerRollback = 1 "ledger_rollback",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Entry, Event, OsEntropy, Timestamp};

    #[test]
    fn an_incident_reads_back_from_its_entry_and_says_its_kind_in_words() {
        let opened = IncidentOpened {
            incident: IncidentId::fresh(&OsEntropy),
            what: IncidentKind::LedgerRollback,
            by: Actor::System,
            size: 12,
            witness: Some("witness.example/w1".to_owned()),
            seen: Some(40),
            proved: true,
        };
        let entry = Entry { time: Timestamp(1_750_000_000_000), event: Event::IncidentOpened(opened) };
        assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
        assert_eq!((entry.event.kind(), entry.event.staff()), ("incident_opened", None));
        assert_eq!("ledger_rollback".parse(), Ok(IncidentKind::LedgerRollback));
    }
}
