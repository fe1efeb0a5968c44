//! Saying no, and saying so: each refusal is a page or an RFC 9457 problem document with what to do
//! next and a reference number that is in the ledger (P9).

use askama::Template;
use axum::body::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use ledger::Draft;
use model::entry::{Refused, Viewer, Why};
use model::{Event, Opening, ResponseId, Subject};
use pages::{Html, Page, Who};
use people::Seated;
use serde::Serialize;

use crate::Gate;
use crate::advice::Advice;

/// Why a request gets no answer from the app, and about whom it was.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) why: Why,
    pub(crate) about: Option<Subject>,
    /// Whose session asked, where it is over and nobody is seated.
    pub(crate) by: Option<Box<Viewer>>,
    /// The page of ours that leads on: the login, or the question why.
    pub(crate) way_on: Option<String>,
}

impl Refusal {
    /// Also says about whom the request was.
    pub(crate) fn about(self, subject: Subject) -> Self {
        Self { about: Some(subject), ..self }
    }

    /// Also says whose session asked.
    pub(crate) fn by(self, by: Option<Viewer>) -> Self {
        Self { by: by.map(Box::new), ..self }
    }

    /// Also says which page of ours leads on.
    pub(crate) fn way_on(self, page: String) -> Self {
        Self { way_on: Some(page), ..self }
    }
}

impl From<Why> for Refusal {
    fn from(why: Why) -> Self {
        Self { why, about: None, by: None, way_on: None }
    }
}

/// What the other side can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// A person with a browser: a page.
    Page,
    /// A program: a problem document.
    Problem,
}

impl Wants {
    /// A browser that opens a page says so in `Accept`; scripts ask for anything else.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accepted = headers.get_all(header::ACCEPT).iter();
        let page = accepted.any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")));
        if page { Wants::Page } else { Wants::Problem }
    }
}

/// An RFC 9457 problem document.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    way_on: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    advice: &'a Advice,
    reference: Option<String>,
    way_on: Option<&'a str>,
}

impl Gate {
    /// Refuses a request, and records that it did.
    pub(crate) async fn refuse(
        &self,
        response: ResponseId,
        seated: Option<&Seated>,
        refusal: Refusal,
        wants: Wants,
    ) -> Response<Body> {
        let Refusal { why, about, by, way_on } = refusal;
        let by = seated
            .map(|seated| self.viewer(seated.record.staff.clone(), seated.session))
            .or(by.map(|by| *by));
        match self.ledger.append(self.note(response, by.as_ref(), why, about)).await {
            Ok(_) => {
                tracing::info!(app = %self.settings.name, %response, %why, "refused");
                say(&Advice::on(why), Some(response), way_on.as_deref(), seated, wants)
            }
            Err(error) => {
                tracing::error!(app = %self.settings.name, %why, %error, "a refusal could not be recorded");
                say(&Advice::on(Why::LedgerUnavailable), None, None, seated, wants)
            }
        }
    }

    /// The entry that says: this response was refused, or (in `observe`) enforcement would have done so.
    pub(crate) fn note(
        &self,
        response: ResponseId,
        by: Option<&Viewer>,
        why: Why,
        about: Option<Subject>,
    ) -> Draft {
        let opening = about.map(|subject| Opening::fresh(&*self.entropy, subject));
        let event = Event::Refused(Refused {
            response,
            app: Some(self.settings.name.clone()),
            staff: by.map(|viewer| viewer.staff.clone()),
            session: by.map(|viewer| viewer.session),
            subject: opening.as_ref().map(Opening::commitment),
            why,
        });
        Draft { event, openings: opening.into_iter().collect() }
    }
}

/// Asks a program to log in; a browser is led to the login by itself.
pub(crate) fn not_logged_in() -> Response<Body> {
    say(&Advice::NOT_LOGGED_IN, None, None, None, Wants::Problem)
}

fn say(
    advice: &Advice,
    reference: Option<ResponseId>,
    way_on: Option<&str>,
    seated: Option<&Seated>,
    wants: Wants,
) -> Response<Body> {
    let reference = reference.map(|reference| reference.to_string());
    match wants {
        Wants::Page => {
            let body = Html::of(&RefusedPage { advice, reference, way_on });
            let who = seated.map(who);
            Page { who, ..Page::small(advice.title, body) }.respond(advice.status)
        }
        Wants::Problem => problem(&Problem {
            r#type: &advice.problem_type(),
            title: advice.title,
            status: advice.status.as_u16(),
            detail: format!("{} {}", advice.what, advice.next),
            reference,
            way_on,
        }),
    }
}

/// Who is logged in, for the frame of a page.
pub(crate) fn who(seated: &Seated) -> Who<'_> {
    Who { name: &seated.name, role: seated.record.role, csrf: &seated.csrf }
}

fn problem(problem: &Problem<'_>) -> Response<Body> {
    // Writing strings and numbers as JSON cannot fail.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
    pages::harden(response.headers_mut());
    let json = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
