//! The journal in PostgreSQL, and beside it a plain table on a server with the same settings: `fsync` and
//! `synchronous_commit` on, TCP over loopback.
//!
//! Gateways are ledgers in one process, each with a directory, a commit thread and connections of its own. The server
//! is a fresh one each time, with its data below the same directory as everything else that is measured.

use std::path::Path;
use std::time::Instant;

use peers::postgres::Server;
use sightline_ledger::{Database, Ledger, Options};
use tokio_postgres::{Client, NoTls};

use crate::{Draw, ENTRY_BYTES, Laps, Saved, cpu_seconds, load, runtime, say, say_times};

fn server(dir: &Path) -> (Server, String) {
    std::fs::create_dir_all(dir).unwrap();
    let server = Server::start_durable(dir).unwrap();
    for (setting, value) in [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")] {
        assert_eq!(server.sql("sightline", &format!("SHOW {setting}")).unwrap().trim(), value);
    }
    let url = format!("postgres://sightline@127.0.0.1:{}/sightline", server.port);
    (server, url)
}

/// Gateways in turns: `writers` tasks, spread over them, that each append an entry of 512 bytes, wait for the receipt,
/// and append again.
pub(crate) fn gateways(dir: &Path, writers: u64, seconds: u64, gateways: u64) {
    let (server, url) = server(dir);
    let database = Database::new(&url).unwrap();
    database.migrate(false).unwrap();
    let options = Options { database: Some(database), ..Options::default() };
    let open = |n: u64| {
        let node = dir.join(format!("node-{n}"));
        if n > 0 {
            std::fs::create_dir(&node).unwrap();
            for key in ["log.key", "master.key"] {
                std::fs::copy(dir.join("node-0").join(key), node.join(key)).unwrap();
            }
        }
        Ledger::create(&node, "ledger.example/bench", &options).unwrap();
        Ledger::open(&node, &options, Saved).unwrap()
    };
    let ledgers: Vec<Ledger> = (0..gateways).map(open).collect();
    load(&ledgers, writers, seconds, Draw::plain);
    let batches = server.sql("sightline", "SELECT count(*), sum(count) FROM sightline.batch").unwrap();
    let counts: Vec<f64> = batches.trim().split('|').map(|text| text.parse().unwrap()).collect();
    say("entries_a_batch", counts[1] / counts[0]);
}

/// The peer: `writers` clients that each insert an entry in a transaction of its own, over and over.
pub(crate) fn insert(dir: &Path, writers: u64, seconds: u64) {
    let (_server, url) = server(dir);
    let runtime = runtime();
    let clients: Vec<Client> = (0..writers).map(|_| runtime.block_on(connect(&url))).collect();
    runtime.block_on(clients[0].batch_execute(TABLE)).unwrap();
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let times = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for client in clients {
            tasks.spawn(async move {
                let insert = client.prepare("INSERT INTO entries (entry) VALUES ($1)").await.unwrap();
                let mut laps = Laps::start(seconds);
                while laps.begin() {
                    client.execute(&insert, &[&vec![b'x'; ENTRY_BYTES]]).await.unwrap();
                    laps.end();
                }
                laps.times
            });
        }
        tasks.join_all().await.concat()
    });
    let appended = times.len() as f64;
    say("per_second", appended / start.elapsed().as_secs_f64());
    say("cpu_us", (cpu_seconds() - cpu) * 1e6 / appended);
    say_times(times);
}

/// The peer that groups as a ledger does: each of `clients` puts whatever queued up during its last commit into one
/// statement and one transaction.
pub(crate) fn group(dir: &Path, writers: u64, seconds: u64, clients: u64) {
    type Wanted = (Vec<u8>, tokio::sync::oneshot::Sender<()>);
    let (_server, url) = server(dir);
    let runtime = runtime();
    let clients: Vec<Client> = (0..clients).map(|_| runtime.block_on(connect(&url))).collect();
    runtime.block_on(clients[0].batch_execute(TABLE)).unwrap();
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let times = runtime.block_on(async {
        let mut queues = Vec::new();
        for client in clients {
            let (queue, mut queued) = tokio::sync::mpsc::channel::<Wanted>(4096);
            queues.push(queue);
            tokio::spawn(async move {
                let insert = "INSERT INTO entries (entry) SELECT unnest($1::bytea[])";
                let insert = client.prepare(insert).await.unwrap();
                while let Some(first) = queued.recv().await {
                    let (mut entries, mut replies) = (vec![first.0], vec![first.1]);
                    while let Ok((entry, reply)) = queued.try_recv() {
                        entries.push(entry);
                        replies.push(reply);
                    }
                    client.execute(&insert, &[&entries]).await.unwrap();
                    for reply in replies {
                        let _ = reply.send(());
                    }
                }
            });
        }
        let mut tasks = tokio::task::JoinSet::new();
        for (_, queue) in (0..writers).zip(queues.iter().cycle()) {
            let queue = queue.clone();
            tasks.spawn(async move {
                let mut laps = Laps::start(seconds);
                while laps.begin() {
                    let (reply, done) = tokio::sync::oneshot::channel();
                    queue.send((vec![b'x'; ENTRY_BYTES], reply)).await.unwrap();
                    done.await.unwrap();
                    laps.end();
                }
                laps.times
            });
        }
        tasks.join_all().await.concat()
    });
    let appended = times.len() as f64;
    say("per_second", appended / start.elapsed().as_secs_f64());
    say("cpu_us", (cpu_seconds() - cpu) * 1e6 / appended);
    say_times(times);
}

const TABLE: &str =
    "CREATE TABLE entries (idx bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry bytea NOT NULL)";

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
