//! Witnesses, both sides of C2SP tlog-witness.
//!
//! A *witness* ([`Witness`], served by [`service`]) runs on somebody else's machine. For each log that it knows it
//! keeps the last checkpoint that it cosigned, and cosigns only what grew from there: so the log cannot show one
//! history to one person and another to the next, nor take back what it has shown. What it decides is pure, in
//! [`judge`].
//!
//! The *log* asks ([`Asker`]): several witnesses at once, in the background, over and over. What came of it is its
//! [`Standing`], which says whether looks may still be shown (P9).

pub mod judge;
pub mod request;
pub mod service;
pub mod standing;

mod ask;
mod client;
mod round;
mod witness;

pub use ask::{Asker, Finding};
pub use client::ClientError;
pub use request::AddCheckpoint;
pub use standing::{Standing, Status};
pub use witness::{Witness, WitnessError};
