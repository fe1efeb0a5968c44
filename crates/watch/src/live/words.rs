//! A finding in plain sentences, made from its entry. A lead, not a verdict.

use model::Finding;
use model::containment::Contribution;

use super::look::cell;
use crate::detector::Detector;

/// What a finding says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What was odd.
    pub odd: String,
    /// Against what.
    pub against: String,
    /// What would make it innocent.
    pub innocent_if: &'static str,
}

impl Words {
    /// The words for a finding.
    pub fn of(finding: &Finding) -> Self {
        let detector = detector(&finding.detector);
        let sentence = detector.map_or("something that this version has no words for", Detector::sentence);
        let customers = match finding.exposed {
            1 => "1 customer".to_owned(),
            n => format!("{n} customers"),
        };
        let odd = match detector {
            Some(Detector::Canary) if finding.exposed == 0 => {
                "A decoy customer came up in a list or search; it was not opened.".to_owned()
            }
            _ => format!("Unusual: {sentence}, over {customers}."),
        };
        Self {
            odd,
            against: against(finding, detector),
            innocent_if: detector.map_or("a reason that nobody has written down yet", Detector::innocent_if),
        }
    }
}

fn against(finding: &Finding, detector: Option<Detector>) -> String {
    let usual = &finding.usual;
    let whose = match usual.shifts {
        0 => format!("what is usual for the role {} (this person is new to it)", finding.role),
        1 => format!("1 shift of this person and what is usual for the role {}", finding.role),
        n => format!("{n} shifts of this person and what is usual for the role {}", finding.role),
    };
    let rate = match (detector, usual.one_in) {
        (Some(Detector::Volume), _) => format!(": about {} customers a shift", usual.customers),
        (Some(Detector::Listing), _) => format!(": about {} such rows a shift", usual.rows),
        (Some(Detector::Canary), _) => ": no ticket leads to a decoy".to_owned(),
        (Some(Detector::Purpose | Detector::HighValue | Detector::Convergence), Some(n)) => {
            format!(": of their looks, about 1 in {n} is like the heaviest of these")
        }
        (_, _) => String::new(),
    };
    format!("Against {whose}{rate}.")
}

/// What a look was, in words. No customer is named.
pub fn contribution(look: &Contribution) -> String {
    match detector(&look.detector) {
        Some(Detector::Canary) => "a decoy customer".to_owned(),
        Some(Detector::Listing) => "a row of a customer to whom no ticket of theirs leads".to_owned(),
        _ => {
            let value = if look.high_value { " of high value" } else { "" };
            let idle = if look.idle { "; nothing was done afterwards" } else { "" };
            format!("a look at a customer{value} {}{idle}", cell(look).sentence())
        }
    }
}

fn detector(word: &str) -> Option<Detector> {
    Detector::ALL.into_iter().find(|detector| detector.word() == word)
}
