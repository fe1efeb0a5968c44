//! An agent at the demo's desk and an analyst at its console, each in a real browser.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::time::{Duration, Instant};

use common::{Running, Visitor, entries, staff_of};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use floor::Population;
use floor::population::Customer;
use model::{Role, Tier};
use peers::chromium::{Chromium, Window};
use serde_json::Value;

const SEED: u64 = 7;
/// The first agent, who is left for the person at the keyboard.
const AGENT: &str = "s-01";

/// The demo, with a floor that is as slow as life.
async fn stage() -> (Running, Population, Chromium) {
    let chromium = Chromium::start().unwrap_or_else(|error| panic!("{error}"));
    (Running::demo(SEED, 1.0).await, Population::generate(SEED), chromium)
}

async fn open(chromium: &Chromium) -> Client {
    chromium.open(Window::default()).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn log_in(browser: &Client, door: &str, staff: &str) {
    browser.goto(door).await.unwrap();
    click(browser, &format!("button[name=staff][value={staff}]")).await;
    until(browser, "the login", |page| !page.url.contains("/.sightline/login")).await;
}

async fn find(browser: &Client, css: &str) -> Element {
    let found = browser.wait().at_most(Duration::from_secs(10)).for_element(Locator::Css(css)).await;
    match found {
        Ok(element) => element,
        Err(error) => panic!("{css}: {error}\n{}", browser.source().await.unwrap_or_default()),
    }
}

async fn click(browser: &Client, css: &str) {
    find(browser, css).await.click().await.unwrap();
}

async fn text(browser: &Client, css: &str) -> String {
    find(browser, css).await.text().await.unwrap()
}

/// What a browser shows.
struct Page {
    url: String,
    source: String,
}

/// Waits until the page is so.
async fn until(browser: &Client, what: &str, is_so: impl Fn(&Page) -> bool) -> Page {
    let since = Instant::now();
    loop {
        let url = browser.current_url().await.unwrap().to_string();
        let source = browser.source().await.unwrap_or_default();
        let page = Page { url, source };
        if is_so(&page) {
            return page;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{what}: {} {}", page.url, page.source);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Answers the question why on the page that asks it.
async fn give_reason(browser: &Client, ticket: Option<&str>) {
    if let Some(ticket) = ticket {
        click(browser, &format!("input[name=ticket][value='{ticket}']")).await;
    }
    click(browser, "input[name=purpose][value=customer_support]").await;
    click(browser, "button.primary").await;
    until(browser, "the way back", |page| !page.url.contains("/.sightline/")).await;
}

async fn go(browser: &Client, demo: &Running, path: &str) {
    browser.goto(&format!("{}{path}", demo.desk())).await.unwrap();
}

/// How many entries of this kind the ledger has of the agent.
fn count(demo: &Running, kind: &str) -> usize {
    of_agent(demo).iter().filter(|entry| entry["event"]["event"] == kind).count()
}

fn of_agent(demo: &Running) -> Vec<Value> {
    let log = entries(demo.ask(&["log", "tail", "-n", "10000", "--json"]));
    log.into_iter().filter(|entry| staff_of(entry) == AGENT).collect()
}

/// The customer as the desk itself has them.
async fn at_the_desk(demo: &Running, population: &Population, customer: &Customer) -> Value {
    let file = |name: &str| std::fs::read_to_string(demo.data().parent().unwrap().join(name)).unwrap();
    let configuration = file("sightline.toml");
    let (_, upstream) = configuration.split_once("upstream = \"").unwrap();
    let upstream = upstream.split('"').next().unwrap();
    let headers = [
        ("x-remote-user", population.staff[0].login.as_str()),
        ("x-desk-secret", &file("secrets/app-secret")),
    ];
    let path = format!("/api/customers/{}", customer.id);
    let got =
        Visitor::new(upstream.trim_end_matches('/').to_owned()).with(&headers).reach(&path).await.unwrap();
    serde_json::from_str(&got.body).unwrap()
}

#[tokio::test]
async fn an_agent_sees_what_the_ticket_needs_asks_for_one_field_and_is_stopped_by_the_budget() {
    let (demo, population, chromium) = stage().await;
    let browser = open(&chromium).await;
    log_in(&browser, &demo.desk(), AGENT).await;

    // A ticket from the queue.
    let row = find(&browser, "#mine tr.ticket-row").await;
    let id = row.attr("data-customer-id").await.unwrap().unwrap();
    let customer = population.customers.iter().find(|customer| customer.id.as_str() == id).unwrap();
    click(&browser, "#mine tr.ticket-row td.id a").await;
    let page = until(&browser, "the ticket", |page| page.url.contains("/tickets/")).await;
    assert!(text(&browser, "dd[data-field=name]").await.contains(&customer.name));
    assert!(text(&browser, "dd[data-field=email]").await.contains("•••@•••."));
    for masked in [&customer.email, &customer.phone, &customer.address] {
        assert!(!page.source.contains(masked.as_str()), "masked means gone");
    }

    // One field, for a reason: this one, and no other.
    let ticket = page.url;
    click(&browser, "dd[data-field=email] a.sightline-ask").await;
    assert_eq!(text(&browser, "h1").await, "Show one more field");
    give_reason(&browser, None).await;
    assert_eq!(browser.current_url().await.unwrap().as_str(), ticket);
    assert!(text(&browser, "dd[data-field=email]").await.contains(&customer.email));
    assert!(text(&browser, "dd[data-field=phone]").await.contains("•••"));
    let asked = of_agent(&demo);
    let asked = asked.iter().rev().find(|e| e["event"]["event"] == "revealed").unwrap();
    assert!(asked["event"]["classes"].as_array().unwrap().contains(&"contact.email".into()), "{asked}");

    a_masked_customer_is_edited_unharmed(&browser, &demo, &population, customer).await;
    lists_and_searches_are_no_looks(&browser, &demo, &population).await;
    the_budget_ends(&browser, &demo, &population).await;
    browser.close().await.unwrap();
    assert_eq!(demo.interrupt().status.code(), Some(0));
}

async fn a_masked_customer_is_edited_unharmed(
    browser: &Client,
    demo: &Running,
    population: &Population,
    customer: &Customer,
) {
    let before = at_the_desk(demo, population, customer).await;
    go(browser, demo, &format!("/customers/{}/edit", customer.id)).await;
    let shown = find(browser, "input[name=phone]").await.prop("value").await.unwrap().unwrap();
    assert!(shown.contains('•'), "{shown}");
    let name = find(browser, "input[name=name]").await;
    name.clear().await.unwrap();
    name.send_keys("Nova Sandoval").await.unwrap();
    click(browser, "main form button.main").await;
    until(browser, "saved", |page| page.url.ends_with(customer.id.as_str())).await;
    assert!(text(browser, "dd[data-field=name]").await.contains("Nova Sandoval"));
    let mut expected = before;
    expected["name"] = "Nova Sandoval".into();
    assert_eq!(at_the_desk(demo, population, customer).await, expected);
    assert_eq!(expected["phone"], customer.phone.as_str());
}

async fn lists_and_searches_are_no_looks(browser: &Client, demo: &Running, population: &Population) {
    let wanted = &population.customers[4321];
    let (reveals, lists) = (count(demo, "revealed"), count(demo, "listed"));
    let search = find(browser, "input[name=q]").await;
    search.send_keys(&wanted.email).await.unwrap();
    click(browser, "form.find button").await;
    let found = find(browser, "tr.customer-row").await;
    assert_eq!(found.attr("data-customer-id").await.unwrap().as_deref(), Some(wanted.id.as_str()));
    let row = found.text().await.unwrap();
    assert!(row.contains('•') && !row.contains(&wanted.name) && !row.contains(&wanted.email), "{row}");
    // As a page does that loads ahead what may be clicked next.
    let ahead = "const done = arguments[0]; \
                 fetch('/customers?page=3').then(page => page.text()).then(done)";
    let ahead = browser.execute_async(ahead, vec![]).await.unwrap();
    assert!(ahead.as_str().unwrap().contains("customer-row"));
    let records = "const done = arguments[0]; \
                   fetch('/customers/c-04000').then(page => page.status).then(done)";
    assert_eq!(browser.execute_async(records, vec![]).await.unwrap(), 403);
    assert_eq!((count(demo, "revealed"), count(demo, "listed")), (reveals, lists + 2));
}

async fn the_budget_ends(browser: &Client, demo: &Running, population: &Population) {
    let strangers = population.customers[6000..].iter().filter(|customer| customer.tier == Tier::Standard);
    for (n, stranger) in strangers.take(3).enumerate() {
        let page = format!("/customers/{}", stranger.id);
        go(browser, demo, &page).await;
        if n < 2 {
            assert_eq!(text(browser, "h1").await, "Why do you need this customer?");
            give_reason(browser, Some("")).await;
            assert!(browser.current_url().await.unwrap().path() == page);
            assert!(text(browser, "dd[data-field=name]").await.contains(&stranger.name));
            assert!(text(browser, "dd[data-field=email]").await.contains("•••"));
            let log = of_agent(demo);
            let grant = log.iter().rev().find(|e| e["event"]["event"] == "grant_issued").unwrap();
            assert_eq!(
                (&grant["event"]["evidence"], &grant["event"]["charged"]),
                (&"G".into(), &true.into())
            );
        } else {
            if text(browser, "h1").await == "Why do you need this customer?" {
                click(browser, "input[name=ticket][value='']").await;
                click(browser, "input[name=purpose][value=customer_support]").await;
                click(browser, "button.primary").await;
            }
            let refused =
                until(browser, "the refusal", |page| page.source.contains("class=\"reference\"")).await;
            assert_eq!(text(browser, "h1").await, "No unexplained looks left in this shift");
            assert!(
                refused.source.contains("Ask your team lead to assign the customer's ticket to you")
                    || refused
                        .source
                        .contains("Ask your team lead to assign the customer&#39;s ticket to you")
            );
            assert!(!refused.source.contains(&stranger.name));
            let reference = text(browser, ".reference code").await;
            let log = of_agent(demo);
            let entry = log.iter().find(|e| e["event"]["response"] == *reference).unwrap();
            assert_eq!(entry["event"]["why"], "weak_budget", "{entry}");
        }
    }
}

#[tokio::test]
async fn an_analyst_revokes_a_session_by_keyboard_and_the_next_click_is_refused() {
    let (demo, population, chromium) = stage().await;
    let (agent, analyst) = (open(&chromium).await, open(&chromium).await);
    log_in(&agent, &demo.desk(), AGENT).await;
    let is_analyst = |staff: &&floor::population::Staff| staff.record.role == Role::Analyst;
    let name = population.staff.iter().find(is_analyst).unwrap().name.clone();

    analyst.goto(&demo.console()).await.unwrap();
    tab_to(&analyst, &name).await;
    press(&analyst, Key::Enter).await;
    until(&analyst, "the overview", |page| page.source.contains("href=\"/sessions\"")).await;
    tab_to(&analyst, "Sessions").await;
    press(&analyst, Key::Enter).await;
    until(&analyst, "the sessions", |page| page.url.ends_with("/sessions")).await;
    let theirs = format!("of {AGENT}");
    tab_to(&analyst, &theirs).await;
    // The page is live, and does not pull away what one is about to press.
    go(&agent, &demo, "/tickets").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(has_focus(&analyst, &theirs).await);
    press(&analyst, Key::Enter).await;
    until(&analyst, "the question", |page| page.url.contains("/revoke?session=")).await;
    tab_to(&analyst, "input[name=reason]").await;
    press(&analyst, Key::Space).await;
    tab_to(&analyst, "Revoke session").await;
    press(&analyst, Key::Enter).await;
    until(&analyst, "done", |page| !page.url.contains("/revoke?")).await;

    click(&agent, "nav a[href='/']").await;
    assert_eq!(text(&agent, "h1").await, "Your access was withdrawn");
    let reference = text(&agent, ".reference code").await;
    let log = entries(demo.ask(&["log", "tail", "-n", "10000", "--json"]));
    let entry = log.iter().find(|e| e["event"]["response"] == *reference).unwrap();
    assert_eq!(entry["event"]["why"], "session_revoked", "{entry}");
    assert_eq!(staff_of(entry), AGENT, "{entry}");
    agent.close().await.unwrap();
    analyst.close().await.unwrap();
}

async fn press(browser: &Client, key: Key) {
    browser.active_element().await.unwrap().send_keys(&char::from(key).to_string()).await.unwrap();
}

/// Whether what has the focus says this, or is matched by this selector.
async fn has_focus(browser: &Client, what: &str) -> bool {
    let is_it = "const it = document.activeElement; \
                 try { if (it.matches(arguments[0])) return true } catch {} \
                 return it.matches('a, button') && it.textContent.includes(arguments[0])";
    browser.execute(is_it, vec![what.into()]).await.unwrap() == true
}

/// Presses Tab until it has the focus.
async fn tab_to(browser: &Client, what: &str) {
    for _ in 0..150 {
        press(browser, Key::Tab).await;
        if has_focus(browser, what).await {
            return;
        }
    }
    panic!("{what} cannot be reached by the keyboard: {}", browser.source().await.unwrap());
}
