//! Detection: from looks and tickets to findings that a person can follow.
//!
//! Pure: lines of the access log in, findings out; the same lines give the same findings whatever the
//! chunks they come in and whatever restarts lie between. Start with [`Watch`], then `detector.rs` for what
//! is looked at and `process.rs` for how it is weighed. What it cannot see is in `docs/detection.md`.

mod alternative;
mod baseline;
mod book;
pub mod calibrate;
mod cell;
mod clock;
mod contain;
mod detector;
mod finding;
mod givers;
pub mod import;
pub mod ladder;
pub mod line;
mod live;
mod load;
mod look;
mod names;
mod numbers;
mod outage;
mod person;
mod process;
pub mod read;
mod saved;
mod spread;
mod state;
mod team;
mod watch;

pub use cell::Cell;
pub use contain::{Contained, Containment, Rung};
pub use detector::Detector;
pub use finding::{Contribution, Finding, Output, StaffDay};
pub use ladder::{Ladder, Level, Rungs};
pub use line::Line;
pub use live::{Live, words};
pub use read::Lines;
pub use saved::StateError;
pub use watch::{Odd, Options, Watch};
