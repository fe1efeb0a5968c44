//! Who is there: staff by the headers of whatever signs them in, readers of the feed by a token.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq;

use super::Desk;

/// Lets staff through, with their [`Colleague`](super::store::Colleague) record as an extension.
pub(super) async fn staff(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    if !holds(request.headers(), "x-desk-secret", &desk.0.secrets.sign_in) {
        return refuse("This desk is reached through the company's sign-in only.\n");
    }
    let login = request.headers().get("x-remote-user").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let Some(colleague) = desk.read().colleague(login).cloned() else {
        return refuse("The sign-in named nobody who works here.\n");
    };
    request.extensions_mut().insert(colleague);
    next.run(request).await
}

/// Lets readers of the feed through.
pub(super) async fn reader(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let expected = format!("Bearer {}", desk.0.secrets.feed);
    if !holds(request.headers(), header::AUTHORIZATION.as_str(), &expected) {
        return refuse("The feed needs its token.\n");
    }
    next.run(request).await
}

fn holds(headers: &HeaderMap, name: &str, expected: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(given), None) => given.as_bytes().ct_eq(expected.as_bytes()).into(),
        _ => false,
    }
}

fn refuse(why: &'static str) -> Response {
    (StatusCode::UNAUTHORIZED, why).into_response()
}
