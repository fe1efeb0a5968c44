//! What the overlay's script asks for: the mark of now, and to be heard.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use ledger::Draft;
use model::entry::{Viewer, Why};
use model::{Event, MarkSound, ResponseId, Timestamp};
use serde::Serialize;

use super::settings::Visible;
use super::watch::{Beat, EVERY_MS, Heard, Sent};
use super::{Marks, unkept};
use crate::refuse::Refusal;
use crate::seal::{Sealed, Shows};
use crate::{Gate, sender};

/// Where the mark of the session's five minutes is, as a PNG.
pub(super) const TILE: &str = "/.sightline/mark/tile.png";
/// Where pages are heard.
pub(super) const BEAT: &str = "/.sightline/mark/beat";
/// The header of the picture that says which five minutes it is for.
const BUCKET: &str = "sightline-bucket";
/// A heartbeat is a few hundred bytes.
const LONGEST_BEAT: usize = 4096;

/// What a page is told.
#[derive(Serialize)]
struct Answer<'a> {
    /// To be answered next.
    challenge: String,
    /// Which mark it should have by now; 0: none.
    bucket: u64,
    /// For how long, in milliseconds.
    left: u64,
    /// How often it is to prove itself, in milliseconds; 0: not at all.
    every: u64,
    /// Whether something is masked until a fresh page proves itself.
    masked: bool,
    visible: Visible,
    /// Whose page it is, for the visible mark.
    name: &'a str,
}

pub(crate) fn routes() -> Router<Arc<Gate>> {
    Router::new().route(TILE, get(tile)).route(BEAT, post(beat)).layer(DefaultBodyLimit::max(LONGEST_BEAT))
}

/// `GET /.sightline/mark/tile.png`: the mark of whoever asks, now.
async fn tile(State(gate): State<Arc<Gate>>, asked: Parts) -> Response<Body> {
    let Some(by) = gate.sits(&asked) else { return plain(StatusCode::UNAUTHORIZED) };
    match gate.draw(&by).await {
        Ok(tile) => tile,
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// `POST /.sightline/mark/beat`: a page says how it is.
async fn beat(State(gate): State<Arc<Gate>>, asked: Parts, body: Bytes) -> Response<Body> {
    if !sender::sent_from(&asked.headers, gate.upstream.public()) {
        return plain(StatusCode::FORBIDDEN);
    }
    let Some(by) = gate.sits(&asked) else { return plain(StatusCode::UNAUTHORIZED) };
    let Ok(beat) = serde_json::from_slice::<Beat>(&body) else { return plain(StatusCode::BAD_REQUEST) };
    let Some(sent) = Marks::open(&gate, by.session, &beat.page) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let readable = gate.marks.settings.visible != Visible::Off;
    let name = if readable { gate.people.name_of(&by.staff) } else { String::new() };
    let answer = Answer { name: &name, ..gate.hear_page(&by, &beat, sent).await };
    // Writing strings and numbers as JSON cannot fail.
    let mut response = unkept(Response::new(serde_json::to_vec(&answer).unwrap_or_default().into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = unkept(Response::new(Body::empty()));
    *response.status_mut() = status;
    response
}

impl Gate {
    /// Whose open session a request comes from. Not an activity: a page that is merely open must not keep its session
    /// from ending.
    fn sits(&self, asked: &Parts) -> Option<Viewer> {
        let (staff, session) = self.people.owner(&asked.headers, &self.settings.name)?;
        self.access.state().read().people.may_act(session, self.clock.now()).ok()?;
        Some(self.viewer(staff, session))
    }

    /// The mark as a picture, which leaves with the receipt of the entry that issues it (P1).
    async fn draw(&self, by: &Viewer) -> Result<Response<Body>, Refusal> {
        let issue = self.marks.issues.of(by.session, self.clock.now());
        let mut tile = unkept(Response::new(self.marks.issues.tile(&issue).into()));
        tile.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
        tile.headers_mut().insert(BUCKET, HeaderValue::from(issue.bucket.0));
        let mut shows = Shows::nothing();
        shows.mark(issue.mark);
        let sealed = Sealed::new(ResponseId::fresh(&*self.entropy), by.clone(), shows, tile);
        let receipt = issue.receipt(self, by).await?;
        sealed.open(&[receipt]).map_err(|error| {
            tracing::error!(app = %by.app, %error, "a mark stays sealed");
            Why::LedgerUnavailable.into()
        })
    }

    async fn hear_page(&self, by: &Viewer, beat: &Beat, sent: Sent) -> Answer<'static> {
        let marks = &self.marks;
        let now = self.clock.now();
        let issue = marks.issues.of(by.session, now);
        let watched = marks.settings.is_watched();
        let heard = if watched {
            let picture = marks.issues.digest(&issue, Timestamp(beat.bucket));
            marks.watch().hear(beat, sent, by, picture, now, &*self.entropy)
        } else {
            Heard { challenge: String::new(), faults: Vec::new(), sound: false }
        };
        for fault in &heard.faults {
            self.mark_fault(by, *fault).await;
        }
        if heard.sound {
            self.mark_sound(by, sent.at).await;
        }
        Answer {
            challenge: heard.challenge,
            bucket: if marks.settings.invisible { issue.bucket.0 } else { 0 },
            left: issue.left(now),
            every: if watched { EVERY_MS } else { 0 },
            masked: !self.access.state().read().masked(by.session).is_empty(),
            visible: marks.settings.visible,
            name: "",
        }
    }

    /// Lifts what a fault masked, if this page is fresh enough to.
    async fn mark_sound(&self, by: &Viewer, sent: Timestamp) {
        let unmarked = self.access.state().read().unmarked(by.session);
        if !unmarked.is_some_and(|unmarked| unmarked.is_lifted_by(sent)) {
            return;
        }
        let sound = Event::MarkSound(MarkSound { by: by.clone() });
        if let Err(error) = self.ledger.append(Draft::plain(sound)).await {
            tracing::warn!(app = %by.app, session = %by.session, %error, "a mark that is in place again could not be recorded");
        }
    }
}
