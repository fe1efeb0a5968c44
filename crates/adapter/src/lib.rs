//! What an app shows: routes, customers, tickets and field classes; masking, and putting masked values
//! back on their way to the app. Pure: bytes in, bytes out.
//!
//! Start with [`Adapter`]. A look goes through [`Adapter::recognise`] and [`Adapter::mask`]; a write also
//! through [`Adapter::restore`]. Both engines (`json`, `html`) find where values stand in one pass and copy
//! what lies between; `judge` knows whose they are and asks the [`Treatment`]; `net` says what the adapter
//! forgot.

use std::sync::Arc;

use http::Method;
use model::entry::Action;
use model::{ClassSet, CustomerId, FieldClass, TicketId};

mod answer;
mod automaton;
mod canary;
mod checksum;
mod compile;
mod entity;
mod form;
mod har;
mod html;
mod json;
mod judge;
mod mask;
mod net;
mod page;
mod path;
mod route;
mod scan;
mod schema;
mod sheet;
mod write;

pub use canary::{CanaryRequest, Decoy};
pub use har::{BadHar, HarEntry, HarReport, check_har};
pub use mask::{MARK, NEVER_SHOWN, mask};
pub use write::SEALED;

/// A compiled adapter. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Adapter {
    name: String,
    routes: Arc<[route::Route]>,
    order: Arc<[(route::PathPattern, usize)]>,
    canaries: Option<Arc<CanaryRequest>>,
}

impl Adapter {
    /// Compiles the TOML text; `file` is what errors call it. All errors at once, each with line, key and
    /// nearest valid one.
    pub fn parse(file: &str, text: &str) -> Result<Self, AdapterErrors> {
        compile::compile(file, text)
    }

    /// The app that it is for, as the file calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the app takes in decoy customers, where the adapter says it.
    pub fn canaries(&self) -> Option<&CanaryRequest> {
        self.canaries.as_deref()
    }

    /// What a request asks for.
    pub fn recognise(&self, request: &Request<'_>) -> Recognised {
        route::recognise(&self.routes, &self.order, request)
    }

    /// Reads an answer to `read`: which customers and classes it really holds. The body must be uncompressed.
    pub fn read(&self, read: &Read, answer: &Answer<'_>) -> Result<Reading, Unreadable> {
        let mut all = judge::ShowAll::default();
        let Masked { shown, gaps, .. } = self.mask(read, answer, &mut all)?;
        Ok(Reading { found: shown, classes: all.classes, gaps })
    }

    /// The answer with each value treated as `treatment` says. What is not declared is
    /// [`FieldClass::Undeclared`]; so is what the safety net sees, unless it is a secret.
    pub fn mask(
        &self,
        read: &Read,
        answer: &Answer<'_>,
        treatment: &mut dyn Treatment,
    ) -> Result<Masked, Unreadable> {
        let route = self.routes.iter().find(|route| route.name == read.route);
        let unknown =
            || Unreadable { route: read.route.clone(), why: "the adapter has no such route".to_owned() };
        answer::mask(route.ok_or_else(unknown)?, read, answer, treatment)
    }

    /// A write on its way to the app: masked values put back, or the reason why it must be refused. `open`
    /// opens what [`Treatment::seal`] sealed, by field name and sealed text.
    pub fn restore(
        &self,
        content_type: &str,
        body: &[u8],
        open: &mut dyn FnMut(&str, &str) -> Option<String>,
    ) -> Result<Restored, MaskedWrite> {
        write::restore(content_type, body, open)
    }
}

/// A request, as far as adapters look at it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Path and query as the browser sent them.
    pub target: &'a str,
    /// Its `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Its body, as far as it is to be looked at: forms name customers and tickets there.
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
    /// What the viewer does.
    pub action: Action,
    /// The customer, where the request itself names them.
    pub customer: Option<CustomerId>,
    /// The ticket, where the request itself names it.
    pub ticket: Option<TicketId>,
}

/// An app's answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Its body, uncompressed.
    pub body: &'a [u8],
}

/// What an answer holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Each customer once for each part they play, in order of appearance.
    pub found: Vec<Found>,
    /// Every class in it, also of values of which it does not say whose they are.
    pub classes: ClassSet,
    /// Personal data or secrets that the safety net saw outside declared fields: a gap in the adapter.
    pub gaps: Vec<Gap>,
}

/// A customer in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Who.
    pub customer: CustomerId,
    /// The ticket that shows them.
    pub ticket: Option<TicketId>,
    /// Whose record it is, or one of several rows (a listing).
    pub part: Part,
    /// What of them.
    pub classes: ClassSet,
}

/// The part that a customer plays in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The record is theirs.
    Record,
    /// One of several rows.
    Row,
}

/// What the safety net saw; never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What kind of thing it is.
    pub kind: &'static str,
    /// Where: a JSON path or an element path.
    pub place: String,
}

/// How a value is to be treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it is.
    Show,
    /// Masked.
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
    /// What may be sent to the viewer.
    pub body: Vec<u8>,
    /// What is shown in it, unmasked; a customer all of whose values are masked has an empty set.
    pub shown: Vec<Found>,
    /// What was masked.
    pub masked: ClassSet,
    /// What the safety net saw outside declared fields.
    pub gaps: Vec<Gap>,
}

/// A write ready for the app.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// What may be sent to the app.
    pub body: Vec<u8>,
    /// How many values were put back.
    pub restored: u32,
}

/// A masked value that cannot be put back.
#[derive(Debug, thiserror::Error)]
#[error("the field {field:?} holds a masked value that cannot be put back")]
pub struct MaskedWrite {
    /// The field, as the form or the JSON body calls it.
    pub field: String,
}

/// An answer that cannot be read in the way that the adapter says. Fails closed.
#[derive(Debug, thiserror::Error)]
#[error("route {route}: {why}")]
pub struct Unreadable {
    /// The route's name in the adapter.
    pub route: String,
    /// What was wrong; nothing of the answer itself.
    pub why: String,
}

/// Everything wrong with an adapter file.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct AdapterErrors(pub Vec<String>);
