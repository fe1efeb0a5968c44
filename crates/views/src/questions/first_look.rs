//! The first-look report: who looks at whom without a reason, and what enforcement would change.

use std::collections::BTreeMap;
use std::ops::Range;

use model::FieldClass;
use model::entry::Why;
use rusqlite::Transaction;

use super::overview::{totals, unexplained};
use super::{HAPPENING, WEAK, by_evidence, closed, evidence_columns, happening, numbers, rows};
use crate::answers::{ClassCount, FirstLook, GroupRow, StopCount};
use crate::columns::get;
use crate::page::Span;
use crate::words::Happening;
use crate::{Views, ViewsError};

const LOOKS: u32 = 20;
const STAFF: u32 = 20;

impl Views {
    /// The first-look report.
    pub async fn first_look(&self, span: Span) -> Result<FirstLook, ViewsError> {
        self.ask(move |tx| {
            let numbers = numbers(tx, span)?;
            Ok(FirstLook {
                span: closed(tx, span)?,
                totals: totals(tx, numbers.clone())?,
                observed: observed(tx, numbers.clone())?,
                unexplained: looks(tx, numbers.clone())?,
                by_staff: unexplained(tx, numbers.clone(), STAFF)?,
                by_team: groups(tx, "team", numbers.clone())?,
                by_employer: groups(tx, "employer", numbers.clone())?,
                masked: masked(tx, numbers.clone())?,
                stopped: stopped(tx, numbers)?,
            })
        })
        .await
    }
}

fn observed(tx: &Transaction<'_>, numbers: Range<i64>) -> Result<u64, ViewsError> {
    let sql = "SELECT count(*) AS looks FROM entries
                WHERE kind = 'revealed' AND mode = 'observe' AND idx >= ?1 AND idx < ?2";
    Ok(tx.prepare_cached(sql)?.query_row((numbers.start, numbers.end), |row| get(row, "looks"))?)
}

fn looks(tx: &Transaction<'_>, numbers: Range<i64>) -> Result<Vec<Happening>, ViewsError> {
    let classes: Vec<String> =
        (0..FieldClass::ALL.len()).map(|bit| format!("(e.classes >> {bit} & 1)")).collect();
    let sql = format!(
        "{HAPPENING} WHERE e.kind = 'revealed' AND e.{WEAK} AND e.idx >= ?1 AND e.idx < ?2
          ORDER BY e.tier = 'standard', e.evidence DESC, {} DESC, e.idx DESC LIMIT ?3",
        classes.join(" + ")
    );
    rows(tx, &sql, (numbers.start, numbers.end, LOOKS), happening)
}

/// By a column of the staff record in force at the time of the look; the most unexplained looks first.
fn groups(tx: &Transaction<'_>, column: &str, numbers: Range<i64>) -> Result<Vec<GroupRow>, ViewsError> {
    let sql = format!(
        "SELECT r.{column} AS name, count(DISTINCT e.staff) AS staff, count(DISTINCT e.customer) AS customers,
                sum({WEAK}) AS weak, {}
           FROM entries e LEFT JOIN staff_records r ON r.idx = e.record
          WHERE e.kind = 'revealed' AND e.idx >= ?1 AND e.idx < ?2
          GROUP BY name ORDER BY weak DESC, count(*) DESC, name",
        evidence_columns()
    );
    rows(tx, &sql, (numbers.start, numbers.end), |row| {
        Ok(GroupRow {
            name: get(row, "name")?,
            staff: get(row, "staff")?,
            looks: by_evidence(row)?,
            customers: get(row, "customers")?,
        })
    })
}

fn masked(tx: &Transaction<'_>, numbers: Range<i64>) -> Result<Vec<ClassCount>, ViewsError> {
    // One row for each set of classes; there are few.
    let sql = "SELECT would_mask, coalesce(sum(kind = 'revealed'), 0) AS looks,
                      coalesce(sum(kind = 'listed'), 0) AS lists
                 FROM entries WHERE would_mask != 0 AND idx >= ?1 AND idx < ?2 GROUP BY would_mask";
    let sets = rows(tx, sql, (numbers.start, numbers.end), |row| {
        let classes: model::ClassSet = get(row, "would_mask")?;
        Ok((classes, get::<u64>(row, "looks")?, get::<u64>(row, "lists")?))
    })?;
    let mut by_class = BTreeMap::<FieldClass, ClassCount>::new();
    for (classes, looks, lists) in sets {
        for class in classes.iter() {
            let count = by_class.entry(class).or_insert(ClassCount { class, looks: 0, lists: 0 });
            count.looks += looks;
            count.lists += lists;
        }
    }
    Ok(by_class.into_values().collect())
}

fn stopped(tx: &Transaction<'_>, numbers: Range<i64>) -> Result<Vec<StopCount>, ViewsError> {
    let sql = "SELECT coalesce(why, would_refuse) AS reason,
                      coalesce(sum(kind = 'revealed'), 0) AS would_looks,
                      coalesce(sum(kind = 'listed'), 0) AS would_lists,
                      coalesce(sum(kind = 'refused'), 0) AS refused
                 FROM entries
                WHERE (kind = 'refused' OR kind IN ('revealed', 'listed') AND would_refuse IS NOT NULL)
                  AND idx >= ?1 AND idx < ?2
                GROUP BY reason ORDER BY would_looks + would_lists + refused DESC, reason";
    rows(tx, sql, (numbers.start, numbers.end), |row| {
        Ok(StopCount {
            why: get::<Why>(row, "reason")?,
            would_looks: get(row, "would_looks")?,
            would_lists: get(row, "would_lists")?,
            refused: get(row, "refused")?,
        })
    })
}
