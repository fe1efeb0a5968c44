//! Commitments: how an entry speaks of a customer without naming them (P6).
//!
//! An entry holds `HMAC-SHA256(salt, subject)` with a fresh 32-byte salt for every entry, so that
//! two entries about one customer cannot be linked. Salt and subject, the *opening*, are kept
//! outside the ledger, sealed under a key for each customer; destroying the key erases the customer
//! while every proof still verifies.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

use crate::clock::{Entropy, random};
use crate::{CustomerId, TicketId};

macro_rules! hash_types {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| minicbor::decode::Error::message("a hash has 32 bytes"))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
    )+};
}

hash_types! {
    /// A commitment to a [`Subject`].
    Commitment,
    /// A SHA-256 digest of something that is no personal data (a policy, a configuration, a token
    /// of 256 random bits), or the root over a list of commitments.
    Digest,
}

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The root over commitments, in order: SHA-256 of their concatenation behind a domain label.
    pub fn over(commitments: &[Commitment]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"sightline/listed/v1\n");
        commitments.iter().for_each(|c| hash.update(c.0));
        Self(hash.finalize().into())
    }
}

/// Whom an entry is about. Personal data.
#[derive(Clone, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
pub struct Subject {
    /// The customer, as the app calls them.
    #[n(0)]
    pub customer: CustomerId,
    /// The ticket that the access was explained with.
    #[n(1)]
    pub ticket: Option<TicketId>,
    /// The free note that the viewer wrote. It never counts as the reason.
    #[n(2)]
    pub note: Option<String>,
}

impl Subject {
    /// A customer, without ticket or note.
    pub fn of(customer: CustomerId) -> Self {
        Self { customer, ticket: None, note: None }
    }
}

/// Does not print: a subject is personal data.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(..)")
    }
}

/// What opens a [`Commitment`].
#[derive(Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Opening {
    /// 32 fresh random bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub salt: [u8; 32],
    /// Whom the entry is about.
    #[n(1)]
    pub subject: Subject,
}

impl Opening {
    /// A fresh opening for `subject`.
    pub fn fresh(entropy: &dyn Entropy, subject: Subject) -> Self {
        Self { salt: random(entropy), subject }
    }

    /// The commitment that this opens: HMAC-SHA256 with the salt as key over the CBOR of the subject.
    #[allow(clippy::expect_used)]
    pub fn commitment(&self) -> Commitment {
        // HMAC takes a key of any length, and writing CBOR to a Vec cannot fail.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.salt).expect("any key length");
        mac.update(&minicbor::to_vec(&self.subject).expect("a Vec takes every byte"));
        Commitment(mac.finalize().into_bytes().into())
    }
}

/// Does not print: an opening is personal data.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsEntropy;

    #[test]
    fn two_openings_of_one_subject_do_not_link() {
        let subject = Subject::of(CustomerId::new("c-9"));
        let (a, b) = (Opening::fresh(&OsEntropy, subject.clone()), Opening::fresh(&OsEntropy, subject));
        assert_ne!(a.commitment(), b.commitment());
        assert_eq!(a.commitment(), a.clone().commitment());
    }

    #[test]
    fn neither_subject_nor_opening_prints_the_customer() {
        let opening = Opening::fresh(&OsEntropy, Subject::of(CustomerId::new("jane-doe")));
        assert!(!format!("{opening:?} {:?}", opening.subject).contains("jane"));
    }
}
