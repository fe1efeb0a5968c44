//! `sightline adapter check`: what an adapter makes of a recording.

mod common;

use common::desk;
use serde_json::json;
use sightline_adapter::check_har;

fn entry(method: &str, url: &str, status: u16, kind: &str, text: &str) -> serde_json::Value {
    json!({
        "request": {"method": method, "url": url},
        "response": {"status": status, "content": {"mimeType": kind, "size": text.len(), "text": text}},
    })
}

#[test]
fn a_recording_says_what_the_adapter_knows_and_where_it_has_gaps() {
    let section = r#"<section class="customer" data-customer-id="c-1"><dd data-field="email">jane@example.com</dd>
        <dd data-field="pet">Rex</dd></section><p>carol@example.org</p>"#;
    let har = json!({"log": {"entries": [
        entry("GET", "https://desk.test/customers/c-1?tab=1#top", 200, "text/html", section),
        entry("GET", "https://desk.test/static/desk.css", 200, "text/css", "a{}"),
        entry("GET", "https://desk.test/reports/all", 200, "text/html", "jane@example.com"),
        entry("GET", "https://desk.test/reports/all?page=2", 200, "text/html", ""),
        entry("GET", "https://desk.test/api/customers/c-1", 200, "application/json", "{"),
    ]}});
    let report = check_har(&desk(), &har.to_string()).unwrap();
    assert!(!report.is_clean());
    assert_eq!(report.unknown, ["GET /reports/all"]);
    assert_eq!((report.unreadable, report.gaps, report.undeclared), (1, 1, 1));
    let first = &report.entries[0];
    assert_eq!((first.route.as_str(), first.records, first.rows), ("customer", 1, 0));
    assert_eq!(first.gaps, ["e-mail address at line 2, after <p>"]);
    let written = serde_json::to_string(&report).unwrap();
    assert!(
        !written.contains("@example") && !written.contains("Rex") && !written.contains("c-1?"),
        "{written}"
    );
}

#[test]
fn a_file_that_is_no_recording_says_where() {
    let error = check_har(&desk(), "{\n\"log\": 5}").unwrap_err();
    assert_eq!(error.to_string(), "no HAR file: line 2, column 8");
}
