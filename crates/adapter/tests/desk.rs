//! The shipped adapter of the desk over answers of the kind that the desk gives.

mod common;

use common::{DenyAll, answer, desk, get, read, rule};
use model::FieldClass::{AccountBalance, AccountId, ContactEmail, IdentityName, SupportHistory, Undeclared};
use sightline_adapter::{Adapter, Part, Recognised};

const TICKET: &str = r#"<!doctype html><html><head><title>Ticket</title></head><body>
<section class="customer" data-customer-id="c-00345" data-ticket-id="k-00012"><dl>
<dt>Name</dt><dd data-field="name">Jane <b>Smith</b></dd>
<dt>E-mail</dt><dd data-field="email" title="jane&#64;example.com"><a href="mailto:jane@example.com">jane&#64;example.com</a></dd>
<dt>Balance</dt><dd data-field="balance">1,234.50</dd>
<dt>Nickname</dt><dd data-field="nickname">Janey</dd>
</dl></section>
<ol class="conversation"><li data-field="message">I cannot log in<!-- jane@example.com --></li></ol>
<table><tr class="ticket-row" data-ticket-id="k-00013" data-customer-id="c-00777"><td data-field="name">Bob Roy</td><td data-field="status">open</td></tr></table>
<footer>Written by carol@example.org</footer></body></html>"#;

#[test]
fn a_ticket_shows_whose_it_is_and_what_of_them() {
    let reading = desk().read(&read("ticket"), &answer("text/html", TICKET)).unwrap();
    let found = &reading.found[0];
    assert_eq!(found.customer.as_str(), "c-00345");
    assert_eq!(found.part, Part::Record);
    assert_eq!(found.ticket.as_ref().unwrap().as_str(), "k-00012");
    assert_eq!(found.classes, [IdentityName, ContactEmail, AccountBalance, Undeclared].into_iter().collect());
    let row = &reading.found[1];
    assert_eq!((row.customer.as_str(), row.part), ("c-00777", Part::Row));
    assert_eq!(row.classes, IdentityName.into());
    assert_eq!(reading.gaps.len(), 1, "{:?}", reading.gaps);
    assert_eq!(reading.gaps[0].kind, "e-mail address");
}

#[test]
fn a_denied_ticket_shows_nothing_of_anybody_and_all_of_the_rest() {
    let masked = desk().mask(&read("ticket"), &answer("text/html", TICKET), &mut DenyAll).unwrap();
    let body = String::from_utf8(masked.body).unwrap();
    for secret in ["Jane", "Smith", "jane", "1,234", "Janey", "log in", "Bob", "Roy", "carol"] {
        assert!(!body.contains(secret), "{secret} in {body}");
    }
    for kept in ["J••• S•••", "\"mailto:j•••@•••.com\"", "•••", "<dt>Name</dt>", ">open<", "Written by"]
    {
        assert!(body.contains(kept), "{kept} not in {body}");
    }
    assert!(masked.shown.iter().all(|found| found.classes.is_empty()));
}

#[test]
fn what_may_be_shown_stays_byte_for_byte() {
    let masked =
        desk().mask(&read("ticket"), &answer("text/html", TICKET), &mut rule(|_, _, _| true)).unwrap();
    assert_eq!(String::from_utf8(masked.body).unwrap(), TICKET);
}

#[test]
fn a_masked_field_carries_a_link_that_asks_for_it() {
    let masked = desk()
        .mask(&read("ticket"), &answer("text/html", TICKET), &mut common::AskFor(ContactEmail))
        .unwrap();
    let body = String::from_utf8(masked.body).unwrap();
    let link = r#"<a class="sightline-ask" href="/ask?f=contact.email&amp;c=c-00345" aria-label="Ask for this field">Ask</a></dd>"#;
    assert!(body.contains(link), "{body}");
    assert_eq!(body.matches("sightline-ask").count(), 1);
}

#[test]
fn each_row_of_a_list_is_judged_by_its_own_customer() {
    let list = r#"{"customers":[{"id":"c-1","name":"Jane Smith","email":"jane@example.com","balance":12.5},
        {"email":"bob\u0040example.com","name":"Bob Roy","id":"c-2","nick":"bobby"}],"next":null}"#;
    let mut only_second = rule(|customer, part, class| {
        assert_eq!(part, Part::Row);
        customer == Some("c-2") && class != ContactEmail
    });
    let masked =
        desk().mask(&read("api customers"), &answer("application/json", list), &mut only_second).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&masked.body).unwrap();
    assert_eq!(
        body["customers"][0],
        serde_json::json!({"id":"c-1","name":"J••• S•••","email":"j•••@•••.com","balance":"•••"})
    );
    assert_eq!(
        body["customers"][1],
        serde_json::json!({"id":"c-2","name":"Bob Roy","email":"b•••@•••.com","nick":"bobby"})
    );
    assert_eq!(masked.shown[1].classes, [IdentityName, Undeclared].into_iter().collect());
    assert_eq!(masked.masked, [IdentityName, ContactEmail, AccountBalance].into_iter().collect());
}

#[test]
fn a_ticket_over_the_api_belongs_to_the_customer_it_names() {
    let ticket = r#"{"id":"k-1","subject":"Help","customer":{"id":"c-1","name":"Jane","account":"DE89370400440532013000"},
        "messages":[{"from":"customer","text":"my seed is ill cable: abandon ability able about above absent absorb abstract absurd abuse access accident","time":"2026-01-01T00:00:00Z"}]}"#;
    let reading = desk().read(&read("api ticket"), &answer("application/json", ticket)).unwrap();
    let found = &reading.found[0];
    assert_eq!((found.customer.as_str(), found.ticket.as_ref().unwrap().as_str()), ("c-1", "k-1"));
    assert!(found.classes.covers([IdentityName, AccountId, SupportHistory].into_iter().collect()));
    assert_eq!(reading.gaps[0].kind, "recovery phrase");
    assert_eq!(reading.gaps[0].place, "$.messages[0].text");
}

#[test]
fn a_sheet_is_masked_row_by_row() {
    let sheet =
        "id,name,email,shoe size\nc-1,Jane Smith,jane@example.com,38\nc-2,\"Roy, Bob\",bob@example.com,44\n";
    let mut first = rule(|customer, _, class| customer == Some("c-1") && class != Undeclared);
    let masked = desk().mask(&read("export"), &answer("text/csv; charset=utf-8", sheet), &mut first).unwrap();
    let body = String::from_utf8(masked.body).unwrap();
    assert_eq!(
        body,
        "id,name,email,shoe size\nc-1,Jane Smith,jane@example.com,••••••\nc-2,R••• B•••,b•••@•••.com,••••••\n"
    );
    assert_eq!(masked.shown.len(), 2);
}

#[test]
fn the_feed_is_not_reachable_and_static_files_are() {
    let desk = desk();
    assert!(matches!(get(&desk, "/feed/tickets?after=0"), Recognised::Unknown));
    assert!(matches!(get(&desk, "/static/desk.css"), Recognised::Open));
    let Recognised::Read(read) = get(&desk, "/tickets/k-00012") else { panic!() };
    assert_eq!(read.ticket.unwrap().as_str(), "k-00012");
}

#[test]
fn what_no_route_declares_is_unreadable() {
    let desk: Adapter = desk();
    for (route, kind, body) in [
        ("api customer", "application/json", "{\"id\":"),
        ("api customer", "application/json", "<html>oops</html>"),
        ("api customer", "text/html", "<html>jane@example.com</html>"),
        ("customer", "application/json", "{\"email\":\"jane@example.com\"}"),
        ("customer", "application/pdf", "%PDF-1.4"),
        ("customer", "text/plain", "jane@example.com"),
        ("customer", "text/html; charset=iso-8859-1", "<p>J\u{fc}rgen"),
    ] {
        assert!(desk.read(&read(route), &answer(kind, body)).is_err(), "{route} {kind}");
    }
    let latin =
        sightline_adapter::Answer { status: 200, content_type: Some("text/html"), body: b"<p>J\xfcrgen" };
    assert!(desk.read(&read("customer"), &latin).is_err());
}
