//! What rules look at: an entry as OCSF tells it, and under `unmapped` what only this house knows of it.
//!
//! `unmapped.customer` stands for the customer: the same within a process, so that one can be counted, and nothing that
//! leads back to them. `unmapped.canary` says that the entry is about a decoy (`opened`) or shows one among others
//! (`listed`). `unmapped.staff` is the record of whoever the entry is about.

use export::{Format, Records, Writer};
use ledger::{LedgerError, Record};
use model::clock::random;
use model::{CustomerId, Digest, Entropy, Event, Opening, StaffId, StaffRecord};
use serde_json::{Value, json};

/// What rules may know besides the ledger.
pub trait Knowledge: Send + Sync {
    /// A staff member's record, as of now.
    fn staff(&self, staff: &StaffId) -> Option<StaffRecord>;
    /// Whether a customer is a decoy.
    fn is_canary(&self, customer: &CustomerId) -> bool;
}

/// Makes events of records, in the order of the ledger.
pub(crate) struct Teller {
    writer: Writer,
    key: [u8; 32],
}

impl Teller {
    pub(crate) fn new(origin: &str, entropy: &dyn Entropy) -> Self {
        Self { writer: Writer::new(origin, Format::Ocsf), key: random(entropy) }
    }

    /// The event of a record. What it refers to is read from `records`.
    pub(crate) fn tell(
        &mut self,
        record: &Record,
        records: &dyn Records,
        knows: &dyn Knowledge,
    ) -> Result<Value, LedgerError> {
        let mut event = self.writer.event(record, records)?;
        let said = &record.entry.event;
        let unmapped = &mut event["unmapped"];
        if let Some(staff) = said.staff() {
            unmapped["staff"] = match knows.staff(staff) {
                Some(known) => json!({
                    "uid": staff, "role": known.role, "team": known.team, "employer": known.employer,
                }),
                None => json!({ "uid": staff }),
            };
        }
        let customers: Vec<&CustomerId> =
            record.openings.iter().flatten().map(|opening: &Opening| &opening.subject.customer).collect();
        match (said, customers.as_slice()) {
            // Planting them is no look at them.
            (Event::CanariesPlanted(_), _) => {}
            (Event::Listed(_), rows) => {
                let canaries = rows.iter().filter(|customer| knows.is_canary(customer)).count();
                if canaries > 0 {
                    unmapped["canary"] = "listed".into();
                    unmapped["canaries"] = canaries.into();
                }
            }
            (_, [customer]) => {
                unmapped["customer"] = json!(self.stand_in(customer));
                if knows.is_canary(customer) {
                    unmapped["canary"] = "opened".into();
                }
            }
            _ => {}
        }
        Ok(event)
    }

    fn stand_in(&self, customer: &CustomerId) -> Digest {
        Digest::of(&[self.key.as_slice(), customer.as_str().as_bytes()].concat())
    }
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}
