//! Damage, rollback, forgery and foreign things: found, named, and nothing overwritten.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Home, ORIGIN, files, options, revealed, started, tree_only};
use sightline_ledger::checkpoint::Checkpoint;
use sightline_ledger::note::SignerKey;
use sightline_ledger::verify::{Damage, Directory, Options, Summary, check, entries, prove};
use sightline_ledger::{AdmitAll, Archive, Ledger, LedgerError, LogVerifier};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let there = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::copy(&path, there).unwrap();
    }
}

fn open(dir: &Path) -> Result<Ledger, LedgerError> {
    Ledger::open(dir, &options().0, AdmitAll)
}

fn verifier(dir: &Path) -> LogVerifier {
    LogVerifier::from_vkey(&fs::read_to_string(dir.join("log.vkey")).unwrap()).unwrap()
}

fn verify(dir: &Path, log: &LogVerifier) -> Result<Summary, Damage> {
    check(&Directory::open(dir).unwrap(), log, tree_only(), &mut |_, _| {}).map(|good| good.summary)
}

/// A ledger of five batches whose entries are released and not published, as a process that was killed leaves it.
async fn killed() -> (Home, PathBuf) {
    let home = Home::new();
    let ledger = home.open();
    for n in 0..5 {
        ledger.append_all(vec![started(n), revealed("c-1")]).await.unwrap();
    }
    let dir = home.root.path().join("killed");
    copy(&home.dir(), &dir);
    ledger.close().await;
    (home, dir)
}

#[tokio::test]
async fn no_flipped_bit_in_a_released_batch_is_taken_for_an_interrupted_write() {
    let (_home, dir) = killed().await;
    let segment = files(&dir.join("journal")).pop().unwrap();
    let whole = fs::read(&segment).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&segment, &damaged).unwrap();
        match open(&dir) {
            Err(LedgerError::Damaged { path, offset, .. }) => {
                assert!(path == segment && offset <= at as u64, "byte {at}: {offset}");
            }
            other => panic!("byte {at}: {other:?}"),
        }
        assert_eq!(fs::read(&segment).unwrap(), damaged, "nothing is overwritten");
    }
}

#[tokio::test]
async fn an_interrupted_write_is_cut_off_and_everything_before_it_kept() {
    let (_home, dir) = killed().await;
    let segment = files(&dir.join("journal")).pop().unwrap();
    let whole = fs::read(&segment).unwrap();
    let four = Archive::open(&dir, &options().0).unwrap().read(0, 8).unwrap();
    let fifth = whole.windows(4).enumerate().rfind(|(_, bytes)| bytes == b"SLJ1").unwrap().0;
    let mut interrupted: Vec<Vec<u8>> =
        (fifth..whole.len()).step_by(7).map(|length| whole[..length].to_vec()).collect();
    // The file was made longer, and sectors of the frame never arrived.
    for zeros in
        [fifth..whole.len(), fifth..fifth + 512 - fifth % 512, (whole.len() / 512) * 512..whole.len()]
    {
        let mut torn = whole.clone();
        torn[zeros].fill(0);
        interrupted.push(torn);
    }
    for torn in interrupted {
        fs::write(&segment, &torn).unwrap();
        // Whoever only reads sees the whole batches, and changes nothing.
        assert_eq!(Archive::open(&dir, &options().0).unwrap().size(), 8);
        assert_eq!(fs::read(&segment).unwrap(), torn);
        let each = tempfile::tempdir().unwrap();
        copy(&dir, each.path());
        let ledger = open(each.path()).unwrap();
        assert_eq!(ledger.read(0, 99).unwrap(), four);
        let receipt = ledger.append(started(9)).await.unwrap();
        assert_eq!(receipt.verify(ledger.verifier()).unwrap().index(), 8);
        ledger.close().await;
        assert_eq!(verify(each.path(), &verifier(&dir)).unwrap().entries, 9);
    }
}

#[tokio::test]
async fn nothing_that_was_published_is_ever_cut_off() {
    let (home, _) = killed().await;
    let segment = home.segments().pop().unwrap();
    let whole = fs::read(&segment).unwrap();
    for length in [whole.len() - 1, whole.len() / 2, 0] {
        fs::write(&segment, &whole[..length]).unwrap();
        let refused = open(&home.dir()).unwrap_err();
        assert!(matches!(refused, LedgerError::Damaged { .. } | LedgerError::RolledBack { .. }), "{refused}");
        assert_eq!(fs::read(&segment).unwrap().len(), length);
    }
}

#[tokio::test]
async fn a_hole_in_the_journal_is_damage() {
    let home = Home::new();
    let small = sightline_ledger::Options { segment_bytes: 1, ..home.options.clone() };
    let ledger = Ledger::open(&home.dir(), &small, AdmitAll).unwrap();
    for n in 0..4 {
        ledger.append(started(n)).await.unwrap();
    }
    ledger.close().await;
    let segments = home.segments();
    assert_eq!(segments.len(), 4);
    let second = fs::read(&segments[1]).unwrap();
    fs::remove_file(&segments[1]).unwrap();
    let refused = open(&home.dir()).unwrap_err();
    assert!(
        matches!(&refused, LedgerError::Damaged { path, entry: 1, .. } if *path == segments[2]),
        "{refused}"
    );
    // Cut short in the middle, not at the end: no interrupted write does that.
    fs::write(&segments[1], &second[..second.len() - 9]).unwrap();
    let refused = open(&home.dir()).unwrap_err();
    assert!(matches!(&refused, LedgerError::Damaged { path, .. } if *path == segments[1]), "{refused}");
    fs::write(&segments[1], second).unwrap();
    fs::write(home.path("journal/notes.txt"), "x").unwrap();
    assert!(matches!(open(&home.dir()), Err(LedgerError::Foreign { .. })));
    fs::remove_file(home.path("journal/notes.txt")).unwrap();
    assert_eq!(open(&home.dir()).unwrap().size(), 4);
}

#[tokio::test]
async fn a_journal_that_was_rolled_back_is_noticed() {
    let home = Home::new();
    let ledger = home.open();
    ledger.append(started(0)).await.unwrap();
    ledger.close().await;
    let backup = home.root.path().join("backup");
    copy(&home.path("journal"), &backup);
    let ledger = home.open();
    ledger.append(started(1)).await.unwrap();
    ledger.close().await;
    fs::remove_dir_all(home.path("journal")).unwrap();
    copy(&backup, &home.path("journal"));
    let refused = open(&home.dir()).unwrap_err();
    assert!(matches!(refused, LedgerError::RolledBack { head: 2, size: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("rolled back"), "{refused}");

    fs::remove_file(home.path("head/checkpoint")).unwrap();
    assert!(matches!(open(&home.dir()), Err(LedgerError::HeadMissing { .. })));
}

#[tokio::test]
async fn two_histories_of_one_log_are_told_apart() {
    let home = Home::new();
    let ledger = home.open();
    ledger.append(started(0)).await.unwrap();
    ledger.close().await;
    let twin = home.root.path().join("twin");
    copy(&home.dir(), &twin);
    for (dir, n) in [(home.dir(), 1), (twin.clone(), 2)] {
        let ledger = open(&dir).unwrap();
        ledger.append(started(n)).await.unwrap();
        ledger.close().await;
        verify(&dir, &verifier(&dir)).unwrap();
    }
    let theirs = twin.join("public");
    fs::remove_dir_all(&theirs).unwrap();
    copy(&home.path("public"), &theirs);
    let damage = verify(&twin, &verifier(&twin)).unwrap_err();
    assert!(matches!(damage, Damage::Disagreement { size: 2 }), "{damage}");

    fs::copy(home.path("head/checkpoint"), twin.join("head/checkpoint")).unwrap();
    let refused = open(&twin).unwrap_err();
    assert!(matches!(refused, LedgerError::Forked { size: 2, .. }), "{refused}");
}

#[tokio::test]
async fn a_second_process_on_a_copy_with_the_same_head_store_is_stopped() {
    let home = Home::new();
    let twin = home.root.path().join("twin");
    let head = home.root.path().join("elsewhere");
    let ledger = home.open();
    ledger.append(started(0)).await.unwrap();
    ledger.close().await;
    copy(&home.path("head"), &head);
    copy(&home.dir(), &twin);
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let options = sightline_ledger::Options {
        head: Some(head),
        fatal: std::sync::Arc::new(Told(told.clone())),
        ..home.options.clone()
    };
    let first = Ledger::open(&home.dir(), &options, AdmitAll).unwrap();
    let second = Ledger::open(&twin, &options, AdmitAll).unwrap();
    first.append(started(1)).await.unwrap();
    first.close().await;
    second.append(started(2)).await.unwrap();
    second.close().await;
    let told = told.lock().unwrap().clone();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("changed by somebody else"), "{told:?}");
}

#[derive(Debug)]
struct Told(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl sightline_ledger::Fatal for Told {
    fn fatal(&self, error: &LedgerError) {
        self.0.lock().unwrap().push(error.to_string());
    }
}

/// A published log of 600 entries, in one piece, and nothing else.
async fn published() -> (Home, PathBuf) {
    let home = Home::new();
    let ledger = home.open();
    for first in [0, 200, 400] {
        ledger.append_all((first..first + 200).map(started).collect()).await.unwrap();
    }
    ledger.close().await;
    let public = home.root.path().join("copy");
    copy(&home.path("public"), &public);
    (home, public)
}

#[tokio::test]
async fn a_whole_log_verifies_and_says_in_numbers_what_was_checked() {
    let (home, public) = published().await;
    let log = verifier(&home.dir());
    let mut told = Vec::new();
    let summary = check(&Directory::open(&public).unwrap(), &log, Options::default(), &mut |done, of| {
        told.push((done, of));
    });
    let summary = summary.unwrap().summary;
    assert_eq!((summary.origin.as_str(), summary.entries, summary.bundles), (ORIGIN, 600, 3));
    // Two full tiles and a partial one of leaves, and one of their roots.
    assert_eq!((summary.tiles, summary.signatures, summary.journal), (4, 1, None));
    assert_eq!(told, [(256, 600), (512, 600), (600, 600)]);

    let journal = verify(&home.dir(), &log).unwrap().journal.unwrap();
    assert_eq!((journal.entries, journal.batches, journal.unfinished_bytes), (600, 3, 0));

    let source = Directory::open(&public).unwrap();
    for index in [0, 255, 256, 599] {
        let receipt = prove(&source, &log, index).unwrap();
        assert_eq!(receipt.verify(&log).unwrap().index(), index);
    }
    assert!(matches!(prove(&source, &log, 600), Err(Damage::Missing { .. })));
    let some = entries(&source, &log, 250, 10).unwrap();
    assert!(some.iter().map(|(index, _)| *index).eq(250..260));
    assert_eq!(some[3].1.event, started(253).event);
}

#[tokio::test]
async fn every_flipped_bit_in_what_is_published_is_found_and_named() {
    let (home, public) = published().await;
    let log = verifier(&home.dir());
    for path in files(&public) {
        let whole = fs::read(&path).unwrap();
        let name = path.strip_prefix(&public).unwrap().to_str().unwrap().to_owned();
        for at in (0..whole.len()).step_by(1 + whole.len() / 60) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&path, &damaged).unwrap();
            let damage = verify(&public, &log).unwrap_err().to_string();
            assert!(damage.contains(&name), "byte {at} of {name}: {damage}");
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(verify(&public, &log).unwrap_err().to_string().contains(&name), "{name}, one byte short");
        fs::remove_file(&path).unwrap();
        match Directory::open(&public) {
            Ok(source) => {
                let missing = check(&source, &log, tree_only(), &mut |_, _| {}).unwrap_err();
                assert!(matches!(missing, Damage::Missing { .. }) && missing.to_string().contains(&name));
            }
            Err(error) => assert_eq!(name, "checkpoint", "{error}"),
        }
        fs::write(&path, whole).unwrap();
    }
    verify(&public, &log).unwrap();
}

#[tokio::test]
async fn what_was_moved_or_forged_is_found() {
    let (home, public) = published().await;
    let log = verifier(&home.dir());
    let path = |name: &str| public.join(name);
    let swap = |a: &str, b: &str| {
        fs::rename(path(a), path("aside")).unwrap();
        fs::rename(path(b), path(a)).unwrap();
        fs::rename(path("aside"), path(b)).unwrap();
    };
    swap("tile/0/000", "tile/0/001");
    assert!(matches!(verify(&public, &log), Err(Damage::Leaf { index: 0, .. })));
    swap("tile/0/000", "tile/0/001");
    swap("tile/entries/000", "tile/entries/001");
    assert!(matches!(verify(&public, &log), Err(Damage::Leaf { index: 0, .. })));
    swap("tile/entries/000", "tile/entries/001");

    // Two entries of the same length change places.
    let bundle = fs::read(path("tile/entries/000")).unwrap();
    let mut list: Vec<Vec<u8>> =
        sightline_ledger::tile::entries(&bundle).map(|entry| entry.unwrap().to_vec()).collect();
    list.swap(20, 21);
    let mut reordered = Vec::new();
    list.iter().for_each(|entry| sightline_ledger::tile::push_entry(&mut reordered, entry));
    fs::write(path("tile/entries/000"), reordered).unwrap();
    let damage = verify(&public, &log).unwrap_err();
    assert!(matches!(damage, Damage::Leaf { index: 20, .. }), "{damage}");
    fs::write(path("tile/entries/000"), bundle).unwrap();

    let note = fs::read_to_string(path("checkpoint")).unwrap();
    let honest = log.checkpoint(&note).unwrap();
    let forge = |signer: &SignerKey, checkpoint: &Checkpoint| {
        fs::write(path("checkpoint"), signer.sign(&checkpoint.body())).unwrap();
        verify(&public, &log).unwrap_err()
    };
    let stranger = SignerKey::new(ORIGIN, &[9; 32]).unwrap();
    assert!(matches!(forge(&stranger, &honest), Damage::Checkpoint { .. }));
    // Even whoever has the key cannot sign for another tree, another size, another log.
    let owner = SignerKey::from_text(&fs::read_to_string(home.path("log.key")).unwrap()).unwrap();
    let damage = forge(&owner, &Checkpoint { root: [1; 32], ..honest.clone() });
    assert!(matches!(damage, Damage::Root { size: 600 }), "{damage}");
    let damage = forge(&owner, &Checkpoint { size: 601, ..honest.clone() });
    assert!(matches!(damage, Damage::Missing { .. }), "{damage}");
    let damage = forge(&owner, &Checkpoint { origin: "other.example".into(), ..honest });
    assert!(matches!(damage, Damage::Checkpoint { .. }), "{damage}");
}

#[tokio::test]
async fn tiles_are_derived_again_byte_for_byte() {
    let (home, public) = published().await;
    let before: Vec<_> = files(&public).iter().map(|path| fs::read(path).unwrap()).collect();
    fs::remove_dir_all(home.path("public/tile/0")).unwrap();
    fs::write(home.path("public/tile/entries/001"), "torn").unwrap();
    fs::remove_file(home.path("public/checkpoint")).unwrap();
    open(&home.dir()).unwrap().close().await;
    let after: Vec<_> = files(&home.path("public")).iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_partial_tile_is_served_for_every_published_size() {
    let home = Home::new();
    let ledger = home.open();
    ledger.append_all((0..100).map(started).collect()).await.unwrap();
    ledger.close().await;
    let at_100 = fs::read(home.path("public/tile/entries/000.p/100")).unwrap();
    let ledger = home.open();
    ledger.append_all((100..300).map(started).collect()).await.unwrap();
    assert_eq!(ledger.tile("tile/entries/000").unwrap(), None, "not published yet");
    ledger.close().await;
    let ledger = home.open();
    assert_eq!(ledger.tile("tile/entries/000.p/100").unwrap(), Some(at_100));
    assert_eq!(
        ledger.tile("tile/0/000.p/100").unwrap().unwrap(),
        ledger.tile("tile/0/000").unwrap().unwrap()[..3200]
    );
    for none in [
        "tile/0/001.p/45",
        "tile/0/001",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/0/002.p/1",
        "checkpoint",
        "../log.key",
    ] {
        assert_eq!(ledger.tile(none).unwrap(), None, "{none}");
    }
    assert!(ledger.tile("tile/1/000.p/1").unwrap().is_some());
    ledger.close().await;
}

#[tokio::test]
async fn what_is_no_ledger_or_another_one_is_refused_and_left_alone() {
    let home = Home::new();
    let ledger = home.open();
    ledger.append(revealed("c-1")).await.unwrap();
    ledger.close().await;
    let create = |dir: &Path| Ledger::create(dir, ORIGIN, &home.options);
    assert!(matches!(create(&home.dir()), Err(LedgerError::NotEmpty { .. })));
    let foreign = home.root.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), "x").unwrap();
    assert!(matches!(create(&foreign), Err(LedgerError::NotEmpty { found, .. }) if found == "thesis.txt"));
    assert!(matches!(open(&foreign), Err(LedgerError::NotALedger { .. })));
    assert_eq!(files(&foreign).len(), 1, "nothing was added");

    let other = home.root.path().join("other");
    Ledger::create(&other, "other.example", &home.options).unwrap();
    let swapped = |name: &str| {
        let mine = fs::read(home.path(name)).unwrap();
        fs::copy(other.join(name), home.path(name)).unwrap();
        let refused = open(&home.dir()).unwrap_err();
        fs::write(home.path(name), mine).unwrap();
        refused
    };
    assert!(matches!(swapped("log.key"), LedgerError::Checkpoint { .. }));
    assert!(matches!(swapped("master.key"), LedgerError::Openings { index: 0, .. }));
    assert!(matches!(swapped("head/checkpoint"), LedgerError::Checkpoint { .. }));
    fs::write(home.path("format"), "sightline ledger 9\n").unwrap();
    assert!(matches!(open(&home.dir()), Err(LedgerError::Format { .. })));
}

#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    for name in ["log.key", "master.key"] {
        assert_eq!(fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(home.dir()).unwrap().permissions().mode() & 0o777, 0o700);
}
