//! Who saw this customer?

use model::CustomerId;
use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::{WEAK, before, numbers, post, rows};
use crate::columns::get;
use crate::page::{Cursor, Page, Paged, Span};
use crate::words::{Customer, CustomerRef, CustomerSummary, Exposure, How, Whom};
use crate::{Views, ViewsError};

/// The customers of that name, in the app if one is given.
const NAMED: &str = "(SELECT no FROM customers WHERE customer = :customer AND (:app IS NULL OR app = :app))";

impl Views {
    /// The customer behind a reference.
    pub async fn customer(&self, reference: CustomerRef) -> Result<Customer, ViewsError> {
        self.ask(move |tx| customer(tx, reference)).await
    }

    /// How often the customer was before somebody's eyes.
    pub async fn customer_summary(&self, whom: Whom, span: Span) -> Result<CustomerSummary, ViewsError> {
        self.ask(move |tx| summary(tx, whom, span)).await
    }

    /// Before whose eyes the customer was, the newest first.
    pub async fn who_saw(&self, whom: Whom, span: Span, page: Page) -> Result<Paged<Exposure>, ViewsError> {
        self.ask(move |tx| exposures(tx, whom, span, page)).await
    }
}

/// A name, and the app that it is a name in.
struct Named {
    customer: CustomerId,
    app: Option<String>,
}

impl Named {
    fn of(tx: &Transaction<'_>, whom: Whom) -> Result<Self, ViewsError> {
        let (app, customer) = match whom {
            Whom::Named { app, customer } => (app, customer),
            Whom::Referred(reference) => {
                let known = customer(tx, reference)?;
                (known.app, known.customer)
            }
        };
        Ok(Self { customer, app: app.map(|app| app.as_str().to_owned()) })
    }
}

fn customer(tx: &Transaction<'_>, reference: CustomerRef) -> Result<Customer, ViewsError> {
    let sql = "SELECT no AS reference, app AS customer_app, customer, tier AS customer_tier
                 FROM customers WHERE no = ?1";
    let found = rows(tx, sql, [reference.0], super::customer)?;
    found.into_iter().next().ok_or(ViewsError::NoSuchCustomer)
}

fn summary(tx: &Transaction<'_>, whom: Whom, span: Span) -> Result<CustomerSummary, ViewsError> {
    let (named, numbers) = (Named::of(tx, whom)?, numbers(tx, span)?);
    let name = named_params! { ":customer": named.customer.as_str(), ":app": named.app };
    let sql = "SELECT no AS reference, app AS customer_app, customer, tier AS customer_tier FROM customers
                WHERE customer = :customer AND (:app IS NULL OR app = :app) AND app != '' ORDER BY app";
    let customers = rows(tx, sql, name, super::customer)?;

    let name_in_span = named_params! {
        ":customer": named.customer.as_str(), ":app": named.app, ":from": numbers.start, ":to": numbers.end,
    };
    let sql = format!(
        "WITH hits AS (
           SELECT idx, time, kind, staff, evidence FROM entries
            WHERE customer IN {NAMED} AND idx >= :from AND idx < :to
            UNION ALL
           SELECT e.idx, e.time, e.kind, e.staff, NULL FROM entries e
             JOIN (SELECT DISTINCT idx FROM listed WHERE customer IN {NAMED}) USING (idx)
            WHERE idx >= :from AND idx < :to)
         SELECT coalesce(sum(kind = 'revealed'), 0) AS looks,
                coalesce(sum(kind = 'revealed' AND {WEAK}), 0) AS weak,
                count(DISTINCT iif(kind = 'revealed', staff, NULL)) AS staff,
                coalesce(sum(kind = 'listed'), 0) AS listed,
                coalesce(sum(kind = 'refused'), 0) AS refused,
                min(iif(kind IN ('revealed', 'listed'), time, NULL)) AS first,
                max(iif(kind IN ('revealed', 'listed'), time, NULL)) AS last
           FROM hits"
    );
    let mut summary = tx.prepare_cached(&sql)?.query_row(name_in_span, |row| {
        Ok(CustomerSummary {
            customers,
            looks: get(row, "looks")?,
            weak: get(row, "weak")?,
            staff: get(row, "staff")?,
            listed: get(row, "listed")?,
            refused: get(row, "refused")?,
            questions: 0,
            first: get(row, "first")?,
            last: get(row, "last")?,
        })
    })?;

    // A question names a customer without saying in which app.
    let sql = "SELECT count(*) AS questions FROM entries
                WHERE kind = 'questioned' AND idx >= ?2 AND idx < ?3
                  AND customer IN (SELECT no FROM customers WHERE customer = ?1 AND app = '')";
    let asked = (named.customer.as_str(), numbers.start, numbers.end);
    let questions = tx.prepare_cached(sql)?.query_row(asked, |row| get(row, "questions")).optional()?;
    summary.questions = questions.unwrap_or_default();
    Ok(summary)
}

fn exposures(
    tx: &Transaction<'_>,
    whom: Whom,
    span: Span,
    page: Page,
) -> Result<Paged<Exposure>, ViewsError> {
    let named = Named::of(tx, whom)?;
    let numbers = before(numbers(tx, span)?, page);
    let sql = format!(
        "WITH seen AS (
           SELECT idx, customer FROM entries WHERE kind = 'revealed' AND customer IN {NAMED}
            UNION  -- a customer may be in several rows of one list
           SELECT idx, customer FROM listed WHERE customer IN {NAMED})
         SELECT e.*, s.staff AS name, r.role, r.team, r.employer, seen.customer AS reference
           FROM seen JOIN entries e ON e.idx = seen.idx
           JOIN staff s ON s.no = e.staff
           LEFT JOIN staff_records r ON r.idx = e.record
          WHERE seen.idx >= :from AND seen.idx < :to
          ORDER BY seen.idx DESC LIMIT :limit"
    );
    let params = named_params! {
        ":customer": named.customer.as_str(),
        ":app": named.app,
        ":from": numbers.start,
        ":to": numbers.end,
        ":limit": page.fetch(),
    };
    let found = rows(tx, &sql, params, |row| {
        let exposure = exposure(row)?;
        Ok((Cursor::at(exposure.index), exposure))
    })?;
    Ok(Paged::cut(found, page))
}

fn exposure(row: &Row<'_>) -> Result<Exposure, ViewsError> {
    let how = match get(row, "evidence")? {
        Some(evidence) => How::Look {
            evidence,
            purpose: get(row, "purpose")?,
            ticket: get(row, "ticket")?,
            grant: get(row, "grant_id")?,
        },
        None => How::Listing,
    };
    Ok(Exposure {
        index: get(row, "idx")?,
        time: get(row, "time")?,
        staff: get(row, "name")?,
        post: post(row)?,
        session: get(row, "session")?,
        response: get(row, "response")?,
        app: get(row, "app")?,
        customer: get(row, "reference")?,
        action: get(row, "action")?,
        classes: get(row, "classes")?,
        mode: get(row, "mode")?,
        how,
    })
}
