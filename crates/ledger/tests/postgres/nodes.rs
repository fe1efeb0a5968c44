//! Several nodes on one log.

use sightline_ledger::verify::{Directory, check};
use sightline_ledger::{AppendError, Archive, Receipt};

use super::{Node, published, reaches, server};
use crate::common::{listed, revealed, started};

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_write_one_log_and_read_the_same_of_it() {
    let server = server();
    let first = Node::first(&[server.port]);
    let nodes = [first.joining(&[server.port]), first.joining(&[server.port]), first];
    let ledgers: Vec<_> = nodes.iter().map(Node::open).collect();
    let writers: Vec<_> = (0..12)
        .map(|writer| {
            let ledger = ledgers[writer % 3].clone();
            tokio::spawn(async move {
                let mut indices = Vec::new();
                for n in 0..12 {
                    let customer = format!("c-{}", n % 5);
                    let group = vec![revealed(&customer), listed(&[&customer, "c-9"]), started(n)];
                    let receipts = ledger.append_all(group).await.unwrap();
                    for receipt in &receipts {
                        receipt.verify(ledger.verifier()).unwrap();
                    }
                    let mine: Vec<u64> = receipts.iter().map(Receipt::index).collect();
                    assert!(mine.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a group stands together");
                    indices.extend(mine);
                }
                indices
            })
        })
        .collect();
    let mut indices = Vec::new();
    for writer in writers {
        indices.extend(writer.await.unwrap());
    }
    indices.sort_unstable();
    assert_eq!(indices, (0..432).collect::<Vec<u64>>());
    for ledger in &ledgers {
        reaches(ledger, 432).await;
    }
    let read: Vec<_> = ledgers.iter().map(|ledger| ledger.read(0, 1000).unwrap()).collect();
    assert!(read.iter().all(|records| *records == read[0]), "every node reads the same, openings and all");
    assert!(read[0].iter().all(|record| record.openings.iter().all(Option::is_some)));
    for (node, ledger) in nodes.iter().zip(&ledgers) {
        published(ledger, 432).await;
        // A proof of an entry that another node wrote.
        ledger.prove(7).unwrap().verify(ledger.verifier()).unwrap();
        ledger.close().await;
        let directory = Directory::open(&node.dir()).unwrap();
        assert_eq!(
            check(&directory, ledger.verifier(), crate::common::tree_only(), &mut |_, _| {})
                .unwrap()
                .summary
                .entries,
            432
        );
        assert!(node.told.0.lock().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_late_or_again_has_everything_and_goes_on() {
    let server = server();
    let first = Node::first(&[server.port]);
    let ledger = first.open();
    for n in 0..100 {
        ledger.append(started(n)).await.unwrap();
    }
    let late = first.joining(&[server.port]);
    let second = late.open();
    assert_eq!(second.size(), 100);
    ledger.close().await;
    drop(ledger);
    assert_eq!(second.append(revealed("c-1")).await.unwrap().index(), 100);
    // And so has whoever only reads, beside a node that runs: openings and all.
    let archive = Archive::open(&late.dir(), &late.options).unwrap();
    assert_eq!(archive.size(), 101);
    assert_eq!(archive.read(0, 200).unwrap(), second.read(0, 200).unwrap());
    let again = first.open();
    assert_eq!(again.append(revealed("c-1")).await.unwrap().index(), 101);
    reaches(&second, 102).await;
    assert_eq!(second.read(0, 200).unwrap(), again.read(0, 200).unwrap());
    second.close().await;
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_node_fails_closed_in_time_and_recovers_by_itself() {
    let server = server();
    let mut node = Node::first(&[server.port]);
    node.options.patience = std::time::Duration::from_secs(1);
    let ledger = node.open();
    ledger.append(started(0)).await.unwrap();
    server.kill();
    let started_at = std::time::Instant::now();
    assert!(matches!(ledger.append(started(1)).await, Err(AppendError::Unavailable)));
    assert!(started_at.elapsed() < std::time::Duration::from_secs(8));
    server.launch().unwrap();
    let receipt = loop {
        match ledger.append(started(2)).await {
            Ok(receipt) => break receipt,
            Err(error) => assert!(matches!(error, AppendError::Unavailable), "{error}"),
        }
    };
    assert_eq!(receipt.index(), 1);
    ledger.close().await;
    assert!(node.told.0.lock().unwrap().is_empty(), "the process lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_another_has_the_turn_goes_into_one_batch() {
    let server = std::sync::Arc::new(server());
    let node = Node::first(&[server.port]);
    let ledger = node.open();
    ledger.append(started(0)).await.unwrap();
    let turn = "SELECT pg_sleep(1.5) FROM (SELECT one FROM sightline.head FOR UPDATE) AS turn";
    let holding = {
        let server = server.clone();
        tokio::task::spawn_blocking(move || server.sql("sightline", turn).unwrap())
    };
    // So long that it has the turn, and so short that it has it still when the last one is appended.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let mut waiting = tokio::task::JoinSet::new();
    for n in 1..=20 {
        let ledger = ledger.clone();
        waiting.spawn(async move { ledger.append(started(n)).await.unwrap().index() });
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(ledger.size(), 1, "nobody has been told yet");
    waiting.join_all().await;
    holding.await.unwrap();
    let counts = server.sql("sightline", "SELECT count FROM sightline.batch ORDER BY first").unwrap();
    assert_eq!(counts.split_whitespace().collect::<Vec<_>>(), ["1", "20"]);
    ledger.close().await;
}
