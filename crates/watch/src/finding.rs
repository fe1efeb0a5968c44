//! What is told: a finding in plain sentences. A lead, not a verdict.

use model::{Role, StaffId, Timestamp};
use serde::Serialize;

use crate::cell::Cell;
use crate::detector::{DETECTORS, Detector};
use crate::ladder::Level;
use crate::person::Person;

/// Evidence against "works as always" has reached a rung.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// When it could be known.
    pub time: Timestamp,
    /// About whom; a pseudonym.
    pub staff: StaffId,
    /// Which rung.
    pub level: Level,
    /// ln of the averaged e-value.
    pub score: f64,
    /// What weighs most.
    pub detector: Detector,
    /// Their role.
    pub role: Role,
    /// Customers seen in the looks that the score is made of.
    pub exposed: u32,
    /// Customers whom this person has seen, as far as the log goes back.
    pub seen: u32,
    /// What was odd.
    pub odd: String,
    /// Against what.
    pub against: String,
    /// What would make it innocent.
    pub innocent_if: &'static str,
    /// The looks that weigh most, the heaviest first; at most three.
    pub contributions: Vec<Contribution>,
}

impl Finding {
    pub(crate) fn tell(time: Timestamp, staff: StaffId, level: Level, person: &Person) -> Self {
        let (parts, score) = (&person.parts, person.score());
        let heaviest = (0..DETECTORS).max_by(|a, b| parts[*a].total_cmp(&parts[*b])).unwrap_or_default();
        let detector = Detector::ALL[heaviest];
        let mut weighty: Vec<&Weighty> = person.weighty.iter().collect();
        weighty.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.line.cmp(&b.line)));
        let contributions: Vec<Contribution> = weighty.iter().take(3).map(|w| w.told()).collect();
        let (exposed, seen) = (person.exposed.len() as u32, person.seen.len() as u32);
        Self {
            time,
            staff,
            level,
            score,
            detector,
            role: person.role,
            exposed,
            seen,
            odd: odd(detector, exposed, weighty.first().copied()),
            against: against(detector, person, weighty.first().copied()),
            innocent_if: detector.innocent_if(),
            contributions,
        }
    }
}

impl Finding {
    /// A decoy came up in somebody's list or search.
    pub(crate) fn listed_canary(time: Timestamp, staff: StaffId, person: &Person, look: &Weighty) -> Self {
        Self {
            time,
            staff,
            level: Level::Nudge,
            score: person.score(),
            detector: Detector::Canary,
            role: person.role,
            exposed: 0,
            seen: person.seen.len() as u32,
            odd: "Unusual: a decoy customer came up in a list or search; it was not opened.".to_owned(),
            against: "Against nothing: no ticket leads to a decoy, and few searches find one.".to_owned(),
            innocent_if: Detector::Canary.innocent_if(),
            contributions: vec![look.told()],
        }
    }
}

fn odd(detector: Detector, exposed: u32, heaviest: Option<&Weighty>) -> String {
    let customers = if exposed == 1 { "1 customer".to_owned() } else { format!("{exposed} customers") };
    let look = heaviest.map(|w| format!("; the heaviest: {}", w.told().what)).unwrap_or_default();
    format!("Unusual: {}, over {customers}{look}.", detector.sentence())
}

fn against(detector: Detector, person: &Person, heaviest: Option<&Weighty>) -> String {
    let Some(null) = &person.null else { return String::new() };
    let (role, shifts) = (person.role, person.own.shifts.round());
    let whose = if shifts < 1.0 {
        format!("what is usual for the role {role} (this person is new to it)")
    } else {
        format!("{shifts} shifts of this person and what is usual for the role {role}")
    };
    let rate = match (detector, heaviest) {
        (Detector::Volume, _) => format!(": about {:.0} customers a shift", null.volume.mean),
        (Detector::Listing, _) => format!(": about {:.0} such rows a shift", null.strangers.mean),
        (Detector::Purpose | Detector::HighValue | Detector::Convergence, Some(look)) => {
            let share = null.look(look.cell, look.high_value);
            format!(": of their looks, about 1 in {:.0} is like the heaviest of these", 1.0 / share)
        }
        (_, _) => String::new(),
    };
    format!("Against {whose}{rate}.")
}

/// A look that weighs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// The number of its line in the log.
    pub line: u64,
    /// When.
    pub time: Timestamp,
    /// How much it added to the score, in nats.
    pub nats: f64,
    /// To what.
    pub detector: Detector,
    /// What it was, in words. No customer is named.
    pub what: String,
    /// How it is explained.
    #[serde(skip)]
    pub cell: Cell,
    /// A customer of high value.
    #[serde(skip)]
    pub high_value: bool,
    /// Nothing was done afterwards.
    #[serde(skip)]
    pub idle: bool,
}

/// A person's day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StaffDay {
    /// Midnight UTC at its beginning.
    #[serde(serialize_with = "date")]
    pub day: Timestamp,
    /// Who; a pseudonym.
    pub staff: StaffId,
    /// Their role.
    pub role: Role,
    /// The score before the first look.
    pub before: f64,
    /// The highest of the day.
    pub highest: f64,
    /// The score at the end.
    pub score: f64,
    /// Looks, rows of lists not counted.
    pub looks: u32,
}

fn date<S: serde::Serializer>(day: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(day.to_string().get(..10).unwrap_or_default())
}

/// What comes out.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A finding.
    Finding(Box<Finding>),
    /// A day is over.
    Day(StaffDay),
}

/// A contribution as it is kept until somebody asks.
#[derive(Debug, Clone, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Weighty {
    #[n(0)]
    pub(crate) line: u64,
    #[n(1)]
    pub(crate) time: Timestamp,
    #[n(2)]
    pub(crate) nats: f64,
    #[n(3)]
    pub(crate) detector: Detector,
    #[n(4)]
    pub(crate) cell: Cell,
    #[n(5)]
    pub(crate) high_value: bool,
    #[n(6)]
    pub(crate) idle: bool,
}

impl Weighty {
    pub(crate) fn told(&self) -> Contribution {
        let value = if self.high_value { " of high value" } else { "" };
        let idle = if self.idle { "; nothing was done afterwards" } else { "" };
        Contribution {
            line: self.line,
            time: self.time,
            nats: self.nats,
            detector: self.detector,
            what: match self.detector {
                Detector::Canary => "a decoy customer".to_owned(),
                Detector::Listing => "a row of a customer to whom no ticket of theirs leads".to_owned(),
                _ => format!("a look at a customer{value} {}{idle}", self.cell.sentence()),
            },
            cell: self.cell,
            high_value: self.high_value,
            idle: self.idle,
        }
    }
}
