//! Tickets from the app: asked for, sent, and told by Request Tracker.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use common::{APP, Plan, Site};
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use http::{Method, StatusCode};
use model::{AppId, CustomerId, Evidence, StaffId, TicketId, Tier};
use sha2::Sha256;

const POLLED: &str = "feed = { kind = \"sightline\", token_file = \"feed-token\", webhook_secret_file = \"webhook\", every_seconds = 1 }";
const POLLED_HOURLY: &str =
    "feed = { kind = \"sightline\", token_file = \"feed-token\", every_seconds = 3600 }";
const RT: &str = "feed = { kind = \"rt\", token_file = \"feed-token\", every_seconds = 1 }";

type Seen = Arc<Mutex<Vec<String>>>;

/// An app that answers by `answer`, and remembers what it was asked.
async fn app(answer: fn(&str, &Parts) -> Option<String>) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let asked = seen.clone();
    let handler = move |parts: Parts| {
        let asked = asked.clone();
        async move {
            let target = parts.uri.to_string();
            asked.lock().unwrap().push(target.clone());
            match answer(&target, &parts) {
                Some(body) => ([("content-type", "application/json")], body).into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router: Router = Router::new().fallback(handler);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, seen)
}

fn event(what: &str, by: &str, to: &str) -> String {
    format!(
        r#"{{"kind":"ticket","time":"2026-03-02T08:50:00Z","event":"{what}","ticket":"k-5","customer":"c-5","by":"{by}","to":{to}}}"#
    )
}

/// Follows the feed until `done`, or for ten seconds.
async fn follow(site: &Site, done: impl Fn(&Site) -> bool) {
    let waiting = async {
        while !done(site) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = site.gateway.follow_feed() => unreachable!("it follows for ever"),
        done = tokio::time::timeout(Duration::from_secs(10), waiting) => done.unwrap(),
    }
}

fn evidence(site: &Site, staff: &str, customer: &str) -> Option<Evidence> {
    use model::Clock;
    let (app, staff, customer) = (AppId::new(APP), StaffId::new(staff), CustomerId::new(customer));
    let links = site.access.tickets().links(&app, &staff, &customer, site.clock.now());
    links.first().map(|link| link.evidence)
}

fn desk(target: &str, parts: &Parts) -> Option<String> {
    if parts.headers.get("authorization")? != "Bearer feed-token" {
        return None;
    }
    Some(match target {
        "/feed/tickets?after=" => {
            format!(r#"{{"events":[{}],"cursor":"1"}}"#, event("opened", "customer", "null"))
        }
        "/feed/tickets?after=1" => {
            format!(r#"{{"events":[{}],"cursor":"2"}}"#, event("assigned", "router", "\"ann\""))
        }
        "/feed/tickets?after=2" => r#"{"events":[],"cursor":"2"}"#.to_owned(),
        "/feed/customers?after=" => {
            r#"{"customers":[{"customer":"c-5","tier":"high_value"}],"cursor":"1"}"#.to_owned()
        }
        "/feed/customers?after=1" => r#"{"customers":[],"cursor":"1"}"#.to_owned(),
        _ => return None,
    })
}

#[tokio::test]
async fn polled_tickets_are_evidence_for_the_staff_member_with_that_login() {
    let (address, _) = app(desk).await;
    let site = Site::planned(address, Plan { settings: POLLED, ..Plan::default() }).await;
    follow(&site, |site| evidence(site, "s-1", "c-5").is_some()).await;
    assert_eq!(evidence(&site, "s-1", "c-5"), Some(Evidence::Routed));
    assert_eq!(evidence(&site, "s-2", "c-5"), None);
    let app = AppId::new(APP);
    assert_eq!(site.access.tickets().tier(&app, &CustomerId::new("c-5")), Tier::HighValue);
    assert_eq!(site.access.tickets().cursor(&app).unwrap().as_deref(), Some("2"));
    assert_eq!(site.access.tickets().customer_of(&app, &TicketId::new("k-5")), Some(CustomerId::new("c-5")));
}

/// The router assigns the ticket after the first round, and the next round would be in an hour.
fn assigned_late(target: &str, _: &Parts) -> Option<String> {
    static ROUNDS: AtomicU32 = AtomicU32::new(0);
    Some(match target {
        "/feed/tickets?after=" => {
            format!(r#"{{"events":[{}],"cursor":"1"}}"#, event("opened", "customer", "null"))
        }
        "/feed/tickets?after=1" => match ROUNDS.fetch_add(1, Ordering::SeqCst) {
            0 => r#"{"events":[],"cursor":"1"}"#.to_owned(),
            _ => format!(r#"{{"events":[{}],"cursor":"2"}}"#, event("assigned", "router", "\"ann\"")),
        },
        "/feed/tickets?after=2" => r#"{"events":[],"cursor":"2"}"#.to_owned(),
        "/feed/customers?after=" => r#"{"customers":[]}"#.to_owned(),
        "/customers/c-5" => r#"{"id":"c-5","name":"Noor"}"#.to_owned(),
        _ => return None,
    })
}

#[tokio::test]
async fn a_look_that_nothing_explains_yet_has_the_feed_read_before_it_is_refused() {
    let (address, seen) = app(assigned_late).await;
    let site = Site::planned(address, Plan { settings: POLLED_HOURLY, ..Plan::default() }).await;
    let look = async {
        while !seen.lock().unwrap().iter().any(|t| t == "/feed/tickets?after=1") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        site.browser("s-1").await.fetch("/customers/c-5").await
    };
    let got = tokio::select! {
        () = site.gateway.follow_feed() => unreachable!("it follows for ever"),
        got = look => got,
    };
    assert_eq!(got.status, StatusCode::OK, "{got:?}");
    assert_eq!(site.reveals()[0].evidence, Evidence::Routed);
    assert!(site.refusals().is_empty());
}

fn with_stranger(target: &str, _: &Parts) -> Option<String> {
    Some(match target {
        "/feed/tickets?after=" => format!(
            r#"{{"events":[{},{}],"cursor":"1"}}"#,
            event("opened", "customer", "null"),
            event("assigned", "router", "\"zoe\"")
        ),
        "/feed/tickets?after=1" => r#"{"events":[],"cursor":"1"}"#.to_owned(),
        "/feed/customers?after=" => r#"{"customers":[]}"#.to_owned(),
        _ => return None,
    })
}

#[tokio::test]
async fn somebody_who_becomes_known_later_gets_the_tickets_of_before() {
    let (address, seen) = app(with_stranger).await;
    let site = Site::planned(address, Plan { settings: POLLED, ..Plan::default() }).await;
    let asked = |seen: &Seen| seen.lock().unwrap().iter().filter(|t| *t == "/feed/tickets?after=").count();
    follow(&site, |_| asked(&seen) > 0 && seen.lock().unwrap().iter().any(|t| t == "/feed/tickets?after=1"))
        .await;
    assert_eq!(evidence(&site, "app:zoe", "c-5"), Some(Evidence::Routed));
    let kept = site.access.tickets().cursor(&AppId::new(APP)).unwrap().unwrap();
    assert!(kept.starts_with("incomplete:"), "{kept}");
    // A new process begins anew, because by now somebody may know who that is.
    follow(&site, |_| asked(&seen) > 1).await;
}

#[tokio::test]
async fn a_feed_that_fails_is_asked_again_and_readiness_says_so() {
    let (address, seen) = app(|_, _| None).await;
    let site = Site::planned(address, Plan { settings: POLLED, ..Plan::default() }).await;
    follow(&site, |_| !seen.lock().unwrap().is_empty()).await;
    assert!(site.stranger().fetch("/.sightline/ready").await.shows("\"tickets_fresh\":true"));
    site.clock.advance(Duration::from_secs(11 * 60));
    assert!(site.stranger().fetch("/.sightline/ready").await.shows("\"tickets_fresh\":false"));
}

#[tokio::test]
async fn what_the_app_sends_counts_only_with_its_signature() {
    let (address, _) = app(desk).await;
    let site = Site::planned(address, Plan { settings: POLLED, ..Plan::default() }).await;
    let body = format!("{}\n{}", event("opened", "customer", "null"), event("assigned", "router", "\"ann\""));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"webhook-secret").unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("sha256={hex}");
    let post = async |signature: &str, body: &str| {
        let headers = [("x-sightline-signature", signature)];
        site.stranger().send(Method::POST, "/.sightline/feed", &headers, body).await.status
    };
    assert_eq!(post(&signature, &format!("{body} ")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post("sha256=00", &body).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post("", &body).await, StatusCode::UNAUTHORIZED);
    assert_eq!(evidence(&site, "s-1", "c-5"), None);
    assert_eq!(post(&signature, &body).await, StatusCode::NO_CONTENT);
    assert_eq!(post(&signature, &body).await, StatusCode::NO_CONTENT, "twice changes nothing");
    assert_eq!(evidence(&site, "s-1", "c-5"), Some(Evidence::Routed));
}

/// Answers as Request Tracker 5.0.3 gave them, shortened.
fn request_tracker(_: &str, parts: &Parts) -> Option<String> {
    if parts.headers.get("authorization")? != "token feed-token" {
        return None;
    }
    let user = |id: u32, name: &str| format!(r#"{{"id":{id},"Name":"{name}","Privileged":1}}"#);
    let transaction = |id: u32, kind: &str, field: &str, old: &str, new: &str, creator: &str| {
        format!(
            r#"{{"id":"{id}","type":"transaction","Type":"{kind}","Field":"{field}","OldValue":"{old}","NewValue":"{new}","ObjectId":"1","Created":"2026-03-02T08:50:0{}Z","Creator":{{"type":"user","id":"{creator}","_url":"x"}}}}"#,
            id % 10
        )
    };
    let page = |items: &[String]| Some(format!(r#"{{"page":1,"items":[{}]}}"#, items.join(",")));
    let path = parts.uri.path();
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let sql = query.iter().find(|(key, _)| key == "query").map_or("", |(_, value)| value);
    match path {
        "/REST/2.0/transactions" if sql.contains("TicketId = 1") => {
            page(&[transaction(45, "SetWatcher", "Owner", "6", "14", "lead")])
        }
        "/REST/2.0/transactions" if sql.contains("id > 0 ") => page(&[
            transaction(41, "Create", "", "", "", "jane@example.com"),
            transaction(45, "SetWatcher", "Owner", "6", "14", "lead"),
        ]),
        "/REST/2.0/transactions" if sql.contains("id > 45 ") => page(&[
            transaction(46, "Status", "Status", "new", "open", "ann"),
            transaction(47, "Correspond", "", "", "", "ann"),
        ]),
        "/REST/2.0/transactions" if sql.contains("id > 47 ") => page(&[]),
        "/REST/2.0/ticket/1" => Some(
            r#"{"id":1,"Requestor":[{"type":"user","id":"jane@example.com","_url":"x"}],"Owner":{"type":"user","id":"ann","_url":"x"}}"#
                .to_owned(),
        ),
        "/REST/2.0/user/jane%40example.com" => Some(user(31, "jane@example.com")),
        "/REST/2.0/user/14" | "/REST/2.0/user/ann" => Some(user(14, "ann")),
        "/REST/2.0/user/6" => Some(user(6, "Nobody")),
        "/REST/2.0/user/lead" => Some(user(15, "lead")),
        _ => None,
    }
}

#[tokio::test]
async fn request_trackers_transactions_are_told_as_events() {
    let (address, _) = app(request_tracker).await;
    let site = Site::planned(address, Plan { settings: RT, ..Plan::default() }).await;
    let app = AppId::new(APP);
    follow(&site, |site| site.access.tickets().cursor(&app).unwrap().is_some_and(|c| c.ends_with("47")))
        .await;
    // Opened by the customer, whom the adapter calls by number; assigned by another person.
    assert_eq!(evidence(&site, "s-1", "31"), Some(Evidence::Assigned));
    assert_eq!(site.access.tickets().customer_of(&app, &TicketId::new("1")), Some(CustomerId::new("31")));
}
