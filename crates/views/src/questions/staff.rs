//! Staff: who they are, what they did, and what was done about them.

use std::ops::Range;

use model::{StaffId, StaffRecord};
use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::{WEAK, by_evidence, column, evidence_columns, happenings, numbers, post, rows};
use crate::columns::get;
use crate::page::{Cursor, Page, Paged, Span};
use crate::words::{Happening, RecordRow, StaffFilter, StaffRow, StaffSort, StaffSummary, WhyCount};
use crate::{Views, ViewsError};

impl Views {
    /// Staff and what they did in the span.
    pub async fn staff_list(
        &self,
        filter: StaffFilter,
        span: Span,
        page: Page,
    ) -> Result<Paged<StaffRow>, ViewsError> {
        self.ask(move |tx| staff_rows(tx, &filter, numbers(tx, span)?, page)).await
    }

    /// A staff member at a glance; none if the ledger never named them.
    pub async fn staff_summary(
        &self,
        staff: StaffId,
        span: Span,
    ) -> Result<Option<StaffSummary>, ViewsError> {
        self.ask(move |tx| summary(tx, &staff, numbers(tx, span)?)).await
    }

    /// What a staff member did and what was done about them, the newest first.
    pub async fn staff_timeline(
        &self,
        staff: StaffId,
        span: Span,
        page: Page,
    ) -> Result<Paged<Happening>, ViewsError> {
        self.ask(move |tx| {
            let of_staff = "e.staff = (SELECT no FROM staff WHERE staff = :staff)";
            happenings(tx, of_staff, numbers(tx, span)?, page, &[(":staff", &staff.as_str())])
        })
        .await
    }
}

/// The figures of each staff member, as the table `figures`.
fn figures(condition: &str) -> String {
    format!(
        "figures AS (
           SELECT s.no, s.staff, s.status, r.role, r.team, r.employer,
                  coalesce(sum(e.kind = 'revealed'), 0) AS looks,
                  count(DISTINCT iif(e.kind = 'revealed', e.customer, NULL)) AS customers,
                  coalesce(sum(e.kind = 'revealed' AND e.{WEAK}), 0) AS weak,
                  coalesce(sum(iif(e.kind = 'listed', e.rows, 0)), 0) AS listed,
                  coalesce(sum(e.kind = 'refused'), 0) AS refused,
                  max(iif(e.kind IN ('session_opened', 'revealed', 'listed', 'written', 'refused', 'questioned'),
                          e.time, NULL)) AS last_seen
             FROM staff s
             LEFT JOIN staff_records r ON r.idx = s.record
             LEFT JOIN entries e ON e.staff = s.no AND e.idx >= :from AND e.idx < :to
            WHERE {condition}
            GROUP BY s.no)"
    )
}

/// A page of staff in the order that the filter wants.
pub(super) fn staff_rows(
    tx: &Transaction<'_>,
    filter: &StaffFilter,
    numbers: Range<i64>,
    page: Page,
) -> Result<Paged<StaffRow>, ViewsError> {
    let key = match filter.sort {
        StaffSort::Looks => "-looks",
        StaffSort::Customers => "-customers",
        StaffSort::Weak => "-weak",
        StaffSort::Refused => "-refused",
        StaffSort::Listed => "-listed",
        StaffSort::LastSeen => "-coalesce(last_seen, 0)",
        StaffSort::Name => "rank() OVER (ORDER BY staff)",
    };
    let sign = if filter.reversed { "-" } else { "" };
    let figures = figures(
        "instr(lower(concat_ws(char(10), s.staff, r.role, r.team, r.employer)), lower(:text)) OR :text = ''",
    );
    let sql = format!(
        "WITH {figures}, keyed AS (SELECT *, {sign}({key}) AS key FROM figures)
         SELECT * FROM keyed WHERE (key, no) > (:key, :tie) ORDER BY key, no LIMIT :limit"
    );
    let after = page.after.unwrap_or(Cursor { key: i64::MIN, tie: i64::MIN });
    let params = named_params! {
        ":from": numbers.start,
        ":to": numbers.end,
        ":text": filter.text,
        ":key": after.key,
        ":tie": after.tie,
        ":limit": page.fetch(),
    };
    let found = rows(tx, &sql, params, |row| {
        Ok((Cursor { key: row.get("key")?, tie: row.get("no")? }, staff_row(row)?))
    })?;
    Ok(Paged::cut(found, page))
}

fn staff_row(row: &Row<'_>) -> Result<StaffRow, ViewsError> {
    Ok(StaffRow {
        staff: get(row, "staff")?,
        post: post(row)?,
        status: get(row, "status")?,
        looks: get(row, "looks")?,
        customers: get(row, "customers")?,
        weak: get(row, "weak")?,
        listed: get(row, "listed")?,
        refused: get(row, "refused")?,
        last_seen: get(row, "last_seen")?,
    })
}

fn summary(
    tx: &Transaction<'_>,
    staff: &StaffId,
    numbers: Range<i64>,
) -> Result<Option<StaffSummary>, ViewsError> {
    let no: Option<i64> = tx
        .prepare_cached("SELECT no FROM staff WHERE staff = ?1")?
        .query_row([staff.as_str()], |row| row.get(0))
        .optional()?;
    let Some(no) = no else { return Ok(None) };
    let of_staff = named_params! { ":no": no, ":from": numbers.start, ":to": numbers.end };
    let in_span = "staff = :no AND idx >= :from AND idx < :to";

    let sql = format!("WITH {} SELECT * FROM figures", figures("s.no = :no"));
    let Some(row) = rows(tx, &sql, of_staff, staff_row)?.pop() else { return Ok(None) };

    let sql = format!("SELECT {} FROM entries WHERE kind = 'revealed' AND {in_span}", evidence_columns());
    let looks = rows(tx, &sql, of_staff, by_evidence)?;

    let sql = format!(
        "SELECT time / 3600000 % 24 AS hour, count(*) AS looks
           FROM entries WHERE kind = 'revealed' AND {in_span} GROUP BY hour"
    );
    let mut by_hour = [0; 24];
    for (hour, looks) in
        rows(tx, &sql, of_staff, |row| Ok((usize::from(row.get::<_, u8>("hour")?), get(row, "looks")?)))?
    {
        by_hour[hour] = looks;
    }

    let sql = format!("SELECT count(*) FROM sessions WHERE {in_span}");
    let sessions = column(tx, &sql, of_staff)?;

    Ok(Some(StaffSummary {
        row,
        records: records(tx, no)?,
        by_evidence: looks.into_iter().next().unwrap_or_default(),
        by_hour,
        sessions: sessions.into_iter().next().unwrap_or_default(),
        refusals: refusals(tx, &format!("AND staff = {no}"), numbers)?,
    }))
}

/// Refusals by reason, the most frequent first.
pub(super) fn refusals(
    tx: &Transaction<'_>,
    and: &str,
    numbers: Range<i64>,
) -> Result<Vec<WhyCount>, ViewsError> {
    let sql = format!(
        "SELECT why, count(*) AS count FROM entries
          WHERE kind = 'refused' AND idx >= ?1 AND idx < ?2 {and} GROUP BY why ORDER BY count DESC, why"
    );
    rows(tx, &sql, (numbers.start, numbers.end), |row| {
        Ok(WhyCount { why: get(row, "why")?, count: get(row, "count")? })
    })
}

fn records(tx: &Transaction<'_>, no: i64) -> Result<Vec<RecordRow>, ViewsError> {
    let sql = "SELECT r.*, s.staff AS name FROM staff_records r JOIN staff s ON s.no = r.staff
                WHERE r.staff = ?1 ORDER BY r.idx DESC";
    rows(tx, sql, [no], |row| {
        Ok(RecordRow {
            index: get(row, "idx")?,
            time: get(row, "time")?,
            record: StaffRecord {
                staff: get(row, "name")?,
                role: get(row, "role")?,
                team: get(row, "team")?,
                employer: get(row, "employer")?,
                site: get(row, "site")?,
                status: get(row, "status")?,
                cleared_until: get(row, "cleared_until")?,
            },
        })
    })
}
