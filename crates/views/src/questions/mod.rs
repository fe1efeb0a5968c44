//! The questions, one file for each; here is what they share.

mod customer;
mod exposed;
mod first_look;
mod marks;
mod overview;
mod reach;
mod sessions;
mod staff;

pub use exposed::Exposed;

use std::ops::Range;

use model::entry::Event;
use model::{AppId, ClassSet, Entry, Evidence, FieldClass, Timestamp};
use rusqlite::{OptionalExtension, Params, Row, Transaction};

use crate::ViewsError;
use crate::columns::{Kept, get, number};
use crate::page::{Cursor, Page, Paged, Span};
use crate::words::{ByEvidence, Customer, CustomerRef, Happening, Post};

/// Evidence F and G, as SQL. The same as [`Evidence::is_weak`].
const WEAK: &str = "evidence IN ('F', 'G')";

/// What `happening` reads.
const HAPPENING: &str = "SELECT e.idx, e.time, e.ticket, e.purpose, e.entry, s.staff,
        c.no AS reference, c.app AS customer_app, c.customer, c.tier AS customer_tier
   FROM entries e LEFT JOIN staff s ON s.no = e.staff LEFT JOIN customers c ON c.no = e.customer";

/// The numbers of the entries in a span. Time never goes back along the ledger, so a span of time is a
/// span of numbers.
fn numbers(tx: &Transaction<'_>, span: Span) -> Result<Range<i64>, ViewsError> {
    let next: i64 = tx.query_row("SELECT next FROM position", [], |row| row.get(0))?;
    let first_from = |time: Timestamp| {
        tx.prepare_cached("SELECT idx FROM entries WHERE time >= ?1 ORDER BY time, idx LIMIT 1")?
            .query_row([number(time.0)], |row| row.get(0))
            .optional()
            .map(|idx| idx.unwrap_or(next))
    };
    let from = span.from.map_or(Ok(0), first_from)?;
    let to = span.to.map_or(Ok(next), first_from)?;
    Ok(from..to.max(from))
}

/// The span with open ends closed at the first and the last entry.
fn closed(tx: &Transaction<'_>, span: Span) -> Result<Span, ViewsError> {
    let (first, last): (Option<Timestamp>, Option<Timestamp>) =
        tx.query_row("SELECT min(time) AS first, max(time) AS last FROM entries", [], |row| {
            Ok((get(row, "first")?, get(row, "last")?))
        })?;
    Ok(Span {
        from: span.from.or(first),
        to: span.to.or(last.map(|last| Timestamp(last.0.saturating_add(1)))),
    })
}

/// The numbers of a page of a list that runs from the newest to the oldest.
fn before(numbers: Range<i64>, page: Page) -> Range<i64> {
    let end = page.after.map_or(numbers.end, |cursor| cursor.key.min(numbers.end));
    numbers.start..end
}

/// Every row of a query.
fn rows<T>(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, ViewsError>,
) -> Result<Vec<T>, ViewsError> {
    tx.prepare_cached(sql)?.query_and_then(params, read)?.collect()
}

/// The first column of every row.
fn column<T: Kept>(tx: &Transaction<'_>, sql: &str, params: impl Params) -> Result<Vec<T>, ViewsError> {
    rows(tx, sql, params, |row| Ok(T::kept(row.get_ref(0)?).map_err(rusqlite::Error::from)?))
}

/// A row of [`HAPPENING`].
fn happening(row: &Row<'_>) -> Result<Happening, ViewsError> {
    let index = get(row, "idx")?;
    Ok(Happening {
        index,
        time: get(row, "time")?,
        staff: get(row, "staff")?,
        customer: get::<Option<CustomerRef>>(row, "reference")?.map(|_| customer(row)).transpose()?,
        ticket: get(row, "ticket")?,
        purpose: get(row, "purpose")?,
        event: event(index, &row.get::<_, Vec<u8>>("entry")?)?,
    })
}

fn event(index: u64, entry: &[u8]) -> Result<Event, ViewsError> {
    let entry = Entry::decode(entry).map_err(|e| ViewsError::Corrupt(format!("entry {index}: {e}")))?;
    Ok(entry.event)
}

/// The columns `reference, customer_app, customer, customer_tier`.
fn customer(row: &Row<'_>) -> Result<Customer, ViewsError> {
    let app: String = get(row, "customer_app")?;
    Ok(Customer {
        reference: get(row, "reference")?,
        app: (!app.is_empty()).then(|| AppId::new(app)),
        customer: get(row, "customer")?,
        tier: get(row, "customer_tier")?,
    })
}

/// The columns `role, team, employer` of a record that need not be there.
fn post(row: &Row<'_>) -> Result<Option<Post>, ViewsError> {
    let Some(role) = get(row, "role")? else { return Ok(None) };
    Ok(Some(Post { role, team: get(row, "team")?, employer: get(row, "employer")? }))
}

/// Columns `A` to `G`: rows of that evidence class.
fn evidence_columns() -> String {
    let columns = Evidence::ALL.iter().map(|e| format!("coalesce(sum(evidence = '{e}'), 0) AS {e}"));
    columns.collect::<Vec<_>>().join(", ")
}

/// What [`evidence_columns`] gave.
fn by_evidence(row: &Row<'_>) -> Result<ByEvidence, ViewsError> {
    let mut looks = ByEvidence::default();
    for (evidence, count) in Evidence::ALL.iter().zip(&mut looks.0) {
        *count = get(row, evidence.word())?;
    }
    Ok(looks)
}

/// Every class in any of the rows. SQLite has no aggregate for it.
fn union_of(column: &str) -> String {
    let bits = FieldClass::ALL.iter().map(|class| ClassSet::from(*class).bits());
    let columns = bits.map(|bit| format!("coalesce(max({column} & {bit}), 0)"));
    columns.collect::<Vec<_>>().join(" | ")
}

/// A page of happenings, the newest first, of those that `condition` holds for.
fn happenings(
    tx: &Transaction<'_>,
    condition: &str,
    numbers: Range<i64>,
    page: Page,
    params: &[(&str, &dyn rusqlite::ToSql)],
) -> Result<Paged<Happening>, ViewsError> {
    let numbers = before(numbers, page);
    let sql = format!(
        "{HAPPENING} WHERE e.idx >= :from AND e.idx < :to AND {condition} ORDER BY e.idx DESC LIMIT :limit"
    );
    let fetch = page.fetch();
    let mut all: Vec<(&str, &dyn rusqlite::ToSql)> =
        vec![(":from", &numbers.start), (":to", &numbers.end), (":limit", &fetch)];
    all.extend_from_slice(params);
    let found = rows(tx, &sql, all.as_slice(), |row| {
        let happening = happening(row)?;
        Ok((Cursor::at(happening.index), happening))
    })?;
    Ok(Paged::cut(found, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_evidence_means_the_same_in_sql_as_in_the_model() {
        let weak: Vec<_> = Evidence::ALL.iter().filter(|e| e.is_weak()).map(|e| format!("'{e}'")).collect();
        assert_eq!(WEAK, format!("evidence IN ({})", weak.join(", ")));
    }
}
