//! The rungs of containment that are in force, by the auditor's own rules.

use std::collections::HashMap;

use model::{Contained, Level, Lifted, StaffId};

use super::fold::Breach;

/// Who is contained, on which rung, by which entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Rungs {
    held: HashMap<StaffId, (Level, u64)>,
}

impl Rungs {
    /// A rung is in force.
    pub(super) fn contain(&mut self, index: u64, e: &Contained) {
        self.held.insert(e.staff.clone(), (e.level, index));
    }

    /// One person lifts a rung: not a suspension.
    pub(super) fn lift(&mut self, e: &Lifted) -> Result<(), Breach> {
        match self.held.remove(&e.staff) {
            Some((level, by)) if level >= Level::Suspend => {
                Err(Breach::LiftedAlone { staff: e.staff.clone(), by })
            }
            _ => Ok(()),
        }
    }

    /// Two have confirmed that it be lifted.
    pub(super) fn lift_confirmed(&mut self, staff: &StaffId) {
        self.held.remove(staff);
    }

    /// Whether this person may be shown anything.
    pub(super) fn admits(&self, staff: &StaffId) -> Result<(), Breach> {
        match self.held.get(staff) {
            Some((level, by)) if level.closes() => Err(Breach::Contained { staff: staff.clone(), by: *by }),
            _ => Ok(()),
        }
    }
}
