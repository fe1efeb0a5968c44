//! Several gateways, as somebody runs them, on one ledger in a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{sightline, two_free_ports};
use ledger::LogVerifier;
use ledger::checkpoint::Checkpoint;
use ledger::note::{SignerKey, VerifierKey};
use ledger::tree::{Frontier, leaf_hash};
use peers::postgres::Server;
use serde_json::Value;
use witness::AddCheckpoint;

const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway's folder, and the gateway when it runs.
struct Gateway {
    home: tempfile::TempDir,
    port: u16,
    running: Option<Child>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Gateway {
    fn new(database: &Server) -> Self {
        Self::with(database, "", "")
    }

    /// With more under `[log]`, and more at the end.
    fn with(database: &Server, log: &str, more: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (port, database) = (two_free_ports(), database.port);
        std::fs::write(home.path().join("secret"), "not-much-of-a-secret\n").unwrap();
        let text = format!(
            "data = \"data\"\n\
             [log]\norigin = \"several.invalid/ledger\"\n\
             journal = \"postgres://sightline@127.0.0.1:{database}/sightline\"\n{log}\
             [console]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\n\
             [[login.personas.staff]]\nstaff = \"s-1\"\nname = \"Ada\"\nlogin = \"ada\"\nrole = \"admin\"\n\
             team = \"t\"\nemployer = \"in-house\"\n\
             [[app]]\nname = \"desk\"\nlisten = \"127.0.0.1:{next}\"\npublic_url = \"http://127.0.0.1:{next}\"\n\
             upstream = \"http://127.0.0.1:9\"\nadapter = \"desk\"\nmode = \"enforce\"\n\
             [app.sign_in]\nheader = \"X-Remote-User\"\nsecret_header = \"X-Desk-Secret\"\nsecret_file = \"secret\"\n{more}",
            next = port + 1
        );
        std::fs::write(home.path().join("sightline.toml"), text).unwrap();
        Self { home, port, running: None }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn ask(&self, arguments: &[&str]) -> common::Answer {
        let config = self.path("sightline.toml");
        sightline(arguments.iter().map(Path::new).chain([Path::new("--config"), &config]))
    }

    /// Starts it and waits until it takes commands.
    fn start(&mut self) {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sightline"))
            .args(["serve", "--config"])
            .arg(self.path("sightline.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running = Some(child);
        let started = Instant::now();
        while !self.path("data/control.sock").exists() {
            let said = std::fs::read_to_string(self.path("log")).unwrap();
            assert!(started.elapsed() < PATIENCE, "{said}");
            let ended = self.running.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A gateway that joins the log of this one.
    fn share_keys(&self, joining: &Self) {
        for dir in ["data/ledger", "data/people"] {
            std::fs::create_dir_all(joining.path(dir)).unwrap();
        }
        for key in [
            "data/ledger/log.key",
            "data/ledger/master.key",
            "data/people/key",
            "data/gateway.key",
            "data/mark.key",
        ] {
            std::fs::copy(self.path(key), joining.path(key)).unwrap();
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.running.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ask(&["log", "status", "--json"]).good()).unwrap()
    }

    fn publishes(&self) -> bool {
        self.status()["publishing"]["lease"]["is_ours"].as_bool().unwrap()
    }

    /// Lets the ledger grow: whoever asks about a customer is recorded.
    fn grow(&self, by: usize) {
        for _ in 0..by {
            self.ask(&["who-saw", "c-1", "--json"]).good();
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_file(self.path("data/control.sock"));
        }
    }

    /// The entries, once there are so many.
    fn entries(&self, count: usize) -> Vec<serde_json::Value> {
        let started = Instant::now();
        loop {
            let text = self.ask(&["log", "tail", "-n", "1000", "--json"]).good();
            let entries: Vec<serde_json::Value> =
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            if entries.len() >= count {
                return entries;
            }
            assert!(started.elapsed() < PATIENCE, "{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn two_gateways_write_one_ledger_and_one_goes_on_when_the_other_is_killed() {
    let server = Server::start().unwrap();
    let mut first = Gateway::new(&server);

    // Without tables it says what to run.
    let refusal = first.ask(&["serve"]);
    assert!(refusal.err.contains("sightline migrate"), "{refusal:?}");
    let dry = first.ask(&["migrate", "--dry-run", "--json"]).good();
    let dry: serde_json::Value = serde_json::from_str(&dry).unwrap();
    assert_eq!(dry["steps"][0]["state"], "missing");
    assert!(first.ask(&["migrate"]).good().contains("version 1"));
    assert!(first.ask(&["migrate"]).good().contains("there already"));
    first.start();

    // A gateway with keys of its own is refused, and leaves nothing that would be in the way of the right ones.
    let mut second = Gateway::new(&server);
    let refusal = second.ask(&["serve"]);
    assert!(refusal.err.contains("copy log.key and master.key"), "{refusal:?}");
    first.share_keys(&second);
    std::fs::remove_file(second.path("data/mark.key")).unwrap();
    let refusal = second.ask(&["serve"]);
    assert!(refusal.err.contains("data/mark.key is missing"), "{refusal:?}");
    first.share_keys(&second);
    second.start();

    // Each has recorded its start and its settings; both see all of it.
    let of_first = first.entries(5);
    assert_eq!(of_first, second.entries(of_first.len())[..of_first.len()]);
    let starts = of_first.iter().filter(|entry| entry.to_string().contains("started")).count();
    assert_eq!(starts, 2);

    first.kill();
    second.kill();
    second.start();
    let of_second = second.entries(of_first.len() + 1);
    assert_eq!(of_second[..of_first.len()], of_first);
    first.start();
    first.entries(of_second.len() + 1);
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "too slow: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The checkpoint that a console gives out, if it answers.
fn checkpoint(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    stream
        .write_all(format!("GET /checkpoint HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n").as_bytes())
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.0 200").then(|| body.to_owned())
}

/// Asks every console again and again; each one's checkpoints, in order.
fn watch(ports: Vec<u16>, over: Arc<AtomicBool>) -> std::thread::JoinHandle<BTreeMap<u16, Vec<String>>> {
    std::thread::spawn(move || {
        let mut seen: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        while !over.load(Ordering::SeqCst) {
            for port in &ports {
                let list = seen.entry(*port).or_default();
                if let Some(note) = checkpoint(*port)
                    && list.last() != Some(&note)
                {
                    list.push(note);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        seen
    })
}

/// A process that ends with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A witness's directory and key.
fn new_witness(dir: &Path) -> String {
    let dir = dir.to_str().unwrap();
    let made = sightline(["witness", "init", "--json", "--name", "w.example", "--data", dir]).good();
    serde_json::from_str::<Value>(&made).unwrap()["vkey"].as_str().unwrap().to_owned()
}

fn start_witness(dir: &Path, port: u16, log: &str) -> Ending {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sightline"));
    command.args(["witness", "--listen", &format!("127.0.0.1:{port}"), "--data", dir.to_str().unwrap()]);
    command.args(["--log", log]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    wait("the witness listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Ending(child)
}

/// Which one publishes, once exactly one does.
fn publisher(gateways: &[&Gateway]) -> usize {
    let mut found = None;
    wait("one publishes", || {
        let ours: Vec<usize> = (0..gateways.len()).filter(|at| gateways[*at].publishes()).collect();
        found = ours.first().copied();
        ours.len() == 1
    });
    found.unwrap()
}

#[test]
fn one_of_three_gateways_publishes_and_whoever_is_killed_or_stopped_no_checkpoint_ever_goes_back() {
    let server = Server::start().unwrap();
    let shared = tempfile::tempdir().unwrap();
    let (tiles, port) = (shared.path().join("public"), two_free_ports());
    let vkey = new_witness(&shared.path().join("witness"));
    let more = format!(
        "[witnesses]\nquorum = 1\nmax_age_minutes = 1\nwitness = [{{ vkey = \"{vkey}\", url = \"http://127.0.0.1:{port}\" }}]\n"
    );
    let mut gateways = ["gw-a", "gw-b", "gw-c"].map(|node| {
        let log = format!("node = \"{node}\"\ntiles = \"{}\"\n", tiles.display());
        Gateway::with(&server, &log, &more)
    });
    gateways[0].ask(&["migrate"]).good();
    gateways[0].start();
    let log = std::fs::read_to_string(gateways[0].path("data/ledger/log.vkey")).unwrap().trim().to_owned();
    let _witness = start_witness(&shared.path().join("witness"), port, &log);
    for at in [1, 2] {
        gateways[0].share_keys(&gateways[at]);
        gateways[at].start();
    }
    let over = Arc::new(AtomicBool::new(false));
    let watching = watch(gateways.iter().map(|gateway| gateway.port).collect(), over.clone());

    // The first publishes and asks; all give out the same, and know by which witness it is confirmed.
    assert_eq!(publisher(&gateways.each_ref()), 0);
    gateways[1].grow(3);
    let cosigned = |gateway: &Gateway| gateway.status()["witnesses"]["quorum"]["size"].as_u64().unwrap_or(0);
    let size = gateways[1].status()["size"].as_u64().unwrap();
    for gateway in &gateways {
        wait("it is cosigned on every gateway", || cosigned(gateway) >= size);
    }
    let said = gateways[2].ask(&["log", "status"]).good();
    assert!(said.contains("published by gw-a (epoch 1), not by this gateway, gw-c"), "{said}");
    assert!(said.contains(&tiles.display().to_string()), "{said}");

    // Killed: another takes over once the lease has run out.
    gateways[0].kill();
    let killed = Instant::now();
    let [_, b, c] = &gateways;
    let second = 1 + publisher(&[b, c]);
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    gateways[3 - second].grow(3);
    let size = gateways[second].status()["size"].as_u64().unwrap();
    wait("the next are cosigned", || cosigned(&gateways[3 - second]) >= size);

    // Stopped where it is for longer than its lease: the third takes over, and the second finds that out.
    gateways[second].signal("-STOP");
    let third = 3 - second;
    wait("the third publishes", || gateways[third].publishes());
    gateways[third].grow(3);
    let size = gateways[third].status()["size"].as_u64().unwrap();
    wait("those too", || cosigned(&gateways[third]) >= size);
    gateways[second].signal("-CONT");
    wait("the second gives out what the third has published", || {
        gateways[second].status()["given_out"].as_u64().unwrap() >= size
    });
    assert!(!gateways[second].publishes());

    // And the first is there again.
    gateways[0].start();
    gateways[0].grow(1);
    let size = gateways[0].status()["size"].as_u64().unwrap();
    for gateway in &gateways {
        wait("everything is given out everywhere", || cosigned(gateway) >= size);
        let status = gateway.status();
        assert_eq!(status["incidents"], serde_json::json!([]), "no fork and no rollback: {status}");
        assert_eq!(status["witnesses"]["closed"], Value::Null, "{status}");
        assert_eq!(status["publishing"]["trouble"], Value::Null, "{status}");
        assert_eq!(status["publishing"]["lease"]["epoch"], 3, "{status}");
    }

    // What any gateway ever gave out is one history, which never went back.
    over.store(true, Ordering::SeqCst);
    let seen = watching.join().unwrap();
    let verifier = LogVerifier::new(VerifierKey::parse(&log).unwrap());
    let mut all = BTreeMap::new();
    for (port, notes) in &seen {
        let mut last = 0;
        for note in notes {
            let said = verifier.checkpoint(note).unwrap();
            assert!(said.size >= last, "the console at {port} went back from {last} to {}", said.size);
            last = said.size;
            assert_eq!(*all.entry(said.size).or_insert(said.root), said.root, "two roots of {}", said.size);
        }
    }
    // One at the least for each time that the log grew and was waited for; how many more is a matter of moments.
    assert!(all.len() >= 4, "{all:?}");
    // The directory holds all of it, and so does what any gateway serves; the checkpoint that a verifier keeps from one
    // is a beginning of the next.
    wait("the directory has the last checkpoint", || {
        let note = std::fs::read_to_string(tiles.join("checkpoint")).unwrap();
        verifier.checkpoint(&note).unwrap().size >= size
    });
    let directory = ledger::verify::Directory::open(&tiles).unwrap();
    let (mut tree, mut roots) = (Frontier::default(), BTreeMap::new());
    roots.insert(0, tree.root());
    for (_, entry) in ledger::verify::entries(&directory, &verifier, 0, usize::MAX).unwrap() {
        tree.push(leaf_hash(&entry.encode()));
        roots.insert(tree.size(), tree.root());
    }
    for (size, root) in &all {
        assert_eq!(roots.get(size).unwrap_or(root), root, "at {size}");
    }
    assert!(all.keys().filter(|size| roots.contains_key(size)).count() >= 4);
    let state = shared.path().join("state");
    let state = state.to_str().unwrap();
    let urls = gateways.each_ref().map(|gateway| format!("http://127.0.0.1:{}", gateway.port));
    for place in [tiles.to_str().unwrap(), &urls[0], &urls[1], &urls[2]] {
        let verified = sightline(["verify", place, "--vkey", &log, "--state", state]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }
    // An export reads what any gateway recorded, beside those that run.
    let exported = gateways[1].ask(&["log", "export", "--format", "jsonl"]).good();
    assert!(exported.lines().count() as u64 > size, "{exported}");

    // What is lost or changed in the shared place is found, and put there again.
    gateways.iter_mut().for_each(Gateway::kill);
    let size = verifier.checkpoint(&std::fs::read_to_string(tiles.join("checkpoint")).unwrap()).unwrap().size;
    std::fs::remove_file(tiles.join(format!("tile/0/000.p/{size}"))).unwrap();
    std::fs::write(tiles.join(format!("tile/entries/000.p/{size}")), "changed").unwrap();
    assert_ne!(sightline(["verify", tiles.to_str().unwrap(), "--vkey", &log, "--no-state"]).code, Some(0));
    let rebuilt = gateways[0].ask(&["rebuild"]).good();
    assert!(rebuilt.contains("2 files were missing or differed"), "{rebuilt}");
    sightline(["verify", tiles.to_str().unwrap(), "--vkey", &log, "--no-state"]).good();
}

/// A witness has cosigned what the log's own key signed and no gateway knows: a longer history.
#[test]
fn what_a_witness_proves_to_the_gateway_that_asks_closes_the_others_too() {
    let server = Server::start().unwrap();
    let (home, port) = (tempfile::tempdir().unwrap(), two_free_ports());
    let vkey = new_witness(home.path());
    let more = format!(
        "[witnesses]\nquorum = 1\nwitness = [{{ vkey = \"{vkey}\", url = \"http://127.0.0.1:{port}\" }}]\n"
    );
    let mut first = Gateway::with(&server, "node = \"gw-a\"\n", &more);
    let mut second = Gateway::with(&server, "node = \"gw-b\"\n", &more);
    first.ask(&["migrate"]).good();
    first.start();
    first.share_keys(&second);
    second.start();
    wait("the first publishes", || first.publishes());
    assert!(!second.publishes());

    let key = std::fs::read_to_string(first.path("data/ledger/log.key")).unwrap();
    let key = SignerKey::from_text(&key).unwrap();
    let origin = key.public().name().to_owned();
    let note = key.sign(&Checkpoint { origin, size: 1000, root: [7; 32] }.body());
    let _witness = start_witness(home.path(), port, &key.public().to_string());
    let body = AddCheckpoint { old: 0, proof: Vec::new(), note }.to_text();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head =
        format!("POST /add-checkpoint HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");

    for gateway in [&first, &second] {
        wait("no look is shown any more", || {
            let closed = gateway.status()["witnesses"]["closed"]["contradicted"]["what"].clone();
            closed == "ledger_rollback"
        });
        wait("it is an incident on both", || gateway.status()["incidents"][0]["proved"] == true);
    }
    let asked = |gateway: &Gateway| gateway.status()["witnesses"]["witnesses"][0]["error"].is_string();
    assert!(asked(&first) && !asked(&second), "only the first has asked");
}
