//! Connections cut before and after every message, servers killed: nothing released is lost, nothing is there twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use model::Event;
use peers::postgres::Server;
use peers::proxy::{Cut, Proxy};
use sightline_ledger::{AppendError, Database, Draft, Ledger};

use super::{Node, reaches, server, url};
use crate::common::{listed, revealed, started};

/// What callers were told is recorded.
type Released = Vec<(u64, Event)>;

/// Records groups through `ledger`; what was answered with a receipt is in `released`.
async fn record(ledger: &Ledger, group: Vec<Draft>, released: &mut Released) {
    let events: Vec<Event> = group.iter().map(|draft| draft.event.clone()).collect();
    let receipts = ledger.append_all(group).await.unwrap();
    for (receipt, event) in receipts.iter().zip(events) {
        assert_eq!(receipt.verify(ledger.verifier()).unwrap().entry().event, event);
        released.push((receipt.index(), event));
    }
}

/// Everything that was released is in its place, and no event is there twice.
fn holds(ledger: &Ledger, released: &Released, what: &str) {
    let records = ledger.read(0, usize::MAX).unwrap();
    for (index, event) in released {
        assert_eq!(&records[*index as usize].entry.event, event, "{what}: entry {index}");
    }
    for (i, record) in records.iter().enumerate() {
        let again = records[i + 1..].iter().any(|other| other.entry.event == record.entry.event);
        assert!(!again, "{what}: entry {i} is there twice");
        assert!(record.openings.iter().all(Option::is_some), "{what}: entry {i} does not open");
    }
}

/// A log with two nodes, of which the first goes through a proxy. Says how many messages that one sent.
async fn scenario(server: &Server, cut: Option<Cut>) -> u64 {
    server.sql("sightline", "DROP SCHEMA sightline CASCADE").unwrap();
    let proxy = Proxy::start(server.port).unwrap();
    Database::new(&url(&[server.port])).unwrap().migrate(false).unwrap();
    let mut cutting = Node::first(&[proxy.port]);
    cutting.options.follow_every = Duration::from_millis(200);
    // At the start and the end only, so that messages come in the same order each time.
    cutting.options.publish_every = Duration::from_secs(3600);
    let other = cutting.joining(&[server.port]);
    let mut released = Released::new();
    let what = format!("{cut:?}");
    let before = proxy.messages();
    if let Some(cut) = cut {
        proxy.cut(cut);
    }
    let mut opened = Ledger::open(&cutting.dir(), &cutting.options, sightline_ledger::AdmitAll);
    if opened.is_err() {
        // A connection that is lost while a node starts is an error that says so; starting again works.
        assert!(!proxy.disarm(), "{what}: nothing was cut");
        opened = Ledger::open(&cutting.dir(), &cutting.options, sightline_ledger::AdmitAll);
    }
    let (ledger, second) = (opened.unwrap(), other.open());
    for n in 0..2 {
        record(&second, vec![started(100 + n), revealed("c-1")], &mut released).await;
        record(
            &ledger,
            vec![revealed("c-1"), started(n), listed(&["c-1", &format!("c-new-{n}")])],
            &mut released,
        )
        .await;
    }
    let messages = proxy.messages() - before;
    proxy.disarm();
    ledger.close().await;
    second.close().await;
    assert!(cutting.told.0.lock().unwrap().is_empty(), "{what}: the process lives on");
    drop((ledger, second));
    let again = cutting.open();
    record(&again, vec![started(1000)], &mut released).await;
    holds(&again, &released, &what);
    assert_eq!(again.size(), released.len() as u64, "{what}: what nobody was told of is not there");
    again.close().await;
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_any_message_loses_nothing_released_and_appends_nothing_twice() {
    let server = server();
    let messages = scenario(&server, None).await;
    assert!(messages > 20, "{messages}");
    for at in 0..messages {
        eprintln!("before and after statement {at} of {messages}");
        scenario(&server, Some(Cut::Before(at))).await;
        scenario(&server, Some(Cut::After(at + 1))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_killed_under_load_and_its_standby_promoted_lose_nothing_released() {
    let primary = server();
    let standby = primary.standby().unwrap();
    let ports = [primary.port, standby.port];
    let first = Node::first(&ports);
    let nodes = [first.joining(&ports), first];
    let ledgers: Vec<Ledger> = nodes.iter().map(Node::open).collect();
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8u64)
        .map(|writer| {
            let (ledger, over) = (ledgers[writer as usize % 2].clone(), over.clone());
            tokio::spawn(async move {
                let (mut released, mut n) = (Released::new(), 0);
                while !over.load(Ordering::SeqCst) {
                    n += 1;
                    let draft = started(writer << 32 | n);
                    let event = draft.event.clone();
                    match ledger.append(draft).await {
                        Ok(receipt) => released.push((receipt.index(), event)),
                        // It may or may not be there; nobody was shown anything.
                        Err(error) => assert!(matches!(error, AppendError::Unavailable), "{error}"),
                    }
                }
                released
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = ledgers[0].size();
    tokio::task::block_in_place(|| {
        primary.kill();
        standby.sql("sightline", "ALTER SYSTEM SET synchronous_standby_names = ''").unwrap();
        standby.promote().unwrap();
    });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    over.store(true, Ordering::SeqCst);
    let mut released = Released::new();
    for writer in writers {
        released.extend(writer.await.unwrap());
    }
    assert!(before > 0 && ledgers[0].size() > before, "it goes on after the promotion");
    for (node, ledger) in nodes.iter().zip(&ledgers) {
        reaches(ledger, released.iter().map(|(index, _)| index + 1).max().unwrap()).await;
        holds(ledger, &released, "after the promotion");
        ledger.close().await;
        assert!(node.told.0.lock().unwrap().is_empty(), "the process lives on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_wait_for_the_standby_was_cancelled_is_not_released_before_the_standby_has_it() {
    let primary = server();
    let standby = primary.standby().unwrap();
    let mut node = Node::first(&[primary.port]);
    node.options.patience = Duration::from_secs(2);
    let ledger = node.open();
    let mut released = Released::new();
    record(&ledger, vec![started(0)], &mut released).await;
    standby.pause();
    let waiting = {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.append(started(1)).await })
    };
    // Somebody cancels the wait, as the server then says in a warning: committed here, perhaps not there.
    let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity \
                  WHERE application_name = 'sightline' AND wait_event = 'SyncRep'";
    let started_at = Instant::now();
    let mut cancelled = 0;
    while !waiting.is_finished() {
        assert!(started_at.elapsed() < Duration::from_secs(60), "whoever waits is told in time");
        cancelled += primary.sql("sightline", cancel).unwrap().trim().parse::<u32>().unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(cancelled > 0, "the wait was cancelled");
    assert!(matches!(waiting.await.unwrap(), Err(AppendError::Unavailable)), "nothing may be shown for it");
    standby.resume();
    loop {
        match ledger.append(started(2)).await {
            Ok(receipt) => break released.push((receipt.index(), started(2).event)),
            Err(error) => assert!(matches!(error, AppendError::Unavailable), "{error}"),
        }
    }
    // It was committed, so it is there, once, and nobody was told.
    assert_eq!(ledger.read(1, 1).unwrap()[0].entry.event, started(1).event);
    holds(&ledger, &released, "after a cancelled wait");
    assert!(node.told.0.lock().unwrap().is_empty(), "the process lives on");
    // The standby has everything that was released, when it is needed.
    tokio::task::block_in_place(|| {
        primary.kill();
        standby.promote().unwrap();
    });
    let there = standby.sql("sightline", "SELECT size FROM sightline.head").unwrap();
    assert_eq!(there.trim().parse::<u64>().unwrap(), ledger.size());
}
