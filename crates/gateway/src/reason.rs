//! The viewer's own pages: why they need a customer, one more field of a customer, and who they are.
//!
//! A page is opened with a sealed token, so that no address holds a customer's id.

use std::sync::Arc;

use access::{Grant, Look, Reason, Remaining, TicketLink};
use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use http::request::Parts;
use http::{Response, StatusCode};
use ledger::Draft;
use model::entry::Why;
use model::{ClassSet, CustomerId, Purpose, ResponseId, SessionId, Subject, TicketId, Timestamp};
use pages::{Html, Page};
use people::Seated;
use serde::{Deserialize, Serialize};

use crate::refuse::{Refusal, Wants, who};
use crate::token::Use;
use crate::way::see_other;
use crate::{Gate, sender};

/// The longest free note, in characters.
const LONGEST_NOTE: usize = 500;

/// What a viewer wants to see, and where they go on once they may.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) customer: CustomerId,
    pub(crate) ticket: Option<TicketId>,
    /// Classes asked for one by one; none: whatever the policy shows.
    pub(crate) asked: ClassSet,
    /// Path and query of the page wanted.
    pub(crate) next: String,
}

impl Wanted {
    /// Seals it for this session.
    pub(crate) fn seal(&self, gate: &Gate, session: SessionId) -> String {
        // Strings and numbers as JSON cannot fail.
        let plain = serde_json::to_vec(self).unwrap_or_default();
        gate.tokens.seal(&*gate.entropy, session, Use::Wanted, &plain)
    }

    fn open(gate: &Gate, session: SessionId, token: &str) -> Option<Self> {
        serde_json::from_slice(&gate.tokens.open(session, Use::Wanted, token)?).ok()
    }

    fn subject(&self) -> Subject {
        Subject { customer: self.customer.clone(), ticket: self.ticket.clone(), note: None }
    }
}

/// The query of the page.
#[derive(Debug, Deserialize)]
pub(crate) struct For {
    r#for: String,
}

/// The form of the page.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    r#for: String,
    csrf: String,
    purpose: Purpose,
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    note: String,
}

/// `GET /.sightline/why`, `GET /.sightline/ask`: the question. Where there is evidence by now, the answer.
pub(crate) async fn question(
    State(gate): State<Arc<Gate>>,
    asked: Parts,
    query: Result<Query<For>, QueryRejection>,
) -> Response<Body> {
    let seated = match seat(&gate, &asked).await {
        Ok(seated) => seated,
        Err(response) => return response,
    };
    let page = match query {
        Ok(Query(For { r#for: token })) => gate.ask(&seated, token),
        Err(_) => Err(Why::BadRequest.into()),
    };
    finish(&gate, &asked, &seated, page).await
}

/// `POST /.sightline/why`, `POST /.sightline/ask`: the answer.
pub(crate) async fn answer(
    State(gate): State<Arc<Gate>>,
    asked: Parts,
    form: Result<Form<Said>, FormRejection>,
) -> Response<Body> {
    let seated = match seat(&gate, &asked).await {
        Ok(seated) => seated,
        Err(response) => return response,
    };
    let page = match form {
        Ok(Form(said)) => gate.hear(&seated, &asked, &said).await,
        Err(_) => Err(Why::BadRequest.into()),
    };
    finish(&gate, &asked, &seated, page).await
}

/// `GET /.sightline/whoami`: who is logged in, and what is left of the shift's budgets.
pub(crate) async fn whoami(State(gate): State<Arc<Gate>>, asked: Parts) -> Response<Body> {
    let seated = match seat(&gate, &asked).await {
        Ok(seated) => seated,
        Err(response) => return response,
    };
    let body = Html::of(&WhoamiPage { seated: &seated, budget: gate.budget(&seated), now: gate.clock.now() });
    Page { who: Some(who(&seated)), ..Page::small("Who am I?", body) }.respond(StatusCode::OK)
}

/// Who asks for one of these pages, or what they get who are not logged in.
pub(crate) async fn seat(gate: &Gate, asked: &Parts) -> Result<Seated, Response<Body>> {
    let wants = Wants::of(&asked.headers);
    match gate.identify(asked).await {
        Ok(Some(seated)) => Ok(seated),
        Ok(None) => Err(gate.lead_to_login(asked, wants)),
        Err(refusal) => Err(gate.refuse(gate.fresh_response(), None, refusal, wants).await),
    }
}

pub(crate) async fn finish(
    gate: &Gate,
    asked: &Parts,
    seated: &Seated,
    page: Result<Response<Body>, Refusal>,
) -> Response<Body> {
    match page {
        Ok(response) => response,
        Err(refusal) => {
            gate.refuse(gate.fresh_response(), Some(seated), refusal, Wants::of(&asked.headers)).await
        }
    }
}

impl Gate {
    fn fresh_response(&self) -> ResponseId {
        ResponseId::fresh(&*self.entropy)
    }

    /// Asks, unless there is nothing to ask any more.
    fn ask(&self, seated: &Seated, token: String) -> Result<Response<Body>, Refusal> {
        let wanted = Wanted::open(self, seated.session, &token).ok_or(Why::ForgedForm)?;
        let now = self.clock.now();
        if wanted.asked.is_empty() && self.may_look(seated, &wanted, now) {
            return Ok(see_other(&wanted.next));
        }
        let tickets = self.access.tickets();
        let links = tickets.links(&self.settings.name, &seated.record.staff, &wanted.customer, now);
        let question = QuestionPage {
            wanted: &wanted,
            token,
            csrf: &seated.csrf,
            links,
            budget: self.budget(seated),
            now,
        };
        let title =
            if wanted.asked.is_empty() { "Why do you need this customer?" } else { "Show one more field" };
        let body = Html::of(&question);
        Ok(Page { who: Some(who(seated)), ..Page::small(title, body) }.respond(StatusCode::OK))
    }

    fn may_look(&self, seated: &Seated, wanted: &Wanted, now: Timestamp) -> bool {
        let decision = self.access.decide(&self.look(seated, wanted, now));
        matches!(decision.basis, access::Basis::Granted(_) | access::Basis::Issue { .. })
    }

    /// Turns the reason into a grant, records it, and leads on to the page wanted.
    async fn hear(&self, seated: &Seated, asked: &Parts, said: &Said) -> Result<Response<Body>, Refusal> {
        let sent_from_here = sender::sent_from(&asked.headers, self.upstream.public());
        if !sent_from_here || !self.people.csrf_ok(seated, &said.csrf) {
            return Err(Why::ForgedForm.into());
        }
        let wanted = Wanted::open(self, seated.session, &said.r#for).ok_or(Why::ForgedForm)?;
        let reason = Reason {
            purpose: said.purpose,
            ticket: filled(&said.ticket).map(TicketId::new),
            note: filled(&said.note).map(|note| note.chars().take(LONGEST_NOTE).collect()),
            asked: wanted.asked,
        };
        let about = |why| Refusal::from(why).about(wanted.subject());
        let look = self.look(seated, &wanted, self.clock.now());
        let (_, draft): (Grant, Draft) = self.access.justify(&look, &reason).map_err(about)?;
        self.record(vec![draft]).await.map_err(|refusal| refusal.about(wanted.subject()))?;
        Ok(see_other(&wanted.next))
    }

    fn look<'a>(&'a self, seated: &'a Seated, wanted: &'a Wanted, now: Timestamp) -> Look<'a> {
        Look {
            viewer: &seated.record,
            app: &self.settings.name,
            customer: &wanted.customer,
            ticket: wanted.ticket.as_ref(),
            now,
        }
    }

    fn budget(&self, seated: &Seated) -> Remaining {
        self.access.remaining(&seated.record.staff, self.clock.now())
    }
}

/// What was filled in, if anything.
fn filled(field: &str) -> Option<&str> {
    let field = field.trim();
    (!field.is_empty()).then_some(field)
}

#[derive(Template)]
#[template(path = "question.html")]
struct QuestionPage<'a> {
    wanted: &'a Wanted,
    token: String,
    csrf: &'a str,
    links: Vec<TicketLink>,
    budget: Remaining,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "whoami.html")]
struct WhoamiPage<'a> {
    seated: &'a Seated,
    budget: Remaining,
    now: Timestamp,
}

/// The purposes that a viewer may choose; break-glass has its own way.
pub(crate) const PURPOSES: &[(Purpose, &str, &str)] = &[
    (Purpose::CustomerSupport, "Customer support", "The customer asked for help."),
    (Purpose::Escalation, "Escalation", "You take over from a colleague."),
    (Purpose::QualityReview, "Quality review", "You review a colleague's work."),
    (Purpose::FraudInvestigation, "Fraud investigation", "You look into suspected fraud."),
    (Purpose::LegalRequest, "Legal request", "A court or an authority asks."),
    (Purpose::IncidentResponse, "Incident response", "You handle an incident."),
];
