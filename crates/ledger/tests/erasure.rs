//! Erasure and retention: which openings can still be read, in what state of the files, and that every proof
//! still verifies.
#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use common::{Home, erased, listed, proposed, revealed, started};
use model::entry::Erased;
use model::{Clock, Event, Month};
use sightline_ledger::{Draft, Ledger};

const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// Whom each entry is about, as far as that can be read.
fn known(ledger: &Ledger) -> Vec<Vec<Option<String>>> {
    let customer = |o: &Option<model::Opening>| Some(o.as_ref()?.subject.customer.to_string());
    let records = ledger.read(0, 99).unwrap();
    records.iter().map(|record| record.openings.iter().map(customer).collect()).collect()
}

fn prove_all(ledger: &Ledger) {
    for index in 0..ledger.size() {
        ledger.prove(index).unwrap().verify(ledger.verifier()).unwrap();
    }
}

fn c(n: u32) -> Option<String> {
    Some(format!("c-{n}"))
}

#[tokio::test]
async fn an_erased_customer_is_gone_from_every_month_and_every_proof_still_verifies() {
    let home = Home::new();
    let ledger = home.open();
    ledger.append(revealed("c-1")).await.unwrap();
    home.clock.advance(MONTH);
    ledger.append(listed(&["c-2", "c-1", "c-3"])).await.unwrap();
    let kept = ledger.append(revealed("c-2")).await.unwrap();
    home.clock.advance(MONTH);
    ledger.append(erased("c-1", 1)).await.unwrap();
    let expected = [vec![None], vec![c(2), None, c(3)], vec![c(2)], vec![None]];
    assert_eq!(known(&ledger), expected);
    ledger.append(revealed("c-1")).await.unwrap();
    ledger.close().await;

    let ledger = home.open();
    assert_eq!(known(&ledger)[..4], expected);
    assert_eq!(known(&ledger)[4], [c(1)], "a new key opens what came after");
    prove_all(&ledger);
    kept.verify(ledger.verifier()).unwrap();
    ledger.close().await;
}

#[tokio::test]
async fn within_one_batch_what_stands_before_the_erasure_is_erased_and_what_stands_after_it_is_not() {
    let home = Home::new();
    let ledger = home.open();
    let group = vec![revealed("c-1"), revealed("c-2"), erased("c-1", 1), revealed("c-1"), revealed("c-2")];
    ledger.append_all(group).await.unwrap();
    let expected = [vec![None], vec![c(2)], vec![None], vec![c(1)], vec![c(2)]];
    assert_eq!(known(&ledger), expected);
    ledger.close().await;
    let ledger = home.open();
    assert_eq!(known(&ledger), expected);
    ledger.close().await;
}

#[tokio::test]
async fn retention_forgets_whom_old_months_are_about_and_no_other_month() {
    let home = Home::new();
    let ledger = home.open();
    let mut months = Vec::new();
    for _ in 0..4 {
        months.push(Month::of(home.clock.now()));
        ledger.append(revealed("c-1")).await.unwrap();
        home.clock.advance(MONTH);
    }
    let before = |month| Draft::plain(Event::Erased(Erased::Before { month }));
    ledger.append(before(months[2])).await.unwrap();
    let expected = [vec![None], vec![None], vec![c(1)], vec![c(1)], vec![]];
    assert_eq!(known(&ledger), expected);
    ledger.append(erased("c-1", 1)).await.unwrap();
    ledger.close().await;
    let ledger = home.open();
    assert_eq!(known(&ledger), [vec![None], vec![None], vec![None], vec![None], vec![], vec![None]]);
    prove_all(&ledger);
    ledger.close().await;
}

/// The files with customer keys.
fn keys(home: &Home) -> Vec<PathBuf> {
    common::files(&home.dir()).into_iter().filter(|f| f.to_str().unwrap().contains("keys.db")).collect()
}

#[tokio::test]
async fn no_byte_of_a_destroyed_key_stays_in_the_files() {
    let home = Home::new();
    let ledger = home.open();
    for n in 0..300 {
        ledger.append(revealed(&format!("c-{n}"))).await.unwrap();
    }
    ledger.close().await;
    drop(ledger);
    let row = |who: &str| -> Vec<Vec<u8>> {
        let db = rusqlite::Connection::open(home.path("keys.db")).unwrap();
        let mut all = db.prepare(&format!("SELECT {who} FROM customer_key ORDER BY who")).unwrap();
        all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let (before, wrapped) = (row("who"), row("wrapped"));
    let ledger = home.open();
    ledger.append(erased("c-7", 1)).await.unwrap();
    let files: Vec<_> = keys(&home).iter().map(|file| fs::read(file).unwrap()).collect();
    let after = row("who");
    assert_eq!((before.len(), after.len()), (300, 299));
    let gone = before.iter().position(|who| !after.contains(who)).unwrap();
    for needle in [&before[gone], &wrapped[gone]] {
        assert!(!files.iter().any(|file| file.windows(needle.len()).any(|part| part == *needle)));
    }
    let there = &wrapped[(gone + 1) % 300];
    assert!(files.iter().any(|file| file.windows(there.len()).any(|part| part == *there)));
    ledger.close().await;
}

#[tokio::test]
async fn keys_that_were_put_back_from_an_old_copy_are_destroyed_again_at_the_next_start() {
    let home = Home::new();
    let ledger = home.open();
    ledger.append_all(vec![revealed("c-1"), revealed("c-2"), proposed("c-1", 1)]).await.unwrap();
    ledger.close().await;
    drop(ledger);
    let copy = fs::read(home.path("keys.db")).unwrap();

    let ledger = home.open();
    ledger.append(erased("c-1", 1)).await.unwrap();
    home.clock.advance(MONTH);
    let ledger_month = Month::of(home.clock.now());
    ledger.close().await;
    drop(ledger);
    fs::write(home.path("keys.db"), &copy).unwrap();
    // The first start still reads the old key where it meets the entries, and destroys it where it meets the end.
    home.open().close().await;
    let ledger = home.open();
    let expected = [vec![None], vec![c(2)], vec![None], vec![None]];
    assert_eq!(known(&ledger), expected);

    ledger.append(Draft::plain(Event::Erased(Erased::Before { month: ledger_month }))).await.unwrap();
    ledger.close().await;
    drop(ledger);
    fs::write(home.path("keys.db"), &copy).unwrap();
    home.open().close().await;
    let ledger = home.open();
    assert_eq!(known(&ledger), [vec![None], vec![None], vec![None], vec![None], vec![]]);
    prove_all(&ledger);
    ledger.close().await;
}

#[tokio::test]
async fn a_ledger_of_the_format_before_is_refused_and_says_so() {
    let home = Home::new();
    fs::write(home.path("format"), "sightline ledger 1\n").unwrap();
    let error = Ledger::open(&home.dir(), &home.options, sightline_ledger::AdmitAll).unwrap_err();
    assert!(error.to_string().contains("sightline ledger 3"), "{error}");
    fs::write(home.path("format"), "sightline ledger 2\n").unwrap();
    let ledger = home.open();
    ledger.append(started(1)).await.unwrap();
    ledger.close().await;
}
