//! The overview: what happens now, and where to look first.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use pages::{Html, Icon};
use views::{Bucket, Overview, StaffRow};

use crate::chart::{Heat, LooksChart, ShareRow, shares};
use crate::fault::Fault;
use crate::guard::Visitor;
use crate::happening::Happenings;
use crate::span::Within;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewTemplate<'a> {
    target: String,
    stretches: Html,
    sentence: &'static str,
    overview: &'a Overview,
    explained: String,
    chart: LooksChart,
    shares: Vec<ShareRow>,
    heat: Heat<'a>,
    recent: Happenings<'a>,
    alarms: Html,
}

impl OverviewTemplate<'_> {
    fn buckets_with_something(&self) -> impl Iterator<Item = &Bucket> {
        let something = |b: &&Bucket| b.looks.total() + b.refused + b.revoked > 0;
        self.overview.buckets.iter().rev().filter(something)
    }

    fn unexplained(&self) -> &[StaffRow] {
        &self.overview.unexplained
    }
}

/// `GET /`
pub(crate) async fn page(
    axum::extract::State(console): crate::State,
    visitor: Visitor,
    Query(within): Query<Within>,
) -> Result<Response, Fault> {
    let now = console.clock.now();
    let span = within.span.span(now, &console.ledger);
    let answer = console.enquiry.overview(&visitor.asker(), span).await?;
    let overview = &answer.answer;
    let looks = &overview.totals.looks;
    let body = OverviewTemplate {
        target: format!("/?span={}", within.span.word()),
        stretches: within.span.links("/", ""),
        sentence: within.span.sentence(),
        explained: pages::share(looks.total() - looks.weak(), looks.total()),
        chart: LooksChart::over(&overview.buckets, overview.bucket_ms),
        shares: shares(looks),
        heat: Heat::over(&overview.heat),
        alarms: Html::of(&crate::witnesses::Alarms::of(&console)),
        recent: Happenings { rows: &overview.recent, now, with_staff: true, may_revoke: false },
        overview,
    };
    Ok(crate::shell::page(&visitor, "/", "Overview", &body))
}
