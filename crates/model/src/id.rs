//! Identifiers. Those that come from other systems are text; those that Sightline makes are random
//! and carry a prefix, so that a person who sees one knows what it is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::clock::{Entropy, random};

macro_rules! text_ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(id: impl AsRef<str>) -> Self {
                Self(id.as_ref().into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self::new(id)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.str().map(Self::new)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(d).map(Self::new)
            }
        }
    )+};
}

text_ids! {
    /// A staff member: a pseudonym, never a name or an address.
    StaffId,
    /// A customer, as the app calls them. Personal data: never in the ledger in the clear.
    CustomerId,
    /// A ticket, as the app calls it.
    TicketId,
    /// An app behind the gateway, as the configuration calls it.
    AppId,
}

impl AppId {
    /// The console's door. No app is called so.
    pub const CONSOLE: &'static str = "console";
}

macro_rules! random_ids {
    ($($(#[$meta:meta])* $name:ident $prefix:literal),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 10]);

        impl $name {
            /// What the written form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh one.
            pub fn fresh(entropy: &dyn Entropy) -> Self {
                Self(random(entropy))
            }

            /// Its ten bytes.
            pub const fn to_bytes(self) -> [u8; 10] {
                self.0
            }

            /// From its ten bytes.
            pub const fn from_bytes(bytes: [u8; 10]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&write_id($prefix, &self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(s: &str) -> Result<Self, NotAnId> {
                read_id($prefix, s).map(Self).ok_or(NotAnId { prefix: $prefix })
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
                bytes.try_into().map(Self).map_err(|_| minicbor::decode::Error::message("an id has ten bytes"))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

random_ids! {
    /// A session: one login of one staff member. Not the cookie, and of no use as one.
    SessionId "ses-",
    /// A grant.
    GrantId "gr-",
    /// A proposal of what takes two administrators.
    ProposalId "pro-",
    /// One response of the gateway: the reference number that pages show and that entries carry.
    ResponseId "ref-",
    /// A finding.
    FindingId "fnd-",
    /// An incident.
    IncidentId "inc-",
    /// One issued mark: what the watermark of one session in one five-minute bucket is derived from.
    MarkId "mark-",
}

/// Text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like {prefix}0123456789abcdef (16 characters after the prefix)")]
pub struct NotAnId {
    prefix: &'static str,
}

/// Crockford's base 32, lower case: no i, l, o, u to misread over the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn write_id(prefix: &str, bytes: &[u8; 10]) -> String {
    let mut out = String::with_capacity(prefix.len() + 16);
    out.push_str(prefix);
    for five in bytes.as_chunks::<5>().0 {
        let bits = five.iter().fold(0u64, |acc, b| acc << 8 | u64::from(*b));
        out.extend((0..8).rev().map(|i| char::from(ALPHABET[(bits >> (5 * i) & 31) as usize])));
    }
    out
}

fn read_id(prefix: &str, text: &str) -> Option<[u8; 10]> {
    let digits = text.strip_prefix(prefix)?.as_bytes();
    let (eights, rest) = digits.as_chunks::<8>();
    if eights.len() != 2 || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; 10];
    for (eight, five) in eights.iter().zip(bytes.as_chunks_mut::<5>().0) {
        let mut bits = 0u64;
        for digit in eight {
            let value = ALPHABET.iter().position(|a| *a == digit.to_ascii_lowercase())?;
            bits = bits << 5 | value as u64;
        }
        five.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_random_id_reads_back_from_its_written_form(bytes: [u8; 10]) {
            let id = SessionId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<SessionId>(), Ok(id));
            prop_assert_eq!(id.to_string().to_uppercase().replace("SES-", "ses-").parse::<SessionId>(), Ok(id));
        }

        #[test]
        fn no_text_makes_the_id_reader_panic(text: String) {
            let _ = text.parse::<ResponseId>();
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        assert!("gr-0000000000000000".parse::<SessionId>().is_err());
        assert!("ses-000000000000000".parse::<SessionId>().is_err());
    }
}
