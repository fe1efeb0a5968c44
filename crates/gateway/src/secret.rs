//! Secrets that stand in files of their own, never in the configuration.

use std::fmt;
use std::path::{Path, PathBuf};

use http::HeaderValue;
use zeroize::Zeroizing;

/// A secret that was read from a file, without the line end behind it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Reads it. An empty one, or one that no header can carry, is an error.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
        let text = Zeroizing::new(text);
        let secret = text.trim();
        if secret.is_empty() {
            return Err(SecretError::Empty { path: path.to_owned() });
        }
        if !secret.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
            return Err(SecretError::NotText { path: path.to_owned() });
        }
        Ok(Self(Zeroizing::new(secret.to_owned())))
    }

    /// Whether it is so short that somebody could try them all.
    pub fn is_short(&self) -> bool {
        self.0.len() < 16
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As the value of a header, marked so that it is neither logged nor indexed.
    pub(crate) fn header_value(&self) -> HeaderValue {
        sensitive(&self.0)
    }
}

/// A header value that is neither logged nor indexed. `text` must be printable ASCII.
#[allow(clippy::expect_used)]
pub(crate) fn sensitive(text: &str) -> HeaderValue {
    // Secret::read lets printable ASCII in and nothing else, and Base64 is printable ASCII.
    let mut value = HeaderValue::from_str(text).expect("printable ASCII");
    value.set_sensitive(true);
    value
}

/// Does not print the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret in {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing in the file.
    #[error("the secret in {} is empty", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The file holds bytes that no header can carry.
    #[error("the secret in {} must be one line of printable ASCII", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
    },
}
