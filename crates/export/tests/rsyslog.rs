//! A real receiver: rsyslog, as a process of our own, over TCP and over TLS.
#![allow(clippy::unwrap_used)]

mod common;
mod receivers;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{append, every_kind, logins, open};
use ledger::Ledger;
use ledger::disk::OsDisk;
use model::{OsEntropy, SystemClock};
use receivers::{Certificate, number};
use sightline_export::{ExportParts, ExportSettings, Exports, Pace};

struct Rsyslog {
    child: Child,
    dir: PathBuf,
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Rsyslog {
    /// Listens on `port`, or where there is none yet on a free one; writes each message with its structured data.
    fn start(dir: &Path, port: u16, tls: Option<&Certificate>) -> (Self, u16) {
        let at = |name: &str| dir.join(name).display().to_string();
        let (global, driver) = match tls {
            None => (String::new(), ""),
            Some(certificate) => (
                format!(
                    "defaultNetstreamDriverCAFile={0:?} defaultNetstreamDriverCertFile={0:?} defaultNetstreamDriverKeyFile={1:?}",
                    certificate.pem, certificate.key
                ),
                "streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\"",
            ),
        };
        let configuration = format!(
            "global(workDirectory={dir:?} maxMessageSize=\"64k\" {global})\n\
             module(load=\"imtcp\" {driver})\n\
             template(name=\"line\" type=\"string\" string=\"%msgid%|%structured-data%|%msg%\\n\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\" listenPortFileName={:?})\n\
             action(type=\"omfile\" file={:?} template=\"line\")\n",
            at("port"),
            at("out"),
        );
        std::fs::write(at("conf"), configuration).unwrap();
        // Of one that was killed.
        let _ = (std::fs::remove_file(at("port")), std::fs::remove_file(at("pid")));
        let child = Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-f", &at("conf"), "-i", &at("pid")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(
                "rsyslog is not installed: run `cargo xtask test`, or apt-get install rsyslog rsyslog-gnutls",
            );
        let rsyslog = Self { child, dir: dir.to_owned() };
        for _ in 0..600 {
            // It says the port only where it has chosen it.
            if port > 0 && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (rsyslog, port);
            }
            if let Ok(Ok(port)) = std::fs::read_to_string(at("port")).map(|text| text.trim().parse()) {
                return (rsyslog, port);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("rsyslog did not come up");
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.join("out")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn first_arrivals(lines: &[String]) -> Vec<u64> {
    let mut numbers = Vec::new();
    for line in lines {
        let (kind, rest) = line.split_once('|').unwrap();
        let event: serde_json::Value = serde_json::from_str(&rest[rest.find('{').unwrap()..]).unwrap();
        let number = number(rest);
        assert_eq!(event["metadata"]["event_code"], kind);
        assert!(rest.contains(&format!("entry=\"{number}\" uid=\"{}#{number}\"]", common::ORIGIN)), "{rest}");
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

async fn everything(rsyslog: &Rsyslog, ledger: &Ledger) {
    for _ in 0..1200 {
        let come = first_arrivals(&rsyslog.lines());
        if come.len() as u64 == ledger.size() {
            assert_eq!(come, (0..ledger.size()).collect::<Vec<_>>());
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} of {}", first_arrivals(&rsyslog.lines()).len(), ledger.size());
}

async fn brings_everything(tls: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = open(&dir.path().join("ledger"));
    append(&ledger, every_kind()).await;
    let certificate = tls.then(|| Certificate::new(dir.path()));
    let (rsyslog, port) = Rsyslog::start(dir.path(), 0, certificate.as_ref());
    let address = match &certificate {
        None => format!("address = \"tcp://127.0.0.1:{port}\""),
        Some(certificate) => format!("address = \"tls://localhost:{port}\", ca = {:?}", certificate.pem),
    };
    let settings: ExportSettings =
        toml::from_str(&format!("name = \"siem\"\nto = {{ kind = \"syslog\", {address} }}")).unwrap();
    let parts = ExportParts {
        dir: dir.path().join("exports"),
        host: "gw-1".into(),
        pace: Pace { linger: Duration::from_millis(10), first: Duration::from_millis(50), ..Pace::default() },
        disk: Arc::new(OsDisk),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
    };
    let (exports, exporters) = Exports::open(&[settings], &ledger, &parts).unwrap();
    let tasks: Vec<_> = exporters.into_iter().map(|exporter| tokio::spawn(exporter.run())).collect();
    everything(&rsyslog, &ledger).await;

    // It is ended, entries come, and another one takes its place at the same address and file.
    drop(rsyslog);
    append(&ledger, logins(20)).await;
    let (rsyslog, _) = Rsyslog::start(dir.path(), port, certificate.as_ref());
    everything(&rsyslog, &ledger).await;
    while exports.status(ledger.size())[0].behind > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn rsyslog_gets_everything_in_order_over_tcp_also_after_an_outage() {
    brings_everything(false).await;
}

#[tokio::test]
async fn rsyslog_gets_everything_in_order_over_tls_also_after_an_outage() {
    brings_everything(true).await;
}
