//! What is usual: for a person, shrunk to their role; for a role, without the person in question.

use model::Role;

use crate::cell::{CELLS, Cell};
use crate::spread::Spread;

/// Looks that the role counts for in a person's baseline.
pub(crate) const ROLE_WEIGHT: f64 = 300.0;
/// Looks that the prior counts for in a role's baseline.
const PRIOR_WEIGHT: f64 = 100.0;
/// The same for rarer things: what became of looks, tiers, fields, shifts.
const RARE_WEIGHT: f64 = 40.0;
/// What the role counts for in what becomes of a person's looks.
const OUTCOME_WEIGHT: f64 = 150.0;
/// Nothing is held to be rarer than this.
const RAREST: f64 = 2e-4;
/// A person's share of a cell may exceed the role's by this factor to begin with, or more where people differ more
/// ([`Spread`](crate::spread::Spread))…
pub(crate) const HEADROOM: f64 = 2.0;
/// …and grow by this factor a week, so that nobody becomes usual by and by.
pub(crate) const GROWTH: f64 = 1.1;
/// Old weeks count less.
const FADING: f64 = 0.92;

/// How many field classes there are.
pub(crate) const FIELDS: usize = 16;

/// What became of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Nothing was done afterwards.
    pub(crate) idle: bool,
    /// A ticket came within the grace; only of weak looks.
    pub(crate) came: bool,
    /// A look at somebody to whom a ticket leads followed at once, as after a wrong hit; only of weak looks.
    pub(crate) corrected: bool,
}

impl Outcome {
    /// A number below [`OUTCOMES`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.idle) | usize::from(self.came) << 1 | usize::from(self.corrected) << 2
    }

    pub(crate) fn of(index: usize) -> Self {
        Self { idle: index & 1 != 0, came: index & 2 != 0, corrected: index & 4 != 0 }
    }
}

/// How many outcomes there are.
pub(crate) const OUTCOMES: usize = 8;

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Tally {
    /// Looks by cell.
    #[n(0)]
    pub(crate) cells: [f64; CELLS],
    /// Of these, at customers of high value.
    #[n(1)]
    pub(crate) high_value: [f64; CELLS],
    /// What became of them.
    #[n(2)]
    pub(crate) after: [[f64; OUTCOMES]; CELLS],
    /// Looks that showed this field class.
    #[n(3)]
    pub(crate) fields: [f64; FIELDS],
    /// Weak looks, and those at customers at whom somebody else had looked for a weak reason.
    #[n(4)]
    pub(crate) weak: f64,
    #[n(5)]
    pub(crate) met: f64,
    #[n(6)]
    pub(crate) shifts: f64,
    /// Customers a shift, and squares.
    #[n(7)]
    pub(crate) volume: f64,
    #[n(8)]
    pub(crate) volume_squared: f64,
    /// Rows of customers to whom no ticket leads.
    #[n(9)]
    pub(crate) strangers: f64,
    /// Shifts with exactly the budget of weak looks; with two devices at once; with a new address off hours.
    #[n(10)]
    pub(crate) signs: [f64; Sign::ALL.len()],
}

/// Something that a shift has or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// As many weak looks as the budget allows, and no more.
    AtBudget = 0,
    /// Two sessions from two addresses in turn.
    TwoDevices = 1,
    /// From an address never seen before, at an hour at which this person does not work.
    StrangeHour = 2,
}

impl Sign {
    pub(crate) const ALL: [Sign; 3] = [Sign::AtBudget, Sign::TwoDevices, Sign::StrangeHour];
    /// How often shifts have it, before anything is known.
    const PRIOR: [f64; 3] = [0.03, 0.01, 0.01];
}

impl Tally {
    /// Adds `other`, `times` over.
    pub(crate) fn add(&mut self, other: &Tally, times: f64) {
        for (mine, theirs) in self.numbers().zip(other.clone().numbers()) {
            *mine = (*mine + times * *theirs).max(0.0);
        }
    }

    /// A week has passed.
    pub(crate) fn fade(&mut self) {
        self.numbers().for_each(|n| *n *= FADING);
    }

    fn numbers(&mut self) -> impl Iterator<Item = &mut f64> {
        let scalars = [
            &mut self.weak,
            &mut self.met,
            &mut self.shifts,
            &mut self.volume,
            &mut self.volume_squared,
            &mut self.strangers,
        ];
        let rows = self.cells.iter_mut().chain(&mut self.high_value).chain(&mut self.fields);
        rows.chain(self.after.iter_mut().flatten()).chain(&mut self.signs).chain(scalars)
    }

    pub(crate) fn looks(&self) -> f64 {
        self.cells.iter().sum()
    }

    /// The share of each cell, shrunk to `towards`.
    pub(crate) fn shares(&self, towards: &[f64; CELLS], weights: &[f64; CELLS]) -> [f64; CELLS] {
        let looks = self.looks();
        std::array::from_fn(|i| (self.cells[i] + weights[i] * towards[i]) / (looks + weights[i]))
    }
}

/// How probable what is, for one person in one shift.
#[derive(Debug, Clone, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Null {
    #[n(0)]
    pub(crate) cells: [f64; CELLS],
    #[n(1)]
    pub(crate) high_value: [f64; CELLS],
    #[n(2)]
    pub(crate) after: [[f64; OUTCOMES]; CELLS],
    #[n(3)]
    pub(crate) fields: [f64; FIELDS],
    #[n(4)]
    pub(crate) met: f64,
    /// Customers a shift: negative binomial.
    #[n(5)]
    pub(crate) volume: NegBin,
    #[n(6)]
    pub(crate) strangers: NegBin,
    #[n(7)]
    pub(crate) signs: [f64; Sign::ALL.len()],
}

/// A negative binomial by mean and shape.
#[derive(Debug, Clone, Copy, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct NegBin {
    #[n(0)]
    pub(crate) mean: f64,
    #[n(1)]
    pub(crate) shape: f64,
}

impl NegBin {
    /// ln of the likelihood ratio of `times` the mean against the mean, at `count`; the shape is the same.
    pub(crate) fn ratio(self, times: f64, count: f64) -> f64 {
        let more = (self.shape + self.mean) / (self.shape + times * self.mean);
        count * (times * more).ln() + self.shape * more.ln()
    }
}

impl Null {
    /// For somebody with this baseline, among `others` of their role; no share above `limits`; before there are any,
    /// above what `spread` says of how the others differ.
    pub(crate) fn of(
        role: Role,
        own: &Tally,
        others: &Tally,
        spread: &Spread,
        limits: Option<&[f64; CELLS]>,
    ) -> Self {
        let of_role = role_shares(role, others);
        let (ceilings, weights) = (spread.ceilings(&of_role), spread.weights());
        let mut cells = own.shares(&of_role, &weights);
        for (i, share) in cells.iter_mut().enumerate() {
            let limit = limits.map_or(ceilings[i], |l| l[i].max(of_role[i]));
            *share = share.min(limit).max(RAREST);
        }
        let overall_hv = shrunk(sum(&others.high_value), others.looks(), 0.04, RARE_WEIGHT);
        let high_value = std::array::from_fn(|i| {
            let of_role = shrunk(others.high_value[i], others.cells[i], overall_hv, RARE_WEIGHT);
            let own = shrunk(own.high_value[i], own.cells[i], of_role, RARE_WEIGHT);
            own.min(HEADROOM * of_role).clamp(0.002, 0.98)
        });
        let after = std::array::from_fn(|i| {
            let prior = prior_after(Cell::ALL[i]);
            let role = distribution(&others.after[i], &prior, RARE_WEIGHT);
            let own = distribution(&own.after[i], &role, OUTCOME_WEIGHT);
            std::array::from_fn(|o| own[o].min(HEADROOM * role[o]).max(0.002))
        });
        let (looks, of_others) = (own.looks(), others.looks());
        let fields = std::array::from_fn(|i| {
            // Nothing is believed of fields before some were seen.
            let role = shrunk(others.fields[i], of_others, 0.5, 4.0);
            let own = shrunk(own.fields[i], looks, role, ROLE_WEIGHT);
            own.clamp(role / HEADROOM, role * HEADROOM).clamp(0.003, 0.997)
        });
        let role_volume = shrunk(others.volume, others.shifts, 20.0, 3.0);
        let role_strangers = shrunk(others.strangers, others.shifts, 20.0, 3.0);
        let signs = std::array::from_fn(|i| {
            let role = shrunk(others.signs[i], others.shifts, Sign::PRIOR[i], RARE_WEIGHT);
            shrunk(own.signs[i], own.shifts, role, RARE_WEIGHT).min(HEADROOM * role).clamp(0.003, 0.9)
        });
        Self {
            cells,
            high_value,
            after,
            fields,
            met: shrunk(others.met, others.weak, 0.02, RARE_WEIGHT).clamp(0.003, 0.9),
            volume: NegBin {
                mean: shrunk(own.volume, own.shifts, role_volume, 5.0).max(2.0),
                shape: shape(others),
            },
            strangers: NegBin {
                mean: shrunk(own.strangers, own.shifts, role_strangers, 10.0).max(5.0),
                shape: 0.7,
            },
            signs,
        }
    }

    /// How probable a look with this cell is while such looks are `common` times likelier for everybody.
    pub(crate) fn common(&self, cell: Cell, common: f64) -> f64 {
        (self.cells[cell as usize] * common).min(1.0)
    }

    /// How probable a look with this cell is to which no ticket comes within the grace.
    pub(crate) fn unexplained(&self, cell: Cell) -> f64 {
        let after = &self.after[cell as usize];
        let kept: f64 = (0..OUTCOMES).filter(|i| !Outcome::of(*i).came).map(|i| after[i]).sum();
        self.cells[cell as usize] * kept.min(1.0)
    }

    /// How probable a look with this cell and tier is.
    pub(crate) fn look(&self, cell: Cell, high_value: bool) -> f64 {
        let hv = self.high_value[cell as usize];
        self.cells[cell as usize] * if high_value { hv } else { 1.0 - hv }
    }
}

/// The shares of a role's looks, shrunk to what is believed before anything was seen.
pub(crate) fn role_shares(role: Role, others: &Tally) -> [f64; CELLS] {
    others.shares(&prior(role), &[PRIOR_WEIGHT; CELLS])
}

/// Before anything was seen: agents and leads work on tickets; others look for reasons of their own.
fn prior(role: Role) -> [f64; CELLS] {
    match role {
        Role::Agent | Role::Lead => [0.50, 0.15, 0.01, 0.05, 0.15, 0.06, 0.02, 0.02, 0.04],
        Role::Qa | Role::Fraud | Role::Approver | Role::Analyst | Role::Auditor | Role::Admin => {
            [0.05, 0.15, 0.02, 0.15, 0.05, 0.02, 0.12, 0.22, 0.22]
        }
    }
}

fn prior_after(cell: Cell) -> [f64; OUTCOMES] {
    let (idle, came, corrected) = if cell.is_weak() { (0.6, 0.4, 0.3) } else { (0.2, 0.0, 0.0) };
    let of = |is: bool, share: f64| if is { share } else { 1.0 - share };
    std::array::from_fn(|i| {
        let outcome = Outcome::of(i);
        of(outcome.idle, idle) * of(outcome.came, came) * of(outcome.corrected, corrected)
    })
}

fn shrunk(count: f64, of: f64, towards: f64, weight: f64) -> f64 {
    (count + weight * towards) / (of + weight)
}

fn distribution(counts: &[f64; OUTCOMES], towards: &[f64; OUTCOMES], weight: f64) -> [f64; OUTCOMES] {
    let total = sum(counts);
    std::array::from_fn(|i| shrunk(counts[i], total, towards[i], weight))
}

fn sum(numbers: &[f64]) -> f64 {
    numbers.iter().sum()
}

/// By moments; desks have shapes from 1.6 to 8, never the infinity of a Poisson.
fn shape(tally: &Tally) -> f64 {
    if tally.shifts < 20.0 {
        return 2.5;
    }
    let mean = tally.volume / tally.shifts;
    let variance = tally.volume_squared / tally.shifts - mean * mean;
    if variance > mean { (mean * mean / (variance - mean)).clamp(1.0, 8.0) } else { 8.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(cells: [f64; CELLS]) -> Tally {
        Tally { cells, ..Tally::default() }
    }

    #[test]
    fn a_person_is_measured_by_their_own_habits_shrunk_to_the_role() {
        let others = tally([9000.0, 500.0, 0.0, 0.0, 450.0, 0.0, 30.0, 10.0, 10.0]);
        let of_role = role_shares(Role::Agent, &others);
        let newcomer = Null::of(Role::Agent, &Tally::default(), &others, &Spread::default(), None);
        assert!((newcomer.cells[0] - of_role[0]).abs() < 1e-9, "a newcomer is like the role");
        let own = tally([500.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0]);
        let settled = Null::of(Role::Agent, &own, &others, &Spread::default(), None);
        assert!(settled.cells[6] > newcomer.cells[6] && settled.cells[6] < 8.0 / 508.0);
    }

    #[test]
    fn nobody_becomes_usual_beyond_the_limit() {
        let others = tally([10_000.0, 0.0, 0.0, 0.0, 0.0, 0.0, 20.0, 0.0, 20.0]);
        let own = tally([500.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 500.0]);
        let of_role = role_shares(Role::Agent, &others);
        let null = Null::of(Role::Agent, &own, &others, &Spread::default(), None);
        assert!(null.cells[8] <= HEADROOM * of_role[8] + 1e-12);
        let mut limits = of_role;
        limits[8] *= GROWTH;
        let null = Null::of(Role::Agent, &own, &others, &Spread::default(), Some(&limits));
        assert!(null.cells[8] <= GROWTH * of_role[8] + 1e-12);
    }

    #[test]
    fn adding_and_taking_away_leaves_nothing() {
        let mut a = tally([1.0; CELLS]);
        a.after[3][2] = 4.0;
        let b = a.clone();
        a.add(&b, -1.0);
        assert_eq!(a, Tally::default());
    }

    #[test]
    fn twice_the_usual_speaks_against_the_usual_and_the_usual_for_it() {
        let desk = NegBin { mean: 20.0, shape: 4.0 };
        assert!(desk.ratio(2.0, 60.0) > 0.0 && desk.ratio(2.0, 15.0) < 0.0);
    }
}
