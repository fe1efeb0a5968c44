//! What concerns a whole team or role: hours in which tickets do not reach the log, and who gives work to whom.

use std::collections::HashMap;

use model::{Role, Timestamp};

use crate::cell::{CELLS, Cell};
use crate::clock::HOUR;

/// Looks that what is usual counts for, against what colleagues do just now.
const WEIGHT: f64 = 5.0;
/// After so long what was seen counts for half.
const HALF_LIFE: f64 = HOUR as f64;
/// While more than this of a colleague's weak looks counts, their further looks do not: what befalls everybody
/// shows in many people, and what one does does not become usual for the others.
const HEARD: f64 = 0.5;

/// How often something was seen in each cell, and how often it was to be expected; the newest counts most.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
struct Count {
    #[n(0)]
    seen: [f64; CELLS],
    #[n(1)]
    expected: [f64; CELLS],
    #[n(2)]
    at: Timestamp,
}

impl Count {
    fn fade(&mut self, now: Timestamp) {
        let by = (-(now.0.saturating_sub(self.at.0) as f64) / HALF_LIFE).exp2();
        self.seen.iter_mut().chain(&mut self.expected).for_each(|n| *n *= by);
        self.at = self.at.max(now);
    }

    fn add(&mut self, other: &Count, times: f64) {
        let mine = self.seen.iter_mut().chain(&mut self.expected);
        mine.zip(other.seen.iter().chain(&other.expected)).for_each(|(m, o)| *m = (*m + times * o).max(0.0));
    }

    /// How much more than expected was seen in `cell`; at least 1.
    fn excess(&self, cell: Cell, usual: f64) -> f64 {
        let prior = WEIGHT * usual.clamp(1e-6, 1.0);
        ((self.seen[cell as usize] + prior) / (self.expected[cell as usize] + prior)).max(1.0)
    }
}

/// Weak looks among looks, and weak looks to which no ticket came among those of which that is known.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Recent {
    #[n(0)]
    looked: Count,
    #[n(1)]
    settled: Count,
}

impl Recent {
    fn fade(&mut self, now: Timestamp) {
        self.looked.fade(now);
        self.settled.fade(now);
    }

    fn without(mut self, own: &Recent) -> Self {
        self.looked.add(&own.looked, -1.0);
        self.settled.add(&own.settled, -1.0);
        self
    }

    fn add(&mut self, other: &Recent) {
        self.looked.add(&other.looked, 1.0);
        self.settled.add(&other.settled, 1.0);
    }
}

/// Where somebody works: with whom they have outages in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) team: u32,
    pub(crate) role: Role,
}

/// What the colleagues of one person do just now.
#[derive(Debug, Clone)]
pub(crate) struct Colleagues([Recent; 2]);

impl Colleagues {
    /// How much likelier than `usual` looks of this weak cell are just now for the rest of the team or of the
    /// role; at least 1.
    pub(crate) fn weak(&self, cell: Cell, usual: f64) -> f64 {
        self.0.iter().map(|recent| recent.looked.excess(cell, usual)).fold(1.0, f64::max)
    }

    /// The same for weak looks to which no ticket comes within the grace.
    pub(crate) fn unexplained(&self, cell: Cell, usual: f64) -> f64 {
        self.0.iter().map(|recent| recent.settled.excess(cell, usual)).fold(1.0, f64::max)
    }
}

/// The teams, by number, and the roles.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Teams {
    #[n(0)]
    teams: HashMap<u32, Team>,
    #[n(1)]
    roles: [Recent; Role::ALL.len()],
}

#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
struct Team {
    #[n(0)]
    recent: Recent,
    /// How many of the tickets that this team's people were given came from whom.
    #[n(1)]
    given: HashMap<u32, f64>,
    #[n(2)]
    given_in_all: f64,
}

impl Teams {
    /// A look; `usual` are the shares of the cells for whoever looked, and `own` is what counts of theirs.
    pub(crate) fn looked(
        &mut self,
        now: Timestamp,
        place: Place,
        own: &mut Recent,
        cell: Cell,
        usual: &[f64; CELLS],
    ) {
        own.fade(now);
        if own.looked.seen.iter().sum::<f64>() > HEARD {
            return;
        }
        let mut look = Count::default();
        for weak in Cell::ALL.into_iter().filter(|c| c.is_weak()) {
            look.seen[weak as usize] = f64::from(u8::from(weak == cell));
            look.expected[weak as usize] = usual[weak as usize];
        }
        self.count(now, place, own, &Recent { looked: look, settled: Count::default() });
    }

    /// It is known of a weak look whether a ticket came; `usual` is how often none does.
    pub(crate) fn settled(
        &mut self,
        now: Timestamp,
        place: Place,
        own: &mut Recent,
        cell: Cell,
        unexplained: bool,
        usual: f64,
    ) {
        let mut look = Count::default();
        look.seen[cell as usize] = f64::from(u8::from(unexplained));
        look.expected[cell as usize] = usual;
        self.count(now, place, own, &Recent { looked: Count::default(), settled: look });
    }

    fn count(&mut self, now: Timestamp, place: Place, own: &mut Recent, look: &Recent) {
        let team = &mut self.teams.entry(place.team).or_default().recent;
        for recent in [own, team, &mut self.roles[place.role as usize]] {
            recent.fade(now);
            recent.add(look);
        }
    }

    /// What everybody else in this place does just now.
    pub(crate) fn colleagues(&self, now: Timestamp, place: Place, own: &Recent) -> Colleagues {
        let mut own = own.clone();
        own.fade(now);
        let team = self.teams.get(&place.team).map(|team| team.recent.clone()).unwrap_or_default();
        Colleagues([team, self.roles[place.role as usize].clone()].map(|mut recent| {
            recent.fade(now);
            recent.without(&own)
        }))
    }

    /// Somebody leaves their place, and takes with them what of theirs counted there.
    pub(crate) fn leave(&mut self, now: Timestamp, place: Place, own: &mut Recent) {
        let team = &mut self.teams.entry(place.team).or_default().recent;
        own.fade(now);
        for recent in [team, &mut self.roles[place.role as usize]] {
            recent.fade(now);
            *recent = std::mem::take(recent).without(own);
        }
        *own = Recent::default();
    }

    pub(crate) fn gave(&mut self, team: u32, giver: u32) {
        let team = self.teams.entry(team).or_default();
        *team.given.entry(giver).or_default() += 1.0;
        team.given_in_all += 1.0;
    }

    /// The share of what this team is given that comes from `giver`.
    pub(crate) fn share(&self, team: u32, giver: u32) -> f64 {
        let Some(team) = self.teams.get(&team) else { return 0.1 };
        let given = team.given.get(&giver).copied().unwrap_or_default();
        (given + 1.0) / (team.given_in_all + 10.0)
    }

    /// A week has passed.
    pub(crate) fn fade(&mut self) {
        for team in self.teams.values_mut() {
            team.given.retain(|_, n| {
                *n *= 0.92;
                *n > 0.1
            });
            team.given_in_all *= 0.92;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { team: 1, role: Role::Agent };
    const USUAL: [f64; CELLS] = [0.9, 0.0, 0.0, 0.0, 0.07, 0.0, 0.01, 0.01, 0.01];
    const NOW: Timestamp = Timestamp(1_772_409_600_000);

    fn look(teams: &mut Teams, own: &mut Recent, minute: u64, cell: Cell) {
        teams.looked(Timestamp(NOW.0 + minute * 60_000), PLACE, own, cell, &USUAL);
    }

    fn common(teams: &Teams, minute: u64, own: &Recent, cell: Cell) -> f64 {
        teams.colleagues(Timestamp(NOW.0 + minute * 60_000), PLACE, own).weak(cell, 0.01)
    }

    #[test]
    fn what_befalls_several_colleagues_excuses_at_once_and_in_its_own_cell_only() {
        let mut teams = Teams::default();
        let mut people = vec![Recent::default(); 6];
        for (who, own) in people.iter_mut().enumerate() {
            let cell = if who % 3 == 0 { Cell::Nothing } else { Cell::Routed };
            look(&mut teams, own, who as u64, cell);
        }
        let bystander = Recent::default();
        assert!(common(&teams, 6, &bystander, Cell::Nothing) > 15.0);
        assert!(common(&teams, 6, &bystander, Cell::SelfMade) <= 1.0);
        let elsewhere = Place { team: 2, role: Role::Qa };
        assert!(teams.colleagues(NOW, elsewhere, &bystander).weak(Cell::Nothing, 0.01) <= 1.0);
        // The day after nothing of it is left.
        assert!(common(&teams, 24 * 60, &bystander, Cell::Nothing) < 1.1);
    }

    #[test]
    fn nobody_excuses_themselves_and_a_harvest_excuses_colleagues_only_as_one_look() {
        let mut teams = Teams::default();
        let (mut alone, mut others) = (Recent::default(), vec![Recent::default(); 5]);
        for minute in 0..40 {
            look(&mut teams, &mut alone, minute, Cell::Nothing);
            look(&mut teams, &mut others[minute as usize % 5], minute, Cell::Routed);
        }
        assert!(common(&teams, 40, &alone, Cell::Nothing) <= 1.0 + 1e-9);
        assert!(common(&teams, 40, &others[0], Cell::Nothing) < 4.0, "40 weak looks of one person");
    }

    #[test]
    fn who_leaves_takes_their_looks_with_them() {
        let mut teams = Teams::default();
        let mut own = Recent::default();
        look(&mut teams, &mut own, 0, Cell::Nothing);
        assert!(common(&teams, 1, &Recent::default(), Cell::Nothing) > 5.0);
        teams.leave(NOW, PLACE, &mut own);
        assert!(common(&teams, 1, &own, Cell::Nothing) <= 1.0 + 1e-9);
    }
}
