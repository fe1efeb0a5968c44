//! What the console promises, on a real ledger, through its routes.

#![allow(clippy::unwrap_used)] // helpers of tests: a panic is how a test fails

mod browser;
#[allow(dead_code)] // shared with the gallery
mod world;

use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use browser::Browser;
use http_body_util::BodyExt;
use ledger::tile::{Kind, TilePath};
use ledger::{LogVerifier, Receipt};
use model::entry::{Actor, Event, RevokeReason, Target, Why};
use model::{Evidence, StaffId, Tier, Timestamp};
use world::{HARVESTED, INSIDER, World};

struct Floor {
    world: World,
    _dir: tempfile::TempDir,
}

impl Floor {
    /// A short day on the floor.
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path(), Timestamp::parse("2026-03-02T08:00:00Z").unwrap()).await;
        world.open_the_floor().await;
        world.work(48).await;
        Self { world, _dir: dir }
    }

    fn browser(&self) -> Browser {
        Browser::new(sightline_console::router(self.world.console()))
    }

    async fn as_analyst(&self) -> Browser {
        self.browser().log_in("s-90").await
    }

    fn events(&self) -> Vec<Event> {
        let size = usize::try_from(self.world.ledger.size()).unwrap();
        self.world.ledger.read(0, size).unwrap().into_iter().map(|r| r.entry.event).collect()
    }

    /// Every page that there is, of one customer, one session and one entry.
    async fn pages(&self, analyst: &Browser) -> Vec<String> {
        let session = self.world.insiders_session();
        let search = analyst.get("/customers").await;
        let found =
            analyst.post("/customers", &format!("csrf={}&customer={HARVESTED}", search.hidden("csrf"))).await;
        let mut pages: Vec<String> = [
            "/",
            "/?span=all",
            "/staff",
            "/staff?q=payments&sort=name&reversed=true&span=all",
            "/staff/s-17",
            "/staff/s-17?span=1h",
            "/staff/s-17/reach",
            "/staff/s-17/reach?from=2026-03-02T08:00&to=2026-03-02T20:00",
            "/staff/s-90",
            "/sessions",
            "/sessions?all=true",
            "/customers",
            "/first-look",
            "/decisions",
            "/ledger",
            "/ledger?before=40",
            "/ledger/0",
            "/help",
            "/revoke?staff=s-17",
        ]
        .map(str::to_owned)
        .to_vec();
        pages.extend([
            format!("/sessions/{session}/reach?span=all"),
            format!("/revoke?session={session}"),
            found.location().to_owned(),
            format!("/ledger/{}", self.world.ledger.size() - 1),
        ]);
        pages
    }
}

#[tokio::test]
async fn every_page_renders_within_the_strict_policy_and_names_no_staff() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    for path in floor.pages(&analyst).await {
        let page = analyst.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
        assert_eq!(page.body.matches("<h1").count(), 1, "{path}");
        let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(page.headers[header::CACHE_CONTROL], "no-store", "{path}");
        for forbidden in [" style=", "<style", "javascript:", " onclick=", " onload=", "hx-on"] {
            assert!(!page.body.contains(forbidden), "{path} holds {forbidden}");
        }
        for script in page.body.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/.sightline/assets/"), "{path} holds an inline script");
        }
        // The visitor's own name stands in the frame; nobody else's stands anywhere (P7).
        for name in ["Kim Adler", "Paulo Reis", "Tomas Lind"] {
            assert!(!page.body.contains(name), "{path} names {name}");
        }
    }
}

#[tokio::test]
async fn ids_of_elements_are_unique_and_labels_lead_to_fields() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    for path in floor.pages(&analyst).await {
        let page = analyst.get(&path).await;
        let mut ids = page.attributes("id");
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{path} has an id twice");
        for target in page.attributes("for").iter().chain(&page.attributes("aria-labelledby")) {
            for id in target.split(' ') {
                assert!(ids.contains(&id), "{path}: nothing has the id {id}");
            }
        }
    }
}

#[tokio::test]
async fn no_customer_stands_in_any_address() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let mut seen = false;
    for path in floor.pages(&analyst).await {
        assert!(!path.contains("c-4"), "{path}");
        let page = analyst.get(&path).await;
        seen |= page.body.contains(HARVESTED);
        for name in ["href", "action", "hx-get", "src"] {
            for address in page.attributes(name) {
                assert!(!address.contains("c-4"), "{path} leads to {address}");
            }
        }
    }
    assert!(seen, "the pages do show the customer, or this test shows nothing");
}

#[tokio::test]
async fn links_on_the_pages_lead_somewhere() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let mut links = std::collections::BTreeSet::new();
    for path in floor.pages(&analyst).await {
        let page = analyst.get(&path).await;
        let found = page.attributes("href").into_iter().filter(|l| l.starts_with('/'));
        links.extend(found.map(|l| l.replace("&#38;", "&")));
    }
    for link in links.iter().filter(|l| !l.starts_with("/ledger/")) {
        assert_eq!(analyst.get(link).await.status, StatusCode::OK, "{link}");
    }
    assert!(links.len() > 60);
}

#[tokio::test]
async fn nobody_sees_a_page_without_logging_in() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let stranger = floor.browser();
    for path in floor.pages(&analyst).await {
        let page = stranger.get(&path).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.location().starts_with("/.sightline/login?next=%2F"), "{path}");
        let problem = stranger.get_json(&path).await;
        assert_eq!(problem.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(problem.headers[header::CONTENT_TYPE], "application/problem+json");
        assert!(problem.body.contains("urn:sightline:problem:not-logged-in"), "{path}");
    }
    assert_eq!(stranger.get("/events").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_agent_is_refused_and_the_reference_number_is_in_the_ledger() {
    let floor = Floor::open().await;
    let agent = floor.browser().log_in("s-17").await;
    let page = agent.get("/staff").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let Some(Event::Refused(refused)) = floor.events().pop() else { panic!("the refusal is the last entry") };
    assert_eq!((refused.why, refused.staff.as_ref().map(StaffId::as_str)), (Why::Policy, Some("s-17")));
    assert!(page.body.contains(&refused.response.to_string()));
}

#[tokio::test]
async fn an_auditor_reads_everything_and_changes_nothing() {
    let floor = Floor::open().await;
    let auditor = floor.browser().log_in("s-91").await;
    let timeline = auditor.get("/staff/s-17").await;
    assert_eq!(timeline.status, StatusCode::OK);
    assert!(!timeline.body.contains("/revoke"));
    let confirm = auditor.get("/revoke?staff=s-17").await;
    assert_eq!(confirm.status, StatusCode::FORBIDDEN);
    assert!(confirm.body.contains("Revoking is not part of your role"));
    let csrf = timeline.hidden("csrf");
    let tried = auditor.post("/revoke", &format!("csrf={csrf}&reason=drill&staff=s-17")).await;
    assert_eq!(tried.status, StatusCode::FORBIDDEN);
    assert!(!floor.events().iter().any(|e| matches!(e, Event::Revoked(_))));
}

#[tokio::test]
async fn a_lead_opens_the_pages_of_their_own_team_only() {
    let floor = Floor::open().await;
    let lead = floor.browser().log_in("s-12").await;
    assert_eq!(lead.get("/staff/s-21").await.status, StatusCode::OK);
    for path in ["/staff/s-17", "/staff/s-17/reach", "/staff/s-17/reach/blast-radius.csv"] {
        assert_eq!(lead.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(lead.get("/revoke?staff=s-21").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_form_without_its_token_does_nothing_and_is_on_record() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    for (path, form) in [
        ("/revoke", "csrf=&reason=drill&staff=s-17"),
        ("/revoke", "csrf=guessed&reason=drill&staff=s-17"),
        ("/customers", "csrf=guessed&customer=c-40417"),
    ] {
        let page = analyst.post(path, form).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        let Some(Event::Refused(refused)) = floor.events().pop() else { panic!("no entry for {path}") };
        assert_eq!(refused.why, Why::ForgedForm);
        assert!(page.body.contains(&refused.response.to_string()));
    }
    assert_eq!(analyst.post("/revoke", "reason=drill&staff=s-17").await.status, StatusCode::BAD_REQUEST);
    assert!(!floor.events().iter().any(|e| matches!(e, Event::Revoked(_) | Event::Questioned(_))));
}

#[tokio::test]
async fn revoking_takes_a_reason_and_ends_everything_at_its_place_in_the_ledger() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let confirm = analyst.get("/revoke?staff=s-17").await;
    let session = floor.world.insiders_session();
    assert!(confirm.body.contains(&session.to_string()), "it says which sessions will end");
    let csrf = confirm.hidden("csrf");
    let done = analyst.post("/revoke", &format!("csrf={csrf}&reason=unexplained_looks&staff=s-17")).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);

    let index = floor.world.ledger.size() - 1;
    let record = floor.world.ledger.read(index, 1).unwrap().remove(0);
    let Event::Revoked(revoked) = record.entry.event else { panic!("not the last entry") };
    assert_eq!(revoked.target, Target::Staff(StaffId::new(INSIDER)));
    assert_eq!(revoked.by, Actor::Staff(StaffId::new("s-90")));
    assert_eq!(revoked.reason, RevokeReason::UnexplainedLooks);
    assert!(done.body.contains(&format!("/ledger/{index}")) && done.body.contains(&session.to_string()));

    let refused = floor.world.try_look(INSIDER, session, "c-41000", Evidence::Routed, Tier::Standard).await;
    assert_eq!(refused, Err(Why::StaffInactive));
    let timeline = analyst.get("/staff/s-17").await;
    assert!(timeline.body.contains("suspended") && timeline.body.contains("Access revoked"));
}

#[tokio::test]
async fn revoking_a_session_or_what_nobody_knows() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let csrf = analyst.get("/help").await.hidden("csrf").to_owned();
    let session = floor.world.insiders_session();
    let done = analyst.post("/revoke", &format!("csrf={csrf}&reason=drill&session={session}")).await;
    assert_eq!(done.status, StatusCode::OK);
    assert!(!analyst.get("/sessions").await.body.contains(&format!("session={session}")));
    let none = analyst.post("/revoke", &format!("csrf={csrf}&reason=drill&staff=s-1000")).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let two =
        analyst.post("/revoke", &format!("csrf={csrf}&reason=drill&staff=s-17&session={session}")).await;
    assert_eq!(two.status, StatusCode::BAD_REQUEST);
    let grant = analyst.post("/revoke", &format!("csrf={csrf}&reason=drill&grant=gr-0000000000000000")).await;
    assert_eq!(grant.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn asking_is_an_entry_but_a_page_that_refreshes_itself_asks_once() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let asked = || floor.events().iter().filter(|e| matches!(e, Event::Questioned(_))).count();
    for _ in 0..3 {
        assert_eq!(analyst.get("/").await.status, StatusCode::OK);
    }
    assert_eq!(asked(), 1);
    analyst.get("/staff/s-17").await;
    analyst.get("/staff/s-11").await;
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn what_is_taken_away_comes_as_files() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let csv = analyst.get("/staff/s-17/reach/blast-radius.csv").await;
    assert_eq!(csv.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    assert_eq!(csv.headers[header::CONTENT_DISPOSITION], "attachment; filename=\"s-17-blast-radius.csv\"");
    assert!(csv.body.contains(HARVESTED));
    let json = analyst.get("/staff/s-17/reach/blast-radius.json").await;
    let json: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(json["answer"]["known_customers"], 2_500);
    let before = analyst.get("/staff/s-17/reach/blast-radius.csv?from=&to=2026-03-02T08:00").await;
    assert!(!before.body.contains(HARVESTED), "nothing had happened by then");
    assert_eq!(analyst.get("/staff/s-17/reach/blast-radius.exe").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_receipt_from_the_console_verifies_with_the_key_of_the_log() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let proof = analyst.get("/ledger/7/proof").await;
    assert_eq!(proof.headers[header::CONTENT_DISPOSITION], "attachment; filename=\"entry-7.tlog-proof\"");
    let log = LogVerifier::from_vkey(&floor.world.ledger.verifier().vkey()).unwrap();
    let verified = Receipt::from_tlog_proof(&proof.body).unwrap().verify(&log).unwrap();
    assert_eq!(verified.index(), 7);
    assert_eq!(analyst.get("/ledger/1000000/proof").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn anybody_may_check_the_log() {
    let floor = Floor::open().await;
    let stranger = floor.browser();
    let mut size = 0;
    for _ in 0..100 {
        let checkpoint = stranger.get("/checkpoint").await;
        assert!(checkpoint.body.starts_with("sightline.example/demo\n"), "{}", checkpoint.body);
        size = checkpoint.body.lines().nth(1).unwrap().parse::<u64>().unwrap();
        if size > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let width = size.min(256);
    let tile = if width == 256 { "/tile/0/000".to_owned() } else { format!("/tile/0/000.p/{width}") };
    assert_eq!(stranger.get(&tile).await.status, StatusCode::OK);
    assert_eq!(stranger.get("/tile/0/999").await.status, StatusCode::NOT_FOUND);
    assert_eq!(stranger.get("/tile/../head").await.status, StatusCode::NOT_FOUND);
}

/// C2SP tlog-tiles: for every size that a checkpoint was published for, its partial tiles and bundles.
#[tokio::test]
async fn tiles_of_every_published_size_are_served_with_their_types_and_never_an_empty_one() {
    let floor = Floor::open().await;
    let stranger = floor.browser();
    let mut sizes = Vec::new();
    for n in 0..4 {
        floor.world.staff(&format!("s-4{n}"), model::Role::Agent, "payments", "in-house").await;
        for _ in 0..200 {
            let answer = stranger.get("/checkpoint").await;
            assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
            assert_eq!(answer.headers[header::CACHE_CONTROL], "no-cache");
            assert!(answer.body.contains("— grease.invalid/"), "{}", answer.body);
            let size: u64 = answer.body.lines().nth(1).unwrap().parse().unwrap();
            if size > 0 && !sizes.contains(&size) {
                sizes.push(size);
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(sizes.len() > 2, "{sizes:?}");
    for size in &sizes {
        for (kind, name) in [(Kind::Hashes(0), "0"), (Kind::Entries, "entries")] {
            for number in 0..size.div_ceil(256) {
                let tile = TilePath::at_size(kind, number, *size).unwrap();
                let answer = stranger.send(Method::GET, &format!("/{tile}"), None, "*/*").await;
                assert_eq!(answer.status(), StatusCode::OK, "{tile} of size {size}");
                assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/octet-stream");
                assert!(answer.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
                let bytes = answer.into_body().collect().await.unwrap().to_bytes();
                match kind {
                    Kind::Hashes(_) => assert_eq!(bytes.len(), tile.width() * 32),
                    Kind::Entries => assert_eq!(ledger::tile::entries(&bytes).count(), tile.width()),
                }
            }
            for none in ["000.p/0", "000.p/256", "x000/000", "900"] {
                let status = stranger.get(&format!("/tile/{name}/{none}")).await.status;
                assert_eq!(status, StatusCode::NOT_FOUND, "{name}/{none}");
            }
        }
    }
    assert_eq!(stranger.get("/tile/1/000.p/0").await.status, StatusCode::NOT_FOUND);
    let policy = stranger.get("/trust-policy").await;
    assert_eq!((policy.status, &*policy.body), (StatusCode::OK, "quorum none\n"));
}

#[tokio::test]
async fn pages_hear_when_the_ledger_grows_until_the_session_is_over() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    let events = analyst.send(Method::GET, "/events", None, "text/event-stream").await;
    assert_eq!(events.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut events = events.into_body();
    floor.world.staff("s-30", model::Role::Agent, "payments", "in-house").await;
    let wait = Duration::from_secs(10);
    let heard = tokio::time::timeout(wait, events.frame()).await.unwrap().unwrap().unwrap();
    let heard = String::from_utf8(heard.into_data().unwrap().to_vec()).unwrap();
    assert!(heard.contains("event: grew") && heard.contains(&format!("data: {}", floor.world.ledger.size())));

    let csrf = analyst.get("/help").await.hidden("csrf").to_owned();
    analyst.post("/revoke", &format!("csrf={csrf}&reason=drill&staff=s-90")).await;
    assert!(tokio::time::timeout(wait, events.frame()).await.unwrap().is_none(), "the stream ends");
    assert_eq!(analyst.get("/").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_cannot_be_answered_says_so_as_a_page_or_as_a_problem() {
    let floor = Floor::open().await;
    let analyst = floor.as_analyst().await;
    for (path, status, kind) in [
        ("/nowhere", StatusCode::NOT_FOUND, "no-such-page"),
        ("/staff/s-1000", StatusCode::NOT_FOUND, "unknown"),
        ("/customers/999999.0", StatusCode::NOT_FOUND, "unknown"),
        ("/customers/jane@example.org", StatusCode::BAD_REQUEST, "unreadable"),
        ("/ledger/99999999", StatusCode::NOT_FOUND, "unknown"),
        ("/ledger/minus", StatusCode::BAD_REQUEST, "unreadable"),
        ("/staff?after=x", StatusCode::BAD_REQUEST, "unreadable"),
        ("/revoke", StatusCode::BAD_REQUEST, "unreadable"),
        ("/staff/s-17/reach?from=yesterday", StatusCode::BAD_REQUEST, "unreadable"),
        ("/sessions/ses-0000000000000000/reach", StatusCode::NOT_FOUND, "unknown"),
    ] {
        let page = analyst.get(path).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.body.contains("<h1>") && !page.body.contains("jane@"), "{path}");
        let problem: serde_json::Value = serde_json::from_str(&analyst.get_json(path).await.body).unwrap();
        assert_eq!(problem["type"], format!("urn:sightline:problem:{kind}"), "{path}");
        assert_eq!(problem["status"], status.as_u16(), "{path}");
    }
    assert_eq!(analyst.post("/staff", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}
