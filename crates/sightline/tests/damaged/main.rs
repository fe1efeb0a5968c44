//! Damaged, forged and rewritten logs: each is found and named by both verifiers, ours and `tools/verify.py`, which
//! has none of our code.
//!
//! A case is a copy of a good log with one thing done to it, and what the message must name. All of them are made
//! first, then Python reads them in a few runs.
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

#[path = "../common/mod.rs"]
mod common;
mod log;

use std::fs;
use std::path::{Path, PathBuf};

use ledger::LogVerifier;
use ledger::checkpoint::Checkpoint;
use ledger::note::SignerKey;
use ledger::policy::Policy;
use ledger::verify::{Directory, Known, Options, check, prove};
use log::{Day, files, owner, publish, stranger, witness};
use serde_json::Value;

/// So many directories at once: a command line has its limits.
const AT_ONCE: usize = 100;
/// How many bytes of each file have a bit flipped.
const FLIPS: usize = 60;

/// A damaged copy, and what must be named.
struct Case {
    what: String,
    path: PathBuf,
    named: Vec<String>,
}

/// Cases in a directory of their own.
struct Cases {
    home: tempfile::TempDir,
    good: PathBuf,
    all: Vec<Case>,
}

impl Cases {
    /// Copies of the log with these entries.
    fn of(entries: &[Vec<u8>]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let good = home.path().join("good");
        publish(&good, entries);
        Self { home, good, all: Vec::new() }
    }

    /// A copy to which `damage` is done.
    fn add(&mut self, what: impl Into<String>, named: &[&str], damage: impl FnOnce(&Path)) {
        let path = self.home.path().join(format!("{:04}", self.all.len()));
        for file in files(&self.good) {
            let to = path.join(file.strip_prefix(&self.good).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
        damage(&path);
        let named = named.iter().map(|&name| name.to_owned()).collect();
        self.all.push(Case { what: what.into(), path, named });
    }

    /// Another log in the place of a copy.
    fn add_log(&mut self, what: &str, named: &[&str], entries: &[Vec<u8>]) {
        self.add(what, named, |dir| {
            fs::remove_dir_all(dir).unwrap();
            publish(dir, entries);
        });
    }

    /// Both verifiers find all of it, and name it.
    fn all_are_found(&self) {
        let log = LogVerifier::new(owner().public().clone());
        let ours = |dir: &Path| match Directory::open(dir) {
            Ok(source) => check(&source, &log, Options::default(), &mut |_, _| {}).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        ours(&self.good).unwrap();
        let good = python(&[&self.good], &[]);
        assert_eq!((good[0].code, &good[0].json["good"]), (0, &Value::Bool(true)), "{:?}", good[0].json);
        for cases in self.all.chunks(AT_ONCE) {
            let paths: Vec<_> = cases.iter().map(|case| case.path.as_path()).collect();
            for (case, theirs) in cases.iter().zip(python(&paths, &[])) {
                let ours = ours(&case.path).map(|good| good.summary).unwrap_err();
                let theirs = theirs.json["damage"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{}: {:?}", case.what, theirs.json));
                for name in &case.named {
                    assert!(ours.contains(name), "{}: ours does not name {name}: {ours}", case.what);
                    assert!(theirs.contains(name), "{}: Python does not name {name}: {theirs}", case.what);
                }
            }
        }
    }
}

#[tokio::test]
async fn evidence_that_was_changed_added_to_or_thinned_is_found_and_named() {
    let demo = common::Running::demo(3, 600.0).await;
    let key = fs::read_to_string(demo.data().join("ledger/log.vkey")).unwrap();
    let looks = || common::entries(demo.ask(&["log", "tail", "-n", "2000", "--json"]));
    let seen = loop {
        if let Some(look) = looks().into_iter().find(|entry| entry["event"]["event"] == "revealed") {
            break common::staff_of(&look).to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("good");
    demo.ask(&["blast-radius", "--staff", &seen, "--out", out.to_str().unwrap()]).good();
    drop(demo);
    let mut cases = Cases { home, good: out, all: Vec::new() };
    for file in files(&cases.good.clone()) {
        let name = file.strip_prefix(&cases.good).unwrap().to_str().unwrap().to_owned();
        let length = fs::metadata(&file).unwrap().len() as usize;
        cases.add(format!("a bit of {name}"), &[&name], |dir| {
            edit(&dir.join(&name), |bytes| bytes[length / 2] ^= 4);
        });
        // Without its manifest it is no bundle, and nothing says what it was.
        if name != "manifest" {
            cases.add(format!("{name} removed"), &[&name], |dir| fs::remove_file(dir.join(&name)).unwrap());
        }
    }
    cases.add("a file added", &["more.txt"], |dir| fs::write(dir.join("more.txt"), "x").unwrap());
    let receipts = files(&cases.good.join("receipts"));
    let names: Vec<_> =
        receipts.iter().map(|file| file.strip_prefix(&cases.good).unwrap().to_owned()).collect();
    cases.add("two receipts swapped", &[names[0].to_str().unwrap()], |dir| {
        fs::rename(dir.join(&names[0]), dir.join("aside")).unwrap();
        fs::rename(dir.join(&names[1]), dir.join(&names[0])).unwrap();
        fs::rename(dir.join("aside"), dir.join(&names[1])).unwrap();
    });
    let ours = |dir: &Path| common::sightline(["verify", "--vkey", key.trim(), dir.to_str().unwrap()]);
    assert!(ours(&cases.good).good().contains("good evidence"));
    let mine = python_with(key.trim(), &[&cases.good], &[]).remove(0);
    assert_eq!((mine.code, &mine.json["receipts"]), (0, &receipts.len().into()), "{:?}", mine.json);
    let paths: Vec<_> = cases.all.iter().map(|case| case.path.as_path()).collect();
    for (case, theirs) in cases.all.iter().zip(python_with(key.trim(), &paths, &[])) {
        let ours = ours(&case.path);
        assert!(ours.code == Some(2) && ours.err.contains(&case.named[0]), "{}: {ours:?}", case.what);
        let theirs =
            theirs.json["damage"].as_str().unwrap_or_else(|| panic!("{}: {:?}", case.what, theirs.json));
        assert!(theirs.contains(&case.named[0]), "{}: {theirs}", case.what);
    }
}

/// What Python says of one path.
struct Said {
    code: i32,
    json: Value,
}

fn python(paths: &[&Path], more: &[&str]) -> Vec<Said> {
    python_with(&owner().public().to_string(), paths, more)
}

fn python_with(key: &str, paths: &[&Path], more: &[&str]) -> Vec<Said> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify.py");
    let mut command = peers::python::script(&script).unwrap_or_else(|error| panic!("{error}"));
    let output = command.arg("--json").args(["--vkey", key]).args(more).args(paths).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), paths.len(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    let worst = |line: &Value| match (line["good"] == true, line["damage"].is_string()) {
        (true, _) => 0,
        (false, true) => 2,
        (false, false) => 1,
    };
    assert_eq!(output.status.code(), lines.iter().map(worst).max(), "{out}");
    lines.into_iter().map(|json| Said { code: worst(&json), json }).collect()
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn every_flipped_bit_cut_file_and_missing_file_is_found_and_named() {
    let mut cases = Cases::of(&Day::of(600).entries);
    for file in files(&cases.good.clone()) {
        let name = file.strip_prefix(&cases.good).unwrap().to_str().unwrap().to_owned();
        let whole = fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(whole.len().div_ceil(FLIPS)) {
            let bit = at % 8;
            cases.add(format!("bit {bit} of byte {at} of {name}"), &[&name], |dir| {
                edit(&dir.join(&name), |bytes| bytes[at] ^= 1 << bit);
            });
        }
        for length in [0, whole.len() / 2, whole.len() - 1] {
            cases.add(format!("{name} cut to {length}"), &[&name], |dir| {
                edit(&dir.join(&name), |bytes| bytes.truncate(length));
            });
        }
        cases
            .add(format!("more in {name}"), &[&name], |dir| edit(&dir.join(&name), |bytes| bytes.push(b'A')));
        cases.add(format!("{name} removed"), &[&name], |dir| fs::remove_file(dir.join(&name)).unwrap());
    }
    assert!(cases.all.len() > 400, "{}", cases.all.len());
    cases.all_are_found();
}

/// As a compacted ledger has them: full bundles packed, and without the tiles of hashes that they give.
fn pack(dir: &Path, number: &str) {
    let bundle = dir.join("tile/entries").join(number);
    let packed = std::process::Command::new("gzip").args(["-9", "--no-name"]).arg(&bundle).status();
    assert!(packed.unwrap().success());
    fs::remove_file(dir.join("tile/0").join(number)).unwrap();
}

#[test]
fn in_a_compacted_copy_the_same_is_found() {
    let mut cases = Cases::of(&Day::of(600).entries);
    let (plain, tile) = ("tile/entries/000", "tile/0/000");
    let bundle = fs::read(cases.good.join(plain)).unwrap();
    let hashes = fs::read(cases.good.join(tile)).unwrap();
    pack(&cases.good, "000");
    pack(&cases.good, "001");
    let packed = fs::read(cases.good.join("tile/entries/000.gz")).unwrap();
    // The header holds what says nothing of the contents: a time, an operating system.
    let scratch = cases.home.path().join("flipped.gz");
    for at in (10..packed.len()).step_by(packed.len() / FLIPS) {
        let mut flipped = packed.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&scratch, &flipped).unwrap();
        // Some flips lead to the same bytes, copied from another place: nothing is damaged then.
        let unpacked = std::process::Command::new("gzip").arg("-dc").arg(&scratch).output().unwrap();
        if !unpacked.status.success() || unpacked.stdout != bundle {
            cases.add(format!("a bit of byte {at}, packed"), &[plain], |dir| {
                fs::write(dir.join("tile/entries/000.gz"), flipped).unwrap();
            });
        }
    }
    assert!(cases.all.len() > FLIPS / 2);
    for length in [0, 9, packed.len() / 2, packed.len() - 1] {
        cases.add(format!("packed, and cut to {length}"), &[plain], |dir| {
            edit(&dir.join("tile/entries/000.gz"), |bytes| bytes.truncate(length));
        });
    }
    cases.add("packed, and more", &[plain], |dir| {
        edit(&dir.join("tile/entries/000.gz"), |bytes| bytes.push(b'A'));
    });
    cases.add("packed, and removed", &[plain], |dir| {
        fs::remove_file(dir.join("tile/entries/000.gz")).unwrap();
    });
    // By the rules or by the tile above, whichever meets it first.
    cases.add("another bundle, well packed", &[], |dir| {
        fs::copy(dir.join("tile/entries/001.gz"), dir.join("tile/entries/000.gz")).unwrap();
    });
    cases.add("a tile that is not what the packed bundle gives", &[tile], |dir| {
        let mut hashes = hashes.clone();
        hashes[40] ^= 1;
        fs::write(dir.join(tile), hashes).unwrap();
    });
    cases.add("a plain bundle that is not the packed one", &[], |dir| {
        let mut bundle = bundle.clone();
        bundle[40] ^= 1;
        fs::write(dir.join(plain), bundle).unwrap();
    });
    cases.add("a packed bundle that is not the plain one", &[plain], |dir| {
        fs::write(dir.join(plain), &bundle).unwrap();
        fs::copy(dir.join("tile/entries/001.gz"), dir.join("tile/entries/000.gz")).unwrap();
    });
    for foreign in ["tile/0/000.gz", "tile/entries/000.p/9.gz", "checkpoint.gz", "tile/entries/.gz"] {
        cases.add("something packed that is foreign", &[foreign, "no part of a log"], |dir| {
            fs::create_dir_all(dir.join(foreign).parent().unwrap()).unwrap();
            fs::write(dir.join(foreign), "x").unwrap();
        });
    }
    cases.all_are_found();
}

#[test]
fn what_was_moved_replaced_forged_or_does_not_belong_is_found_and_named() {
    let day = Day::of(600);
    let mut cases = Cases::of(&day.entries);
    let swap = |dir: &Path, a: &str, b: &str| {
        fs::rename(dir.join(a), dir.join("aside")).unwrap();
        fs::rename(dir.join(b), dir.join(a)).unwrap();
        fs::rename(dir.join("aside"), dir.join(b)).unwrap();
    };
    cases.add("two tiles swapped", &["tile/0/000", "entry 0 "], |dir| swap(dir, "tile/0/000", "tile/0/001"));
    cases.add("two bundles swapped", &["tile/entries/000", "entry 0 "], |dir| {
        swap(dir, "tile/entries/000", "tile/entries/001");
    });
    let mut list = day.entries.clone();
    list.swap(300, 301);
    let reordered = cases.home.path().join("reordered");
    publish(&reordered, &list);
    let take = |dir: &Path, names: &[&str]| {
        for name in names {
            fs::copy(reordered.join(name), dir.join(name)).unwrap();
        }
    };
    cases.add("two entries in another order", &["entry 300 ", "tile/entries/001"], |dir| {
        take(dir, &["tile/entries/001"]);
    });
    cases.add("and their tile with them", &["tile/1/000.p/2", "from hash 1"], |dir| {
        take(dir, &["tile/entries/001", "tile/0/001"]);
    });
    cases.add("and every tile with them", &["600 entries", "checkpoint"], |dir| {
        take(dir, &["tile/entries/001", "tile/0/001", "tile/1/000.p/2"]);
    });
    let note = fs::read_to_string(cases.good.join("checkpoint")).unwrap();
    let honest = LogVerifier::new(owner().public().clone()).checkpoint(&note).unwrap();
    let forge = |dir: &Path, signer: &SignerKey, forged: Checkpoint| {
        fs::write(dir.join("checkpoint"), signer.sign(&forged.body())).unwrap();
    };
    cases.add("a checkpoint signed by another key", &["checkpoint"], |dir| {
        forge(dir, &stranger(), honest.clone())
    });
    // Even whoever has the key cannot sign for another tree, another size, another log.
    cases.add("a larger size", &[".p/89"], |dir| {
        forge(dir, &owner(), Checkpoint { size: 601, ..honest.clone() })
    });
    cases.add("a smaller size", &["tile/entries/002.p/87"], |dir| {
        forge(dir, &owner(), Checkpoint { size: 599, ..honest.clone() });
    });
    cases.add("another root", &["600 entries", "checkpoint"], |dir| {
        forge(dir, &owner(), Checkpoint { root: [1; 32], ..honest.clone() });
    });
    cases.add("another origin", &["checkpoint"], |dir| {
        forge(dir, &owner(), Checkpoint { origin: "other.example/log".into(), ..honest.clone() });
    });
    for foreign in ["thesis.txt", "tile/0/notes", "tile/0/000.p/300", "tile/entries/x000/001"] {
        cases.add("something foreign", &[foreign, "no part of a log"], |dir| {
            fs::create_dir_all(dir.join(foreign).parent().unwrap()).unwrap();
            fs::write(dir.join(foreign), "x").unwrap();
        });
    }
    cases.add("an older partial tile that is none", &["tile/0/000.p/9"], |dir| {
        fs::create_dir_all(dir.join("tile/0/000.p")).unwrap();
        fs::write(dir.join("tile/0/000.p/9"), [7; 9 * 32]).unwrap();
    });
    cases.all_are_found();
}

#[test]
fn entries_that_break_a_rule_are_found_and_named_although_the_tree_and_its_signature_hold() {
    let day = Day::of(300);
    let mut cases = Cases::of(&day.entries);
    let shown = Day::look_at(&day.last);
    for (what, more) in day.ways_to_break_a_rule() {
        let index = day.entries.len() + more.len() - 1;
        let entries: Vec<_> = day.entries.iter().cloned().chain(more).collect();
        cases.add_log(what, &[&format!("entry {index} ")], &entries);
    }
    for (what, encoded) in log::other_encodings(&shown) {
        let mut entries = day.entries.clone();
        entries.push(encoded);
        cases.add_log(what, &["entry 300 "], &entries);
    }
    cases.all_are_found();
}

#[test]
fn a_log_that_was_rolled_back_or_rewritten_since_a_checkpoint_that_was_kept_is_named_so() {
    let day = Day::of(700);
    let home = tempfile::tempdir().unwrap();
    let dir = |name: &str| home.path().join(name);
    for (name, size) in [("kept", 520), ("grown", 700), ("back", 512)] {
        publish(&dir(name), &day.entries[..size]);
    }
    let mut rewritten = day.entries.clone();
    rewritten.swap(500, 501);
    publish(&dir("forked"), &rewritten);
    let kept = dir("kept/checkpoint");
    let known = [Known { name: "kept".into(), note: fs::read_to_string(&kept).unwrap() }];
    let log = LogVerifier::new(owner().public().clone());
    for (name, said) in
        [("grown", None), ("kept", None), ("back", Some("ROLLED BACK")), ("forked", Some("FORKED"))]
    {
        let options = Options { known: &known, ..Options::default() };
        let ours = check(&Directory::open(&dir(name)).unwrap(), &log, options, &mut |_, _| {});
        let theirs = python(&[&dir(name)], &["--checkpoint", kept.to_str().unwrap()]).remove(0);
        match said {
            None => assert!(ours.is_ok() && theirs.code == 0, "{name}: {ours:?} {:?}", theirs.json),
            Some(said) => {
                let ours = ours.unwrap_err().to_string();
                assert!(ours.contains(said) && ours.contains("520"), "{ours}");
                let theirs = theirs.json["damage"].as_str().unwrap();
                assert!(theirs.contains(said) && theirs.contains("520"), "{theirs}");
            }
        }
    }
}

#[test]
fn a_receipt_proves_its_own_entry_and_no_other() {
    let day = Day::of(600);
    let home = tempfile::tempdir().unwrap();
    publish(&home.path().join("log"), &day.entries);
    let log = LogVerifier::new(owner().public().clone());
    let source = Directory::open(&home.path().join("log")).unwrap();
    let receipt = |index| prove(&source, &log, index).unwrap().to_tlog_proof();
    let mut written = Vec::new();
    let mut put = |text: String| {
        let path = home.path().join(format!("{}.tlog-proof", written.len()));
        fs::write(&path, text).unwrap();
        written.push(path);
    };
    for index in [0, 255, 256, 511, 512, 599] {
        put(receipt(index));
    }
    let (one, other) = (receipt(300), receipt(301));
    let line = |text: &str, n: usize| text.lines().nth(n).unwrap().to_owned();
    // The number, the entry, or the way of another.
    put(one.replace("index 300", "index 301"));
    put(one.replace(&line(&one, 1), &line(&other, 1)));
    put(one.replace(&line(&one, 3), &line(&other, 3)));
    put(one.replace("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"));
    for at in (0..one.len()).step_by(one.len() / 200) {
        let mut bytes = one.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        match String::from_utf8(bytes) {
            Ok(text) => put(text),
            Err(_) => continue,
        }
    }
    let paths: Vec<_> = written.iter().map(PathBuf::as_path).collect();
    let theirs: Vec<Said> = paths.chunks(AT_ONCE).flat_map(|paths| python(paths, &[])).collect();
    for (n, (path, theirs)) in paths.iter().zip(theirs).enumerate() {
        let text = fs::read_to_string(path).unwrap();
        let ours = ledger::Receipt::from_tlog_proof(&text).and_then(|receipt| receipt.verify(&log));
        assert_eq!(ours.is_ok(), n < 6, "{}", path.display());
        assert_eq!(theirs.code, if n < 6 { 0 } else { 2 }, "{}: {:?}", path.display(), theirs.json);
    }
}

#[test]
fn a_checkpoint_without_its_quorum_of_witnesses_is_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let (dir, file) = (home.path().join("log"), home.path().join("policy"));
    publish(&dir, &Day::of(10).entries);
    let define = |name: &str| format!("witness {name} {}\n", witness(name).public());
    let names = ["a", "b", "c"].map(define).concat();
    let text = format!("# for auditors\nlog {}\n{names}group two 2 a b c\nquorum two\n", owner().public());
    fs::write(&file, &text).unwrap();
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let log = LogVerifier::new(owner().public().clone());
    let note = fs::read_to_string(dir.join("checkpoint")).unwrap();
    let body = note.split_inclusive("\n\n").next().unwrap().strip_suffix('\n').unwrap();
    let line = |name: &str, body: &str| witness(name).cosign(body, 1_750_000_000).line;
    let other = body.replace("\n10\n", "\n11\n");
    for (what, lines, holds) in [
        ("nobody", String::new(), false),
        ("one", line("a", body), false),
        ("two", line("a", body) + &line("c", body), true),
        ("two, and one nobody knows", line("a", body) + &line("z", body) + &line("b", body), true),
        ("one for another checkpoint", line("a", body) + &line("b", &other), false),
    ] {
        fs::write(dir.join("checkpoint"), format!("{note}{lines}")).unwrap();
        let options = Options { policy: Some(&policy), ..Options::default() };
        let ours = check(&Directory::open(&dir).unwrap(), &log, options, &mut |_, _| {});
        let theirs = python(&[&dir], &["--policy", file.to_str().unwrap()]).remove(0);
        assert_eq!(
            (ours.is_ok(), theirs.code),
            (holds, if holds { 0 } else { 2 }),
            "{what}: {:?}",
            theirs.json
        );
        assert!(
            holds || theirs.json["damage"].as_str().unwrap().contains("checkpoint"),
            "{what}: {:?}",
            theirs.json
        );
        assert!(ours.err().is_none_or(|damage| damage.to_string().contains("checkpoint")), "{what}");
    }
}

#[test]
fn a_key_or_a_path_that_cannot_be_used_is_no_damage() {
    let home = tempfile::tempdir().unwrap();
    publish(&home.path().join("log"), &Day::of(10).entries);
    let nothing = home.path().join("nothing");
    let said = python(&[&home.path().join("log"), &nothing], &[]);
    assert_eq!((said[0].code, said[1].code), (0, 1), "{:?}", said[1].json);
    let other = SignerKey::new("other.example/log", &[1; 32]).unwrap().public().to_string();
    let said = python(&[&home.path().join("log")], &["--vkey", "log.example+00000000+AAAA"]);
    assert_eq!(said[0].code, 1, "{:?}", said[0].json);
    let said = python(&[&home.path().join("log")], &["--vkey", &other]);
    assert!(
        said[0].code == 2 && said[0].json["damage"].as_str().unwrap().contains("other.example"),
        "{:?}",
        said[0].json
    );
}
