//! A record as a message in one of the formats.

use std::str::FromStr;

use ledger::{LedgerError, Record};
use model::{Entry, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cef;
use crate::lookup::{Lookup, Records};
use crate::ocsf::{self, Identity};
use crate::tell;
use crate::told::{Severity, Told};

/// What a message is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An OCSF 1.8.0 event, as JSON.
    #[default]
    Ocsf,
    /// ArcSight Common Event Format.
    Cef,
    /// The entry as it is, as JSON, with its number, its leaf hash and the log's origin.
    Jsonl,
}

impl Format {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Format::Ocsf => "ocsf",
            Format::Cef => "cef",
            Format::Jsonl => "jsonl",
        }
    }

    /// Whether a message is a JSON text.
    pub(crate) fn is_json(self) -> bool {
        self != Format::Cef
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        [Format::Ocsf, Format::Cef, Format::Jsonl]
            .into_iter()
            .find(|format| format.word() == s)
            .ok_or_else(|| "one of ocsf, cef, jsonl".into())
    }
}

/// A record, ready to send: one line of text with what a transport says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `ORIGIN#NUMBER`: the same whenever and wherever it is sent.
    pub uid: String,
    /// When the entry was committed.
    pub time: Timestamp,
    /// The kind of entry.
    pub kind: &'static str,
    /// RFC 5424's severity.
    pub(crate) severity: Severity,
    /// The entry's number; none for a test.
    pub index: Option<u64>,
    /// The message, without line ends.
    pub body: String,
}

/// Makes messages of the records of one log, in order. The same record gives the same message.
#[derive(Debug)]
pub struct Writer {
    origin: String,
    format: Format,
    lookup: Lookup,
}

impl Writer {
    /// For the log of this origin.
    pub fn new(origin: &str, format: Format) -> Self {
        Self { origin: origin.to_owned(), format, lookup: Lookup::default() }
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What it writes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Writes a record. What it refers to is read from `records`, which hold what is in front of it.
    pub fn write(&mut self, record: &Record, records: &dyn Records) -> Result<Message, LedgerError> {
        self.lookup.learn(record);
        let told = tell::tell(record, &mut self.lookup, records)?;
        let identity = Identity::of(&self.origin, record.index, &record.entry);
        Ok(self.message(&told, &identity, record.entry.event.kind(), record.entry.time, said(&record.entry)))
    }

    /// A record as an OCSF event, for whoever looks into it instead of sending it. What it refers to is read from
    /// `records`, which hold what is in front of it.
    pub fn event(&mut self, record: &Record, records: &dyn Records) -> Result<Value, LedgerError> {
        self.lookup.learn(record);
        let told = tell::tell(record, &mut self.lookup, records)?;
        let identity = Identity::of(&self.origin, record.index, &record.entry);
        let (kind, time) = (record.entry.event.kind(), record.entry.time);
        Ok(ocsf::event(&told, &identity, kind, time, &said(&record.entry)))
    }

    /// A message that tests the way to a receiver, marked as a test; no entry stands behind it.
    pub fn test(&self, now: Timestamp) -> Message {
        let identity = Identity { origin: &self.origin, entry: None };
        self.message(&tell::test(), &identity, "test", now, json!({ "event": "test" }))
    }

    fn message(
        &self,
        told: &Told,
        identity: &Identity<'_>,
        kind: &'static str,
        time: Timestamp,
        said: Value,
    ) -> Message {
        let body = match self.format {
            Format::Ocsf => ocsf::event(told, identity, kind, time, &said).to_string(),
            Format::Cef => cef::event(told, identity, kind, time, &said),
            Format::Jsonl => {
                let (index, leaf) = identity.entry.unzip();
                json!({
                    "uid": identity.uid(time), "origin": identity.origin, "index": index,
                    "leaf_hash": leaf, "time": time, "entry": said,
                })
                .to_string()
            }
        };
        Message {
            uid: identity.uid(time),
            time,
            kind,
            severity: told.severity,
            index: identity.entry.map(|(index, _)| index),
            body,
        }
    }
}

/// The event as JSON, without the digest of the session's cookie: nobody outside has a use for it.
fn said(entry: &Entry) -> Value {
    let mut said = serde_json::to_value(&entry.event).unwrap_or_default();
    if let Value::Object(said) = &mut said {
        said.remove("token");
    }
    said
}
