//! Who works there, and when.

use std::io;

use model::{Role, Timestamp};

use super::HistorySettings;
use super::sheet::{HOUR, Sheet};
use crate::dice::Dice;

const TEAMS: usize = 20;
const EMPLOYERS: [&str; 3] = ["Larkmoor Services", "Tessel Support", "Brightwater Desk"];

/// A staff member.
#[derive(Debug, Clone)]
pub(super) struct Staff {
    pub(super) name: String,
    pub(super) role: Role,
    /// Second line: harder cases, more of high value.
    pub(super) second_line: bool,
    pub(super) team: usize,
    employer: &'static str,
    /// When their shift begins, after midnight.
    starts: u64,
    /// How many cases a shift, compared with others.
    pub(super) pace: f64,
    /// The first day.
    pub(super) joined: u32,
    weekend: bool,
    pub(super) ip: String,
}

/// Everybody.
#[derive(Debug, Clone)]
pub(super) struct Roster {
    pub(super) staff: Vec<Staff>,
}

/// A staff member's place in the roster.
pub(super) type Place = usize;

impl Roster {
    pub(super) fn new(settings: &HistorySettings) -> Self {
        let mut dice = Dice::branch(settings.seed, 7);
        let count = settings.staff.max(10) as usize;
        let teams = TEAMS.min(count / 8).max(2);
        let staff = (0..count).map(|n| {
            // 78 % first line, 12 % second line, 5 % fraud, 3 % quality, 2 % leads.
            let (role, second_line) = match n * 100 / count {
                0..78 => (Role::Agent, false),
                78..90 => (Role::Agent, true),
                90..95 => (Role::Fraud, false),
                95..98 => (Role::Qa, false),
                _ => (Role::Lead, false),
            };
            let in_house = role != Role::Agent || dice.chance(0.25);
            let starts = match dice.below(10) {
                0..=3 => 7 * HOUR,
                4..=7 => 9 * HOUR,
                8 => 13 * HOUR,
                _ => 22 * HOUR,
            };
            Staff {
                name: format!("s-{:03}", n + 1),
                role,
                second_line,
                team: n % teams,
                employer: if in_house { "in-house" } else { EMPLOYERS[n % EMPLOYERS.len()] },
                starts,
                pace: (0.25 * dice.normal()).exp(),
                joined: if settings.days > 20 && dice.chance(0.08) {
                    dice.between(5, settings.days - 1)
                } else {
                    0
                },
                weekend: dice.chance(0.25),
                ip: address(&mut dice),
            }
        });
        Self { staff: staff.collect() }
    }

    pub(super) fn introduce(&self, sheet: &mut Sheet<'_>, from: Timestamp) -> io::Result<()> {
        for s in &self.staff {
            sheet.line(&format!(
                r#"{{"kind":"staff","staff":"{}","team":"t-{}","role":"{}","employer":"{}","from":"{from}"}}"#,
                s.name, s.team, s.role, s.employer
            ))?;
        }
        Ok(())
    }

    pub(super) fn name(&self, place: Place) -> &str {
        &self.staff[place].name
    }

    /// When the shift of this day begins, after midnight; none on days off.
    pub(super) fn shift(&self, place: Place, day: u32, dice: &mut Dice) -> Option<u64> {
        let staff = &self.staff[place];
        let weekday = day % 7;
        let weekend = weekday >= 5;
        let off = if weekend { !staff.weekend } else { staff.weekend && weekday < 2 };
        if day < staff.joined || off || dice.chance(0.04) {
            return None;
        }
        // Shifts are swapped now and then.
        let starts = if dice.chance(0.03) { (staff.starts + 6 * HOUR) % (24 * HOUR) } else { staff.starts };
        Some(starts + dice.below(20 * 60_000) as u64)
    }

    /// A colleague of the same team, or of the second line.
    pub(super) fn colleague(&self, of: Place, dice: &mut Dice) -> Place {
        let team = self.staff[of].team;
        for _ in 0..20 {
            let other = dice.below(self.staff.len());
            let staff = &self.staff[other];
            if other != of && staff.role == Role::Agent && (staff.team == team || staff.second_line) {
                return other;
            }
        }
        (of + 1) % self.staff.len()
    }

    /// The lead whose team it is, or any.
    pub(super) fn lead(&self, of: Place) -> Place {
        let leads: Vec<Place> = (0..self.staff.len()).filter(|p| self.staff[*p].role == Role::Lead).collect();
        let team = self.staff[of].team;
        leads.get(team % leads.len().max(1)).copied().unwrap_or(self.staff.len() - 1)
    }
}

/// An address from a range for documentation.
pub(super) fn address(dice: &mut Dice) -> String {
    format!("198.51.{}.{}", dice.below(256), dice.between(1, 254))
}
