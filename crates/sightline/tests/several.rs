//! Two gateways, as somebody runs them, on one ledger in a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{sightline, two_free_ports};
use peers::postgres::Server;

const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway's folder, and the gateway when it runs.
struct Gateway {
    home: tempfile::TempDir,
    running: Option<Child>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Gateway {
    fn new(database: &Server) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (port, database) = (two_free_ports(), database.port);
        std::fs::write(home.path().join("secret"), "not-much-of-a-secret\n").unwrap();
        let text = format!(
            "data = \"data\"\n\
             [log]\norigin = \"several.invalid/ledger\"\n\
             journal = \"postgres://sightline@127.0.0.1:{database}/sightline\"\n\
             [console]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\n\
             [[login.personas.staff]]\nstaff = \"s-1\"\nname = \"Ada\"\nlogin = \"ada\"\nrole = \"admin\"\n\
             team = \"t\"\nemployer = \"in-house\"\n\
             [[app]]\nname = \"desk\"\nlisten = \"127.0.0.1:{next}\"\npublic_url = \"http://127.0.0.1:{next}\"\n\
             upstream = \"http://127.0.0.1:9\"\nadapter = \"desk\"\nmode = \"enforce\"\n\
             [app.sign_in]\nheader = \"X-Remote-User\"\nsecret_header = \"X-Desk-Secret\"\nsecret_file = \"secret\"\n",
            next = port + 1
        );
        std::fs::write(home.path().join("sightline.toml"), text).unwrap();
        Self { home, running: None }
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
    for dir in ["data/ledger", "data/people"] {
        std::fs::create_dir_all(second.path(dir)).unwrap();
    }
    for key in ["data/ledger/log.key", "data/ledger/master.key", "data/people/key", "data/gateway.key"] {
        std::fs::copy(first.path(key), second.path(key)).unwrap();
    }
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
