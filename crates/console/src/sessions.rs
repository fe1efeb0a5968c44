//! Sessions: who is logged in now.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use model::Timestamp;
use pages::{Html, Icon};
use views::{Cursor, EndedHow, Paged, SessionRow};

use crate::fault::Fault;
use crate::guard::Visitor;

const ROWS: u32 = 50;

/// The query: only open ones, or all; and a place in the list.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    all: bool,
    after: Option<Cursor>,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsTemplate {
    now: Timestamp,
    all: bool,
    target: String,
    sessions: Paged<SessionRow>,
    pager: Html,
    may_revoke: bool,
}

/// `GET /sessions`
pub(crate) async fn page(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let page = views::Page { limit: ROWS, after: asked.after };
    let sessions = console.enquiry.sessions(&visitor.asker(), !asked.all, page).await?.answer;
    let here = format!("/sessions?all={}", asked.all);
    let next = sessions.next.map(|cursor| format!("{here}&after={cursor}"));
    let back = asked.after.map(|_| ("Newest", here.as_str()));
    let pager = crate::show::pager(back, next.as_deref().map(|href| ("Older", href)));
    let body = SessionsTemplate {
        now: console.clock.now(),
        all: asked.all,
        target: asked.after.map_or_else(|| here.clone(), |after| format!("{here}&after={after}")),
        pager,
        sessions,
        may_revoke: visitor.may_revoke(),
    };
    Ok(crate::shell::page(&visitor, "/sessions", "Sessions", &body))
}
