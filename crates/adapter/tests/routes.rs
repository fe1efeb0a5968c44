//! Requests that try to look like others, and adapter files with mistakes.
#![allow(clippy::unwrap_used)] // helpers of tests: a panic is a failed test

mod common;

use common::{desk, get};
use http::Method;
use model::CustomerId;
use model::entry::Action;
use proptest::prelude::*;
use sightline_adapter::{Adapter, Recognised, Request};

fn sample() -> Adapter {
    let text = r#"
        [app]
        name = "sample"
        [[route]]
        name = "everything else"
        kind = "open"
        path = "/{*rest}"
        [[route]]
        name = "customer"
        kind = "record"
        path = "/customers/{customer}"
        [[route]]
        name = "new customer"
        kind = "open"
        path = "/customers/new"
        [[route]]
        name = "by query"
        kind = "record"
        path = "/show"
        query = { id = "{customer}", format = "html" }
        [[route]]
        name = "show, without one"
        kind = "open"
        path = "/show"
    "#;
    Adapter::parse("sample.toml", text).unwrap()
}

fn customer(recognised: Recognised) -> Option<CustomerId> {
    match recognised {
        Recognised::Read(read) => read.customer,
        _ => None,
    }
}

#[test]
fn the_route_that_says_most_wins() {
    assert!(matches!(get(&sample(), "/customers/new"), Recognised::Open));
    assert_eq!(customer(get(&sample(), "/customers/c-1")), Some("c-1".into()));
    assert_eq!(customer(get(&sample(), "/show?format=html&id=c-1")), Some("c-1".into()));
    assert!(matches!(get(&sample(), "/show"), Recognised::Open));
    assert!(matches!(get(&sample(), "/help/contact"), Recognised::Open));
}

#[test]
fn an_encoded_path_is_read_as_the_app_reads_it() {
    for target in ["/customers/c%2D1", "/%63ustomers/c-1", "/customers/c-1/", "/customers/c-1?x=1"] {
        assert_eq!(customer(get(&sample(), target)), Some("c-1".into()), "{target}");
    }
}

#[test]
fn a_record_never_passes_for_something_open() {
    for target in [
        "//customers/c-1",
        "/customers//c-1",
        "/help/../customers/c-1",
        "/help/%2e%2e/customers/c-1",
        "/help/..%2fcustomers/c-1",
        "/help%2f..%2fcustomers/c-1",
        "/help/..;/customers/c-1",
        "/help/..%5ccustomers",
        "/Customers/c-1",
        "/CUSTOMERS/new",
        "/customers%252fc-1",
        "/customers/c-1%00",
        "/./customers/c-1",
        "http://elsewhere/customers/c-1",
        "customers/c-1",
        "/customers/%zz",
        "/customers/%ff",
        "",
        "/show?ID=c-1",
        "/show?id=c-1&id=c-2&format=html",
        "/show?id=c-1&Id=c-2&format=html",
        "/help?_method=DELETE",
        "/help?X-HTTP-Method-Override=GET",
    ] {
        assert!(matches!(get(&sample(), target), Recognised::Unknown), "{target}");
    }
}

#[test]
fn methods_count_and_head_is_a_get() {
    let desk = desk();
    let ask = |method: &Method| {
        desk.recognise(&Request { method, target: "/customers/c-1", content_type: None, body: b"" })
    };
    assert!(matches!(ask(&Method::HEAD), Recognised::Read(_)));
    assert!(matches!(ask(&Method::POST), Recognised::Write(_)));
    assert!(matches!(ask(&Method::DELETE), Recognised::Unknown));
    let Recognised::Read(search) = get(&desk, "/search?q=jane") else { panic!() };
    assert_eq!(search.action, Action::Search);
}

proptest! {
    #[test]
    fn no_request_makes_the_reader_panic(target in ".{0,60}", body: Vec<u8>, multipart: bool) {
        let content_type = if multipart { "multipart/form-data; boundary=\"a" } else { "application/x-www-form-urlencoded" };
        let request = Request { method: &Method::POST, target: &target, content_type: Some(content_type), body: &body };
        let _ = sample().recognise(&request);
    }
}

#[test]
fn all_mistakes_are_said_at_once_with_line_key_and_the_nearest_valid_one() {
    let text = r#"[app]
nam = "x"

[[route]]
name = "a"
kind = "recrd"
path = "customers"

[[route]]
name = "b"
kind = "record"
path = "/b/{customer}/{oops"
fields = ["custmer"]

[[route.html]]
slect = "dd"
class = "contact.emial"

[[route.json]]
path = "$[?@.a]"
class = 5

[[route.html]]
select = "dd:has(a)"
class = "contact.email"

[[fields]]
name = "customer"

[[route]]
name = "b"
kind = "open"
path = "/c"
method = "get"
"#;
    let errors = Adapter::parse("adapters/rt5.toml", text).unwrap_err().0;
    for expected in [
        "adapters/rt5.toml:2: unknown key \"nam\" in [app]; did you mean \"name\"?",
        "adapters/rt5.toml:6: unknown kind \"recrd\"; did you mean \"record\"?",
        "adapters/rt5.toml:16: unknown key \"slect\" in [[route.html]]; did you mean \"select\"?",
        "adapters/rt5.toml:17: unknown field class \"contact.emial\"; did you mean \"contact.email\"?",
        "adapters/rt5.toml:13: there are no [[fields]] \"custmer\"; did you mean \"customer\"?",
        "adapters/rt5.toml:21: \"class\" in [[route.json]] is to be a string, not integer",
    ] {
        assert!(errors.iter().any(|error| error == expected), "{expected}\nis not in\n{}", errors.join("\n"));
    }
    for (line, part) in [(12, "{oops"), (24, "dd:has(a)"), (31, "\"b\""), (34, "\"get\"")] {
        let there = |error: &String| {
            error.starts_with(&format!("adapters/rt5.toml:{line}: ")) && error.contains(part)
        };
        assert!(errors.iter().any(there), "line {line}\n{}", errors.join("\n"));
    }
}

#[test]
fn a_path_outside_the_supported_part_is_refused_and_says_which_part_that_is() {
    let text = "[app]\nname = \"x\"\n[[route]]\nname = \"a\"\nkind = \"list\"\npath = \"/\"\njson = [{ path = \"$[?@.a]\", class = \"contact.email\" }]\n";
    let error = Adapter::parse("x.toml", text).unwrap_err().to_string();
    assert!(error.starts_with("x.toml:7: \"$[?@.a]\"") && error.contains("['name']"), "{error}");
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    let error = Adapter::parse("x.toml", "[app]\nname = \n").unwrap_err().to_string();
    assert!(error.starts_with("x.toml:2: "), "{error}");
}
