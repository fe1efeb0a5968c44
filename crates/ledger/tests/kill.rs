//! The real thing: a process that is killed in the middle of its work, again and again.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/fault.rs"]
mod fault;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{ORIGIN, revealed, started, tree_only};
use model::Event;
use sightline_ledger::verify::{Directory, check};
use sightline_ledger::{AdmitAll, Ledger, Options};

const DIR: &str = "LEDGER_TO_WRITE";

fn options() -> Options {
    Options { publish_every: Duration::from_millis(20), segment_bytes: 64 * 1024, ..Options::default() }
}

/// Not a test of its own: what [`no_receipt_of_a_killed_process_is_lost`] starts and kills. Says each receipt
/// aloud once it is released.
#[tokio::test]
#[ignore = "started by another test"]
#[allow(clippy::print_stdout)] // this is how it tells its parent
async fn the_process_to_kill() {
    let Ok(dir) = std::env::var(DIR) else { panic!("set {DIR}") };
    let ledger = Ledger::open(Path::new(&dir), &options(), AdmitAll).unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8u64 {
        let ledger = ledger.clone();
        writers.spawn(async move {
            for n in 0.. {
                let word = writer * 1_000_000 + n;
                let receipts =
                    ledger.append_all(vec![started(word), revealed(&format!("c-{n}"))]).await.unwrap();
                println!("released {} {word}", receipts[0].index());
            }
        });
    }
    writers.join_all().await;
}

/// Likewise, started by [`a_disk_that_fails_ends_the_process_and_says_so`].
#[tokio::test]
#[ignore = "started by another test"]
async fn the_process_whose_disk_fails() {
    let Ok(dir) = std::env::var(DIR) else { panic!("set {DIR}") };
    let disk = fault::FaultDisk::default();
    let options =
        Options { disk: Arc::new(disk.clone()), publish_every: Duration::from_secs(60), ..options() };
    let ledger = Ledger::open(Path::new(&dir), &options, AdmitAll).unwrap();
    ledger.append(started(0)).await.unwrap();
    disk.fail_now(fault::Fault::SyncFails);
    let outcome = ledger.append(started(1)).await;
    eprintln!("the process goes on: {outcome:?}");
}

#[tokio::test]
async fn a_disk_that_fails_ends_the_process_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("ledger");
    Ledger::create(&dir, ORIGIN, &options()).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "the_process_whose_disk_fails"])
        .env(DIR, &dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.code(), None, "ended by a signal: {said}");
    assert!(said.contains("cannot sync") && said.contains(".wal"), "{said}");
    assert!(!said.contains("the process goes on"), "{said}");
    assert!(Ledger::open(&dir, &options(), AdmitAll).unwrap().size() >= 1);
}

#[tokio::test]
async fn no_receipt_of_a_killed_process_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("ledger");
    Ledger::create(&dir, ORIGIN, &options()).unwrap();
    let mut released: Vec<(u64, u64)> = Vec::new();
    for round in 0..6u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "the_process_to_kill"])
            .env(DIR, &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let before = released.len();
        for line in lines {
            let line = line.unwrap();
            // The test harness writes the beginning of a line of its own in front of the first one.
            let Some((_, said)) = line.split_once("released ") else { continue };
            let (index, word) = said.split_once(' ').unwrap();
            released.push((index.parse().unwrap(), word.parse().unwrap()));
            // Whatever else was released before the kill arrives is read as well.
            if released.len() - before == 30 + 41 * round as usize {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(released.len() - before >= 30, "it was killed at work, not at the start");
    }

    let ledger = Ledger::open(&dir, &options(), AdmitAll).unwrap();
    let records = ledger.read(0, usize::MAX).unwrap();
    for (index, word) in &released {
        let record = &records[*index as usize];
        assert_eq!(record.entry.event, started(*word).event);
        let Event::Revealed(_) = &records[*index as usize + 1].entry.event else { panic!("half a group") };
        assert!(records[*index as usize + 1].openings[0].is_some());
    }
    let receipt = ledger.append(started(0)).await.unwrap();
    assert_eq!(receipt.verify(ledger.verifier()).unwrap().index(), records.len() as u64);
    ledger.close().await;
    let good =
        check(&Directory::open(&dir).unwrap(), ledger.verifier(), tree_only(), &mut |_, _| {}).unwrap();
    assert_eq!(good.summary.entries, records.len() as u64 + 1);
}
