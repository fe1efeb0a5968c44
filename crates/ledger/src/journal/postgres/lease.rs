//! The right to publish, of several nodes: a lease on a row of the database, by the database's clock.
//!
//! The epoch is the fencing token. Whoever lost the lease without knowing (paused, cut off) changes nothing any more: each
//! statement looks at the lease, under its lock, for the epoch that it was begun in. Rows only move forward even so.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::clock::random;
use model::{Entropy, IncidentKind};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::session::{Session, aside};
use crate::books::Published;
use crate::database::Database;
use crate::error::{DatabaseError, LedgerError};
use crate::publication::{Lease, Publication, Turn};

const TAKE: &str = "
UPDATE sightline.lease SET
    node = $1, who = $2, expires = clock_timestamp() + $3 * interval '1 second',
    epoch = CASE WHEN who = $2 THEN epoch ELSE epoch + 1 END,
    contradicted = CASE WHEN who = $2 THEN contradicted END
WHERE who IS NULL OR who = $2 OR expires < clock_timestamp()";
const LOOK: &str = "
SELECT CASE WHEN l.expires > clock_timestamp() THEN l.node END,
    l.epoch, COALESCE(l.who = $1 AND l.expires > clock_timestamp(), false), l.contradicted,
    p.size, p.note, p.given_size, p.given, h.size
FROM sightline.lease l CROSS JOIN sightline.published p CROSS JOIN sightline.head h";
const ANNOUNCE: &str = "
WITH mine AS (
    SELECT epoch FROM sightline.lease
    WHERE who = $3 AND epoch = $4 AND expires > clock_timestamp() FOR UPDATE
)
UPDATE sightline.published p SET size = $1, note = $2, epoch = mine.epoch FROM mine
WHERE p.size <= $1 AND p.epoch <= mine.epoch AND $1 <= (SELECT size FROM sightline.head)";
const GIVE_OUT: &str = "
WITH mine AS (
    SELECT epoch FROM sightline.lease
    WHERE who = $3 AND epoch = $4 AND expires > clock_timestamp() FOR UPDATE
)
UPDATE sightline.published p SET given_size = $1, given = $2 FROM mine
WHERE p.given_size <= $1 AND $1 <= p.size AND p.epoch <= mine.epoch";
const CONTRADICT: &str = "UPDATE sightline.lease SET contradicted = $1 WHERE who = $2 AND epoch = $3";
const END: &str =
    "UPDATE sightline.lease SET who = NULL, node = NULL, expires = clock_timestamp() WHERE who = $1";

/// The publication of a log that several nodes write.
pub(crate) struct PgLease {
    database: Database,
    /// None once the right was given up for good.
    session: Mutex<Option<Session>>,
    /// What this process goes by. Fresh each time: two nodes of one name are still two.
    who: [u8; 16],
    node: String,
    /// For how long the lease is taken.
    span: Duration,
    known: Mutex<Known>,
}

/// What the last look has shown.
#[derive(Debug, Default)]
struct Known {
    node: Option<String>,
    epoch: u64,
    contradicted: Option<IncidentKind>,
    /// Until when the lease is ours, by this machine's clock; reckoned from before it was asked for.
    until: Option<Instant>,
}

/// What the two rows say.
struct Seen {
    node: Option<String>,
    epoch: u64,
    is_ours: bool,
    contradicted: Option<String>,
    announced: Option<Published>,
    given: Option<Published>,
    /// How many entries the database has.
    size: u64,
}

impl Seen {
    fn of(row: &Row) -> Result<Self, Error> {
        let published = |size: usize, note: usize| {
            let (size, note): (i64, Option<String>) = (row.try_get(size)?, row.try_get(note)?);
            Ok(note.map(|note| Published { size: size as u64, note: note.into() }))
        };
        Ok(Self {
            node: row.try_get(0)?,
            epoch: row.try_get::<_, i64>(1)? as u64,
            is_ours: row.try_get(2)?,
            contradicted: row.try_get(3)?,
            announced: published(4, 5)?,
            given: published(6, 7)?,
            size: row.try_get::<_, i64>(8)? as u64,
        })
    }
}

impl PgLease {
    /// The right of the node with this name, which it does not have yet.
    pub(crate) fn new(
        database: &Database,
        node: &str,
        span: Duration,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Self, LedgerError> {
        let session = Mutex::new(Some(Session::new(database.clone())?));
        let (who, node) = (random(&**entropy), node.to_owned());
        Ok(Self { database: database.clone(), session, who, node, span, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something on the connection. What a standby has not confirmed has not happened: a database that is promoted
    /// could have forgotten it.
    fn run<T: Send>(
        &self,
        doing: &'static str,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error> + Send,
    ) -> Result<T, LedgerError> {
        aside(|| {
            let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            let session = session.as_mut().ok_or(LedgerError::Stopped)?;
            let answer = session.run(doing, work)?;
            if session.was_warned() {
                let (at, why) = (self.database.to_string(), "the standby does not confirm".to_owned());
                return Err(DatabaseError::Unreachable { at, doing, why }.into());
            }
            Ok(answer)
        })
    }

    /// Moves the row of what is published, if the lease is still ours.
    fn move_row(
        &self,
        doing: &'static str,
        sql: &'static str,
        checkpoint: &Published,
    ) -> Result<bool, LedgerError> {
        let (size, epoch) = (checkpoint.size as i64, self.known().epoch as i64);
        let (note, who) = (&*checkpoint.note, self.who.as_slice());
        let moved = self.run(doing, async |client| {
            let values: [(&(dyn ToSql + Sync), Type); 4] =
                [(&size, Type::INT8), (&note, Type::TEXT), (&who, Type::BYTEA), (&epoch, Type::INT8)];
            client.execute_typed(sql, &values).await
        })?;
        Ok(moved == 1)
    }
}

impl Publication for PgLease {
    fn begin(&self, known: u64) -> Result<Turn, LedgerError> {
        let asked = Instant::now();
        let (node, who, span) = (&self.node, self.who.as_slice(), self.span.as_secs_f64());
        let seen = self.run("ask who publishes", async |client| {
            let take: [(&(dyn ToSql + Sync), Type); 3] =
                [(node, Type::TEXT), (&who, Type::BYTEA), (&span, Type::FLOAT8)];
            let look: [(&(dyn ToSql + Sync), Type); 1] = [(&who, Type::BYTEA)];
            // Sent at once, answered at once, done one after the other.
            let (taken, seen) =
                tokio::join!(client.execute_typed(TAKE, &take), client.query_typed_one(LOOK, &look));
            taken?;
            Seen::of(&seen?)
        })?;
        if seen.size < known {
            let (at, size) = (self.database.to_string(), seen.size);
            return Err(DatabaseError::RolledBack { at, size, seen: known }.into());
        }
        let mut known = self.known();
        if known.until.is_some() != seen.is_ours {
            let (epoch, node) = (seen.epoch, seen.node.as_deref().unwrap_or("nobody"));
            tracing::info!(epoch, node, "who publishes has changed");
        }
        *known = Known {
            node: seen.node,
            epoch: seen.epoch,
            contradicted: seen.contradicted.and_then(|what| what.parse().ok()),
            until: seen.is_ours.then(|| asked + self.span),
        };
        Ok(Turn::Shared { is_ours: seen.is_ours, announced: seen.announced, given: seen.given })
    }

    fn announce(&self, checkpoint: &Published) -> Result<bool, LedgerError> {
        self.move_row("announce a checkpoint", ANNOUNCE, checkpoint)
    }

    fn give_out(&self, checkpoint: &Published) -> Result<bool, LedgerError> {
        self.move_row("give a checkpoint out", GIVE_OUT, checkpoint)
    }

    fn contradict(&self, what: IncidentKind) -> Result<(), LedgerError> {
        let (what, who) = (what.to_string(), self.who.as_slice());
        let epoch = self.known().epoch as i64;
        self.run("say what a witness has proved", async |client| {
            let values: [(&(dyn ToSql + Sync), Type); 3] =
                [(&what, Type::TEXT), (&who, Type::BYTEA), (&epoch, Type::INT8)];
            client.execute_typed(CONTRADICT, &values).await
        })?;
        Ok(())
    }

    fn is_ours(&self) -> bool {
        self.known().until.is_some_and(|until| Instant::now() < until)
    }

    fn lease(&self) -> Option<Lease> {
        let is_ours = self.is_ours();
        let known = self.known();
        Some(Lease {
            node: known.node.clone(),
            epoch: known.epoch,
            is_ours,
            this_node: self.node.clone(),
            contradicted: known.contradicted,
        })
    }

    fn end(&self) {
        let who = self.who.as_slice();
        if self.is_ours() {
            let ended = self.run("give up publishing", async |client| {
                client.execute_typed(END, &[(&who, Type::BYTEA)]).await
            });
            if let Err(error) = ended {
                tracing::info!(%error, "whoever publishes next waits until the lease has run out");
            }
        }
        self.known().until = None;
        // Here and not with the last handle of the ledger, which may be on a thread that must not wait.
        drop(aside(|| self.session.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
}

impl fmt::Display for PgLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.database.fmt(f)
    }
}

impl fmt::Debug for PgLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgLease({}, {})", self.database, self.node)
    }
}
