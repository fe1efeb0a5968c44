//! Detection from outside: a made-up floor, its replay, and what both write.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

fn sightline(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sightline")).current_dir(dir).args(args).output().expect("it starts")
}

fn good(dir: &Path, args: &[&str]) -> String {
    let output = sightline(dir, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn an_insider_on_a_made_up_floor_is_found_and_the_findings_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let floor = ["floor", "--staff", "40", "--days", "24", "--customers", "20000", "--insider", "k1:20"];
    good(dir, &[&floor[..], &["--out", "log.jsonl", "--truth", "truth.json"]].concat());
    let truth = json(&std::fs::read_to_string(dir.join("truth.json")).unwrap());
    let insider = truth["insiders"][0]["staff"][0].as_str().unwrap().to_owned();

    let said = good(dir, &["replay", "log.jsonl", "--json", "--contain", "--findings", "findings.json"]);
    let lines: Vec<serde_json::Value> = said.lines().map(json).collect();
    let of_kind = |kind: &str| lines.iter().filter(|l| l["kind"] == kind).count();
    assert_eq!(of_kind("summary"), 1);
    assert!(of_kind("day") > 300 && of_kind("contained") >= 1);

    let findings = json(&std::fs::read_to_string(dir.join("findings.json")).unwrap());
    let findings = findings.as_array().unwrap();
    let suspended =
        findings.iter().find(|f| f["staff"] == insider && f["level"] == "suspend").expect("suspended");
    for key in ["time", "staff", "level", "score", "detector"] {
        assert!(!suspended[key].is_null(), "{key}");
    }
    // Counted by what really happened: `exposed` counts whom the finding is about, ordinary days included.
    let before =
        |e: &&serde_json::Value| e["staff"] == *insider && e["time"].as_str() < suspended["time"].as_str();
    let exposed = truth["exposures"].as_array().unwrap().iter().filter(before).count();
    assert!(exposed < 15, "{exposed} before {suspended}");
    let held_back = lines.iter().find(|l| l["kind"] == "contained" && l["staff"] == insider).unwrap();
    assert!(held_back["held_back"].as_u64().unwrap() > 20, "{held_back}");

    // Nothing is written over, and the second run of two halves says what one run of the whole says.
    let again = sightline(dir, &["replay", "log.jsonl", "--findings", "findings.json"]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("--force"));
    let log = std::fs::read_to_string(dir.join("log.jsonl")).unwrap();
    let half = log[..log.len() / 2].rfind('\n').unwrap() + 1;
    std::fs::write(dir.join("a.jsonl"), &log[..half]).unwrap();
    std::fs::write(dir.join("b.jsonl"), &log[half..]).unwrap();
    let replay = |file: &str| good(dir, &["replay", file, "--json", "--state", "state"]);
    let findings_of = |said: &str| {
        said.lines().filter(|l| l.contains("\"finding\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    let halves = [findings_of(&replay("a.jsonl")), findings_of(&replay("b.jsonl"))].concat();
    assert_eq!(halves, findings_of(&good(dir, &["replay", "log.jsonl", "--json"])));
}

#[test]
fn lines_that_cannot_be_read_are_named_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("log.jsonl"),
        "{\"kind\":\"access\",\"time\":\"2026-03-02T09:00:00Z\",\"staff\":\"s-1\",\"customer\":\"c-1\"}\nnonsense\n{\"kind\":\"acc",
    )
    .unwrap();
    let output = sightline(dir.path(), &["replay", "log.jsonl"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("log.jsonl:2:") && said.contains("log.jsonl:3:"), "{said}");
    assert!(!sightline(dir.path(), &["replay", "log.jsonl", "--strict"]).status.success());
}

#[test]
fn a_log_of_nginx_is_imported_and_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let line =
        r#"10.0.0.7 - anna [02/Mar/2026:10:00:00 +0100] "GET /customers/c-9 HTTP/1.1" 200 512 "-" "M""#;
    std::fs::write(dir.path().join("access.log"), format!("{line}\n")).unwrap();
    good(dir.path(), &["import", "--mapping", "nginx", "access.log", "--out", "log.jsonl"]);
    let said = good(dir.path(), &["replay", "log.jsonl"]);
    assert!(said.contains("1 lines, 1 looks"), "{said}");
    let output = sightline(dir.path(), &["import", "--mapping", "nginks", "access.log"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("zendesk"), "{said}");
}

#[test]
fn the_first_days_of_a_log_set_the_rungs_for_the_rest_and_their_findings_are_shadows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let floor = ["floor", "--staff", "20", "--days", "56", "--customers", "5000", "--insider", "k1:50"];
    good(dir, &[&floor[..], &["--out", "log.jsonl"]].concat());
    let said =
        good(dir, &["replay", "log.jsonl", "--json", "--burn-in", "42", "--findings", "findings.json"]);
    let lines: Vec<serde_json::Value> = said.lines().map(json).collect();
    let of_kind = |kind: &'static str| lines.iter().filter(move |l| l["kind"] == kind);
    assert_eq!(of_kind("summary").next().unwrap()["calibrated"], true);
    // From Monday, 5 January: the burn-in ends with 15 February.
    assert!(of_kind("shadow").all(|l| l["time"].as_str() < Some("2026-02-17")));
    assert!(of_kind("finding").all(|l| l["time"].as_str() > Some("2026-02-15")));
    let findings = json(&std::fs::read_to_string(dir.join("findings.json")).unwrap());
    assert_eq!(findings.as_array().unwrap().len(), of_kind("finding").count());
    let both = sightline(dir, &["replay", "log.jsonl", "--burn-in", "42", "--state", "state"]);
    assert!(!both.status.success());
}
