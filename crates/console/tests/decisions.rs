//! What takes two administrators, through the console's pages, on a real ledger with its views.

#![allow(clippy::unwrap_used)] // helpers of tests: a panic is how a test fails

#[allow(dead_code)] // shared with the tests of pages
mod browser;
#[allow(dead_code)] // shared with the gallery
mod world;

use axum::http::StatusCode;
use browser::Browser;
use incident::Asker;
use model::entry::{Actor, Erased, Event, Why};
use model::{CustomerId, Timestamp};
use views::{Page, Span, Whom};
use world::{HARVESTED, World};

struct Floor {
    world: World,
    _dir: tempfile::TempDir,
}

impl Floor {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path(), Timestamp::parse("2026-03-02T08:00:00Z").unwrap()).await;
        world.open_the_floor().await;
        world.work(48).await;
        Self { world, _dir: dir }
    }

    async fn log_in(&self, staff: &str) -> Browser {
        Browser::new(sightline_console::router(self.world.console())).log_in(staff).await
    }

    fn last(&self) -> Event {
        let last = self.world.ledger.size() - 1;
        self.world.ledger.read(last, 1).unwrap().remove(0).entry.event
    }

    async fn propose(&self) -> model::ProposalId {
        let erasure = self.world.erasure();
        erasure.propose(CustomerId::new(HARVESTED), Actor::Operator, None).await.unwrap().0
    }

    async fn who_saw(&self) -> usize {
        let whom = Whom::Named { app: None, customer: CustomerId::new(HARVESTED) };
        let answer = self.world.enquiry.who_saw(&Asker::Operator, whom, Span::ALWAYS, Page::all()).await;
        answer.unwrap().answer.exposures.rows.len()
    }
}

async fn decide(
    browser: &Browser,
    proposal: model::ProposalId,
    decision: &str,
    word: &str,
) -> browser::Answer {
    let csrf = browser.get("/decisions").await.hidden("csrf").to_owned();
    let form = format!("csrf={csrf}&proposal={proposal}&decision={decision}&word={word}");
    browser.post("/decisions", &form).await
}

#[tokio::test]
async fn two_administrators_who_both_know_the_customer_erase_them_and_nobody_else_can() {
    let floor = Floor::open().await;
    let proposal = floor.propose().await;
    let (analyst, one, two) =
        (floor.log_in("s-90").await, floor.log_in("s-92").await, floor.log_in("s-93").await);
    for browser in [&analyst, &one] {
        let page = browser.get("/decisions").await;
        assert!(page.body.contains(&proposal.to_string()) && !page.body.contains(HARVESTED));
    }
    assert!(floor.who_saw().await > 0);

    let refused = decide(&analyst, proposal, "confirm", HARVESTED).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(matches!(floor.last(), Event::Refused(e) if e.why == Why::NotPermitted));
    let wrong = decide(&one, proposal, "confirm", "c-40418").await;
    assert!(wrong.body.contains("nothing was confirmed"), "{}", wrong.body);
    assert!(matches!(floor.last(), Event::Refused(e) if e.why == Why::BadRequest));

    let first = decide(&one, proposal, "confirm", HARVESTED).await;
    assert!(first.location().starts_with("/decisions?said=confirmed&entry="));
    assert!(one.get(first.location()).await.body.contains("Confirmed, as entry"));
    assert_eq!(decide(&one, proposal, "confirm", HARVESTED).await.status, StatusCode::CONFLICT);
    assert_eq!(floor.world.erasure().carry_out().await.unwrap(), [] as [u64; 0]);

    decide(&two, proposal, "confirm", HARVESTED).await;
    assert!(one.get("/decisions").await.body.contains("being carried out"));
    let done = floor.world.erasure().carry_out().await.unwrap();
    assert_eq!(done.len(), 1);
    assert!(matches!(floor.last(), Event::Erased(Erased::Customer { proposal: p, .. }) if p == proposal));
    assert_eq!(floor.who_saw().await, 0);
    assert!(!floor.world.access.tickets().knows(&CustomerId::new(HARVESTED)).unwrap());
    assert!(one.get("/decisions").await.body.contains("Nothing waits"));
    assert_eq!(floor.world.erasure().carry_out().await.unwrap(), [] as [u64; 0]);
    floor.world.ledger.prove(done[0]).unwrap().verify(floor.world.ledger.verifier()).unwrap();
}

#[tokio::test]
async fn an_administrator_who_proposes_is_the_first_and_any_other_can_reject() {
    let floor = Floor::open().await;
    let (one, two) = (floor.log_in("s-92").await, floor.log_in("s-93").await);
    let csrf = one.get("/decisions").await.hidden("csrf").to_owned();
    let form = format!("csrf={csrf}&customer={HARVESTED}");
    assert!(one.post("/decisions/propose", &form).await.location().starts_with("/decisions?said=proposed"));
    let proposal = {
        let state = floor.world.state.read();
        let open: Vec<_> = state.open_proposals(Timestamp(0)).map(|p| p.id).collect();
        open[0]
    };
    assert!(one.get("/decisions").await.body.contains("You have confirmed this"));
    assert_eq!(decide(&one, proposal, "confirm", HARVESTED).await.status, StatusCode::CONFLICT);
    assert!(decide(&two, proposal, "reject", "").await.location().contains("rejected"));
    assert_eq!(decide(&two, proposal, "confirm", HARVESTED).await.status, StatusCode::CONFLICT);
    assert_eq!(floor.world.erasure().carry_out().await.unwrap(), [] as [u64; 0]);
    assert!(floor.who_saw().await > 0);
}

#[tokio::test]
async fn a_form_without_its_token_decides_nothing() {
    let floor = Floor::open().await;
    let proposal = floor.propose().await;
    let one = floor.log_in("s-92").await;
    let form = format!("csrf=forged&proposal={proposal}&decision=confirm&word={HARVESTED}");
    assert_eq!(one.post("/decisions", &form).await.status, StatusCode::FORBIDDEN);
    let form = format!("csrf=forged&customer={HARVESTED}");
    assert_eq!(one.post("/decisions/propose", &form).await.status, StatusCode::FORBIDDEN);
    let state = floor.world.state.read();
    assert!(state.open_proposals(Timestamp(0)).all(|p| p.confirmed_by.is_empty()));
}

#[tokio::test]
async fn anybody_reads_the_pruning_policy_next_to_the_checkpoint() {
    let floor = Floor::open().await;
    let stranger = Browser::new(sightline_console::router(floor.world.console()));
    let policy = stranger.get("/pruning-policy").await;
    assert_eq!(policy.status, StatusCode::OK);
    assert!(
        policy.body.contains("Never pruned: entries") && policy.body.contains("until the customer is erased")
    );
}
