//! The mark over pages: recorded before it leaves, where it lies, and what follows when a page does not prove it.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::app::{App, values_of};
use common::{Browser, Got, Plan, Site};
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, StatusCode, header};
use model::entry::Target;
use model::{ClassSet, Event, MarkFault, MarkFaultKind, MarkIssued, Mode, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const BEAT: &str = "/.sightline/mark/beat";
const TILE: &str = "/.sightline/mark/tile.png";

fn issued(site: &Site) -> Vec<MarkIssued> {
    site.of_kind(|event| if let Event::MarkIssued(issued) = event { Some(issued) } else { None })
}

fn faults(site: &Site) -> Vec<MarkFault> {
    site.of_kind(|event| if let Event::MarkFault(fault) = event { Some(fault) } else { None })
}

fn sounds(site: &Site) -> usize {
    site.of_kind(|event| matches!(event, Event::MarkSound(_)).then_some(())).len()
}

/// A site at which Ann has a ticket of customer 1, and has asked for their e-mail address.
async fn asked_for_email(site: &Site) -> Browser<'_> {
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let page = ann.open("/edit/c-1").await;
    let (_, after) = page.text.split_once("/.sightline/ask?for=").unwrap();
    let question = ann.open(&format!("/.sightline/ask?for={}", after.split('"').next().unwrap())).await;
    let (token, csrf) = (question.field("for").unwrap(), question.field("csrf").unwrap());
    let form =
        [("for", &*token), ("csrf", &csrf), ("purpose", "customer_support"), ("ticket", ""), ("note", "")];
    assert_eq!(ann.submit("/.sightline/ask", &form).await.status, StatusCode::SEE_OTHER);
    ann
}

/// A page in a browser that runs its script, as far as the gateway can tell.
struct Page<'b, 's> {
    ann: &'b Browser<'s>,
    token: String,
    challenge: String,
    bucket: u64,
    picture: [u8; 32],
}

impl<'b, 's> Page<'b, 's> {
    async fn open(ann: &'b Browser<'s>, got: &Got) -> Self {
        let (_, after) = got.text.split_once("data-page=\"").unwrap();
        let token = after.split('"').next().unwrap().to_owned();
        let mut page = Self { ann, token, challenge: String::new(), bucket: 0, picture: [0; 32] };
        page.renew().await;
        let told = page.say("shown", &[], "").await;
        assert_eq!(told["bucket"], page.bucket);
        page
    }

    async fn renew(&mut self) {
        let tile = self.ann.fetch(TILE).await;
        assert_eq!(tile.status, StatusCode::OK);
        self.bucket = tile.headers["sightline-bucket"].to_str().unwrap().parse().unwrap();
        self.picture = Sha256::digest(&tile.bytes).into();
    }

    async fn beat(&mut self, faults: &[&str]) -> Value {
        let text =
            format!("{}\n{}\nshown\n{}\n{}", self.token, self.challenge, self.bucket, faults.join(","));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.picture).unwrap();
        mac.update(text.as_bytes());
        let answer = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        self.say("shown", faults, &answer).await
    }

    async fn say(&mut self, seen: &str, faults: &[&str], answer: &str) -> Value {
        let said = json!({
            "page": self.token, "challenge": self.challenge, "seen": seen, "bucket": self.bucket,
            "faults": faults, "answer": answer,
        });
        let got = post(self.ann, &said.to_string(), &[]).await;
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        let told: Value = serde_json::from_str(&got.text).unwrap();
        self.challenge = told["challenge"].as_str().unwrap().to_owned();
        told
    }
}

async fn post(ann: &Browser<'_>, body: &str, more: &[(&str, &str)]) -> Got {
    let headers = [&[("accept", "*/*"), ("content-type", "application/json")], more].concat();
    ann.send(Method::POST, BEAT, &headers, body).await
}

#[tokio::test]
async fn a_mark_is_in_the_ledger_before_the_page_leaves_once_a_session_and_five_minutes() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    assert!(ann.fetch("/customers/c-1").await.status.is_success());
    assert_eq!(issued(&site), [], "a script's answer has no mark over it");

    let page = ann.open("/edit/c-1").await;
    assert!(
        page.text.starts_with("<!doctype html><html><head><script src=\"/.sightline/assets/overlay."),
        "{page:?}"
    );
    assert!(page.text.contains("</noscript><title>Edit</title>"), "{page:?}");
    let first = issued(&site);
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].by.session, first[0].bucket.0 % 300_000), (ann.session.unwrap(), 0));
    let reveals = site.records().iter().rposition(|r| r.entry.event.kind() == "revealed").unwrap();
    assert!(reveals < site.records().len());

    let (again, tile, menu) = tokio::join!(ann.open("/edit/c-1"), ann.fetch(TILE), ann.open("/pages/menu"));
    assert!([again, tile, menu].iter().all(|got| got.status.is_success()));
    assert_eq!(issued(&site).len(), 1, "not once a page");
    site.clock.advance(Duration::from_secs(300));
    ann.open("/pages/menu").await;
    let both = issued(&site);
    assert_eq!(both.len(), 2);
    assert_eq!(both[1].bucket.0 - both[0].bucket.0, 300_000);
    assert_ne!(both[1].mark, both[0].mark);
    let bob = site.browser("s-2").await;
    bob.open("/pages/menu").await;
    assert_ne!(issued(&site)[2].mark, both[1].mark);
}

#[tokio::test]
async fn the_picture_is_the_mark_of_whoever_asks_and_nobody_keeps_it() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let (ann, bob) = (site.browser("s-1").await, site.browser("s-2").await);
    let (of_ann, of_bob) = (ann.fetch(TILE).await, bob.fetch(TILE).await);
    assert_eq!(of_ann.headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(of_ann.headers[header::CACHE_CONTROL], "private, no-store");
    assert!(of_ann.bytes.len() < 60_000 && of_ann.bytes != of_bob.bytes);
    assert_eq!(of_ann.bytes, ann.fetch(TILE).await.bytes);
    let key = trace::MarkKey::new([8; 32]);
    let marks = issued(&site);
    assert_eq!(marks.len(), 2, "recorded before they leave, also without a page");
    let drawn = trace::tile::Tile::new(&key, &trace::Layout::new(&key), &marks[0].mark).png();
    assert_eq!(of_ann.bytes, drawn);
    assert_eq!(site.stranger().fetch(TILE).await.status, StatusCode::UNAUTHORIZED);
    site.revoke(Target::Session(ann.session.unwrap())).await;
    assert_eq!(ann.fetch(TILE).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_page_that_nobody_reads_gets_the_mark_on_its_way_and_its_policy_is_extended_by_that() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let page = ann.open("/pages/menu").await;
    assert!(page.text.starts_with("<!doctype html><html><head><script "), "{page:?}");
    assert!(page.text.ends_with("<title>Menu</title></head><body>Menu</body></html>"));
    assert!(!page.headers.contains_key(header::ETAG), "a page that is kept would keep its mark");
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    let (_, nonce) = page.text.split_once(" nonce=\"").unwrap();
    let nonce = nonce.split('"').next().unwrap();
    assert!(policy.contains(&format!("script-src 'nonce-app' 'strict-dynamic' 'nonce-{nonce}'")), "{policy}");
    assert!(policy.contains(&format!("img-src http://{}/.sightline/mark/tile.png blob:", site.address)));
    assert!(policy.starts_with("default-src 'self'; "));

    for (what, target, headers) in [
        ("a download", "/pages/download", &[("accept", "text/html")][..]),
        ("a part of a page", "/pages/menu", &[("accept", "text/html"), ("sec-fetch-dest", "empty")]),
        (
            "a frame of a page of this site",
            "/pages/menu",
            &[("accept", "text/html"), ("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-origin")],
        ),
    ] {
        let got = ann.send(Method::GET, target, headers, "").await;
        assert!(got.status.is_success() && !got.text.contains("overlay."), "{what}: {got:?}");
    }
    let framed = [("accept", "text/html"), ("sec-fetch-dest", "iframe"), ("sec-fetch-site", "cross-site")];
    let got = ann.send(Method::GET, "/pages/menu", &framed, "").await;
    assert!(got.text.contains("overlay."), "in a frame of another site nothing else lies over it");
}

#[tokio::test]
async fn without_the_setting_nothing_lies_over_pages() {
    let app = App::start().await;
    let plan = Plan { settings: "mark = { invisible = false }", ..Plan::default() };
    let site = Site::planned(app.address, plan).await;
    let ann = site.browser("s-1").await;
    let page = ann.open("/pages/menu").await;
    assert_eq!(page.text, "<!doctype html><html><head><title>Menu</title></head><body>Menu</body></html>");
    assert_eq!(issued(&site), []);
}

#[tokio::test]
async fn a_fault_masks_what_needs_the_mark_until_a_fresh_page_proves_it() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = asked_for_email(&site).await;
    let [name, email, ..] = values_of("c-1");
    let shown = ann.open("/edit/c-1").await;
    assert!(shown.shows(&name) && shown.shows(&email), "{shown:?}");
    let mut page = Page::open(&ann, &shown).await;
    assert_eq!(page.beat(&[]).await["masked"], false);
    assert_eq!((faults(&site), sounds(&site)), (vec![], 0), "a sound page is no entry");

    assert_eq!(page.beat(&["removed"]).await["masked"], true);
    let told = faults(&site);
    assert_eq!((told.len(), told[0].what, told[0].masks), (1, MarkFaultKind::Removed, ClassSet::NEEDS_MARK));
    assert_eq!(told[0].by.session, ann.session.unwrap());
    for target in ["/edit/c-1", "/customers/c-1"] {
        let masked = ann.open(target).await;
        assert!(masked.shows(&name) && !masked.shows(&email), "{target}: {masked:?}");
    }
    let looks = site.reveals();
    assert!(!looks.last().unwrap().classes.contains(model::FieldClass::ContactEmail));

    // The page that was seen without its mark proves nothing any more.
    page.beat(&[]).await;
    assert_eq!(sounds(&site), 0);
    site.clock.advance(Duration::from_secs(1));
    let fresh = ann.open("/edit/c-1").await;
    let mut fresh = Page::open(&ann, &fresh).await;
    assert_eq!(fresh.beat(&[]).await["masked"], false);
    assert_eq!(sounds(&site), 1);
    assert!(ann.open("/edit/c-1").await.shows(&email));
}

#[tokio::test]
async fn a_page_that_shows_customers_and_is_silent_is_a_fault_and_waking_up_lifts_it() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let gateway = site.gateway.clone();
    let watching = tokio::spawn(async move { gateway.watch_marks().await });
    let ann = asked_for_email(&site).await;
    let mut page = Page::open(&ann, &ann.open("/edit/c-1").await).await;
    // Pages that show nobody may be silent.
    ann.open("/pages/menu").await;
    page.beat(&[]).await;
    for other in ["gone", "gone"] {
        Page::open(&ann, &ann.open("/edit/c-1").await).await.say(other, &[], "").await;
    }
    site.clock.advance(Duration::from_secs(10));
    until(|| !faults(&site).is_empty()).await;
    // The first page, of which the question came, and this one.
    let told = faults(&site);
    assert!(told.iter().all(|fault| fault.what == MarkFaultKind::Silent), "{told:?}");
    let [_, email, ..] = values_of("c-1");
    assert!(!ann.open("/edit/c-1").await.shows(&email));
    page.beat(&[]).await;
    assert_eq!(sounds(&site), 1, "a machine that slept");
    assert!(ann.open("/edit/c-1").await.shows(&email));
    watching.abort();
}

async fn until(is_so: impl Fn() -> bool) {
    let since = std::time::Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn in_observe_and_where_it_is_only_recorded_a_fault_masks_nothing() {
    for (mode, settings) in [(Mode::Observe, ""), (Mode::Enforce, "mark = { heartbeat = \"record\" }")] {
        let app = App::start().await;
        let site = Site::planned(app.address, Plan { mode, settings, ..Plan::default() }).await;
        site.route_ticket("k-1", "c-1", "s-1");
        let ann = site.browser("s-1").await;
        let mut page = Page::open(&ann, &ann.open("/edit/c-1").await).await;
        assert_eq!(page.beat(&["hidden"]).await["masked"], false);
        assert_eq!(faults(&site)[0].masks, ClassSet::EMPTY);
        let shown = ann.open("/edit/c-1").await.shows(&values_of("c-1")[1]);
        assert_eq!(shown, mode == Mode::Observe);
    }
}

#[tokio::test]
async fn with_mask_first_nothing_that_needs_the_mark_is_shown_before_a_page_proved_it() {
    let app = App::start().await;
    let plan = Plan { settings: "mark = { heartbeat = \"mask_first\" }", ..Plan::default() };
    let site = Site::planned(app.address, plan).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let page = ann.open("/edit/c-1").await;
    assert!(!page.shows("/.sightline/ask?for="), "not even to be asked for");
    Page::open(&ann, &page).await.beat(&[]).await;
    assert!(ann.open("/edit/c-1").await.shows("/.sightline/ask?for="));
}

#[tokio::test]
async fn a_heartbeat_is_heard_from_its_own_session_and_site_only_and_keeps_no_session_alive() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let (ann, bob) = (site.browser("s-1").await, site.browser("s-2").await);
    let mut page = Page::open(&ann, &ann.open("/pages/menu").await).await;
    let said = json!({ "page": page.token, "challenge": "", "seen": "shown", "bucket": 0, "faults": [], "answer": "" });
    assert_eq!(post(&bob, &said.to_string(), &[]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(post(&site.stranger(), &said.to_string(), &[]).await.status, StatusCode::UNAUTHORIZED);
    let evil = [("origin", "https://evil.example")];
    assert_eq!(post(&ann, &said.to_string(), &evil).await.status, StatusCode::FORBIDDEN);
    let huge = format!("{{\"page\":\"{}\"}}", "x".repeat(10_000));
    for broken in ["", "{}", "[1]", "{\"page\":1}", "\u{0}", &huge] {
        assert!(post(&ann, broken, &[]).await.status.is_client_error(), "{broken:.20}");
    }
    // For longer than a session may be idle.
    for _ in 0..40 {
        site.clock.advance(Duration::from_secs(60));
        page.renew().await;
        page.beat(&[]).await;
    }
    let after = ann.open("/pages/menu").await;
    assert!(after.reference().is_some(), "{after:?}");
    assert!(faults(&site).is_empty());
}

#[tokio::test]
async fn an_answer_with_another_picture_is_a_fault_and_that_of_the_last_five_minutes_is_not() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let mut page = Page::open(&ann, &ann.open("/pages/menu").await).await;
    page.beat(&[]).await;
    let start = issued(&site)[0].bucket;
    let now = model::Clock::now(&site.clock);
    site.clock.advance(Duration::from_millis(300_000 - (now.0 - start.0) + 500));
    let told = page.beat(&[]).await;
    assert_eq!(Timestamp(told["bucket"].as_u64().unwrap()), Timestamp(start.0 + 300_000));
    assert!(faults(&site).is_empty(), "it had no time to get the next one");
    page.picture = [1; 32];
    page.beat(&[]).await;
    assert_eq!(faults(&site)[0].what, MarkFaultKind::Forged);
}
