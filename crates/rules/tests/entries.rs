//! Rules over entries as they really are, and the worker that holds entries against them.
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

#[path = "../../export/tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledger::disk::OsDisk;
use ledger::{Draft, Ledger};
use model::clock::ManualClock;
use model::entry::*;
use model::{
    AppId, ClassSet, CustomerId, Digest, Evidence, GrantId, Mode, Opening, OsEntropy, ResponseId,
    RuleMatched, SessionId, StaffId, StaffRecord, Subject, Tier,
};
use rsigma_eval::{FieldObserver, RuleFieldSet, event::JsonEvent};
use sightline_rules::{Follower, Knowledge, Parts, Rules, RulesSettings, shipped};

/// Of the house as it is: nobody's record is known, one customer is a decoy.
struct Nobody;

impl Knowledge for Nobody {
    fn staff(&self, _: &StaffId) -> Option<StaffRecord> {
        None
    }

    fn is_canary(&self, customer: &CustomerId) -> bool {
        customer.as_str() == "decoy"
    }
}

fn settings(dirs: &[&Path]) -> RulesSettings {
    RulesSettings {
        shipped: dirs.is_empty(),
        dirs: dirs.iter().map(|dir| dir.to_path_buf()).collect(),
        off: Vec::new(),
        node: None,
    }
}

fn open(ledger: &Ledger, dir: &Path, settings: RulesSettings) -> (Rules, Follower) {
    let parts = Parts {
        ledger: ledger.clone(),
        dir: dir.to_owned(),
        knows: Arc::new(Nobody),
        disk: Arc::new(OsDisk),
        entropy: Arc::new(OsEntropy),
    };
    Follower::open(settings, parts).unwrap()
}

fn look(staff: &str, customer: &str, evidence: Evidence) -> Draft {
    let opening =
        Opening::fresh(&OsEntropy, Subject { customer: CustomerId::new(customer), ticket: None, note: None });
    let event = Event::Revealed(Revealed {
        response: ResponseId::fresh(&OsEntropy),
        by: Viewer {
            staff: StaffId::new(staff),
            session: SessionId::fresh(&OsEntropy),
            app: AppId::new("desk"),
        },
        subject: opening.commitment(),
        tier: Tier::Standard,
        action: Action::View,
        classes: ClassSet::EMPTY,
        evidence,
        grant: GrantId::fresh(&OsEntropy),
        mode: Mode::Enforce,
        would_mask: ClassSet::EMPTY,
    });
    Draft { event, openings: vec![opening] }
}

/// Waits until every entry was held against the rules, and says what was recorded.
async fn recorded(ledger: &Ledger, rules: &Rules) -> Vec<(u64, RuleMatched)> {
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if rules.status().next == ledger.size() {
            break;
        }
    }
    assert_eq!(rules.status().next, ledger.size());
    let records = ledger.read(0, 100_000).unwrap();
    let matched = |record: &ledger::Record| match &record.entry.event {
        Event::RuleMatched(matched) => Some((record.index, matched.clone())),
        _ => None,
    };
    records.iter().filter_map(matched).collect()
}

fn id_of(name: &str) -> String {
    let files = shipped::files();
    let set = sightline_rules::RuleSet::compile(&files).unwrap();
    let file = format!("rules/{name}.yml");
    set.rules().iter().find(|rule| rule.file == file && !rule.counted_only).unwrap().id.clone()
}

/// A field that no entry has, or has under another name, would make a rule that is never met.
#[tokio::test]
async fn every_field_that_a_shipped_rule_looks_at_is_one_that_entries_have() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = common::open(&dir.path().join("ledger"));
    common::append(&ledger, common::every_kind()).await;
    let observer = FieldObserver::new(10_000);
    for event in sightline_rules::testing::events(&ledger, &Nobody).unwrap() {
        observer.observe(&JsonEvent::borrow(&event));
    }
    // What is known of the house and not of a ledger of examples; its customer is erased in the end.
    let known = ["unmapped.customer", "unmapped.canary", "unmapped.canaries", "unmapped.staff.role"];
    let seen: Vec<String> = observer.snapshot().entries.iter().map(|entry| entry.field.to_string()).collect();
    // What stands in a list of objects is seen as the list.
    let has = |field: &str, seen: &String| field == seen || field.starts_with(&format!("{seen}."));
    for file in shipped::files() {
        let collection = rsigma_parser::parse_sigma_yaml(&file.text).unwrap();
        for field in RuleFieldSet::collect(&collection, &[], true).names() {
            assert!(
                seen.iter().any(|s| has(field, s)) || known.contains(&field),
                "{}: {field} of {seen:?}",
                file.name
            );
        }
    }
}

#[tokio::test]
async fn what_is_met_becomes_an_entry_that_names_rule_entries_and_staff_and_no_customer() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = common::open(&dir.path().join("ledger"));
    let (rules, follower) = open(&ledger, dir.path(), settings(&[]));
    let worker = tokio::spawn(follower.run());
    for customer in ["c-1", "c-2", "c-2", "c-3"] {
        ledger.append(look("s-7", customer, Evidence::None)).await.unwrap();
    }
    ledger.append(look("s-8", "decoy", Evidence::Routed)).await.unwrap();
    let found = recorded(&ledger, &rules).await;
    let said: Vec<_> = found
        .iter()
        .map(|(_, m)| (m.rule.clone(), m.entries.clone(), m.staff.clone(), m.level.word()))
        .collect();
    assert_eq!(
        said,
        [
            (id_of("unexplained_looks"), vec![0, 1, 2, 3], vec![StaffId::new("s-7")], "high"),
            (id_of("canary_opened"), vec![4], vec![StaffId::new("s-8")], "critical"),
        ]
    );
    let file = shipped::files().into_iter().find(|file| file.name.contains("canary_opened")).unwrap();
    assert_eq!(found[1].1.text, Digest::of(file.text.as_bytes()));
    let text = serde_json::to_string(&found.iter().map(|(_, m)| m).collect::<Vec<_>>()).unwrap();
    assert!(!text.contains("c-1") && !text.contains("decoy"));
    worker.abort();
}

#[tokio::test]
async fn a_restart_counts_on_and_records_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = common::open(&dir.path().join("ledger"));
    for begin in [["c-1", "c-2"], ["c-3", "c-4"], ["c-5", "c-6"]] {
        let (rules, follower) = open(&ledger, dir.path(), settings(&[]));
        let worker = tokio::spawn(follower.run());
        for customer in begin {
            ledger.append(look("s-7", customer, Evidence::None)).await.unwrap();
        }
        recorded(&ledger, &rules).await;
        worker.abort();
        let _ = worker.await;
    }
    let (rules, follower) = open(&ledger, dir.path(), settings(&[]));
    let worker = tokio::spawn(follower.run());
    let found = recorded(&ledger, &rules).await;
    // Three, and after that three more: counted over two restarts.
    let rule = id_of("unexplained_looks");
    let said: Vec<_> = found.iter().filter(|(_, m)| m.rule == rule).map(|(_, m)| m.entries.clone()).collect();
    assert_eq!(said, [vec![0, 1, 2], vec![3, 5, 6]], "{said:?}");
    worker.abort();
}

/// The crash between an entry that says that a rule was met and the cursor: the cursor is behind.
#[tokio::test]
async fn a_cursor_that_fell_behind_what_was_recorded_records_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = common::open(&dir.path().join("ledger"));
    let cursor = dir.path().join("rules.json");
    let (rules, follower) = open(&ledger, dir.path(), settings(&[]));
    let before = std::fs::read(&cursor).unwrap();
    let worker = tokio::spawn(follower.run());
    for _ in 0..3 {
        ledger.append(look("s-8", "decoy", Evidence::Routed)).await.unwrap();
    }
    let once = recorded(&ledger, &rules).await;
    assert_eq!(once.len(), 3);
    worker.abort();
    let _ = worker.await;
    std::fs::write(&cursor, before).unwrap();
    let (rules, follower) = open(&ledger, dir.path(), settings(&[]));
    let worker = tokio::spawn(follower.run());
    assert_eq!(recorded(&ledger, &rules).await, once);
    worker.abort();
}

fn any_entry(id: &str, kind: &str) -> String {
    format!(
        "title: t\nid: {id}\nlogsource:\n    product: sightline\ndetection:\n    selection:\n        \
         metadata.event_code: {kind}\n    condition: selection\n"
    )
}

#[tokio::test]
async fn a_changed_file_is_swapped_in_while_it_runs_and_a_broken_one_is_reported_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("a.yml"), any_entry("before", "revealed")).unwrap();
    let (ledger, _) = common::open(&dir.path().join("ledger"));
    let (rules, follower) = open(&ledger, dir.path(), settings(&[&own]));
    let worker = tokio::spawn(follower.run());
    ledger.append(look("s-1", "c-1", Evidence::None)).await.unwrap();
    recorded(&ledger, &rules).await;

    std::fs::write(own.join("a.yml"), any_entry("broken", "revealed").replace("title", "title: [\ntitle"))
        .unwrap();
    wait(|| !rules.status().problems.is_empty()).await;
    let problem = rules.status().problems[0].to_string();
    assert!(problem.contains("a.yml:3: "), "{problem}");
    ledger.append(look("s-1", "c-1", Evidence::None)).await.unwrap();
    recorded(&ledger, &rules).await;

    std::fs::write(own.join("a.yml"), any_entry("after-it", "revealed")).unwrap();
    wait(|| rules.status().problems.is_empty()).await;
    ledger.append(look("s-1", "c-1", Evidence::None)).await.unwrap();
    let found = recorded(&ledger, &rules).await;
    assert_eq!(
        found.iter().map(|(_, m)| m.rule.as_str()).collect::<Vec<_>>(),
        ["before", "before", "after-it"]
    );
    worker.abort();
}

async fn wait(until: impl Fn() -> bool) {
    for _ in 0..500 {
        if until() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come");
}

/// A rule about everything, and one about what rules record: neither feeds itself, and neither fills the ledger.
#[tokio::test]
async fn a_rule_that_is_met_by_everything_is_recorded_so_often_an_hour_and_never_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("a.yml"), any_entry("everything", "'*'")).unwrap();
    std::fs::write(own.join("b.yml"), any_entry("itself", "rule_matched")).unwrap();
    let (ledger, clock): (Ledger, ManualClock) = common::open(&dir.path().join("ledger"));
    let (rules, follower) = open(&ledger, dir.path(), settings(&[&own]));
    let worker = tokio::spawn(follower.run());
    for _ in 0..200 {
        ledger.append(look("s-1", "c-1", Evidence::Routed)).await.unwrap();
    }
    assert_eq!(recorded(&ledger, &rules).await.len(), 60);
    clock.advance(Duration::from_secs(3600));
    ledger.append(look("s-1", "c-1", Evidence::Routed)).await.unwrap();
    let found = recorded(&ledger, &rules).await;
    assert_eq!((found.len(), found[60].1.unrecorded), (61, 140));
    assert!(found.iter().all(|(_, matched)| matched.rule == "everything"));
    worker.abort();
}

#[tokio::test]
async fn a_rule_that_is_off_says_nothing_and_one_that_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = common::open(&dir.path().join("ledger"));
    let off = RulesSettings { off: vec![id_of("canary_opened")], ..settings(&[]) };
    let (rules, follower) = open(&ledger, dir.path(), off.clone());
    let worker = tokio::spawn(follower.run());
    ledger.append(look("s-8", "decoy", Evidence::Routed)).await.unwrap();
    assert!(recorded(&ledger, &rules).await.is_empty());
    worker.abort();
    let _ = worker.await;
    let parts = Parts {
        ledger: ledger.clone(),
        dir: dir.path().to_owned(),
        knows: Arc::new(Nobody),
        disk: Arc::new(OsDisk),
        entropy: Arc::new(OsEntropy),
    };
    let error = Follower::open(RulesSettings { off: vec!["nobody".into()], ..off }, parts).unwrap_err();
    assert!(error.to_string().contains("nobody"), "{error}");
}
