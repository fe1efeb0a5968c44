//! What goes out to the browser and must come back unread and unchanged: the customer whom a link is
//! about, the original of a masked form field. Sealed with XChaCha20-Poly1305, bound to the session and
//! to what it is for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::{Entropy, SessionId};
use zeroize::Zeroize;

const NONCE_BYTES: usize = 24;

/// The key that tokens are sealed with. Losing it costs nobody more than a page to reload.
#[derive(Clone)]
pub struct TokenKey(XChaCha20Poly1305);

/// What a token is for. A token made for one thing cannot be opened as another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Use<'a> {
    /// The customer and page that a reason is asked for.
    Wanted,
    /// A page that the mark lies over.
    Page,
    /// The original of the masked form field with this name.
    Field(&'a str),
}

impl TokenKey {
    /// A fresh key, for as long as the process runs.
    pub fn fresh(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        let key = Self::from_bytes(&bytes);
        bytes.zeroize();
        key
    }

    /// From its 32 bytes, so that tokens outlive the process or are shared between gateways.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(bytes.into()))
    }

    /// Seals `plain` for this session and use.
    #[allow(clippy::expect_used)]
    pub(crate) fn seal(
        &self,
        entropy: &dyn Entropy,
        session: SessionId,
        what: Use<'_>,
        plain: &[u8],
    ) -> String {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let aad = context(session, what);
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
            .expect("only a message of 256 GiB is too long for the cipher");
        URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    /// Opens what [`seal`](Self::seal) made for the same session and use; `None` for anything else.
    pub(crate) fn open(&self, session: SessionId, what: Use<'_>, token: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let aad = context(session, what);
        self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad }).ok()
    }
}

/// Does not print the key.
impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

/// Unambiguous: the session has a fixed length, and the field's name comes last.
fn context(session: SessionId, what: Use<'_>) -> Vec<u8> {
    match what {
        Use::Wanted => format!("sightline/wanted/{session}"),
        Use::Page => format!("sightline/page/{session}"),
        Use::Field(name) => format!("sightline/field/{session}/{name}"),
    }
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::OsEntropy;
    use proptest::prelude::*;

    #[test]
    fn a_token_opens_only_for_its_session_and_use() {
        let key = TokenKey::fresh(&OsEntropy);
        let (mine, other) = (SessionId::fresh(&OsEntropy), SessionId::fresh(&OsEntropy));
        let token = key.seal(&OsEntropy, mine, Use::Field("EmailAddress"), b"jane@example.com");
        assert_eq!(key.open(mine, Use::Field("EmailAddress"), &token).unwrap(), b"jane@example.com");
        assert!(key.open(other, Use::Field("EmailAddress"), &token).is_none());
        assert!(key.open(mine, Use::Field("Phone"), &token).is_none());
        assert!(key.open(mine, Use::Wanted, &token).is_none());
        assert!(TokenKey::fresh(&OsEntropy).open(mine, Use::Field("EmailAddress"), &token).is_none());
    }

    proptest! {
        #[test]
        fn no_text_opens_that_was_not_sealed(text: String) {
            let key = TokenKey::from_bytes(&[7; 32]);
            prop_assert!(key.open(SessionId::from_bytes([1; 10]), Use::Wanted, &text).is_none());
        }
    }
}
