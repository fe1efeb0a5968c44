//! The witness's HTTP service: C2SP tlog-witness, and its last checkpoints for whoever wants to compare.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};

use crate::judge::Refusal;
use crate::request::{MAX_BYTES, SIZE_TYPE};
use crate::witness::{Witness, WitnessError};

const TEXT: &str = "text/plain; charset=utf-8";

/// `POST /add-checkpoint`; `GET /<SHA-256 of the origin>/checkpoint`; `GET /` says who this is.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/", get(who))
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{log}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let answered = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    match answered {
        Ok(Ok(line)) => text(StatusCode::OK, line),
        Ok(Err(WitnessError::Refused(refusal))) => refuse(&refusal),
        Ok(Err(error)) => {
            tracing::error!(%error, "a checkpoint was not cosigned");
            text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
        }
        Err(error) => {
            tracing::error!(%error, "a checkpoint was not cosigned");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn refuse(refusal: &Refusal) -> Response {
    tracing::info!(%refusal, "refused");
    let status = match refusal {
        Refusal::Malformed(_) | Refusal::Backwards { .. } => StatusCode::BAD_REQUEST,
        Refusal::UnknownLog(_) => StatusCode::NOT_FOUND,
        Refusal::Signature(_) => StatusCode::FORBIDDEN,
        Refusal::OtherRoot(_) => StatusCode::CONFLICT,
        Refusal::Proof { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Size(size) => {
            return (StatusCode::CONFLICT, [(header::CONTENT_TYPE, SIZE_TYPE)], format!("{size}\n"))
                .into_response();
        }
    };
    text(status, format!("{refusal}\n"))
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(log): Path<String>) -> Response {
    match witness.checkpoint(&log) {
        Some(note) => {
            ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")], note).into_response()
        }
        None => text(StatusCode::NOT_FOUND, "nothing was cosigned of a log with this id\n".to_owned()),
    }
}

async fn who(State(witness): State<Arc<Witness>>) -> Response {
    let logs: String = witness.logs().iter().map(|vkey| format!("  {vkey}\n")).collect();
    text(
        StatusCode::OK,
        format!("A Sightline witness (c2sp.org/tlog-witness).\n{}\n\nIt knows:\n{logs}", witness.key()),
    )
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], body).into_response()
}
