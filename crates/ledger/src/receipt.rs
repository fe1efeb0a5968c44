//! Receipts, and what verifies them. This is what P1 rests on: only a verified receipt opens a response.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use model::Entry;

use crate::checkpoint::Checkpoint;
use crate::error::{CheckpointError, LedgerError, ReceiptError};
use crate::note::{Note, VerifierKey};
use crate::proof::TlogProof;
use crate::tree::{Hash, inclusion_holds, leaf_hash};

/// Checks checkpoints and receipts of one log: its origin and public key. Cheap to clone.
#[derive(Clone)]
pub struct LogVerifier {
    key: Arc<VerifierKey>,
    /// The last note that verified: receipts of one batch share their checkpoint, and one signature is
    /// checked for all of them.
    last: Arc<Mutex<Option<Checked>>>,
}

/// A note whose signature was checked, and what it says.
struct Checked {
    note: Arc<str>,
    checkpoint: Checkpoint,
}

impl fmt::Debug for LogVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogVerifier({})", self.key)
    }
}

impl LogVerifier {
    /// A verifier for the log that has this key, and the key's name as its origin.
    pub fn new(key: VerifierKey) -> Self {
        Self { key: Arc::new(key), last: Arc::default() }
    }

    /// Reads the `vkey` line of signed-note.
    pub fn from_vkey(vkey: &str) -> Result<Self, LedgerError> {
        Ok(Self::new(VerifierKey::parse(vkey)?))
    }

    /// The log's key.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The `vkey` line of signed-note.
    pub fn vkey(&self) -> String {
        self.key.to_string()
    }

    /// The origin of the log.
    pub fn origin(&self) -> &str {
        self.key.name()
    }

    /// The checkpoint in a note, if this log signed it.
    pub fn checkpoint(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::parse(Note::parse(note)?.verify(&self.key)?)?;
        if checkpoint.origin != self.origin() {
            return Err(CheckpointError::Origin {
                expected: self.origin().to_owned(),
                found: checkpoint.origin,
            });
        }
        Ok(checkpoint)
    }

    fn checkpoint_cached(&self, note: &Arc<str>) -> Result<Checkpoint, CheckpointError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(checked) if checked.note == *note => Ok(checked.checkpoint.clone()),
            _ => {
                let checkpoint = self.checkpoint(note)?;
                *last = Some(Checked { note: note.clone(), checkpoint: checkpoint.clone() });
                Ok(checkpoint)
            }
        }
    }
}

/// A receipt as it came: the entry, its inclusion proof, a signed checkpoint. Nothing may be believed
/// of it before [`verify`](Self::verify).
#[derive(Debug, Clone)]
pub struct Receipt {
    index: u64,
    entry: Vec<u8>,
    path: Vec<Hash>,
    checkpoint: Arc<str>,
}

impl Receipt {
    pub(crate) fn new(index: u64, entry: Vec<u8>, path: Vec<Hash>, checkpoint: Arc<str>) -> Self {
        Self { index, entry, path, checkpoint }
    }

    /// The number that the entry is said to have.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The checkpoint that it leads to, as a note.
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// The `.tlog-proof` text (c2sp.org/tlog-proof@v1). The `extra` line carries the entry, so that the
    /// text can be checked by itself.
    pub fn to_tlog_proof(&self) -> String {
        let (extra, path) = (Some(self.entry.clone()), self.path.clone());
        TlogProof { extra, index: self.index, path, checkpoint: self.checkpoint.to_string() }.to_text()
    }

    /// Reads [`to_tlog_proof`](Self::to_tlog_proof).
    pub fn from_tlog_proof(text: &str) -> Result<Self, ReceiptError> {
        let proof = TlogProof::parse(text)?;
        let entry = proof.extra.ok_or(ReceiptError::NoEntry)?;
        Ok(Self { index: proof.index, entry, path: proof.path, checkpoint: proof.checkpoint.into() })
    }

    /// Checks leaf, inclusion, checkpoint signature and origin.
    pub fn verify(&self, log: &LogVerifier) -> Result<Verified, ReceiptError> {
        let Checkpoint { size, root, .. } = log.checkpoint_cached(&self.checkpoint)?;
        let index = self.index;
        if !inclusion_holds(&leaf_hash(&self.entry), index, size, &self.path, &root) {
            return Err(ReceiptError::NotIncluded { index, size });
        }
        let entry = Entry::decode(&self.entry)
            .map_err(|why| ReceiptError::Unreadable { index, why: why.to_string() })?;
        Ok(Verified { index, entry })
    }
}

/// An entry that a verified receipt proves to be in the log. Can only be made by [`Receipt::verify`].
#[derive(Debug, Clone)]
pub struct Verified {
    index: u64,
    entry: Entry,
}

impl Verified {
    /// Its number.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}
