//! The words of Sightline as types: who looks, at whom, what it shows, and why; and the entries
//! that the ledger keeps, with their encoding. Nothing here does I/O.
//!
//! Start with [`entry`]: an [`entry::Event`] is everything that Sightline ever records, and the
//! other modules are the words it is made of.

pub mod classes;
pub mod clock;
pub mod commitment;
pub mod containment;
pub mod customer;
pub mod decision;
pub mod entry;
pub mod id;
mod incident;
pub mod mark;
pub mod month;
pub mod reason;
mod rule;
pub mod settings;
pub mod staff;
pub mod ticket;
pub mod undo;

pub use classes::{ClassSet, FieldClass};
pub use clock::{Clock, Entropy, OsEntropy, SystemClock, Timestamp};
pub use commitment::{Commitment, Digest, Opening, Subject};
pub use containment::{
    Contained, Finding, Level, LiftReason, Lifted, Reauthenticated, Triaged, Verdict, WatchInForce, WatchMode,
};
pub use customer::Tier;
pub use entry::{Actor, Entry, Event};
pub use id::{
    AppId, CustomerId, FindingId, GrantId, IncidentId, MarkId, ProposalId, ResponseId, SessionId, StaffId,
    TicketId,
};
pub use incident::{IncidentKind, IncidentOpened};
pub use mark::{MarkFault, MarkFaultKind, MarkIssued, MarkSound};
pub use month::Month;
pub use reason::{Evidence, Purpose};
pub use rule::{CanariesPlanted, CanaryChange, RuleLevel, RuleMatched};
pub use settings::{Budgets, Mode};
pub use staff::{Role, StaffRecord, StaffStatus};
pub use undo::{Turn, Undo, UndoCell, UndoMap};

/// A word that is not one of those the enumeration knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {given:?}; one of: {}", known.join(", "))]
pub struct UnknownWord {
    /// What kind of word was expected, for example `role`.
    pub what: &'static str,
    /// What was given.
    pub given: String,
    /// Every word that would have been understood.
    pub known: &'static [&'static str],
}

/// Declares an enumeration whose variants have a stable word (used in configuration, API, UI and
/// docs) and a stable number (used in entries). Numbers are never reused.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident as $what:literal {
            $($(#[$vmeta:meta])* $variant:ident = $number:literal $word:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
        #[cbor(index_only)]
        pub enum $name {
            $($(#[$vmeta])* #[n($number)] $variant),+
        }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            const WORDS: &'static [&'static str] = &[$($word),+];

            /// The stable word for this variant.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::UnknownWord;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                match s {
                    $($word => Ok($name::$variant),)+
                    _ => Err(crate::UnknownWord { what: $what, given: s.to_owned(), known: $name::WORDS }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use words;
