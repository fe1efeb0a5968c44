//! The blast radius: whom somebody could have shown to somebody else, as a page and to take away.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use incident::BlastPage;
use model::{SessionId, StaffId, Timestamp};
use pages::{Html, Icon};
use people::Registered;
use views::{Cursor, Reached, Whose};

use crate::Console;
use crate::fault::Fault;
use crate::guard::Visitor;
use crate::show::segment;
use crate::span::Times;

const ROWS: u32 = 50;

/// The query: times, and a place in either list.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    #[serde(flatten)]
    times: Times,
    after: Option<Cursor>,
    listed_after: Option<Cursor>,
}

#[derive(Template)]
#[template(path = "reach.html")]
struct ReachTemplate<'a> {
    now: Timestamp,
    whose: &'a Whose,
    staff: &'a StaffId,
    path: &'a str,
    stretches: Html,
    times: Times,
    blast: &'a BlastPage,
    known: u64,
    may_revoke: bool,
    seen: ReachedTable<'a>,
    listed: ReachedTable<'a>,
    seen_pager: Html,
    listed_pager: Html,
}

#[derive(Template)]
#[template(path = "reached.html")]
struct ReachedTable<'a> {
    rows: &'a [Reached],
    now: Timestamp,
    label: &'static str,
}

/// `GET /staff/{staff}/reach`
pub(crate) async fn of_staff(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(staff): Path<StaffId>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let path = format!("/staff/{}/reach", segment(staff.as_str()));
    page(&console, &visitor, Whose::Staff(staff.clone()), &staff, &path, asked).await
}

/// `GET /sessions/{session}/reach`
pub(crate) async fn of_session(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(session): Path<SessionId>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let staff = staff_of(&console, session)?;
    let path = format!("/sessions/{session}/reach");
    page(&console, &visitor, Whose::Session(session), &staff, &path, asked).await
}

async fn page(
    console: &Arc<Console>,
    visitor: &Visitor,
    whose: Whose,
    staff: &StaffId,
    path: &str,
    asked: Asked,
) -> Result<Response, Fault> {
    visitor.check_may_ask_about(console, staff).await?;
    let now = console.clock.now();
    let span = asked.times.span(now, &console.ledger);
    let known = console.access.tickets().customers();
    let part = |after| views::Page { limit: ROWS, after };
    let answer = console
        .enquiry
        .blast_radius_page(
            &visitor.asker(),
            whose.clone(),
            span,
            (known > 0).then_some(known),
            part(asked.after),
            part(asked.listed_after),
        )
        .await?;
    let blast = answer.answer;
    let pager = |name, after: Option<Cursor>, next: Option<Cursor>, place| {
        let first = format!("{path}?{}", asked.times.query());
        let next = next.map(|cursor| format!("{first}&{name}={cursor}{place}"));
        let first = format!("{first}{place}");
        crate::show::pager(
            after.map(|_| ("First", first.as_str())),
            next.as_deref().map(|href| ("Next", href)),
        )
    };
    let body = ReachTemplate {
        now,
        whose: &whose,
        staff,
        path,
        stretches: asked.times.links(path),
        times: asked.times,
        known,
        may_revoke: visitor.may_revoke(),
        seen: ReachedTable { rows: &blast.seen.rows, now, label: "Customers seen" },
        listed: ReachedTable { rows: &blast.listed.rows, now, label: "Customers in lists" },
        seen_pager: pager("after", asked.after, blast.seen.next, ""),
        listed_pager: pager("listed_after", asked.listed_after, blast.listed.next, "#listed"),
        blast: &blast,
    };
    Ok(crate::shell::page(visitor, "/staff", &format!("Blast radius of {staff}"), &body))
}

/// `GET /staff/{staff}/reach/{file}`
pub(crate) async fn of_staff_file(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path((staff, file)): Path<(StaffId, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    download(&console, &visitor, Whose::Staff(staff.clone()), &staff, &file, asked.times).await
}

/// `GET /sessions/{session}/reach/{file}`
pub(crate) async fn of_session_file(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path((session, file)): Path<(SessionId, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let staff = staff_of(&console, session)?;
    download(&console, &visitor, Whose::Session(session), &staff, &file, asked.times).await
}

async fn download(
    console: &Arc<Console>,
    visitor: &Visitor,
    whose: Whose,
    staff: &StaffId,
    file: &str,
    times: Times,
) -> Result<Response, Fault> {
    visitor.check_may_ask_about(console, staff).await?;
    let span = times.span(console.clock.now(), &console.ledger);
    let known = console.access.tickets().customers();
    let (asker, known) = (visitor.asker(), (known > 0).then_some(known));
    let answer = console.enquiry.blast_radius(&asker, whose, span, known).await?;
    let (content_type, content) = match file {
        "blast-radius.csv" => {
            let mut csv = Vec::new();
            incident::csv::blast_radius(&answer.answer.radius, &mut csv)
                .map_err(|e| crate::fault::broken(&e))?;
            ("text/csv; charset=utf-8", csv)
        }
        "blast-radius.json" => {
            let json = serde_json::to_vec_pretty(&answer).map_err(|e| crate::fault::broken(&e))?;
            ("application/json", json)
        }
        _ => return Err(Fault::NoSuchPage),
    };
    Ok(attachment(content_type, &format!("{staff}-{file}"), content))
}

/// A file to save. The name is cut to what is safe in a header and in a file system.
pub(crate) fn attachment(content_type: &'static str, name: &str, content: Vec<u8>) -> Response {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '_' })
        .collect();
    let mut response = content.into_response();
    let headers = response.headers_mut();
    pages::harden(headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn staff_of(console: &Arc<Console>, session: SessionId) -> Result<StaffId, Fault> {
    let mut staff = None;
    console.access.state().with_register(&mut |register| {
        staff = register.sessions.get(&session).map(|s| s.staff.clone());
    });
    staff.ok_or(Fault::Unknown("session"))
}
