//! Decoy customers, as an operator plants them and as somebody runs into one.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::time::Duration;

use common::{Running, Visitor, entries};
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;

fn list(running: &Running) -> Vec<Value> {
    serde_json::from_str(&running.ask(&["canary", "list", "--json"]).good()).unwrap()
}

async fn met(running: &Running, rule: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..150 {
        let log = entries(running.ask(&["log", "tail", "-n", "10000", "--json"]));
        if let Some(found) =
            log.into_iter().find(|entry| entry["event"]["event"] == "rule_matched" && rule(&entry["event"]))
        {
            return found["event"].clone();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("no such rule was met");
}

async fn used(running: &Running, body: &Value, secret: &str) -> StatusCode {
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let visitor =
        Visitor::new(running.console()).with(&[("x-sightline-signature", &format!("sha256={signature}"))]);
    visitor.post_body("/.sightline/canary", body).await.status
}

#[tokio::test]
async fn a_planted_canary_is_a_finding_when_listed_asked_for_or_used_and_rotation_leaves_none_unwatched() {
    let running = Running::demo(1, 1.0).await;
    let planted = running.ask(&["canary", "plant", "--count", "3", "--json"]).good();
    let planted: Value = serde_json::from_str(&planted).unwrap();
    assert_eq!(planted["planted"], 3);
    let canaries = list(&running);
    let (customer, email) =
        (canaries[0]["customer"].as_str().unwrap(), canaries[0]["data"]["email"].as_str().unwrap());
    let entry = running.ask(&["log", "show", &planted["entry"].to_string()]).good();
    assert!(entry.contains("canaries_planted") && !entry.contains(customer), "{entry}");

    let agent = Visitor::signed_in(running.desk(), "s-01").await;
    let found = agent.page(&format!("/search?q={}", email.replace('@', "%40"))).await;
    assert!(found.body.contains(customer), "{}", found.body);
    agent.page(&format!("/customers/{customer}")).await;
    // To ask a reason is what stood in the way; whoever tried is a finding all the same.
    let rules: Vec<Value> =
        serde_json::from_str(&common::sightline(["rules", "list", "--json"]).good()).unwrap();
    let refused = rules.iter().find(|rule| rule["file"] == "rules/canary_refused.yml").unwrap()["id"].clone();
    let tried = met(&running, |event| event["rule"] == refused).await;
    assert_eq!(tried["level"], "high");
    assert_eq!(tried["staff"], json!(["s-01"]));
    assert!(!tried.to_string().contains(customer));

    let secret = std::fs::read_to_string(running.data().join("../secrets/canary-webhook")).unwrap();
    let value = json!({ "value": email.to_uppercase() });
    assert_eq!(used(&running, &value, "another secret that is long").await, StatusCode::UNAUTHORIZED);
    assert_eq!(used(&running, &json!({ "values": "?" }), secret.trim()).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        used(&running, &json!({ "value": "nobody@x.example" }), secret.trim()).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(used(&running, &value, secret.trim()).await, StatusCode::NO_CONTENT);
    let leads = met(&running, |event| event["rule"] == "canary-used").await;
    assert_eq!((&leads["staff"], &leads["level"]), (&json!(["s-01"]), &json!("critical")));
    let said = running.ask(&["canary", "used", email]).good();
    assert!(said.contains(customer) && said.contains("s-01"), "{said}");
    assert!(running.ask(&["canary", "used", "nobody@x.example"]).good().contains("of no canary"));

    let rotated: Value = serde_json::from_str(&running.ask(&["canary", "rotate", "--json"]).good()).unwrap();
    assert_eq!((&rotated["planted"], &rotated["retired"]), (&json!(3), &json!(3)));
    let rotated = list(&running);
    assert_eq!(rotated.iter().filter(|canary| canary["retired"].is_null()).count(), 3);
    assert_eq!(rotated.len(), 6);
    let ended = running.interrupt();
    let stopped = ended.ask(&["canary", "list"]);
    assert!(stopped.line().contains("nothing serves"), "{stopped:?}");
}
