//! The request to cosign a checkpoint, as C2SP tlog-witness writes it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ledger::tree::Hash;
use sha2::{Digest as _, Sha256};

/// The most hashes that a proof may have.
const MAX_PROOF: usize = 63;
/// The most bytes that a request may have: a note with sixteen post-quantum signatures takes 80 KiB.
pub const MAX_BYTES: usize = 256 * 1024;
/// The content type of the answer that says which size the witness has.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// The body of `POST /add-checkpoint`. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is believed to have cosigned last.
    pub old: u64,
    /// The proof that the tree of that size is a beginning of the checkpoint's.
    pub proof: Vec<Hash>,
    /// The checkpoint, signed by the log.
    pub note: String,
}

/// Bytes that are not such a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a request to cosign: {0}")]
pub struct NotARequest(&'static str);

impl AddCheckpoint {
    /// Writes it.
    pub fn to_text(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| BASE64_STANDARD.encode(hash) + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }

    /// Reads it.
    pub fn parse(body: &[u8]) -> Result<Self, NotARequest> {
        if body.len() > MAX_BYTES {
            return Err(NotARequest("it is too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| NotARequest("it is not UTF-8"))?;
        let (head, note) =
            text.split_once("\n\n").ok_or(NotARequest("no blank line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let old = old.ok_or(NotARequest("the first line is not `old` and a size"))?;
        let hash = |line: &str| BASE64_STANDARD.decode(line).ok()?.try_into().ok();
        let proof: Option<Vec<Hash>> = lines.map(hash).collect();
        let proof = proof.ok_or(NotARequest("a line of the proof is not the base64 of 32 bytes"))?;
        if proof.len() > MAX_PROOF {
            return Err(NotARequest("the proof has more than 63 lines"));
        }
        Ok(Self { old, proof, note: note.to_owned() })
    }
}

/// A decimal number without sign or leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// What a log is called in addresses and file names: the SHA-256 of its origin, in hexadecimal digits.
pub(crate) fn log_id(origin: &str) -> String {
    hex(&Sha256::digest(origin))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
