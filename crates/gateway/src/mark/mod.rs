//! The mark over the pages of an app: a picture that cameras see and people do not, another one for each session and
//! five minutes, so that a film of the screen leads back to a session (`trace`).
//!
//! A page gets two tags in its head: a script that lays the mark over it and proves that it is there
//! (`pages/assets/overlay.js`), and a style that lays it there where scripts are off. Neither the page nor the picture
//! leaves before the ledger has the entry that issues the mark; [`seal`](crate::seal) holds that.

mod beat;
mod csp;
mod issue;
mod place;
pub(crate) mod settings;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Response, StatusCode};
use ledger::{Draft, Verified};
use model::clock::random;
use model::entry::Viewer;
use model::{ClassSet, Event, MarkFault, MarkFaultKind, MarkId, Mode, ResponseId, SessionId, Timestamp};
use pages::asset_url;
use trace::MarkKey;

use crate::Gate;
use crate::origin::Origin;
use crate::refuse::{Refusal, Wants};
use crate::token::Use;
use crate::way::Way;
use issue::{Issue, Issues};
use settings::{Heartbeat, MarkSettings};
use watch::{Sent, Watch};

pub(crate) use beat::routes;

/// How often silent pages are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// The marks of one app.
#[derive(Debug)]
pub(crate) struct Marks {
    settings: MarkSettings,
    issues: Issues,
    watch: Mutex<Watch>,
    addresses: Addresses,
}

/// What a page with the mark loads, as a content security policy names it.
#[derive(Debug)]
struct Addresses {
    script: String,
    style: String,
    tile: String,
    beat: String,
}

/// The mark over one page that has not left yet.
pub(crate) struct Over {
    issue: Arc<Issue>,
    sent: Option<Sent>,
    tags: String,
}

impl Over {
    /// Which mark it is.
    pub(crate) fn mark(&self) -> MarkId {
        self.issue.mark
    }

    /// The page with the mark's tags in it.
    pub(crate) fn page(&self, page: Vec<u8>) -> Vec<u8> {
        place::insert(page, &self.tags)
    }

    /// A page that nobody reads on its way, with the mark's tags in it.
    pub(crate) fn page_on_the_way(&self, page: Body) -> Body {
        place::insert_on_the_way(page, self.tags.clone())
    }

    /// The receipt for the entry that issues the mark.
    pub(crate) async fn receipt(&self, way: &Way<'_>) -> Result<Verified, Refusal> {
        self.issue.receipt(way.gate, &way.viewer).await
    }
}

impl Marks {
    pub(crate) fn new(settings: MarkSettings, key: MarkKey, public: &Origin) -> Self {
        let at = |path: &str| format!("{public}{path}");
        let addresses = Addresses {
            script: at(&asset_url("overlay.js")),
            style: at(&asset_url("still.css")),
            tile: at(beat::TILE),
            beat: at(beat::BEAT),
        };
        Self { settings, issues: Issues::new(key), watch: Mutex::default(), addresses }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A script got something of customers.
    pub(crate) fn fetched(&self, session: SessionId) {
        if self.settings.is_watched() {
            self.watch().fetched(session);
        }
    }

    /// Whether the answer to this request may be a page in a window, if it is one at all. A page in a frame of a page of
    /// this site lies under that page's mark.
    pub(crate) fn may_be_over(&self, asked: &Parts) -> bool {
        let said = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
        let in_a_frame = matches!(said("sec-fetch-dest"), Some("iframe" | "frame" | "embed" | "object"));
        let is_window = match said("sec-fetch-dest") {
            Some("document") => true,
            Some(_) => in_a_frame && said("sec-fetch-site") != Some("same-origin"),
            None => Wants::of(&asked.headers) == Wants::Page,
        };
        self.settings.is_on() && is_window
    }

    /// What the page carries, sealed for its session.
    fn token(&self, gate: &Gate, session: SessionId, sent: Sent) -> String {
        let plain = [&sent.page.to_bytes()[..], &sent.at.0.to_be_bytes(), &[u8::from(sent.shows)]].concat();
        gate.tokens.seal(&*gate.entropy, session, Use::Page, &plain)
    }

    fn open(gate: &Gate, session: SessionId, token: &str) -> Option<Sent> {
        let plain = gate.tokens.open(session, Use::Page, token)?;
        let (page, rest) = plain.split_first_chunk::<10>()?;
        let (at, shows) = rest.split_first_chunk::<8>()?;
        let at = Timestamp(u64::from_be_bytes(*at));
        Some(Sent { page: ResponseId::from_bytes(*page), at, shows: shows == [1] })
    }
}

impl Way<'_> {
    /// Lays the mark over an answer with these headers, if it is a page. Extends its content security policy.
    pub(crate) fn lay_mark(&self, status: StatusCode, headers: &mut HeaderMap, shows: bool) -> Option<Over> {
        let marks = &self.gate.marks;
        if status.is_redirection() || !marks.may_be_over(self.asked()) || !is_page(headers) {
            return None;
        }
        let now = self.gate.clock.now();
        let nonce = URL_SAFE_NO_PAD.encode(random::<16>(&*self.gate.entropy));
        let Addresses { script, style, tile, beat } = &marks.addresses;
        let source = format!("'nonce-{nonce}'");
        let scripts = csp::extend(headers, &csp::Needs { script, style, tile, beat, nonce: &source });
        let by_nonce = headers
            .get_all(header::CONTENT_SECURITY_POLICY)
            .iter()
            .any(|policy| policy.to_str().is_ok_and(|policy| policy.contains(&source)));
        let nonce = if by_nonce { format!(" nonce=\"{nonce}\"") } else { String::new() };
        let sent = Sent { page: self.response, at: now, shows };
        let tags = format!(
            "<script src=\"{}\" data-page=\"{}\"{nonce}></script>\
             <noscript><link rel=\"stylesheet\" href=\"{}\"></noscript>",
            asset_url("overlay.js"),
            marks.token(self.gate, self.viewer.session, sent),
            asset_url("still.css"),
        );
        let is_heard = marks.settings.is_watched() && scripts == csp::Scripts::Run;
        let issue = marks.issues.of(self.viewer.session, now);
        Some(Over { issue, sent: is_heard.then_some(sent), tags })
    }

    /// A page with the mark over it goes out: from now on it has to prove that it is there.
    pub(crate) fn watch_page(&self, over: &Over) {
        if let Some(sent) = over.sent {
            self.gate.marks.watch().sent(sent, self.viewer.clone(), &*self.gate.entropy);
        }
    }

    /// What this session is not shown, because its mark is not in place.
    pub(crate) fn masked(&self) -> ClassSet {
        let (marks, session) = (&self.gate.marks, self.viewer.session);
        if self.mode() == Mode::Observe {
            return ClassSet::EMPTY;
        }
        let of_faults = self.gate.access.state().read().masked(session);
        if marks.settings.heartbeat == Heartbeat::MaskFirst
            && marks.settings.masks()
            && !marks.watch().has_proved(session)
        {
            return of_faults.union(ClassSet::NEEDS_MARK);
        }
        of_faults
    }
}

impl Gate {
    /// Looks for pages that have fallen silent, for as long as it is polled.
    pub(crate) async fn watch_marks(&self) {
        if !self.marks.settings.is_watched() {
            return;
        }
        let mut every = tokio::time::interval(SWEEP);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let now = self.clock.now();
            let silent = {
                let state = self.access.state().read();
                self.marks.watch().silent(now, |session| state.people.may_act(session, now).is_ok())
            };
            for by in silent {
                self.mark_fault(&by, MarkFaultKind::Silent).await;
            }
        }
    }

    /// Records a fault. Where it masks, nothing of that is admitted behind it.
    async fn mark_fault(&self, by: &Viewer, what: MarkFaultKind) {
        let enforced = self.access.state().read().mode(&by.app).unwrap_or(Mode::Enforce) == Mode::Enforce;
        let masks =
            if enforced && self.marks.settings.masks() { ClassSet::NEEDS_MARK } else { ClassSet::EMPTY };
        let fault = Event::MarkFault(MarkFault { by: by.clone(), what, masks });
        if let Err(error) = self.ledger.append(Draft::plain(fault)).await {
            tracing::error!(app = %by.app, session = %by.session, %what, %error, "a fault of the mark could not be recorded");
        }
    }
}

/// Whether an answer with these headers is a page that can be written into.
fn is_page(headers: &HeaderMap) -> bool {
    let said = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let begins = |text: Option<&str>, with: &str| {
        text.and_then(|text| text.trim_start().get(..with.len()))
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    begins(said(header::CONTENT_TYPE), "text/html")
        && !begins(said(header::CONTENT_DISPOSITION), "attachment")
        && said(header::CONTENT_ENCODING).is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"))
}

/// A response that nobody keeps.
fn unkept(mut response: Response<Body>) -> Response<Body> {
    pages::harden(response.headers_mut());
    let unkept = header::HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, unkept);
    response
}
