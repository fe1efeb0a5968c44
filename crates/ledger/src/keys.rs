//! Where customers' keys are kept, wrapped under the master key.

use std::path::{Path, PathBuf};

use model::Month;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use crate::error::LedgerError;

/// Names a customer's key, and nothing else: random, and gone with the key.
pub(crate) type KeyId = [u8; 16];
/// How a customer's key for a month is found: `HMAC(index key, month ‖ customer)`. The rows of two months do not
/// show that they are one customer's.
pub(crate) type Who = [u8; 32];

/// A wrapped key with its two names.
#[derive(Debug, Clone)]
pub(crate) struct KeyRow {
    pub(crate) who: Who,
    pub(crate) month: Month,
    pub(crate) id: KeyId,
    pub(crate) wrapped: Vec<u8>,
}

/// A wrapped key that was looked for by one of its names, with the other.
pub(crate) type Found<const N: usize> = Option<([u8; N], Vec<u8>)>;

/// A store of wrapped keys.
pub(crate) trait KeyStore: Send {
    /// The key of this customer.
    fn find(&mut self, who: &Who) -> Result<Found<16>, LedgerError>;

    /// The key with this name.
    fn find_by_id(&mut self, id: &KeyId) -> Result<Found<32>, LedgerError>;

    /// Stores all of them, durably, or none; an error too if one of their customers has a key already.
    fn store(&mut self, fresh: &[KeyRow]) -> Result<(), LedgerError>;

    /// The months that there are keys of.
    fn months(&mut self) -> Result<Vec<Month>, LedgerError>;

    /// Destroys these keys, durably, as far as they are there.
    fn delete(&mut self, theirs: &[Who]) -> Result<(), LedgerError>;

    /// Destroys all keys of the months before this one, durably.
    fn delete_before(&mut self, month: Month) -> Result<(), LedgerError>;
}

/// The store in a file (SQLite).
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    db: Connection,
}

impl KeyFile {
    /// Opens the store at `path`; makes it if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Keys { path: path.to_owned(), source };
        let db = Connection::open(path).map_err(failed)?;
        // FULL: a key is durable when its transaction returns. secure_delete: a destroyed key is overwritten.
        db.execute_batch(
            "PRAGMA busy_timeout = 5000;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA secure_delete = ON;
             CREATE TABLE IF NOT EXISTS customer_key (
                 who     BLOB PRIMARY KEY NOT NULL,
                 month   INTEGER NOT NULL,
                 id      BLOB NOT NULL UNIQUE,
                 wrapped BLOB NOT NULL
             ) STRICT, WITHOUT ROWID;
             CREATE INDEX IF NOT EXISTS customer_key_of_month ON customer_key (month);",
        )
        .map_err(failed)?;
        Ok(Self { path: path.to_owned(), db })
    }

    fn failed(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::Keys { path: self.path.clone(), source }
    }

    /// Until the write-ahead log is folded in, it holds pages with the keys.
    fn truncate(&self) -> rusqlite::Result<()> {
        let busy: bool = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy {
            tracing::warn!(
                "somebody reads the customer keys: destroyed ones stay in the write-ahead log until the next are"
            );
        }
        Ok(())
    }

    /// The row of a key, by one of its names: its other name, and the wrapped key.
    fn select<const N: usize, const M: usize>(
        &self,
        query: &str,
        name: &[u8; N],
    ) -> Result<Found<M>, LedgerError> {
        let select = || {
            self.db.prepare_cached(query)?.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        };
        select().map_err(|source| self.failed(source))
    }
}

impl KeyStore for KeyFile {
    fn find(&mut self, who: &Who) -> Result<Found<16>, LedgerError> {
        self.select("SELECT id, wrapped FROM customer_key WHERE who = ?1", who)
    }

    fn find_by_id(&mut self, id: &KeyId) -> Result<Found<32>, LedgerError> {
        self.select("SELECT who, wrapped FROM customer_key WHERE id = ?1", id)
    }

    fn store(&mut self, fresh: &[KeyRow]) -> Result<(), LedgerError> {
        let mut store = || {
            let transaction = self.db.transaction()?;
            let insert = "INSERT INTO customer_key (who, month, id, wrapped) VALUES (?1, ?2, ?3, ?4)";
            for KeyRow { who, month, id, wrapped } in fresh {
                transaction.prepare_cached(insert)?.execute(params![who, month.number(), id, wrapped])?;
            }
            transaction.commit()
        };
        store().map_err(|source| LedgerError::Keys { path: self.path.clone(), source })
    }

    fn months(&mut self) -> Result<Vec<Month>, LedgerError> {
        let months = || {
            let mut statement = self.db.prepare_cached("SELECT DISTINCT month FROM customer_key")?;
            statement
                .query_map([], |row| row.get(0).map(Month::from_number))?
                .collect::<rusqlite::Result<Vec<Month>>>()
        };
        months().map_err(|source| self.failed(source))
    }

    fn delete(&mut self, theirs: &[Who]) -> Result<(), LedgerError> {
        let places = vec!["?"; theirs.len()].join(", ");
        let sql = format!("DELETE FROM customer_key WHERE who IN ({places})");
        let deleted = self.db.execute(&sql, params_from_iter(theirs)).and_then(|_| self.truncate());
        deleted.map_err(|source| self.failed(source))
    }

    fn delete_before(&mut self, month: Month) -> Result<(), LedgerError> {
        let sql = "DELETE FROM customer_key WHERE month < ?1";
        let deleted = self.db.execute(sql, [month.number()]).and_then(|_| self.truncate());
        deleted.map_err(|source| self.failed(source))
    }
}
