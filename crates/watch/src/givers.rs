//! From whom work comes: what is usual for a team, and within it for a person.

use crate::numbers::NumberMap;

/// Tickets that a team's usual counts for in a person's.
const TEAM_WEIGHT: f64 = 15.0;
/// A person's share of one giver may exceed the team's by this factor and this much more, so that two who begin slowly
/// do not become each other's usual.
const HEADROOM: (f64, f64) = (3.0, 0.05);
/// Old weeks count less.
const FADING: f64 = 0.92;

/// How many tickets came from whom.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Givers {
    #[n(0)]
    of: NumberMap<f64>,
    #[n(1)]
    in_all: f64,
}

impl Givers {
    pub(crate) fn gave(&mut self, giver: u32, much: f64) {
        *self.of.entry(giver).or_default() += much;
        self.in_all += much;
    }

    /// A team's share of what `giver` gives.
    pub(crate) fn of_team(&self, giver: u32) -> f64 {
        let given = self.of.get(&giver).copied().unwrap_or_default();
        (given + 1.0) / (self.in_all + 10.0)
    }

    /// A person's share of what `giver` gives, in a team with this share.
    pub(crate) fn share(&self, giver: u32, of_team: f64) -> f64 {
        let given = self.of.get(&giver).copied().unwrap_or_default();
        let own = (given + TEAM_WEIGHT * of_team) / (self.in_all + TEAM_WEIGHT);
        own.min(HEADROOM.0 * of_team + HEADROOM.1)
    }

    /// A week has passed.
    pub(crate) fn fade(&mut self) {
        self.of.retain(|_, n| {
            *n *= FADING;
            *n > 0.1
        });
        self.in_all *= FADING;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_given_work_by_whoever_usually_does_within_limits() {
        let mut own = Givers::default();
        assert_eq!(own.share(7, 0.2), 0.2, "a newcomer is like the team");
        (0..60).for_each(|_| own.gave(7, 1.0));
        assert!(own.share(7, 0.25) > 0.7);
        assert!(own.share(7, 0.05) <= 0.2 + 1e-9, "two alone do not become each other's usual");
        assert!(own.share(8, 0.25) < 0.06);
    }
}
