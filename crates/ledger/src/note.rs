//! Signed notes (C2SP signed-note) with Ed25519 signatures, and the keys for them.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The signature type of plain Ed25519.
const ED25519: u8 = 1;
/// More bytes than any honest note has: sixteen post-quantum signatures take 80 KiB.
const MAX_BYTES: usize = 256 * 1024;

/// Why a note, or a key for notes, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not in the form of a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// No signature of the key that was asked for.
    #[error("not signed by {0}")]
    Unsigned(String),
    /// A signature that names the key and was not made by it.
    #[error("the signature of {0} is wrong")]
    WrongSignature(String),
    /// Not a verification key.
    #[error("not a verification key (name+8 hex digits+base64): {0}")]
    Key(&'static str),
    /// A name that keys and logs cannot have.
    #[error("{0:?} cannot name a log: it is empty, or has a space, a control character or a plus")]
    Name(String),
}

/// Whether `name` can name a key, and so a log.
pub fn check_name(name: &str) -> Result<(), NoteError> {
    let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.contains(wrong) {
        return Err(NoteError::Name(name.to_owned()));
    }
    Ok(())
}

/// A note that is in the right form. Nothing is known of its signatures.
#[derive(Debug, Clone)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<SignatureLine<'a>>,
}

#[derive(Debug, Clone)]
struct SignatureLine<'a> {
    name: &'a str,
    key_id: [u8; 4],
    signature: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Reads a note.
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        if note.len() > MAX_BYTES {
            return Err(NoteError::Malformed("it is too long"));
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed("it has control characters"));
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Malformed("no blank line before the signatures"))?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("the last line has no end"))?;
        let signatures = lines.split('\n').map(SignatureLine::parse).collect::<Result<_, _>>()?;
        Ok(Self { text, signatures })
    }

    /// The text, if `key` signed it. Signatures of other keys are ignored.
    pub fn verify(&self, key: &VerifierKey) -> Result<&'a str, NoteError> {
        let mut signed = false;
        for line in self.signatures.iter().filter(|l| l.name == key.name && l.key_id == key.id) {
            let wrong = || NoteError::WrongSignature(key.name.clone());
            let signature = Signature::from_slice(&line.signature).map_err(|_| wrong())?;
            key.key.verify_strict(self.text.as_bytes(), &signature).map_err(|_| wrong())?;
            signed = true;
        }
        if signed { Ok(self.text) } else { Err(NoteError::Unsigned(key.name.clone())) }
    }
}

impl<'a> SignatureLine<'a> {
    fn parse(line: &'a str) -> Result<Self, NoteError> {
        let parse = || {
            let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
            check_name(name).ok()?;
            let bytes = BASE64_STANDARD.decode(encoded).ok()?;
            let (key_id, signature) = bytes.split_first_chunk()?;
            (!signature.is_empty()).then(|| Self { name, key_id: *key_id, signature: signature.to_vec() })
        };
        parse().ok_or(NoteError::Malformed("a line after the blank line is not a signature"))
    }
}

/// `SHA-256(name || 0x0A || type || public key)[:4]`.
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.as_bytes())
        .finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The public half of a [`SignerKey`]; written as a `vkey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Self {
        Self { name: name.to_owned(), id: key_id(name, &key), key }
    }

    /// The name: for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a `vkey`: `name+hex8+base64(type || public key)`.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.trim_end().splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has no three parts"));
        };
        check_name(name)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| NoteError::Key("the key is not base64"))?;
        let Some((&ED25519, key)) = bytes.split_first() else {
            return Err(NoteError::Key("only Ed25519 keys (type 1) are known"));
        };
        let key = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok());
        let key = Self::new(name, key.ok_or(NoteError::Key("no Ed25519 public key in it"))?);
        if id != hex(&key.id) {
            return Err(NoteError::Key("its number does not belong to its name and key"));
        }
        Ok(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.id), BASE64_STANDARD.encode(key))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What signs notes. Does not print its secret; the secret is wiped from memory when it is dropped.
pub struct SignerKey {
    secret: SigningKey,
    public: VerifierKey,
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.public)
    }
}

impl SignerKey {
    /// The key with this name and this seed.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let secret = SigningKey::from_bytes(seed);
        let public = VerifierKey::new(name, secret.verifying_key());
        Ok(Self { secret, public })
    }

    /// Its public half.
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// The text as a note with this key's signature. The text must end with a newline.
    pub fn sign(&self, text: &str) -> String {
        debug_assert!(text.ends_with('\n'));
        let signature = self.secret.sign(text.as_bytes()).to_bytes();
        let encoded = BASE64_STANDARD.encode([self.public.id.as_slice(), &signature].concat());
        format!("{text}\n— {} {encoded}\n", self.public.name)
    }

    /// The written form: `PRIVATE+KEY+name+hex8+base64(type || seed)`, as other signed-note tools keep it.
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new([&[ED25519], self.secret.as_bytes().as_slice()].concat());
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(&*seed));
        Zeroizing::new(format!("PRIVATE+KEY+{}+{}+{}\n", self.public.name, hex(&self.public.id), *encoded))
    }

    /// Reads [`to_text`](Self::to_text).
    pub fn from_text(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Key("expected PRIVATE+KEY+name+8 hex digits+base64");
        let rest = text.trim_end().strip_prefix("PRIVATE+KEY+").ok_or(malformed.clone())?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| malformed.clone())?);
        let Some((&ED25519, seed)) = bytes.split_first() else { return Err(malformed) };
        let key = Self::new(name, seed.try_into().map_err(|_| malformed)?)?;
        if id != hex(&key.public.id) {
            return Err(NoteError::Key("its number does not belong to its name and key"));
        }
        Ok(key)
    }
}
