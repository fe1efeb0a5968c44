//! What an app shows: routes, customers, tickets and field classes; masking, and putting masked values
//! back on their way to the app. Pure: bytes in, bytes out.
//!
//! CONTRACT STUB: signatures other rooms build against.

use http::Method;
use model::entry::Action;
use model::{ClassSet, CustomerId, FieldClass, TicketId};

/// A compiled adapter.
#[derive(Debug, Clone)]
pub struct Adapter {}

impl Adapter {
    /// Compiles the TOML text; `file` is what errors call it. All errors at once, each with line, key and nearest valid one.
    pub fn parse(_file: &str, _text: &str) -> Result<Self, AdapterErrors> {
        todo!()
    }
    /// What a request asks for.
    pub fn recognise(&self, _request: &Request<'_>) -> Recognised {
        todo!()
    }
    /// Reads an answer to `read`: which customers and classes it really holds. The body must be uncompressed.
    pub fn read(&self, _read: &Read, _answer: &Answer<'_>) -> Result<Reading, Unreadable> {
        todo!()
    }
    /// The answer with each value treated as `treatment` says. What is not declared is `FieldClass::Undeclared`.
    pub fn mask(
        &self,
        _read: &Read,
        _answer: &Answer<'_>,
        _treatment: &mut dyn Treatment,
    ) -> Result<Masked, Unreadable> {
        todo!()
    }
    /// A write on its way to the app: masked values put back, or the reason why it must be refused.
    pub fn restore(
        &self,
        _content_type: &str,
        _body: &[u8],
        _open: &mut dyn FnMut(&str, &str) -> Option<String>,
    ) -> Result<Restored, MaskedWrite> {
        todo!()
    }
}

/// A request, as far as adapters look at it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a Method,
    /// Path and query as the browser sent them.
    pub target: &'a str,
    pub content_type: Option<&'a str>,
    pub body: &'a [u8],
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub enum Recognised {
    /// Shows no customer (static files, menus, the app's own login): passed through as it is.
    Open,
    /// Shows customers.
    Read(Read),
    /// Changes something; its answer is read like that of a `Read`.
    Write(Read),
    /// The adapter does not know it: refused in enforce; recorded and passed in observe.
    Unknown,
}

/// A recognised read (or the answer to a write).
#[derive(Debug, Clone)]
pub struct Read {
    /// The route's name in the adapter, for messages.
    pub route: String,
    pub action: Action,
    /// The customer, where the request itself names them.
    pub customer: Option<CustomerId>,
    /// The ticket, where the request itself names it.
    pub ticket: Option<TicketId>,
}

/// An app's answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub status: u16,
    pub content_type: Option<&'a str>,
    pub body: &'a [u8],
}

/// What an answer holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Each customer once for each part they play, in order of appearance.
    pub found: Vec<Found>,
    /// Personal data or secrets that the safety net saw outside declared fields: a gap in the adapter.
    pub gaps: Vec<Gap>,
}

/// A customer in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub customer: CustomerId,
    pub ticket: Option<TicketId>,
    /// Whose record it is, or one of several rows (a listing).
    pub part: Part,
    pub classes: ClassSet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Record,
    Row,
}

/// What the safety net saw; never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub kind: &'static str,
    /// Where: a JSON path or an element path.
    pub place: String,
}

/// How a value is to be treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Show,
    Mask,
    /// Masked, with a link to this URL that asks for it.
    Ask(String),
}

/// The gateway's side of masking.
pub trait Treatment {
    /// What to do with a value of this class, of this customer (None: the answer does not say whose; treat as deny).
    fn verdict(&mut self, customer: Option<&CustomerId>, part: Part, class: FieldClass) -> Verdict;
    /// Seals the original of a masked form field, so that it can come back through the browser: the value of the
    /// hidden field that `restore` later gives to `open` with the same field name.
    fn seal(&mut self, field_name: &str, original: &str) -> String;
}

/// A masked answer.
#[derive(Debug, Clone, Default)]
pub struct Masked {
    pub body: Vec<u8>,
    /// What is shown in it, unmasked; a customer all of whose values are masked has an empty set.
    pub shown: Vec<Found>,
    /// What was masked.
    pub masked: ClassSet,
    pub gaps: Vec<Gap>,
}

/// A write ready for the app.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    pub body: Vec<u8>,
    pub restored: u32,
}

/// A masked value that cannot be put back.
#[derive(Debug, thiserror::Error)]
#[error("the field {field:?} holds a masked value that cannot be put back")]
pub struct MaskedWrite {
    pub field: String,
}

/// An answer that cannot be read in the way that the adapter says. Fails closed.
#[derive(Debug, thiserror::Error)]
#[error("route {route}: {why}")]
pub struct Unreadable {
    pub route: String,
    pub why: String,
}

/// Everything wrong with an adapter file.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct AdapterErrors(pub Vec<String>);
