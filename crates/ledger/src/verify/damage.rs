//! What can be wrong with a log, and where.

use std::error::Error;

use model::entry::{DecodeError, Why};

use super::fold::Breach;
use crate::error::{CheckpointError, LedgerError, ReceiptError};
use crate::manifest::ManifestError;
use crate::policy::NotAccepted;

/// What is wrong with a log, and where.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It could not be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// What.
        path: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Something that must be there is not.
    #[error("{path} is missing")]
    Missing {
        /// What.
        path: String,
    },
    /// Something that belongs to no log.
    #[error("{path} is no part of a log; whatever it is, move it elsewhere")]
    Foreign {
        /// What.
        path: String,
    },
    /// The checkpoint does not verify.
    #[error("{path}: {source}")]
    Checkpoint {
        /// Where it stands.
        path: String,
        /// What is wrong.
        source: CheckpointError,
    },
    /// The checkpoint is not to be believed by the policy.
    #[error("{path}: {source}")]
    NotAccepted {
        /// Where it stands.
        path: String,
        /// Why.
        source: NotAccepted,
    },
    /// A bundle that is cut off, too long, or holds another number of entries.
    #[error("{path} does not hold {expected} entries")]
    Bundle {
        /// Which one.
        path: String,
        /// How many entries it should hold.
        expected: usize,
    },
    /// An entry that is not the one that was hashed into the tree.
    #[error("entry {index} (in {bundle}) is not the one that {tile} has the hash of")]
    Leaf {
        /// Which entry.
        index: u64,
        /// In which bundle.
        bundle: String,
        /// Against which tile.
        tile: String,
    },
    /// A tile that is not what the level below gives.
    #[error("{path} is not what the tiles below it give, from hash {hash} on")]
    Tile {
        /// Which one.
        path: String,
        /// The first hash in it that is wrong.
        hash: usize,
    },
    /// A partial tile that is not the beginning of the tile that it grew into.
    #[error("{path} is not the beginning of the tile that it grew into")]
    Partial {
        /// Which one.
        path: String,
    },
    /// The tree over all entries has another root than the checkpoint says.
    #[error(
        "the {size} entries do not have the root that the checkpoint says: an entry and every tile above it \
         were changed, or the checkpoint is of another log"
    )]
    Root {
        /// How many entries.
        size: u64,
    },
    /// Bytes in the log that are no entry.
    #[error("entry {index} cannot be read: {source}")]
    Entry {
        /// Which one.
        index: u64,
        /// What is wrong.
        source: DecodeError,
    },
    /// An entry that is not written in the one way in which it should be.
    #[error("entry {index} is not in the deterministic encoding")]
    Encoding {
        /// Which one.
        index: u64,
    },
    /// A list of more rows than an entry may speak of.
    #[error("entry {index} speaks of {rows} rows, more than any entry can")]
    Rows {
        /// Which one.
        index: u64,
        /// How many.
        rows: usize,
    },
    /// An entry that breaks a rule which every log of Sightline keeps.
    #[error("entry {index} ({kind}): {breach}")]
    Breach {
        /// Which one.
        index: u64,
        /// Of which kind.
        kind: &'static str,
        /// Which rule, and how.
        breach: Breach,
    },
    /// An entry that could not have been admitted.
    #[error("entry {index} could not have been admitted: {why}")]
    NotAdmitted {
        /// Which one.
        index: u64,
        /// Why.
        why: Why,
    },
    /// The log is smaller than it was.
    #[error("ROLLED BACK: {known} is of {old} entries, and now the log says it has {size}")]
    RolledBack {
        /// The checkpoint that is known.
        known: String,
        /// How many entries it is about.
        old: u64,
        /// How many there are now.
        size: u64,
    },
    /// The log has another beginning than it had.
    #[error(
        "FORKED: the first {old} entries are not those of {known}: the log was rewritten, or there are two of it"
    )]
    Forked {
        /// The checkpoint that is known.
        known: String,
        /// How many entries it is about.
        old: u64,
    },
    /// The journal itself.
    #[error("the journal: {0}")]
    Journal(LedgerError),
    /// The journal is whole, and tells another story than what is published.
    #[error("the journal and what is published disagree about the first {size} entries")]
    Disagreement {
        /// How many entries are published.
        size: u64,
    },
    /// The manifest of a bundle is not to be believed.
    #[error("{path}: {source}")]
    Manifest {
        /// Where it stands.
        path: String,
        /// Why.
        source: ManifestError,
    },
    /// A file that was added to a bundle.
    #[error("{path} is not in the manifest")]
    Unlisted {
        /// Which one.
        path: String,
    },
    /// A file of a bundle that was changed.
    #[error("{path} is not the file that the manifest was signed over")]
    Changed {
        /// Which one.
        path: String,
    },
    /// A receipt of a bundle that does not hold.
    #[error("{path}: {source}")]
    Receipt {
        /// Which one.
        path: String,
        /// What is wrong.
        source: ReceiptError,
    },
    /// A receipt of a bundle that is under another entry's name.
    #[error("{path} is the receipt of entry {index}")]
    Misnamed {
        /// Which one.
        path: String,
        /// Of which entry it is.
        index: u64,
    },
    /// A receipt of a bundle that leads elsewhere than the others.
    #[error("{path} leads to another checkpoint than that of the bundle")]
    OtherCheckpoint {
        /// Which one.
        path: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread to check with: {0}")]
    Thread(std::io::Error),
}

impl Damage {
    /// Whether nothing is known to be wrong: the log could not be looked at.
    pub fn is_inconclusive(&self) -> bool {
        matches!(self, Damage::Unreadable { .. } | Damage::Thread(_))
    }
}
