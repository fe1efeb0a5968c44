//! The ticket store: SQLite, durable beside the ledger, rebuilt from the apps if it is lost.

use std::collections::{HashMap, HashSet};
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use model::ticket::proof;
use model::{AppId, CustomerId, StaffId, TicketId, Tier, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{TicketActor, TicketEvent, TicketLink};
use crate::AccessError;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA secure_delete = ON;
    PRAGMA busy_timeout = 5000;
    CREATE TABLE IF NOT EXISTS event (
        seq      INTEGER PRIMARY KEY,
        app      TEXT NOT NULL,
        ticket   TEXT NOT NULL,
        time     INTEGER NOT NULL,
        what     TEXT NOT NULL,
        customer TEXT NOT NULL,
        by_whom  TEXT NOT NULL,
        to_whom  TEXT NOT NULL,
        UNIQUE (app, ticket, time, what, customer, by_whom, to_whom)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS event_customer ON event (app, customer, ticket);
    CREATE TABLE IF NOT EXISTS customer (
        app      TEXT NOT NULL,
        customer TEXT NOT NULL,
        tier     TEXT NOT NULL,
        PRIMARY KEY (app, customer)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS feed (app TEXT PRIMARY KEY, cursor TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS total (app TEXT PRIMARY KEY, customers INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// When so many customers' tickets are held in memory, it starts over.
const MOST_CUSTOMERS_IN_MEMORY: usize = 100_000;

/// Tickets and tiers as the apps report them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tickets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Feeds write here while others read through `reader`: WAL lets both happen at once.
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    memory: RwLock<Memory>,
}

/// What decisions are made from; a copy of what the store says.
#[derive(Debug, Default)]
struct Memory {
    /// The tickets of the customers that were asked for lately.
    histories: HashMap<Key, Histories>,
    /// Every customer who is not `standard`.
    tiers: HashMap<Key, Tier>,
    customers: u64,
    /// Grows whenever a history is dropped: what was read from the store before then may be old.
    changes: u64,
}

type Key = (AppId, CustomerId);
/// For each ticket its events, in the order in which they happened.
type Histories = Arc<[Vec<TicketEvent>]>;

impl Tickets {
    /// Opens the store, and makes it if there is none.
    pub fn open(path: &Path) -> Result<Self, AccessError> {
        make_private_file(path)
            .map_err(|source| AccessError::TicketFile { path: path.to_owned(), source })?;
        let writer = Connection::open(path)?;
        writer.execute_batch(SCHEMA)?;
        let reader = Connection::open(path)?;
        let memory = Memory { tiers: read_tiers(&reader)?, customers: count(&reader)?, ..Memory::default() };
        Ok(Self(Arc::new(Inner {
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            memory: RwLock::new(memory),
        })))
    }

    /// Takes events of one app in, idempotently (the same event twice changes nothing), and the
    /// feed's cursor with them, in one transaction.
    pub fn apply(
        &self,
        app: &AppId,
        events: &[TicketEvent],
        cursor: Option<&str>,
    ) -> Result<(), AccessError> {
        let mut writer = lock(&self.0.writer);
        let transaction = writer.transaction()?;
        let mut changed = HashSet::new();
        for event in events {
            if insert_event(&transaction, app, event)? {
                changed.insert(&event.ticket);
            }
        }
        if let Some(cursor) = cursor {
            let sql = "INSERT INTO feed VALUES (?1, ?2) ON CONFLICT DO UPDATE SET cursor = ?2";
            transaction.prepare_cached(sql)?.execute(params![app.as_str(), cursor])?;
        }
        let mut touched = Vec::new();
        for ticket in changed {
            touched.extend(customers_of(&transaction, app, ticket)?);
        }
        let customers = if touched.is_empty() { None } else { Some(count(&transaction)?) };
        transaction.commit()?;

        let mut memory = self.0.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.customers = customers.unwrap_or(memory.customers);
        memory.changes += 1;
        for customer in touched {
            memory.histories.remove(&(app.clone(), customer));
        }
        Ok(())
    }

    /// Forgets a customer in all apps: their tier, their tickets, and what else names them. Should the feed
    /// report them again, they are known again.
    pub fn forget(&self, customer: &CustomerId) -> Result<(), AccessError> {
        let mut writer = lock(&self.0.writer);
        let transaction = writer.transaction()?;
        for sql in [
            // Another customer may be linked to a ticket of theirs.
            "DELETE FROM event WHERE (app, ticket) IN
                (SELECT app, ticket FROM event WHERE customer = ?1 AND what = 'opened')",
            "DELETE FROM event WHERE customer = ?1",
            "DELETE FROM customer WHERE customer = ?1",
        ] {
            transaction.prepare_cached(sql)?.execute([customer.as_str()])?;
        }
        let customers = count(&transaction)?;
        transaction.commit()?;
        {
            let mut memory = self.0.memory.write().unwrap_or_else(PoisonError::into_inner);
            memory.customers = customers;
            memory.changes += 1;
            memory.histories.clear();
            memory.tiers.retain(|(_, theirs), _| theirs != customer);
        }
        // Until it is folded in, the write-ahead log holds what was deleted. Nobody reads meanwhile.
        let _reader = lock(&self.0.reader);
        writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Whether any ticket or tier names this customer, in any app.
    pub fn knows(&self, customer: &CustomerId) -> Result<bool, AccessError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM event WHERE customer = ?1)
                       OR EXISTS (SELECT 1 FROM customer WHERE customer = ?1)";
        let reader = lock(&self.0.reader);
        Ok(reader.prepare_cached(sql)?.query_row([customer.as_str()], |row| row.get(0))?)
    }

    /// Where the app's feed goes on.
    pub fn cursor(&self, app: &AppId) -> Result<Option<String>, AccessError> {
        let sql = "SELECT cursor FROM feed WHERE app = ?1";
        let reader = lock(&self.0.reader);
        let mut statement = reader.prepare_cached(sql)?;
        Ok(statement.query_row([app.as_str()], |row| row.get(0)).optional()?)
    }

    /// Tiers of customers; those not named keep theirs, and those never named are standard.
    pub fn set_tiers(&self, app: &AppId, tiers: &[(CustomerId, Tier)]) -> Result<(), AccessError> {
        let mut writer = lock(&self.0.writer);
        let transaction = writer.transaction()?;
        let sql = "INSERT INTO customer VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET tier = ?3";
        for (customer, tier) in tiers {
            transaction.prepare_cached(sql)?.execute(params![
                app.as_str(),
                customer.as_str(),
                tier.word()
            ])?;
        }
        let customers = count(&transaction)?;
        transaction.commit()?;

        let mut memory = self.0.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.customers = customers;
        for (customer, tier) in tiers {
            let key = (app.clone(), customer.clone());
            match tier {
                Tier::Standard => memory.tiers.remove(&key),
                Tier::HighValue | Tier::Protected => memory.tiers.insert(key, *tier),
            };
        }
        Ok(())
    }

    /// How many customers the app has in all, where its feed says so.
    pub fn set_total(&self, app: &AppId, customers: u64) -> Result<(), AccessError> {
        let writer = lock(&self.0.writer);
        let sql = "INSERT INTO total VALUES (?1, ?2) ON CONFLICT DO UPDATE SET customers = ?2";
        writer
            .prepare_cached(sql)?
            .execute(params![app.as_str(), i64::try_from(customers).unwrap_or(i64::MAX)])?;
        let customers = count(&writer)?;
        self.0.memory.write().unwrap_or_else(PoisonError::into_inner).customers = customers;
        Ok(())
    }

    /// The tier of a customer.
    pub fn tier(&self, app: &AppId, customer: &CustomerId) -> Tier {
        let memory = self.0.memory.read().unwrap_or_else(PoisonError::into_inner);
        memory.tiers.get(&(app.clone(), customer.clone())).copied().unwrap_or(Tier::Standard)
    }

    /// The tickets that link this person to this customer, the strongest evidence first. If the store
    /// cannot be read there are none: without evidence a look needs a reason (P9).
    pub fn links(
        &self,
        app: &AppId,
        staff: &StaffId,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Vec<TicketLink> {
        let histories = match self.histories(app, customer) {
            Ok(histories) => histories,
            Err(error) => {
                tracing::error!(%app, %error, "the ticket store cannot be read");
                return Vec::new();
            }
        };
        let mut links: Vec<_> =
            histories.iter().filter_map(|events| link(events, staff, customer, now)).collect();
        links.sort_by(|a, b| {
            a.evidence.cmp(&b.evidence).then(b.opened.cmp(&a.opened)).then_with(|| a.ticket.cmp(&b.ticket))
        });
        links
    }

    /// The customer of a ticket, if known: the one that it was opened about.
    pub fn customer_of(&self, app: &AppId, ticket: &TicketId) -> Option<CustomerId> {
        let sql = "SELECT customer FROM event WHERE app = ?1 AND ticket = ?2
                   ORDER BY what <> 'opened', time, seq LIMIT 1";
        let reader = lock(&self.0.reader);
        let found = reader.prepare_cached(sql).and_then(|mut statement| {
            let customer = |row: &Row<'_>| Ok(CustomerId::new(row.get_ref(0)?.as_str()?));
            statement.query_row([app.as_str(), ticket.as_str()], customer).optional()
        });
        found.unwrap_or_else(|error| {
            tracing::error!(%app, %error, "the ticket store cannot be read");
            None
        })
    }

    /// The events that came after the one with this number, in the order in which they came, with their numbers: at most
    /// `limit`.
    pub fn since(&self, number: i64, limit: usize) -> Result<Vec<(i64, AppId, TicketEvent)>, AccessError> {
        let sql = "SELECT time, what, ticket, customer, by_whom, to_whom, seq, app FROM event
                   WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let reader = lock(&self.0.reader);
        let mut statement = reader.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let events = statement.query_map((number, limit), |row| {
            Ok((row.get(6)?, AppId::new(row.get_ref(7)?.as_str()?), read_event(row)?))
        })?;
        Ok(events.collect::<Result<_, _>>()?)
    }

    /// How many customers there are, as the apps say or at least as far as they are known (for "percent of all
    /// customers").
    pub fn customers(&self) -> u64 {
        self.0.memory.read().unwrap_or_else(PoisonError::into_inner).customers
    }

    fn histories(&self, app: &AppId, customer: &CustomerId) -> Result<Histories, rusqlite::Error> {
        let key = (app.clone(), customer.clone());
        let changes = {
            let memory = self.0.memory.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(histories) = memory.histories.get(&key) {
                return Ok(histories.clone());
            }
            memory.changes
        };
        let histories = read_histories(&lock(&self.0.reader), app, customer)?;
        let mut memory = self.0.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.changes == changes {
            if memory.histories.len() >= MOST_CUSTOMERS_IN_MEMORY {
                memory.histories.clear();
            }
            memory.histories.insert(key, histories.clone());
        }
        Ok(histories)
    }
}

fn link(
    events: &[TicketEvent],
    viewer: &StaffId,
    customer: &CustomerId,
    now: Timestamp,
) -> Option<TicketLink> {
    let ticket = events.first()?.ticket.clone();
    let proof = proof(events, viewer, customer, now)?;
    Some(TicketLink { ticket, evidence: proof.evidence, opened: proof.opened })
}

/// SQLite rolls an unfinished transaction back when it is dropped, so a connection is whole after a
/// panic too.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The store names customers: nobody but the owner may read it. SQLite gives its side files the
/// same mode.
fn make_private_file(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Whether the event was new.
fn insert_event(db: &Connection, app: &AppId, event: &TicketEvent) -> Result<bool, rusqlite::Error> {
    let sql = "INSERT OR IGNORE INTO event (app, ticket, time, what, customer, by_whom, to_whom)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let inserted = db.prepare_cached(sql)?.execute(params![
        app.as_str(),
        event.ticket.as_str(),
        i64::try_from(event.time.0).unwrap_or(i64::MAX),
        event.what.word(),
        event.customer.as_str(),
        String::from(event.by.clone()),
        event.to.as_ref().map_or("", StaffId::as_str),
    ])?;
    let sql = "INSERT OR IGNORE INTO customer VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![app.as_str(), event.customer.as_str(), Tier::Standard.word()])?;
    Ok(inserted > 0)
}

fn customers_of(db: &Connection, app: &AppId, ticket: &TicketId) -> Result<Vec<CustomerId>, rusqlite::Error> {
    let sql = "SELECT DISTINCT customer FROM event WHERE app = ?1 AND ticket = ?2";
    db.prepare_cached(sql)?
        .query_map([app.as_str(), ticket.as_str()], |row| Ok(CustomerId::new(row.get_ref(0)?.as_str()?)))?
        .collect()
}

fn read_histories(db: &Connection, app: &AppId, customer: &CustomerId) -> Result<Histories, rusqlite::Error> {
    let sql = "SELECT time, what, ticket, customer, by_whom, to_whom FROM event
               WHERE app = ?1
                 AND ticket IN (SELECT ticket FROM event WHERE app = ?1 AND customer = ?2)
               ORDER BY ticket, time, seq";
    let mut statement = db.prepare_cached(sql)?;
    let events =
        statement.query_map([app.as_str(), customer.as_str()], read_event)?.collect::<Result<Vec<_>, _>>()?;
    Ok(events.chunk_by(|a, b| a.ticket == b.ticket).map(<[TicketEvent]>::to_vec).collect())
}

fn read_event(row: &Row<'_>) -> Result<TicketEvent, rusqlite::Error> {
    let to = row.get_ref(5)?.as_str()?;
    Ok(TicketEvent {
        time: Timestamp(row.get::<_, i64>(0)?.unsigned_abs()),
        what: row.get_ref(1)?.as_str()?.parse().map_err(|_| unreadable(1, "an unknown kind of event"))?,
        ticket: TicketId::new(row.get_ref(2)?.as_str()?),
        customer: CustomerId::new(row.get_ref(3)?.as_str()?),
        by: TicketActor::from(row.get::<_, String>(4)?),
        to: (!to.is_empty()).then(|| StaffId::new(to)),
    })
}

fn read_tiers(db: &Connection) -> Result<HashMap<Key, Tier>, rusqlite::Error> {
    let sql = "SELECT app, customer, tier FROM customer WHERE tier <> ?1";
    db.prepare(sql)?
        .query_map([Tier::Standard.word()], |row| {
            let key = (AppId::new(row.get_ref(0)?.as_str()?), CustomerId::new(row.get_ref(1)?.as_str()?));
            let tier = row.get_ref(2)?.as_str()?.parse().map_err(|_| unreadable(2, "an unknown tier"))?;
            Ok((key, tier))
        })?
        .collect()
}

fn count(db: &Connection) -> Result<u64, rusqlite::Error> {
    let sql = "SELECT max((SELECT count(*) FROM customer), (SELECT coalesce(sum(customers), 0) FROM total))";
    let count: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn unreadable(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.into())
}
