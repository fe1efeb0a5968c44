//! The desk's JSON interface, and the export.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use model::{CustomerId, TicketId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Desk;
use super::store::{Author, Change, Refused, Status, TakenIn};
use super::view::CustomerView;

/// As many customers as one page of the list has.
const PAGE: usize = 100;

/// Why a request was not served, as a problem document (RFC 9457).
#[derive(Debug)]
pub(super) struct Problem(pub(super) StatusCode, pub(super) String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = serde_json::json!({
            "type": "about:blank",
            "title": self.0.canonical_reason().unwrap_or("Problem"),
            "status": self.0.as_u16(),
            "detail": self.1,
        });
        (self.0, [(header::CONTENT_TYPE, "application/problem+json")], document.to_string()).into_response()
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self(status_of(&refused), refused.to_string())
    }
}

/// The status that says what the store said.
pub(super) fn status_of(refused: &Refused) -> StatusCode {
    match refused {
        Refused::NoSuchCustomer | Refused::NoSuchTicket => StatusCode::NOT_FOUND,
        Refused::Closed | Refused::Taken => StatusCode::CONFLICT,
        Refused::Empty(_) => StatusCode::BAD_REQUEST,
    }
}

pub(super) async fn customer(
    State(desk): State<Desk>,
    Path(id): Path<String>,
) -> Result<Json<CustomerView>, Problem> {
    let store = desk.read();
    let customer = store.customer(&CustomerId::new(id)).ok_or(Refused::NoSuchCustomer)?;
    Ok(Json(CustomerView::of(customer, &store)))
}

pub(super) async fn change_customer(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Json<CustomerView>, Problem> {
    let Json(change) = change.map_err(|e| Problem(e.status(), e.body_text()))?;
    let id = CustomerId::new(id);
    let mut store = desk.write();
    store.change_customer(&id, change)?;
    let customer = store.customer(&id).ok_or(Refused::NoSuchCustomer)?;
    Ok(Json(CustomerView::of(customer, &store)))
}

/// A new customer, who has no tickets yet.
pub(super) async fn take_in(
    State(desk): State<Desk>,
    new: Result<Json<TakenIn>, JsonRejection>,
) -> Result<(StatusCode, Json<CustomerView>), Problem> {
    let Json(new) = new.map_err(|e| Problem(e.status(), e.body_text()))?;
    let mut store = desk.write();
    let id = store.take_in(new)?;
    let customer = store.customer(&id).ok_or(Refused::NoSuchCustomer)?;
    Ok((StatusCode::CREATED, Json(CustomerView::of(customer, &store))))
}

#[derive(Debug, Deserialize)]
pub(super) struct Paging {
    #[serde(default)]
    page: usize,
}

#[derive(Serialize)]
pub(super) struct CustomerPage {
    customers: Vec<CustomerView>,
    next: Option<usize>,
}

pub(super) async fn customers(State(desk): State<Desk>, Query(paging): Query<Paging>) -> Json<CustomerPage> {
    let store = desk.read();
    let page = paging.page.max(1);
    let rows = store.customers().chunks(PAGE).nth(page - 1).unwrap_or_default();
    let customers = rows.iter().map(|c| CustomerView::of(c, &store)).collect();
    let next = (page.saturating_mul(PAGE) < store.customers().len()).then(|| page + 1);
    Json(CustomerPage { customers, next })
}

#[derive(Serialize)]
pub(super) struct TicketView {
    id: TicketId,
    subject: String,
    status: Status,
    customer: CustomerView,
    messages: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    from: Author,
    text: String,
    time: Timestamp,
}

pub(super) async fn ticket(
    State(desk): State<Desk>,
    Path(id): Path<String>,
) -> Result<Json<TicketView>, Problem> {
    let store = desk.read();
    let ticket = store.ticket(&TicketId::new(id)).ok_or(Refused::NoSuchTicket)?;
    let customer = store.customer(&ticket.customer).ok_or(Refused::NoSuchCustomer)?;
    let messages = ticket.messages.iter();
    Ok(Json(TicketView {
        id: ticket.id.clone(),
        subject: ticket.subject.clone(),
        status: ticket.status,
        customer: CustomerView::of(customer, &store),
        messages: messages.map(|m| Line { from: m.from.clone(), text: m.text.clone(), time: m.at }).collect(),
    }))
}

pub(super) async fn export(State(desk): State<Desk>) -> Result<Response, Problem> {
    let store = desk.read();
    let mut csv = csv::Writer::from_writer(Vec::new());
    for customer in store.customers() {
        csv.serialize(CustomerView::of(customer, &store)).map_err(|_| unwritten())?;
    }
    let body = csv.into_inner().map_err(|_| unwritten())?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"customers.csv\""),
    ];
    Ok((headers, body).into_response())
}

fn unwritten() -> Problem {
    Problem(StatusCode::INTERNAL_SERVER_ERROR, "the export could not be written".to_owned())
}
