//! What a witness decides, from what it saw last and what it is shown. Pure: no time, no disk, no network.

use ledger::LogVerifier;
use ledger::checkpoint::Checkpoint;
use ledger::error::CheckpointError;
use ledger::note::Note;
use ledger::tree::{Hash, consistency_holds, empty_root};

use crate::request::AddCheckpoint;

/// The last tree of a log that a witness cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Seen {
    /// Of a log of which nothing was cosigned yet.
    pub fn nothing() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// Why a checkpoint is not cosigned. Each has its status in C2SP tlog-witness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: not a request, or not a checkpoint in it.
    #[error("{0}")]
    Malformed(String),
    /// 404: this witness does not know the log.
    #[error("this witness does not know the log {0:?}")]
    UnknownLog(String),
    /// 403: no signature of the log, or a wrong one.
    #[error("{0}")]
    Signature(String),
    /// 400: the old size is above the new one.
    #[error("the old size {old} is above that of the checkpoint, {size}")]
    Backwards {
        /// What the request calls the old size.
        old: u64,
        /// The size of its checkpoint.
        size: u64,
    },
    /// 409: the witness has another size than the request believes.
    #[error("the last checkpoint that was cosigned has {0} entries")]
    Size(u64),
    /// 409: two roots for one size: two histories.
    #[error(
        "the tree of {0} entries has another root than the one that was cosigned: this is another history"
    )]
    OtherRoot(u64),
    /// 422: the proof does not lead from what was cosigned to the checkpoint.
    #[error("the proof does not lead from the {old} entries that were cosigned to these {size}")]
    Proof {
        /// The size that was cosigned.
        old: u64,
        /// The size of the checkpoint.
        size: u64,
    },
}

impl Refusal {
    /// Whether the request, which the log has signed, may prove that the log has two histories.
    pub fn is_evidence(&self) -> bool {
        matches!(self, Refusal::OtherRoot(_) | Refusal::Proof { .. })
    }
}

/// The origin that a request names. Not verified: it only says which log's key to ask for.
pub fn origin(request: &AddCheckpoint) -> Result<&str, Refusal> {
    let malformed = |error: &dyn std::fmt::Display| Refusal::Malformed(error.to_string());
    let note = Note::parse(&request.note).map_err(|e| malformed(&e))?;
    Checkpoint::parse(note.unverified_text()).map_err(|e| malformed(&e))?;
    Ok(note.unverified_text().split('\n').next().unwrap_or_default())
}

/// Whether the checkpoint may be cosigned: signed by the log, and growth from what was seen. In the order in which
/// the specification states the checks.
pub fn judge(log: &LogVerifier, seen: Seen, request: &AddCheckpoint) -> Result<Checkpoint, Refusal> {
    let checkpoint = log.checkpoint(&request.note).map_err(|error| match error {
        CheckpointError::Note(error) => Refusal::Signature(error.to_string()),
        error => Refusal::Malformed(error.to_string()),
    })?;
    let (old, size) = (request.old, checkpoint.size);
    if old > size {
        return Err(Refusal::Backwards { old, size });
    }
    if old != seen.size {
        return Err(Refusal::Size(seen.size));
    }
    if old == size && checkpoint.root != seen.root {
        return Err(Refusal::OtherRoot(size));
    }
    if !consistency_holds(old, &seen.root, size, &checkpoint.root, &request.proof) {
        return Err(Refusal::Proof { old, size });
    }
    Ok(checkpoint)
}
