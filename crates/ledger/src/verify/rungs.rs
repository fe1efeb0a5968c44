//! The rungs of containment that are in force, by the auditor's own rules.

use std::collections::HashMap;

use model::{Contained, Level, LiftReason, Lifted, Reauthenticated, SessionId, StaffId, Timestamp};

use super::fold::Breach;

/// Who is contained.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Rungs {
    held: HashMap<StaffId, Rung>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Rung {
    level: Level,
    /// The entry that put it in force, and when.
    by: u64,
    since: Timestamp,
    /// The session in which they have logged in afresh since.
    fresh: Option<SessionId>,
}

impl Rungs {
    /// A rung is in force.
    pub(super) fn contain(&mut self, index: u64, e: &Contained, now: Timestamp) {
        let rung = Rung { level: e.level, by: index, since: now, fresh: None };
        self.held.insert(e.staff.clone(), rung);
    }

    /// A fresh login. One that was asked for before the rung proves nothing.
    pub(super) fn prove(&mut self, e: &Reauthenticated) {
        if let Some(rung) = self.held.get_mut(&e.staff).filter(|rung| rung.since <= e.asked) {
            rung.fresh = Some(e.session);
        }
    }

    /// One person lifts a rung: never a suspension; their own only as far as it asks something of them that they did.
    pub(super) fn lift(&mut self, e: &Lifted) -> Result<(), Breach> {
        let Some(rung) = self.held.remove(&e.staff) else { return Ok(()) };
        let (staff, by) = (e.staff.clone(), rung.by);
        let answered = match (rung.level, e.reason) {
            (Level::Nudge, LiftReason::Answered) => true,
            (Level::StepUp, LiftReason::SteppedUp) => rung.fresh == Some(e.session) && e.purpose.is_some(),
            _ => false,
        };
        if rung.level >= Level::Suspend {
            Err(Breach::LiftedAlone { staff, by })
        } else if e.by == e.staff && !answered {
            Err(Breach::Unanswered { staff, by })
        } else {
            Ok(())
        }
    }

    /// Two have confirmed that it be lifted.
    pub(super) fn lift_confirmed(&mut self, staff: &StaffId) {
        self.held.remove(staff);
    }

    /// Whether this person may be shown anything.
    pub(super) fn admits(&self, staff: &StaffId) -> Result<(), Breach> {
        self.admits_below(staff, Level::closes)
    }

    /// Whether this person may have a say about others.
    pub(super) fn admits_to_decide(&self, staff: &StaffId) -> Result<(), Breach> {
        self.admits_below(staff, |level| level >= Level::Suspend)
    }

    fn admits_below(&self, staff: &StaffId, closes: impl Fn(Level) -> bool) -> Result<(), Breach> {
        match self.held.get(staff) {
            Some(rung) if closes(rung.level) => Err(Breach::Contained { staff: staff.clone(), by: rung.by }),
            _ => Ok(()),
        }
    }
}
