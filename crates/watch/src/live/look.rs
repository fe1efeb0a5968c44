//! What the watch knows of one person, for an entry that tells it.

use model::containment::{Contribution, Usual};
use model::{Evidence, Role, StaffId};

use super::hundredths;
use crate::cell::Cell;
use crate::finding::Weighty;
use crate::person::Person;
use crate::watch::{Options, Watch};

/// A contribution as an entry has it.
pub(super) fn of(told: &crate::finding::Contribution) -> Contribution {
    let (evidence, colleague) = (told.cell.evidence(), is_colleagues(told.cell));
    Contribution {
        entry: told.line,
        added: hundredths(told.nats),
        detector: told.detector.word().to_owned(),
        evidence,
        colleague,
        high_value: told.high_value,
        idle: told.idle,
    }
}

fn is_colleagues(cell: Cell) -> bool {
    matches!(cell, Cell::ColleagueMade | Cell::OthersCustomer)
}

pub(super) fn cell(look: &Contribution) -> Cell {
    match (look.evidence, look.colleague) {
        (Evidence::Routed, _) => Cell::Routed,
        (Evidence::Assigned, false) => Cell::Assigned,
        (Evidence::Assigned, true) => Cell::ColleagueMade,
        (Evidence::Linked, _) => Cell::Linked,
        (Evidence::Picked, _) => Cell::Picked,
        (Evidence::Contact, _) => Cell::Contact,
        (Evidence::SelfMade, _) => Cell::SelfMade,
        (Evidence::None, false) => Cell::Nothing,
        (Evidence::None, true) => Cell::OthersCustomer,
    }
}

impl Watch {
    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn set_lines(&mut self, lines: u64) {
        self.state.lines = lines;
    }

    /// The score of a person, and whether it is so low that a rung counts anew.
    pub(super) fn standing(&self, staff: &StaffId) -> Option<(f64, bool)> {
        let person = self.person(staff)?;
        let score = person.score();
        Some((score, score < 0.5 * self.options.ladder.rungs(person.role).nudge))
    }

    /// The scores of the others of a role.
    pub(super) fn scores_of(&self, staff: &StaffId, role: Role) -> Vec<f64> {
        let own = self.state.staff_names.known(staff.as_str());
        let others = self.state.people.iter().filter(|(number, _)| Some(*number) != own);
        others.filter(|(_, p)| p.role == role && p.null.is_some()).map(|(_, p)| p.score()).collect()
    }

    /// The looks that weigh, the heaviest first.
    pub(super) fn weighty(&self, staff: &StaffId) -> Vec<Contribution> {
        let Some(person) = self.person(staff) else { return Vec::new() };
        let mut weighty: Vec<&Weighty> = person.weighty.iter().collect();
        weighty.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.line.cmp(&b.line)));
        weighty.into_iter().map(|look| of(&look.told())).collect()
    }

    /// What a person is measured by.
    pub(super) fn measured_by(&self, staff: &StaffId, heaviest: Option<&Contribution>) -> Option<Usual> {
        let person = self.person(staff)?;
        let null = person.null.as_ref()?;
        let share = heaviest.map(|look| null.look(cell(look), look.high_value)).filter(|share| *share > 0.0);
        Some(Usual {
            shifts: person.own.shifts.round() as u32,
            one_in: share.map(|share| (1.0 / share).round() as u32),
            customers: null.volume.mean.round() as u32,
            rows: null.strangers.mean.round() as u32,
        })
    }

    pub(super) fn is_high_value(&self, customer: &str) -> bool {
        let known = self.state.customer_names.known(customer);
        known.is_some_and(|number| self.state.high_value.contains(&number))
    }

    pub(super) fn is_decoy(&self, customer: &str) -> bool {
        let known = self.state.customer_names.known(customer);
        known.is_some_and(|number| self.state.canaries.contains(&number))
    }

    /// Forgets which customer a number stands for: the same customer is a stranger from here on.
    pub(super) fn forget_customer(&mut self, customer: &str) {
        self.state.customer_names.forget(customer);
    }

    fn person(&self, staff: &StaffId) -> Option<&Person> {
        self.state.people.get(self.state.staff_names.known(staff.as_str())?)
    }
}
