//! Questions over the ledger: who saw whom, when and why. Rebuildable, never the truth.
//!
//! [`open`] gives the two halves of a view. The [`Fold`] is the only one that writes: it takes the
//! ledger's records in, in order ([`Fold::follow`] keeps up with a ledger that grows). [`Views`] is
//! the half that answers, from a snapshot for each question. People do not ask `Views` directly:
//! asking is an entry too, and `incident::Enquiry` sees to that.
//!
//! Open first: `schema.rs` (what is kept), then `fold.rs` (how an entry becomes rows), then
//! `questions/` (one file for each question).

mod answers;
mod columns;
mod fold;
mod forget;
mod page;
mod questions;
mod reader;
mod schema;
mod words;

pub use answers::*;
pub use fold::{Fold, Progress};
pub use page::{Cursor, NotACursor, Page, Paged, Span};
pub use questions::Exposed;
pub use reader::Views;
pub use schema::{open, open_of, rebuild};
pub use words::*;

/// Why a view cannot answer or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// The view's database failed. It can be rebuilt from the ledger.
    #[error("the view's database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The view's directory or file cannot be used.
    #[error("the view's file {path}: {source}")]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// Records that do not follow on what was folded.
    #[error("the view has folded {expected} entries and was given number {given}")]
    OutOfOrder {
        /// The number that would have come next.
        expected: u64,
        /// The number that came.
        given: u64,
    },
    /// Something in the view that no fold has put there. It can be rebuilt from the ledger.
    #[error("the view holds something that no fold has put there: {0}")]
    Corrupt(String),
    /// The fold has ended, so the view will not catch up.
    #[error("the view no longer follows the ledger")]
    Stopped,
    /// There is no such customer reference (any more).
    #[error("no customer has this reference; they may have been erased")]
    NoSuchCustomer,
}
