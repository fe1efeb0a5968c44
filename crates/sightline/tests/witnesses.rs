//! A log and its witnesses as real processes: cosigned, silent, rolled back, forked.
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Running, Visitor, entries, sightline, two_free_ports};
use http::StatusCode;
use serde_json::Value;

/// A witness process. Dropped, it is killed.
struct WitnessProcess {
    child: Child,
    dir: PathBuf,
    port: u16,
    vkey: String,
}

impl WitnessProcess {
    fn init(dir: &Path, name: &str) -> (PathBuf, String) {
        let dir = dir.join(name);
        let made = sightline(["witness", "init", "--json", "--name", name, "--data", dir.to_str().unwrap()]);
        let said: Value = serde_json::from_str(&made.good()).unwrap();
        (dir, said["vkey"].as_str().unwrap().to_owned())
    }

    async fn start(dir: &Path, vkey: &str, port: u16, log: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sightline"));
        command.args(["witness", "--listen", &format!("127.0.0.1:{port}"), "--data", dir.to_str().unwrap()]);
        command.args(["--log", log]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let witness = Self { child, dir: dir.to_owned(), port, vkey: vkey.to_owned() };
        let visitor = Visitor::new(witness.url());
        wait("the witness answers", async || visitor.reach("/").await.is_some()).await;
        witness
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn stop(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for WitnessProcess {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn wait(what: &str, mut until: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !until().await {
        assert!(since.elapsed() < Duration::from_secs(100), "too slow: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn status(running: &Running) -> Value {
    serde_json::from_str(&running.ask(&["log", "status", "--json"]).good()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, kind) = {
            let e = entry.unwrap();
            let k = e.file_type().unwrap();
            (e, k)
        };
        let to = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &to)
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).map(drop).unwrap()
        }
    }
}

/// A look at the desk by one of its staff. The desk itself has ended with the demo: a look that is allowed finds
/// that out, and one that is refused does not come so far.
async fn look(running: &Running) -> common::Got {
    let agent = Visitor::signed_in(running.desk(), "s-01").await;
    agent.reach("/tickets").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_cosigned_goes_on_without_one_of_three_and_a_rollback_is_refused_and_reported() {
    let home = tempfile::tempdir().unwrap();
    // A demo leaves an installation; from then on it is served, with three witnesses of which two must cosign.
    let mut demo = Running::demo(3, 1.0).await;
    demo.says("http").await;
    let ended = demo.interrupt();
    let log = std::fs::read_to_string(ended.data().join("ledger/log.vkey")).unwrap().trim().to_owned();
    let file = ended.data().parent().unwrap().join("sightline.toml");
    let port = two_free_ports();
    let ports = [port, port + 1, two_free_ports()];
    let made: Vec<_> = ["w1.example", "w2.example", "w3.example"]
        .iter()
        .map(|name| WitnessProcess::init(home.path(), name))
        .collect();
    let mut text = std::fs::read_to_string(&file).unwrap();
    let list: Vec<_> = made
        .iter()
        .zip(ports)
        .map(|((_, vkey), port)| format!("{{ vkey = \"{vkey}\", url = \"http://127.0.0.1:{port}\" }}"))
        .collect();
    text += &format!("\n[witnesses]\nquorum = 2\nmax_age_minutes = 1\nwitness = [{}]\n", list.join(", "));
    std::fs::write(&file, text).unwrap();

    let mut witnesses = Vec::new();
    for ((dir, vkey), port) in made.iter().zip(ports) {
        witnesses.push(WitnessProcess::start(dir, vkey, port, &log).await);
    }
    let running = Running::serve_again(ended).await;
    let cosigned = |running: &Running| status(running)["witnesses"]["quorum"]["size"].as_u64().unwrap_or(0);
    wait("a quorum", async || cosigned(&running) > 0).await;
    wait("all three", async || {
        let status = status(&running);
        let all = status["witnesses"]["witnesses"].as_array().unwrap().clone();
        all.iter().all(|w| w["cosigned"]["size"].as_u64().is_some())
    })
    .await;

    // Anybody reads the checkpoint with its cosignatures, and the policy to judge them by.
    let public = Visitor::new(running.console());
    let policy = public.reach("/trust-policy").await.unwrap();
    assert_eq!((policy.status, &*policy.body), (StatusCode::OK, &*running.ask(&["log", "policy"]).good()));
    let policy = ledger::policy::Policy::parse(policy.body.as_bytes()).unwrap();
    wait("a checkpoint with a quorum", async || {
        let given = public.reach("/checkpoint").await.unwrap();
        given.body.contains("— grease.invalid/") && policy.check(&given.body).is_ok()
    })
    .await;

    // One of three is gone: the quorum of two goes on.
    witnesses.pop().unwrap().stop();
    let before = cosigned(&running);
    assert_eq!(look(&running).await.status, StatusCode::BAD_GATEWAY);
    wait("two of three", async || cosigned(&running) > before).await;
    assert_eq!(status(&running)["witnesses"]["closed"], Value::Null);

    // A backup of now; the log goes on, is cosigned further, and is then set back to it.
    let (data, backup) = (running.data(), home.path().join("backup"));
    let ended = running.interrupt();
    copy(&data, &backup);
    let running = Running::serve_again(ended).await;
    let before = cosigned(&running);
    assert_eq!(look(&running).await.status, StatusCode::BAD_GATEWAY);
    wait("more is cosigned", async || cosigned(&running) > before).await;
    wait("all of it is cosigned", async || {
        cosigned(&running) >= status(&running)["size"].as_u64().unwrap() - 1
    })
    .await;
    let ended = running.interrupt();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    let running = Running::serve_again(ended).await;
    wait("the incident", async || !status(&running)["incidents"].as_array().unwrap().is_empty()).await;
    let said = status(&running);
    let incident = &said["incidents"][0];
    let what = incident["what"].as_str().unwrap();
    assert!(matches!(what, "ledger_rollback" | "ledger_fork"), "{said}");
    assert_eq!(incident["proved"], Value::Bool(true), "{said}");
    assert!(said["witnesses"]["closed"]["contradicted"]["what"].is_string(), "{said}");

    // Nothing is shown any more, and the page says why, with a reference number.
    let refused = look(&running).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert!(refused.body.contains("urn:sightline:problem:unwitnessed"), "{refused:?}");
    assert!(refused.reference().unwrap().starts_with("ref-"));
    let tail = entries(running.ask(&["log", "tail", "-n", "50", "--json"]));
    assert!(tail.iter().any(|e| e["event"]["event"] == "incident_opened"));
    let population = floor::Population::generate(3);
    let analyst = population.staff.iter().find(|staff| staff.record.role == model::Role::Analyst).unwrap();
    let analyst = Visitor::signed_in(running.console(), analyst.record.staff.as_str()).await;
    for page in ["/", "/ledger"] {
        let page = analyst.page(page).await;
        assert!(page.status == StatusCode::OK && page.body.contains("role=\"alert\""), "{page:?}");
        assert!(page.body.contains("A witness has proved that this is not the ledger"), "{page:?}");
    }
    // The witnesses have not moved, and say what they have seen.
    assert!(witnesses.iter().all(|w| w.vkey.contains(".example+") && w.dir.join("witness.key").is_file()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_witnesses_nothing_is_shown_until_two_administrators_allow_it() {
    let mut demo = Running::demo(4, 1.0).await;
    demo.says("http").await;
    let ended = demo.interrupt();
    let home = tempfile::tempdir().unwrap();
    let (_, vkey) = WitnessProcess::init(home.path(), "w1.example");
    let file = ended.data().parent().unwrap().join("sightline.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    // Nothing listens there: the witness never answers.
    let nowhere = format!("{{ vkey = \"{vkey}\", url = \"http://127.0.0.1:{}\" }}", two_free_ports());
    text += &format!("\n[witnesses]\nquorum = 1\nmax_age_minutes = 1\nwitness = [{nowhere}]\n");
    std::fs::write(&file, text).unwrap();
    let running = Running::serve_again(ended).await;
    wait("it closes", async || look(&running).await.status == StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(status(&running)["witnesses"]["closed"]["overdue"].is_object(), "{}", status(&running));

    let until = model::Clock::now(&model::SystemClock).plus(Duration::from_secs(3600)).to_string();
    let made = running.ask(&["log", "allow-unwitnessed", "--until", &until, "--json"]).good();
    let made: Value = serde_json::from_str(&made).unwrap();
    let proposal = made["event"]["proposal"].as_str().unwrap().to_owned();
    let staff = floor::Population::generate(4).staff;
    let admins: Vec<_> = staff.iter().filter(|s| s.record.role == model::Role::Admin).collect();
    let confirm = async |n: usize| {
        let admin = Visitor::signed_in(running.console(), admins[n].record.staff.as_str()).await;
        admin.confirm(&proposal, "unwitnessed").await;
        admin
    };
    confirm(0).await;
    assert_eq!(look(&running).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let second = confirm(1).await;
    // The desk has ended with the demo, so a look that is let through finds nobody there.
    assert_eq!(look(&running).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(status(&running)["unwitnessed_until"], Value::String(until));
    assert!(second.page("/decisions").await.body.contains("looks go on without the witnesses for now"));
}

#[test]
fn what_is_wrong_with_a_witness_or_its_command_line_is_said() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("w");
    let dir = dir.to_str().unwrap();
    let none = sightline(["witness", "--listen", "127.0.0.1:0", "--data", dir]);
    assert!(none.err.contains("holds no witness"), "{none:?}");
    sightline(["witness", "init", "--data", dir, "--name", "w.example"]).good();
    let again = sightline(["witness", "init", "--data", dir, "--name", "w.example"]);
    assert!(again.line().contains("is not empty"), "{again:?}");
    let named = sightline(["witness", "init", "--data", &format!("{dir}2"), "--name", "a name"]);
    assert!(named.line().contains("cannot name"), "{named:?}");
    let nothing = sightline(["witness", "--listen", "127.0.0.1:0", "--data", dir]);
    assert!(nothing.err.contains("knows no log"), "{nothing:?}");
    let wrong = sightline(["witness", "add-log", "--data", dir, "w.example+00000000+AAAA"]);
    assert!(wrong.line().contains("--log"), "{wrong:?}");
}
