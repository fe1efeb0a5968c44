//! The first-look report: who looks at whom without a reason, and what enforcement would change.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use pages::{Html, Icon};
use views::{FirstLook, GroupRow};

use crate::chart::{ShareRow, shares};
use crate::fault::Fault;
use crate::guard::Visitor;
use crate::happening::Happenings;
use crate::span::Within;

#[derive(Template)]
#[template(path = "first_look.html")]
struct FirstLookTemplate<'a> {
    stretches: Html,
    sentence: &'static str,
    report: &'a FirstLook,
    explained: String,
    shares: Vec<ShareRow>,
    unexplained: Happenings<'a>,
    groups: [(&'static str, &'static str, &'a [GroupRow]); 2],
}

/// `GET /first-look`
pub(crate) async fn page(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(within): Query<Within>,
) -> Result<Response, Fault> {
    let now = console.clock.now();
    let span = within.span.span(now, &console.ledger);
    let report = console.enquiry.first_look(&visitor.asker(), span).await?.answer;
    let looks = report.totals.looks;
    let body = FirstLookTemplate {
        stretches: within.span.links("/first-look", ""),
        sentence: within.span.sentence(),
        explained: pages::share(looks.total() - looks.weak(), looks.total()),
        shares: shares(&looks),
        unexplained: Happenings { rows: &report.unexplained, now, with_staff: true, may_revoke: false },
        groups: [("teams", "By team", &report.by_team), ("employers", "By employer", &report.by_employer)],
        report: &report,
    };
    Ok(crate::shell::page(&visitor, "/first-look", "First look", &body))
}
