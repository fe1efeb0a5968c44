//! The journal in PostgreSQL, which several gateways write in turns.
//!
//! A turn is the lock on the one row of `head`. Whoever has it first reads and absorbs what the others appended, and
//! then decides: admission at an entry's place is the same as with one gateway, budgets and all. The batch goes in only
//! where the head still has the size that it was decided at, in the statement that moves the head, so a node that lost
//! its turn without knowing (paused, cut off) appends nothing.
//!
//! A commit whose answer is lost leaves a doubt. It is settled by taking the next turn (so the commit in question is
//! over), looking whether the batch stands at its place, and committing a write of the head: if that returns without
//! a warning, so has everything before it reached whichever standby the database waits for.

mod keys;
mod lease;
mod reader;
mod schema;
mod session;

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Entropy;
use model::clock::random;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

pub(crate) use keys::DatabaseKeys;
pub(crate) use lease::PgLease;
pub(crate) use reader::Reader;
pub(crate) use schema::{MIGRATIONS, Owner, Step, check, claim, migrate, owner};
pub(crate) use session::{Session, aside};

use super::{Batch, BatchVisitor, Journal, JournalReader, Next, Setback, Tip};
use crate::error::{DatabaseError, LedgerError};

/// How many batches are read at a time, and how many at most while others wait for the turn.
const MANY: i64 = 64;
const FEW: i64 = 8;
/// How long to wait before the database is asked again.
const PAUSE: Duration = Duration::from_millis(50);

const BATCHES: &str =
    "SELECT first, count, bytes FROM sightline.batch WHERE first >= $1 ORDER BY first LIMIT $2";
const TURN: &str =
    "SELECT h.size, h.root, f.min_writer FROM sightline.head h CROSS JOIN sightline.format f FOR UPDATE OF h";
const APPEND: &str = "
WITH moved AS (
    UPDATE sightline.head SET size = $1 + $2, root = $3, fence = GREATEST(fence, $4)
    WHERE size = $1 RETURNING one
)
INSERT INTO sightline.batch (first, count, id, bytes) SELECT $1, $2, $5, $6 FROM moved";

/// The writing side of the journal in a database.
pub(crate) struct PgJournal {
    session: Session,
    reader: Arc<Reader>,
    entropy: Arc<dyn Entropy>,
    /// How long a doubt is looked into.
    patience: Duration,
}

/// Where the ledger stands, read in a turn.
struct Head {
    size: u64,
    root: Vec<u8>,
    min_writer: i32,
}

impl Head {
    fn of(rows: &[Row]) -> Result<Self, Error> {
        // A database without its one row is not one that `migrate` made; then this reads like one that was lost.
        let Some(row) = rows.first() else { return Ok(Self { size: 0, root: Vec::new(), min_writer: 0 }) };
        Ok(Self {
            size: row.try_get::<_, i64>(0)? as u64,
            root: row.try_get(1)?,
            min_writer: row.try_get(2)?,
        })
    }
}

impl PgJournal {
    /// The journal, read from its beginning, or from the batch on in which `known` entries end.
    pub(crate) fn open(
        session: Session,
        reader: Arc<Reader>,
        entropy: Arc<dyn Entropy>,
        patience: Duration,
        known: u64,
        visitor: &mut BatchVisitor<'_>,
    ) -> Result<Self, LedgerError> {
        let mut journal = Self { session, reader, entropy, patience };
        let at = match known.checked_sub(1) {
            None => 0,
            Some(last) => {
                let first = journal.session.run("find a batch", async |client| holder(client, last).await)?;
                first.unwrap_or(0)
            }
        };
        journal.read_on(at, visitor)?;
        Ok(journal)
    }

    /// Shows every batch from `at` on, and says where they end.
    fn read_on(&mut self, mut at: u64, visitor: &mut BatchVisitor<'_>) -> Result<u64, LedgerError> {
        loop {
            let batches = self.session.run("read batches", async |client| batches(client, at, MANY).await)?;
            let found = batches.len() as i64;
            at = show(&parse(batches)?, at, visitor)?;
            if found < MANY {
                return Ok(at);
            }
        }
    }

    /// Takes the turn: the head, and the next batches behind `at`.
    fn lock(&mut self, at: u64) -> Result<(Head, Vec<Raw>), LedgerError> {
        let turn = self.session.run("take the turn", async |client| {
            // Sent at once, answered at once.
            let (begun, head, behind) = tokio::join!(
                client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
                client.query_typed(TURN, &[]),
                batches(client, at, FEW + 1),
            );
            begun?;
            Ok((Head::of(&head?)?, behind?))
        });
        Ok(turn?)
    }

    fn take_turn(&mut self, tip: &Tip, visitor: &mut BatchVisitor<'_>) -> Result<(), LedgerError> {
        let mut at = tip.size;
        loop {
            let (head, behind) = self.lock(at)?;
            let database = || self.session.database().to_string();
            if head.min_writer > schema::VERSION {
                let (found, known) = (head.min_writer, schema::VERSION);
                return Err(DatabaseError::New { at: database(), found, known }.into());
            }
            if head.size < at {
                return Err(DatabaseError::RolledBack { at: database(), size: head.size, seen: at }.into());
            }
            if head.size == tip.size && head.root != tip.root {
                return Err(DatabaseError::Forked { at: database(), size: head.size }.into());
            }
            let is_far_behind = behind.len() as i64 > FEW;
            if is_far_behind {
                // Nobody should wait while this node reads.
                self.session.hang_up();
            }
            at = show(&parse(behind)?, at, visitor)?;
            match is_far_behind {
                true => at = self.read_on(at, visitor)?,
                false if at == head.size => return Ok(()),
                false => {
                    let what = "the batch that should stand here is missing";
                    return Err(DatabaseError::Damaged { entry: at, what }.into());
                }
            }
        }
    }

    /// Whether the batch with this id stands at its place; returns once that is certain and durable.
    fn settle_doubt(&mut self, first: u64, id: &[u8; 16]) -> Result<bool, LedgerError> {
        let started = Instant::now();
        loop {
            let looked = self.session.run("look for a batch", async |client| {
                let first = first as i64;
                client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
                client.query_typed(TURN, &[]).await?;
                let there = client
                    .query_typed(
                        "SELECT 1 FROM sightline.batch WHERE first = $1 AND id = $2",
                        &[(&first, Type::INT8), (&id.as_slice(), Type::BYTEA)],
                    )
                    .await?;
                client.batch_execute("UPDATE sightline.head SET size = size; COMMIT").await?;
                Ok(!there.is_empty())
            });
            match looked {
                Ok(there) if !self.session.was_warned() => return Ok(there),
                Err(failure) if started.elapsed() >= self.patience => return Err(failure.into()),
                Ok(_) if started.elapsed() >= self.patience => {
                    let why = "the standby does not confirm".to_owned();
                    let at = self.session.database().to_string();
                    return Err(DatabaseError::Unreachable { at, doing: "look for a batch", why }.into());
                }
                Ok(_) | Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Journal for PgJournal {
    fn begin(&mut self, tip: &Tip, visitor: &mut BatchVisitor<'_>) -> Result<(), Setback> {
        let taken = self.take_turn(tip, visitor);
        if taken.is_err() {
            self.session.hang_up();
        }
        Ok(taken?)
    }

    fn follow(&mut self, tip: &Tip, visitor: &mut BatchVisitor<'_>) -> Result<(), Setback> {
        self.read_on(tip.size, visitor)?;
        Ok(())
    }

    fn commit(&mut self, next: &Next<'_>) -> Result<(), Setback> {
        let id: [u8; 16] = random(&*self.entropy);
        let (first, count) = (next.batch.first() as i64, next.batch.count() as i32);
        let fence = next.fence.map_or(0, |fence| fence as i64);
        let appended = self.session.run("commit a batch", async |client| {
            let (root, id, bytes) = (next.root.as_slice(), id.as_slice(), next.batch.bytes());
            let values: [(&(dyn ToSql + Sync), Type); 6] = [
                (&first, Type::INT8),
                (&count, Type::INT4),
                (&root, Type::BYTEA),
                (&fence, Type::INT8),
                (&id, Type::BYTEA),
                (&bytes, Type::BYTEA),
            ];
            let (appended, committed) = tokio::join!(
                client.execute_typed(APPEND, &values),
                // If the batch was refused this only ends the transaction.
                client.batch_execute("COMMIT"),
            );
            let appended = appended?;
            committed?;
            Ok(appended)
        });
        let doubt = match appended {
            Ok(1) if !self.session.was_warned() => return Ok(()),
            Ok(0) => return Err(Setback::Again("somebody else appended out of turn".to_owned())),
            Ok(_) => "the database warned while it committed".to_owned(),
            Err(failure) if failure.is_refusal => return Err(Setback::Again(failure.error.to_string())),
            Err(failure) => failure.error.to_string(),
        };
        match self.settle_doubt(next.batch.first(), &id) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Setback::Again(doubt)),
            Err(error) => Err(Setback::Unknown(error.to_string())),
        }
    }

    fn pass(&mut self) {
        if self.session.run("end the turn", async |client| client.batch_execute("ROLLBACK").await).is_err() {
            // The connection is gone, and the turn with it.
            self.session.hang_up();
        }
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.reader.clone()
    }
}

/// A row of `batch`.
type Raw = (u64, u32, Vec<u8>);

async fn batches(client: &Client, from: u64, limit: i64) -> Result<Vec<Raw>, Error> {
    let from = from as i64;
    let rows = client.query_typed(BATCHES, &[(&from, Type::INT8), (&limit, Type::INT8)]).await?;
    let row =
        |row: &Row| Ok((row.try_get::<_, i64>(0)? as u64, row.try_get::<_, i32>(1)? as u32, row.try_get(2)?));
    rows.iter().map(row).collect()
}

/// Where the batch begins that holds this entry, if there is one.
async fn holder(client: &Client, index: u64) -> Result<Option<u64>, Error> {
    let sql = "SELECT max(first) FROM sightline.batch WHERE first <= $1";
    let row = client.query_typed_one(sql, &[(&(index as i64), Type::INT8)]).await?;
    Ok(row.try_get::<_, Option<i64>>(0)?.map(|first| first as u64))
}

fn parse(rows: Vec<Raw>) -> Result<Vec<Batch>, LedgerError> {
    let batch = |(first, count, bytes)| {
        let damaged = |what| DatabaseError::Damaged { entry: first, what };
        Batch::parse(first, count, bytes).map_err(|what| damaged(what).into())
    };
    rows.into_iter().map(batch).collect()
}

/// Shows batches that follow each other from `at` on, and says where they end.
fn show(batches: &[Batch], mut at: u64, visitor: &mut BatchVisitor<'_>) -> Result<u64, LedgerError> {
    for batch in batches {
        if batch.first() != at {
            let what = "a batch stands where another should";
            return Err(DatabaseError::Damaged { entry: at, what }.into());
        }
        visitor(batch)?;
        at = batch.end();
    }
    Ok(at)
}
