//! What concerns a whole team: days on which tickets do not reach the log, and who gives work to whom.

use std::collections::HashMap;

use crate::person::DaySoFar;

/// Looks that what is usual counts for, against what the team does today.
const WEIGHT: f64 = 20.0;
/// A bad day of the team excuses no more than this.
const MOST: f64 = 50.0;

/// The teams, by number.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Teams(#[n(0)] HashMap<u32, Team>);

#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
struct Team {
    #[n(0)]
    looks: u32,
    #[n(1)]
    weak: u32,
    #[n(2)]
    settled: u32,
    #[n(3)]
    unexplained: u32,
    /// How many of the tickets that this team's people were given came from whom.
    #[n(4)]
    given: HashMap<u32, f64>,
    #[n(5)]
    given_in_all: f64,
}

impl Teams {
    pub(crate) fn looked(&mut self, team: u32, weak: bool) {
        let team = self.0.entry(team).or_default();
        team.looks += 1;
        team.weak += u32::from(weak);
    }

    pub(crate) fn settled(&mut self, team: u32, unexplained: bool) {
        let team = self.0.entry(team).or_default();
        team.settled += 1;
        team.unexplained += u32::from(unexplained);
    }

    /// How much likelier than usual weak looks are today for the rest of the team; at least 1.
    pub(crate) fn weak(&self, team: u32, own: &DaySoFar, usual: f64) -> f64 {
        let Some(team) = self.0.get(&team) else { return 1.0 };
        let (looks, weak) = (team.looks.saturating_sub(own.distinct), team.weak.saturating_sub(own.weak));
        excess(f64::from(weak), f64::from(looks), usual)
    }

    /// The same for weak looks to which no ticket comes within the grace.
    pub(crate) fn unexplained(&self, team: u32, own: &DaySoFar, usual: f64) -> f64 {
        let Some(team) = self.0.get(&team) else { return 1.0 };
        let settled = team.settled.saturating_sub(own.settled);
        let unexplained = team.unexplained.saturating_sub(own.unexplained);
        excess(f64::from(unexplained), f64::from(settled), usual)
    }

    pub(crate) fn gave(&mut self, team: u32, giver: u32) {
        let team = self.0.entry(team).or_default();
        *team.given.entry(giver).or_default() += 1.0;
        team.given_in_all += 1.0;
    }

    /// The share of what this team is given that comes from `giver`.
    pub(crate) fn share(&self, team: u32, giver: u32) -> f64 {
        let Some(team) = self.0.get(&team) else { return 0.1 };
        let given = team.given.get(&giver).copied().unwrap_or_default();
        (given + 1.0) / (team.given_in_all + 10.0)
    }

    pub(crate) fn new_day(&mut self) {
        for team in self.0.values_mut() {
            (team.looks, team.weak, team.settled, team.unexplained) = (0, 0, 0, 0);
        }
    }

    /// A week has passed.
    pub(crate) fn fade(&mut self) {
        for team in self.0.values_mut() {
            team.given.retain(|_, n| {
                *n *= 0.92;
                *n > 0.1
            });
            team.given_in_all *= 0.92;
        }
    }
}

fn excess(count: f64, of: f64, usual: f64) -> f64 {
    let usual = usual.clamp(1e-6, 1.0);
    let rate = (count + WEIGHT * usual) / (of + WEIGHT);
    (rate / usual).clamp(1.0, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_befalls_the_whole_team_excuses_and_what_one_person_does_does_not() {
        let mut teams = Teams::default();
        (0..100).for_each(|i| teams.looked(1, i % 3 == 0));
        let bystander = DaySoFar::default();
        assert!(teams.weak(1, &bystander, 0.01) > 10.0);
        let alone = DaySoFar { distinct: 100, weak: 34, ..DaySoFar::default() };
        assert!(teams.weak(1, &alone, 0.01) <= 1.0 + 1e-9);
        teams.new_day();
        assert!(teams.weak(1, &bystander, 0.01) <= 1.0 + 1e-9);
    }
}
