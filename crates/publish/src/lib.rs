//! The log's public files: where tiles and checkpoint go for everybody, apart from the nodes that write the log. A
//! directory, or a bucket of an S3-compatible store.
//!
//! Start with [`Place`], which is what the configuration says; [`open`] makes of it the
//! [`PublicStore`](ledger::PublicStore) that a ledger publishes to. Who of several nodes does that is decided in `ledger`.

mod credentials;
mod http;
mod place;
mod store;

pub use credentials::CredentialsError;
pub use place::{NotAPlace, Place, S3Settings};
pub use store::{OpenError, open};
