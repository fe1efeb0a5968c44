//! Tells open pages that the ledger has grown, so that they fetch themselves again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use model::SessionId;
use people::Registered;
use tokio::sync::watch;

use crate::Console;
use crate::guard::Visitor;

/// At most one event in this time: pages are for people, and a busy ledger grows all the time.
const PACE: Duration = Duration::from_secs(1);

/// `GET /events`
pub(crate) async fn events(axum::extract::State(console): crate::State, visitor: Visitor) -> Response {
    let events = grew(console, visitor.seated.session);
    let mut response = Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One event for each growth, until the session is over or the ledger closes.
fn grew(console: Arc<Console>, session: SessionId) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut growth = console.ledger.growth();
    growth.mark_unchanged();
    unfold((console, growth), move |(console, mut growth): (_, watch::Receiver<u64>)| async move {
        growth.changed().await.ok()?;
        tokio::time::sleep(PACE).await;
        let size = *growth.borrow_and_update();
        still_open(&console, session)
            .then(|| (Ok(Event::default().event("grew").data(size.to_string())), (console, growth)))
    })
}

fn still_open(console: &Console, session: SessionId) -> bool {
    let mut open = false;
    let now = console.clock.now();
    console.access.state().with_register(&mut |register| open = register.may_act(session, now).is_ok());
    open
}
