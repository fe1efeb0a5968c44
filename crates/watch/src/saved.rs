//! The state as bytes, so that a watch goes on after a restart as if there had been none.

use crate::state::State;
use crate::watch::{Options, Watch};

/// What the bytes begin with; the digit is the version.
const MAGIC: &[u8] = b"sightline-watch 2\n";

/// Bytes that are not a state that this version reads.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Something else, or from another version.
    #[error("not a state that this version of the watch has saved; replay the log from its beginning")]
    Version,
    /// Damaged.
    #[error("a damaged state ({0}); replay the log from its beginning")]
    Damaged(#[from] minicbor::decode::Error),
}

impl Watch {
    /// The state. Loaded again, it gives the same findings for the lines that follow.
    #[allow(clippy::expect_used)]
    pub fn save(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        minicbor::encode(&self.state, &mut bytes).expect("a Vec takes every byte");
        bytes
    }

    /// From [saved](Self::save) bytes.
    pub fn load(options: Options, bytes: &[u8]) -> Result<Self, StateError> {
        let state = bytes.strip_prefix(MAGIC).ok_or(StateError::Version)?;
        Ok(Self::from_state(options, minicbor::decode::<State>(state)?))
    }
}
