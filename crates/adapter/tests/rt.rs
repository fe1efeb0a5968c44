//! The shipped adapter of Request Tracker over what a real one answered (the people are made up).
#![allow(clippy::unwrap_used)] // helpers of tests: a panic is a failed test

mod common;

use common::{DenyAll, answer, get, read, rule};
use http::Method;
use model::CustomerId;
use model::FieldClass::{
    ContactAddress, ContactEmail, ContactPhone, IdentityName, SupportHistory, SupportNote, Undeclared,
};
use sightline_adapter::{Adapter, Part, Reading, Recognised, Request};

fn rt() -> Adapter {
    Adapter::parse("adapters/rt5.toml", include_str!("../../../adapters/rt5.toml")).unwrap()
}

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json; charset=\"utf-8\"";

const CAPTURES: &[(&str, &str, &str)] = &[
    ("home", HTML, include_str!("rt/home.html")),
    ("ticket", HTML, include_str!("rt/ticket.html")),
    ("ticket", HTML, include_str!("rt/reply.html")),
    ("ticket", HTML, include_str!("rt/people.html")),
    ("ticket history", HTML, include_str!("rt/history.html")),
    ("search results", HTML, include_str!("rt/results.html")),
    ("user summary", HTML, include_str!("rt/summary.html")),
    ("user search", HTML, include_str!("rt/user_search.html")),
    ("edit user", HTML, include_str!("rt/edit_user.html")),
    ("mobile ticket", HTML, include_str!("rt/mobile.html")),
    ("user suggestions", JSON, include_str!("rt/suggestions.json")),
    ("user card", JSON, include_str!("rt/user_card.json")),
    ("rest ticket", JSON, include_str!("rt/rest_ticket.json")),
    ("rest user", JSON, include_str!("rt/rest_user.json")),
];

/// What of the seeded customers must not come through. Their cities stand in subjects too.
const SECRETS: &[&str] = &[
    "Smith",
    "Roy",
    "Zoë",
    "Müller",
    "Costa",
    "@customers.example.net",
    "5550",
    "Harbour",
    "evening",
    "Hamburg",
    "Leeds",
    "Wien",
    "Lisboa",
    "20095",
    "login fails",
    "Card was declined",
];

#[test]
fn nothing_of_a_customer_comes_through_where_everything_is_denied() {
    for (route, kind, body) in CAPTURES {
        let masked = rt().mask(&read(route), &answer(kind, body), &mut DenyAll).unwrap();
        let shown = String::from_utf8(masked.body).unwrap();
        for secret in SECRETS {
            let around = shown.find(secret).map(|at| {
                let from = (at.saturating_sub(150)..at).find(|i| shown.is_char_boundary(*i)).unwrap_or(at);
                &shown[from..at]
            });
            assert_eq!(around, None, "{secret} on the page of {route}");
        }
    }
}

#[test]
fn who_owns_a_ticket_is_no_secret() {
    let (route, kind, body) = CAPTURES[1];
    let masked = rt().mask(&read(route), &answer(kind, body), &mut DenyAll).unwrap();
    let page = String::from_utf8(masked.body).unwrap();
    let (_, owner) = page.split_once("form-row owner").unwrap();
    let (_, owner) = owner.split_once("span class=\"user\"").unwrap();
    assert!(owner[..80].contains("Nobody in particular"), "{}", &owner[..80]);
}

#[test]
fn where_everything_may_be_shown_pages_stay_as_they_are() {
    for (route, kind, body) in CAPTURES {
        let masked = rt().mask(&read(route), &answer(kind, body), &mut rule(|_, _, _| true)).unwrap();
        assert_eq!(String::from_utf8(masked.body).unwrap(), *body, "{route}");
    }
}

#[test]
fn no_page_has_a_gap() {
    for (route, kind, body) in CAPTURES {
        let reading = rt().read(&read(route), &answer(kind, body)).unwrap();
        assert_eq!(reading.gaps, [], "{route}");
    }
}

fn reading(route: &str) -> Reading {
    let (_, kind, body) = CAPTURES.iter().find(|(name, ..)| *name == route).unwrap();
    rt().read(&read(route), &answer(kind, body)).unwrap()
}

fn people(reading: &Reading) -> Vec<(&str, Part)> {
    reading.found.iter().map(|found| (found.customer.as_str(), found.part)).collect()
}

#[test]
fn a_ticket_is_about_its_requestor_and_whoever_is_in_copy_is_listed() {
    let reading = reading("ticket");
    let found = &reading.found[0];
    assert_eq!((found.customer.as_str(), found.part), ("32", Part::Record));
    let shown =
        [ContactEmail, ContactPhone, ContactAddress, SupportHistory, SupportNote].into_iter().collect();
    assert!(found.classes.covers(shown), "{:?}", found.classes);
    assert!(people(&reading).contains(&("42", Part::Row)));
    assert!(!found.classes.contains(Undeclared));
}

#[test]
fn a_result_list_lists_each_requestor_with_a_ticket() {
    let reading = reading("search results");
    assert_eq!(people(&reading), ["32", "42", "52", "62"].map(|id| (id, Part::Row)));
    assert_eq!(reading.found[1].ticket.as_ref().unwrap().as_str(), "3");
}

#[test]
fn a_user_is_known_by_the_address_that_leads_to_them() {
    let Recognised::Read(summary) = get(&rt(), "/User/Summary.html?id=32") else { panic!() };
    assert_eq!(summary.customer, Some(CustomerId::new("32")));
    let (_, kind, body) = CAPTURES[6];
    let found = rt().read(&summary, &answer(kind, body)).unwrap().found.remove(0);
    assert!(
        found
            .classes
            .covers([IdentityName, ContactEmail, ContactPhone, ContactAddress].into_iter().collect())
    );
    assert_eq!(people(&reading("user suggestions")), [("32", Part::Row)]);
    assert_eq!(people(&reading("user card")), [("32", Part::Row)]);
}

#[test]
fn a_masked_customer_can_be_saved_without_loss() {
    let (_, kind, body) = CAPTURES[8];
    let masked = rt().mask(&read("edit user"), &answer(kind, body), &mut DenyAll).unwrap();
    let page = scraper::Html::parse_document(std::str::from_utf8(&masked.body).unwrap());
    let select = |css: &str| scraper::Selector::parse(css).unwrap();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for input in
        page.select(&select("form[name=UserModify] input[name], form[name=UserModify] textarea[name]"))
    {
        let name = input.attr("name").unwrap();
        let value = if input.value().name() == "textarea" {
            input.text().collect()
        } else {
            input.attr("value").unwrap_or_default().to_owned()
        };
        form.append_pair(name, &value);
    }
    let sent = form.finish();
    assert!(!sent.contains("Harbour") && sent.contains("%E2%80%A2%E2%80%A2%E2%80%A2"));
    let restored =
        rt().restore("application/x-www-form-urlencoded", sent.as_bytes(), &mut common::open).unwrap();
    let arrived: Vec<(String, String)> = url::form_urlencoded::parse(&restored.body).into_owned().collect();
    for (name, value) in [
        ("RealName", "Jane Smith"),
        ("EmailAddress", "jane.smith@customers.example.net"),
        ("HomePhone", "+49 30 5550 4821"),
        ("Address1", "14 Harbour Lane"),
        ("Comments", "Prefers to be called in the evening"),
    ] {
        assert!(arrived.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
    assert!(arrived.iter().all(|(name, value)| !name.starts_with("sightline") && !value.contains("•••")));
}

#[test]
fn browsers_send_a_masked_input_of_a_kind_that_takes_no_mask() {
    let (route, kind, body) = CAPTURES[8];
    assert!(body.contains(r#"type="email" class="form-control" name="EmailAddress""#));
    let masked = rt().mask(&read(route), &answer(kind, body), &mut DenyAll).unwrap();
    let page = String::from_utf8(masked.body).unwrap();
    assert!(page.contains(r#"type="text" class="form-control" name="EmailAddress""#), "{page}");
}

#[test]
fn a_form_names_its_ticket_or_customer_in_the_body() {
    let post = |target, body: &str| {
        rt().recognise(&Request {
            method: &Method::POST,
            target,
            content_type: Some("application/x-www-form-urlencoded"),
            body: body.as_bytes(),
        })
    };
    let Recognised::Write(save) = post("/Admin/Users/Modify.html", "id=32&RealName=J") else { panic!() };
    assert_eq!(save.customer, Some(CustomerId::new("32")));
    assert!(matches!(post("/Admin/Users/Modify.html?id=42", "id=32"), Recognised::Unknown));
    assert!(matches!(post("/Ticket/Update.html", "id=1&UpdateContent=Hello"), Recognised::Write(_)));
}

#[test]
fn the_tickets_of_a_requestor_are_a_look_at_them() {
    let asked = Request {
        method: &Method::GET,
        target: "/Helpers/Toggle/ShowRequestor?Requestor=31&Status=All",
        content_type: None,
        body: b"",
    };
    let Recognised::Read(read) = rt().recognise(&asked) else { panic!("it shows subjects") };
    assert_eq!(read.customer, Some(CustomerId::new("31")));
}

#[test]
fn what_is_not_declared_is_unknown() {
    for target in [
        "/REST/1.0/user/32",
        "/Search/Results.tsv?Query=id>0",
        "/Admin/Tools/Shredder",
        "/NoAuth/rss/ada/1/",
        "/Ticket/Display.html",
        "/static/../User/Summary.html?id=32",
    ] {
        assert!(matches!(get(&rt(), target), Recognised::Unknown), "{target}");
    }
    assert!(matches!(get(&rt(), "/static/images/favicon.png"), Recognised::Open));
    assert!(matches!(get(&rt(), "/Ticket/Attachment/40/1/"), Recognised::Read(_)));
}
