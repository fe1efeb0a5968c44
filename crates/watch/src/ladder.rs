//! What is done about evidence, as data: the rungs of containment and where they stand for each role.

use std::collections::BTreeMap;

use model::Role;

pub use model::Level;

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
        Level::ALL.iter().rev().copied().find(|level| score >= self.at(*level))
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
        Self { default: Rungs::from_calibrated(6.9, 12.0), role: BTreeMap::new() }
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
