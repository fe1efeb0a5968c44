//! Every kind of entry as an event: valid by the published schema, the same each time, and without personal data.
#![allow(clippy::unwrap_used)]

mod common;
mod validator;

use common::{ORIGIN, PERSONAL, append, every_kind, open};
use ledger::Ledger;
use model::Digest;
use serde_json::{Value, json};
use sightline_export::{Format, Writer};
use validator::Schema;

async fn ledger_of_every_kind() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = open(&dir.path().join("ledger"));
    append(&ledger, every_kind()).await;
    (dir, ledger)
}

fn messages(ledger: &Ledger, format: Format, from: u64) -> Vec<String> {
    let mut writer = Writer::new(ORIGIN, format);
    let records = ledger.read(from, usize::MAX).unwrap();
    records.iter().map(|record| writer.write(record, ledger).unwrap().body).collect()
}

fn events(ledger: &Ledger) -> Vec<Value> {
    messages(ledger, Format::Ocsf, 0).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[tokio::test]
async fn every_kind_of_entry_is_an_event_by_the_published_schema() {
    let schema = Schema::load();
    let (_dir, ledger) = ledger_of_every_kind().await;
    let test: Value =
        serde_json::from_str(&Writer::new(ORIGIN, Format::Ocsf).test(common::START).body).unwrap();
    for event in events(&ledger).iter().chain([&test]) {
        let faults = schema.faults(event);
        assert!(faults.is_empty(), "{faults:#?}\n{event:#}");
    }
}

#[tokio::test]
async fn the_validator_finds_what_is_wrong_with_an_event() {
    let schema = Schema::load();
    let (_dir, ledger) = ledger_of_every_kind().await;
    let events = events(&ledger);
    let look = events.iter().find(|event| event["metadata"]["event_code"] == "revealed").unwrap();
    assert!(schema.faults(look).is_empty());
    let wrong: [(&str, Value); 9] = [
        ("/time", json!("yesterday")),
        ("/time_dt", json!("yesterday")),
        ("/activity_id", json!(8)),
        ("/activity_name", json!("Peek")),
        ("/severity_id", json!(7)),
        ("/web_resources", json!([])),
        ("/web_resources/0", json!({ "type": "neither name nor uid" })),
        ("/metadata/profiles", json!(["datetime"])),
        ("/actor/user", json!({ "uid": "s-17", "shoe_size": 44 })),
    ];
    for (pointer, value) in wrong {
        let mut event = look.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        assert!(!schema.faults(&event).is_empty(), "{pointer} passed");
    }
    let mut event = look.clone();
    event.as_object_mut().unwrap().remove("metadata");
    assert!(!schema.faults(&event).is_empty());
}

#[tokio::test]
async fn no_message_holds_a_customer_a_ticket_or_a_note() {
    let (_dir, ledger) = ledger_of_every_kind().await;
    for format in [Format::Ocsf, Format::Cef, Format::Jsonl] {
        for message in messages(&ledger, format, 0) {
            for personal in PERSONAL {
                assert!(!message.contains(personal), "{message}");
            }
            assert!(!message.contains(&"ee".repeat(32)), "the digest of a cookie went out: {message}");
            assert!(!message.contains(['\n', '\r']), "{message}");
        }
    }
}

#[tokio::test]
async fn a_message_is_the_same_from_wherever_one_begins_to_read() {
    let (_dir, ledger) = ledger_of_every_kind().await;
    for format in [Format::Ocsf, Format::Cef, Format::Jsonl] {
        let whole = messages(&ledger, format, 0);
        for from in (0..ledger.size()).step_by(6) {
            assert_eq!(messages(&ledger, format, from), whole[from as usize..]);
        }
    }
}

#[tokio::test]
async fn the_end_of_a_session_and_of_a_grant_say_whose() {
    let (_dir, ledger) = ledger_of_every_kind().await;
    let users: Vec<_> = events(&ledger)
        .into_iter()
        .filter(|event| {
            let activity = (event["class_uid"].as_u64(), event["activity_id"].as_u64());
            [(Some(3001), Some(99)), (Some(3002), Some(2)), (Some(3005), Some(2))].contains(&activity)
        })
        .map(|event| event["user"]["uid"].clone())
        .collect();
    // Of each the one that was opened, and one that never was.
    assert_eq!(users, ["s-17", "unknown", "s-17", "unknown", "s-17", "unknown"]);
}

#[tokio::test]
async fn an_event_names_its_entry_with_the_hash_that_the_log_publishes() {
    let (_dir, ledger) = ledger_of_every_kind().await;
    let events = events(&ledger);
    ledger.close().await;
    let tile = ledger.tile(&format!("tile/0/000.p/{}", ledger.size())).unwrap().unwrap();
    for (index, (event, leaf)) in events.iter().zip(tile.as_chunks::<32>().0).enumerate() {
        let stated = json!({ "origin": ORIGIN, "entry": index, "leaf_hash": Digest(*leaf) });
        assert_eq!(event["unmapped"]["ledger"], stated);
        assert_eq!(event["metadata"]["uid"], format!("{ORIGIN}#{index}"));
    }
}
