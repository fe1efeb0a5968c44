//! Whatever happens to process and disk: no released receipt is lost, the ledger verifies, appends go on.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/fault.rs"]
mod fault;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Chain, ORIGIN, listed, options, revealed, started, tree_only};
use fault::{Fault, FaultDisk, Told};
use model::Event;
use sightline_ledger::disk::Disk;
use sightline_ledger::verify::{Directory, check};
use sightline_ledger::{AdmitAll, AppendError, Draft, Ledger, LedgerError, Options};

/// In memory where there is such a file system: hundreds of crashes with a sync in each.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn on(disk: impl Disk + 'static) -> (Options, Told) {
    let told = Told::default();
    let options = Options {
        disk: Arc::new(disk),
        segment_bytes: 4096,
        snapshot_every: 50,
        // It has tests of its own (`compaction.rs`): what goes wrong with it ends nothing.
        compact: false,
        fatal: Arc::new(told.clone()),
        ..options().0
    };
    (options, told)
}

/// What callers were told is recorded.
type Released = Vec<(u64, Event)>;

/// Opens, records in several batches over several segments and a full tile, closes, and does it again: every kind of
/// write that a ledger makes. Stops at the first error.
async fn work(dir: &Path, options: &Options, released: &mut Released) -> Result<(), String> {
    for round in 0..2 {
        let ledger = Ledger::open(dir, options, Chain::default()).map_err(|error| error.to_string())?;
        let groups: [Vec<Draft>; 4] = [
            vec![started(round)],
            vec![revealed("c-1"), revealed("c-2"), listed(&["c-1", "c-3"])],
            (0..140).map(started).collect(),
            vec![revealed(&format!("c-new-{round}"))],
        ];
        for group in groups {
            let events = group.iter().map(|draft| draft.event.clone()).collect::<Vec<_>>();
            let receipts = match ledger.append_all(group).await {
                Ok(receipts) => receipts,
                Err(error) => {
                    assert!(matches!(error, AppendError::Closed), "{error}");
                    ledger.close().await;
                    return Err(error.to_string());
                }
            };
            released.extend(receipts.iter().map(|receipt| receipt.index()).zip(events));
        }
        ledger.close().await;
    }
    Ok(())
}

/// Opens the ledger on a good disk and holds it to its word.
async fn hold(dir: &Path, released: &Released, case: &str) {
    let (options, told) = on(sightline_ledger::disk::OsDisk);
    let chain = Chain::default();
    let ledger = Ledger::open(dir, &options, chain.clone()).unwrap_or_else(|error| panic!("{case}: {error}"));
    let records = ledger.read(0, 10_000).unwrap();
    assert_eq!(records.len() as u64, ledger.size(), "{case}");
    for (index, event) in released {
        assert_eq!(records.get(*index as usize).map(|r| &r.entry.event), Some(event), "{case}: {index}");
    }
    assert!(records.iter().all(|r| r.openings.iter().all(Option::is_some)), "{case}: every opening opens");
    let receipt = ledger.append(revealed("c-after")).await.unwrap();
    let verified = receipt.verify(ledger.verifier()).unwrap();
    assert_eq!(verified.index(), records.len() as u64, "{case}");
    for index in [0, verified.index() / 2] {
        ledger.prove(index).unwrap().verify(ledger.verifier()).unwrap();
    }
    ledger.close().await;
    let good = check(&Directory::open(dir).unwrap(), ledger.verifier(), tree_only(), &mut |_, _| {})
        .unwrap_or_else(|damage| panic!("{case}: {damage}"));
    assert_eq!(good.summary.entries, ledger.size(), "{case}");
    assert!(told.0.lock().unwrap().is_empty(), "{case}");
    // Whether it began from a snapshot or not, it came to the same.
    let replayed = Chain::that_loads_nothing();
    Ledger::open(dir, &options, replayed.clone()).unwrap().close().await;
    assert_eq!(chain.state(), replayed.state(), "{case}");
}

async fn fresh() -> (tempfile::TempDir, PathBuf) {
    let root = scratch();
    let dir = root.path().join("ledger");
    Ledger::create(&dir, ORIGIN, &options().0).unwrap();
    (root, dir)
}

#[tokio::test]
async fn no_released_receipt_is_lost_wherever_the_process_dies_or_the_disk_fails() {
    let (_root, dir) = fresh().await;
    let count = FaultDisk::default();
    work(&dir, &on(count.clone()).0, &mut Released::new()).await.unwrap();
    let steps = count.steps();
    assert!(steps > 60, "the work covers every kind of step ({steps})");

    for at in 1..=steps {
        for fault in [
            Fault::DieBefore,
            Fault::DieHalfway,
            Fault::DieAfter,
            Fault::Full,
            Fault::ReadOnly,
            Fault::SyncFails,
        ] {
            let case = format!("{fault:?} at step {at}");
            let (_root, dir) = fresh().await;
            let disk = FaultDisk::failing(at, fault);
            let (options, told) = on(disk.clone());
            let mut released = Released::new();
            let outcome = work(&dir, &options, &mut released).await;
            // A full disk that meets no write any more, a sync that is the last: only then all went well.
            assert!(
                outcome.is_err() || !told.0.lock().unwrap().is_empty() || at + 10 > steps,
                "{case}: unnoticed"
            );
            // The power may go, too: nothing, some, or all of what was not synced is kept.
            if let Fault::DieBefore | Fault::DieHalfway | Fault::DieAfter = fault {
                disk.lose_power([0, 100, 256][at as usize % 3]);
            }
            hold(&dir, &released, &case).await;
        }
    }
}

/// A thousand times, because what is looked for is a race: an order that slips into the queue while it closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_ledger_that_has_ended() {
    for round in 0..1000 {
        let (_root, dir) = fresh().await;
        let disk = FaultDisk::failing(u64::MAX, Fault::Full);
        let (options, _told) = on(disk.clone());
        let ledger = Ledger::open(&dir, &options, AdmitAll).unwrap();
        disk.fail_now(Fault::Full);
        let waiting = async {
            while ledger.append(started(round)).await.is_ok() {}
            let late = tokio::spawn({
                let ledger = ledger.clone();
                async move { ledger.append(started(round)).await.is_ok() }
            });
            ledger.close().await;
            assert!(!late.await.unwrap());
        };
        let answered = tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await;
        assert!(answered.is_ok(), "round {round}: somebody still waits");
    }
}

#[tokio::test]
async fn an_error_of_the_disk_ends_the_process_and_names_the_file() {
    let (_root, dir) = fresh().await;
    let (options, _) = on(FaultDisk::default());
    let ledger = Ledger::open(&dir, &options, AdmitAll).unwrap();
    ledger.append(started(0)).await.unwrap();
    ledger.close().await;

    let disk = FaultDisk::failing(u64::MAX, Fault::Full);
    let (options, told) = on(disk.clone());
    let ledger = Ledger::open(&dir, &options, AdmitAll).unwrap();
    disk.fail_now(Fault::Full);
    assert!(matches!(ledger.append(started(1)).await, Err(AppendError::Closed)));
    assert!(matches!(ledger.append(started(2)).await, Err(AppendError::Closed)));
    assert_eq!(ledger.size(), 1);
    let told = told.0.lock().unwrap().clone();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("cannot write") && told[0].contains(".wal") && told[0].contains("no storage"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_ledger_is_made_whole_or_is_none() {
    let count = FaultDisk::default();
    let root = scratch();
    Ledger::create(&root.path().join("whole"), ORIGIN, &on(count.clone()).0).unwrap();
    for at in 1..=count.steps() {
        for fault in [Fault::DieBefore, Fault::DieHalfway, Fault::DieAfter, Fault::Full] {
            let dir = root.path().join(format!("{fault:?}-{at}"));
            let disk = FaultDisk::failing(at, fault);
            let created = Ledger::create(&dir, ORIGIN, &on(disk.clone()).0);
            disk.lose_power(0);
            let opened = Ledger::open(&dir, &on(sightline_ledger::disk::OsDisk).0, AdmitAll);
            match opened {
                Ok(ledger) => ledger.close().await,
                Err(LedgerError::NotALedger { .. }) => assert!(created.is_err(), "{fault:?} at {at}"),
                Err(error) => panic!("{fault:?} at {at}: {error}"),
            }
        }
    }
}
