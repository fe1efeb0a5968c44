//! Messages of other programs, signed with a secret that they share with us.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

use crate::secret::Secret;

/// The header with the signature of a webhook's body: `sha256=` and the HMAC-SHA256 of its bytes in hexadecimal digits.
const SIGNATURE: &str = "x-sightline-signature";

impl Secret {
    /// Whether whoever has this secret sent the body. Nothing says when: a message must do no harm twice.
    pub fn signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.as_str().as_bytes()) else { return false };
        mac.update(body);
        let given = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()?.strip_prefix("sha256="));
        given.and_then(from_hex).is_some_and(|given| mac.verify_slice(&given).is_ok())
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4 | digit(*low)?) as u8);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_pairs() {
        assert_eq!(from_hex("00ffA1"), Some(vec![0, 255, 0xa1]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("0g"), None);
    }
}
