//! What takes two administrators: proposals, what they would do, and the decision.
//!
//! No customer stands on the page. Whoever confirms an erasure types the customer's number, as it stands in the
//! request that they have before them: so two people check, each for themselves, that it is the right one.

use askama::Template;
use axum::Form;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use ledger::Draft;
use model::entry::{Act, Actor, Decided, Decision, Event, Why};
use model::{CustomerId, ProposalId, StaffId, Timestamp};
use pages::{Html, Icon};

use crate::Console;
use crate::fault::Fault;
use crate::guard::Visitor;
use crate::happening::actor;

/// What is typed to let the gateway go on without its witnesses.
const UNWITNESSED: &str = "unwitnessed";

/// A proposal, as the page shows it.
struct Shown {
    id: ProposalId,
    act: Act,
    by: String,
    index: u64,
    proposed: Timestamp,
    expires: Timestamp,
    confirmed_by: Vec<StaffId>,
    /// Whether the visitor is among them.
    mine: bool,
    /// Whether it is for the visitor to decide.
    may_decide: bool,
}

impl Shown {
    fn of(proposal: &access::Proposal, visitor: &Visitor) -> Self {
        let me = &visitor.seated.record.staff;
        Self {
            id: proposal.id,
            act: proposal.act.clone(),
            by: match &proposal.by {
                Actor::Operator => "the operator, from a shell".to_owned(),
                by => actor(by),
            },
            index: proposal.index,
            proposed: proposal.proposed,
            expires: proposal.expires,
            confirmed_by: proposal.confirmed_by.clone(),
            mine: proposal.confirmed_by.contains(me),
            may_decide: proposal.is_for(me, visitor.role()),
        }
    }
}

/// What was just done, at the top of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Proposed,
    Confirmed,
    Rejected,
}

/// The query.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    said: Option<Said>,
    entry: Option<u64>,
}

#[derive(Template)]
#[template(path = "decisions.html")]
struct DecisionsTemplate<'a> {
    now: Timestamp,
    csrf: &'a str,
    may_decide: bool,
    open: Vec<Shown>,
    confirmed: Vec<Shown>,
    unwitnessed_until: Option<Timestamp>,
    said: Option<(Said, u64)>,
    /// The word that was typed for this proposal is not the one.
    wrong: Option<ProposalId>,
}

impl DecisionsTemplate<'_> {
    fn is_wrong(&self, id: &ProposalId) -> bool {
        self.wrong.as_ref() == Some(id)
    }

    fn unwitnessed(&self) -> Html {
        Html::text("By the decision of two administrators, looks go on without the witnesses for now.")
    }

    fn not_that_one(&self) -> Html {
        Html::text(
            "This is not what the proposal is about, so nothing was confirmed. The attempt is in the ledger. \
             Compare the number with the request; if they differ, reject the proposal.",
        )
    }
}

fn show(
    console: &Console,
    visitor: &Visitor,
    said: Option<(Said, u64)>,
    wrong: Option<ProposalId>,
) -> Response {
    let now = console.clock.now();
    let body = {
        let state = console.access.state().read();
        let mut open: Vec<Shown> = state.open_proposals(now).map(|p| Shown::of(p, visitor)).collect();
        open.sort_by_key(|shown| std::cmp::Reverse(shown.index));
        DecisionsTemplate {
            now,
            csrf: &visitor.seated.csrf,
            may_decide: visitor.may_decide(),
            open,
            confirmed: state.confirmed_proposals().map(|p| Shown::of(p, visitor)).collect(),
            unwitnessed_until: state.unwitnessed_until().filter(|until| now < *until),
            said,
            wrong,
        }
    };
    crate::shell::page(visitor, "/decisions", "Decisions", &body)
}

/// `GET /decisions`
pub(crate) async fn page(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    show(&console, &visitor, asked.said.zip(asked.entry), None)
}

/// Back to the list, so that loading the page again does not send the form again.
fn done(said: &str, entry: u64) -> Response {
    Redirect::to(&format!("/decisions?said={said}&entry={entry}")).into_response()
}

/// The form that proposes an erasure.
#[derive(serde::Deserialize)]
pub(crate) struct Proposing {
    csrf: String,
    customer: String,
}

/// `POST /decisions/propose`
pub(crate) async fn propose(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Form(form): Form<Proposing>,
) -> Result<Response, Fault> {
    visitor.check_form(&console, &form.csrf).await?;
    visitor.check_may_decide(&console).await?;
    let customer = form.customer.trim();
    if customer.is_empty() {
        return Err(Fault::Unreadable);
    }
    let (customer, session) = (CustomerId::new(customer), Some(visitor.seated.session));
    let (_, entry) = console.erasure.propose(customer, visitor.actor(), session).await?;
    Ok(done("proposed", entry))
}

/// The form that decides about a proposal.
#[derive(serde::Deserialize)]
pub(crate) struct Deciding {
    csrf: String,
    proposal: ProposalId,
    decision: Decision,
    /// What is typed to confirm.
    #[serde(default)]
    word: String,
}

/// `POST /decisions`
pub(crate) async fn decide(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Form(form): Form<Deciding>,
) -> Result<Response, Fault> {
    visitor.check_form(&console, &form.csrf).await?;
    let now = console.clock.now();
    let open = console.access.state().read().open_proposals(now).find(|p| p.id == form.proposal).cloned();
    let mine = open.as_ref().is_some_and(|p| p.is_for(&visitor.seated.record.staff, visitor.role()));
    if !mine {
        visitor.check_may_decide(&console).await?;
    }
    let proposal = open.ok_or(Fault::NotAdmitted(Why::NoSuchProposal))?;
    if form.decision == Decision::Confirm && !is_meant(&console, &proposal, form.word.trim())? {
        visitor.refuse(&console, Why::BadRequest).await?;
        return Ok(show(&console, &visitor, None, Some(form.proposal)));
    }
    let decided = Decided {
        proposal: form.proposal,
        by: visitor.seated.record.staff.clone(),
        session: visitor.seated.session,
        decision: form.decision,
    };
    let receipt = console.ledger.append(Draft::plain(Event::Decided(decided))).await?;
    let said = match form.decision {
        Decision::Confirm => "confirmed",
        Decision::Reject => "rejected",
    };
    Ok(done(said, receipt.index()))
}

/// Whether what was typed shows that the proposal is meant.
fn is_meant(console: &Console, proposal: &access::Proposal, word: &str) -> Result<bool, Fault> {
    match proposal.act {
        Act::Erase { .. } => Ok(console.erasure.is_about(proposal, &CustomerId::new(word))?),
        Act::AllowUnwitnessed { .. } => Ok(word.eq_ignore_ascii_case(UNWITNESSED)),
        Act::Lift { ref staff } => Ok(word == staff.as_str()),
        Act::Name { .. } => Ok(word.eq_ignore_ascii_case("name")),
    }
}
