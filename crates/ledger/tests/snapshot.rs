//! A start from a snapshot comes to the same as a replay, and no snapshot is believed that should not be.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{Chain, Home, erased, revealed, started, tree_only};
use sightline_ledger::verify::{Directory, check};
use sightline_ledger::{Ledger, LedgerError, Options};

fn home() -> Home {
    let mut home = Home::new();
    home.options = Options { segment_bytes: 8192, snapshot_every: 100, ..home.options };
    home
}

fn open(home: &Home, chain: &Chain) -> Ledger {
    Ledger::open(&home.dir(), &home.options, chain.clone()).unwrap()
}

/// Records so many groups of three, one after the other.
async fn record(ledger: &Ledger, groups: u64) {
    for n in 0..groups {
        ledger.append_all(vec![started(n), revealed(&format!("c-{n}")), started(n)]).await.unwrap();
    }
}

/// Opens, records, closes; how many entries were replayed.
async fn go_on(home: &Home) -> u64 {
    let chain = Chain::default();
    let ledger = open(home, &chain);
    let replayed = chain.admitted();
    record(&ledger, 1).await;
    assert_eq!(chain.state().0, ledger.size());
    ledger.close().await;
    replayed
}

fn snapshot(home: &Home) -> std::path::PathBuf {
    home.path("snapshot/snapshot")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_start_from_a_snapshot_replays_nothing_and_comes_to_the_same() {
    let home = home();
    let chain = Chain::default();
    let ledger = open(&home, &chain);
    record(&ledger, 300).await;
    ledger.close().await;

    let again = Chain::default();
    let ledger = open(&home, &again);
    assert_eq!(again.admitted(), 0);
    assert_eq!(again.state(), chain.state());
    // Old entries are read and proved out of segments that the start has not looked into.
    for index in [0, 1, 255, 256, 511, 512, 700, 899] {
        assert_eq!(ledger.read(index, 1).unwrap()[0].index, index);
        ledger.prove(index).unwrap().verify(ledger.verifier()).unwrap();
    }
    assert_eq!(ledger.read(0, 10_000).unwrap().len(), 900);
    record(&ledger, 200).await;
    ledger.close().await;

    let replayed = Chain::that_loads_nothing();
    open(&home, &replayed).close().await;
    assert_eq!((replayed.admitted(), replayed.state()), (1500, again.state()));
    let log = Ledger::open(&home.dir(), &home.options, Chain::default()).unwrap().verifier().clone();
    let good = check(&Directory::open(&home.dir()).unwrap(), &log, tree_only(), &mut |_, _| {}).unwrap();
    assert_eq!(good.summary.entries, 1500);
}

#[tokio::test]
async fn what_came_after_a_snapshot_is_replayed() {
    let home = home();
    let ledger = open(&home, &Chain::default());
    record(&ledger, 10).await;
    ledger.close().await;
    let old = std::fs::read(snapshot(&home)).unwrap();
    assert_eq!(go_on(&home).await, 0);
    std::fs::write(snapshot(&home), old).unwrap();
    assert_eq!(go_on(&home).await, 3);
}

#[tokio::test]
async fn a_snapshot_is_written_while_the_ledger_grows() {
    let home = home();
    let chain = Chain::default();
    let ledger = open(&home, &chain);
    record(&ledger, 40).await;
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !snapshot(&home).exists() {
        assert!(std::time::Instant::now() < patience, "no snapshot after 120 entries");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    ledger.close().await;
}

#[tokio::test]
async fn a_torn_foreign_or_older_snapshot_is_ignored_and_everything_replayed() {
    let home = home();
    let ledger = open(&home, &Chain::default());
    record(&ledger, 100).await;
    ledger.close().await;
    let good = std::fs::read(snapshot(&home)).unwrap();
    let other = common::Home::new();
    let ledger = open(&other, &Chain::default());
    record(&ledger, 100).await;
    ledger.close().await;

    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let older = [b"sightline snapshot 0\n", &good[21..]].concat();
    let foreign = std::fs::read(snapshot(&other)).unwrap();
    let mut cases = vec![older, foreign, Vec::new(), good[..10].to_vec(), good[..good.len() - 1].to_vec()];
    cases.extend((0..good.len()).step_by(good.len() / 7).map(flipped));
    for (case, bytes) in cases.into_iter().enumerate() {
        let at = home.root.path().join(format!("case-{case}"));
        copy(&home.dir(), &at);
        std::fs::write(at.join("snapshot/snapshot"), bytes).unwrap();
        let chain = Chain::default();
        let ledger = Ledger::open(&at, &home.options, chain.clone()).unwrap();
        assert_eq!(chain.admitted(), 300, "case {case}");
        ledger.close().await;
    }
    // Nobody who cannot read the state is given half of it.
    let stubborn = Chain::that_loads_nothing();
    open(&home, &stubborn).close().await;
    assert_eq!(stubborn.admitted(), 300);
}

#[tokio::test]
async fn a_snapshot_of_another_history_is_not_believed() {
    let home = home();
    let ledger = open(&home, &Chain::default());
    record(&ledger, 100).await;
    ledger.close().await;
    // Two copies of one ledger go different ways, to the same size.
    let copied = home.root.path().join("copy");
    copy(&home.dir(), &copied);
    go_on(&home).await;
    let ledger = Ledger::open(&copied, &home.options, Chain::default()).unwrap();
    record(&ledger, 1).await;
    ledger.close().await;
    std::fs::copy(snapshot(&home), copied.join("snapshot/snapshot")).unwrap();
    let chain = Chain::default();
    Ledger::open(&copied, &home.options, chain.clone()).unwrap().close().await;
    assert_eq!(chain.admitted(), 303, "ignored, and replayed");

    // The snapshot is ahead of the journal: the head store says what that means.
    let segment = home.segments().pop().unwrap();
    let length = std::fs::metadata(&segment).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(length - 700).unwrap();
    let opened = Ledger::open(&home.dir(), &home.options, Chain::default());
    assert!(
        matches!(opened, Err(LedgerError::RolledBack { .. } | LedgerError::Damaged { .. })),
        "{opened:?}"
    );
}

#[tokio::test]
async fn a_snapshot_names_nobody_and_goes_with_whom_it_could_name() {
    let home = home();
    let ledger = open(&home, &Chain::default());
    ledger.append(revealed("jane-doe")).await.unwrap();
    ledger.close().await;
    let bytes = std::fs::read(snapshot(&home)).unwrap();
    assert!(!bytes.windows(4).any(|window| window == b"jane"));
    let ledger = open(&home, &Chain::default());
    ledger.append(erased("jane-doe", 1)).await.unwrap();
    assert!(!snapshot(&home).exists(), "a state that names them is not kept");
    ledger.append(started(0)).await.unwrap();
    ledger.close().await;
    assert!(snapshot(&home).exists(), "the state after it does not name them");
    assert_eq!(go_on(&home).await, 0);
}

/// Every published file and its bytes.
fn published(home: &Home) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = common::files(&home.path("public"));
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn tiles_that_are_derived_again_are_the_same_byte_for_byte() {
    let home = home();
    let ledger = open(&home, &Chain::default());
    record(&ledger, 300).await;
    ledger.close().await;
    let before = published(&home);

    // All of them gone, one by one damaged, cut short, or missing: also where the start is from a snapshot.
    for (case, (path, bytes)) in
        before.iter().enumerate().filter(|(_, (path, _))| !path.ends_with("checkpoint"))
    {
        match case % 3 {
            0 => std::fs::remove_file(path).unwrap(),
            1 => std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            _ => std::fs::write(path, vec![7; bytes.len()]).unwrap(),
        }
        let ledger = open(&home, &Chain::default());
        let mut seen = Vec::new();
        let written = ledger.rebuild_tiles(|done, of| seen.push((done, of))).unwrap();
        assert!(written <= 1, "{}", path.display());
        assert_eq!(seen.last(), Some(&(900, 900)));
        ledger.close().await;
        assert_eq!(published(&home), before, "{}", path.display());
    }
    std::fs::remove_dir_all(home.path("public/tile")).unwrap();
    let ledger = open(&home, &Chain::default());
    ledger.rebuild_tiles(|_, _| ()).unwrap();
    ledger.close().await;
    assert_eq!(published(&home), before);
}
