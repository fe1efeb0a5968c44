//! What whoever is contained sees: what happened, what happens now, whom to ask; and how they answer.

use std::sync::Arc;

use access::Containing;
use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use ledger::Draft;
use model::entry::{SessionClosed, SessionEnd, Why};
use model::{Event, Level, LiftReason, Lifted, Purpose, SessionId, StaffId, Timestamp};
use pages::{Html, Page};
use people::{Registered, Seated};
use serde::Deserialize;

use crate::reason::{PURPOSES, finish, seat};
use crate::refuse::{Refusal, Wants, who};
use crate::way::{Way, see_other};
use crate::{Gate, sender};

/// Where the page is.
pub(crate) const PAGE: &str = "/.sightline/contained";
/// The longest path and query to go back to.
const LONGEST: usize = 1024;

impl Way<'_> {
    /// Whether containment lets this person be shown anything.
    pub(crate) fn contained(&self) -> Result<(), Refusal> {
        let closed = self.gate.access.state().read().closed_by_containment(&self.viewer.staff);
        closed.map_err(|why| match why {
            Why::StepUp => Refusal::from(why).way_on(page_for(&self.come_back())),
            _ => why.into(),
        })
    }

    /// The page with a word for this person, if there is one that they have not read yet.
    pub(crate) fn word(&self) -> Option<String> {
        let is_page = self.asked.method == Method::GET && Wants::of(&self.asked.headers) == Wants::Page;
        let state = self.gate.access.state().read();
        let held = state.contained(&self.viewer.staff).filter(|_| is_page)?;
        (held.level == Level::Nudge).then(|| page_for(&self.come_back()))
    }
}

fn page_for(next: &str) -> String {
    format!("{PAGE}?next={}", encoded(next))
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A path of this site, and nothing that browsers take for another's.
fn local(next: Option<String>) -> String {
    let is_ours = |next: &String| {
        let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        plain && next.starts_with('/') && !next.starts_with("//") && next.len() <= LONGEST
    };
    next.filter(is_ours).unwrap_or_else(|| "/".to_owned())
}

fn next_in(query: Option<&str>) -> String {
    let query = query.unwrap_or_default().as_bytes();
    local(
        url::form_urlencoded::parse(query).find(|(key, _)| key == "next").map(|(_, next)| next.into_owned()),
    )
}

/// The form of the page.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    csrf: String,
    #[serde(default)]
    next: String,
    purpose: Option<Purpose>,
}

/// `GET /.sightline/contained`
pub(crate) async fn page(
    State(gate): State<Arc<Gate>>,
    asked: Parts,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let seated = match seat(&gate, &asked).await {
        Ok(seated) => seated,
        Err(response) => return response,
    };
    let next = next_in(query.as_deref());
    let held = gate.access.state().read().contained(&seated.record.staff).cloned();
    let Some(held) = held else { return see_other(&next) };
    let (title, status) = match held.level {
        Level::Nudge => ("A word about your recent looks", StatusCode::OK),
        Level::StepUp => ("Please log in afresh", StatusCode::OK),
        Level::Throttle => ("One new customer at a time, for now", StatusCode::OK),
        Level::Suspend | Level::Revoke => ("Your access is paused", StatusCode::FORBIDDEN),
    };
    let minutes = gate.access.state().read().throttle_minutes();
    let body = Html::of(&ContainedPage {
        is_fresh: held.fresh == Some(seated.session),
        login: format!("/.sightline/login?fresh=1&next={}", encoded(&page_for(&next))),
        held: &held,
        next: &next,
        csrf: &seated.csrf,
        minutes,
        now: gate.clock.now(),
    });
    Page { who: Some(who(&seated)), ..Page::small(title, body) }.respond(status)
}

/// `POST /.sightline/contained`: the word was read, or the purpose is said again after a fresh login.
pub(crate) async fn answer(
    State(gate): State<Arc<Gate>>,
    asked: Parts,
    form: Result<Form<Answer>, FormRejection>,
) -> Response<Body> {
    let seated = match seat(&gate, &asked).await {
        Ok(seated) => seated,
        Err(response) => return response,
    };
    let answered = match form {
        Ok(Form(answer)) => gate.hear_answer(&seated, &asked, answer).await,
        Err(_) => Err(Why::BadRequest.into()),
    };
    finish(&gate, &asked, &seated, answered).await
}

impl Gate {
    async fn hear_answer(
        &self,
        seated: &Seated,
        asked: &Parts,
        answer: Answer,
    ) -> Result<Response<Body>, Refusal> {
        let sent_from_here = sender::sent_from(&asked.headers, self.upstream.public());
        if !sent_from_here || !self.people.csrf_ok(seated, &answer.csrf) {
            return Err(Why::ForgedForm.into());
        }
        let next = local(Some(answer.next));
        let held = self.access.state().read().contained(&seated.record.staff).cloned();
        let Some(held) = held else { return Ok(see_other(&next)) };
        let reason = match held.level {
            Level::Nudge => LiftReason::Answered,
            Level::StepUp | Level::Throttle | Level::Suspend | Level::Revoke => LiftReason::SteppedUp,
        };
        let lifted = Event::Lifted(Lifted {
            staff: seated.record.staff.clone(),
            by: seated.record.staff.clone(),
            session: seated.session,
            reason,
            purpose: answer.purpose.filter(|_| reason == LiftReason::SteppedUp),
        });
        let mut events = vec![lifted];
        if reason == LiftReason::SteppedUp {
            // A session from before may be in other hands: whoever it is has to log in too.
            events.extend(
                self.opened_before(&seated.record.staff, seated.session, held.since).into_iter().map(
                    |session| Event::SessionClosed(SessionClosed { session, why: SessionEnd::Replaced }),
                ),
            );
        }
        self.record(events.into_iter().map(Draft::plain).collect()).await?;
        Ok(see_other(&next))
    }

    /// The open sessions of this person from before `then`, other than this one.
    fn opened_before(&self, staff: &StaffId, but: SessionId, then: Timestamp) -> Vec<SessionId> {
        let (mut found, now) = (Vec::new(), self.clock.now());
        self.access.state().with_register(&mut |register| {
            let theirs = register.sessions.iter().filter(|(id, session)| {
                **id != but
                    && session.staff == *staff
                    && session.opened < then
                    && register.may_act(**id, now).is_ok()
            });
            found = theirs.map(|(id, _)| *id).collect();
        });
        found
    }
}

#[derive(Template)]
#[template(path = "contained.html")]
struct ContainedPage<'a> {
    held: &'a Containing,
    is_fresh: bool,
    login: String,
    next: &'a str,
    csrf: &'a str,
    minutes: u32,
    now: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_back_to_this_site_and_to_no_other() {
        for (next, leads) in [
            ("/tickets/5?x=1", "/tickets/5?x=1"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a b", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(Some(next.to_owned())), leads, "{next:?}");
            assert_eq!(next_in(Some(&format!("next={}", encoded(next)))), leads, "{next:?}");
        }
        assert_eq!(next_in(None), "/");
    }
}
