//! At least once and in order: whatever receivers, disks and operators do, what arrives is the ledger.
#![allow(clippy::unwrap_used)]

mod common;
mod receivers;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use common::{append, every_kind, logins, open};
use hmac::{Hmac, KeyInit, Mac};
use ledger::Ledger;
use ledger::disk::{Disk, DiskFile, Lock, OsDisk, Readers};
use model::{OsEntropy, SystemClock};
use proptest::prelude::*;
use receivers::{Certificate, Inbox, Rude, number, syslog, webhook};
use sightline_export::{
    ExportError, ExportParts, ExportSettings, Exports, Format, Pace, State, Status, Writer,
};
use tokio::task::JoinHandle;

const SECRET: &str = "a-secret-of-more-than-24-bytes";

struct World {
    dir: tempfile::TempDir,
    ledger: Ledger,
    disk: Arc<dyn Disk>,
    batch: usize,
}

/// An export at work; ends with the test.
struct Running {
    exports: Exports,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    async fn with(entries: Vec<ledger::Draft>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, _) = open(&dir.path().join("ledger"));
        append(&ledger, entries).await;
        Self { dir, ledger, disk: Arc::new(OsDisk), batch: 7 }
    }

    fn settings(&self, toml: &str) -> ExportSettings {
        let settings: ExportSettings = toml::from_str(toml).unwrap();
        settings.check().unwrap();
        settings
    }

    fn syslog(&self, address: std::net::SocketAddr) -> ExportSettings {
        self.settings(&format!(
            "name = \"siem\"\nto = {{ kind = \"syslog\", address = \"tcp://{address}\" }}"
        ))
    }

    fn webhook(&self, address: std::net::SocketAddr, ca: &Path) -> ExportSettings {
        let secret = self.dir.path().join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        self.settings(&format!(
            "name = \"hook\"\nto = {{ kind = \"webhook\", url = \"https://localhost:{}/in\", secret_file = {secret:?}, ca = {ca:?} }}",
            address.port()
        ))
    }

    fn open(&self, settings: &[ExportSettings]) -> Result<Running, ExportError> {
        let parts = ExportParts {
            dir: self.dir.path().join("exports"),
            host: "gw-1".into(),
            pace: Pace {
                linger: Duration::from_millis(2),
                first: Duration::from_millis(2),
                longest: Duration::from_millis(10),
                batch: self.batch,
            },
            disk: self.disk.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
        };
        let (exports, exporters) = Exports::open(settings, &self.ledger, &parts)?;
        Ok(Running {
            exports,
            tasks: exporters.into_iter().map(|exporter| tokio::spawn(exporter.run())).collect(),
        })
    }

    fn everything(&self) -> Vec<u64> {
        (0..self.ledger.size()).collect()
    }

    async fn until(&self, running: &Running, what: impl Fn(&Status) -> bool) -> Status {
        for _ in 0..4_000 {
            let status = running.exports.status(self.ledger.size()).remove(0);
            if what(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never: {:?}", running.exports.status(self.ledger.size()));
    }
}

async fn arrives_in_order(world: &World, inbox: &Inbox) {
    inbox.until(world.ledger.size()).await;
    assert_eq!(inbox.first_arrivals(), world.everything());
}

#[tokio::test]
async fn syslog_over_tcp_brings_the_whole_ledger_and_what_comes_after() {
    let world = World::with(every_kind()).await;
    let (address, inbox) = syslog(None).await;
    let running = world.open(&[world.syslog(address)]).unwrap();
    arrives_in_order(&world, &inbox).await;
    append(&world.ledger, logins(3)).await;
    arrives_in_order(&world, &inbox).await;
    let status = world.until(&running, |status| status.state == State::Idle).await;
    assert_eq!((status.behind, status.next), (0, world.ledger.size()));
    // A polite receiver gets nothing twice.
    assert_eq!(inbox.messages().len() as u64, world.ledger.size());
    let header = inbox.messages()[0].split('{').next().unwrap().to_owned();
    assert!(header.starts_with("<110>1 2026-02-02T02:40:00.000Z gw-1 Sightline "), "{header}");
    assert!(inbox.messages().iter().all(|message| message.is_ascii()));
}

#[tokio::test]
async fn syslog_over_tls_brings_the_whole_ledger_and_resends_what_was_not_confirmed() {
    let world = World::with(every_kind()).await;
    let certificate = Certificate::new(world.dir.path());
    let (address, inbox) = syslog(Some(&certificate)).await;
    inbox.be_rude([Rude::Slam, Rude::Cut(3_000), Rude::Vanish]);
    let settings = world.settings(&format!(
        "name = \"siem\"\nto = {{ kind = \"syslog\", address = \"tls://localhost:{}\", ca = {:?} }}",
        address.port(),
        certificate.pem
    ));
    let _running = world.open(&[settings]).unwrap();
    arrives_in_order(&world, &inbox).await;
    assert!(inbox.messages().len() as u64 > world.ledger.size(), "what was not confirmed comes again");
}

#[tokio::test]
async fn a_receiver_whose_certificate_nobody_vouches_for_gets_nothing() {
    let world = World::with(logins(3)).await;
    let certificate = Certificate::new(world.dir.path());
    let (address, inbox) = syslog(Some(&certificate)).await;
    let settings = world.settings(&format!(
        "name = \"siem\"\nto = {{ kind = \"syslog\", address = \"tls://localhost:{}\", ca = {:?} }}",
        address.port(),
        Certificate::new(tempfile::tempdir().unwrap().keep().as_path()).pem
    ));
    let running = world.open(&[settings]).unwrap();
    let status = world.until(&running, |status| status.state == State::Retrying).await;
    assert!(status.error.unwrap().contains("certificate"));
    assert_eq!((status.next, inbox.messages().len()), (0, 0));
}

#[tokio::test]
async fn a_webhook_gets_signed_batches_in_order() {
    let world = World::with(every_kind()).await;
    let certificate = Certificate::new(world.dir.path());
    let (address, inbox) = webhook(&certificate).await;
    inbox.be_rude([Rude::Slam, Rude::Answer(500, None), Rude::Answer(429, Some(0)), Rude::Answer(413, None)]);
    let _running = world.open(&[world.webhook(address, &certificate.pem)]).unwrap();
    arrives_in_order(&world, &inbox).await;
    let mut next = 0;
    for (headers, body) in inbox.requests() {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
        mac.update(&body);
        let tag = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(header("webhook-signature"), format!("v1,{tag}"));
        let batch: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(batch["first"], next);
        next = batch["next"].as_u64().unwrap();
    }
    assert_eq!(next, world.ledger.size());
}

#[tokio::test]
async fn a_webhook_that_refuses_is_reported_and_nothing_is_skipped() {
    let world = World::with(logins(3)).await;
    let certificate = Certificate::new(world.dir.path());
    let (address, inbox) = webhook(&certificate).await;
    inbox.be_rude([Rude::Answer(401, None); 5]);
    let running = world.open(&[world.webhook(address, &certificate.pem)]).unwrap();
    let status = world.until(&running, |status| status.state == State::Refused).await;
    assert!(status.error.unwrap().contains("401"));
    assert!(status.retry_at.is_some() && status.next == 0 && status.behind == 3);
    arrives_in_order(&world, &inbox).await;
    let status = world.until(&running, |status| status.state == State::Idle).await;
    assert_eq!((status.error, status.failures), (None, 0));
}

#[tokio::test]
async fn a_file_that_is_moved_away_goes_on_in_a_new_one_and_a_torn_line_is_ended() {
    let world = World::with(logins(5)).await;
    let path = world.dir.path().join("events.jsonl");
    std::fs::write(&path, "{\"torn").unwrap();
    let settings = world.settings(&format!("name = \"file\"\nto = {{ kind = \"file\", path = {path:?} }}"));
    let running = world.open(&[settings]).unwrap();
    let idle = |status: &Status| status.behind == 0;
    world.until(&running, idle).await;
    let old = world.dir.path().join("events.1");
    std::fs::rename(&path, &old).unwrap();
    append(&world.ledger, logins(2)).await;
    world.until(&running, idle).await;
    let lines = |path: &PathBuf| {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&old)[0], "{\"torn");
    let numbers: Vec<u64> = lines(&old)[1..].iter().chain(&lines(&path)).map(|line| number(line)).collect();
    assert_eq!(numbers, world.everything());
}

#[tokio::test]
async fn a_restart_goes_on_behind_what_was_acknowledged() {
    let world = World::with(logins(20)).await;
    let (address, inbox) = syslog(None).await;
    let settings = [world.syslog(address)];
    {
        let running = world.open(&settings).unwrap();
        world.until(&running, |status| status.behind == 0).await;
    }
    append(&world.ledger, logins(5)).await;
    tokio::task::yield_now().await;
    let _running = world.open(&settings).unwrap();
    arrives_in_order(&world, &inbox).await;
    assert_eq!(inbox.messages().len(), 25, "nothing that was acknowledged comes again");
}

/// A disk on which putting a file in the place of another fails, as often as a test says.
#[derive(Debug)]
struct NoRename(AtomicU32);

impl Disk for NoRename {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(dir)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsDisk.read(path)
    }
    fn read_from(&self, path: &Path, offset: u64) -> io::Result<Box<dyn io::Read + Send>> {
        OsDisk.read_from(path, offset)
    }
    fn length(&self, path: &Path) -> io::Result<u64> {
        OsDisk.length(path)
    }
    fn create(&self, path: &Path, readers: Readers) -> io::Result<Box<dyn DiskFile>> {
        OsDisk.create(path, readers)
    }
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        OsDisk.append(path)
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        OsDisk.truncate(path, length)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // The first makes the cursor; the next ones fail.
        match self.0.fetch_add(1, Ordering::SeqCst) {
            1..=3 => Err(io::Error::other("the power went")),
            _ => OsDisk.rename(from, to),
        }
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.remove_dir(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        OsDisk.lock(path)
    }
}

#[tokio::test]
async fn what_was_delivered_when_the_cursor_could_not_be_moved_comes_again() {
    let mut world = World::with(logins(20)).await;
    world.disk = Arc::new(NoRename(AtomicU32::new(0)));
    let (address, inbox) = syslog(None).await;
    let _running = world.open(&[world.syslog(address)]).unwrap();
    arrives_in_order(&world, &inbox).await;
    assert_eq!(inbox.messages().len(), 20 + 3 * 7, "three batches of seven came twice");
}

#[tokio::test]
async fn two_exporters_never_share_a_cursor() {
    let world = World::with(logins(1)).await;
    let (address, _inbox) = syslog(None).await;
    let settings = [world.syslog(address)];
    let _running = world.open(&settings).unwrap();
    assert!(world.open(&settings).is_err_and(|error| error.to_string().contains("another process")));
}

#[tokio::test]
async fn a_cursor_of_another_log_or_ahead_of_the_ledger_or_damaged_is_refused() {
    let world = World::with(logins(1)).await;
    let (address, _inbox) = syslog(None).await;
    let cursors = world.dir.path().join("exports");
    std::fs::create_dir(&cursors).unwrap();
    for (text, why) in [
        (r#"{"origin":"other.example/log","next":0}"#, "other.example/log"),
        (r#"{"origin":"log.example/sightline","next":2}"#, "set back"),
        (r#"{"origin":"log.example/sightline"}"#, "not a cursor"),
        ("", "not a cursor"),
    ] {
        std::fs::write(cursors.join("siem.json"), text).unwrap();
        let error = world.open(&[world.syslog(address)]).err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(std::fs::read_to_string(cursors.join("siem.json")).unwrap(), text);
    }
}

#[tokio::test]
async fn from_now_begins_with_the_next_entry_also_after_a_restart_without_a_delivery() {
    let world = World::with(logins(4)).await;
    let (address, inbox) = syslog(None).await;
    let mut settings = world.syslog(address);
    settings.from = sightline_export::Begin::Now;
    drop(world.open(&[settings.clone()]).unwrap());
    append(&world.ledger, logins(2)).await;
    tokio::task::yield_now().await;
    let _running = world.open(&[settings]).unwrap();
    inbox.until(2).await;
    assert_eq!(inbox.first_arrivals(), [4, 5]);
}

#[tokio::test]
async fn a_replay_sends_again_and_never_skips() {
    let world = World::with(logins(20)).await;
    let (address, inbox) = syslog(None).await;
    let running = world.open(&[world.syslog(address)]).unwrap();
    world.until(&running, |status| status.behind == 0).await;
    assert!(matches!(running.exports.replay("siem", 21), Err(ExportError::Skips { .. })));
    assert!(matches!(running.exports.replay("other", 0), Err(ExportError::Unknown { .. })));
    running.exports.replay("siem", 15).unwrap();
    while inbox.messages().len() < 25 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let numbers: Vec<u64> = inbox.messages().iter().map(|message| number(message)).collect();
    assert_eq!(numbers, (0..20).chain(15..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_export_of_another_node_leaves_it_alone() {
    let world = World::with(logins(2)).await;
    let (address, _inbox) = syslog(None).await;
    let mut settings = world.syslog(address);
    settings.node = Some("gw-2".into());
    let running = world.open(&[settings]).unwrap();
    let status = running.exports.status(2).remove(0);
    assert_eq!((status.state, status.behind), (State::Elsewhere, 0));
    assert!(!world.dir.path().join("exports").exists());
    assert!(matches!(running.exports.replay("siem", 0), Err(ExportError::Elsewhere(_))));
}

#[tokio::test]
async fn a_test_message_is_marked_and_moves_no_cursor() {
    let world = World::with(logins(2)).await;
    let (address, inbox) = syslog(None).await;
    let settings = world.syslog(address);
    sightline_export::test(&settings, common::ORIGIN, "gw-1", &SystemClock).await.unwrap();
    let message = inbox.messages().remove(0);
    assert!(message.contains("test=\"true\"") && message.contains("\"labels\":[\"test\"]"), "{message}");
    assert!(!world.dir.path().join("exports").exists());

    inbox.be_rude([Rude::Slam]);
    let refused = sightline_export::test(&settings, common::ORIGIN, "gw-1", &SystemClock).await;
    assert!(matches!(refused, Err(ExportError::NotTaken { .. })));
}

fn rude() -> impl Strategy<Value = Rude> {
    prop_oneof![Just(Rude::Slam), (0usize..40_000).prop_map(Rude::Cut), Just(Rude::Vanish)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_receivers_and_restarts_do_what_arrives_first_is_the_ledger_in_order(
        rude in proptest::collection::vec(rude(), 0..12),
        kills in proptest::collection::vec(0u64..30, 0..6),
        batch in 1usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::with(logins(60)).await;
            world.batch = batch;
            let (address, inbox) = syslog(None).await;
            inbox.be_rude(rude);
            let settings = [world.syslog(address)];
            for after in kills {
                let running = world.open(&settings).unwrap();
                tokio::time::sleep(Duration::from_millis(after)).await;
                for task in &running.tasks {
                    task.abort();
                }
                // The lock goes with the task.
                while !running.tasks.iter().all(JoinHandle::is_finished) {
                    tokio::task::yield_now().await;
                }
            }
            let _running = world.open(&settings).unwrap();
            arrives_in_order(&world, &inbox).await;
        });
    }
}

#[test]
fn settings_that_cannot_work_say_so() {
    for (to, why) in [
        ("kind = \"syslog\", address = \"udp://h:1\"", "tls:// or tcp://"),
        ("kind = \"syslog\", address = \"tls://h\"", "host and port"),
        ("kind = \"syslog\", address = \"tcp://h:1\", ca = \"x\"", "tls://"),
        ("kind = \"syslog\", address = \"tls://h:1\", key = \"x\"", "go together"),
        ("kind = \"webhook\", url = \"http://siem.example/\", secret_file = \"x\"", "https"),
    ] {
        let settings: ExportSettings = toml::from_str(&format!("name = \"a\"\nto = {{ {to} }}")).unwrap();
        assert!(settings.check().is_err_and(|error| error.contains(why)), "{to}");
    }
    for text in [
        "name = \"a\"\nto = { kind = \"pigeon\" }",
        "name = \"a\"\nto = { kind = \"file\", path = \"x\", paht = 1 }",
    ] {
        assert!(toml::from_str::<ExportSettings>(text).is_err());
    }
    assert_eq!("cef".parse(), Ok(Format::Cef));
    assert_eq!(Writer::new("o", Format::Jsonl).format(), Format::Jsonl);
}
