//! What whoever is contained is shown, and how they go on.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use common::app::{App, values_of};
use common::{Browser, Got, Site};
use http::{Method, StatusCode, header};
use ledger::Draft;
use model::entry::{Actor, RevokeReason, Why};
use model::{Contained, Event, Level, LiftReason, StaffId};
use std::time::Duration;

async fn contain(site: &Site, staff: &str, level: Level) {
    let contained = Contained {
        staff: StaffId::new(staff),
        level,
        by: Actor::Operator,
        session: None,
        finding: None,
        reason: RevokeReason::Drill,
    };
    site.ledger.append(Draft::plain(Event::Contained(contained))).await.unwrap();
}

fn lifts(site: &Site) -> Vec<model::Lifted> {
    site.of_kind(|event| if let Event::Lifted(lifted) = event { Some(lifted) } else { None })
}

/// The value of a cookie that an answer sets.
fn cookie(got: &Got, begins: &str) -> String {
    let set = got.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pair = set
        .filter_map(|cookie| cookie.split(';').next())
        .find(|pair| pair.starts_with(begins) && !pair.ends_with('='));
    pair.unwrap_or_else(|| panic!("no cookie {begins} in {got:?}")).to_owned()
}

fn link(got: &Got, begins: &str) -> String {
    let (_, rest) =
        got.text.split_once(&format!("href=\"{begins}")).unwrap_or_else(|| panic!("no {begins} in {got:?}"));
    format!("{begins}{}", rest.split('"').next().unwrap()).replace("&#38;", "&").replace("&amp;", "&")
}

async fn with_cookie(browser: &Browser<'_>, method: Method, target: &str, cookie: &str, body: &str) -> Got {
    let headers =
        [("accept", "text/html"), ("cookie", cookie), ("content-type", "application/x-www-form-urlencoded")];
    browser.send(method, target, &headers, body).await
}

#[tokio::test]
async fn a_step_up_leads_through_a_fresh_login_and_the_purpose_and_back_and_ends_other_sessions() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    site.route_ticket("k-5", "c-9", "s-1");
    let [name, ..] = values_of("c-9");
    assert!(ann.open("/customers/c-9").await.shows(&name));
    site.clock.advance(Duration::from_secs(5));
    contain(&site, "s-1", Level::StepUp).await;
    site.clock.advance(Duration::from_secs(5));

    let led = ann.open("/customers/c-9?tab=2").await;
    assert_eq!(led.status, StatusCode::SEE_OTHER, "{led:?}");
    assert!(led.location().starts_with("/.sightline/contained?next="), "{led:?}");
    let script = ann.fetch("/customers/c-9").await;
    site.assert_refused(&script, Why::StepUp);
    assert!(script.text.contains("urn:sightline:problem:step-up") && !script.shows(&name), "{script:?}");

    let page = ann.open(led.location()).await;
    assert!(page.text.contains("a lead, not a verdict") && page.text.contains("Log in afresh"), "{page:?}");
    assert!(page.field("purpose").is_none(), "nothing to answer before a fresh login: {page:?}");

    // A click on a persona is a login here; at a provider it would be asked for with `max_age=0`.
    let login = link(&page, "/.sightline/login?");
    let nobody = site.stranger();
    let people = nobody.open(&login).await;
    let attempt = cookie(&people, "__Host-sightline-login-");
    let form = [
        ("token", people.field("token").unwrap()),
        ("next", people.field("next").unwrap()),
        ("fresh", people.field("fresh").unwrap()),
        ("staff", "s-1".to_owned()),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let seated = with_cookie(&nobody, Method::POST, "/.sightline/login", &attempt, &body).await;
    assert_eq!(seated.status, StatusCode::SEE_OTHER, "{seated:?}");
    let fresh = cookie(&seated, "__Host-sightline-");
    let asked = with_cookie(&nobody, Method::GET, seated.location(), &fresh, "").await;
    assert!(asked.text.contains("What are you working on?"), "{asked:?}");
    let still = with_cookie(&nobody, Method::GET, "/customers/c-9", &fresh, "").await;
    assert_eq!(still.status, StatusCode::SEE_OTHER, "not before the purpose: {still:?}");

    let answer = [
        ("csrf", asked.field("csrf").unwrap()),
        ("next", asked.field("next").unwrap()),
        ("purpose", "customer_support".to_owned()),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    let back = with_cookie(&nobody, Method::POST, "/.sightline/contained", &fresh, &body).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, "/customers/c-9?tab=2"), "{back:?}");
    assert!(with_cookie(&nobody, Method::GET, "/customers/c-9", &fresh, "").await.shows(&name));
    assert_eq!(lifts(&site).iter().map(|lifted| lifted.reason).collect::<Vec<_>>(), [LiftReason::SteppedUp]);
    let old = ann.open("/customers/c-9").await;
    site.assert_refused(&old, Why::SessionEnded);
}

#[tokio::test]
async fn a_login_that_was_not_asked_for_afresh_lifts_nothing() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    contain(&site, "s-1", Level::StepUp).await;
    let again = site.browser("s-1").await;
    let whoami = ann.open("/.sightline/whoami").await;
    assert_eq!(whoami.status, StatusCode::OK, "one's own pages stay: {whoami:?}");
    let page = again.open("/.sightline/contained?next=/").await;
    assert!(page.field("purpose").is_none(), "{page:?}");
    // The form made up, with a token that is theirs.
    let csrf = page.field("csrf").unwrap();
    let form = [("csrf", csrf.as_str()), ("next", "/"), ("purpose", "customer_support")];
    site.assert_refused(&again.submit("/.sightline/contained", &form).await, Why::StepUp);
    assert!(lifts(&site).is_empty());
}

#[tokio::test]
async fn a_word_is_shown_once_and_closes_nothing() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    site.route_ticket("k-5", "c-9", "s-1");
    contain(&site, "s-1", Level::Nudge).await;
    let [name, ..] = values_of("c-9");
    assert!(ann.fetch("/customers/c-9").await.status.is_success(), "scripts go on");
    let led = ann.open("/customers/c-9").await;
    let word = ann.open(led.location()).await;
    assert!(word.text.contains("Nothing changes for you"), "{word:?}");
    let form = [("csrf", word.field("csrf").unwrap()), ("next", word.field("next").unwrap())];
    let form: Vec<(&str, &str)> = form.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let back = ann.submit("/.sightline/contained", &form).await;
    assert_eq!(back.location(), "/customers/c-9");
    assert!(ann.open("/customers/c-9").await.shows(&name));
    let forged = ann.submit("/.sightline/contained", &[("csrf", "x"), ("next", "/")]).await;
    site.assert_refused(&forged, Why::ForgedForm);
}

#[tokio::test]
async fn under_throttle_one_new_customer_opens_in_some_minutes_and_those_open_stay_so() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    site.route_ticket("k-5", "c-9", "s-1");
    site.route_ticket("k-6", "c-8", "s-1");
    contain(&site, "s-1", Level::Throttle).await;
    let ([nine, ..], [eight, ..]) = (values_of("c-9"), values_of("c-8"));
    assert!(ann.open("/customers/c-9").await.shows(&nine));
    let second = ann.open("/customers/c-8").await;
    site.assert_refused(&second, Why::Throttled);
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(ann.open("/customers/c-9").await.shows(&nine));
    site.clock.advance(Duration::from_secs(180));
    assert!(ann.open("/customers/c-8").await.shows(&eight));
}

#[tokio::test]
async fn whoever_is_suspended_sees_why_and_nothing_else() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    site.route_ticket("k-5", "c-9", "s-1");
    let [name, ..] = values_of("c-9");
    contain(&site, "s-1", Level::Suspend).await;
    for target in ["/customers/c-9", "/customers", "/unknown"] {
        let got = ann.open(target).await;
        site.assert_refused(&got, Why::Suspended);
        assert!(got.text.contains("a lead, not a verdict") && !got.shows(&name), "{got:?}");
    }
    let page = ann.open("/.sightline/contained").await;
    assert!(page.status == StatusCode::FORBIDDEN && page.text.contains("team lead"), "{page:?}");
    let ben = site.browser("s-2").await;
    site.route_ticket("k-7", "c-9", "s-2");
    assert!(ben.open("/customers/c-9").await.shows(&name), "others are not affected");
}
