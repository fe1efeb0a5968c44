//! Checkpoints (C2SP tlog-checkpoint): how large the log is, and the root over it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::tile::decimal;
use crate::tree::Hash;

/// The body of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// Text that is not the body of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint: {0}")]
pub struct NotACheckpoint(&'static str);

impl Checkpoint {
    /// The text that is signed.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root))
    }

    /// Reads the text of a note. Extension lines are allowed and ignored.
    pub fn parse(text: &str) -> Result<Self, NotACheckpoint> {
        let lines: Vec<&str> =
            text.strip_suffix('\n').ok_or(NotACheckpoint("no last line"))?.split('\n').collect();
        let [origin, size, root, extensions @ ..] = lines.as_slice() else {
            return Err(NotACheckpoint("fewer than three lines"));
        };
        if origin.is_empty() || extensions.iter().any(|line| line.is_empty()) {
            return Err(NotACheckpoint("an empty line"));
        }
        let size = decimal(size).ok_or(NotACheckpoint("the size is not a decimal number"))?;
        let root = read_hash(root).ok_or(NotACheckpoint("the root is not the base64 of 32 bytes"))?;
        Ok(Self { origin: (*origin).to_owned(), size, root })
    }
}

/// Reads the base64 of a hash.
pub(crate) fn read_hash(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}
