//! The transparency log, to the C2SP specifications (tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature,
//! tlog-policy, tlog-proof),
//! with an admission check at the place where entries get their numbers.
//!
//! Start with [`Ledger`]; the way of an entry is in `commit.rs`, and what it promises in [`Receipt`] and in the
//! documentation of the journal (`journal/mod.rs`).

pub mod admission;
pub mod checkpoint;
pub mod cosignature;
pub mod database;
pub mod disk;
pub mod draft;
pub mod error;
pub mod manifest;
pub mod note;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod tile;
pub mod tree;
pub mod verify;

mod archive;
mod books;
mod commit;
mod head;
mod journal;
mod keys;
mod layout;
mod ledger;
mod options;
mod packed;
mod public;
mod publication;
mod publish;
mod replay;
mod shelf;
mod snapshot;
mod snapshotter;
mod store;
mod tiler;
mod vault;

pub use admission::{Admission, AdmitAll};
pub use archive::Archive;
pub use database::{Database, Migration, MigrationState};
pub use draft::{Draft, Record};
pub use error::{AppendError, DatabaseError, LedgerError, ReceiptError};
pub use journal::Compaction;
pub use ledger::Ledger;
pub use options::{Abort, Fatal, Options};
pub use public::{PublicStore, StoreError, StoreStatus};
pub use publication::{Lease, Publishing};
pub use receipt::{LogVerifier, Receipt, Verified};
