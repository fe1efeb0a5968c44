//! Whose session, and what a grant was: entries that end one name it and nothing else.
//!
//! What is found is a function of the ledger, so an event is the same whenever and wherever it is made.

use std::collections::HashMap;
use std::time::Duration;

use ledger::{Archive, Ledger, LedgerError, Record};
use model::entry::{Event, GrantIssued, SessionOpened};
use model::{GrantId, SessionId};

/// How many sessions and grants are remembered; what is forgotten is read again.
const REMEMBERED: usize = 16_384;
/// How far back a session or grant may have begun. They last hours.
const LOOK_BACK: Duration = Duration::from_secs(31 * 24 * 3600);
/// How many records are read at a time on the way back.
const STRIDE: u64 = 1024;

/// Where records are read from.
pub trait Records {
    /// Up to `limit` records from number `from` on.
    fn read(&self, from: u64, limit: usize) -> Result<Vec<Record>, LedgerError>;
}

impl Records for Ledger {
    fn read(&self, from: u64, limit: usize) -> Result<Vec<Record>, LedgerError> {
        Ledger::read(self, from, limit)
    }
}

impl Records for Archive {
    fn read(&self, from: u64, limit: usize) -> Result<Vec<Record>, LedgerError> {
        Archive::read(self, from, limit)
    }
}

/// Sessions and grants that were seen lately.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    sessions: HashMap<SessionId, SessionOpened>,
    grants: HashMap<GrantId, GrantIssued>,
}

impl Lookup {
    /// Remembers what a record begins.
    pub(crate) fn learn(&mut self, record: &Record) {
        match &record.entry.event {
            Event::SessionOpened(opened) => {
                make_room(&mut self.sessions);
                self.sessions.insert(opened.session, opened.clone());
            }
            Event::GrantIssued(issued) => {
                make_room(&mut self.grants);
                self.grants.insert(issued.grant, issued.clone());
            }
            _ => {}
        }
    }

    /// The login that a record speaks of; none if there is none in front of it.
    pub(crate) fn session(
        &mut self,
        records: &dyn Records,
        by: &Record,
        session: SessionId,
    ) -> Result<Option<SessionOpened>, LedgerError> {
        if let Some(known) = self.sessions.get(&session) {
            return Ok(Some(known.clone()));
        }
        search(records, by, |event| match event {
            Event::SessionOpened(opened) if opened.session == session => Some(opened.clone()),
            _ => None,
        })
    }

    /// The grant that a record speaks of; none if there is none in front of it.
    pub(crate) fn grant(
        &mut self,
        records: &dyn Records,
        by: &Record,
        grant: GrantId,
    ) -> Result<Option<GrantIssued>, LedgerError> {
        if let Some(known) = self.grants.get(&grant) {
            return Ok(Some(known.clone()));
        }
        search(records, by, |event| match event {
            Event::GrantIssued(issued) if issued.grant == grant => Some(issued.clone()),
            _ => None,
        })
    }
}

/// Reads backwards from `by` until something is found, or until it is too long ago.
fn search<T>(
    records: &dyn Records,
    by: &Record,
    found: impl Fn(&Event) -> Option<T>,
) -> Result<Option<T>, LedgerError> {
    let oldest = by.entry.time.minus(LOOK_BACK);
    let mut end = by.index;
    while end > 0 {
        let from = end.saturating_sub(STRIDE);
        let stride = records.read(from, (end - from) as usize)?;
        if let Some(found) = stride.iter().rev().find_map(|record| found(&record.entry.event)) {
            return Ok(Some(found));
        }
        if stride.first().is_none_or(|first| first.entry.time < oldest) {
            break;
        }
        end = from;
    }
    Ok(None)
}

fn make_room<K, V>(map: &mut HashMap<K, V>) {
    if map.len() >= REMEMBERED {
        map.clear();
    }
}
