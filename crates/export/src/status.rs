//! How an export is doing.

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// How an export is doing, for whoever looks after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which one.
    pub name: String,
    /// `syslog`, `webhook` or `file`.
    pub kind: String,
    /// `ocsf`, `cef` or `jsonl`.
    pub format: String,
    /// Where it goes.
    pub target: String,
    /// What it is doing.
    pub state: State,
    /// The number of the first entry that the receiver has not acknowledged.
    pub next: u64,
    /// How many entries wait.
    pub behind: u64,
    /// When the first entry that waits was committed, where it was tried.
    pub oldest_waiting: Option<Timestamp>,
    /// When the receiver last took something, since the process started.
    pub delivered_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// What the last one was.
    pub error: Option<String>,
    /// When it tries again.
    pub retry_at: Option<Timestamp>,
}

/// What an export is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything is delivered.
    Idle,
    /// Delivering.
    Sending,
    /// The receiver could not take it; waiting to try again.
    Retrying,
    /// The receiver will not take it; somebody has to change something. Tried seldom.
    Refused,
    /// Another node exports.
    Elsewhere,
    /// No process is running.
    Stopped,
}

impl State {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Sending => "sending",
            State::Retrying => "retrying",
            State::Refused => "refused",
            State::Elsewhere => "elsewhere",
            State::Stopped => "stopped",
        }
    }
}
