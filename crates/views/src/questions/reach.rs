//! Blast radius: whom could this person have shown?

use std::ops::Range;

use model::{SessionId, StaffId, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::{WEAK, column, numbers, rows, union_of};
use crate::answers::{BlastRadius, Reach, Reached};
use crate::columns::get;
use crate::page::{Cursor, Page, Paged, Span};
use crate::words::Whose;
use crate::{Views, ViewsError};

impl Views {
    /// What somebody's looks could have shown, in figures.
    pub async fn reach(&self, whose: Whose, span: Span) -> Result<Reach, ViewsError> {
        self.ask(move |tx| reach(tx, &whose, numbers(tx, span)?)).await
    }

    /// The customers seen, in the order of their first look.
    pub async fn reached(&self, whose: Whose, span: Span, page: Page) -> Result<Paged<Reached>, ViewsError> {
        self.ask(move |tx| reached(tx, By::Looks, &whose, numbers(tx, span)?, page)).await
    }

    /// The customers in lists, in the order of their first listing.
    pub async fn reached_in_lists(
        &self,
        whose: Whose,
        span: Span,
        page: Page,
    ) -> Result<Paged<Reached>, ViewsError> {
        self.ask(move |tx| reached(tx, By::Lists, &whose, numbers(tx, span)?, page)).await
    }

    /// A blast radius as a whole, of one moment.
    pub async fn blast_radius(&self, whose: Whose, span: Span) -> Result<BlastRadius, ViewsError> {
        self.ask(move |tx| {
            let numbers = numbers(tx, span)?;
            Ok(BlastRadius {
                as_of: tx.query_row("SELECT next FROM position", [], |row| get(row, "next"))?,
                reach: reach(tx, &whose, numbers.clone())?,
                seen: reached(tx, By::Looks, &whose, numbers.clone(), Page::all())?.rows,
                listed: reached(tx, By::Lists, &whose, numbers.clone(), Page::all())?.rows,
                erased: erased(tx, &whose, numbers)?,
                whose,
                span,
            })
        })
        .await
    }

    /// Whose session this is, if it is known.
    pub async fn staff_of_session(&self, session: SessionId) -> Result<Option<StaffId>, ViewsError> {
        self.ask(move |tx| {
            let sql = "SELECT s.staff FROM sessions x JOIN staff s ON s.no = x.staff WHERE x.session = ?1";
            Ok(tx.query_row(sql, [session.to_string()], |row| get(row, "staff")).optional()?)
        })
        .await
    }
}

/// How customers came within reach.
#[derive(Clone, Copy)]
enum By {
    Looks,
    Lists,
}

impl By {
    /// One row for each customer and entry; the entry is `e`, the customer's number `hit`.
    fn hits(self, whose: &Whose) -> String {
        let whose = condition(whose);
        match self {
            By::Looks => format!(
                "(SELECT *, customer AS hit FROM entries WHERE kind = 'revealed' AND {whose}
                     AND idx >= :from AND idx < :to) e"
            ),
            By::Lists => format!(
                "(SELECT entries.*, listed.customer AS hit FROM entries JOIN listed USING (idx)
                   WHERE kind = 'listed' AND {whose} AND idx >= :from AND idx < :to) e"
            ),
        }
    }
}

fn condition(whose: &Whose) -> &'static str {
    match whose {
        Whose::Staff(_) => "staff = (SELECT no FROM staff WHERE staff = :whose)",
        Whose::Session(_) => "session = :whose",
    }
}

fn parameter(whose: &Whose) -> String {
    match whose {
        Whose::Staff(staff) => staff.to_string(),
        Whose::Session(session) => session.to_string(),
    }
}

fn reach(tx: &Transaction<'_>, whose: &Whose, numbers: Range<i64>) -> Result<Reach, ViewsError> {
    let (looks, lists) = (By::Looks.hits(whose), By::Lists.hits(whose));
    let sql = format!(
        "WITH looks AS (SELECT * FROM {looks}), lists AS (SELECT * FROM {lists})
         SELECT l.*, m.*,
                (SELECT count(*) FROM (SELECT hit FROM lists WHERE hit IS NOT NULL
                                       EXCEPT SELECT hit FROM looks)) AS only_listed
           FROM (SELECT count(*) AS looks, coalesce(sum({WEAK}), 0) AS weak, count(DISTINCT hit) AS customers,
                        count(*) - count(hit) AS looks_at_erased, {classes} AS classes,
                        min(time) AS first_look, max(time) AS last_look FROM looks) l,
                (SELECT count(*) AS listed, count(*) - count(hit) AS listed_erased,
                        min(time) AS first_list, max(time) AS last_list FROM lists) m",
        classes = union_of("classes"),
    );
    let params = named_params! { ":whose": parameter(whose), ":from": numbers.start, ":to": numbers.end };
    let reach = tx.prepare_cached(&sql)?.query_row(params, |row| {
        let times: [Option<Timestamp>; 4] = [
            get(row, "first_look")?,
            get(row, "first_list")?,
            get(row, "last_look")?,
            get(row, "last_list")?,
        ];
        Ok(Reach {
            looks: get(row, "looks")?,
            weak: get(row, "weak")?,
            customers: get(row, "customers")?,
            looks_at_erased: get(row, "looks_at_erased")?,
            only_listed: get(row, "only_listed")?,
            listed: get(row, "listed")?,
            listed_erased: get(row, "listed_erased")?,
            classes: get(row, "classes")?,
            first: times.into_iter().flatten().min(),
            last: times.into_iter().flatten().max(),
        })
    })?;
    Ok(reach)
}

fn reached(
    tx: &Transaction<'_>,
    by: By,
    whose: &Whose,
    numbers: Range<i64>,
    page: Page,
) -> Result<Paged<Reached>, ViewsError> {
    let sql = format!(
        "SELECT c.no AS reference, c.app AS customer_app, c.customer, c.tier AS customer_tier,
                {classes} AS classes, min(e.time) AS first, max(e.time) AS last, max(e.evidence) AS weakest,
                min(e.idx) AS first_idx, group_concat(e.idx) AS entries
           FROM {hits} JOIN customers c ON c.no = e.hit
          GROUP BY c.no HAVING (min(e.idx), c.no) > (:key, :tie)
          ORDER BY first_idx, c.no LIMIT :limit",
        classes = union_of("e.classes"),
        hits = by.hits(whose),
    );
    let after = page.after.unwrap_or(Cursor { key: -1, tie: -1 });
    let params = named_params! {
        ":whose": parameter(whose),
        ":from": numbers.start,
        ":to": numbers.end,
        ":key": after.key,
        ":tie": after.tie,
        ":limit": page.fetch(),
    };
    let found = rows(tx, &sql, params, |row| {
        Ok((Cursor { key: row.get("first_idx")?, tie: row.get("reference")? }, reached_row(row)?))
    })?;
    Ok(Paged::cut(found, page))
}

fn reached_row(row: &Row<'_>) -> Result<Reached, ViewsError> {
    let listed: String = row.get("entries")?;
    let entries: Result<Vec<u64>, _> = listed.split(',').map(str::parse).collect();
    let mut entries = entries.map_err(|e| ViewsError::Corrupt(format!("numbers of entries: {e}")))?;
    entries.sort_unstable();
    entries.dedup();
    Ok(Reached {
        customer: super::customer(row)?,
        classes: get(row, "classes")?,
        first: get(row, "first")?,
        last: get(row, "last")?,
        weakest: get(row, "weakest")?,
        entries,
    })
}

fn erased(tx: &Transaction<'_>, whose: &Whose, numbers: Range<i64>) -> Result<Vec<u64>, ViewsError> {
    let sql = format!(
        "SELECT idx FROM entries WHERE kind = 'revealed' AND customer IS NULL AND {}
            AND idx >= :from AND idx < :to ORDER BY idx",
        condition(whose)
    );
    let params = named_params! { ":whose": parameter(whose), ":from": numbers.start, ":to": numbers.end };
    column(tx, &sql, params)
}
