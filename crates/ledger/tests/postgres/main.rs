//! The journal in a real PostgreSQL: whatever happens to connections and servers, what was released is there once.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/fault.rs"]
mod fault;
mod faults;
mod nodes;
mod publication;
mod refusals;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::ORIGIN;
use fault::Told;
use peers::postgres::Server;
use sightline_ledger::{Admission, AdmitAll, Database, Ledger, Options};

/// A data directory of a node, and what it was told when it had to end.
pub(crate) struct Node {
    pub(crate) root: tempfile::TempDir,
    pub(crate) options: Options,
    pub(crate) told: Told,
}

pub(crate) fn url(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://sightline@{}/sightline", hosts.join(","))
}

pub(crate) fn options(ports: &[u16]) -> (Options, Told) {
    let told = Told::default();
    let options = Options {
        database: Some(Database::new(&url(ports)).unwrap()),
        publish_every: Duration::from_millis(50),
        patience: Duration::from_secs(10),
        follow_every: Duration::from_millis(20),
        fatal: Arc::new(told.clone()),
        ..Options::default()
    };
    (options, told)
}

impl Node {
    /// The first node of a log.
    pub(crate) fn first(ports: &[u16]) -> Self {
        let node = Self::without_keys(ports);
        Ledger::create(&node.dir(), ORIGIN, &node.options).unwrap();
        node
    }

    /// A node that has the keys of another.
    pub(crate) fn joining(&self, ports: &[u16]) -> Self {
        let node = Self::without_keys(ports);
        std::fs::create_dir(node.dir()).unwrap();
        for key in ["log.key", "master.key"] {
            std::fs::copy(self.dir().join(key), node.dir().join(key)).unwrap();
        }
        Ledger::create(&node.dir(), "not/asked", &node.options).unwrap();
        node
    }

    pub(crate) fn without_keys(ports: &[u16]) -> Self {
        let (options, told) = options(ports);
        Self { root: tempfile::tempdir().unwrap(), options, told }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("ledger")
    }

    pub(crate) fn open(&self) -> Ledger {
        self.open_with(AdmitAll)
    }

    pub(crate) fn open_with(&self, admission: impl Admission) -> Ledger {
        Ledger::open(&self.dir(), &self.options, admission).unwrap()
    }
}

/// A server with the tables in it.
pub(crate) fn server() -> Server {
    let server = Server::start().unwrap();
    Database::new(&url(&[server.port])).unwrap().migrate(false).unwrap();
    server
}

/// Waits until a node gives out a checkpoint of so many entries.
pub(crate) async fn published(ledger: &Ledger, size: u64) {
    for _ in 0..500 {
        if ledger.verifier().checkpoint(&ledger.checkpoint()).unwrap().size >= size {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never published: {:?}", ledger.publishing());
}

/// Waits until a ledger has absorbed so many entries.
pub(crate) async fn reaches(ledger: &Ledger, size: u64) {
    let mut growth = ledger.growth();
    tokio::time::timeout(Duration::from_secs(10), growth.wait_for(|now| *now >= size))
        .await
        .unwrap()
        .unwrap();
}
