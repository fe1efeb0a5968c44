//! Customers: who saw one. A customer is searched for by their exact number, in a form that is posted,
//! so that no number stands in an address, a history or a log.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use model::{CustomerId, Timestamp};
use pages::{Html, Icon};
use views::{Customer, CustomerRef, CustomerSummary, Exposure, How, Paged, Span, Whom};

use crate::fault::Fault;
use crate::guard::Visitor;
use crate::span::{Stretch, Within};

const ROWS: u32 = 50;

/// What came of a search that led to no single customer.
enum Found {
    NotAsked,
    Nobody,
    Several(Vec<Customer>),
}

#[derive(Template)]
#[template(path = "customers.html")]
struct SearchTemplate<'a> {
    csrf: &'a str,
    found: Found,
}

/// `GET /customers`
pub(crate) async fn search(visitor: Visitor) -> Response {
    shown(&visitor, Found::NotAsked)
}

fn shown(visitor: &Visitor, found: Found) -> Response {
    let body = SearchTemplate { csrf: &visitor.seated.csrf, found };
    crate::shell::page(visitor, "/customers", "Customers", &body)
}

/// The form.
#[derive(serde::Deserialize)]
pub(crate) struct Search {
    csrf: String,
    customer: String,
}

/// `POST /customers`
pub(crate) async fn find(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Form(form): Form<Search>,
) -> Result<Response, Fault> {
    visitor.check_form(&console, &form.csrf).await?;
    let wanted = form.customer.trim();
    if wanted.is_empty() {
        return Ok(shown(&visitor, Found::NotAsked));
    }
    let whom = Whom::Named { app: None, customer: CustomerId::new(wanted) };
    let answer = console.enquiry.who_saw(&visitor.asker(), whom, Span::ALWAYS, views::Page::first(1)).await?;
    let customers = answer.answer.summary.customers;
    Ok(match customers.as_slice() {
        [] => shown(&visitor, Found::Nobody),
        [one] => Redirect::to(&format!("/customers/{}", one.reference)).into_response(),
        _ => shown(&visitor, Found::Several(customers)),
    })
}

#[derive(Template)]
#[template(path = "customer_timeline.html")]
struct TimelineTemplate<'a> {
    now: Timestamp,
    customer: &'a Customer,
    stretches: Html,
    span: Stretch,
    summary: &'a CustomerSummary,
    exposures: &'a Paged<Exposure>,
    pager: Html,
}

/// `GET /customers/{reference}`
pub(crate) async fn timeline(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(reference): Path<CustomerRef>,
    Query(within): Query<Within>,
) -> Result<Response, Fault> {
    let now = console.clock.now();
    let span = within.span.span(now, &console.ledger);
    let whom = Whom::Referred(reference);
    let answer = console.enquiry.who_saw(&visitor.asker(), whom, span, within.page(ROWS)).await?;
    let timeline = answer.answer;
    let customer = timeline.summary.customers.iter().find(|c| c.reference == reference);
    let path = format!("/customers/{reference}");
    let body = TimelineTemplate {
        now,
        customer: customer.ok_or(Fault::Unknown("customer"))?,
        stretches: within.span.links(&path, ""),
        span: within.span,
        summary: &timeline.summary,
        exposures: &timeline.exposures,
        pager: within.pager(&path, timeline.exposures.next),
    };
    Ok(crate::shell::page(&visitor, "/customers", "Customer timeline", &body))
}
