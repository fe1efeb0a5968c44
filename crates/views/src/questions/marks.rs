//! Which marks were issued?

use model::entry::Event;
use model::{Entry, MarkIssued};

use super::{numbers, rows};
use crate::columns::get;
use crate::page::Span;
use crate::{Views, ViewsError};

impl Views {
    /// Every mark that was issued in a span, in the order of the ledger, and how far along the ledger that is. More
    /// than one entry may issue the same mark: several gateways may show one session its pages.
    pub async fn marks(&self, span: Span) -> Result<Vec<MarkIssued>, ViewsError> {
        self.ask(move |tx| {
            let numbers = numbers(tx, span)?;
            let sql = "SELECT idx, entry FROM entries WHERE kind = 'mark_issued' AND idx >= ?1 AND idx < ?2 ORDER BY idx";
            rows(tx, sql, (numbers.start, numbers.end), |row| {
                let index: u64 = get(row, "idx")?;
                let corrupt = |what: &dyn std::fmt::Display| ViewsError::Corrupt(format!("entry {index}: {what}"));
                match Entry::decode(&row.get::<_, Vec<u8>>("entry")?).map_err(|e| corrupt(&e))?.event {
                    Event::MarkIssued(issued) => Ok(issued),
                    other => Err(corrupt(&other.kind())),
                }
            })
        })
        .await
    }
}
