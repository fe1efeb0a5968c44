//! Rules as somebody writes them, and as a running Sightline holds entries against them.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::fs;
use std::time::Duration;

use common::{Running, entries, sightline};
use serde_json::Value;

#[test]
fn rules_are_listed_checked_and_tested_and_what_is_wrong_with_ones_own_is_said_by_line() {
    let tested: Value = serde_json::from_str(&sightline(["rules", "test", "--json"]).good()).unwrap();
    assert!(
        tested["rules"].as_u64().unwrap() >= 25 && tested["failures"] == serde_json::json!([]),
        "{tested}"
    );
    let listed: Vec<Value> = serde_json::from_str(&sightline(["rules", "list", "--json"]).good()).unwrap();
    assert_eq!(listed.len() as u64, tested["rules"].as_u64().unwrap());
    assert!(sightline(["rules", "list"]).good().contains("A canary was opened"));

    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("mine.yml");
    let rule = "title: t\nid: a\nlogsource:\n    product: sightline\ndetection:\n    selection:\n        kind: x\n    \
                condition: selection\n";
    fs::write(&own, rule).unwrap();
    let path = dir.path().to_str().unwrap();
    assert!(sightline(["rules", "check", path]).good().starts_with("good: 1 rules"));
    let untested = sightline(["rules", "test", path]);
    assert!(untested.code == Some(1) && untested.out.contains("a: needs a case"), "{untested:?}");
    fs::write(&own, rule.replace("selection\n", "nothing\n")).unwrap();
    let wrong = sightline(["rules", "check", path]);
    assert!(wrong.code == Some(1) && wrong.out.contains("mine.yml:2: "), "{wrong:?}");
}

/// The demo's insider opens customer after customer without a ticket, and is refused in the end.
#[tokio::test]
async fn what_the_demos_insider_does_meets_a_rule_and_the_entry_says_whose_looks_did() {
    let running = Running::demo(1, 600.0).await;
    let mut met = Vec::new();
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let log = entries(running.ask(&["log", "tail", "-n", "5000", "--json"]));
        met = log.into_iter().filter(|entry| entry["event"]["event"] == "rule_matched").collect();
        if met.iter().any(|entry| entry["event"]["level"] == "high") {
            break;
        }
    }
    let high =
        met.iter().find(|entry| entry["event"]["level"] == "high").expect("a rule of level high is met");
    assert!(high["event"]["staff"].as_array().is_some_and(|staff| !staff.is_empty()), "{high}");
    let entry = high["event"]["entries"][0].as_u64().unwrap().to_string();
    let named = running.ask(&["log", "show", &entry]).good();
    assert!(named.contains(high["event"]["staff"][0].as_str().unwrap()), "{named}");
    let status = running.ask(&["rules", "status", "--json"]).good();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert!(
        status["rules"].as_u64().unwrap() >= 25 && status["problems"] == serde_json::json!([]),
        "{status}"
    );
}
