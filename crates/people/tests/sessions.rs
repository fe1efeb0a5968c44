//! Sessions over a real ledger, with personas as the way in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Answer, Browser, House, NOON, door, fresh};
use http::{Method, StatusCode, header};
use ledger::Draft;
use model::clock::ManualClock;
use model::entry::{Actor, RevokeReason, Revoked, SessionClosed, SessionEnd, StaffRecorded, Target, Why};
use model::{AppId, Event, Role, StaffId, StaffRecord, StaffStatus};
use sightline_people::{
    Door, LoginMethod, LoginMethodError, LoginSettings, Persona, PersonasError, PersonasSettings, cookie_name,
};
use url::Url;

fn persona(staff: &str, name: &str, role: Role) -> Persona {
    Persona {
        staff: StaffId::new(staff),
        name: name.to_owned(),
        login: name.to_ascii_lowercase(),
        role,
        team: "payments".to_owned(),
        employer: "in-house".to_owned(),
        site: None,
        cleared_until: None,
        about: None,
    }
}

fn personas() -> LoginSettings {
    LoginSettings::Personas(PersonasSettings {
        staff: vec![persona("s-1", "Ada", Role::Agent), persona("s-2", "Lin", Role::Analyst)],
    })
}

/// A house with the door `desk`, its address, and its clock.
struct Stage {
    dir: tempfile::TempDir,
    clock: ManualClock,
    house: House,
    door: Door,
}

impl Stage {
    async fn set() -> Self {
        let (dir, clock) = (fresh(), ManualClock::at(NOON));
        let (door, listener) = door("desk").await;
        let house = House::open(&dir, Arc::new(clock.clone()), &personas(), std::slice::from_ref(&door));
        house.serve("desk", listener, None);
        Self { dir, clock, house, door }
    }

    fn url(&self, path: &str) -> Url {
        self.door.public_url.join(path).unwrap()
    }

    async fn log_in(&self, browser: &mut Browser, staff: &str) -> Answer {
        let page = browser.get(&self.url("/.sightline/login?next=/ticket/5")).await;
        let (token, next) = (page.hidden("token"), page.hidden("next"));
        let fields = [("token", token.as_str()), ("next", &next), ("staff", staff)];
        browser.post(&self.url("/.sightline/login"), &fields).await
    }

    /// Ends the process and starts it again over the same folder.
    async fn restart(self) -> Self {
        self.house.ledger.close().await;
        let Self { dir, clock, house, door } = self;
        drop(house);
        let house = House::open(&dir, Arc::new(clock.clone()), &personas(), std::slice::from_ref(&door));
        Self { dir, clock, house, door }
    }
}

fn revoked(target: Target) -> Event {
    Event::Revoked(Revoked { target, by: Actor::Operator, reason: RevokeReason::Drill })
}

fn ends(stage: &Stage) -> Vec<SessionEnd> {
    let ends = stage.house.events().into_iter().filter_map(|event| match event {
        Event::SessionClosed(SessionClosed { why, .. }) => Some(why),
        _ => None,
    });
    ends.collect()
}

#[tokio::test]
async fn a_login_leads_back_to_where_it_began_with_a_cookie_for_this_origin_alone() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    let answer = stage.log_in(&mut browser, "s-1").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/ticket/5"));
    let cookies = answer.set_cookies();
    let cookie = cookies.iter().find(|c| c.starts_with("__Host-sightline-desk=")).unwrap();
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");

    let seated = stage.house.identify(&browser, "desk").await.unwrap().unwrap();
    assert_eq!((seated.name.as_str(), seated.login.as_str()), ("Ada", "ada"));
    assert_eq!(seated.record.role, Role::Agent);
    assert_eq!(stage.house.people.staff_by_login("ADA"), Some(StaffId::new("s-1")));
    assert_eq!(stage.house.people.name_of(&StaffId::new("s-9")), "s-9");
}

#[tokio::test]
async fn a_staff_record_is_entered_when_it_changes_and_not_at_every_login() {
    let stage = Stage::set().await;
    for _ in 0..2 {
        stage.log_in(&mut Browser::default(), "s-1").await;
    }
    let kinds: Vec<_> = stage.house.events().iter().map(Event::kind).collect();
    assert_eq!(kinds, ["staff_recorded", "session_opened", "session_opened"]);
}

#[tokio::test]
async fn the_ledger_knows_neither_cookie_nor_name() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "s-1").await;
    let cookie = &browser.cookies[&cookie_name(&AppId::new("desk"))];
    let entries = format!("{:?}", stage.house.events());
    assert!(!entries.contains(cookie.as_str()) && !entries.contains("Ada"));
}

#[tokio::test]
async fn a_session_opens_its_own_door_only() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "s-1").await;
    let token = browser.cookies[&cookie_name(&AppId::new("desk"))].clone();
    browser.cookies.insert(cookie_name(&AppId::new("console")), token);
    assert!(stage.house.identify(&browser, "console").await.unwrap().is_none());
}

#[tokio::test]
async fn whatever_stands_in_the_cookie_nobody_is_seated_by_it() {
    let stage = Stage::set().await;
    let long = "A".repeat(10_000);
    for value in ["", "x", "=", "%", "\"quoted\"", "AAAA", &"A".repeat(43), &"A".repeat(44), &long] {
        let mut browser = Browser::default();
        browser.cookies.insert(cookie_name(&AppId::new("desk")), value.to_owned());
        assert!(stage.house.identify(&browser, "desk").await.unwrap().is_none(), "{value}");
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_not_while_it_is_used() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "s-1").await;
    for _ in 0..3 {
        stage.clock.advance(Duration::from_secs(30 * 60));
        assert!(stage.house.identify(&browser, "desk").await.unwrap().is_some());
    }
    stage.clock.advance(Duration::from_secs(30 * 60 + 1));
    for _ in 0..2 {
        assert_eq!(stage.house.identify(&browser, "desk").await.unwrap_err(), Why::SessionEnded);
    }
    assert_eq!(ends(&stage), [SessionEnd::Idle], "its end is recorded once");
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_however_busy() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "s-1").await;
    for _ in 0..36 {
        assert!(stage.house.identify(&browser, "desk").await.unwrap().is_some());
        stage.clock.advance(Duration::from_secs(20 * 60));
    }
    assert_eq!(stage.house.identify(&browser, "desk").await.unwrap_err(), Why::SessionEnded);
    assert_eq!(ends(&stage), [SessionEnd::Expired]);
}

#[tokio::test]
async fn a_clock_that_jumps_back_ends_nothing() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "s-1").await;
    stage.clock.set(NOON.minus(Duration::from_secs(86_400)));
    assert!(stage.house.identify(&browser, "desk").await.unwrap().is_some());
}

#[tokio::test]
async fn sessions_and_form_tokens_outlive_a_restart() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "s-1").await;
    let before = stage.house.identify(&browser, "desk").await.unwrap().unwrap();
    stage.clock.advance(Duration::from_secs(3600));

    let stage = stage.restart().await;
    let after = stage.house.identify(&browser, "desk").await.unwrap().unwrap();
    assert_eq!(after.session, before.session);
    assert!(stage.house.people.csrf_ok(&after, &before.csrf));

    stage.clock.advance(Duration::from_secs(30 * 60 + 1));
    assert_eq!(stage.house.identify(&browser, "desk").await.unwrap_err(), Why::SessionEnded);
}

#[tokio::test]
async fn a_revocation_counts_at_the_next_request_and_after_a_restart() {
    let stage = Stage::set().await;
    let [mut ada, mut lin] = [Browser::default(), Browser::default()];
    stage.log_in(&mut ada, "s-1").await;
    stage.log_in(&mut lin, "s-2").await;
    let session = stage.house.identify(&lin, "desk").await.unwrap().unwrap().session;
    stage.house.record(revoked(Target::Staff(StaffId::new("s-1")))).await;
    stage.house.record(revoked(Target::Session(session))).await;
    let both = async |stage: &Stage| {
        for browser in [&ada, &lin] {
            let seated = stage.house.identify(browser, "desk").await;
            assert_eq!(seated.unwrap_err(), Why::SessionRevoked);
        }
    };
    both(&stage).await;
    both(&stage.restart().await).await;
}

#[tokio::test]
async fn whoever_is_suspended_gets_a_page_with_a_reference_that_is_in_the_ledger() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "s-1").await;
    stage.house.record(revoked(Target::Staff(StaffId::new("s-1")))).await;
    let answer = stage.log_in(&mut browser, "s-1").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains("Your access is paused"), "{}", answer.body);
    let last = stage.house.events().pop().unwrap();
    let Event::Refused(refused) = last else { panic!("{last:?}") };
    assert_eq!((refused.response.to_string(), refused.why), (answer.reference(), Why::StaffInactive));
}

#[tokio::test]
async fn a_login_keeps_the_clearance_that_the_ledger_knows() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "s-1").await;
    let until = NOON.plus(Duration::from_secs(3600));
    let record = StaffRecord {
        staff: StaffId::new("s-1"),
        role: Role::Agent,
        team: "payments".to_owned(),
        employer: "in-house".to_owned(),
        site: None,
        status: StaffStatus::Active,
        cleared_until: Some(until),
    };
    stage.house.record(Event::StaffRecorded(StaffRecorded { record, by: Actor::Operator })).await;
    assert_eq!(stage.log_in(&mut browser, "s-1").await.status, StatusCode::SEE_OTHER);
    let seated = stage.house.identify(&browser, "desk").await.unwrap().unwrap();
    assert_eq!(seated.record.cleared_until, Some(until));
    stage.clock.set(until);
    assert_eq!(stage.house.identify(&browser, "desk").await.unwrap_err(), Why::StaffInactive);
}

#[tokio::test]
async fn a_new_login_ends_the_session_of_this_browser_and_no_other() {
    let stage = Stage::set().await;
    let [mut here, mut elsewhere] = [Browser::default(), Browser::default()];
    stage.log_in(&mut elsewhere, "s-1").await;
    stage.log_in(&mut here, "s-1").await;
    let old = here.clone();
    stage.log_in(&mut here, "s-2").await;
    assert_eq!(stage.house.identify(&old, "desk").await.unwrap_err(), Why::SessionEnded);
    assert_eq!(stage.house.identify(&here, "desk").await.unwrap().unwrap().name, "Lin");
    assert!(stage.house.identify(&elsewhere, "desk").await.unwrap().is_some());
    assert_eq!(ends(&stage), [SessionEnd::Replaced]);
}

#[tokio::test]
async fn logging_out_needs_the_form_of_our_page() {
    let stage = Stage::set().await;
    let [mut ada, mut lin] = [Browser::default(), Browser::default()];
    stage.log_in(&mut ada, "s-1").await;
    stage.log_in(&mut lin, "s-2").await;
    let of_lin = stage.house.identify(&lin, "desk").await.unwrap().unwrap().csrf;
    for forged in ["", "x", of_lin.as_str()] {
        let answer = ada.post(&stage.url("/.sightline/logout"), &[("csrf", forged)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    let seated = stage.house.identify(&ada, "desk").await.unwrap().unwrap();

    let old = ada.clone();
    let answer = ada.post(&stage.url("/.sightline/logout"), &[("csrf", &seated.csrf)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!ada.cookies.contains_key(&cookie_name(&AppId::new("desk"))));
    assert_eq!(stage.house.identify(&old, "desk").await.unwrap_err(), Why::SessionEnded);
    assert_eq!(ends(&stage), [SessionEnd::Logout]);
    assert!(stage.house.identify(&lin, "desk").await.unwrap().is_some());
}

#[tokio::test]
async fn a_login_form_counts_only_in_the_browser_that_it_was_made_for() {
    let stage = Stage::set().await;
    let [mut ours, mut theirs] = [Browser::default(), Browser::default()];
    let login = stage.url("/.sightline/login");
    let token = ours.get(&login).await.hidden("token");
    let fields = [("token", token.as_str()), ("staff", "s-1")];
    assert_eq!(theirs.post(&login, &fields).await.status, StatusCode::BAD_REQUEST, "no cookie");
    theirs.get(&login).await;
    assert_eq!(theirs.post(&login, &fields).await.status, StatusCode::BAD_REQUEST, "another cookie");
    stage.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(ours.post(&login, &fields).await.status, StatusCode::BAD_REQUEST, "too late");
    assert!(stage.house.events().is_empty());
}

#[tokio::test]
async fn two_tabs_can_both_log_in() {
    let stage = Stage::set().await;
    let mut browser = Browser::default();
    let login = stage.url("/.sightline/login");
    let tokens = [browser.get(&login).await.hidden("token"), browser.get(&login).await.hidden("token")];
    let first = browser.clone().post(&login, &[("token", tokens[0].as_str()), ("staff", "s-1")]).await;
    let second = browser.clone().post(&login, &[("token", tokens[1].as_str()), ("staff", "s-1")]).await;
    assert_eq!([first.status, second.status], [StatusCode::SEE_OTHER; 2]);
}

#[tokio::test]
async fn no_login_leads_to_another_site() {
    let stage = Stage::set().await;
    let login = stage.url("/.sightline/login");
    for evil in
        ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "/a\r\nX: y"]
    {
        let mut browser = Browser::default();
        let mut url = login.clone();
        url.query_pairs_mut().append_pair("next", evil);
        let page = browser.get(&url).await;
        assert_eq!(page.hidden("next"), "/");
        let token = page.hidden("token");
        let answer = browser.post(&login, &[("token", &token), ("next", evil), ("staff", "s-1")]).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"), "{evil}");
    }
}

#[tokio::test]
async fn personas_answer_to_this_machine_only() {
    let stage = Stage::set().await;
    let login = stage.url("/.sightline/login");
    let refused = async |headers: &[(&str, &str)]| {
        let answer = Browser::default().send(Method::GET, &login, headers, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.body.contains("Only from this machine"));
    };
    refused(&[("host", "rebound.example")]).await;
    refused(&[("x-forwarded-for", "127.0.0.1")]).await;
    refused(&[("forwarded", "for=127.0.0.1")]).await;

    let (far, listener) = door("desk").await;
    stage.house.serve("desk", listener, Some("192.0.2.7:4000".parse().unwrap()));
    let mut browser = Browser::default();
    let url = far.public_url.join("/.sightline/login").unwrap();
    assert_eq!(browser.get(&url).await.status, StatusCode::FORBIDDEN);
    // Not with what another door of this machine handed out either.
    let token = browser.get(&login).await.hidden("token");
    let answer = browser.post(&url, &[("token", &token), ("staff", "s-1")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(stage.house.events().is_empty());
}

#[tokio::test]
async fn personas_are_not_offered_where_a_door_is_open_to_the_network() {
    let (mut open, _listener) = door("desk").await;
    open.listen = "0.0.0.0:8080".parse().unwrap();
    let refused = LoginMethod::open(&personas(), &[open]).unwrap_err();
    assert!(matches!(refused, LoginMethodError::Personas(PersonasError::NotLoopback { .. })), "{refused}");
}

#[tokio::test]
async fn names_are_escaped_and_pages_are_hardened() {
    let (dir, clock) = (fresh(), ManualClock::at(NOON));
    let (door, listener) = door("desk").await;
    let staff = vec![persona("s-1", "<script>alert(1)</script>", Role::Agent)];
    let settings = LoginSettings::Personas(PersonasSettings { staff });
    let house = House::open(&dir, Arc::new(clock), &settings, std::slice::from_ref(&door));
    house.serve("desk", listener, None);
    let page = Browser::default().get(&door.public_url.join("/.sightline/login").unwrap()).await;
    assert!(!page.body.contains("<script>alert"));
    assert!(page.headers.contains_key(header::CONTENT_SECURITY_POLICY));
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn without_a_ledger_nobody_logs_in_and_the_page_says_so() {
    let stage = Stage::set().await;
    stage.house.ledger.close().await;
    let mut browser = Browser::default();
    let answer = stage.log_in(&mut browser, "s-1").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("could not be recorded"));
    assert!(!browser.cookies.contains_key(&cookie_name(&AppId::new("desk"))));
    let refused = stage.house.ledger.append(Draft::plain(revoked(Target::Staff(StaffId::new("s-1"))))).await;
    assert!(refused.is_err());
}
