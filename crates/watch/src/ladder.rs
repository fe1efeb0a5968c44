//! What is done about evidence, as data: the rungs of containment and where they stand for each role.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use model::{Role, UnknownWord};

/// A rung of containment. Each is reversible, with a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Level {
    /// A word to the staff member: this look has no reason that we know; is there one?
    #[n(0)]
    Nudge,
    /// A fresh login, and the reason again.
    #[n(1)]
    StepUp,
    /// One record in three minutes, high value masked.
    #[n(2)]
    Throttle,
    /// No access until two people lift it.
    #[n(3)]
    Suspend,
    /// Every session and grant ends.
    #[n(4)]
    Revoke,
}

impl Level {
    /// Every rung, the mildest first.
    pub const ALL: [Level; 5] = [Level::Nudge, Level::StepUp, Level::Throttle, Level::Suspend, Level::Revoke];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Level::Nudge => "nudge",
            Level::StepUp => "step_up",
            Level::Throttle => "throttle",
            Level::Suspend => "suspend",
            Level::Revoke => "revoke",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Level {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        const WORDS: &[&str] = &["nudge", "step_up", "throttle", "suspend", "revoke"];
        let unknown = || UnknownWord { what: "level", given: word.to_owned(), known: WORDS };
        Level::ALL.into_iter().find(|l| l.word() == word).ok_or_else(unknown)
    }
}

impl serde::Serialize for Level {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

/// The scores (nats) at which the rungs stand.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rungs {
    /// A word.
    pub nudge: f64,
    /// A fresh login.
    pub step_up: f64,
    /// Slower.
    pub throttle: f64,
    /// No access for now.
    pub suspend: f64,
    /// No access.
    pub revoke: f64,
}

impl Rungs {
    /// Where a rung stands.
    pub fn at(&self, level: Level) -> f64 {
        match level {
            Level::Nudge => self.nudge,
            Level::StepUp => self.step_up,
            Level::Throttle => self.throttle,
            Level::Suspend => self.suspend,
            Level::Revoke => self.revoke,
        }
    }

    /// The highest rung that this score reaches.
    pub fn reached(&self, score: f64) -> Option<Level> {
        Level::ALL.into_iter().rev().find(|level| score >= self.at(*level))
    }

    /// From the two that are calibrated; the others stand between and above.
    pub fn from_calibrated(step_up: f64, suspend: f64) -> Self {
        let suspend = suspend.max(step_up + 1.0);
        Self {
            nudge: (step_up - 0.5).max(step_up * 0.8),
            step_up,
            throttle: 0.5 * (step_up + suspend),
            suspend,
            revoke: suspend + 6.0,
        }
    }
}

/// The rungs for everybody, and for roles for which they stand elsewhere.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// For roles that are not named.
    pub default: Rungs,
    /// By role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub role: BTreeMap<Role, Rungs>,
}

impl Default for Ladder {
    /// Set on simulated floors, for an installation that has not calibrated its own (docs/detection.md).
    fn default() -> Self {
        Self { default: Rungs::from_calibrated(6.0, 11.0), role: BTreeMap::new() }
    }
}

impl Ladder {
    /// The rungs of a role.
    pub fn rungs(&self, role: Role) -> &Rungs {
        self.role.get(&role).unwrap_or(&self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_reached_in_order() {
        let rungs = Rungs::from_calibrated(6.0, 11.0);
        assert!(
            rungs.nudge < rungs.step_up && rungs.throttle < rungs.suspend && rungs.suspend < rungs.revoke
        );
        assert_eq!(rungs.reached(5.0), None);
        assert_eq!(rungs.reached(6.0), Some(Level::StepUp));
        assert_eq!(rungs.reached(99.0), Some(Level::Revoke));
        assert_eq!("throttle".parse(), Ok(Level::Throttle));
    }
}
