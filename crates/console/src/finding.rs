//! One finding: what was odd, against what, which looks weigh, what would make it innocent; and what to do about it.

use std::sync::Arc;

use access::{Containing, Told};
use askama::Template;
use axum::Form;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use ledger::Draft;
use model::entry::{Act, Proposed, RevokeReason, Revoked, Target, Why};
use model::{
    Contained, Event, Finding, FindingId, Level, LiftReason, Lifted, ProposalId, StaffId, Timestamp, Triaged,
    Verdict,
};
use pages::Icon;
use watch::words::{self, Words};

use crate::Console;
use crate::curve::Curve;
use crate::fault::Fault;
use crate::guard::Visitor;

/// A look that weighs, with the time of its entry.
struct Weighty {
    entry: u64,
    time: Option<Timestamp>,
    what: String,
    added: i32,
    evidence: model::Evidence,
}

/// A rung as a button.
struct Button {
    level: Level,
    label: &'static str,
    what: &'static str,
    /// Pressed with shift.
    key: char,
}

#[derive(Template)]
#[template(path = "finding.html")]
struct FindingTemplate<'a> {
    now: Timestamp,
    csrf: &'a str,
    told: &'a Told,
    finding: &'a Finding,
    words: Words,
    weighty: Vec<Weighty>,
    curve: Option<Curve>,
    /// The name, once two have opened it.
    name: Option<String>,
    held: Option<&'a Containing>,
    buttons: Vec<Button>,
    may_act: bool,
    naming: bool,
    lifting: bool,
    said: Vec<Told>,
}

impl FindingTemplate<'_> {
    /// The first three carry the finding; the others are behind it.
    fn heaviest(&self) -> &[Weighty] {
        &self.weighty[..self.weighty.len().min(3)]
    }

    fn others(&self) -> &[Weighty] {
        &self.weighty[self.weighty.len().min(3)..]
    }
}

/// `GET /findings/{finding}`
pub(crate) async fn page(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(id): Path<FindingId>,
) -> Result<Response, Fault> {
    let told = known(&console, &id)?;
    visitor.check_may_ask_about(&console, &told.staff).await?;
    console.enquiry.findings(&visitor.asker(), Some(told.staff.clone())).await?;
    let record = console.ledger.read(told.index, 1).map_err(|error| broken(&error))?.pop();
    let Some(Event::Finding(finding)) = record.map(|record| record.entry.event) else {
        return Err(Fault::Broken);
    };
    let now = console.clock.now();
    let weighty = finding.contributions.iter().map(|look| Weighty {
        entry: look.entry,
        time: console.ledger.read(look.entry, 1).ok().and_then(|read| Some(read.first()?.entry.time)),
        what: words::contribution(look),
        added: look.added,
        evidence: look.evidence,
    });
    let weighty: Vec<Weighty> = weighty.collect();
    let entries: Vec<u64> = weighty.iter().map(|look| look.entry).collect();
    let (held, said, naming, lifting) = {
        let state = console.access.state().read();
        let mut said: Vec<Told> = state
            .findings()
            .filter(|other| other.staff == told.staff && other.id != told.id)
            .cloned()
            .collect();
        said.sort_by_key(|other| std::cmp::Reverse(other.index));
        let proposed = |wanted: &Act| state.open_proposals(now).any(|proposal| proposal.act == *wanted);
        let naming = proposed(&Act::Name { finding: id });
        let lifting = proposed(&Act::Lift { staff: told.staff.clone() });
        (state.contained(&told.staff).cloned(), said, naming, lifting)
    };
    let is_own = told.staff == visitor.seated.record.staff;
    let above = held.as_ref().map(|held| held.level);
    let body = FindingTemplate {
        now,
        csrf: &visitor.seated.csrf,
        words: Words::of(&finding),
        curve: Curve::over(&finding.curve, &finding.rungs, &entries),
        weighty,
        name: (told.named && !is_own).then(|| console.people.name_of(&told.staff)),
        buttons: BUTTONS.iter().filter(|button| Some(button.level) > above).map(Button::clone).collect(),
        held: held.as_ref(),
        may_act: visitor.may_revoke() && !is_own,
        naming,
        lifting,
        said,
        told: &told,
        finding: &finding,
    };
    Ok(crate::shell::page(&visitor, "/findings", &format!("Finding {id}"), &body))
}

impl Clone for Button {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

const BUTTONS: &[Button] = &[
    Button {
        level: Level::Nudge,
        label: "A word",
        what: "They are told, once, that a look has no known reason.",
        key: 'N',
    },
    Button {
        level: Level::StepUp,
        label: "Fresh login",
        what: "Nothing is shown until they log in afresh and say the purpose.",
        key: 'U',
    },
    Button {
        level: Level::Throttle,
        label: "Slow down",
        what: "One new customer in some minutes, and no strangers in lists.",
        key: 'T',
    },
    Button { level: Level::Suspend, label: "Pause", what: "Nothing is shown. Two people lift it.", key: 'P' },
    Button {
        level: Level::Revoke,
        label: "End access",
        what: "Every session and grant ends, and the account is suspended.",
        key: 'E',
    },
];

fn known(console: &Arc<Console>, id: &FindingId) -> Result<Told, Fault> {
    console.access.state().read().finding(id).cloned().ok_or(Fault::Unknown("finding"))
}

fn broken(error: &ledger::LedgerError) -> Fault {
    tracing::error!(%error, "a finding cannot be read");
    Fault::Broken
}

fn back(id: &FindingId) -> Response {
    Redirect::to(&format!("/findings/{id}")).into_response()
}

/// What all forms of the page go through: whether it is ours, and whether the visitor may act.
async fn check(console: &Arc<Console>, visitor: &Visitor, csrf: &str, id: &FindingId) -> Result<Told, Fault> {
    visitor.check_form(console, csrf).await?;
    visitor.check_may_revoke(console).await?;
    known(console, id)
}

/// The form that says what to make of it.
#[derive(serde::Deserialize)]
pub(crate) struct Judging {
    csrf: String,
    verdict: Verdict,
}

/// `POST /findings/{finding}/triage`
pub(crate) async fn triage(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(id): Path<FindingId>,
    Form(form): Form<Judging>,
) -> Result<Response, Fault> {
    check(&console, &visitor, &form.csrf, &id).await?;
    let (by, session) = (visitor.seated.record.staff.clone(), visitor.seated.session);
    let triaged = Triaged { finding: id, by, session, verdict: form.verdict };
    console.ledger.append(Draft::plain(Event::Triaged(triaged))).await?;
    Ok(back(&id))
}

/// The form that puts a rung in force.
#[derive(serde::Deserialize)]
pub(crate) struct Containment {
    csrf: String,
    level: Level,
    reason: RevokeReason,
}

/// `POST /findings/{finding}/contain`
pub(crate) async fn contain(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(id): Path<FindingId>,
    Form(form): Form<Containment>,
) -> Result<Response, Fault> {
    let told = check(&console, &visitor, &form.csrf, &id).await?;
    let (level, reason) = (form.level, form.reason);
    let contained = Event::Contained(Contained {
        staff: told.staff.clone(),
        level,
        by: visitor.actor(),
        session: Some(visitor.seated.session),
        finding: Some(id),
        reason,
    });
    let target = Target::Staff(told.staff);
    let revoked = Event::Revoked(Revoked { target, by: visitor.actor(), reason });
    let events = [contained].into_iter().chain((level == Level::Revoke).then_some(revoked));
    console.ledger.append_all(events.map(Draft::plain).collect()).await?;
    Ok(back(&id))
}

/// The form that lifts a rung that one person may lift.
#[derive(serde::Deserialize)]
pub(crate) struct Lifting {
    csrf: String,
    reason: LiftReason,
}

/// `POST /findings/{finding}/lift`
pub(crate) async fn lift(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(id): Path<FindingId>,
    Form(form): Form<Lifting>,
) -> Result<Response, Fault> {
    let told = check(&console, &visitor, &form.csrf, &id).await?;
    let by: StaffId = visitor.seated.record.staff.clone();
    let session = visitor.seated.session;
    let lifted = Lifted { staff: told.staff, by, session, reason: form.reason, purpose: None };
    console.ledger.append(Draft::plain(Event::Lifted(lifted))).await?;
    Ok(back(&id))
}

/// What takes two, about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Name,
    Lift,
}

/// The form that proposes it.
#[derive(serde::Deserialize)]
pub(crate) struct Proposing {
    csrf: String,
    act: Wanted,
}

/// `POST /findings/{finding}/propose`
pub(crate) async fn propose(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(id): Path<FindingId>,
    Form(form): Form<Proposing>,
) -> Result<Response, Fault> {
    let told = check(&console, &visitor, &form.csrf, &id).await?;
    let act = match form.act {
        Wanted::Name => Act::Name { finding: id },
        Wanted::Lift => Act::Lift { staff: told.staff },
    };
    let now = console.clock.now();
    if console.access.state().read().open_proposals(now).any(|proposal| proposal.act == act) {
        return Err(Fault::NotAdmitted(Why::Stale));
    }
    let proposal = ProposalId::fresh(&*console.entropy);
    let session = Some(visitor.seated.session);
    let proposed = Proposed { proposal, act, by: visitor.actor(), session };
    console.ledger.append(Draft::plain(Event::Proposed(proposed))).await?;
    Ok(back(&id))
}
