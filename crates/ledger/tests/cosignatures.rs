//! Cosignatures, against checkpoints that public witnesses signed, and notes that carry many signatures.
#![allow(clippy::unwrap_used)]

use model::OsEntropy;
use proptest::prelude::*;
use sightline_ledger::LogVerifier;
use sightline_ledger::cosignature::{WitnessKey, WitnessSigner};
use sightline_ledger::note::{Note, NoteError, SignerKey, VerifierKey, grease};

/// A checkpoint of a public Certificate Transparency log, with signatures of other types and of four witnesses.
const ARCHE: &str = "\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
";
const ARCHE_LOG: &str =
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const REMORA: &str = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
const SMARTIT: &str = "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO";
const STAGEMOLE: &str = "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv";

/// The same of another log: here the witness has a second key of the same name.
const COACH: &str = "\
coachandhorses2026h1.staging.certificate.transparency.goog
185550722
YXAM0VmnrfvLaBCOOYSJhCaE5F10oGBOo+hkbDa1kng=

— coachandhorses2026h1.staging.certificate.transparency.goog MpXgsHy8ZwxXnO+WjtVrPxAzL49Rs1gWTkNVNeEa//5peAzaocRCB3qt3EaibjzY5GILLtGgBP7dBhgcSHy+JQh0OAc=
— witness.navigli.sunlight.geomys.org o+AP4gAAAABqb7DzNrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72ccxBk+lKnZ7dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==
";
const NAVIGLI: &str =
    "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G";

fn time_on(note: &str, vkey: &str) -> Result<u64, NoteError> {
    WitnessKey::parse(vkey).unwrap().verify(&Note::parse(note).unwrap()).map(|c| c.time)
}

#[test]
fn checkpoints_that_public_witnesses_cosigned_verify() {
    let log = LogVerifier::from_vkey(ARCHE_LOG).unwrap();
    assert_eq!(log.checkpoint(ARCHE).unwrap().size, 1_432_088_532);
    for vkey in [REMORA, SMARTIT, STAGEMOLE] {
        assert_eq!(WitnessKey::parse(vkey).unwrap().to_string(), vkey);
        assert_eq!(time_on(ARCHE, vkey), Ok(0x6a12_2120), "{vkey}");
    }
    assert_eq!(time_on(COACH, NAVIGLI), Ok(0x6a6f_b0f3));
    assert_eq!(
        time_on(ARCHE, NAVIGLI),
        Err(NoteError::Unsigned("witness.navigli.sunlight.geomys.org".into()))
    );
}

#[test]
fn a_cosignature_holds_for_its_own_text_and_time_only() {
    let wrong = |name: &str| Err(NoteError::WrongSignature(name.into()));
    assert_eq!(time_on(&ARCHE.replace("1432088532", "1432088533"), REMORA), wrong("remora.n621.de"));
    let later = ARCHE.replace("2net5wAAAABqEiEg", "2net5wAAAABqEiEh");
    assert_ne!(later, ARCHE);
    assert_eq!(time_on(&later, REMORA), wrong("remora.n621.de"));
    // A line of a second, unknown type of key by the same name, as long as an ML-DSA-44 signature.
    let line = format!("— witness.navigli.sunlight.geomys.org {}\n", "a8RC".repeat(2432 / 3));
    assert_eq!(time_on(&format!("{COACH}{line}"), NAVIGLI), Ok(0x6a6f_b0f3));
}

/// The example of the specification of signed-note.
#[test]
fn the_test_vector_of_signed_note_verifies() {
    let key =
        VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap();
    let note = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    assert_eq!(Note::parse(note).unwrap().verify(&key), Ok("This is an example message.\n"));
}

#[test]
fn a_log_key_is_no_witness_key_and_the_other_way_round() {
    let wrong = |expected, found| NoteError::Type { expected, found };
    assert_eq!(WitnessKey::parse(ARCHE_LOG), Err(wrong(4, 1)));
    assert_eq!(VerifierKey::parse(REMORA), Err(wrong(1, 4)));
    // The same seed and name make two keys that do not answer for one another.
    let (log, witness) = (
        SignerKey::new("same.example", &[5; 32]).unwrap(),
        WitnessSigner::new("same.example", &[5; 32]).unwrap(),
    );
    let note = log.sign("same.example\n1\nx\n");
    let unsigned = witness.public().verify(&Note::parse(&note).unwrap());
    assert_eq!(unsigned, Err(NoteError::Unsigned("same.example".into())));
    assert!(SignerKey::from_text(&witness.to_text()).is_err());
    assert_eq!(WitnessSigner::from_text(&witness.to_text()).unwrap().public(), witness.public());
    assert!(!format!("{witness:?}").contains("PRIVATE"));
}

#[test]
fn sixteen_signatures_and_grease_stand_on_one_note_and_the_newest_of_one_witness_counts() {
    let log = SignerKey::new("log.example", &[1; 32]).unwrap();
    let text = "log.example\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let witnesses: Vec<_> =
        (2..18).map(|n| WitnessSigner::new(&format!("w{n}.example"), &[n; 32]).unwrap()).collect();
    let lines: String = witnesses.iter().zip(1000..).map(|(w, time)| w.cosign(text, time).line).collect();
    let again = witnesses[0].cosign(text, 5000).line;
    let note = grease(&format!("{}{lines}{again}", log.sign(text)), &OsEntropy);
    let read = Note::parse(&note).unwrap();
    assert_eq!(read.verify(log.public()), Ok(text));
    for (witness, time) in witnesses.iter().zip(1000..) {
        let time = if time == 1000 { 5000 } else { time };
        assert_eq!(witness.public().verify(&read).unwrap().time, time);
    }
}

#[test]
fn grease_comes_before_and_behind_the_logs_own_line_and_changes_nothing_else() {
    let log = SignerKey::new("log.example", &[1; 32]).unwrap();
    let note = log.sign("log.example\n7\nx\n");
    let greased: Vec<String> = (0..64).map(|_| grease(&note, &OsEntropy)).collect();
    for note in &greased {
        assert_eq!(Note::parse(note).unwrap().verify(log.public()), Ok("log.example\n7\nx\n"), "{note}");
        assert_eq!(note.matches("— grease.invalid/").count(), 1);
    }
    let behind = greased.iter().filter(|greased| greased.starts_with(&note)).count();
    assert!((1..64).contains(&behind));
}

proptest! {
    #[test]
    fn what_a_witness_signs_verifies_and_a_changed_note_does_not(
        seed: [u8; 32], time in 0..=i64::MAX as u64, at in any::<prop::sample::Index>(), bit in 0u8..7,
    ) {
        let witness = WitnessSigner::new("witness.example/w1", &seed).unwrap();
        let text = "log.example\n12\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let cosignature = witness.cosign(text, time);
        let note = format!("{text}\n{}", cosignature.line);
        prop_assert_eq!(witness.public().verify(&Note::parse(&note).unwrap()), Ok(cosignature));
        let mut bytes = note.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = std::str::from_utf8(&bytes) {
            let verified = Note::parse(changed).and_then(|note| witness.public().verify(&note));
            prop_assert!(verified.is_err(), "{changed}");
        }
    }

    #[test]
    fn no_line_of_a_witness_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
        let witness = WitnessSigner::new("w.example", &[1; 32]).unwrap();
        let line = witness.cosign("x\n", 1).line;
        let id = &line.as_bytes()[line.find("example ").unwrap() + 8..][..5];
        let id = std::str::from_utf8(id).unwrap();
        let body: String = bytes.iter().map(|b| char::from(b"ABCabc012+/="[usize::from(*b) % 12])).collect();
        if let Ok(note) = Note::parse(&format!("x\n\n— w.example {id}{body}\n")) {
            let _ = witness.public().verify(&note);
        }
    }
}
