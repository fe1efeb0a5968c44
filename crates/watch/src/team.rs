//! What concerns a whole team or role: hours in which tickets do not reach the log, and who gives work to whom.

use model::{Role, Timestamp};

use crate::baseline::Null;
use crate::cell::Cell;
use crate::givers::Givers;
use crate::load::Load;
use crate::numbers::NumberMap;
use crate::outage::{Deaf, Part, Signal, Told};

/// What the looks of one team or role say of an outage, at once and later.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
struct Signals(#[n(0)] [Signal; 2]);

/// What somebody's own looks have to do with that.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Recent {
    #[n(0)]
    in_team: [Part; 2],
    #[n(1)]
    in_role: [Part; 2],
    #[n(2)]
    deaf: Deaf,
}

/// Where somebody works: with whom they have outages in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) team: u32,
    pub(crate) role: Role,
}

/// The teams, by number, and the roles.
#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Teams {
    #[n(0)]
    teams: NumberMap<Team>,
    #[n(1)]
    roles: [Signals; Role::ALL.len()],
    #[n(2)]
    loads: [Load; Role::ALL.len()],
}

#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
struct Team {
    #[n(0)]
    signals: Signals,
    /// From whom this team's people are given their tickets.
    #[n(1)]
    givers: Givers,
    #[n(2)]
    load: Load,
}

impl Teams {
    /// A look of somebody to whom `own` and `null` belong, and the weak cell that it shows.
    pub(crate) fn see(
        &mut self,
        now: Timestamp,
        place: Place,
        own: &mut Recent,
        told: Told,
        cell: Option<Cell>,
        null: &Null,
    ) {
        if own.deaf.hears(now, told, cell) {
            let team = &mut self.teams.entry(place.team).or_default().signals;
            let at = told as usize;
            team.0[at].see(now, &mut own.in_team[at], told, cell, null);
            self.roles[place.role as usize].0[at].see(now, &mut own.in_role[at], told, cell, null);
        }
    }

    /// How many times likelier than usual a look of this weak cell is just now, by what everybody else in the team or in
    /// the role shows; at least 1.
    pub(crate) fn excess(
        &self,
        now: Timestamp,
        place: Place,
        own: &Recent,
        told: Told,
        cell: Cell,
        null: &Null,
    ) -> f64 {
        let at = told as usize;
        let of_role = self.roles[place.role as usize].0[at].excess(now, &own.in_role[at], told, cell, null);
        match self.teams.get(&place.team) {
            Some(team) => of_role.max(team.signals.0[at].excess(now, &own.in_team[at], told, cell, null)),
            None => of_role,
        }
    }

    /// Somebody's shift has `own` customers now, and had `before`.
    pub(crate) fn worked(&mut self, place: Place, before: Load, own: Load) {
        for load in
            [&mut self.teams.entry(place.team).or_default().load, &mut self.loads[place.role as usize]]
        {
            load.add(before, -1.0);
            load.add(own, 1.0);
        }
    }

    /// How busy everybody else in this place is today.
    pub(crate) fn load(&self, place: Place, own: Load) -> f64 {
        let team = self.teams.get(&place.team).map(|team| team.load.factor(own)).unwrap_or(1.0);
        team.max(self.loads[place.role as usize].factor(own))
    }

    /// A new day.
    pub(crate) fn end_day(&mut self) {
        self.teams.values_mut().for_each(|team| team.load = Load::default());
        self.loads = Default::default();
    }

    pub(crate) fn gave(&mut self, team: u32, giver: u32) {
        self.teams.entry(team).or_default().givers.gave(giver, 1.0);
    }

    /// Who gives this team its work.
    pub(crate) fn givers(&self, team: u32) -> TeamShare<'_> {
        TeamShare(self.teams.get(&team).map(|team| &team.givers))
    }

    /// A week has passed.
    pub(crate) fn fade(&mut self) {
        self.teams.values_mut().for_each(|team| team.givers.fade());
    }
}

/// The shares of those who give a team its work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TeamShare<'a>(Option<&'a Givers>);

impl TeamShare<'_> {
    /// The share of what this team is given that comes from `giver`.
    pub(crate) fn share(self, giver: u32) -> f64 {
        self.0.map_or(0.1, |givers| givers.of_team(giver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Tally;
    use crate::spread::Spread;

    const PLACE: Place = Place { team: 1, role: Role::Agent };
    const NOW: Timestamp = Timestamp(1_772_409_600_000);

    fn null() -> Null {
        let mut null = Null::of(Role::Agent, &Tally::default(), &Tally::default(), &Spread::default(), None);
        null.cells = [0.9, 0.0, 0.0, 0.0, 0.07, 0.0, 0.01, 0.01, 0.01];
        null
    }

    fn look(teams: &mut Teams, own: &mut Recent, minute: u64, cell: Cell) {
        let now = Timestamp(NOW.0 + minute * 60_000);
        teams.see(now, PLACE, own, Told::AtOnce, Some(cell), &null());
    }

    fn common(teams: &Teams, minute: u64, own: &Recent, cell: Cell) -> f64 {
        teams.excess(Timestamp(NOW.0 + minute * 60_000), PLACE, own, Told::AtOnce, cell, &null())
    }

    #[test]
    fn what_befalls_several_colleagues_excuses_at_once_and_in_its_own_way_only() {
        let mut teams = Teams::default();
        let mut people = vec![Recent::default(); 6];
        // A morning as usual, and then an outage.
        for minute in 0..60 {
            look(&mut teams, &mut people[minute as usize % 6], minute, Cell::Routed);
        }
        let bystander = Recent::default();
        assert!(common(&teams, 60, &bystander, Cell::Nothing) < 1.1);
        for (who, own) in people.iter_mut().enumerate() {
            let cell = if who % 3 == 0 { Cell::Nothing } else { Cell::Routed };
            look(&mut teams, own, 60 + who as u64, cell);
        }
        assert!(common(&teams, 66, &bystander, Cell::Nothing) > 1.5);
        assert!(common(&teams, 66, &bystander, Cell::SelfMade) < 1.2);
        let elsewhere = Place { team: 2, role: Role::Qa };
        let excess = teams.excess(NOW, elsewhere, &bystander, Told::AtOnce, Cell::Nothing, &null());
        assert!(excess < 1.2);
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
        assert!(common(&teams, 40, &alone, Cell::Nothing) < 1.3);
        assert!(common(&teams, 40, &others[0], Cell::Nothing) < 2.0, "40 weak looks of one person");
    }

    #[test]
    fn nobodys_own_look_is_their_excuse() {
        let mut teams = Teams::default();
        let mut own = Recent::default();
        look(&mut teams, &mut own, 0, Cell::Nothing);
        assert!(common(&teams, 1, &own, Cell::Nothing) < 1.3);
        assert!(common(&teams, 1, &Recent::default(), Cell::Nothing) > 2.0);
    }
}
