//! Findings in the console: read, judged, contained, named by two; without a customer's value.

#![allow(clippy::unwrap_used)] // helpers of tests: a panic is how a test fails

#[allow(dead_code)] // shared with the tests of pages
mod browser;
#[allow(dead_code)] // shared with the gallery
mod world;

use axum::http::StatusCode;
use browser::Browser;
use model::entry::{Actor, Decision, Event};
use model::{FindingId, Level, StaffId, Timestamp, Verdict};
use world::{HARVESTED, World};

struct Floor {
    world: World,
    finding: FindingId,
    about: StaffId,
    _dir: tempfile::TempDir,
}

impl Floor {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path(), Timestamp::parse("2026-03-02T08:00:00Z").unwrap()).await;
        world.open_the_floor().await;
        world.work(48).await;
        let about = StaffId::new("s-13");
        let finding = world.find(about.as_str(), Level::StepUp).await;
        Self { world, finding, about, _dir: dir }
    }

    async fn log_in(&self, staff: &str) -> Browser {
        Browser::new(sightline_console::router(self.world.console())).log_in(staff).await
    }

    fn page(&self) -> String {
        format!("/findings/{}", self.finding)
    }

    fn last(&self) -> Event {
        let last = self.world.ledger.size() - 1;
        self.world.ledger.read(last, 1).unwrap().remove(0).entry.event
    }
}

async fn send(browser: &Browser, page: &str, what: &str, form: &str) -> browser::Answer {
    let csrf = browser.get(page).await.hidden("csrf").to_owned();
    browser.post(&format!("{page}/{what}"), &format!("csrf={csrf}&{form}")).await
}

#[tokio::test]
async fn a_finding_says_what_was_odd_with_its_entries_and_names_nobody() {
    let floor = Floor::open().await;
    let analyst = floor.log_in("s-90").await;
    let list = analyst.get("/findings").await;
    assert!(list.body.contains(&floor.finding.to_string()) && list.body.contains("a lead, not a verdict"));
    let page = analyst.get(&floor.page()).await;
    assert_eq!(page.status, StatusCode::OK);
    for said in [
        "looks without a purpose that others vouch for",
        "What would make it innocent",
        "to whom no live ticket leads",
        "about 1 in 40 is like the heaviest",
        "<path class=\"curve\"",
        "Nine of ten are below",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    for page in [list, page, analyst.get("/findings/handover").await, analyst.get("/findings?all=true").await]
    {
        assert!(!page.body.contains(HARVESTED), "a customer: {}", page.body);
    }
    // Reading it is a question, recorded with whom it is about.
    let asked = floor.world.ledger.read(0, usize::MAX).unwrap().into_iter().filter(|record| {
        matches!(&record.entry.event, Event::Questioned(e) if e.staff.as_ref() == Some(&floor.about))
    });
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn an_analyst_judges_contains_and_lifts_and_a_lead_only_reads_about_their_team() {
    let floor = Floor::open().await;
    let analyst = floor.log_in("s-90").await;
    let page = floor.page();
    assert_eq!(send(&analyst, &page, "triage", "verdict=taken").await.location(), page);
    assert!(matches!(floor.last(), Event::Triaged(e) if e.verdict == Verdict::Taken));
    send(&analyst, &page, "contain", "level=throttle&reason=unexplained_looks").await;
    assert!(
        matches!(floor.last(), Event::Contained(e) if e.level == Level::Throttle && e.by == Actor::Staff("s-90".into()))
    );
    assert!(analyst.get(&page).await.body.contains("in force: Slowed down"));
    let down = send(&analyst, &page, "contain", "level=nudge&reason=drill").await;
    assert_eq!(down.status, StatusCode::CONFLICT, "downwards only by lifting");
    send(&analyst, &page, "lift", "reason=explained").await;
    assert!(matches!(floor.last(), Event::Lifted(_)));
    send(&analyst, &page, "triage", "verdict=false_alarm").await;
    let handover = analyst.get("/findings/handover").await;
    assert!(handover.body.contains("false alarm: nothing was odd, by s-90"), "{}", handover.body);
    assert!(!analyst.get("/findings").await.body.contains(&floor.finding.to_string()), "closed");

    let forged = analyst.post(&format!("{page}/triage"), "csrf=x&verdict=confirmed").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let lead_elsewhere = floor.log_in("s-12").await;
    assert_eq!(lead_elsewhere.get(&page).await.status, StatusCode::FORBIDDEN);
    assert!(!lead_elsewhere.get("/findings?all=true").await.body.contains(&floor.finding.to_string()));
    assert_eq!(analyst.get("/findings/fnd-0000000000000000").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_name_takes_two_and_so_does_lifting_a_suspension() {
    let floor = Floor::open().await;
    let (analyst, admin) = (floor.log_in("s-90").await, floor.log_in("s-92").await);
    let page = floor.page();
    let shown = |body: &str| body.contains("opened by name by two people");
    assert!(!shown(&analyst.get(&page).await.body));
    send(&analyst, &page, "propose", "act=name").await;
    let Event::Proposed(proposed) = floor.last() else { panic!("proposed") };
    assert_eq!(send(&analyst, &page, "propose", "act=name").await.status, StatusCode::CONFLICT, "once");
    let decide = async |browser: &Browser, proposal, word: &str| {
        let csrf = browser.get("/decisions").await.hidden("csrf").to_owned();
        let form = format!("csrf={csrf}&proposal={proposal}&decision={}&word={word}", Decision::Confirm);
        browser.post("/decisions", &form).await
    };
    let own = decide(&analyst, proposed.proposal, "name").await;
    assert_eq!(own.status, StatusCode::CONFLICT, "the same person twice");
    assert!(!shown(&analyst.get(&page).await.body));
    decide(&admin, proposed.proposal, "name").await;
    assert!(shown(&analyst.get(&page).await.body));

    send(&analyst, &page, "contain", "level=suspend&reason=unexplained_looks").await;
    let alone = send(&analyst, &page, "lift", "reason=explained").await;
    assert_eq!(alone.status, StatusCode::CONFLICT, "{}", alone.body);
    send(&analyst, &page, "propose", "act=lift").await;
    let Event::Proposed(proposed) = floor.last() else { panic!("proposed") };
    decide(&admin, proposed.proposal, floor.about.as_str()).await;
    assert!(floor.world.access.state().read().contained(&floor.about).is_none());

    // Whoever is paused themselves works on nothing in the console either.
    let contained = model::Contained {
        staff: "s-90".into(),
        level: Level::Suspend,
        by: Actor::Operator,
        session: None,
        finding: None,
        reason: model::entry::RevokeReason::Drill,
    };
    floor.world.record(Event::Contained(contained)).await;
    let paused = analyst.get(&page).await;
    assert_eq!(paused.status, StatusCode::FORBIDDEN);
    assert!(
        paused.body.contains("Your access is paused") && !paused.body.contains("s-13"),
        "{}",
        paused.body
    );
}
