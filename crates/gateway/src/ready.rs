//! Whether this gateway can serve: for load balancers and people who look after it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;

use crate::Gate;

#[derive(Serialize)]
pub(crate) struct Ready {
    app: bool,
    /// Whether the app's tickets are up to date; absent if it has no feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    tickets_fresh: Option<bool>,
}

/// `GET /.sightline/ready`: 200 if the app takes connections, else 503. A ledger that fails ends the
/// process, so that whoever answers has one that takes entries.
pub(crate) async fn ready(State(gate): State<Arc<Gate>>) -> (StatusCode, Json<Ready>) {
    let ready = Ready {
        app: gate.upstream.is_reachable().await,
        tickets_fresh: gate.feed.as_ref().map(|feed| feed.is_fresh(gate.clock.now())),
    };
    let status = if ready.app { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready))
}
