//! The same trees, proofs, tiles and notes as other people's implementations.
#![allow(clippy::unwrap_used)]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;
use sightline_ledger::note::{Note, NoteError, SignerKey, VerifierKey};
use sightline_ledger::proof::TlogProof;
use sightline_ledger::tree::{Frontier, Spine, consistency_holds, inclusion_holds, leaf_hash};
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{HashReader, prove_record, prove_tree, stored_hash_index, stored_hashes, tree_hash};

fn entry(n: u64) -> Vec<u8> {
    vec![n as u8; n as usize % 70]
}

/// Some numbers below `end`, among them those where trees are odd.
fn some_below(end: u64) -> impl Iterator<Item = u64> {
    let mut some: Vec<u64> = [0, 1, 2, 3, 255, 256, 257, 511, 512, 767, 1023, 1024, end / 3, end / 2 + 1]
        .into_iter()
        .chain((1..=9).map(|back| end.wrapping_sub(back)))
        .filter(|n| *n < end)
        .collect();
    some.sort();
    some.dedup();
    some.into_iter()
}

#[test]
fn roots_and_proofs_of_every_size_up_to_1100_are_those_of_ct_merkle() {
    let (mut ours, mut theirs) = (Frontier::default(), MemoryBackedTree::<Sha256, Vec<u8>>::new());
    let mut roots = vec![ours.root()];
    assert_eq!(ours.root(), <[u8; 32]>::from(*theirs.root().as_bytes()));
    for size in 1..=1100u64 {
        let added = entry(size - 1);
        ours.push(leaf_hash(&added));
        theirs.push(added);
        let root = ours.root();
        assert_eq!(root, <[u8; 32]>::from(*theirs.root().as_bytes()), "size {size}");
        let spine = ours.spine();
        assert_eq!(spine.root(), root);
        for index in some_below(size) {
            let Ok(path) = spine.inclusion(&ours, index);
            assert_eq!(path.concat(), theirs.prove_inclusion(index as usize).as_bytes(), "{index} of {size}");
            assert!(inclusion_holds(&leaf_hash(&entry(index)), index, size, &path, &root));
        }
        for old in some_below(size).skip(1) {
            let Ok(proof) = spine.consistency(&ours, old);
            let theirs = theirs.prove_consistency((size - old) as usize);
            assert_eq!(proof.concat(), theirs.as_bytes(), "{old} in {size}");
            assert!(consistency_holds(old, &roots[old as usize], size, &root, &proof));
        }
        roots.push(root);
    }
}

struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

#[test]
fn roots_and_proofs_are_those_of_tlog_tiles() {
    let (mut ours, mut theirs) = (Frontier::default(), Stored(Vec::new()));
    for size in 1..=600 {
        let added = entry(size - 1);
        let stored = stored_hashes(size - 1, &added, &theirs).unwrap();
        theirs.0.extend(stored);
        ours.push(leaf_hash(&added));
        assert_eq!(ours.root(), tree_hash(size, &theirs).unwrap().0);
        let spine = ours.spine();
        let flat = |hashes: Vec<tlog_tiles::Hash>| hashes.iter().map(|hash| hash.0).collect::<Vec<_>>();
        for index in some_below(size) {
            let Ok(path) = spine.inclusion(&ours, index);
            assert_eq!(path, flat(prove_record(size, index, &theirs).unwrap()));
        }
        for old in some_below(size).skip(1) {
            let Ok(proof) = spine.consistency(&ours, old);
            assert_eq!(proof, flat(prove_tree(size, old, &theirs).unwrap()));
        }
    }
    assert_eq!(theirs.0[stored_hash_index(0, 7) as usize].0, leaf_hash(&entry(7)));
}

/// A tree that forgets keeps what proofs about new entries need.
#[test]
fn a_frontier_that_forgets_still_proves_what_was_added_since() {
    let (mut whole, mut lean) = (Frontier::default(), Frontier::default());
    let mut next = 0;
    for batch in (1..40u64).chain([256, 1, 511, 3]) {
        let first = next;
        for _ in 0..batch {
            let leaf = leaf_hash(&entry(next));
            whole.push(leaf);
            lean.push(leaf);
            next += 1;
        }
        let (all, some) = (whole.spine(), lean.spine());
        assert_eq!((all.root(), lean.root()), (some.root(), some.root()));
        for index in first..next {
            assert_eq!(all.inclusion(&whole, index), some.inclusion(&lean, index));
        }
        lean.forget();
        assert_eq!(lean.root(), all.root());
    }
}

proptest! {
    #[test]
    fn a_proof_with_anything_changed_does_not_hold(
        size in 1u64..700, at in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0u8..8, what in 0..6,
    ) {
        let mut tree = Frontier::default();
        (0..size).for_each(|n| tree.push(leaf_hash(&entry(n))));
        let index = at.index(size as usize) as u64;
        let Ok(spine) = Spine::of(&tree, size);
        let Ok(path) = spine.inclusion(&tree, index);
        let (mut leaf, mut root, mut changed) = (leaf_hash(&entry(index)), spine.root(), path.clone());
        let (mut said_index, mut said_size) = (index, size);
        prop_assert!(inclusion_holds(&leaf, index, size, &path, &root));
        match what {
            0 => leaf[byte.index(32)] ^= 1 << bit,
            1 => root[byte.index(32)] ^= 1 << bit,
            2 if !path.is_empty() => changed[byte.index(path.len())][0] ^= 1 << bit,
            3 if !path.is_empty() => { changed.remove(byte.index(path.len())); }
            4 => changed.insert(byte.index(path.len() + 1), root),
            _ => {
                // Another number, or a size in which this entry has another path.
                said_index = index ^ 1 << bit;
                said_size = size.max(said_index + 1);
            }
        }
        prop_assert!(!inclusion_holds(&leaf, said_index, said_size, &changed, &root));
    }

    #[test]
    fn no_proof_of_growth_holds_for_another_past(size in 2u64..700, at in any::<prop::sample::Index>(), byte in 0usize..32) {
        let mut tree = Frontier::default();
        let mut roots = vec![tree.root()];
        for n in 0..size {
            tree.push(leaf_hash(&entry(n)));
            roots.push(tree.root());
        }
        let old = 1 + at.index(size as usize - 1) as u64;
        let Ok(spine) = Spine::of(&tree, size);
        let Ok(proof) = spine.consistency(&tree, old);
        let (past, now) = (roots[old as usize], roots[size as usize]);
        prop_assert!(consistency_holds(old, &past, size, &now, &proof));
        let mut other = past;
        other[byte] ^= 1;
        prop_assert!(!consistency_holds(old, &other, size, &now, &proof));
        prop_assert!(!consistency_holds(old, &past, size, &other, &proof));
        prop_assert!(!consistency_holds(old - 1, &past, size, &now, &proof));
        prop_assert!(!consistency_holds(old, &past, size, &now, &proof[1..]));
    }

    #[test]
    fn notes_and_keys_are_those_of_signed_note(
        seed: [u8; 32], name in "[a-z]{1,8}\\.example/[a-z0-9]{1,8}", text in "([ -~ä€]{0,20}\n){1,5}",
    ) {
        let ours = SignerKey::new(&name, &seed).unwrap();
        let vkey = ours.public().to_string();
        let verifier = StandardVerifier::new(&vkey).unwrap();
        let signer = StandardSigner::new(ours.to_text().trim_end()).unwrap();

        let note = ours.sign(&text);
        let read = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
        prop_assert_eq!(read.text(), text.as_bytes());
        let (verified, _) = read.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
        prop_assert_eq!(verified.len(), 1);

        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        let theirs = String::from_utf8(theirs.to_bytes()).unwrap();
        prop_assert_eq!(&theirs, &note);
        let key = VerifierKey::parse(&vkey).unwrap();
        prop_assert_eq!(Note::parse(&theirs).unwrap().verify(&key).unwrap(), text.as_str());
        let read = SignerKey::from_text(&ours.to_text()).unwrap();
        prop_assert_eq!(read.public(), &key);
    }

    #[test]
    fn a_note_with_any_byte_changed_is_not_believed(at in any::<prop::sample::Index>(), bit in 0u8..7) {
        let key = SignerKey::new("ledger.example/desk", &[7; 32]).unwrap();
        let text = "ledger.example/desk\n12\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let note = key.sign(text);
        let mut bytes = note.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = std::str::from_utf8(&bytes) {
            let verified = Note::parse(changed).and_then(|note| note.verify(key.public()).map(str::to_owned));
            prop_assert!(verified.is_err(), "{changed}");
        }
    }

    #[test]
    fn a_proof_text_reads_back(
        extra: Option<Vec<u8>>, index: u64, path in proptest::collection::vec(any::<[u8; 32]>(), 0..64),
    ) {
        let checkpoint = SignerKey::new("a.example", &[1; 32]).unwrap().sign("a.example\n1\nx\n");
        let proof = TlogProof { extra, index, path, checkpoint };
        prop_assert_eq!(TlogProof::parse(&proof.to_text()), Ok(proof));
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in "(c2sp.org/tlog-proof@v1\n)?(index )?[ -~\n—+]{0,80}") {
        let _ = TlogProof::parse(&text);
        let _ = Note::parse(&text);
        let _ = VerifierKey::parse(&text);
        let _ = SignerKey::from_text(&text);
        let _ = sightline_ledger::checkpoint::Checkpoint::parse(&text);
        let _ = text.parse::<sightline_ledger::tile::TilePath>();
    }
}

#[test]
fn signatures_of_other_keys_are_ignored_and_a_wrong_one_of_our_own_is_not() {
    let key = |n: u8| SignerKey::new("ledger.example/desk", &[n; 32]).unwrap();
    let (ours, text) = (key(1), "ledger.example/desk\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    let line = |note: &str| note.rsplit("\n\n").next().unwrap().to_owned();
    let others: String = (2..18).map(|n| line(&key(n).sign(text))).collect();
    let grease = "— grease.example TnKKVHLX0123\n";
    let note = format!("{text}\n{others}{grease}{}", line(&ours.sign(text)));
    assert_eq!(Note::parse(&note).unwrap().verify(ours.public()), Ok(text));

    let only_others = format!("{text}\n{others}{grease}");
    let unsigned = Note::parse(&only_others).unwrap().verify(ours.public());
    assert!(matches!(unsigned, Err(NoteError::Unsigned(_))));

    let of_another_text = format!("{note}{}", line(&ours.sign("something else\n")));
    let wrong = Note::parse(&of_another_text).unwrap().verify(ours.public());
    assert!(matches!(wrong, Err(NoteError::WrongSignature(_))));
}

#[test]
fn a_key_whose_number_is_wrong_or_whose_name_cannot_be_is_refused() {
    let vkey = SignerKey::new("ledger.example/desk", &[1; 32]).unwrap().public().to_string();
    let (name, rest) = vkey.split_once('+').unwrap();
    assert!(VerifierKey::parse(&vkey).is_ok());
    assert!(VerifierKey::parse(&format!("other.example+{rest}")).is_err());
    assert!(VerifierKey::parse(name).is_err());
    for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b"] {
        assert!(matches!(SignerKey::new(name, &[1; 32]), Err(NoteError::Name(_))), "{name:?}");
    }
}
