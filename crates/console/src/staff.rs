//! Staff: a list that sorts, filters and pages; and one person's timeline.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use model::{SessionId, StaffId, Timestamp};
use pages::{Html, Icon};
use people::Registered;
use views::{Cursor, Paged, StaffFilter, StaffRow, StaffSort, StaffSummary};

use crate::Console;
use crate::chart::{ShareRow, shares};
use crate::fault::Fault;
use crate::guard::Visitor;
use crate::happening::Happenings;
use crate::show::segment;
use crate::span::{Stretch, Within};

const ROWS: u32 = 50;

/// The query of the list.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    q: String,
    sort: StaffSort,
    reversed: bool,
    span: Stretch,
    after: Option<Cursor>,
}

impl Asked {
    /// What stays in a link when the span changes.
    fn rest(&self) -> String {
        format!("&q={}&sort={}&reversed={}", segment(&self.q), sort_word(self.sort), self.reversed)
    }

    fn link(&self, sort: StaffSort, reversed: bool) -> String {
        let (q, span) = (segment(&self.q), self.span.word());
        format!("/staff?span={span}&q={q}&sort={}&reversed={reversed}", sort_word(sort))
    }
}

pub(crate) fn sort_word(sort: StaffSort) -> &'static str {
    match sort {
        StaffSort::Looks => "looks",
        StaffSort::Customers => "customers",
        StaffSort::Weak => "weak",
        StaffSort::Refused => "refused",
        StaffSort::Listed => "listed",
        StaffSort::LastSeen => "last_seen",
        StaffSort::Name => "name",
    }
}

/// A column that sorts: a link that works without script, and says the order to a screen reader.
struct Column {
    label: &'static str,
    href: String,
    class: &'static str,
    aria: Option<&'static str>,
}

impl Column {
    fn new(asked: &Asked, sort: StaffSort, label: &'static str, class: &'static str) -> Self {
        let here = asked.sort == sort;
        let ascending = (sort == StaffSort::Name) != asked.reversed;
        Self {
            label,
            href: asked.link(sort, here && !asked.reversed),
            class,
            aria: here.then_some(if ascending { "ascending" } else { "descending" }),
        }
    }
}

#[derive(Template)]
#[template(path = "staff.html")]
struct ListTemplate {
    now: Timestamp,
    asked: Asked,
    stretches: Html,
    name: Column,
    columns: Vec<Column>,
    staff: Paged<StaffRow>,
    pager: Html,
}

/// `GET /staff`
pub(crate) async fn list(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let now = console.clock.now();
    let filter = StaffFilter { text: asked.q.trim().to_owned(), sort: asked.sort, reversed: asked.reversed };
    let page = views::Page { limit: ROWS, after: asked.after };
    let span = asked.span.span(now, &console.ledger);
    let answer = console.enquiry.staff_list(&visitor.asker(), filter, span, page).await?;
    let staff = answer.answer;
    let first = asked.link(asked.sort, asked.reversed);
    let next = staff.next.map(|cursor| format!("{first}&after={cursor}"));
    let back = asked.after.map(|_| ("First page", first.as_str()));
    let pager = crate::show::pager(back, next.as_deref().map(|href| ("Next page", href)));
    let column = |sort, label| Column::new(&asked, sort, label, "num");
    let body = ListTemplate {
        now,
        stretches: asked.span.links("/staff", &asked.rest()),
        name: Column::new(&asked, StaffSort::Name, "Staff", ""),
        columns: vec![
            column(StaffSort::Looks, "Looks"),
            column(StaffSort::Weak, "Unexplained"),
            column(StaffSort::Customers, "Customers"),
            column(StaffSort::Listed, "Rows in lists"),
            column(StaffSort::Refused, "Refused"),
            column(StaffSort::LastSeen, "Last seen"),
        ],
        pager,
        staff,
        asked,
    };
    Ok(crate::shell::page(&visitor, "/staff", "Staff", &body))
}

/// A session that is open now, from the state that admission decides against.
struct OpenSession {
    id: SessionId,
    door: String,
    opened: Timestamp,
    expires: Timestamp,
}

#[derive(Template)]
#[template(path = "staff_timeline.html")]
struct TimelineTemplate<'a> {
    now: Timestamp,
    staff: &'a StaffId,
    path: String,
    stretches: Html,
    span: Stretch,
    summary: &'a StaffSummary,
    shares: Vec<ShareRow>,
    budgets: Vec<Html>,
    shift_ends: Option<Timestamp>,
    sessions: Vec<OpenSession>,
    may_revoke: bool,
    happenings: Happenings<'a>,
    pager: Html,
}

/// `GET /staff/{staff}`
pub(crate) async fn timeline(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Path(staff): Path<StaffId>,
    Query(within): Query<Within>,
) -> Result<Response, Fault> {
    visitor.check_may_ask_about(&console, &staff).await?;
    let now = console.clock.now();
    let span = within.span.span(now, &console.ledger);
    let page = within.page(ROWS);
    let answer = console.enquiry.staff_timeline(&visitor.asker(), staff.clone(), span, page).await?;
    let timeline = answer.answer;
    let summary = timeline.summary.as_ref().ok_or(Fault::Unknown("staff member"))?;
    let path = format!("/staff/{}", segment(staff.as_str()));
    let (budgets, shift_ends) = budgets(&console, &staff, now);
    let body = TimelineTemplate {
        now,
        staff: &staff,
        stretches: within.span.links(&path, ""),
        span: within.span,
        summary,
        shares: shares(&summary.by_evidence),
        budgets,
        shift_ends,
        sessions: open_sessions(&console, &staff, now),
        may_revoke: visitor.may_revoke(),
        happenings: Happenings {
            rows: &timeline.happenings.rows,
            now,
            with_staff: false,
            may_revoke: visitor.may_revoke(),
        },
        pager: within.pager(&path, timeline.happenings.next),
        path,
    };
    Ok(crate::shell::page(&visitor, "/staff", &format!("Staff {staff}"), &body))
}

/// What is used of the budgets of the shift, and when it ends.
fn budgets(console: &Arc<Console>, staff: &StaffId, now: Timestamp) -> (Vec<Html>, Option<Timestamp>) {
    let used = console.access.state().read().budget_if_enforced(staff, now);
    let limits = used.settings;
    let meters = vec![
        pages::meter("Unexplained looks", used.weak_used, limits.weak_per_shift),
        pages::meter("of these, high value", used.weak_high_value_used, limits.weak_high_value_per_shift),
        pages::meter("Rows in lists", used.listed_used, limits.listed_per_shift),
    ];
    (meters, used.shift_ends)
}

/// The sessions of this person that are open now, the newest first.
fn open_sessions(console: &Arc<Console>, staff: &StaffId, now: Timestamp) -> Vec<OpenSession> {
    let mut open = Vec::new();
    console.access.state().with_register(&mut |register| {
        let theirs = register.sessions.iter().filter(|(_, s)| s.staff == *staff);
        open.extend(theirs.filter(|(id, _)| register.may_act(**id, now).is_ok()).map(|(id, s)| {
            OpenSession { id: *id, door: s.door.to_string(), opened: s.opened, expires: s.expires }
        }));
    });
    open.sort_by_key(|s| (std::cmp::Reverse(s.opened), s.id));
    open
}
