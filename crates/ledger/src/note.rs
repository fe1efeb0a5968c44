//! Signed notes (C2SP signed-note) with Ed25519 signatures, and the keys for them.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use model::Entropy;
use model::clock::random;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What a signature is over, as the type byte of a key says it (C2SP signed-note, "Signature types").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Ed25519 over the text: how logs sign.
    Plain = 1,
    /// Ed25519 over the text and a time: how witnesses sign (C2SP tlog-cosignature).
    Cosignature = 4,
}

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
    /// A key of another type than is asked for here.
    #[error(
        "a key of signature type {found} stands where one of type {expected} belongs (1: a log's, 4: a witness's)"
    )]
    Type {
        /// The type that belongs here.
        expected: u8,
        /// The type that was found.
        found: u8,
    },
    /// A name that keys and logs cannot have.
    #[error("{0:?} cannot name a key or a log: it is empty, or has a space, a control character or a plus")]
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
        let Key { name, key: public, .. } = &key.0;
        let mut signed = false;
        for signature in self.signatures_of(&key.0) {
            let wrong = || NoteError::WrongSignature(name.clone());
            let signature = Signature::from_slice(signature).map_err(|_| wrong())?;
            public.verify_strict(self.text.as_bytes(), &signature).map_err(|_| wrong())?;
            signed = true;
        }
        if signed { Ok(self.text) } else { Err(NoteError::Unsigned(name.clone())) }
    }

    /// The text, of which nobody knows who wrote it: only to find out which key to ask for.
    pub fn unverified_text(&self) -> &'a str {
        self.text
    }

    /// The same note with no signatures but those of `key`.
    pub fn only(&self, key: &VerifierKey) -> String {
        let lines: String = self.signatures_of(&key.0).map(|signature| key.0.line(signature)).collect();
        format!("{}\n{lines}", self.text)
    }

    /// What the lines with this key's name and number carry.
    pub(crate) fn signatures_of(&self, key: &Key) -> impl Iterator<Item = &[u8]> {
        let of_key = |line: &&SignatureLine<'_>| line.name == key.name && line.key_id == key.id;
        self.signatures.iter().filter(of_key).map(|line| line.signature.as_slice())
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

/// A named Ed25519 key of one type. Two kinds of keys are made of it: [`VerifierKey`] and
/// [`WitnessKey`](crate::cosignature::WitnessKey).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: String,
    /// `SHA-256(name || 0x0A || type || public key)[:4]`.
    id: [u8; 4],
    kind: Kind,
    pub(crate) key: VerifyingKey,
}

impl Key {
    pub(crate) fn new(name: &str, kind: Kind, key: VerifyingKey) -> Self {
        let hash = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', kind as u8])
            .chain_update(key.as_bytes())
            .finalize();
        Self { name: name.to_owned(), id: [hash[0], hash[1], hash[2], hash[3]], kind, key }
    }

    /// Reads a `vkey`: `name+hex8+base64(type || public key)`.
    pub(crate) fn parse(vkey: &str, kind: Kind) -> Result<Self, NoteError> {
        let (name, id, bytes) = read_key(vkey.trim_end())?;
        let key = typed(&bytes, kind)?.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok());
        let key = Self::new(name, kind, key.ok_or(NoteError::Key("no Ed25519 public key in it"))?);
        key.check_id(id)?;
        Ok(key)
    }

    fn check_id(&self, id: &str) -> Result<(), NoteError> {
        let same = id == hex(&self.id);
        if same { Ok(()) } else { Err(NoteError::Key("its number does not belong to its name and key")) }
    }

    /// A line with this key's signature.
    pub(crate) fn line(&self, signature: &[u8]) -> String {
        line(&self.name, self.id, signature)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind as u8], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.id), BASE64_STANDARD.encode(key))
    }
}

/// The secret half of a [`Key`]. Does not print its secret, which is wiped from memory when it is dropped.
pub(crate) struct Secret {
    secret: SigningKey,
    public: Key,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.public)
    }
}

impl Secret {
    pub(crate) fn new(name: &str, kind: Kind, seed: &[u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let secret = SigningKey::from_bytes(seed);
        let public = Key::new(name, kind, secret.verifying_key());
        Ok(Self { secret, public })
    }

    pub(crate) fn public(&self) -> &Key {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }

    /// The written form: `PRIVATE+KEY+name+hex8+base64(type || seed)`, as other signed-note tools keep it.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        let Key { name, id, kind, .. } = &self.public;
        let seed = Zeroizing::new([&[*kind as u8], self.secret.as_bytes().as_slice()].concat());
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(&*seed));
        Zeroizing::new(format!("PRIVATE+KEY+{name}+{}+{}\n", hex(id), *encoded))
    }

    pub(crate) fn from_text(text: &str, kind: Kind) -> Result<Self, NoteError> {
        let malformed = NoteError::Key("expected PRIVATE+KEY+name+8 hex digits+base64");
        let rest = text.trim_end().strip_prefix("PRIVATE+KEY+").ok_or(malformed.clone())?;
        let (name, id, bytes) = read_key(rest)?;
        let key = Self::new(name, kind, typed(&bytes, kind)?.try_into().map_err(|_| malformed)?)?;
        key.public.check_id(id)?;
        Ok(key)
    }
}

/// Name, number and bytes of a written key.
fn read_key(text: &str) -> Result<(&str, &str, Zeroizing<Vec<u8>>), NoteError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::Key("it has no three parts"));
    };
    check_name(name)?;
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| NoteError::Key("the key is not base64"))?;
    Ok((name, id, Zeroizing::new(bytes)))
}

/// The bytes behind the type byte, which must be that of `kind`.
fn typed(bytes: &[u8], kind: Kind) -> Result<&[u8], NoteError> {
    match bytes.split_first() {
        Some((found, key)) if *found == kind as u8 => Ok(key),
        Some((found, _)) => Err(NoteError::Type { expected: kind as u8, found: *found }),
        None => Err(NoteError::Key("it is empty")),
    }
}

fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    format!("— {name} {}\n", BASE64_STANDARD.encode([id.as_slice(), signature].concat()))
}

/// The note with one more signature line, of a key that nobody knows: readers must ignore such lines, and those
/// that see one every day do.
pub fn grease(note: &str, entropy: &dyn Entropy) -> String {
    let [front, length, name @ .., a, b, c, d] = random::<10>(entropy);
    let mut signature = vec![0; 1 + usize::from(length)];
    entropy.fill(&mut signature);
    let line = line(&format!("grease.invalid/{}", hex(&name)), [a, b, c, d], &signature);
    match note.rsplit_once("\n\n") {
        Some((text, signatures)) if front % 2 == 0 => format!("{text}\n\n{line}{signatures}"),
        _ => format!("{note}{line}"),
    }
}

/// The public half of a [`SignerKey`]; written as a `vkey` of type 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey(pub(crate) Key);

impl VerifierKey {
    /// The name: for a log, its origin.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Reads a `vkey`: `name+hex8+base64(type || public key)`.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        Key::parse(vkey, Kind::Plain).map(Self)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What signs notes. Does not print its secret; the secret is wiped from memory when it is dropped.
pub struct SignerKey {
    secret: Secret,
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
        Secret::new(name, Kind::Plain, seed).map(Self::from)
    }

    /// Its public half.
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// The text as a note with this key's signature. The text must end with a newline.
    pub fn sign(&self, text: &str) -> String {
        debug_assert!(text.ends_with('\n'));
        format!("{text}\n{}", self.public.0.line(&self.secret.sign(text.as_bytes())))
    }

    /// The written form: `PRIVATE+KEY+name+hex8+base64(type || seed)`, as other signed-note tools keep it.
    pub fn to_text(&self) -> Zeroizing<String> {
        self.secret.to_text()
    }

    /// Reads [`to_text`](Self::to_text).
    pub fn from_text(text: &str) -> Result<Self, NoteError> {
        Secret::from_text(text, Kind::Plain).map(Self::from)
    }
}

impl From<Secret> for SignerKey {
    fn from(secret: Secret) -> Self {
        let public = VerifierKey(secret.public().clone());
        Self { secret, public }
    }
}
