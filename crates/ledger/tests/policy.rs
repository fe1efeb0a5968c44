//! Trust policies, by the text of C2SP tlog-policy.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sightline_ledger::checkpoint::Checkpoint;
use sightline_ledger::cosignature::WitnessSigner;
use sightline_ledger::note::SignerKey;
use sightline_ledger::policy::{NotAccepted, Policy, PolicyLog, PolicyWitness, Wrong};

fn log() -> SignerKey {
    SignerKey::new("log.example/ledger", &[1; 32]).unwrap()
}

fn witness(name: &str) -> WitnessSigner {
    let mut seed = [7; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    WitnessSigner::new(&format!("{}.example/w", name.to_lowercase()), &seed).unwrap()
}

/// The example of the specification, with keys.
fn example() -> String {
    let define = |name: &str| format!("witness {name} {}\n", witness(name).public());
    let names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"];
    let [x1, x2, x3, y1, y2, y3] = names.map(define);
    format!(
        "# whose logs\nlog {} https://log.example/ledger/\n\n{x1}  {x2}{x3}group X-witnesses 2 X1\tX2 X3\n\n\
         {y1}{y2}{y3}group Y-witnesses any Y1 Y2 Y3\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
        log().public()
    )
}

fn body() -> String {
    Checkpoint { origin: "log.example/ledger".into(), size: 12, root: [9; 32] }.body()
}

fn note(cosigners: &[(&str, u64)]) -> String {
    let lines: String =
        cosigners.iter().map(|(name, time)| witness(name).cosign(&body(), *time).line).collect();
    log().sign(&body()) + &lines
}

#[test]
fn the_example_of_the_specification_wants_two_of_x_and_one_of_y() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    assert_eq!((policy.witnesses().len(), policy.quorum(), policy.smallest_quorum()), (6, "X-and-Y", 3));
    assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/ledger/"));
    for (cosigners, accepted) in [
        (&[][..], false),
        (&["X1", "X2", "X3"], false),
        (&["Y1", "Y2", "Y3"], false),
        (&["X1", "Y2"], false),
        (&["X3", "X1", "Y2"], true),
        (&["X1", "X2", "X3", "Y1", "Y2", "Y3"], true),
    ] {
        let cosigners: Vec<_> = cosigners.iter().map(|name| (*name, 100)).collect();
        match policy.check(&note(&cosigners)) {
            Ok(found) => {
                assert!(accepted, "{cosigners:?}");
                assert_eq!((found.checkpoint.size, found.cosigned.len()), (12, cosigners.len()));
            }
            Err(NotAccepted::Quorum { cosigned, .. }) => {
                assert!(!accepted, "{cosigners:?}");
                assert_eq!(cosigned.len(), cosigners.len());
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(Policy::parse(policy.to_text().as_bytes()), Ok(policy));
}

#[test]
fn a_quorum_is_as_old_as_its_oldest_necessary_cosignature() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    let cosigned = note(&[("X1", 100), ("X2", 300), ("X3", 200), ("Y1", 50), ("Y2", 400)]);
    let times = policy.cosignatures(&cosigned).unwrap();
    // Of X the two newest, of Y the newest.
    assert_eq!(policy.quorum_time(&times), Some(200));
}

#[test]
fn other_logs_other_texts_and_forged_lines_are_not_accepted() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    let good = note(&[("X1", 1), ("X2", 1), ("Y1", 1)]);
    assert!(policy.check(&good).is_ok());
    // A cosignature that names X1 and was made for another text.
    let forged = good.clone() + &witness("X1").cosign("another\n", 2).line;
    assert!(matches!(policy.check(&forged), Err(NotAccepted::Cosignature(_))));
    // Cosigned, but not signed by the log.
    let text = body();
    let unsigned: String = ["X1", "X2", "Y1"].iter().map(|w| witness(w).cosign(&text, 1).line).collect();
    assert!(matches!(policy.check(&format!("{text}\n{unsigned}")), Err(NotAccepted::Checkpoint(_))));
    let other = SignerKey::new("other.example", &[1; 32]).unwrap().sign("other.example\n1\nx\n");
    assert!(matches!(policy.check(&other), Err(NotAccepted::Checkpoint(_))));
    // Witnesses that the policy does not know count for nothing, however many they are.
    let strangers = note(&[("A", 1), ("B", 1), ("C", 1), ("X1", 1), ("Y1", 1)]);
    assert!(matches!(policy.check(&strangers), Err(NotAccepted::Quorum { .. })));
}

#[test]
fn quorum_none_accepts_what_the_log_signed() {
    let policy = Policy::parse(format!("log {}\nquorum none\n", log().public()).as_bytes()).unwrap();
    assert_eq!(policy.check(&note(&[])).unwrap().cosigned, []);
    assert!(Policy::parse(b"quorum none\n").unwrap().check(&note(&[])).is_err());
}

#[test]
fn k_of_n_is_written_and_read_as_the_specification_says() {
    let log = PolicyLog { key: log().public().clone(), url: None };
    let witnesses = |names: &[&str]| -> Vec<PolicyWitness> {
        let witness = |name: &&str| PolicyWitness {
            name: (*name).to_owned(),
            key: witness(name).public().clone(),
            url: Some(format!("https://{name}.example/")),
        };
        names.iter().map(witness).collect()
    };
    let policy = Policy::k_of_n(log.clone(), witnesses(&["A", "B", "C"]), 2).unwrap();
    assert_eq!(Policy::parse(policy.to_text().as_bytes()).unwrap(), policy);
    assert!(policy.check(&note(&[("A", 1), ("C", 1)])).is_ok());
    assert!(policy.check(&note(&[("A", 1)])).is_err());
    for (names, k) in [(&["A"][..], 2), (&[], 1), (&["A", "A"], 1)] {
        assert!(Policy::k_of_n(log.clone(), witnesses(names), k).is_err(), "{k} of {names:?}");
    }
    assert_eq!(Policy::k_of_n(log, Vec::new(), 0).unwrap().quorum(), "none");
}

#[test]
fn what_is_wrong_with_a_policy_is_said_with_its_line() {
    let (a, b) = (witness("A").public().to_string(), witness("B").public().to_string());
    let log = log().public().to_string();
    let twice = |s: &str| s.to_owned();
    for (text, line, wrong) in [
        (format!("witness A {a}\n"), 0, Wrong::NoQuorum),
        (format!("witness A {a}\nquorum A"), 2, Wrong::CutOff),
        (format!("witness A {a}\r\nquorum A\n"), 1, Wrong::Control),
        ("quorum none\nquorum none\n".into(), 2, Wrong::SecondQuorum),
        ("quorum A\n".into(), 1, Wrong::Unknown(twice("A"))),
        (format!("quorum A\nwitness A {a}\n"), 1, Wrong::Unknown(twice("A"))),
        (format!("witness none {a}\nquorum none\n"), 1, Wrong::Taken(twice("none"))),
        (format!("witness A {a}\nwitness A {b}\nquorum A\n"), 2, Wrong::Taken(twice("A"))),
        (format!("witness A {a}\nwitness B {a}\nquorum A\n"), 2, Wrong::SameKey),
        (format!("log {log}\nlog {log}\nquorum none\n"), 2, Wrong::SameKey),
        (format!("witness A {a}\ngroup g 1 A A\nquorum g\n"), 2, Wrong::Member(twice("A"))),
        (format!("witness A {a}\ngroup g 1 A\ngroup h 1 A\nquorum g\n"), 3, Wrong::Member(twice("A"))),
        (format!("witness A {a}\ngroup g 1 none\nquorum g\n"), 2, Wrong::Unknown(twice("none"))),
        (format!("witness A {a}\ngroup g 1 g\nquorum g\n"), 2, Wrong::Unknown(twice("g"))),
        (format!("witness A {a}\ngroup g 2 A\nquorum g\n"), 2, Wrong::Threshold),
        (format!("witness A {a}\ngroup g 0 A\nquorum g\n"), 2, Wrong::Threshold),
        (format!("witness A {a}\ngroup g 01 A\nquorum g\n"), 2, Wrong::Threshold),
        (format!("witness A {a}\ngroup g any\nquorum A\n"), 2, Wrong::Threshold),
        ("Quorum none\n".into(), 1, Wrong::Line),
        ("quorum none none\n".into(), 1, Wrong::Line),
    ] {
        let error = Policy::parse(text.as_bytes()).unwrap_err();
        assert_eq!((error.line, &error.what), (line, &wrong), "{text}");
    }
    // Keys of the wrong type: a witness's key for a log, a log's key for a witness.
    for text in [format!("log {a}\nquorum none\n"), format!("witness A {log}\nquorum A\n")] {
        assert!(matches!(Policy::parse(text.as_bytes()).unwrap_err().what, Wrong::Key(_)), "{text}");
    }
    assert!(Policy::parse(b"# \xff\xfe\nquorum none\n").is_ok(), "comments may hold any bytes");
    assert!(Policy::parse(b"").is_err());
}

#[test]
fn thirty_two_of_each_are_read() {
    let mut text = String::new();
    for n in 0..32u8 {
        let log = SignerKey::new(&format!("log{n}.example"), &[n + 1; 32]).unwrap();
        let witness = WitnessSigner::new(&format!("w{n}.example"), &[n + 100; 32]).unwrap();
        text += &format!("log {}\nwitness w{n} {}\n", log.public(), witness.public());
        let below = if n == 0 { String::new() } else { format!(" g{}", n - 1) };
        text += &format!("group g{n} all w{n}{below}\n");
    }
    let policy = Policy::parse((text + "quorum g31\n").as_bytes()).unwrap();
    assert_eq!((policy.logs().len(), policy.smallest_quorum()), (32, 32));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(text in "((log|witness|group|quorum|none|any|all|[a-c]|[0-9]+|#|[\t\r\n\u{7f}ä+]) ?){0,30}\n?") {
        let _ = Policy::parse(text.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_are_no_policy_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(&bytes);
    }

    /// The quorum against counting by hand.
    #[test]
    fn k_of_n_accepts_exactly_k_and_more(k in 1usize..6, signed in proptest::collection::vec(any::<bool>(), 5)) {
        let names = ["A", "B", "C", "D", "E"];
        let witnesses = names.iter().map(|name| PolicyWitness {
            name: (*name).to_owned(), key: witness(name).public().clone(), url: None,
        });
        let log = PolicyLog { key: log().public().clone(), url: None };
        let policy = Policy::k_of_n(log, witnesses.collect(), k.min(5)).unwrap();
        let cosigners: Vec<_> =
            names.iter().zip(&signed).filter(|(_, signed)| **signed).map(|(name, _)| (*name, 1)).collect();
        prop_assert_eq!(policy.check(&note(&cosigners)).is_ok(), cosigners.len() >= k.min(5));
    }
}
