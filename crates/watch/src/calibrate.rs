//! Where the rungs have to stand so that so many findings are false, by an installation's own history.
//!
//! The history is taken to be innocent; what it holds of misuse makes the thresholds higher than needed.
//! Weeks are drawn with replacement, because days of one week are alike (a busy week, an outage), and the
//! upper end of a 90 % interval counts.

use std::collections::{BTreeMap, HashMap};

use model::{Role, StaffId};
use serde::Serialize;

use crate::clock::{DAY, WEEK};
use crate::finding::StaffDay;
use crate::ladder::{Ladder, Rungs};

/// Days that a person's own baseline needs first.
const SETTLING: u64 = 14 * DAY;
/// Draws of weeks.
const DRAWS: usize = 400;
/// Fewer staff-days than this say nothing about a role of its own; it gets what everybody gets.
const ENOUGH: usize = 1000;
/// Fewer weeks cannot be drawn from.
const ENOUGH_WEEKS: usize = 4;

/// How many findings in 1,000 staff-days may be false.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Nudges and step-ups.
    pub step_up: f64,
    /// Suspensions.
    pub suspend: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { step_up: 6.0, suspend: 1.0 }
    }
}

/// The history of an installation, day by day.
#[derive(Debug, Default)]
pub struct History {
    days: Vec<Day>,
    first: HashMap<StaffId, u64>,
}

#[derive(Debug, Clone, Copy)]
struct Day {
    week: u64,
    role: Role,
    before: f64,
    highest: f64,
}

/// What a threshold would have cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Price {
    /// The threshold, in nats.
    pub threshold: f64,
    /// Findings in the history.
    pub findings: u32,
    /// For 1,000 staff-days.
    pub per_1000: f64,
    /// An exact 95 % interval (Garwood) of that.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
}

/// What calibration says of a role, or of everybody.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibrated {
    /// None: everybody.
    pub role: Option<Role>,
    /// Staff-days it rests on.
    pub staff_days: usize,
    /// Weeks it rests on.
    pub weeks: usize,
    /// Where the rungs have to stand; none if no threshold is high enough.
    pub rungs: Option<Rungs>,
    /// The price of each choice.
    pub prices: Vec<Price>,
}

impl History {
    /// Takes a day in. A person's first two weeks do not count.
    pub fn take(&mut self, day: &StaffDay) {
        let first = *self.first.entry(day.staff.clone()).or_insert(day.day.0);
        if day.day.0 >= first + SETTLING {
            let StaffDay { role, before, highest, .. } = *day;
            self.days.push(Day { week: day.day.0 / WEEK, role, before, highest });
        }
    }

    /// For everybody and for every role of which there is enough.
    pub fn calibrate(&self, rates: Rates) -> Vec<Calibrated> {
        let mut all = vec![of(&self.days, None, rates)];
        for role in Role::ALL {
            let days: Vec<Day> = self.days.iter().copied().filter(|d| d.role == *role).collect();
            if days.len() >= ENOUGH && days.len() < self.days.len() {
                all.push(of(&days, Some(*role), rates));
            }
        }
        all
    }
}

/// Sets the rungs by the first days of a log, while it is read.
#[derive(Debug)]
pub struct BurnIn {
    days: u64,
    rates: Rates,
    history: History,
    first: Option<u64>,
}

impl BurnIn {
    /// So many days, and how many findings may be false afterwards.
    pub fn new(days: u32, rates: Rates) -> Self {
        Self { days: u64::from(days), rates, history: History::default(), first: None }
    }

    /// Takes a day in. Some when the burn-in is over with this day: the ladder, or none if it was too short.
    pub fn take(&mut self, day: &StaffDay) -> Option<Option<Ladder>> {
        let first = *self.first.get_or_insert(day.day.0);
        if day.day.0 < first + self.days * DAY {
            self.history.take(day);
            return None;
        }
        Some(ladder(&self.history.calibrate(self.rates)))
    }
}

/// The ladder that a calibration asks for; none if it rests on too little.
pub fn ladder(calibrated: &[Calibrated]) -> Option<Ladder> {
    let default = calibrated.iter().find(|c| c.role.is_none())?.rungs?;
    let role: BTreeMap<Role, Rungs> = calibrated.iter().filter_map(|c| Some((c.role?, c.rungs?))).collect();
    Some(Ladder { default, role })
}

fn of(days: &[Day], role: Option<Role>, rates: Rates) -> Calibrated {
    let mut weeks: BTreeMap<u64, Vec<Day>> = BTreeMap::new();
    days.iter().for_each(|day| weeks.entry(day.week).or_default().push(*day));
    let weeks: Vec<Vec<Day>> = weeks.into_values().collect();
    let grid: Vec<f64> = (0..=112).map(|i| 2.0 + 0.25 * f64::from(i)).collect();
    let upper = if weeks.len() >= ENOUGH_WEEKS { Some(upper_ends(&weeks, &grid)) } else { None };
    let at = |rate: f64| {
        let upper = upper.as_ref()?;
        grid.iter().zip(upper).find(|(_, upper)| **upper <= rate).map(|(threshold, _)| *threshold)
    };
    let rungs = at(rates.step_up)
        .zip(at(rates.suspend))
        .map(|(step_up, suspend)| Rungs::from_calibrated(step_up, suspend));
    let prices = grid.iter().step_by(4).take(14).map(|threshold| price(days, *threshold)).collect();
    Calibrated { role, staff_days: days.len(), weeks: weeks.len(), rungs, prices }
}

fn crosses(day: &Day, threshold: f64) -> bool {
    day.before < threshold && threshold <= day.highest
}

fn price(days: &[Day], threshold: f64) -> Price {
    let findings = days.iter().filter(|day| crosses(day, threshold)).count() as u32;
    let per = 1000.0 / (days.len().max(1)) as f64;
    let (from, to) = garwood(findings);
    Price { threshold, findings, per_1000: f64::from(findings) * per, from: from * per, to: to * per }
}

/// For each threshold the rate (for 1,000 staff-days) below which nine draws in ten stay.
fn upper_ends(weeks: &[Vec<Day>], grid: &[f64]) -> Vec<f64> {
    let counts: Vec<(usize, Vec<u32>)> = weeks
        .iter()
        .map(|week| {
            let at = |t: &f64| week.iter().filter(|day| crosses(day, *t)).count() as u32;
            (week.len(), grid.iter().map(at).collect())
        })
        .collect();
    let mut chance = 1u64;
    let mut rates: Vec<Vec<f64>> = vec![Vec::with_capacity(DRAWS); grid.len()];
    for _ in 0..DRAWS {
        let drawn: Vec<usize> = (0..weeks.len()).map(|_| below(&mut chance, weeks.len())).collect();
        let days: usize = drawn.iter().map(|w| counts[*w].0).sum();
        for (i, rates) in rates.iter_mut().enumerate() {
            let found: u32 = drawn.iter().map(|w| counts[*w].1[i]).sum();
            rates.push(1000.0 * f64::from(found) / days.max(1) as f64);
        }
    }
    rates
        .into_iter()
        .map(|mut of| {
            of.sort_by(f64::total_cmp);
            of[DRAWS * 9 / 10]
        })
        .collect()
}

/// SplitMix64: the same history gives the same thresholds.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
}

/// The exact 95 % interval of a Poisson mean (Garwood 1936), by bisection on the distribution; for large counts
/// by the approximation of Wilson and Hilferty, which is then as good.
pub fn garwood(count: u32) -> (f64, f64) {
    if count > 300 {
        let cube = |n: f64, z: f64| n * (1.0 - 1.0 / (9.0 * n) + z / (3.0 * n.sqrt())).powi(3);
        return (cube(f64::from(count), -1.96), cube(f64::from(count) + 1.0, 1.96));
    }
    let at_most = |count: u32, mean: f64| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=count {
            term *= mean / f64::from(k);
            sum += term;
        }
        sum
    };
    let solve = |probability: &dyn Fn(f64) -> f64, goal: f64| {
        let (mut low, mut high) = (0.0, 10.0 + 3.0 * f64::from(count));
        for _ in 0..80 {
            let mid = 0.5 * (low + high);
            if probability(mid) > goal { low = mid } else { high = mid }
        }
        0.5 * (low + high)
    };
    let upper = solve(&|mean| at_most(count, mean), 0.025);
    let lower = if count == 0 { 0.0 } else { solve(&|mean| at_most(count - 1, mean), 0.975) };
    (lower, upper)
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    fn day(n: u64, staff: u32, highest: f64) -> StaffDay {
        let staff = StaffId::new(format!("s-{staff}"));
        let day = Timestamp(n * DAY);
        StaffDay { day, staff, role: Role::Agent, before: 0.0, highest, score: 0.0, looks: 20 }
    }

    #[test]
    fn the_exact_interval_agrees_with_tables() {
        let (low, high) = garwood(0);
        assert!(low == 0.0 && (high - 3.689).abs() < 0.001);
        let (low, high) = garwood(10);
        assert!((low - 4.795).abs() < 0.001 && (high - 18.390).abs() < 0.001);
    }

    #[test]
    fn thresholds_keep_the_rates_that_were_asked_for() {
        let mut history = History::default();
        // Of a thousand staff-days 20 reach 5 nats, and 2 reach 9.
        for n in 0..84u64 {
            for staff in 0..50u32 {
                let i = n * 50 + u64::from(staff);
                let highest = if i % 500 == 3 {
                    9.1
                } else if i % 50 == 7 {
                    5.1
                } else {
                    0.3
                };
                history.take(&day(n, staff, highest));
            }
        }
        let calibrated = history.calibrate(Rates::default());
        assert_eq!(calibrated[0].staff_days, 70 * 50);
        let rungs = ladder(&calibrated).expect("twelve weeks are enough").default;
        assert!(rungs.step_up > 5.1 && rungs.step_up <= 5.5, "{rungs:?}");
        assert!(rungs.suspend > 9.1 && rungs.suspend <= 9.5, "{rungs:?}");
    }

    #[test]
    fn too_little_history_gives_no_ladder() {
        let mut history = History::default();
        (0..20).for_each(|n| history.take(&day(n, 1, 0.1)));
        assert!(ladder(&history.calibrate(Rates::default())).is_none());
    }
}
