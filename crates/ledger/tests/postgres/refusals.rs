//! Databases that a node must not go on with: a clear error each, and nothing overwritten.

use sightline_ledger::{AdmitAll, Database, DatabaseError, Ledger, LedgerError, MigrationState};

use super::{Node, published, server, url};
use crate::common::{ORIGIN, started};

fn refused(node: &Node) -> DatabaseError {
    match Ledger::open(&node.dir(), &node.options, AdmitAll) {
        Err(LedgerError::Database(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_missing_or_too_new_are_refused_and_those_of_the_next_version_are_worked_with() {
    let server = peers::postgres::Server::start().unwrap();
    let node = Node::without_keys(&[server.port]);
    let missing = Ledger::create(&node.dir(), ORIGIN, &node.options);
    assert!(
        matches!(missing, Err(LedgerError::Database(DatabaseError::Old { found: 0, known: 2, .. }))),
        "{missing:?}"
    );
    let database = Database::new(&url(&[server.port])).unwrap();
    let states =
        |dry_run| database.migrate(dry_run).unwrap().iter().map(|step| step.state).collect::<Vec<_>>();
    assert_eq!(states(true), [MigrationState::Missing; 2]);
    assert_eq!(states(false), [MigrationState::Done; 2]);
    assert_eq!(states(true), [MigrationState::WasDone; 2]);
    assert_eq!(states(false), [MigrationState::WasDone; 2]);
    Ledger::create(&node.dir(), ORIGIN, &node.options).unwrap();
    let ledger = node.open();
    ledger.append(started(0)).await.unwrap();

    // A newer program has added a table, and still works with this one.
    let next = "CREATE TABLE sightline.next (n int); UPDATE sightline.format SET version = 3";
    server.sql("sightline", next).unwrap();
    ledger.append(started(1)).await.unwrap();
    let joining = node.joining(&[server.port]);
    let second = joining.open();
    second.append(started(2)).await.unwrap();
    second.close().await;

    // And the one after that does not: a node that runs appends nothing any more, and none starts.
    server
        .sql("sightline", "UPDATE sightline.format SET version = 4, min_reader = 3, min_writer = 3")
        .unwrap();
    assert!(ledger.append(started(3)).await.is_err());
    assert!(node.told.0.lock().unwrap()[0].contains("update this node"));
    ledger.close().await;
    drop(ledger);
    assert!(matches!(refused(&node), DatabaseError::New { known: 2, .. }));
    assert!(matches!(database.migrate(false), Err(LedgerError::Database(DatabaseError::New { .. }))));
    assert_eq!(server.sql("sightline", "SELECT size FROM sightline.head").unwrap().trim(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_logs_key_or_master_key_is_refused_before_anything_is_written() {
    let server = server();
    let node = Node::first(&[server.port]);
    let ledger = node.open();
    ledger.append(started(0)).await.unwrap();
    ledger.close().await;

    let stranger = Node::without_keys(&[server.port]);
    let refusal = Ledger::create(&stranger.dir(), ORIGIN, &stranger.options);
    assert!(matches!(&refusal, Err(LedgerError::Database(DatabaseError::Owner { .. }))), "{refusal:?}");
    assert_eq!(std::fs::read_dir(stranger.dir()).unwrap().count(), 0);

    let half = node.joining(&[server.port]);
    std::fs::write(half.dir().join("master.key"), format!("{:064}\n", 7)).unwrap();
    assert!(matches!(refused(&half), DatabaseError::Master { .. }));

    // A ledger in files is not continued in a database, nor the other way round.
    let mut files = Node::without_keys(&[server.port]);
    let database = files.options.database.take();
    Ledger::create(&files.dir(), ORIGIN, &files.options).unwrap();
    files.options.database = database;
    let refusal = Ledger::open(&files.dir(), &files.options, AdmitAll);
    assert!(matches!(refusal, Err(LedgerError::JournalHere { .. })), "{refusal:?}");
    let mut alone = node.joining(&[server.port]);
    alone.options.database = None;
    let refusal = Ledger::open(&alone.dir(), &alone.options, AdmitAll);
    assert!(matches!(refusal, Err(LedgerError::JournalElsewhere { .. })), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_an_old_backup_is_refused_running_and_at_the_start() {
    let server = server();
    let node = Node::first(&[server.port]);
    let ledger = node.open();
    ledger.append(started(0)).await.unwrap();
    let backup = tokio::task::block_in_place(|| server.backup().unwrap());
    loop {
        // The server was away for the copy.
        if ledger.append(started(1)).await.is_ok() {
            break;
        }
    }
    published(&ledger, 2).await;
    tokio::task::block_in_place(|| server.restore(&backup).unwrap());
    assert!(ledger.append(started(2)).await.is_err());
    assert!(node.told.0.lock().unwrap()[0].contains("old backup"), "{:?}", node.told);
    ledger.close().await;
    drop(ledger);
    let refusal = Ledger::open(&node.dir(), &node.options, AdmitAll);
    assert!(matches!(refusal, Err(LedgerError::RolledBack { head: 2, size: 1, .. })), "{refusal:?}");

    // Grown again by somebody else, it is of another history.
    let other = Node::without_keys(&[server.port]);
    std::fs::create_dir(other.dir()).unwrap();
    for key in ["log.key", "master.key"] {
        std::fs::copy(node.dir().join(key), other.dir().join(key)).unwrap();
    }
    Ledger::create(&other.dir(), ORIGIN, &other.options).unwrap();
    let second = other.open();
    second.append(started(3)).await.unwrap();
    second.close().await;
    let refusal = Ledger::open(&node.dir(), &node.options, AdmitAll);
    assert!(matches!(refusal, Err(LedgerError::Forked { size: 2, .. })), "{refusal:?}");
    assert_eq!(server.sql("sightline", "SELECT size FROM sightline.head").unwrap().trim(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_were_changed_swapped_or_taken_out_are_noticed() {
    let server = server();
    let node = Node::first(&[server.port]);
    let ledger = node.open();
    for n in 0..4 {
        ledger.append(started(n)).await.unwrap();
    }
    ledger.close().await;
    drop(ledger);
    let damages = [
        (
            "UPDATE sightline.batch SET bytes = overlay(bytes placing '\\x00' from 12) WHERE first = 1",
            "changed",
        ),
        ("DELETE FROM sightline.batch WHERE first = 1", "taken out"),
        (
            "UPDATE sightline.batch SET bytes = (SELECT bytes FROM sightline.batch WHERE first = 2) WHERE first = 1",
            "doubled",
        ),
        (
            "INSERT INTO sightline.batch SELECT 4, count, id, bytes FROM sightline.batch WHERE first = 3",
            "delivered twice",
        ),
        ("DELETE FROM sightline.batch WHERE first = 3", "cut off"),
    ];
    server.sql("sightline", "CREATE TABLE whole AS SELECT * FROM sightline.batch").unwrap();
    for (damage, what) in damages {
        server.sql("sightline", damage).unwrap();
        let refusal = Ledger::open(&node.dir(), &node.options, AdmitAll);
        assert!(
            matches!(
                refusal,
                Err(LedgerError::Database(DatabaseError::Damaged { .. })
                    | LedgerError::WrongRoot { .. }
                    | LedgerError::RolledBack { .. })
            ),
            "{what}: {refusal:?}"
        );
        let restore = "DELETE FROM sightline.batch; INSERT INTO sightline.batch SELECT * FROM whole";
        server.sql("sightline", restore).unwrap();
    }
    let ledger = node.open();
    ledger.append(started(9)).await.unwrap();
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_the_version_before_are_refused_until_they_are_migrated_and_serve_both_from_then_on() {
    let server = server();
    let node = Node::first(&[server.port]);
    let ledger = node.open();
    ledger.append(started(0)).await.unwrap();
    ledger.close().await;
    drop(ledger);
    let before = "DROP TABLE sightline.lease, sightline.published; UPDATE sightline.format SET version = 1";
    server.sql("sightline", before).unwrap();
    assert!(matches!(refused(&node), DatabaseError::Old { found: 1, known: 2, .. }));
    let database = Database::new(&url(&[server.port])).unwrap();
    let states: Vec<_> = database.migrate(false).unwrap().iter().map(|step| step.state).collect();
    assert_eq!(states, [MigrationState::WasDone, MigrationState::Done]);
    // The program before looks at these, and goes on.
    let window = server.sql("sightline", "SELECT min_reader, min_writer FROM sightline.format").unwrap();
    assert_eq!(window.trim(), "1|1");
    let ledger = node.open();
    ledger.append(started(1)).await.unwrap();
    ledger.close().await;
    assert_eq!(server.sql("sightline", "SELECT size FROM sightline.published").unwrap().trim(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_at_once_does_each_step_once() {
    for _ in 0..3 {
        let server = peers::postgres::Server::start().unwrap();
        let migrations: Vec<_> = (0..4)
            .map(|_| {
                let database = Database::new(&url(&[server.port])).unwrap();
                std::thread::spawn(move || database.migrate(false))
            })
            .collect();
        for migration in migrations {
            migration.join().unwrap().unwrap();
        }
        let version = server.sql("sightline", "SELECT version FROM sightline.format").unwrap();
        assert_eq!(version.trim(), "2");
        let node = Node::first(&[server.port]);
        let ledger = node.open();
        ledger.append(started(0)).await.unwrap();
        ledger.close().await;
    }
}
