//! The tables, and which versions of the program and of the tables go together.
//!
//! A step to version V leaves everything there that the program of V-1 uses, so nodes of two adjacent versions work
//! together while they are replaced one by one. `format` says which programs may read and write; it is looked at when
//! a node starts and again in every turn.

use tokio_postgres::Client;

use super::session::Session;
use crate::error::{DatabaseError, LedgerError};

/// The version of the tables that this program makes.
pub(crate) const VERSION: i32 = 2;
/// The oldest version of the tables that it works with.
const OLDEST: i32 = 2;

/// A step from one version of the tables to the next.
pub(crate) struct Step {
    pub(crate) version: i32,
    pub(crate) what: &'static str,
    sql: &'static str,
}

/// Every step there ever was, in order.
pub(crate) const MIGRATIONS: &[Step] = &[
    Step {
        version: 1,
        what: "the head, the batches of the journal, and the customers' keys",
        sql: include_str!("1_journal.sql"),
    },
    Step {
        version: 2,
        what: "who of several gateways publishes, and what is published",
        sql: include_str!("2_publication.sql"),
    },
];

/// Does the steps that are missing, and says from which version; with `dry_run` only says that.
pub(crate) fn migrate(session: &mut Session, dry_run: bool) -> Result<i32, LedgerError> {
    let before = version(session)?;
    if before > VERSION {
        window(session, before)?;
    }
    for step in MIGRATIONS.iter().filter(|step| step.version > before && !dry_run) {
        let to = step.version;
        let done = session.run("migrate", async |client| {
            client.batch_execute(&format!("BEGIN; {} COMMIT;", step.sql)).await
        });
        match done {
            Ok(()) => tracing::info!(version = to, "the database was brought to a new version"),
            // Two at once: the second waits for the first to make the same table, and then fails whole.
            Err(_) if version(session)? >= to => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(before)
}

/// The version of the tables; 0 where there are none.
fn version(session: &mut Session) -> Result<i32, LedgerError> {
    let mut look = || session.run("look for its version", read_version);
    // While another process makes the tables, a connection may see half of them; the next one sees all, or none.
    Ok(look().or_else(|_| look())?)
}

async fn read_version(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let there = "SELECT 1 FROM information_schema.tables \
                 WHERE table_schema = 'sightline' AND table_name = 'format'";
    if client.query_typed(there, &[]).await?.is_empty() {
        return Ok(0);
    }
    client.query_typed_one("SELECT version FROM sightline.format", &[]).await?.try_get(0)
}

/// Whether this program may work with the tables as they are.
pub(crate) fn check(session: &mut Session) -> Result<(), LedgerError> {
    let found = version(session)?;
    if found < OLDEST {
        let at = session.database().to_string();
        return Err(DatabaseError::Old { at, found, known: VERSION }.into());
    }
    window(session, found)
}

/// Whether tables of this version, which may be newer, still serve this program.
fn window(session: &mut Session, found: i32) -> Result<(), LedgerError> {
    let oldest = session.run("look for its version", async |client| {
        let row = client
            .query_typed_one("SELECT GREATEST(min_reader, min_writer) FROM sightline.format", &[])
            .await?;
        row.try_get::<_, i32>(0)
    })?;
    if oldest > VERSION {
        let at = session.database().to_string();
        return Err(DatabaseError::New { at, found, known: VERSION }.into());
    }
    Ok(())
}

/// What a database belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The verification key of the log.
    pub(crate) vkey: String,
    /// Shows the same master key without showing it.
    pub(crate) master: Vec<u8>,
}

/// What the database belongs to, once a node has begun with it.
pub(crate) fn owner(session: &mut Session) -> Result<Option<Owner>, LedgerError> {
    Ok(session.run("look whose it is", read_owner)?)
}

async fn read_owner(client: &Client) -> Result<Option<Owner>, tokio_postgres::Error> {
    let row = client.query_typed_one("SELECT vkey, master FROM sightline.format", &[]).await?;
    let (vkey, master): (Option<String>, Option<Vec<u8>>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(vkey.zip(master).map(|(vkey, master)| Owner { vkey, master }))
}

/// Takes the database for this log if it belongs to none, and checks that it is this log's.
pub(crate) fn claim(session: &mut Session, ours: &Owner) -> Result<(), LedgerError> {
    use tokio_postgres::types::Type;
    let found = session.run("take it for this log", async |client| {
        let claim = "UPDATE sightline.format SET vkey = $1, master = $2 WHERE vkey IS NULL";
        client.execute_typed(claim, &[(&ours.vkey, Type::TEXT), (&ours.master, Type::BYTEA)]).await?;
        read_owner(client).await
    })?;
    let at = session.database().to_string();
    match found {
        Some(found) if found == *ours => Ok(()),
        Some(found) if found.vkey == ours.vkey => Err(DatabaseError::Master { at }.into()),
        Some(found) => Err(DatabaseError::Owner { at, found: found.vkey, ours: ours.vkey.clone() }.into()),
        None => Err(DatabaseError::Old { at, found: 0, known: VERSION }.into()),
    }
}
