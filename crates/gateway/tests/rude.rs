//! Apps that are not polite: each gets a page or a problem document with a reference number that is in
//! the ledger, and nothing of what they sent is shown.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use common::app::{App, Rude, rude, values_of};
use common::{Got, Plan, Site};
use http::{Method, StatusCode};
use model::Mode;
use model::entry::Why;

const QUICK: &str = "timeouts = { connect_seconds = 1, head_seconds = 1, body_seconds = 1 }\nlimits = { answer_bytes = 100000 }";

async fn open_at(rudeness: Rude) -> (Got, Got, Vec<Why>) {
    let site = Site::planned(rude(rudeness).await, Plan { settings: QUICK, ..Plan::default() }).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let (page, problem) = (ann.open("/customers/c-1").await, ann.fetch("/customers/c-1").await);
    let whys = site.refusals().iter().map(|refused| refused.why).collect::<Vec<_>>();
    for (got, why) in [(&page, whys[0]), (&problem, whys[1])] {
        site.assert_refused(got, why);
    }
    (page, problem, whys)
}

#[tokio::test]
async fn an_app_that_hangs_is_a_timeout() {
    let (page, problem, whys) = open_at(Rude::Hang).await;
    assert_eq!(whys, [Why::AppTimeout; 2]);
    assert_eq!((page.status, problem.status), (StatusCode::GATEWAY_TIMEOUT, StatusCode::GATEWAY_TIMEOUT));
    assert!(page.shows("<!doctype html>") && page.shows("did not answer in time"));
    assert!(problem.shows("urn:sightline:problem:app-timeout"));
}

#[tokio::test]
async fn an_app_that_hangs_in_the_middle_of_its_answer_is_a_timeout() {
    let half =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"name\":\"Jane";
    let (page, problem, whys) = open_at(Rude::SayAndHang(half)).await;
    assert_eq!(whys, [Why::AppTimeout; 2]);
    assert!(!page.shows("Jane") && !problem.shows("Jane"));
}

#[tokio::test]
async fn an_app_that_breaks_off_is_unreachable() {
    for rudeness in [
        Rude::Reset,
        Rude::SayAndClose(""),
        Rude::SayAndClose("HTTP/1.1 200 OK\r\ncontent-ty"),
        Rude::SayAndClose("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"name\":\"Jane"),
        Rude::SayAndClose("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{\"name\":\"Jane"),
        Rude::SayAndClose("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"nam"),
        Rude::SayAndClose("nonsense\r\n\r\n"),
    ] {
        let (page, problem, whys) = open_at(rudeness).await;
        assert_eq!(whys, [Why::AppUnreachable; 2], "{rudeness:?}");
        assert_eq!(page.status, StatusCode::BAD_GATEWAY);
        assert!(!page.shows("Jane") && !problem.shows("Jane"), "{rudeness:?}");
    }
}

#[tokio::test]
async fn an_app_that_is_not_there_is_unreachable() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let site = Site::open(gone).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    site.assert_refused(&ann.open("/customers/c-1").await, Why::AppUnreachable);
    site.assert_refused(&ann.open("/static/logo").await, Why::AppUnreachable);
    let ready = site.stranger().fetch("/.sightline/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn answers_that_cannot_be_read_stay_closed_in_enforce_and_are_noted_in_observe() {
    let app = App::start().await;
    let site = Site::planned(app.address, Plan { settings: QUICK, ..Plan::default() }).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    for (target, why) in [
        ("/broken/c-1", Why::UnreadableAnswer),
        ("/zipped/c-1", Why::UnreadableAnswer),
        ("/unchanged/c-1", Why::UnreadableAnswer),
        ("/huge/c-1", Why::AnswerTooLarge),
    ] {
        let got = ann.fetch(target).await;
        site.assert_refused(&got, why);
        assert!(values_of("c-1").iter().all(|value| !got.shows(value)), "{target}");
    }

    let watched = Plan { mode: Mode::Observe, settings: QUICK, ..Plan::default() };
    let site = Site::planned(app.address, watched).await;
    let ann = site.browser("s-1").await;
    for (target, why) in [("/zipped/c-1", Why::UnreadableAnswer), ("/huge/c-1", Why::AnswerTooLarge)] {
        let got = ann.fetch(target).await;
        assert_eq!(got.status, StatusCode::OK, "{target}: {got:?}");
        assert_eq!(site.refusals().last().unwrap().why, why);
    }
    assert_eq!(ann.fetch("/huge/c-1").await.text.len(), 200_009, "the whole of it, in observe");
}

#[tokio::test]
async fn json_that_is_labelled_html_shows_no_more_than_json_does() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let got = ann.fetch("/mislabelled/c-1").await;
    let [_, email, balance, _, password] = values_of("c-1");
    assert!(!got.shows(&email) && !got.shows(&balance) && !got.shows(&password), "{got:?}");
}

#[tokio::test]
async fn a_redirect_loop_is_the_browsers_to_break() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let got = ann.open("/loop/c-1").await;
    assert_eq!((got.status, got.location()), (StatusCode::FOUND, "/loop/c-1"));
    assert_eq!(app.asked().len(), 1, "the gateway follows no redirect");
}

#[tokio::test]
async fn requests_that_no_adapter_can_vouch_for_are_refused() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let page = ("accept", "text/html");
    let upgrade = [page, ("connection", "upgrade"), ("upgrade", "websocket")];
    let got = ann.send(Method::GET, "/static/live", &upgrade, "").await;
    site.assert_refused(&got, Why::UnknownRoute);
    let got = ann.send(Method::GET, "/static/%2e%2e/customers/c-1", &[page], "").await;
    site.assert_refused(&got, Why::BadRequest);
    let got = ann.send(Method::GET, "/.sightline/nothing", &[page], "").await;
    site.assert_refused(&got, Why::UnknownRoute);
    let elsewhere = [page, ("origin", "https://evil.example")];
    let got = ann.send(Method::POST, "/save/c-1", &elsewhere, "name=x").await;
    site.assert_refused(&got, Why::ForgedForm);
    assert!(app.asked().is_empty());
}

#[tokio::test]
async fn a_request_above_the_limit_is_refused() {
    let app = App::start().await;
    let settings = "limits = { request_bytes = 1000 }";
    let site = Site::planned(app.address, Plan { settings, ..Plan::default() }).await;
    let ann = site.browser("s-1").await;
    let got = ann.send(Method::POST, "/save/c-1", &[("accept", "text/html")], &"x".repeat(2000)).await;
    site.assert_refused(&got, Why::BadRequest);
    assert!(app.asked().is_empty());
}
