//! The figures, and how they are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use model::{Role, Timestamp};
use serde_json::json;
use sightline_watch::Level;
use sightline_watch::calibrate::garwood;

use crate::Replayed;

/// Minutes that an honest person loses by a rung. Assumed: a fresh login; a shift at a third of the pace; two people
/// who lift a suspension.
const LOST: [(Level, f64); 3] = [(Level::StepUp, 2.0), (Level::Throttle, 30.0), (Level::Suspend, 120.0)];

/// A customer whom an insider saw.
pub(crate) struct Exposure {
    pub(crate) time: Timestamp,
    pub(crate) staff: String,
    /// Only as a row of a list.
    pub(crate) listed: bool,
}

/// Everything measured.
pub(crate) struct Table {
    seeds: Vec<u64>,
    played: BTreeMap<(&'static str, String), (String, Vec<Case>)>,
    honest: BTreeMap<(&'static str, Option<Role>), Honest>,
    lines: u64,
    took: Duration,
    notes: Vec<String>,
}

/// One insider.
struct Case {
    /// Customers seen before it; none if it was never reached.
    step_up: Option<usize>,
    suspend: Option<usize>,
}

/// A role on honest days, or everybody.
#[derive(Default)]
struct Honest {
    staff_days: u32,
    /// Days on which a rung was reached from below, by rung.
    reached: BTreeMap<Level, u32>,
}

impl Honest {
    fn per_1000(&self, count: u32) -> (f64, f64, f64) {
        let per = 1000.0 / f64::from(self.staff_days.max(1));
        let (from, to) = garwood(count);
        (per * f64::from(count), per * from, per * to)
    }

    fn minutes_lost(&self) -> f64 {
        let of = |level: &Level| f64::from(self.reached.get(level).copied().unwrap_or_default());
        let lost: f64 = LOST.iter().map(|(level, minutes)| of(level) * minutes).sum();
        1000.0 * lost / f64::from(self.staff_days.max(1))
    }
}

impl Table {
    pub(crate) fn new(seeds: &[u64]) -> Self {
        Self {
            seeds: seeds.to_vec(),
            played: BTreeMap::new(),
            honest: BTreeMap::new(),
            lines: 0,
            took: Duration::ZERO,
            notes: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub(crate) fn speed(&mut self, lines: u64, took: Duration) {
        self.lines += lines;
        self.took += took;
    }

    /// A log without insiders: every finding is false. A person counts once a day and rung.
    pub(crate) fn honest(&mut self, on: &'static str, said: &Replayed) {
        for day in said.days.iter().filter(|day| said.counts(day.day)) {
            for role in [Some(day.role), None] {
                self.honest.entry((on, role)).or_default().staff_days += 1;
            }
        }
        let mut known = BTreeSet::new();
        for finding in said.findings.iter().filter(|f| said.counts(f.time)) {
            let day = finding.time.0 / crate::DAY;
            // Whoever jumps to a rung has passed those below it.
            for level in Level::ALL.iter().copied().filter(|level| *level <= finding.level) {
                if known.insert((finding.staff.clone(), day, level)) {
                    for role in [Some(finding.role), None] {
                        *self.honest.entry((on, role)).or_default().reached.entry(level).or_default() += 1;
                    }
                }
            }
        }
    }

    /// A log with insiders: each of them is a case.
    pub(crate) fn played(
        &mut self,
        on: &'static str,
        scenario: &str,
        sentence: &str,
        exposures: &[Exposure],
        said: &Replayed,
    ) {
        let (_, cases) =
            self.played.entry((on, scenario.to_owned())).or_insert_with(|| (sentence.to_owned(), Vec::new()));
        let staff: BTreeSet<&str> = exposures.iter().map(|e| e.staff.as_str()).collect();
        for who in staff {
            let only_listed = exposures.iter().filter(|e| e.staff == who).all(|e| e.listed);
            let theirs: Vec<&Exposure> =
                exposures.iter().filter(|e| e.staff == who && e.listed == only_listed).collect();
            let begins = theirs.first().map(|e| e.time).unwrap_or_default();
            let before = |least: Level| {
                let mut theirs_too = said.findings.iter().filter(|f| f.staff.as_str() == who);
                let reached = theirs_too.find(|f| f.level >= least && f.time >= begins)?;
                Some(theirs.iter().filter(|e| e.time <= reached.time).count())
            };
            cases.push(Case { step_up: before(Level::StepUp), suspend: before(Level::Suspend) });
        }
    }

    fn lines_per_second(&self) -> f64 {
        self.lines as f64 / self.took.as_secs_f64().max(1e-9)
    }

    pub(crate) fn to_json(&self) -> String {
        let played = self.played.iter().map(|((on, scenario), (_, cases))| {
            let (step_up, suspend) = (quantiles(cases, |c| c.step_up), quantiles(cases, |c| c.suspend));
            json!({
                "on": on, "scenario": scenario, "cases": cases.len(),
                "step_up": step_up.json(), "suspend": suspend.json(),
            })
        });
        let honest = self.honest.iter().map(|((on, role), of)| {
            let reached: BTreeMap<&str, u32> = of.reached.iter().map(|(l, n)| (l.word(), *n)).collect();
            json!({
                "on": on, "role": role.map(|r| r.word()), "staff_days": of.staff_days, "reached": reached,
                "minutes_lost_per_1000": of.minutes_lost(),
            })
        });
        json!({
            "seeds": self.seeds,
            "scenarios": played.collect::<Vec<_>>(),
            "honest": honest.collect::<Vec<_>>(),
            "lines_per_second": self.lines_per_second(),
            "notes": self.notes,
        })
        .to_string()
    }
}

struct Quantiles {
    median: Option<usize>,
    p90: Option<usize>,
    found: f64,
}

impl Quantiles {
    fn json(&self) -> serde_json::Value {
        json!({ "median": self.median, "p90": self.p90, "found": self.found })
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<usize>| n.map_or("never".to_owned(), |n| n.to_string());
        write!(f, "{:>6} {:>6} {:>5.0} %", number(self.median), number(self.p90), 100.0 * self.found)
    }
}

/// Those who were never found count as the largest.
fn quantiles(cases: &[Case], of: impl Fn(&Case) -> Option<usize>) -> Quantiles {
    let mut all: Vec<Option<usize>> = cases.iter().map(of).collect();
    all.sort_by_key(|n| n.unwrap_or(usize::MAX));
    let at =
        |share: f64| all.get(((all.len().max(1) - 1) as f64 * share).round() as usize).copied().flatten();
    let found = all.iter().flatten().count();
    Quantiles { median: at(0.5), p90: at(0.9), found: found as f64 / all.len().max(1) as f64 }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Customers exposed before each rung (seeds {:?})\n", self.seeds)?;
        writeln!(f, "{:<62} {:<21}   suspension", "", "step-up")?;
        writeln!(f, "{:<10} {:<45} {:>5}", "on", "scenario", "cases")?;
        writeln!(f, "{:<62} median    p90   found   median    p90   found", "")?;
        for ((on, scenario), (sentence, cases)) in &self.played {
            let (step_up, suspend) = (quantiles(cases, |c| c.step_up), quantiles(cases, |c| c.suspend));
            let scenario = format!("{scenario} {sentence}");
            writeln!(f, "{on:<10} {scenario:<45.45} {:>5} {step_up}   {suspend}", cases.len())?;
        }
        writeln!(
            f,
            "\nFalse findings for 1,000 staff-days (95 % interval), and minutes that honest people lose\n"
        )?;
        writeln!(
            f,
            "{:<10} {:<10} {:>10}   {:<22} {:<22} minutes",
            "on", "role", "staff-days", "step-ups", "suspensions"
        )?;
        for ((on, role), of) in &self.honest {
            let per = |level: Level| {
                let (rate, from, to) = of.per_1000(of.reached.get(&level).copied().unwrap_or_default());
                format!("{rate:.1} ({from:.1} to {to:.1})")
            };
            let role = role.map_or("everybody", |role| role.word());
            writeln!(
                f,
                "{on:<10} {role:<10} {:>10}   {:<22} {:<22} {:.0}",
                of.staff_days,
                per(Level::StepUp),
                per(Level::Suspend),
                of.minutes_lost()
            )?;
        }
        if self.lines > 0 {
            writeln!(
                f,
                "\n{} lines replayed on one core, {:.0} a second",
                self.lines,
                self.lines_per_second()
            )?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}
