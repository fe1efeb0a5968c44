//! What the desk tells other systems: what happened to tickets, and which customers are special.
//! A cursor counts what was read; the same cursor always gives the same continuation.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Desk;
use super::api::Problem;
use super::store::TicketEvent;

/// As many events, or customers, as one answer tells.
const PAGE: usize = 500;

#[derive(Debug, Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: String,
}

impl After {
    fn count(&self) -> Result<usize, Problem> {
        let unreadable =
            |_| Problem(StatusCode::BAD_REQUEST, "the cursor is not one of this feed".to_owned());
        if self.after.is_empty() { Ok(0) } else { self.after.parse().map_err(unreadable) }
    }
}

#[derive(Serialize)]
struct Tickets<'a> {
    events: &'a [TicketEvent],
    cursor: String,
}

pub(super) async fn tickets(
    State(desk): State<Desk>,
    Query(after): Query<After>,
) -> Result<Response, Problem> {
    let store = desk.read();
    let (events, cursor) = store.journal_after(after.count()?, PAGE);
    Ok(Json(Tickets { events, cursor: cursor.to_string() }).into_response())
}

#[derive(Serialize)]
struct Customers {
    customers: Vec<Special>,
    total: usize,
    cursor: String,
}

#[derive(Serialize)]
struct Special {
    customer: String,
    tier: &'static str,
}

pub(super) async fn customers(
    State(desk): State<Desk>,
    Query(after): Query<After>,
) -> Result<Response, Problem> {
    let store = desk.read();
    let (special, cursor) = store.special_after(after.count()?, PAGE);
    let customers =
        special.into_iter().map(|c| Special { customer: c.id.to_string(), tier: c.tier.word() }).collect();
    let total = store.customers().len();
    Ok(Json(Customers { customers, total, cursor: cursor.to_string() }).into_response())
}
