//! A compacted ledger is smaller, and says the same to everybody; and whatever happens meanwhile, nothing is lost.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/fault.rs"]
mod fault;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Chain, Home, erased, files, listed, revealed, started, tree_only};
use fault::{Fault, FaultDisk};
use sightline_ledger::tile::{Kind, TilePath, kinds, nodes_at};
use sightline_ledger::verify::{self, Damage, Directory, check};
use sightline_ledger::{Admission, Archive, Compaction, Ledger, Options, Record};

fn home() -> Home {
    let mut home = Home::new();
    let publish_every = Duration::from_millis(2);
    home.options = Options { segment_bytes: 40_000, compact: false, publish_every, ..home.options };
    home
}

fn open(home: &Home, admission: impl Admission) -> Ledger {
    Ledger::open(&home.dir(), &home.options, admission).unwrap()
}

/// Batches of every size, looks and lists at customers who come again, and entries about nobody.
async fn work(ledger: &Ledger, batches: u64) {
    for n in 0..batches {
        let mut group = vec![started(n), revealed(&format!("c-{}", n % 7)), listed(&["c-1", "c-2", "c-1"])];
        group.extend((0..n % 40).map(|m| revealed(&format!("c-{}", n * m % 11))));
        ledger.append_all(group).await.unwrap();
    }
}

/// What is published can be compacted.
fn compact(ledger: &Ledger) -> Compaction {
    let published = || ledger.verifier().checkpoint(&ledger.published()).unwrap().size;
    while published() < ledger.size() {
        std::thread::sleep(Duration::from_millis(2));
    }
    ledger.compact(|_, _| {}).unwrap()
}

fn all(ledger: &Ledger) -> Vec<Record> {
    ledger.read(0, usize::MAX).unwrap()
}

/// Every tile that the log serves, of every width.
fn tiles(ledger: &Ledger) -> Vec<(String, Vec<u8>)> {
    let size = ledger.verifier().checkpoint(&ledger.published()).unwrap().size;
    let mut found = Vec::new();
    for kind in kinds(size) {
        for number in 0..nodes_at(kind, size).div_ceil(256) {
            let whole = TilePath::at_size(kind, number, size).unwrap();
            let widths = (1..=whole.width() as u64).filter(|width| width % 37 == 1 || *width == 256);
            let ends = widths.map(|width| {
                (number * 256 + width) << if let Kind::Hashes(level) = kind { 8 * level } else { 0 }
            });
            for tile in ends.filter_map(|end| TilePath::at_size(kind, number, end)) {
                let path = tile.to_string();
                let bytes = ledger.tile(&path).unwrap().unwrap_or_else(|| panic!("{path}"));
                found.push((path, bytes));
            }
        }
    }
    found
}

fn verified(home: &Home, ledger: &Ledger) -> verify::Checked {
    check(&Directory::open(&home.dir()).unwrap(), ledger.verifier(), tree_only(), &mut |_, _| {}).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let to = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
}

#[tokio::test]
async fn a_compacted_ledger_is_smaller_and_says_the_same_to_everybody() {
    let home = home();
    let chain = Chain::default();
    let ledger = open(&home, chain.clone());
    work(&ledger, 120).await;
    compact(&ledger);
    work(&ledger, 30).await;
    ledger.close().await;
    drop(ledger);
    let plain = self::home();
    let _ = fs::remove_dir_all(plain.dir());
    copy(&home.dir(), &plain.dir());

    let archive = Archive::open(&home.dir(), &home.options).unwrap();
    let ledger = open(&home, Chain::default());
    let (before, tiles_before) = (all(&ledger), tiles(&ledger));
    let mut heard = Vec::new();
    let done = ledger.compact(|done, of| heard.push((done, of))).unwrap();
    assert!(done.segments >= 1 && done.bytes_after() < done.bytes_before(), "{done:?}");
    assert_eq!(heard.last(), Some(&(done.entries, done.entries)));
    assert_eq!(compact(&ledger), Compaction::default(), "there is nothing left to compact");
    assert!(files(&home.path("public")).iter().any(|file| file.extension().is_some_and(|e| e == "gz")));
    assert!(!home.path("public/tile/entries/000").exists() && !home.path("public/tile/0/000").exists());

    // In the process that did it, in one that had it open before, and in one that opens it now: from the snapshot, and
    // with everything admitted again.
    assert_eq!(all(&ledger), before);
    assert_eq!(tiles(&ledger), tiles_before);
    assert_eq!(archive.read(0, usize::MAX).unwrap(), before);
    for index in (0..ledger.size()).step_by(13) {
        assert_eq!(ledger.read(index, 2).unwrap()[0], before[index as usize]);
        assert_eq!(archive.read(index, 1).unwrap()[0], before[index as usize]);
        ledger.prove(index).unwrap().verify(ledger.verifier()).unwrap();
        ledger.prove_growth(index).unwrap();
    }
    let (entries, batches) =
        verified(&home, &ledger).summary.journal.map(|j| (j.entries, j.batches)).unwrap();
    assert_eq!(entries, ledger.size());
    assert!(batches < 150, "checkpoints are fewer ({batches})");
    ledger.close().await;
    drop(ledger);
    let mut states = Vec::new();
    for chain in [Chain::default(), Chain::that_loads_nothing()] {
        let ledger = open(&home, chain.clone());
        assert_eq!(all(&ledger), before);
        assert_eq!(tiles(&ledger), tiles_before);
        assert_eq!(ledger.rebuild_tiles(|_, _| {}).unwrap(), 0, "what is left out is not written again");
        assert_eq!(Archive::open(&home.dir(), &home.options).unwrap().read(0, usize::MAX).unwrap(), before);
        ledger.close().await;
        states.push(chain.state());
    }
    // A copy from before goes on, too.
    let twin = Chain::that_loads_nothing();
    let ledger = open(&plain, twin.clone());
    assert_eq!(all(&ledger), before);
    ledger.close().await;
    assert!(states.iter().all(|state| *state == twin.state()));
    let ledger = open(&home, Chain::default());
    work(&ledger, 1).await;
    ledger.close().await;
    verified(&home, &ledger);
}

#[tokio::test]
async fn it_is_compacted_in_the_background_while_everybody_reads_and_writes() {
    let mut home = home();
    home.options = Options {
        compact: true,
        snapshot_every: 500,
        publish_every: Duration::from_millis(5),
        ..home.options
    };
    let ledger = open(&home, Chain::default());
    let mut known = Vec::new();
    let started_at = Instant::now();
    let compacted = |home: &Home| {
        let packed = |file: &&PathBuf| file.extension().is_some_and(|e| e == "gz");
        files(&home.path("public")).iter().filter(packed).count()
    };
    while compacted(&home) < 20 {
        work(&ledger, 40).await;
        let read = all(&ledger);
        assert_eq!(read[..known.len()], known[..]);
        known = read;
        let archive = Archive::open(&home.dir(), &home.options).unwrap();
        assert_eq!(archive.read(0, known.len()).unwrap(), known);
        ledger.prove(known.len() as u64 / 2).unwrap().verify(ledger.verifier()).unwrap();
        assert!(started_at.elapsed() < Duration::from_secs(60), "nothing is compacted");
    }
    ledger.close().await;
    drop(ledger);
    let again = Chain::default();
    let ledger = open(&home, again.clone());
    assert_eq!(again.admitted(), 0, "the snapshot is still good");
    assert_eq!(all(&ledger)[..known.len()], known[..]);
    ledger.close().await;
    verified(&home, &ledger);
}

#[tokio::test]
async fn nothing_is_lost_wherever_the_process_dies_or_the_disk_fails() {
    let mut home = home();
    // Nothing else writes meanwhile.
    home.options.publish_every = Duration::from_secs(3600);
    let ledger = open(&home, Chain::default());
    work(&ledger, 24).await;
    ledger.close().await;
    let before = all(&ledger);
    drop(ledger);
    let scratch =
        tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap();
    // How many steps it takes to open, and then to compact.
    let whole = scratch.path().join("whole");
    copy(&home.dir(), &whole);
    let count = FaultDisk::default();
    let options = Options { disk: Arc::new(count.clone()), ..home.options.clone() };
    let ledger = Ledger::open(&whole, &options, Chain::default()).unwrap();
    let opened = count.steps();
    assert!(compact(&ledger).segments > 0);
    let steps = count.steps() - opened;
    ledger.close().await;
    assert!(steps > 10, "every kind of step ({steps})");

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
            let dir = scratch.path().join("case");
            copy(&home.dir(), &dir);
            let disk = FaultDisk::failing(opened + at, fault);
            let told = fault::Told::default();
            let options = Options {
                disk: Arc::new(disk.clone()),
                fatal: Arc::new(told.clone()),
                ..home.options.clone()
            };
            let ledger = Ledger::open(&dir, &options, Chain::default()).unwrap();
            let outcome = ledger.compact(|_, _| {});
            assert!(outcome.is_err() || matches!(fault, Fault::Full | Fault::SyncFails), "{case}: unnoticed");
            ledger.close().await;
            drop(ledger);
            if let Fault::DieBefore | Fault::DieHalfway | Fault::DieAfter = fault {
                disk.lose_power([0, 100, 256][at as usize % 3]);
            }
            for chain in [Chain::default(), Chain::that_loads_nothing()] {
                let ledger =
                    Ledger::open(&dir, &home.options, chain).unwrap_or_else(|e| panic!("{case}: {e}"));
                assert_eq!(all(&ledger), before, "{case}");
                ledger.close().await;
            }
            // The next time goes through, and the one after has nothing left to do.
            let ledger = Ledger::open(&dir, &home.options, Chain::default()).unwrap();
            compact(&ledger);
            assert_eq!(compact(&ledger), Compaction::default(), "{case}");
            assert_eq!(all(&ledger), before, "{case}");
            ledger.close().await;
            let log = Directory::open(&dir).unwrap();
            check(&log, ledger.verifier(), tree_only(), &mut |_, _| {})
                .unwrap_or_else(|e| panic!("{case}: {e}"));
            let left = files(&dir);
            assert!(!left.iter().any(|file| file.ends_with("tile/0/000")), "{case}: nothing is kept twice");
            drop(ledger);
            fs::remove_dir_all(&dir).unwrap();
        }
    }
}

#[tokio::test]
async fn openings_of_the_erased_are_gone_from_the_disk_and_others_are_there() {
    let home = home();
    let ledger = open(&home, Chain::default());
    work(&ledger, 30).await;
    ledger.close().await;
    drop(ledger);
    let keys = fs::read(home.path("keys.db")).unwrap();
    let ledger = open(&home, Chain::default());
    let names = |ledger: &Ledger| -> Vec<Vec<Option<String>>> {
        let name = |o: &Option<model::Opening>| Some(o.as_ref()?.subject.customer.to_string());
        all(ledger).iter().map(|record| record.openings.iter().map(name).collect()).collect()
    };
    let before = names(&ledger);
    // Of some the keys go before, of others afterwards.
    ledger.append(erased("c-1", 1)).await.unwrap();
    compact(&ledger);
    ledger.append(erased("c-2", 2)).await.unwrap();
    let without = |gone: &[&str]| -> Vec<Vec<Option<String>>> {
        let keep = |name: &Option<String>| name.clone().filter(|name| !gone.contains(&name.as_str()));
        before.iter().map(|names| names.iter().map(keep).collect()).collect()
    };
    assert_eq!(names(&ledger)[..before.len()], without(&["c-1", "c-2"]));
    ledger.close().await;
    drop(ledger);
    // With an old copy of the keys, what was erased afterwards can be read in a copy of before; what was erased before
    // is nowhere.
    fs::write(home.path("keys.db"), keys).unwrap();
    let archive = Archive::open(&home.dir(), &home.options).unwrap();
    let compacted = first_plain(&home) as usize;
    assert!(compacted > 100);
    let read = archive.read(0, compacted).unwrap();
    let found = read.iter().map(|record| {
        record.openings.iter().map(|o| o.as_ref().map(|o| o.subject.customer.to_string())).collect::<Vec<_>>()
    });
    assert_eq!(found.collect::<Vec<_>>(), without(&["c-1"])[..compacted]);
}

/// The first entry of the first segment that is not compacted.
fn first_plain(home: &Home) -> u64 {
    let plain =
        home.segments().into_iter().find(|path| !fs::read(path).unwrap().starts_with(b"SLC1")).unwrap();
    plain.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_head_store_that_is_older_than_the_checkpoints_that_were_kept_is_still_met() {
    let home = home();
    let ledger = open(&home, Chain::default());
    work(&ledger, 10).await;
    ledger.close().await;
    let old = fs::read(home.path("head/checkpoint")).unwrap();
    let ledger = open(&home, Chain::default());
    work(&ledger, 60).await;
    ledger.close().await;
    let size = ledger.verifier().checkpoint(std::str::from_utf8(&old).unwrap()).unwrap().size;
    let ledger = open(&home, Chain::default());
    compact(&ledger);
    ledger.close().await;
    assert!(first_plain(&home) > size);
    for chain in [Chain::default(), Chain::that_loads_nothing()] {
        fs::write(home.path("head/checkpoint"), &old).unwrap();
        let ledger = open(&home, chain);
        ledger.close().await;
    }
    // The same for a checkpoint that is given out late, as with witnesses.
    fs::write(home.path("public/checkpoint"), &old).unwrap();
    assert_eq!(verified(&home, &ledger).summary.entries, size);
}

#[tokio::test]
async fn damage_to_what_was_compacted_is_found_and_named() {
    let home = home();
    let ledger = open(&home, Chain::default());
    work(&ledger, 60).await;
    compact(&ledger);
    ledger.close().await;
    let log = ledger.verifier().clone();
    drop(ledger);
    let verify =
        || check(&Directory::open(&home.dir()).unwrap(), &log, tree_only(), &mut |_, _| {}).map(drop);
    verify().unwrap();
    let packed = home.path("public/tile/entries/001.gz");
    let bundle = std::process::Command::new("gzip").arg("-dc").arg(&packed).output().unwrap().stdout;
    let segment =
        home.segments().into_iter().find(|path| fs::read(path).unwrap().starts_with(b"SLC1")).unwrap();
    for (path, name) in [(&packed, "tile/entries/001"), (&segment, ".wal")] {
        let good = fs::read(path).unwrap();
        // The header of a gzip file has bytes that say nothing: time, operating system.
        let from = if *path == packed { 10 } else { 0 };
        for at in (from..good.len()).step_by(good.len() / 60) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(path, &bad).unwrap();
            // Some flips lead to the same bytes, copied from another place: nothing is damaged then.
            let unpacked = std::process::Command::new("gzip").arg("-dc").arg(path).output().unwrap();
            if unpacked.status.success() && unpacked.stdout == bundle {
                continue;
            }
            let damage = verify().expect_err(&format!("byte {at} of {}", path.display()));
            assert!(damage.to_string().contains(name), "{damage}");
        }
        for cut in [0, 5, good.len() / 2, good.len() - 1] {
            fs::write(path, &good[..cut]).unwrap();
            verify().unwrap_err();
        }
        fs::write(path, &good).unwrap();
    }
    // Another bundle in its place, well packed.
    let good = fs::read(&packed).unwrap();
    fs::copy(home.path("public/tile/entries/000.gz"), &packed).unwrap();
    let damage = verify().unwrap_err();
    assert!(damage.to_string().contains("from hash 1 on"), "{damage}");
    fs::remove_file(&packed).unwrap();
    assert!(matches!(verify().unwrap_err(), Damage::Missing { .. }));
    let error = Ledger::open(&home.dir(), &home.options, Chain::that_loads_nothing()).unwrap_err();
    assert!(
        error.to_string().contains("001.gz") && error.to_string().contains("restore the file"),
        "{error}"
    );
    fs::write(&packed, &good).unwrap();
    open(&home, Chain::that_loads_nothing()).close().await;
    // A plain tile beside a packed one is what counts, and must say the same.
    fs::write(home.path("public/tile/entries/001"), b"x").unwrap();
    verify().unwrap_err();
    fs::remove_file(home.path("public/tile/entries/001")).unwrap();
    fs::write(home.path("public/tile/entries/001.p.gz"), b"x").unwrap();
    assert!(matches!(verify().unwrap_err(), Damage::Foreign { .. }));
}

#[tokio::test]
async fn nothing_that_is_not_published_is_compacted() {
    let mut home = home();
    home.options.publish_every = Duration::from_secs(3600);
    let ledger = open(&home, Chain::default());
    work(&ledger, 30).await;
    assert_eq!(ledger.compact(|_, _| {}).unwrap(), Compaction::default());
    ledger.close().await;
}

#[tokio::test]
async fn a_damaged_bundle_makes_no_wrong_receipt_where_the_journal_still_has_its_entries() {
    let home = home();
    let ledger = open(&home, Chain::default());
    work(&ledger, 30).await;
    ledger.close().await;
    drop(ledger);
    let path = home.path("public/tile/entries/000");
    let mut bundle = fs::read(&path).unwrap();
    let middle = bundle.len() / 2;
    bundle[middle] ^= 1;
    fs::write(&path, bundle).unwrap();
    let ledger = open(&home, Chain::default());
    for (index, record) in all(&ledger).iter().enumerate() {
        let receipt = ledger.prove(index as u64).unwrap();
        assert_eq!(receipt.verify(ledger.verifier()).unwrap().entry(), &record.entry);
    }
    ledger.close().await;
}
