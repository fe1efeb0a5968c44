//! The ladder applied to a replay: which looks would not have happened.

use std::collections::HashMap;

use model::entry::Action;
use model::{StaffId, Timestamp};
use serde::Serialize;

use crate::clock::MINUTE;
use crate::finding::Finding;
use crate::ladder::Level;
use crate::line::AccessLine;

/// Under throttle one record in so long.
const THROTTLED: u64 = 3 * MINUTE;

/// Who is contained, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Containment {
    by: HashMap<String, Held>,
}

#[derive(Debug, Clone)]
struct Held {
    level: Level,
    last: Timestamp,
    report: Contained,
}

/// What containment came to for one person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contained {
    /// A pseudonym.
    pub staff: StaffId,
    /// The rungs, with the time and the customers exposed before each.
    pub rungs: Vec<Rung>,
    /// Looks and rows that were not shown any more.
    pub held_back: u64,
}

/// A rung that was reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rung {
    /// Which.
    pub level: Level,
    /// When.
    pub time: Timestamp,
    /// Customers seen in the looks that led to it.
    pub exposed: u32,
    /// Customers seen by then in all.
    pub seen: u32,
}

impl Containment {
    /// Whether a look still happens. After a suspension nothing does; under throttle one record in three
    /// minutes does. Nudge and step-up let a person go on who answers them.
    pub fn admits(&mut self, line: &AccessLine<'_>) -> bool {
        let Some(held) = self.by.get_mut(&*line.staff) else { return true };
        let is_view = matches!(line.action, Action::View | Action::Export);
        let admitted = match held.level {
            Level::Nudge | Level::StepUp => true,
            Level::Throttle => !is_view || line.time.0 >= held.last.0 + THROTTLED,
            Level::Suspend | Level::Revoke => false,
        };
        match admitted {
            true if is_view => held.last = line.time,
            true => {}
            false => held.report.held_back += 1,
        }
        admitted
    }

    /// Takes a finding in. A rung counts once for a person.
    pub fn apply(&mut self, finding: &Finding) {
        let held = self.by.entry(finding.staff.as_str().to_owned()).or_insert_with(|| Held {
            level: finding.level,
            last: Timestamp(0),
            report: Contained { staff: finding.staff.clone(), rungs: Vec::new(), held_back: 0 },
        });
        held.level = held.level.max(finding.level);
        // Whoever jumps to a rung has passed those below it at the same moment.
        for level in Level::ALL.iter().copied().filter(|l| *l <= finding.level) {
            if !held.report.rungs.iter().any(|r| r.level == level) {
                let Finding { time, exposed, seen, .. } = *finding;
                held.report.rungs.push(Rung { level, time, exposed, seen });
            }
        }
    }

    /// For each person, by pseudonym.
    pub fn report(&self) -> Vec<Contained> {
        let mut all: Vec<Contained> = self.by.values().map(|held| held.report.clone()).collect();
        all.sort_by(|a, b| a.staff.cmp(&b.staff));
        all
    }
}
