//! The way of a look, from the request to what is shown. It reads top to bottom.

use std::sync::Arc;

use adapter::{Read, Recognised};
use axum::body::Body;
use axum::extract;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use ledger::{AppendError, Draft, Verified};
use model::entry::{Viewer, Why};
use model::{ClassSet, CustomerId, GrantId, Mode, ResponseId, SessionId, StaffId};
use people::Seated;
use tokio::time::timeout;

use crate::decide::Permit;
use crate::headers::Kind;
use crate::refuse::{Refusal, Wants, not_logged_in};
use crate::seal::{Sealed, Shows};
use crate::token::Use;
use crate::upstream::{Answered, Answering};
use crate::{Gate, sender};

/// How often a decision is made again because the state moved on before it was recorded.
const ATTEMPTS: usize = 3;

/// The longest path and query that is kept in the link to the question why.
const LONGEST_TARGET: usize = 1024;

/// One request on its way.
pub(crate) struct Way<'g> {
    pub(crate) gate: &'g Gate,
    /// What its response is called in the ledger and on pages.
    pub(crate) response: ResponseId,
    pub(crate) seated: Seated,
    pub(crate) viewer: Viewer,
    pub(crate) asked: Parts,
}

/// Answers a request to the app.
pub(crate) async fn walk(
    extract::State(gate): extract::State<Arc<Gate>>,
    request: Request<Body>,
) -> Response<Body> {
    let (asked, body) = request.into_parts();
    let wants = Wants::of(&asked.headers);
    let response = ResponseId::fresh(&*gate.entropy);

    // 1 who?
    let seated = match gate.identify(&asked).await {
        Ok(Some(seated)) => seated,
        Ok(None) => return gate.lead_to_login(&asked, wants),
        Err(refusal) => return gate.refuse(response, None, refusal, wants).await,
    };
    let viewer = gate.viewer(seated.record.staff.clone(), seated.session);
    let way = Way { gate: &gate, response, seated, viewer, asked };
    match way.go(body).await {
        Ok(answer) => answer,
        Err(refusal) => way.stop(refusal, wants).await,
    }
}

impl Gate {
    /// Who sent this? `Ok(None)`: nobody is logged in.
    pub(crate) async fn identify(&self, asked: &Parts) -> Result<Option<Seated>, Refusal> {
        let seated = self.people.identify(&asked.headers, &self.settings.name).await;
        seated.map_err(|why| {
            let owner = self.people.owner(&asked.headers, &self.settings.name);
            let refusal = Refusal::from(why).by(owner.map(|(staff, session)| self.viewer(staff, session)));
            match why {
                Why::SessionEnded => refusal.way_on(login_page(asked)),
                _ => refusal,
            }
        })
    }

    /// Somebody who looks at this app.
    pub(crate) fn viewer(&self, staff: StaffId, session: SessionId) -> Viewer {
        Viewer { staff, session, app: self.settings.name.clone() }
    }

    /// What somebody who is not logged in gets.
    pub(crate) fn lead_to_login(&self, asked: &Parts, wants: Wants) -> Response<Body> {
        match wants {
            Wants::Page => see_other(&login_page(asked)),
            Wants::Problem => not_logged_in(),
        }
    }
}

impl Way<'_> {
    async fn go(&self, body: Body) -> Result<Response<Body>, Refusal> {
        sender::check(&self.asked, self.gate.upstream.public())?;
        let body = self.take(body).await?;
        // 2 what?
        let recognised = self.recognise(&body);
        if !matches!(recognised, Recognised::Open) {
            self.witnessed()?;
            self.contained()?;
            if let Some(word) = self.word() {
                return Ok(see_other(&word));
            }
        }
        match recognised {
            Recognised::Open => self.pass(body).await,
            Recognised::Read(read) => self.look(&read, body).await,
            Recognised::Write(read) => self.write(&read, body).await,
            Recognised::Unknown => self.wander(body).await,
        }
    }

    /// The whole body of the request: what is asked for may stand in it, so that nothing streams through
    /// before it is recognised.
    async fn take(&self, body: Body) -> Result<Bytes, Refusal> {
        let limits = self.gate.settings.limits;
        let taking = Limited::new(body, limits.request_bytes).collect();
        match timeout(self.gate.settings.timeouts.body(), taking).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(_)) | Err(_) => Err(Why::BadRequest.into()),
        }
    }

    fn recognise(&self, body: &[u8]) -> Recognised {
        let recognised = self.gate.adapter.recognise(&adapter::Request {
            method: &self.asked.method,
            target: self.target(),
            content_type: content_type(&self.asked.headers),
            body,
        });
        match recognised {
            Recognised::Read(read) => Recognised::Read(self.with_customer(read)),
            Recognised::Write(read) => Recognised::Write(self.with_customer(read)),
            Recognised::Open | Recognised::Unknown => recognised,
        }
    }

    /// Where the request names only a ticket, it names the ticket's customer: also to the adapter, because
    /// answers do not always repeat it.
    fn with_customer(&self, read: Read) -> Read {
        let of_ticket = || self.gate.access.tickets().customer_of(&self.viewer.app, read.ticket.as_ref()?);
        Read { customer: read.customer.clone().or_else(of_ticket), ..read }
    }

    /// A route that shows no customer: passed through as it is.
    async fn pass(&self, body: Bytes) -> Result<Response<Body>, Refusal> {
        // A page that is kept, or that comes compressed, cannot have the mark of now over it.
        let kind = if self.gate.marks.may_be_over(&self.asked) { Kind::Recorded } else { Kind::Open };
        let answering = self.forward(body, kind).await?;
        let answer = self.gate.upstream.pass(answering);
        self.show_as_it_comes(Shows::nothing(), Vec::new(), answer).await
    }

    /// A look. Where the request names the customer, it is decided and recorded while the app is still
    /// answering; a look that is refused does not wait for the app.
    async fn look(&self, read: &Read, body: Bytes) -> Result<Response<Body>, Refusal> {
        let ((permit, receipts), answer) = tokio::try_join!(
            biased;
            self.decide_and_record(read), // 4, 7
            async { Ok(self.forward(body, Kind::Recorded).await) }, // 3
        )?;
        self.show(read, permit, receipts, answer?).await
    }

    /// A write: needs what a look needs, is recorded before it is passed on, and its answer is a look.
    async fn write(&self, read: &Read, body: Bytes) -> Result<Response<Body>, Refusal> {
        let (body, restored) = self.restore(body)?;
        let permit = self.decide_and_record_write(read, restored).await?;
        let answer = self.forward(body, Kind::Recorded).await?;
        self.show(read, permit, Vec::new(), answer).await
    }

    /// A route that no adapter knows: nobody can say whom it shows. In `observe` it is passed on, with an
    /// entry that says so.
    async fn wander(&self, body: Bytes) -> Result<Response<Body>, Refusal> {
        if self.mode() == Mode::Enforce {
            return Err(Why::UnknownRoute.into());
        }
        let body = if self.asked.method.is_safe() { body } else { self.restore(body)?.0 };
        let answering = self.forward(body, Kind::Recorded).await?;
        self.show_unread(Why::UnknownRoute, self.gate.upstream.pass(answering)).await
    }

    /// Passes the request on to the app, as this staff member.
    async fn forward(&self, body: Bytes, kind: Kind) -> Result<Answering, Refusal> {
        let answering = self.gate.upstream.ask(&self.asked, body, &self.seated.login, kind).await?;
        Ok(answering)
    }

    /// Reads what the answer really shows, seals it, records what is not recorded yet, and opens it.
    async fn show(
        &self,
        read: &Read,
        permit: Option<Permit>,
        mut receipts: Vec<Verified>,
        answering: Answering,
    ) -> Result<Response<Body>, Refusal> {
        let (head, body) = match self.gate.upstream.read(answering).await? {
            Answered::Whole(head, body) => (head, body),
            Answered::TooLarge(head, body) => {
                let answer = self.gate.upstream.for_browser(&head, Kind::Recorded, body);
                return self.unless_enforced(Why::AnswerTooLarge, answer).await;
            }
        };
        // 5 what did it really show? 6 seal
        let Some(reading) = self.read(read, permit, &head, &body)? else {
            let answer = self.gate.upstream.for_browser(&head, Kind::Recorded, body.into());
            return self.unless_enforced(Why::UnreadableAnswer, answer).await;
        };
        // 7 record
        receipts.extend(self.gate.record(reading.drafts).await?);
        // 8 open
        if let Some(over) = &reading.over {
            receipts.push(over.receipt(self).await?);
        }
        self.still_stands(&reading.granted, reading.classes)?;
        let answer = self.open(reading.sealed, &receipts)?;
        match &reading.over {
            Some(over) => self.watch_page(over),
            None if reading.shows => self.gate.marks.fetched(self.viewer.session),
            None => {}
        }
        Ok(answer)
    }

    /// Whether nobody has taken anything away in the meantime: what was recorded before a revocation is not
    /// shown after it either.
    fn still_stands(&self, granted: &[(CustomerId, GrantId)], shown: ClassSet) -> Result<(), Refusal> {
        if !shown.intersection(self.masked()).is_empty() {
            return Err(Why::Stale.into());
        }
        let (Viewer { staff, session, app }, now) = (&self.viewer, self.gate.clock.now());
        let state = self.gate.access.state().read();
        state.people.may_act(*session, now)?;
        let is_live = |(customer, grant): &(CustomerId, GrantId)| {
            state.live_grants(staff, app, customer, now).iter().any(|live| live.id == *grant)
        };
        if granted.iter().all(is_live) { Ok(()) } else { Err(Why::Stale.into()) }
    }

    /// An answer that cannot be read: closed, but in `observe` passed on with an entry that says so.
    async fn unless_enforced(&self, why: Why, answer: Response<Body>) -> Result<Response<Body>, Refusal> {
        match self.mode() {
            Mode::Enforce => Err(why.into()),
            Mode::Observe => self.show_unread(why, answer).await,
        }
    }

    async fn show_unread(&self, why: Why, answer: Response<Body>) -> Result<Response<Body>, Refusal> {
        let note = self.gate.note(self.response, Some(&self.viewer), why, None);
        self.show_as_it_comes(Shows::unread(), vec![note], answer).await
    }

    /// Shows an answer that is not read on its way, with the mark over it if it is a page.
    async fn show_as_it_comes(
        &self,
        mut shows: Shows,
        drafts: Vec<Draft>,
        answer: Response<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let mut answer = answer;
        let over = self.lay_mark(answer.status(), answer.headers_mut(), shows.is_something());
        let mut receipts = self.gate.record(drafts).await?;
        if let Some(over) = &over {
            shows.mark(over.mark());
            answer = answer.map(|page| over.page_on_the_way(page));
            receipts.push(over.receipt(self).await?);
        }
        let answer = self.open(Sealed::new(self.response, self.viewer.clone(), shows, answer), &receipts)?;
        if let Some(over) = &over {
            self.watch_page(over);
        }
        Ok(answer)
    }

    /// Opens what is sealed, with the receipts for it and only with them (P1).
    fn open(&self, sealed: Sealed, receipts: &[Verified]) -> Result<Response<Body>, Refusal> {
        // Also where the look was recorded before the rung was in force.
        self.contained()?;
        sealed.open(receipts).map_err(|error| {
            tracing::error!(app = %self.viewer.app, %error, "an answer stays sealed");
            Why::LedgerUnavailable.into()
        })
    }

    /// Decides about the customer whom the request names, and records the look.
    async fn decide_and_record(&self, read: &Read) -> Result<(Option<Permit>, Vec<Verified>), Refusal> {
        let Some(customer) = &read.customer else { return Ok((None, Vec::new())) };
        for attempt in 0..ATTEMPTS {
            let mut permit = match self.decide(read, customer, read.ticket.as_ref()) {
                Err(refusal) if refusal.why == Why::NoReason && attempt == 0 => {
                    if self.gate.hurry_feed().await {
                        continue;
                    }
                    return Err(refusal);
                }
                decided => decided?,
            };
            match self.gate.record(permit.take_drafts()).await {
                Err(refusal) if refusal.why == Why::Stale => {}
                Err(refusal) => return Err(refusal.about(permit.subject())),
                Ok(receipts) => return Ok((Some(permit), receipts)),
            }
        }
        Err(Why::Stale.into())
    }

    /// Decides about the customer whom a write names, and records that it is passed on.
    async fn decide_and_record_write(&self, read: &Read, restored: u32) -> Result<Option<Permit>, Refusal> {
        for _ in 0..ATTEMPTS {
            let mut permit = match &read.customer {
                Some(customer) => Some(self.decide(read, customer, read.ticket.as_ref())?),
                None => None,
            };
            let grant = permit.as_mut().and_then(Permit::take_grant);
            let written = self.written(permit.as_ref(), restored);
            match self.gate.record(grant.into_iter().chain([written]).collect()).await {
                Err(refusal) if refusal.why == Why::Stale => {}
                Err(refusal) => return Err(refusal),
                Ok(_) => return Ok(permit),
            }
        }
        Err(Why::Stale.into())
    }

    /// The write, as it goes on to the app: masked values put back where they came from.
    fn restore(&self, body: Bytes) -> Result<(Bytes, u32), Refusal> {
        if body.is_empty() {
            return Ok((body, 0));
        }
        let content_type = content_type(&self.asked.headers).unwrap_or_default();
        let mut open = |field: &str, sealed: &str| {
            let original = self.gate.tokens.open(self.viewer.session, Use::Field(field), sealed)?;
            String::from_utf8(original).ok()
        };
        match self.gate.adapter.restore(content_type, &body, &mut open) {
            Ok(write) => Ok((write.body.into(), write.restored)),
            Err(error) => {
                tracing::info!(app = %self.viewer.app, field = %error.field, "a masked value came back");
                Err(Why::MaskedWrite.into())
            }
        }
    }

    /// Refuses the request; a browser that only has to be told where to say why is led there.
    async fn stop(&self, refusal: Refusal, wants: Wants) -> Response<Body> {
        let question = match (&refusal, wants, &self.asked.method) {
            (
                Refusal { why: Why::NoReason | Why::StepUp, way_on: Some(page), .. },
                Wants::Page,
                &Method::GET,
            ) => Some(see_other(page)),
            _ => None,
        };
        let said = self.gate.refuse(self.response, Some(&self.seated), refusal, wants).await;
        match question {
            // What could not be recorded is said so, and leads nowhere.
            Some(question) if said.status() != StatusCode::SERVICE_UNAVAILABLE => question,
            _ => said,
        }
    }

    /// The request.
    pub(crate) fn asked(&self) -> &Parts {
        &self.asked
    }

    /// Path and query, as the browser sent them.
    pub(crate) fn target(&self) -> &str {
        target(&self.asked)
    }

    /// What Sightline does in front of this app.
    pub(crate) fn mode(&self) -> Mode {
        self.gate.access.state().read().mode(&self.viewer.app).unwrap_or(Mode::Enforce)
    }

    /// The page to come back to once the viewer has said why: this one, if it is a page that can be opened
    /// again, or else the page that sent the request.
    pub(crate) fn come_back(&self) -> String {
        let is_page = self.asked.method == Method::GET && Wants::of(&self.asked.headers) == Wants::Page;
        let page = if is_page { Some(self.target()) } else { self.sent_from() };
        page.filter(|page| page.len() <= LONGEST_TARGET).unwrap_or("/").to_owned()
    }

    /// Path and query of the page of this site that sent the request, if the browser says so.
    fn sent_from(&self) -> Option<&str> {
        let page = self.asked.headers.get(header::REFERER)?.to_str().ok()?;
        self.gate.upstream.public().strip(page).filter(|page| page.starts_with('/'))
    }
}

impl Gate {
    /// Records all of `drafts` or nothing, and checks the ledger's receipts for them.
    pub(crate) async fn record(&self, drafts: Vec<Draft>) -> Result<Vec<Verified>, Refusal> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let receipts = self.ledger.append_all(drafts).await.map_err(|error| match error {
            AppendError::Refused(why) => Refusal::from(why),
            AppendError::Malformed(_) | AppendError::Unavailable | AppendError::Closed => {
                tracing::error!(app = %self.settings.name, %error, "nothing can be recorded");
                Why::LedgerUnavailable.into()
            }
        })?;
        let log = self.ledger.verifier();
        receipts.iter().map(|receipt| receipt.verify(log)).collect::<Result<_, _>>().map_err(|error| {
            tracing::error!(app = %self.settings.name, %error, "the ledger gave a receipt that does not verify");
            Why::LedgerUnavailable.into()
        })
    }
}

pub(crate) fn target(asked: &Parts) -> &str {
    asked.uri.path_and_query().map_or("/", |target| target.as_str())
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// The login, and then back to what was asked for.
fn login_page(asked: &Parts) -> String {
    let next = if asked.method == Method::GET { target(asked) } else { "/" };
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("/.sightline/login?next={next}")
}

/// A redirect that is followed with GET, and kept by nobody.
pub(crate) fn see_other(page: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    pages::harden(response.headers_mut());
    if let Ok(page) = page.parse() {
        response.headers_mut().insert(header::LOCATION, page);
    }
    response
}
