//! Blast radius and reports: who could have been seen, with receipts; and erasure.
//!
//! Whoever asks about people goes through [`Enquiry`]: it records the question as an entry, waits
//! until the view has seen it, and only then answers (P8). The answers can be read on a terminal
//! ([`text`]), by a spreadsheet ([`csv`]), by a program (they serialise), or taken away with their
//! receipts ([`export`]).
//!
//! [`leak`] leads from what a leak shows to whoever was shown the same.
//!
//! [`Erasure`] does for customers what two administrators decided, and forgets old months.
//!
//! [`Watcher`] follows the ledger, tells findings, and contains where the settings say so.
//!
//! [`Canaries`] knows the decoy customers, and leads from what only they have back to whoever was shown it.
//!
//! Open first: `enquiry.rs`, then `erasure.rs` and `watcher.rs`.

mod canaries;
pub mod csv;
mod enquiry;
mod erasure;
pub mod export;
pub mod leak;
pub mod text;
mod watcher;

pub use canaries::{Canaries, Canary, CanaryError, Data, Led};
pub use enquiry::{
    Answer, Asker, Blast, BlastPage, CustomerTimeline, Enquiry, EnquiryError, REMEMBERED, StaffTimeline,
};
pub use erasure::{Erasure, ErasureError, Retention};
pub use watcher::{WatchSettings, Watcher, WatcherParts};
