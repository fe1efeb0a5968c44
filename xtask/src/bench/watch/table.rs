//! The figures, and how they are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::json;

use super::{Exposure, Replayed};

const LEVELS: [&str; 5] = ["nudge", "step_up", "throttle", "suspend", "revoke"];

/// Everything measured.
pub(super) struct Table {
    seeds: Vec<u64>,
    played: BTreeMap<(String, String), Vec<Case>>,
    honest: BTreeMap<(String, String), Honest>,
    notes: Vec<String>,
}

/// One insider.
struct Case {
    /// Customers seen before it; none if it was never reached.
    step_up: Option<usize>,
    suspend: Option<usize>,
    exposed: usize,
}

/// A role on honest days.
#[derive(Default)]
struct Honest {
    staff_days: u64,
    findings: BTreeMap<String, u64>,
}

impl Table {
    pub(super) fn new(seeds: &[u64]) -> Self {
        Self { seeds: seeds.to_vec(), played: BTreeMap::new(), honest: BTreeMap::new(), notes: Vec::new() }
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// A log without insiders: every finding is false.
    pub(super) fn honest(&mut self, on: &str, replayed: &Replayed) {
        for (role, days) in &replayed.staff_days {
            self.honest.entry((on.to_owned(), role.clone())).or_default().staff_days += days;
        }
        for [_, staff, level, _] in &replayed.findings {
            let role = replayed.roles.get(staff).cloned().unwrap_or_default();
            let of = self.honest.entry((on.to_owned(), role)).or_default();
            *of.findings.entry(level.clone()).or_default() += 1;
        }
    }

    /// A log with insiders: each of them is a case.
    pub(super) fn played(&mut self, on: &str, scenario: &str, exposures: &[Exposure], replayed: &Replayed) {
        let cases = self.played.entry((on.to_owned(), scenario.to_owned())).or_default();
        let staff: BTreeSet<&str> = exposures.iter().map(|e| e.staff.as_str()).collect();
        for who in staff {
            let only_listed = exposures.iter().filter(|e| e.staff == who).all(|e| e.listed);
            let theirs: Vec<&Exposure> =
                exposures.iter().filter(|e| e.staff == who && e.listed == only_listed).collect();
            let begins = theirs.first().map(|e| e.time.as_str()).unwrap_or_default();
            let before = |least: usize| {
                let reached = replayed.findings.iter().find(|[time, staff, level, _]| {
                    let level = LEVELS.iter().position(|l| l == level).unwrap_or_default();
                    staff == who && level >= least && time.as_str() >= begins
                })?;
                Some(theirs.iter().filter(|e| e.time <= reached[0]).count())
            };
            cases.push(Case { step_up: before(1), suspend: before(3), exposed: theirs.len() });
        }
    }

    pub(super) fn to_json(&self) -> String {
        let played = self.played.iter().map(|((on, scenario), cases)| {
            let (step_up, suspend) = (quantiles(cases, |c| c.step_up), quantiles(cases, |c| c.suspend));
            json!({ "on": on, "scenario": scenario, "cases": cases.len(), "step_up": step_up.json(), "suspend": suspend.json() })
        });
        let honest = self.honest.iter().map(|((on, role), of)| {
            json!({ "on": on, "role": role, "staff_days": of.staff_days, "findings": of.findings })
        });
        json!({
            "seeds": self.seeds,
            "scenarios": played.collect::<Vec<_>>(),
            "honest": honest.collect::<Vec<_>>(),
            "notes": self.notes,
        })
        .to_string()
    }
}

struct Quantiles {
    median: Option<usize>,
    p90: Option<usize>,
    detected: f64,
}

impl Quantiles {
    fn json(&self) -> serde_json::Value {
        json!({ "median": self.median, "p90": self.p90, "detected": self.detected })
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<usize>| n.map_or("never".to_owned(), |n| n.to_string());
        write!(f, "{:>6} {:>6} {:>5.0} %", number(self.median), number(self.p90), 100.0 * self.detected)
    }
}

/// Those who were never found count as the largest.
fn quantiles(cases: &[Case], of: impl Fn(&Case) -> Option<usize>) -> Quantiles {
    let mut all: Vec<Option<usize>> = cases.iter().map(of).collect();
    all.sort_by_key(|n| n.unwrap_or(usize::MAX));
    let at =
        |share: f64| all.get(((all.len().max(1) - 1) as f64 * share).round() as usize).copied().flatten();
    let found = all.iter().flatten().count();
    Quantiles { median: at(0.5), p90: at(0.9), detected: found as f64 / all.len().max(1) as f64 }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Customers exposed before each rung (seeds {:?})\n", self.seeds)?;
        writeln!(
            f,
            "{:<10} {:<9} {:>5} {:>9}   {:<21}   suspension",
            "on", "scenario", "cases", "exposed", "step-up"
        )?;
        writeln!(f, "{:<36}   median    p90  found   median    p90  found", "")?;
        for ((on, scenario), cases) in &self.played {
            let exposed: usize = cases.iter().map(|c| c.exposed).sum();
            let (step_up, suspend) = (quantiles(cases, |c| c.step_up), quantiles(cases, |c| c.suspend));
            writeln!(f, "{on:<10} {scenario:<9} {:>5} {exposed:>9}   {step_up}   {suspend}", cases.len())?;
        }
        writeln!(f, "\nFalse findings for 1,000 staff-days, by role\n")?;
        writeln!(
            f,
            "{:<10} {:<9} {:>10} {}",
            "on",
            "role",
            "staff-days",
            LEVELS.map(|l| format!("{l:>9}")).join("")
        )?;
        for ((on, role), of) in &self.honest {
            let per = |level: &&str| {
                let count = of.findings.get(*level).copied().unwrap_or_default();
                format!("{:>9.2}", 1000.0 * count as f64 / of.staff_days.max(1) as f64)
            };
            writeln!(
                f,
                "{on:<10} {role:<9} {:>10} {}",
                of.staff_days,
                LEVELS.iter().map(per).collect::<String>()
            )?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}
