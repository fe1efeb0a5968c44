//! How far the people of a role differ from each other. A role is seldom one kind of work: a second line within it sees
//! what the first line hardly ever does, and the mean of both is nobody's usual.

use model::Role;

use crate::baseline::{HEADROOM, ROLE_WEIGHT};
use crate::cell::CELLS;

/// Fewer others than this say nothing about how people differ.
const ENOUGH: f64 = 8.0;
/// A person's shares count from so many looks on.
const LOOKS: f64 = 60.0;
/// The role counts at least for so many looks.
const LEAST_WEIGHT: f64 = 60.0;
/// Standard deviations between people that are still usual.
const DEVIATIONS: f64 = 3.0;

/// Moments of the shares of one role's people; also one person's part of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Spread {
    #[n(0)]
    people: f64,
    #[n(1)]
    sum: [f64; CELLS],
    /// Squares, less what chance alone puts into them.
    #[n(2)]
    squares: [f64; CELLS],
}

impl Spread {
    /// Of one person with these looks by cell.
    pub(crate) fn of(cells: &[f64; CELLS]) -> Self {
        let looks: f64 = cells.iter().sum();
        if looks < LOOKS {
            return Self::default();
        }
        let sum = cells.map(|n| n / looks);
        Self { people: 1.0, sum, squares: sum.map(|s| s * s - s * (1.0 - s) / looks) }
    }

    pub(crate) fn add(&mut self, other: &Spread, times: f64) {
        self.people += times * other.people;
        for i in 0..CELLS {
            self.sum[i] += times * other.sum[i];
            self.squares[i] += times * other.squares[i];
        }
    }

    /// How many looks the role counts for in a person's share of each cell: few where people differ, many where they do
    /// not (the sum of the parameters of a beta distribution with these moments).
    pub(crate) fn weights(&self) -> [f64; CELLS] {
        std::array::from_fn(|i| {
            let (mean, variance) = self.moments(i);
            if self.people < ENOUGH || variance <= 0.0 || mean <= 0.0 {
                return ROLE_WEIGHT;
            }
            (mean * (1.0 - mean) / variance - 1.0).clamp(LEAST_WEIGHT, ROLE_WEIGHT)
        })
    }

    fn moments(&self, cell: usize) -> (f64, f64) {
        let mean = self.sum[cell] / self.people.max(1.0);
        (mean, (self.squares[cell] / self.people.max(1.0) - mean * mean).max(0.0))
    }

    /// Above this share of a cell nobody is held to be usual, where the role's share is `of_role`.
    pub(crate) fn ceilings(&self, of_role: &[f64; CELLS]) -> [f64; CELLS] {
        std::array::from_fn(|i| {
            let least = HEADROOM * of_role[i];
            if self.people < ENOUGH {
                return least;
            }
            let (mean, variance) = self.moments(i);
            least.max(mean + DEVIATIONS * variance.sqrt())
        })
    }
}

/// The spread of every role.
pub(crate) type Spreads = [Spread; Role::ALL.len()];

#[cfg(test)]
mod tests {
    use super::*;

    fn person(second: f64) -> [f64; CELLS] {
        let mut cells = [0.0; CELLS];
        (cells[0], cells[2]) = (1000.0 - second, second);
        cells
    }

    fn role(people: impl Iterator<Item = f64>) -> Spread {
        let mut spread = Spread::default();
        people.for_each(|second| spread.add(&Spread::of(&person(second)), 1.0));
        spread
    }

    #[test]
    fn where_people_differ_more_is_usual() {
        let alike = role((0..40).map(|_| 2.0)).ceilings(&[0.002; CELLS]);
        assert!((alike[2] - 0.004).abs() < 1e-9, "{alike:?}");
        let two_lines = role((0..40).map(|n| if n % 8 == 0 { 16.0 } else { 0.0 })).ceilings(&[0.002; CELLS]);
        assert!(two_lines[2] > 0.016, "{two_lines:?}");
        let weight = role((0..40).map(|n| if n % 8 == 0 { 16.0 } else { 0.0 })).weights()[2];
        assert!(weight < 100.0 && role((0..40).map(|_| 2.0)).weights()[2] == ROLE_WEIGHT, "{weight}");
    }

    #[test]
    fn a_few_people_say_nothing_about_how_people_differ() {
        let few = role([50.0, 0.0, 0.0, 0.0].into_iter());
        assert_eq!(few.ceilings(&[0.01; CELLS])[2], 0.02);
    }
}
