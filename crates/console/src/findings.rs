//! What detection has told: the list with what was made of it, and the hand-over from one shift to the next.

use std::sync::Arc;
use std::time::Duration;

use access::{Containing, Told};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use model::{Role, StaffId, Timestamp, WatchMode};
use pages::Icon;

use crate::Console;
use crate::fault::Fault;
use crate::guard::Visitor;

/// How many are shown at most.
const MOST: usize = 200;
/// A shift, for the hand-over.
const SHIFT_HOURS: u64 = 12;

/// The query of the list.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    all: bool,
}

#[derive(Template)]
#[template(path = "findings.html")]
struct FindingsTemplate {
    now: Timestamp,
    all: bool,
    target: &'static str,
    mode: WatchMode,
    findings: Vec<Told>,
    more: bool,
    contained: Vec<(StaffId, Containing)>,
}

/// `GET /findings`
pub(crate) async fn page(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    console.enquiry.findings(&visitor.asker(), None).await?;
    let mut findings = in_sight(&console, &visitor, |told| asked.all || told.is_open());
    findings.sort_by_key(|told| std::cmp::Reverse((told.is_open(), told.level.closes(), told.index)));
    let more = findings.len() > MOST;
    findings.truncate(MOST);
    let body = FindingsTemplate {
        now: console.clock.now(),
        all: asked.all,
        target: if asked.all { "/findings?all=true" } else { "/findings" },
        mode: console.access.state().read().watch_mode(),
        findings,
        more,
        contained: contained(&console, &visitor),
    };
    Ok(crate::shell::page(&visitor, "/findings", "Findings", &body))
}

/// The query of the hand-over.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Since {
    hours: Option<u64>,
}

#[derive(Template)]
#[template(path = "handover.html")]
struct HandoverTemplate {
    now: Timestamp,
    hours: u64,
    choices: Vec<(u64, bool)>,
    open: Vec<Told>,
    told: usize,
    decided: Vec<Told>,
    contained: Vec<(StaffId, Containing)>,
    proposals: usize,
}

/// `GET /findings/handover`: what is open, and what was decided since.
pub(crate) async fn handover(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(since): Query<Since>,
) -> Result<Response, Fault> {
    console.enquiry.findings(&visitor.asker(), None).await?;
    let now = console.clock.now();
    let hours = since.hours.unwrap_or(SHIFT_HOURS).clamp(1, 24 * 31);
    let then = now.minus(Duration::from_secs(3600 * hours));
    let mut open = in_sight(&console, &visitor, Told::is_open);
    open.sort_by_key(|told| std::cmp::Reverse((told.level, told.index)));
    let decided_since = |told: &Told| told.triage.as_ref().is_some_and(|(.., at)| *at >= then);
    let mut decided = in_sight(&console, &visitor, |told| decided_since(told) && !told.is_open());
    decided.sort_by_key(|told| std::cmp::Reverse(told.triage.as_ref().map(|(.., at)| *at)));
    let told = in_sight(&console, &visitor, |told| told.time >= then).len();
    let proposals = console.access.state().read().open_proposals(now).count();
    let contained = contained(&console, &visitor);
    let choices = [8, 12, 24, 72].map(|choice| (choice, choice == hours)).to_vec();
    let body = HandoverTemplate { now, hours, choices, open, told, decided, contained, proposals };
    Ok(crate::shell::page(&visitor, "/findings", "Hand-over", &body))
}

/// The findings that this visitor may read; a lead those about their own team.
fn in_sight(console: &Arc<Console>, visitor: &Visitor, wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
    let state = console.access.state().read();
    state.findings().filter(|told| wanted(told) && may_see(&state, visitor, &told.staff)).cloned().collect()
}

fn contained(console: &Arc<Console>, visitor: &Visitor) -> Vec<(StaffId, Containing)> {
    let state = console.access.state().read();
    let mut all: Vec<_> = state
        .all_contained()
        .filter(|(staff, _)| may_see(&state, visitor, staff))
        .map(|(staff, held)| (staff.clone(), held.clone()))
        .collect();
    all.sort_by_key(|(_, held)| std::cmp::Reverse((held.level, held.index)));
    all
}

fn may_see(state: &access::State, visitor: &Visitor, staff: &StaffId) -> bool {
    let team = |staff: &StaffId| state.people.staff.get(staff).map(|record| record.team.clone());
    visitor.role() != Role::Lead || team(staff).is_some_and(|team| team == visitor.seated.record.team)
}
