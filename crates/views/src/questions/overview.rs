//! The overview: what happened, at a glance.

use std::collections::BTreeMap;
use std::ops::Range;

use model::{StaffId, Timestamp};
use rusqlite::Transaction;

use super::staff::{refusals, staff_rows};
use super::{WEAK, by_evidence, closed, evidence_columns, happenings, numbers, rows};
use crate::answers::{Bucket, HeatRow, Overview, Totals};
use crate::columns::get;
use crate::page::{Page, Span};
use crate::words::{StaffFilter, StaffRow, StaffSort};
use crate::{Views, ViewsError};

const REVOCATIONS: u32 = 100;
const HEAT_ROWS: usize = 40;
const UNEXPLAINED: u32 = 10;
const RECENT: u32 = 25;

/// A chart has at most about so many buckets.
const BUCKETS: u64 = 120;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WIDTHS: [u64; 11] = [
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    DAY,
    7 * DAY,
    30 * DAY,
];

impl Views {
    /// The overview page.
    pub async fn overview(&self, span: Span) -> Result<Overview, ViewsError> {
        self.ask(move |tx| {
            let numbers = numbers(tx, span)?;
            let span = closed(tx, span)?;
            let bucket_ms = width(span);
            Ok(Overview {
                span,
                totals: totals(tx, numbers.clone())?,
                refusals: refusals(tx, "", numbers.clone())?,
                bucket_ms,
                buckets: buckets(tx, numbers.clone(), span, bucket_ms)?,
                revocations: happenings(
                    tx,
                    "e.kind = 'revoked'",
                    numbers.clone(),
                    Page::first(REVOCATIONS),
                    &[],
                )?
                .rows,
                heat: heat(tx, numbers.clone())?,
                unexplained: unexplained(tx, numbers.clone(), UNEXPLAINED)?,
                recent: happenings(tx, "e.kind != 'questioned'", numbers, Page::first(RECENT), &[])?.rows,
            })
        })
        .await
    }
}

/// The figures of a span.
pub(super) fn totals(tx: &Transaction<'_>, numbers: Range<i64>) -> Result<Totals, ViewsError> {
    let span = (numbers.start, numbers.end);
    let sql = format!(
        "SELECT {}, count(DISTINCT customer) AS customers, count(*) - count(customer) AS looks_at_erased,
                count(DISTINCT staff) AS staff
           FROM entries WHERE kind = 'revealed' AND idx >= ?1 AND idx < ?2",
        evidence_columns()
    );
    let looks = rows(tx, &sql, span, |row| {
        Ok(Totals {
            looks: by_evidence(row)?,
            customers: get(row, "customers")?,
            looks_at_erased: get(row, "looks_at_erased")?,
            staff: get(row, "staff")?,
            ..Totals::default()
        })
    })?;
    let looks = looks.into_iter().next().unwrap_or_default();
    let sql = "SELECT coalesce(sum(iif(kind = 'listed', rows, 0)), 0) AS listed,
                      coalesce(sum(kind = 'refused'), 0) AS refused,
                      coalesce(sum(kind = 'revoked'), 0) AS revoked,
                      coalesce(sum(kind = 'session_opened'), 0) AS sessions,
                      coalesce(sum(kind = 'questioned'), 0) AS questions
                 FROM entries WHERE idx >= ?1 AND idx < ?2";
    let totals = tx.prepare_cached(sql)?.query_row(span, |row| {
        Ok(Totals {
            listed: get(row, "listed")?,
            refused: get(row, "refused")?,
            revoked: get(row, "revoked")?,
            sessions: get(row, "sessions")?,
            questions: get(row, "questions")?,
            ..looks
        })
    })?;
    Ok(totals)
}

/// Staff with the most unexplained looks; only those with any.
pub(super) fn unexplained(
    tx: &Transaction<'_>,
    numbers: Range<i64>,
    limit: u32,
) -> Result<Vec<StaffRow>, ViewsError> {
    let filter = StaffFilter { sort: StaffSort::Weak, ..StaffFilter::default() };
    let mut staff = staff_rows(tx, &filter, numbers, Page::first(limit))?.rows;
    staff.retain(|row| row.weak > 0);
    Ok(staff)
}

/// The smallest usual width that gives a chart few enough buckets.
fn width(span: Span) -> u64 {
    let (Some(from), Some(to)) = (span.from, span.to) else { return WIDTHS[0] };
    let length = to.0.saturating_sub(from.0);
    WIDTHS.into_iter().find(|width| length / width < BUCKETS).unwrap_or(length / BUCKETS)
}

/// Every bucket of the span, also the empty ones. The span's ends are closed, if there is an entry.
fn buckets(
    tx: &Transaction<'_>,
    numbers: Range<i64>,
    span: Span,
    width: u64,
) -> Result<Vec<Bucket>, ViewsError> {
    let (Some(from), Some(to)) = (span.from, span.to) else { return Ok(Vec::new()) };
    if from >= to {
        return Ok(Vec::new());
    }
    let numbered = from.0 / width..=(to.0 - 1) / width;
    let empty = |n| Bucket { start: Timestamp(n * width), looks: Default::default(), refused: 0, revoked: 0 };
    let mut buckets: BTreeMap<u64, Bucket> = numbered.map(|n| (n, empty(n))).collect();
    let sql = format!(
        "SELECT time / ?3 AS bucket, {}, sum(kind = 'refused') AS refused, sum(kind = 'revoked') AS revoked
           FROM entries WHERE kind IN ('revealed', 'refused', 'revoked') AND idx >= ?1 AND idx < ?2
          GROUP BY bucket",
        evidence_columns()
    );
    let filled = rows(tx, &sql, (numbers.start, numbers.end, crate::columns::number(width)), |row| {
        let n: u64 = get(row, "bucket")?;
        let (refused, revoked) = (get(row, "refused")?, get(row, "revoked")?);
        Ok((n, Bucket { start: Timestamp(n * width), looks: by_evidence(row)?, refused, revoked }))
    })?;
    buckets.extend(filled);
    Ok(buckets.into_values().collect())
}

/// Staff by hour of the day, those with the most looks first.
fn heat(tx: &Transaction<'_>, numbers: Range<i64>) -> Result<Vec<HeatRow>, ViewsError> {
    let sql = format!(
        "SELECT s.staff AS name, time / 3600000 % 24 AS hour, count(*) AS looks, sum({WEAK}) AS weak
           FROM entries e JOIN staff s ON s.no = e.staff
          WHERE kind = 'revealed' AND idx >= ?1 AND idx < ?2 GROUP BY e.staff, hour"
    );
    let cells = rows(tx, &sql, (numbers.start, numbers.end), |row| {
        let staff: StaffId = get(row, "name")?;
        Ok((staff, usize::from(row.get::<_, u8>("hour")?), get(row, "looks")?, get(row, "weak")?))
    })?;
    let mut by_staff = BTreeMap::<StaffId, HeatRow>::new();
    for (staff, hour, looks, weak) in cells {
        let row = by_staff.entry(staff.clone()).or_insert(HeatRow { staff, looks: [0; 24], weak: [0; 24] });
        row.looks[hour] = looks;
        row.weak[hour] = weak;
    }
    let mut heat: Vec<HeatRow> = by_staff.into_values().collect();
    heat.sort_by_key(|row| std::cmp::Reverse(row.looks.iter().sum::<u64>()));
    heat.truncate(HEAT_ROWS);
    Ok(heat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_gives_more_buckets_than_a_chart_can_show() {
        for length in [1, HOUR, DAY, 30 * DAY, 3650 * DAY, u64::MAX / 2] {
            let (from, to) = (Timestamp(1_700_000_000_000), Timestamp(1_700_000_000_000 + length));
            assert!(length / width(Span::between(from, to)) <= BUCKETS, "{length}");
        }
    }
}
