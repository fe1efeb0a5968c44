//! Secrets: the key that this room derives everything from, and the tokens in cookies. None of them prints.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use model::clock::random;
use model::{Digest, Entropy};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be made or read.
    #[error("{file}: {source}")]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than its owner may read it.
    #[error("{file}: others may read this key; set its mode to 0600")]
    Open {
        /// Which file.
        file: PathBuf,
    },
    /// It does not hold a key.
    #[error("{file}: not a key of 32 bytes")]
    Malformed {
        /// Which file.
        file: PathBuf,
    },
}

/// 32 secret bytes, kept in a file that only its owner may read.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Makes a fresh key in `file`, which must not exist.
    pub(crate) fn create(file: &Path, entropy: &dyn Entropy) -> Result<(), KeyError> {
        let key = Self(random(entropy));
        let write = || {
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
            out.write_all(&key.0)?;
            out.sync_all()?;
            // The name must be durable too: with another key every pseudonym would be another one.
            file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(|source| KeyError::Io { file: file.to_owned(), source })
    }

    /// Reads the key in `file`.
    pub(crate) fn open(file: &Path) -> Result<Self, KeyError> {
        let bytes = read_private(file)?;
        let key = bytes.as_slice().try_into().map_err(|_| KeyError::Malformed { file: file.to_owned() })?;
        Ok(Self(key))
    }

    /// HMAC-SHA256 over a label and parts, each behind its length, so that no two lists of parts agree.
    #[allow(clippy::expect_used)]
    pub(crate) fn mac(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// [`mac`](Self::mac) as text for cookies, forms and URLs.
    pub(crate) fn tag(&self, label: &str, parts: &[&[u8]]) -> String {
        BASE64.encode(self.mac(label, parts))
    }

    /// Any key, for tests.
    #[cfg(test)]
    pub(crate) fn test() -> Self {
        Self([7; 32])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Reads a file that nobody but its owner may read.
pub(crate) fn read_private(file: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let io = |source| KeyError::Io { file: file.to_owned(), source };
    let mode = std::fs::metadata(file).map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { file: file.to_owned() });
    }
    std::fs::read(file).map(Zeroizing::new).map_err(io)
}

/// What a session's cookie holds: 256 random bits. The ledger knows only their hash.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn fresh(entropy: &dyn Entropy) -> Self {
        Self(random(entropy))
    }

    /// Reads [`text`](Self::text); anything else is no token.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        BASE64.decode(text).ok()?.try_into().ok().map(Self)
    }

    pub(crate) fn text(&self) -> String {
        BASE64.encode(self.0)
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use model::OsEntropy;

    use super::*;

    #[test]
    fn a_key_is_for_its_owner_only_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        Key::create(&file, &OsEntropy).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let tag = Key::open(&file).unwrap().tag("x", &[]);
        assert!(matches!(Key::create(&file, &OsEntropy), Err(KeyError::Io { .. })));
        assert_eq!(Key::open(&file).unwrap().tag("x", &[]), tag);

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Key::open(&file), Err(KeyError::Open { .. })));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = Key::test();
        assert_ne!(key.tag("l", &[b"ab", b"c"]), key.tag("l", &[b"a", b"bc"]));
        assert_ne!(key.tag("l", &[b"a"]), key.tag("la", &[]));
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?} {:?}", Key::test(), Token([1; 32])), "Key(..) Token(..)");
    }
}
