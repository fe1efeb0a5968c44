//! Exports as an operator meets them: configured, tested, killed with the process, sent again.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Running, sightline};
use serde_json::Value;

fn ask(config: &Path, arguments: &[&str]) -> common::Answer {
    sightline(arguments.iter().copied().chain(["--config", config.to_str().unwrap()]))
}

fn status(config: &Path) -> Value {
    serde_json::from_str::<Value>(&ask(config, &["export", "status", "--json"]).good()).unwrap()[0].clone()
}

async fn until_everything_is_delivered(config: &Path) {
    for _ in 0..600 {
        let status = status(config);
        if status["behind"] == 0 && status["state"] == "idle" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {}", status(config));
}

/// The uids of events, each once, in the order in which they first came.
fn uids(lines: &str) -> Vec<String> {
    let mut uids = Vec::new();
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let uid = event["metadata"]["uid"].as_str().unwrap().to_owned();
        if !uids.contains(&uid) {
            uids.push(uid);
        }
    }
    uids
}

#[tokio::test]
async fn a_killed_process_goes_on_behind_its_cursor_and_what_it_wrote_is_the_ledger() {
    let ended = Running::demo(1, 600.0).await.interrupt();
    let home: PathBuf = ended.data().parent().unwrap().to_owned();
    let (config, events) = (home.join("sightline.toml"), home.join("events.jsonl"));
    assert!(ask(&config, &["export", "status"]).good().contains("no [[export]]"));
    let text = fs::read_to_string(&config).unwrap();
    let export = "\n[[export]]\nname = \"file\"\nto = { kind = \"file\", path = \"events.jsonl\" }\n";
    fs::write(&config, text + export).unwrap();

    assert!(ask(&config, &["serve", "--check"]).good().contains("export file: ocsf → "));
    let stopped = status(&config);
    assert_eq!((&stopped["state"], &stopped["next"]), (&"stopped".into(), &0.into()));
    assert!(stopped["behind"].as_u64().unwrap() > 0);

    let running = Running::serve_again(ended).await;
    until_everything_is_delivered(&config).await;
    let ended = running.kill();
    let running = Running::serve_again(ended).await;
    until_everything_is_delivered(&config).await;

    let from = status(&config)["next"].as_u64().unwrap();
    let skip = ask(&config, &["export", "replay", "file", "--from", &(from + 100).to_string()]);
    assert!(skip.line().contains("nothing is skipped"), "{skip:?}");
    assert!(ask(&config, &["export", "replay", "file", "--from", "0"]).good().contains("from 0 on again"));
    let lines = || fs::read_to_string(&events).unwrap().lines().count() as u64;
    for _ in 0..600 {
        if lines() >= 2 * from {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(lines() >= 2 * from, "{} of {}", lines(), 2 * from);
    until_everything_is_delivered(&config).await;
    let ended = running.interrupt();

    let written = uids(&fs::read_to_string(&events).unwrap());
    let whole = uids(&ask(&config, &["log", "export"]).good());
    // The question itself is an entry, and nobody was there to export it.
    assert!(whole.len() > written.len() && whole.starts_with(&written), "{} {}", whole.len(), written.len());

    assert!(ask(&config, &["export", "test", "file"]).good().contains("has taken this test event"));
    assert!(fs::read_to_string(&events).unwrap().lines().last().unwrap().contains("\"labels\":[\"test\"]"));
    let unknown = ask(&config, &["export", "test", "fiel"]);
    assert!(unknown.line().contains("there are: file"), "{unknown:?}");

    let said = |format| ask(&config, &["log", "export", "--format", format, "--from", "3"]).good();
    assert!(said("cef").lines().all(|line| line.starts_with("CEF:0|Sightline|")));
    let entries =
        said("jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert!(entries.len() >= whole.len() - 3);
    assert!(entries.iter().zip(3u64..).all(|(entry, index)| entry["index"] == index));
    let last = whole.len().to_string();
    assert!(
        ask(&config, &["export", "replay", "file", "--from", "2"]).good().contains("when Sightline runs")
    );
    assert_eq!(status(&config)["next"], 2);
    assert!(
        ask(&config, &["export", "replay", "file", "--from", &last]).line().contains("nothing is skipped")
    );
    drop(ended);
}
