//! The command line, as an operator meets it: what it explains, what it refuses, and what it says of
//! a demo's ledger while the demo runs, after its end, after damage, and after a kill.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{Ended, Running, Visitor, entries, files, sightline, staff_of, two_free_ports};
use http::StatusCode;
use serde_json::Value;

#[test]
fn every_command_explains_itself_and_shells_can_complete_them() {
    let mut to_ask = vec![Vec::new()];
    let mut asked = 0;
    while let Some(command) = to_ask.pop() {
        let help = sightline(command.iter().map(String::as_str).chain(["--help"])).good();
        assert!(help.contains("Usage: sightline"), "{command:?}: {help}");
        let commands = help.split_once("\nCommands:\n").map_or("", |(_, after)| after);
        let lines = commands.lines().take_while(|line| line.starts_with("  "));
        for (name, about) in lines.filter_map(|line| line.trim().split_once("  ")) {
            assert!(!about.trim().is_empty(), "{command:?} {name} says nothing of itself");
            if name != "help" {
                to_ask.push(command.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
        asked += 1;
    }
    assert!(asked > 15, "only {asked} commands");
    for shell in ["bash", "zsh", "fish"] {
        let script = sightline(["completions", shell]).good();
        assert!(script.contains("blast-radius") && script.contains("vkey"), "{shell}");
    }
    let unknown = sightline(["who-sew", "c-1"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("'who-saw'"), "{unknown:?}");
}

#[test]
fn whoever_names_the_folder_around_a_data_directory_is_shown_the_way_in() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    fs::create_dir_all(data.join("ledger")).unwrap();
    let said = sightline(["log", "tail", "--data", home.path().to_str().unwrap()]);
    let way = format!("did you mean --data {}?", data.display());
    assert!(said.code == Some(1) && said.err.contains(&way), "{said:?}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What `init` wrote into a new directory.
fn initiated(app: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("new");
    sightline(["init", "--app", app, dir.to_str().unwrap()]).good();
    (home, dir)
}

fn check(config: &Path) -> common::Answer {
    sightline(["serve", "--check", "--config", config.to_str().unwrap()])
}

#[test]
fn init_writes_what_only_its_owner_can_read_and_that_serve_accepts_and_overwrites_nothing() {
    for app in ["rt5", "desk"] {
        let (_home, dir) = initiated(app);
        for private in ["", "secrets", "data", "data/ledger"] {
            assert_eq!(mode(&dir.join(private)), 0o700, "{app}: {private:?}");
        }
        let secrets: Vec<_> = files(&dir.join("secrets")).into_iter().map(|(file, _)| file).collect();
        let keys = [
            "data/ledger/log.key",
            "data/ledger/master.key",
            "data/gateway.key",
            "data/people/key",
            "data/mark.key",
        ];
        let keys = keys.map(|key| dir.join(key));
        for private in secrets.iter().chain(&keys).chain([&dir.join("sightline.toml")]) {
            assert_eq!(mode(private), 0o600, "{app}: {}", private.display());
        }
        assert!(secrets.len() >= 3, "{secrets:?}");
        assert!(check(&dir.join("sightline.toml")).good().contains("sightline.toml: good. 1 app"));

        let before = files(&dir);
        let again = sightline(["init", dir.to_str().unwrap()]);
        assert!(again.line().ends_with("sightline.toml exists already; nothing was written"), "{again:?}");
        fs::remove_file(dir.join("sightline.toml")).unwrap();
        let again = sightline(["init", dir.to_str().unwrap()]);
        assert!(again.line().ends_with("secrets exists already; nothing was written"), "{again:?}");
        let kept = before.into_iter().filter(|(file, _)| !file.ends_with("sightline.toml"));
        assert_eq!(files(&dir), kept.collect::<Vec<_>>());
    }
}

#[test]
fn a_wrong_configuration_is_told_by_file_line_key_and_the_nearest_valid_one() {
    let (_home, dir) = initiated("desk");
    let config = dir.join("sightline.toml");
    let good = fs::read_to_string(&config).unwrap();
    let line = |part: &str| good.lines().position(|l| l.starts_with(part)).unwrap() + 1;
    let wrong = [
        ("listen = ", "listn = ", "did you mean `listen`?"),
        ("weak_per_shift = 2", "weak_per_shft = 2", "did you mean `weak_per_shift`?"),
        ("weak_per_shift = 2", "weak_per_shift = \"two\"", "weak_per_shift = \"two\""),
        ("mode = \"observe\"", "mode = \"enforced\"", "one of: observe, enforce"),
        ("listen = \"127.0.0.1:8700\"", "listen = \"localhost\"", "listen = \"localhost\""),
        ("adapter = ", "adaptor = ", "did you mean `adapter`?"),
    ];
    for (right, wrong, said) in wrong {
        fs::write(&config, good.replacen(right, wrong, 1)).unwrap();
        let answer = check(&config);
        assert_eq!(answer.code, Some(1), "{wrong}: {answer:?}");
        let place = format!("sightline.toml:{}: ", line(right));
        assert!(answer.err.contains(&place) && answer.err.contains(said), "{wrong}: {answer:?}");
    }
    // What cannot be seen in the file alone.
    let wrong = [
        ("adapter = \"desk\"", "adapter = \"desc\"", "desc"),
        ("adapter = \"desk\"", "adapter = \"adapters/mine.toml\"", "adapters/mine.toml"),
        ("secrets/app-secret", "secrets/app-secert", "secrets/app-secert"),
    ];
    for (right, wrong, said) in wrong {
        fs::write(&config, good.replacen(right, wrong, 1)).unwrap();
        let answer = check(&config);
        assert!(answer.line().contains(said), "{wrong}: {answer:?}");
    }
    // A port that is taken: nothing is begun.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fs::write(&config, good.replacen("127.0.0.1:8700", &address, 1).replacen("\"data\"", "\"other\"", 1))
        .unwrap();
    let refused = sightline(["serve", "--config", config.to_str().unwrap()]);
    assert!(refused.line().contains(&format!("{address} is taken by another program")), "{refused:?}");
    assert!(!dir.join("other").exists());
    let nowhere = check(&dir.join("other.toml"));
    assert!(nowhere.line().contains("other.toml"), "{nowhere:?}");
}

#[test]
fn a_wrong_adapter_is_told_by_file_line_and_the_nearest_valid_key() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../adapters/desk.toml");
    let good = fs::read_to_string(shipped).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mine = dir.path().join("mine.toml");
    let line = |part: &str| good.lines().position(|l| l.contains(part)).unwrap() + 1;
    for (right, wrong, said) in [
        ("kind = \"record\"", "knid = \"record\"", "did you mean \"kind\"?"),
        ("class = \"contact.email\"", "class = \"contact.emial\"", "contact.email"),
    ] {
        fs::write(&mine, good.replacen(right, wrong, 1)).unwrap();
        let answer = sightline(["adapter", "check", mine.to_str().unwrap()]);
        let place = format!("mine.toml:{}: ", line(right));
        assert!(answer.code == Some(1) && answer.err.contains(&place), "{wrong}: {answer:?}");
        assert!(answer.err.contains(said), "{wrong}: {answer:?}");
    }
    sightline(["adapter", "check", "desk"]).good();
    sightline(["adapter", "check", "rt5"]).good();
}

#[test]
fn a_taken_port_or_directory_is_one_line_and_nothing_is_written() {
    let home = tempfile::tempdir().unwrap();
    let (data, port) = (home.path().join("data"), two_free_ports());
    let demo = |port: u16, data: &Path| {
        sightline(["demo", "--port", &port.to_string(), "--data", data.to_str().unwrap()])
    };
    for taken in [port, port + 1] {
        let _other = TcpListener::bind(("127.0.0.1", taken)).unwrap();
        let refused = demo(port, &data);
        let expected = format!("127.0.0.1:{taken} is taken by another program; choose others with --port");
        assert!(refused.line().contains(&expected), "{refused:?}");
        assert!(!data.exists());
    }
    fs::create_dir(&data).unwrap();
    fs::write(data.join("mine"), "mine").unwrap();
    let before = files(&data);
    let refused = demo(port, &data);
    assert!(refused.line().ends_with("is not an empty directory; nothing was written"), "{refused:?}");
    let refused = demo(port, &data.join("mine"));
    assert!(refused.line().ends_with("is not an empty directory; nothing was written"), "{refused:?}");
    assert_eq!(files(&data), before);
}

#[tokio::test]
async fn a_demo_answers_its_operator_while_it_runs_and_after_its_end_and_no_damage_is_overlooked() {
    let mut demo = Running::demo(7, 600.0).await;
    demo.says("has seen 1 customer").await;
    let insider = floor::Population::generate(7).insider().record.staff.to_string();
    let [first, second] = ["s-01", "s-02"].map(|staff| Visitor::signed_in(demo.desk(), staff));
    let (first, second) = (first.await, second.await);
    assert_eq!(first.page("/tickets").await.status, StatusCode::OK);

    // The running process answers, over its socket.
    let answers = |ask: &dyn Fn(&[&str]) -> common::Answer| {
        let reach = ask(&["blast-radius", "--staff", &insider]).good();
        assert!(reach.contains("Customers seen, by first look"), "{reach}");
        let csv = ask(&["blast-radius", "--staff", &insider, "--csv"]).good();
        assert!(
            csv.starts_with("exposure,app,customer,tier,classes,") && csv.contains("\nlook,desk,c-"),
            "{csv}"
        );
        let json: Value =
            serde_json::from_str(&ask(&["blast-radius", "--staff", &insider, "--json"]).good()).unwrap();
        let seen = json["answer"]["seen"].as_array().unwrap().clone();
        assert_eq!(seen.len(), csv.matches("\nlook,").count());
        let customer = seen.last().unwrap()["customer"]["customer"].as_str().unwrap().to_owned();
        let who = ask(&["who-saw", &customer]).good();
        assert!(who.contains(&insider), "{who}");
        let report = ask(&["report", "first-look"]).good();
        assert!(report.contains("Looks that nothing explains") && report.contains(&insider), "{report}");
        let report: Value = serde_json::from_str(&ask(&["report", "first-look", "--json"]).good()).unwrap();
        assert!(!report["answer"]["unexplained"].as_array().unwrap().is_empty());
        // Each question is an entry by itself.
        let log = entries(ask(&["log", "tail", "-n", "10000", "--json"]));
        let questions = log.iter().filter(|e| e["event"]["event"] == "questioned");
        let by_operator = questions.filter(|e| e["event"]["by"] == "operator").count();
        assert!(by_operator >= 6, "{by_operator}");
        log
    };
    answers(&|arguments| demo.ask(arguments));

    // Revoked: their next click is refused, with a number that is in the ledger, and nobody else's.
    let said = demo.ask(&["revoke", "--staff", "s-01", "--reason", "drill"]).good();
    assert!(said.starts_with("s-01: suspended, every session and grant ended."), "{said}");
    let refused = first.reach("/tickets").await.unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    let log = entries(demo.ask(&["log", "tail", "-n", "10000", "--json"]));
    let reference = refused.reference().unwrap();
    let entry = log.iter().find(|entry| entry["event"]["response"] == *reference).unwrap();
    assert_eq!((staff_of(entry), &entry["event"]["event"]), ("s-01", &"refused".into()), "{entry}");
    assert_eq!(second.page("/tickets").await.status, StatusCode::OK);
    let nobody = demo.ask(&["revoke", "--staff", "s-99"]);
    assert!(nobody.line().contains("there is no staff member s-99"), "{nobody:?}");

    let url = demo.console();
    let key = demo.data().join("ledger/log.vkey");
    let over_http = sightline(["verify", "--quiet", &url, "--vkey", key.to_str().unwrap()]).good();
    assert!(over_http.contains("demo.sightline.invalid/ledger: good"), "{over_http}");

    let ended = demo.interrupt();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.err);

    // The same questions to what lies on the disk.
    let log = answers(&|arguments| ended.ask(arguments));
    assert!(log.iter().enumerate().all(|(i, e)| e["index"] == i), "entries are missing");
    ended.ask(&["revoke", "--staff", "s-02", "--json"]).good();
    ended.ask(&["staff", "reinstate", "s-02"]).good();
    ended.ask(&["rebuild"]).good();
    answers(&|arguments| ended.ask(arguments));
    // The newest segment never is, and a demo has one.
    assert!(ended.ask(&["compact"]).good().contains("nothing to compact"));
    let none: Value = serde_json::from_str(&ended.ask(&["compact", "--json"]).good()).unwrap();
    assert_eq!(none["entries"], 0);

    receipts_hold_and_changed_ones_do_not(&ended, &insider);
    damage_is_found_and_named(&ended);
}

fn receipts_hold_and_changed_ones_do_not(ended: &Ended, insider: &str) {
    let home = tempfile::tempdir().unwrap();
    let (key, out) = (ended.data().join("ledger/log.vkey"), home.path().join("out"));
    let verify = |file: &Path| sightline(["verify", file.to_str().unwrap(), "--vkey", key.to_str().unwrap()]);
    ended.ask(&["blast-radius", "--staff", insider, "--out", out.to_str().unwrap()]).good();
    let receipts = files(&out.join("receipts"));
    let theirs = receipts.iter().filter(|(file, _)| verify(file).good().contains(insider)).count();
    assert!(theirs > 3 && receipts.len() > theirs, "{theirs} of {}", receipts.len());
    let good = verify(&out).good();
    assert!(
        good.contains(": good evidence") && good.contains(&format!("{} receipts", receipts.len())),
        "{good}"
    );
    // The same in one file, and not a word of either is changed unnoticed.
    let packed = home.path().join("out.tar.zst");
    ended.ask(&["blast-radius", "--staff", insider, "--out", packed.to_str().unwrap()]).good();
    assert_eq!(mode(&packed), 0o600);
    assert!(verify(&packed).good().contains(": good evidence"));
    for name in ["README.html", "blast-radius.csv", "manifest", "checkpoint", "log.vkey", "entries.jsonl"] {
        let whole = fs::read(out.join(name)).unwrap();
        let mut damaged = whole.clone();
        damaged[whole.len() / 3] ^= 1;
        fs::write(out.join(name), damaged).unwrap();
        let found = verify(&out);
        assert!(found.code == Some(2) && found.err.contains(name), "{name}: {found:?}");
        fs::write(out.join(name), whole).unwrap();
    }
    let again = ended.ask(&["blast-radius", "--staff", insider, "--out", out.to_str().unwrap()]);
    assert!(again.line().contains(out.to_str().unwrap()), "{again:?}");

    let proof = home.path().join("7.tlog-proof");
    let text = ended.ask(&["log", "proof", "7"]).good();
    fs::write(&proof, &text).unwrap();
    assert!(verify(&proof).good().contains("entry 7 of demo.sightline.invalid/ledger"));
    for line in 1..text.lines().count() {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        if lines[line].is_empty() {
            continue;
        }
        // One letter of every line in turn, in the middle, where base64 has no spare bits.
        let at = lines[line].char_indices().nth(lines[line].chars().count() / 2).unwrap().0;
        let other = if &lines[line][at..=at] == "A" { "B" } else { "A" };
        lines[line].replace_range(at..=at, other);
        fs::write(&proof, lines.join("\n") + "\n").unwrap();
        let changed = verify(&proof);
        assert!(changed.code == Some(2) && changed.err.contains("NOT GOOD"), "line {line}: {changed:?}");
    }
    let beyond = ended.ask(&["log", "proof", "1000000"]);
    assert!(beyond.line().contains("there is no entry 1000000"), "{beyond:?}");
}

fn damage_is_found_and_named(ended: &Ended) {
    let ledger = ended.data().join("ledger");
    let verify = || sightline(["verify", "--quiet", ended.data().to_str().unwrap()]);
    let good = verify().good();
    for number in ["entries: each read", "tiles and", "signatures of checkpoints", "journal: "] {
        assert!(good.contains(number), "{good}");
    }
    let journal = files(&ledger.join("journal")).remove(0).0;
    let journal_name = journal.file_name().unwrap().to_str().unwrap().to_owned();
    for (file, named) in [
        (ledger.join("public/tile/0/000"), "tile/0/000"),
        (ledger.join("public/tile/entries/000"), "tile/entries/000"),
        (journal, journal_name.as_str()),
        (ledger.join("public/checkpoint"), "checkpoint"),
    ] {
        let whole = fs::read(&file).unwrap();
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        fs::write(&file, damaged).unwrap();
        let found = verify();
        assert_eq!(found.code, Some(2), "{named}: {found:?}");
        assert!(found.err.contains("DAMAGED") && found.err.contains(named), "{named}: {found:?}");
        fs::write(&file, whole).unwrap();
    }
    assert_eq!(verify().good(), good);
}

/// What a visitor was handed until the process was killed.
#[derive(Default)]
struct Handed {
    shown: usize,
    references: BTreeSet<String>,
}

#[tokio::test]
async fn after_a_kill_under_load_everything_that_was_handed_out_is_in_the_ledger_and_it_goes_on() {
    let demo = Running::demo(11, 600.0).await;
    let handed = Arc::new(Mutex::new(Handed::default()));
    let visitor = Visitor::signed_in(demo.desk(), "s-01").await;
    let ticket = own_ticket(&visitor).await;
    let mut looking = tokio::task::JoinSet::new();
    for n in 1..=4 {
        let (visitor, ticket, handed) = (visitor.clone(), ticket.clone(), handed.clone());
        looking.spawn(async move {
            let unexplained = format!("/api/customers/c-{:05}", n * 1999);
            // Until the door is gone.
            while let Some(look) = visitor.reach(&ticket).await
                && let Some(refused) = visitor.reach(&unexplained).await
            {
                let mut handed = handed.lock().unwrap();
                handed.shown += usize::from(look.status == StatusCode::OK);
                handed.references.extend(refused.reference());
            }
        });
    }
    let enough = || handed.lock().unwrap().references.len() > 60;
    while !enough() {
        assert!(!looking.is_empty());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let proof = demo.ask(&["log", "proof", "3"]).good();
    let killed = demo.kill();
    while looking.join_next().await.is_some() {}
    let handed = std::mem::take(&mut *handed.lock().unwrap());

    let verdict = sightline(["verify", "--quiet", killed.data().to_str().unwrap()]);
    let again = Running::serve_again(killed).await;
    assert_eq!(verdict.code, Some(0), "what a kill leaves is no damage: {verdict:?}");
    let log = entries(again.ask(&["log", "tail", "-n", "10000", "--json"]));
    let recorded: BTreeSet<_> = log.iter().filter_map(|e| e["event"]["response"].as_str()).collect();
    let missing: Vec<_> = handed.references.iter().filter(|r| !recorded.contains(r.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let reveals = log.iter().filter(|e| e["event"]["event"] == "revealed" && staff_of(e) == "s-01").count();
    assert!(handed.shown > 0 && reveals >= handed.shown, "{} shown, {reveals} recorded", handed.shown);
    let receipt = tempfile::tempdir().unwrap();
    let (file, key) = (receipt.path().join("3.tlog-proof"), again.data().join("ledger/log.vkey"));
    fs::write(&file, proof).unwrap();
    sightline(["verify", file.to_str().unwrap(), "--vkey", key.to_str().unwrap()]).good();

    // The desk died with the demo. Its door says so, on record.
    let gone = visitor.reach(&ticket).await.unwrap();
    assert_eq!(gone.status, StatusCode::BAD_GATEWAY, "{gone:?}");
    let reference = gone.reference().unwrap();
    let log = again.ask(&["log", "tail", "--json"]).good();
    assert!(log.contains(&reference), "{reference}: {log}");
    let ended = again.interrupt();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.err);
    sightline(["verify", ended.data().to_str().unwrap()]).good();
}

/// The address of a ticket that was routed to this visitor, as a script asks for it.
async fn own_ticket(visitor: &Visitor) -> String {
    let queue = visitor.page("/").await.body;
    let (_, mine) = queue.split_once(r#"<section id="mine""#).unwrap();
    let (_, id) = mine.split_once(r#"data-ticket-id=""#).unwrap();
    format!("/api/tickets/{}", id.split('"').next().unwrap())
}
