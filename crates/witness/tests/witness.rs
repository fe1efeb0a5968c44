//! What a witness cosigns, what it refuses, and that no crash makes it sign two histories.
#![allow(clippy::unwrap_used)]

extern crate ledger as sightline_ledger;

mod common;
#[path = "../../ledger/tests/common/fault.rs"]
mod fault;

use std::sync::Arc;
use std::time::Duration;

use common::{ORIGIN, START, Story, create, open};
use fault::{Fault, FaultDisk};
use ledger::LogVerifier;
use ledger::cosignature::WitnessKey;
use ledger::disk::OsDisk;
use ledger::note::{Note, SignerKey};
use model::{OsEntropy, Timestamp};
use proptest::prelude::*;
use sightline_witness::judge::{Refusal, Seen, judge};
use sightline_witness::{AddCheckpoint, Witness, WitnessError};

fn refusal(answer: Result<String, WitnessError>) -> Refusal {
    match answer {
        Err(WitnessError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// The time of a cosignature line, if it is right for this note.
fn time_of(key: &WitnessKey, note: &str, line: &str) -> u64 {
    key.verify(&Note::parse(&format!("{note}{line}")).unwrap()).unwrap().time
}

#[test]
fn growth_is_cosigned_and_what_was_cosigned_last_can_be_read_by_anybody() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path());
    let (witness, clock) = open(dir.path(), Arc::new(OsDisk)).unwrap();
    let story = Story::new(0, 0, 300);
    let mut old = 0;
    for size in [0, 1, 2, 7, 7, 256, 300] {
        clock.advance(Duration::from_secs(1));
        let line = witness.add_checkpoint(&story.request(old, size)).unwrap();
        let time = time_of(witness.key(), &story.note(size), &line);
        old = size;
        let id: String = sha2_hex(ORIGIN);
        let last = witness.checkpoint(&id).unwrap();
        assert_eq!(last, story.note(size) + &line);
        assert!(time * 1000 > START.0);
    }
    drop(witness);
    // After a restart it goes on from there.
    let (witness, clock) = open(dir.path(), Arc::new(OsDisk)).unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(refusal(witness.add_checkpoint(&story.request(0, 300))), Refusal::Size(300));
    assert!(witness.add_checkpoint(&story.request(300, 300)).is_ok());
}

fn sha2_hex(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn what_is_not_growth_is_refused_with_its_own_status_and_forks_are_kept_as_evidence() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path());
    let (witness, _) = open(dir.path(), Arc::new(OsDisk)).unwrap();
    let (story, other) = (Story::new(0, 0, 100), Story::new(1, 30, 100));
    witness.add_checkpoint(&story.request(0, 50)).unwrap();
    let ask = |body: Vec<u8>| refusal(witness.add_checkpoint(&body));

    assert_eq!(ask(story.request(20, 60)), Refusal::Size(50), "stale");
    assert_eq!(ask(story.request(20, 40)), Refusal::Size(50), "rolled back");
    assert_eq!(ask(other.request(50, 50)), Refusal::OtherRoot(50), "forked, same size");
    assert_eq!(ask(other.request(50, 90)), Refusal::Proof { old: 50, size: 90 }, "forked, larger");
    let mut request = AddCheckpoint::parse(&story.request(50, 90)).unwrap();
    request.old = 91;
    assert_eq!(ask(request.to_text().into_bytes()), Refusal::Backwards { old: 91, size: 90 });

    let stranger = SignerKey::new("other.example", &[1; 32])
        .unwrap()
        .sign("other.example\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    let stranger = AddCheckpoint { old: 0, proof: vec![], note: stranger };
    assert_eq!(ask(stranger.to_text().into_bytes()), Refusal::UnknownLog("other.example".into()));
    let forged = story.note(90).split_once("\n\n").unwrap().0.to_owned() + "\n";
    let forged = SignerKey::new(ORIGIN, &[2; 32]).unwrap().sign(&forged);
    let forged = AddCheckpoint { old: 50, proof: story.proof(50, 90), note: forged };
    assert!(matches!(ask(forged.to_text().into_bytes()), Refusal::Signature(_)));
    let broken = story.note(90).replacen("90\n", "91\n", 1);
    let broken = AddCheckpoint { old: 50, proof: story.proof(50, 90), note: broken };
    assert!(matches!(ask(broken.to_text().into_bytes()), Refusal::Signature(_)));
    for malformed in ["", "old 1\n", "old 01\n\nx\n1\n2\n\n— x y\n", "old 0\n\nnot a note"] {
        assert!(matches!(ask(malformed.into()), Refusal::Malformed(_)), "{malformed:?}");
    }
    assert!(matches!(ask(vec![b'a'; 300 * 1024]), Refusal::Malformed(_)));

    let evidence = dir.path().join("logs").join(sha2_hex(ORIGIN)).join("evidence");
    let kept: Vec<_> =
        std::fs::read_dir(evidence).unwrap().map(|e| std::fs::read(e.unwrap().path()).unwrap()).collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&other.request(50, 50)) && kept.contains(&other.request(50, 90)));
    // None of it moved the witness.
    assert!(witness.add_checkpoint(&story.request(50, 100)).is_ok());
}

#[test]
fn a_clock_that_was_set_back_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path());
    let (witness, clock) = open(dir.path(), Arc::new(OsDisk)).unwrap();
    let story = Story::new(0, 0, 9);
    witness.add_checkpoint(&story.request(0, 5)).unwrap();
    clock.set(Timestamp(START.0 - 60_000));
    assert!(matches!(witness.add_checkpoint(&story.request(5, 9)), Err(WitnessError::Clock { .. })));
    drop(witness);
    // Nor does a restart forget it.
    let (witness, clock) = open(dir.path(), Arc::new(OsDisk)).unwrap();
    clock.set(Timestamp(START.0 - 60_000));
    assert!(matches!(witness.add_checkpoint(&story.request(5, 9)), Err(WitnessError::Clock { .. })));
    clock.set(START);
    assert!(witness.add_checkpoint(&story.request(5, 9)).is_ok());
}

#[test]
fn a_witness_is_made_in_an_empty_directory_has_one_process_and_knows_a_log_by_one_key() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open(dir.path(), Arc::new(OsDisk)), Err(WitnessError::NotAWitness { .. })));
    create(dir.path());
    let again = Witness::create(dir.path(), "other.example", &OsDisk, &OsEntropy);
    assert!(matches!(again, Err(WitnessError::NotEmpty { .. })));
    let (witness, _) = open(dir.path(), Arc::new(OsDisk)).unwrap();
    assert!(matches!(open(dir.path(), Arc::new(OsDisk)), Err(WitnessError::Locked { .. })));
    let known = Story::new(0, 0, 0);
    assert!(!witness.add_log(known.signer.public()).unwrap());
    let other_key = SignerKey::new(ORIGIN, &[9; 32]).unwrap();
    assert!(matches!(witness.add_log(other_key.public()), Err(WitnessError::OtherKey(_))));
    assert_eq!(witness.logs(), [known.signer.public().to_string()]);
}

#[test]
fn a_damaged_checkpoint_is_said_and_not_taken_for_no_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path());
    let story = Story::new(0, 0, 9);
    open(dir.path(), Arc::new(OsDisk)).unwrap().0.add_checkpoint(&story.request(0, 5)).unwrap();
    let path = dir.path().join("logs").join(sha2_hex(ORIGIN)).join("checkpoint");
    let whole = std::fs::read(&path).unwrap();
    for damaged in
        [&whole[..0], &whole[..whole.len() - 3], story.note(5).as_bytes(), story.note(9).as_bytes()]
    {
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(open(dir.path(), Arc::new(OsDisk)), Err(WitnessError::Damaged { .. })));
    }
}

/// Two stories that part at entry 30, told alternately to a witness whose disk fails at every single step, whose
/// process dies there or whose machine loses its power; and then told again after the restart. Of whatever it ever
/// said, no two lines may stand behind both stories.
#[test]
fn no_crash_at_any_step_makes_it_cosign_two_histories() {
    let (a, b) = (Story::new(0, 30, 64), Story::new(1, 30, 64));
    let steps = {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path());
        let disk = FaultDisk::default();
        let (witness, _) = open(dir.path(), Arc::new(disk.clone())).unwrap();
        tell(&witness, &a, &b, &mut Vec::new());
        disk.steps()
    };
    assert!(steps > 10);
    let mut said_something = 0;
    for fault in
        [Fault::DieBefore, Fault::DieHalfway, Fault::DieAfter, Fault::Full, Fault::ReadOnly, Fault::SyncFails]
    {
        for at in 1..=steps {
            for kept in [0, 256] {
                let dir = tempfile::tempdir().unwrap();
                create(dir.path());
                let disk = FaultDisk::failing(at, fault);
                let mut said = Vec::new();
                if let Ok((witness, _)) = open(dir.path(), Arc::new(disk.clone())) {
                    tell(&witness, &a, &b, &mut said);
                }
                disk.lose_power(kept);
                let before = said.len();
                let (witness, _) = open(dir.path(), Arc::new(OsDisk)).unwrap();
                // Now the other story first.
                tell(&witness, &b, &a, &mut said);
                said_something += usize::from(before > 0 && said.len() > before);
                let parted = |story: u8| said.iter().any(|(teller, size)| *teller == story && *size > 30);
                assert!(!(parted(0) && parted(1)), "{fault:?} at step {at}, {kept}/256 kept: {said:?}");
            }
        }
    }
    assert!(said_something > 0, "the test must have crashed it between two cosignatures");
}

/// Tells both stories in turns, as one who wants to have both cosigned would; notes what the witness says.
fn tell(witness: &Witness, first: &Story, second: &Story, said: &mut Vec<(u8, u64)>) {
    let mut try_with = |story: &Story, size: u64| {
        let mut old = 0;
        for _ in 0..2 {
            match witness.add_checkpoint(&story.request(old, size)) {
                Ok(_) => said.push((story.teller, size)),
                Err(WitnessError::Refused(Refusal::Size(has))) if has <= size => {
                    old = has;
                    continue;
                }
                Err(_) => {}
            }
            break;
        }
    };
    for (size_a, size_b) in [(20, 25), (40, 40), (64, 45)] {
        try_with(first, size_a);
        try_with(second, size_b);
    }
}

#[test]
fn many_at_once_are_cosigned_one_after_another() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path());
    let (witness, _) = open(dir.path(), Arc::new(OsDisk)).unwrap();
    let (a, b) = (Story::new(0, 10, 200), Story::new(1, 10, 200));
    witness.add_checkpoint(&a.request(0, 10)).unwrap();
    let said: Vec<u8> = std::thread::scope(|scope| {
        let ask = |story: &'static str, request: Vec<u8>| {
            let witness = &witness;
            scope.spawn(move || witness.add_checkpoint(&request).ok().map(|_| story.as_bytes()[0]))
        };
        let asked: Vec<_> = (11..60)
            .flat_map(|size| [ask("a", a.request(10, size)), ask("b", b.request(10, size))])
            .collect();
        asked.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(said.len(), 1, "all of them asked from size 10, and only one can be right");
}

proptest! {
    /// The judge against the definition: growth is when the smaller tree is a beginning of the larger one.
    #[test]
    fn only_growth_from_what_was_seen_is_accepted(
        seen in 0u64..80, old in 0u64..80, size in 0u64..80, from in 0u64..80, teller in 0u8..2,
    ) {
        let (told, story) = (Story::new(0, 0, 80), Story::new(teller, from, 80));
        let root = AddCheckpoint::parse(&told.request(0, seen)).unwrap().note;
        let log = LogVerifier::new(story.signer.public().clone());
        let seen = Seen { size: seen, root: log.checkpoint(&root).unwrap().root };
        let proof = if old <= size { story.proof(old, size) } else { Vec::new() };
        let request = AddCheckpoint { old, proof, note: story.note(size) };
        let is_growth = old == seen.size && old <= size && (teller == 0 || from >= seen.size || seen.size == 0);
        prop_assert_eq!(judge(&log, seen, &request).is_ok(), is_growth);
    }

    #[test]
    fn a_request_reads_back_and_arbitrary_bytes_are_no_panic(
        old: u64, proof in proptest::collection::vec(any::<[u8; 32]>(), 0..=63),
        bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "(old [0-9]{1,3}\n)?([A-Za-z0-9+/=]{0,44}\n){0,3}\n?[ -~\n—]{0,80}",
    ) {
        let request = AddCheckpoint { old, proof, note: Story::new(0, 0, 1).note(1) };
        prop_assert_eq!(AddCheckpoint::parse(request.to_text().as_bytes()), Ok(request));
        let _ = AddCheckpoint::parse(&bytes);
        if let Ok(request) = AddCheckpoint::parse(text.as_bytes()) {
            let log = LogVerifier::new(Story::new(0, 0, 0).signer.public().clone());
            prop_assert!(judge(&log, Seen::nothing(), &request).is_err());
        }
    }
}

#[test]
fn sixty_three_hashes_are_read_and_sixty_four_are_not() {
    let request = |n| AddCheckpoint { old: 1, proof: vec![[0; 32]; n], note: "x\n\n— a b\n".into() };
    assert!(AddCheckpoint::parse(request(63).to_text().as_bytes()).is_ok());
    assert!(AddCheckpoint::parse(request(64).to_text().as_bytes()).is_err());
}
