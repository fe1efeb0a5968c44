//! A login under way, bound to the browser that began it. All of it is in a short-lived cookie: nobody
//! who only knocks fills our memory, and a restart does not lose it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use model::clock::random;
use model::{AppId, Entropy, Timestamp};
use subtle::ConstantTimeEq;

use crate::next::Next;
use crate::secret::Key;

/// How long somebody may take to log in at the provider.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A login under way.
pub(crate) struct Attempt {
    secret: [u8; 32],
    begun: Timestamp,
    next: Next,
    fresh: bool,
}

impl Attempt {
    pub(crate) fn begin(entropy: &dyn Entropy, now: Timestamp, next: Next) -> Self {
        Self { secret: random(entropy), begun: now, next, fresh: false }
    }

    /// The person has to prove anew who they are: being logged in at the provider is not enough.
    pub(crate) fn afresh(self, fresh: bool) -> Self {
        Self { fresh, ..self }
    }

    /// When a fresh login was asked for, if one was.
    pub(crate) fn asked_afresh(&self) -> Option<Timestamp> {
        self.fresh.then_some(self.begun)
    }

    /// The cookie's value: what it is, and our seal on it.
    pub(crate) fn seal(&self, key: &Key, door: &AppId) -> String {
        let mut bytes = self.secret.to_vec();
        bytes.extend(self.begun.0.to_be_bytes());
        bytes.push(u8::from(self.fresh));
        bytes.extend(self.next.as_str().as_bytes());
        bytes.extend(seal(key, door, &bytes));
        BASE64.encode(bytes)
    }

    /// Reads [`seal`](Self::seal)ed attempts of this door that are not too old.
    pub(crate) fn open(key: &Key, door: &AppId, value: &str, now: Timestamp) -> Option<Self> {
        let bytes = BASE64.decode(value).ok()?;
        let (said, sealed) = bytes.split_last_chunk::<32>()?;
        if !bool::from(seal(key, door, said).ct_eq(sealed)) {
            return None;
        }
        let (secret, rest) = said.split_first_chunk::<32>()?;
        let (begun, rest) = rest.split_first_chunk::<8>()?;
        let ([fresh], next) = rest.split_first_chunk::<1>()?;
        let begun = Timestamp(u64::from_be_bytes(*begun));
        let next = Next::parse(std::str::from_utf8(next).ok()?)?;
        (now.since(begun) <= PATIENCE).then_some(Self { secret: *secret, begun, next, fresh: *fresh == 1 })
    }

    /// What goes through the provider and must come back through the same browser.
    pub(crate) fn state(&self, key: &Key) -> String {
        key.tag("login state", &[&self.secret])
    }

    /// What the ID token must repeat.
    pub(crate) fn nonce(&self, key: &Key) -> String {
        key.tag("login nonce", &[&self.secret])
    }

    /// The PKCE code verifier (RFC 7636): 43 characters.
    pub(crate) fn verifier(&self, key: &Key) -> String {
        key.tag("login code verifier", &[&self.secret])
    }

    pub(crate) fn next(&self) -> &Next {
        &self.next
    }
}

fn seal(key: &Key, door: &AppId, said: &[u8]) -> [u8; 32] {
    key.mac("login attempt", &[door.as_str().as_bytes(), said])
}

#[cfg(test)]
mod tests {
    use model::OsEntropy;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn an_attempt_opens_at_its_door_and_for_a_while() {
        let (key, desk) = (Key::test(), AppId::new("desk"));
        let attempt = Attempt::begin(&OsEntropy, NOW, Next::parse("/ticket/5").unwrap());
        let value = attempt.seal(&key, &desk);
        let open = |door: &AppId, at| Attempt::open(&key, door, &value, at);
        let opened = open(&desk, NOW.plus(PATIENCE)).unwrap();
        assert_eq!(opened.state(&key), attempt.state(&key));
        assert_eq!(opened.next().as_str(), "/ticket/5");
        assert_eq!(opened.asked_afresh(), None);
        let fresh = Attempt::begin(&OsEntropy, NOW, Next::home()).afresh(true).seal(&key, &desk);
        assert_eq!(Attempt::open(&key, &desk, &fresh, NOW).unwrap().asked_afresh(), Some(NOW));
        assert!(open(&AppId::new("console"), NOW).is_none());
        assert!(open(&desk, NOW.plus(PATIENCE + Duration::from_millis(1))).is_none());
    }

    #[test]
    fn state_nonce_and_verifier_are_unrelated_to_each_other_and_to_other_attempts() {
        let key = Key::test();
        let [a, b] = [0, 1].map(|_| Attempt::begin(&OsEntropy, NOW, Next::home()));
        let all = [&a, &b].map(|x| [x.state(&key), x.nonce(&key), x.verifier(&key)]).concat();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 6);
        assert!(all.iter().all(|text| text.len() == 43));
    }

    proptest! {
        #[test]
        fn a_cookie_that_was_tampered_with_is_none(position: prop::sample::Index, flip in 1u8..=255) {
            let (key, desk) = (Key::test(), AppId::new("desk"));
            let value = Attempt::begin(&OsEntropy, NOW, Next::home()).seal(&key, &desk);
            let mut bytes = BASE64.decode(&value).unwrap();
            let at = position.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(Attempt::open(&key, &desk, &BASE64.encode(bytes), NOW).is_none());
        }

        #[test]
        fn no_cookie_makes_the_reader_panic(value in "[A-Za-z0-9_=-]{0,300}|\\PC{0,40}") {
            prop_assert!(Attempt::open(&Key::test(), &AppId::new("desk"), &value, NOW).is_none());
        }
    }
}
