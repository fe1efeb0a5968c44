//! What a view keeps (`schema.sql`), and how it is opened.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger::Ledger;
use model::Digest;
use rusqlite::{Connection, ErrorCode};

use crate::columns::get;
use crate::{Fold, Progress, Views, ViewsError};

/// Views of another version are discarded. Count up whenever `schema.sql` or the fold changes.
const VERSION: i64 = 4;

const FILE: &str = "views.sqlite3";

/// How far a view has come along which log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// The log's `vkey`: another log of the same name has another key.
    pub log: String,
    /// The number of the next entry.
    pub next: u64,
    /// Of the encoding of the last entry folded.
    pub last: Digest,
}

/// Opens the view of `ledger` in `dir`, making it if there is none. A view of another version or of
/// another ledger, or one that disagrees with this ledger, is discarded and folded anew.
pub fn open(dir: &Path, ledger: &Ledger) -> Result<(Fold, Views), ViewsError> {
    let log = ledger.verifier().vkey();
    let opened = open_of(dir, &log)?;
    if agrees(opened.0.position(), ledger)? {
        return Ok(opened);
    }
    drop(opened);
    tracing::warn!("the view disagrees with the ledger; it is folded anew");
    discard(dir)?;
    open_of(dir, &log)
}

/// Discards the view in `dir` and folds the whole ledger anew. Erasing a customer ends with this: what the
/// ledger can no longer open, a new view does not know.
pub fn rebuild(
    dir: &Path,
    ledger: &Ledger,
    progress: impl FnMut(Progress),
) -> Result<(Fold, Views), ViewsError> {
    discard(dir)?;
    let (mut fold, views) = open(dir, ledger)?;
    fold.catch_up(ledger, progress)?;
    Ok((fold, views))
}

/// Opens the view of the log with this `vkey`, without looking at the ledger; for tools that have
/// records but no ledger.
pub fn open_of(dir: &Path, log: &str) -> Result<(Fold, Views), ViewsError> {
    let file = dir.join(FILE);
    let (connection, position) = match open_file(&file, log) {
        Ok(opened) => opened,
        Err(reason @ (Unusable::Foreign | Unusable::Broken(_))) => {
            tracing::info!(%reason, "the view is folded anew");
            discard(dir)?;
            open_file(&file, log).map_err(ViewsError::from)?
        }
        Err(reason) => return Err(reason.into()),
    };
    let (fold, folded) = Fold::new(connection, position);
    Ok((fold, Views::new(file, folded)))
}

/// Whether what was folded is the beginning of this ledger: it is not if the ledger was put back to an
/// older copy.
fn agrees(position: &Position, ledger: &Ledger) -> Result<bool, ViewsError> {
    let Some(last) = position.next.checked_sub(1) else { return Ok(true) };
    if ledger.size() < position.next {
        return Ok(false);
    }
    let records = ledger.read(last, 1)?;
    Ok(records.first().is_some_and(|record| Digest::of(&record.entry.encode()) == position.last))
}

/// Why a view's file is not taken.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it is of another version or of another log")]
    Foreign,
    #[error("it is damaged: {0}")]
    Broken(rusqlite::Error),
    #[error(transparent)]
    Failed(#[from] ViewsError),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Unusable::Broken(error),
            _ => Unusable::Failed(error.into()),
        }
    }
}

impl From<Unusable> for ViewsError {
    fn from(reason: Unusable) -> Self {
        match reason {
            Unusable::Foreign => ViewsError::Corrupt("a new view is foreign".into()),
            Unusable::Broken(error) => error.into(),
            Unusable::Failed(error) => error,
        }
    }
}

fn open_file(file: &Path, log: &str) -> Result<(Connection, Position), Unusable> {
    make_private(file)?;
    let mut connection = Connection::open(file)?;
    prepare(&connection)?;
    // A view that lost its last commits with the power is merely behind.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // What is erased must not stay in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    if connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0 {
        let tx = connection.transaction()?;
        tx.execute_batch(include_str!("schema.sql"))?;
        tx.pragma_update(None, "user_version", VERSION)?;
        tx.execute("INSERT INTO position VALUES (?1, 0, ?2)", (log, Digest::of(b"").0))?;
        tx.commit()?;
    }
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        return Err(Unusable::Foreign);
    }
    let position = connection.query_row("SELECT log, next, last FROM position", [], |row| {
        Ok(Position { log: row.get("log")?, next: get(row, "next")?, last: Digest(row.get("last")?) })
    })?;
    if position.log != log {
        return Err(Unusable::Foreign);
    }
    Ok((connection, position))
}

/// What every connection needs.
pub(crate) fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// The view names customers: its file is for the owner's eyes. SQLite gives its companion files the
/// same mode.
fn make_private(file: &Path) -> Result<(), ViewsError> {
    let failed = |source| ViewsError::File { path: file.to_owned(), source };
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map_err(failed)?;
    Ok(())
}

fn discard(dir: &Path) -> Result<(), ViewsError> {
    for suffix in ["", "-wal", "-shm"] {
        let path: PathBuf = dir.join(format!("{FILE}{suffix}"));
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(ViewsError::File { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}
