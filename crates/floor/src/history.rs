//! A floor's past as an access log: ordinary days with everything odd that honest people do, and insiders
//! among them. The log says nothing of who is who; the truth is told apart.
//!
//! The parameters follow published figures of real desks where there are any, and are assumptions where
//! there are none; `docs/detection.md` says which. Whoever watches must know neither this module nor its
//! scenarios.

mod customers;
mod day;
mod insiders;
mod oddities;
mod sheet;
mod staff;

use std::io::{self, Write};

use model::{StaffId, Timestamp};
use serde::Serialize;

pub use insiders::{Insider, Scenario};

use crate::dice::Dice;
use customers::Customers;
use sheet::Sheet;
use staff::Roster;

/// A past to make up.
#[derive(Debug, Clone)]
pub struct HistorySettings {
    /// What the dice are thrown from.
    pub seed: u64,
    /// How many staff.
    pub staff: u32,
    /// How many customers.
    pub customers: u32,
    /// How many days.
    pub days: u32,
    /// The first day.
    pub from: Timestamp,
    /// Who misuses their access, and how.
    pub insiders: Vec<Insider>,
    /// Decoys among the customers.
    pub canaries: u32,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self {
            seed: 1,
            staff: 400,
            customers: 1_000_000,
            days: 60,
            // Monday, 5 January 2026.
            from: Timestamp(1_767_571_200_000),
            insiders: Vec::new(),
            canaries: 0,
        }
    }
}

/// What really happened.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Truth {
    /// The seed.
    pub seed: u64,
    /// Each insider scenario that was played.
    pub insiders: Vec<Played>,
    /// Every customer whom an insider saw without need, at each first time.
    pub exposures: Vec<Exposure>,
    /// Staff members and days with at least one look.
    pub staff_days: u64,
    /// Lines in the log.
    pub lines: u64,
    /// Looks in the log, rows of lists not counted.
    pub looks: u64,
}

/// A scenario and who played it.
#[derive(Debug, Clone, Serialize)]
pub struct Played {
    /// Which.
    pub scenario: Scenario,
    /// By whom; the hub first.
    pub staff: Vec<StaffId>,
    /// The first day of it.
    pub begins: Timestamp,
}

/// A customer seen without need.
#[derive(Debug, Clone, Serialize)]
pub struct Exposure {
    /// When.
    pub time: Timestamp,
    /// By whom.
    pub staff: StaffId,
    /// Whom.
    pub customer: String,
    /// Only as a row in a list.
    pub listed: bool,
}

/// Writes the log, and says what really happened. `progress` is told each finished day.
pub fn write(
    settings: &HistorySettings,
    out: &mut dyn Write,
    mut progress: impl FnMut(u32),
) -> io::Result<Truth> {
    let customers = Customers::new(settings);
    let roster = Roster::new(settings);
    let mut truth = Truth { seed: settings.seed, ..Truth::default() };
    let cast = insiders::cast(settings, &roster);
    for (insider, staff) in &cast {
        truth.insiders.push(Played {
            scenario: insider.scenario,
            staff: staff.iter().map(|s| StaffId::new(roster.name(*s))).collect(),
            begins: day_begins(settings, insider.begins),
        });
    }
    let mut sheet = Sheet::new(out);
    roster.introduce(&mut sheet, settings.from)?;
    customers.introduce(&mut sheet)?;
    let mut world = day::World::new(settings, customers, roster);
    for day in 0..settings.days {
        let begins = day_begins(settings, day);
        let mut dice = Dice::branch(settings.seed, 10_000 + u64::from(day));
        world.begin(day, begins, &mut dice);
        world.work(&mut sheet, &mut dice);
        oddities::happen(&world, &mut sheet, &mut dice);
        for (n, (insider, staff)) in cast.iter().enumerate() {
            let part = 50_000 + u64::from(day) * 1000 + n as u64;
            let mut dice = Dice::branch(settings.seed, part);
            insiders::play(insider, staff, &world, &mut sheet, &mut dice);
        }
        truth.staff_days += world.at_work();
        sheet.flush_until(Timestamp(begins.0 + sheet::DAY))?;
        progress(day + 1);
    }
    sheet.flush_until(Timestamp(u64::MAX))?;
    (truth.lines, truth.looks) = (sheet.lines, sheet.looks);
    truth.exposures = std::mem::take(&mut sheet.exposures);
    truth.exposures.sort_by_key(|e| e.time);
    let mut known = std::collections::HashSet::new();
    truth.exposures.retain(|e| known.insert((e.staff.clone(), e.customer.clone(), e.listed)));
    Ok(truth)
}

fn day_begins(settings: &HistorySettings, day: u32) -> Timestamp {
    Timestamp(settings.from.0 + u64::from(day) * sheet::DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(insiders: Vec<Insider>) -> HistorySettings {
        HistorySettings { seed: 3, staff: 60, customers: 20_000, days: 14, insiders, ..Default::default() }
    }

    fn told(settings: &HistorySettings) -> (String, Truth) {
        let mut log = Vec::new();
        let truth = write(settings, &mut log, |_| {}).unwrap();
        (String::from_utf8(log).unwrap(), truth)
    }

    #[test]
    fn the_same_seed_gives_the_same_past() {
        let (a, b) = (told(&small(vec![])), told(&small(vec![])));
        assert!(a.0 == b.0);
        let other = HistorySettings { seed: 4, ..small(vec![]) };
        assert!(told(&other).0 != a.0);
    }

    #[test]
    fn lines_come_in_time_order_and_are_json_of_the_four_kinds() {
        let (log, truth) = told(&small(vec![]));
        let mut last = String::new();
        let mut kinds = std::collections::BTreeMap::<String, u64>::new();
        for line in log.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            *kinds.entry(value["kind"].as_str().unwrap().to_owned()).or_default() += 1;
            if let Some(time) = value["time"].as_str() {
                assert!(*time >= *last, "{line} after {last}");
                time.clone_into(&mut last);
            }
        }
        assert_eq!(
            kinds.keys().map(String::as_str).collect::<Vec<_>>(),
            ["access", "customer", "staff", "ticket"]
        );
        assert_eq!(kinds.values().sum::<u64>(), truth.lines);
        assert!(truth.exposures.is_empty(), "nobody does wrong");
        let looks_a_day = truth.looks as f64 / truth.staff_days as f64;
        assert!((15.0..35.0).contains(&looks_a_day), "{looks_a_day}");
    }

    #[test]
    fn every_scenario_is_played_and_told_apart_from_the_log() {
        for scenario in Scenario::ALL {
            let insider = Insider { scenario: *scenario, begins: 7, rate: None };
            let (log, truth) = told(&small(vec![insider]));
            assert!(!truth.exposures.is_empty(), "{scenario:?}");
            assert!(truth.exposures.iter().all(|e| e.time >= truth.insiders[0].begins), "{scenario:?}");
            assert!(truth.exposures.iter().all(|e| truth.insiders[0].staff.contains(&e.staff)));
            assert!(!log.contains("insider") && !log.contains("scenario"));
        }
    }

    #[test]
    fn what_others_do_does_not_depend_on_the_insider() {
        let insider = Insider { scenario: Scenario::K1, begins: 7, rate: None };
        let (with, truth) = told(&small(vec![insider]));
        let (without, _) = told(&small(vec![]));
        let who = format!("\"{}\"", truth.insiders[0].staff[0]);
        let others = |log: &str| {
            log.lines()
                .filter(|l| l.contains("\"access\"") && !l.contains(&who))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(others(&with), others(&without));
    }
}
