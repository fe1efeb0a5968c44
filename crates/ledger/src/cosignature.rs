//! Cosignatures (C2SP tlog-cosignature, the Ed25519 kind): what a witness says of a checkpoint, and when.
//!
//! The ML-DSA-44 kind is not verified here; its lines are ignored like those of any unknown key.

use std::fmt;

use ed25519_dalek::Signature;
use zeroize::Zeroizing;

use crate::note::{Key, Kind, Note, NoteError, Secret};

/// The latest time that a cosignature may carry.
const LATEST: u64 = i64::MAX as u64;

/// The statement of one witness: as of this time, no larger tree of this log was seen, and the tree grew
/// only at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Seconds since the Unix epoch, by the witness's clock.
    pub time: u64,
    /// The signature line, with its newline, to be added to the note.
    pub line: String,
}

/// The public key of a witness; written as a `vkey` of type 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey(pub(crate) Key);

impl WitnessKey {
    /// The name of the witness.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Reads a `vkey`: `name+hex8+base64(type || public key)`.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        Key::parse(vkey, Kind::Cosignature).map(Self)
    }

    /// The newest cosignature of this witness on the note. An error if it has none; also if one that names this
    /// key was not made by it, or not for this text.
    pub fn verify(&self, note: &Note<'_>) -> Result<Cosignature, NoteError> {
        let mut newest: Option<Cosignature> = None;
        for bytes in note.signatures_of(&self.0) {
            let time = self.time_of(bytes, note.unverified_text());
            let time = time.ok_or_else(|| NoteError::WrongSignature(self.name().to_owned()))?;
            if newest.as_ref().is_none_or(|newest| newest.time < time) {
                newest = Some(Cosignature { time, line: self.0.line(bytes) });
            }
        }
        newest.ok_or_else(|| NoteError::Unsigned(self.name().to_owned()))
    }

    /// The time of a `timestamped_signature`, if it holds for this text.
    fn time_of(&self, bytes: &[u8], text: &str) -> Option<u64> {
        let (time, signature) = bytes.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        let signature = Signature::from_slice(signature).ok()?;
        self.0.key.verify_strict(message(time, text).as_bytes(), &signature).ok()?;
        (time <= LATEST).then_some(time)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is signed.
fn message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// What a witness signs with. Does not print its secret; the secret is wiped from memory when it is dropped.
#[derive(Debug)]
pub struct WitnessSigner {
    secret: Secret,
    public: WitnessKey,
}

impl WitnessSigner {
    /// The key with this name and this seed.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Secret::new(name, Kind::Cosignature, seed).map(Self::from)
    }

    /// Its public half.
    pub fn public(&self) -> &WitnessKey {
        &self.public
    }

    /// The cosignature on the text of a checkpoint, as of `time` in seconds since the Unix epoch.
    pub fn cosign(&self, text: &str, time: u64) -> Cosignature {
        let signature = self.secret.sign(message(time, text).as_bytes());
        let bytes = [time.to_be_bytes().as_slice(), &signature].concat();
        Cosignature { time, line: self.public.0.line(&bytes) }
    }

    /// The written form: `PRIVATE+KEY+name+hex8+base64(type || seed)`.
    pub fn to_text(&self) -> Zeroizing<String> {
        self.secret.to_text()
    }

    /// Reads [`to_text`](Self::to_text).
    pub fn from_text(text: &str) -> Result<Self, NoteError> {
        Secret::from_text(text, Kind::Cosignature).map(Self::from)
    }
}

impl From<Secret> for WitnessSigner {
    fn from(secret: Secret) -> Self {
        let public = WitnessKey(secret.public().clone());
        Self { secret, public }
    }
}
