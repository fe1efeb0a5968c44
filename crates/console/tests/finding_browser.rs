//! A finding's page in a real browser: read, contained by one key, and fit for a narrow and dark screen.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

#[allow(dead_code)] // shared with the gallery
mod world;

use std::net::SocketAddr;
use std::time::Duration;

use fantoccini::{Client, Locator};
use model::entry::{Actor, Event};
use model::{Level, Timestamp};
use peers::chromium::{Chromium, Window};
use world::World;

/// Logs in as an analyst and opens the page; gives its width and that of the window.
async fn open(browser: &Client, door: &str, page: &str) -> (u64, u64) {
    browser.goto(&format!("{door}/.sightline/login?next={page}")).await.unwrap();
    let analyst = Locator::Css("button[name=staff][value=s-90]");
    browser.wait().for_element(analyst).await.unwrap().click().await.unwrap();
    browser.wait().for_element(Locator::Css("svg.chart .curve")).await.unwrap();
    let measure = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
    let widths = browser.execute(measure, vec![]).await.unwrap();
    (widths[0].as_u64().unwrap(), widths[1].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_contains_and_the_page_fits_narrow_and_dark() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), Timestamp::parse("2026-03-02T08:00:00Z").unwrap()).await;
    world.open_the_floor().await;
    world.work(48).await;
    let finding = world.find("s-13", Level::StepUp).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = format!("http://{}", listener.local_addr().unwrap());
    let router = sightline_console::router(world.console());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let page = format!("/findings/{finding}");

    let chromium = Chromium::start().unwrap_or_else(|error| panic!("{error}"));
    for window in [Window { width: 420, height: 900, dark: true }, Window::default()] {
        let browser = chromium.open(window).await.unwrap_or_else(|error| panic!("{error}"));
        let (wide, window) = open(&browser, &door, &page).await;
        assert!(wide <= window, "the page is {wide} wide in a window of {window}");
        browser.close().await.unwrap();
    }

    let browser = chromium.open(Window::default()).await.unwrap_or_else(|error| panic!("{error}"));
    open(&browser, &door, &page).await;
    let body = browser.find(Locator::Css("body")).await.unwrap();
    // Without shift, nothing.
    body.send_keys("t").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.access.state().read().contained(&"s-13".into()).is_none());
    body.send_keys("T").await.unwrap();
    let in_force = Locator::XPath("//h1//*[contains(., 'in force: Slowed down')]");
    browser.wait().for_element(in_force).await.unwrap();
    let held = world.access.state().read().contained(&"s-13".into()).cloned().unwrap();
    assert_eq!((held.level, held.by), (Level::Throttle, Actor::Staff("s-90".into())));
    let record = world.ledger.read(held.index, 1).unwrap().remove(0);
    assert!(matches!(record.entry.event, Event::Contained(_)));
    browser.close().await.unwrap();
}
