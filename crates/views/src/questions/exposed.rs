//! Who was shown which customers? What the record set of a leak is compared with.

use model::{CustomerId, SessionId, StaffId, Timestamp};
use rusqlite::named_params;

use super::{numbers, rows};
use crate::columns::get;
use crate::page::Span;
use crate::{Views, ViewsError};

/// A customer within the reach of a session, by a look or in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposed {
    /// Whose session.
    pub staff: StaffId,
    /// In which session.
    pub session: SessionId,
    /// Whom.
    pub customer: CustomerId,
    /// When they were first shown in this session.
    pub first: Timestamp,
    /// By a look; otherwise only in lists.
    pub opened: bool,
}

impl Views {
    /// Everybody who was shown to anybody in a span, once for each session. Customers who were erased are in none of it.
    pub async fn exposed(&self, span: Span) -> Result<Vec<Exposed>, ViewsError> {
        self.ask(move |tx| {
            let numbers = numbers(tx, span)?;
            let sql = "WITH hits AS (
                 SELECT session, staff, time, customer AS hit, 1 AS opened FROM entries
                  WHERE kind = 'revealed' AND customer IS NOT NULL AND idx >= :from AND idx < :to
                  UNION ALL
                 SELECT e.session, e.staff, e.time, l.customer, 0 FROM entries e JOIN listed l USING (idx)
                  WHERE e.kind = 'listed' AND l.customer IS NOT NULL AND e.idx >= :from AND e.idx < :to)
               SELECT s.staff, h.session, c.customer, min(h.time) AS first, max(h.opened) AS opened
                 FROM hits h JOIN staff s ON s.no = h.staff JOIN customers c ON c.no = h.hit
                GROUP BY h.session, s.no, c.no ORDER BY first, h.session, c.no";
            let params = named_params! { ":from": numbers.start, ":to": numbers.end };
            rows(tx, sql, params, |row| {
                Ok(Exposed {
                    staff: get(row, "staff")?,
                    session: get(row, "session")?,
                    customer: get(row, "customer")?,
                    first: get(row, "first")?,
                    opened: row.get("opened")?,
                })
            })
        })
        .await
    }
}
