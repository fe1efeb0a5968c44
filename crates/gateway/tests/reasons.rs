//! The page "Why do you need this customer?", asking for one field, budgets, and writes.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use common::app::{App, values_of};
use common::{Browser, Got, Site};
use http::StatusCode;
use model::entry::Why;
use model::{Evidence, FieldClass, Tier};

/// Opens the page, follows it to the question, and answers it.
async fn say_why(ann: &Browser<'_>, target: &str, purpose: &str) -> Got {
    let asked = ann.open(target).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{asked:?}");
    let question = ann.open(asked.location()).await;
    assert_eq!(question.status, StatusCode::OK, "{question:?}");
    answer(ann, &question, purpose).await
}

async fn answer(ann: &Browser<'_>, question: &Got, purpose: &str) -> Got {
    let (token, csrf) = (question.field("for").unwrap(), question.field("csrf").unwrap());
    let form =
        [("for", &*token), ("csrf", &csrf), ("purpose", purpose), ("ticket", ""), ("note", "called us")];
    ann.submit("/.sightline/why", &form).await
}

#[tokio::test]
async fn a_reason_opens_the_cover_of_the_record_and_is_recorded() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let led_back = say_why(&ann, "/customers/c-9?tab=2", "customer_support").await;
    assert_eq!(
        (led_back.status, led_back.location()),
        (StatusCode::SEE_OTHER, "/customers/c-9?tab=2"),
        "{led_back:?}"
    );
    let page = ann.open(led_back.location()).await;
    let [name, email, ..] = values_of("c-9");
    assert!(page.shows(&name) && !page.shows(&email), "{page:?}");
    assert_eq!(site.reveals()[0].evidence, Evidence::None);
}

#[tokio::test]
async fn a_script_is_told_where_to_ask_and_the_answer_leads_back_to_its_page() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let page = format!("http://{}/desk?tab=2", site.address);
    let from_page = [("accept", "application/json"), ("referer", &*page)];
    let from_elsewhere = [("accept", "application/json"), ("referer", "https://evil.example/desk")];
    for (headers, back) in [(from_page, "/desk?tab=2"), (from_elsewhere, "/")] {
        let problem = ann.send(http::Method::GET, "/customers/c-9", &headers, "").await;
        let document: serde_json::Value = serde_json::from_str(&problem.text).unwrap();
        let question = ann.open(document["way_on"].as_str().unwrap()).await;
        let led_back = answer(&ann, &question, "customer_support").await;
        assert_eq!(led_back.location(), back);
        site.revoke(model::entry::Target::Grant(last_grant(&site))).await;
    }
}

fn last_grant(site: &Site) -> model::GrantId {
    let grants =
        site.of_kind(|e| if let model::Event::GrantIssued(grant) = e { Some(grant.grant) } else { None });
    *grants.last().unwrap()
}

#[tokio::test]
async fn the_question_shows_tickets_purposes_and_what_is_left() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let asked = ann.open("/customers/c-9").await;
    let question = ann.open(asked.location()).await;
    for part in
        ["Why do you need this customer?", "fraud_investigation", "Unexplained looks in this shift", "c-9"]
    {
        assert!(question.shows(part), "{part}");
    }
    assert!(!question.shows("break_glass"));
    assert!(question.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
}

#[tokio::test]
async fn where_there_is_evidence_by_now_the_question_answers_itself() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let asked = ann.open("/customers/c-9").await;
    site.route_ticket("k-9", "c-9", "s-1");
    let question = ann.open(asked.location()).await;
    assert_eq!((question.status, question.location()), (StatusCode::SEE_OTHER, "/customers/c-9"));
}

#[tokio::test]
async fn the_third_unexplained_customer_of_a_shift_is_refused_with_what_to_do() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    for customer in ["/customers/c-1", "/customers/c-2"] {
        assert_eq!(say_why(&ann, customer, "customer_support").await.status, StatusCode::SEE_OTHER);
        assert_eq!(ann.open(customer).await.status, StatusCode::OK);
    }
    let third = ann.open("/customers/c-3").await;
    site.assert_refused(&third, Why::WeakBudget);
    assert!(third.shows("Ask your team lead to assign the customer"));
    // Who was seen once in the shift can be seen again, and a ticket opens what the budget does not.
    assert_eq!(ann.open("/customers/c-1").await.status, StatusCode::OK);
    site.route_ticket("k-3", "c-3", "s-1");
    assert_eq!(ann.open("/customers/c-3").await.status, StatusCode::OK);
    // Another person has a budget of their own.
    let ben = site.browser("s-2").await;
    assert_eq!(say_why(&ben, "/customers/c-4", "customer_support").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_second_unexplained_customer_of_high_value_is_refused() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.set_tier("c-1", Tier::HighValue);
    site.set_tier("c-2", Tier::HighValue);
    let ann = site.browser("s-1").await;
    assert_eq!(say_why(&ann, "/customers/c-1", "customer_support").await.status, StatusCode::SEE_OTHER);
    let second = ann.open("/customers/c-2").await;
    site.assert_refused(&second, Why::HighValueBudget);
}

#[tokio::test]
async fn a_masked_field_can_be_asked_for_by_itself() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let page = ann.open("/edit/c-1").await;
    let [name, email, ..] = values_of("c-1");
    assert!(page.shows(&name) && !page.shows(&email), "{page:?}");
    assert!(page.shows("/.sightline/assets/masked."), "the style of what is masked");
    let (_, after) = page.text.split_once("/.sightline/ask?for=").expect("a button that asks for the field");
    let token = after.split(['"', '\'']).next().unwrap();
    let question = ann.open(&format!("/.sightline/ask?for={token}")).await;
    assert!(question.shows("Show one more field") && question.shows("contact.email"), "{question:?}");
    let led_back = answer(&ann, &question, "customer_support").await;
    assert_eq!(led_back.location(), "/edit/c-1", "{led_back:?}");
    assert!(ann.open("/edit/c-1").await.shows(&email));
    let last = site.reveals().pop().unwrap();
    assert!(last.classes.contains(FieldClass::ContactEmail));
}

#[tokio::test]
async fn forms_without_their_token_and_links_of_others_are_refused() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let (ann, ben) = (site.browser("s-1").await, site.browser("s-2").await);
    let asked = ann.open("/customers/c-9").await;
    let question = ann.open(asked.location()).await;
    let (token, csrf) = (question.field("for").unwrap(), question.field("csrf").unwrap());
    let size = site.of_kind(|e| matches!(e, model::Event::GrantIssued(_)).then_some(())).len();

    let forged =
        ann.submit("/.sightline/why", &[("for", &token), ("csrf", "x"), ("purpose", "escalation")]).await;
    site.assert_refused(&forged, Why::ForgedForm);
    let stolen = ben.open(asked.location()).await;
    site.assert_refused(&stolen, Why::ForgedForm);
    let malformed =
        ann.submit("/.sightline/why", &[("for", &token), ("csrf", &csrf), ("purpose", "fun")]).await;
    site.assert_refused(&malformed, Why::BadRequest);
    let sent = [
        ("accept", "text/html"),
        ("origin", "https://evil.example"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let body = format!("for={token}&csrf={csrf}&purpose=escalation");
    let foreign = ann.send(http::Method::POST, "/.sightline/why", &sent, &body).await;
    site.assert_refused(&foreign, Why::ForgedForm);
    assert_eq!(site.of_kind(|e| matches!(e, model::Event::GrantIssued(_)).then_some(())).len(), size);
}

#[tokio::test]
async fn a_masked_value_that_comes_back_is_put_back_on_its_way_to_the_app() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let page = ann.open("/edit/c-1").await;
    let [_, email, ..] = values_of("c-1");
    let mut form: Vec<(String, String)> = fields(&page);
    for (name, value) in &mut form {
        if name == "name" {
            *value = "Jane Renamed".to_owned();
        }
    }
    let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let saved = ann.submit("/save/c-1", &pairs).await;
    assert_eq!(saved.status, StatusCode::FOUND, "{saved:?}");
    assert_eq!(saved.location(), format!("http://{}/edit/c-1", site.address), "redirects stay on our origin");

    let asked = app.asked();
    let write = asked.last().unwrap();
    let sent: Vec<(String, String)> = url::form_urlencoded::parse(&write.body).into_owned().collect();
    assert_eq!(sent, [("name".to_owned(), "Jane Renamed".to_owned()), ("email".to_owned(), email.clone())]);
    assert_eq!(write.headers["origin"], format!("http://{}", app.address).as_str());
    assert_eq!(site.writes().iter().map(|w| w.restored).collect::<Vec<_>>(), [1]);
    // The write is recorded before the app was asked: its entry is there also if the app fails.
    assert!(site.writes()[0].subject.is_some());
}

#[tokio::test]
async fn a_masked_value_that_cannot_be_put_back_is_never_written() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let page = ann.open("/edit/c-1").await;
    let masked = fields(&page).into_iter().find(|(name, _)| name == "email").unwrap().1;
    let asked = app.asked().len();
    let got = ann.submit("/save/c-1", &[("name", "Jane"), ("email", &masked)]).await;
    site.assert_refused(&got, Why::MaskedWrite);
    assert_eq!(app.asked().len(), asked);
    assert!(site.writes().is_empty());
}

#[tokio::test]
async fn a_write_needs_what_a_look_needs() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let got = ann.submit("/save/c-9", &[("name", "Jane")]).await;
    site.assert_refused(&got, Why::NoReason);
    assert!(app.asked().is_empty() && site.writes().is_empty());
}

#[tokio::test]
async fn whoami_says_who_and_what_is_left() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let page = ann.open("/.sightline/whoami").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.shows("Ann") && page.shows("s-1") && page.shows("Unexplained looks in this shift"));
    assert_eq!(site.stranger().open("/.sightline/whoami").await.status, StatusCode::SEE_OTHER);
}

/// Names and values of the form's inputs, in order.
fn fields(page: &Got) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let (_, after) = tag.split_once(&format!("{name}=\""))?;
        Some(after.split_once('"')?.0.replace("&amp;", "&").replace("&#43;", "+"))
    };
    let tags = page.text.split("<input").skip(1).map(|after| after.split('>').next().unwrap_or_default());
    tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, " value").unwrap_or_default())))
        .collect()
}
