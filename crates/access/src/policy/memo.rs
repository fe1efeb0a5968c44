//! Answers of the policy, remembered. The policy of a process never changes, so an answer is good
//! as long as the staff record that it was given for.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use model::{AppId, StaffId, StaffRecord, Timestamp};

use super::{Case, Policy, Verdicts};

/// A policy with the answers it has given.
#[derive(Debug)]
pub(crate) struct Memo {
    policy: Policy,
    answers: RwLock<HashMap<StaffId, Answers>>,
}

/// The answers for one staff member as they were when they were asked about.
#[derive(Debug)]
struct Answers {
    record: StaffRecord,
    cleared: bool,
    records: HashMap<Case, Verdicts>,
    lists: HashMap<AppId, Verdicts>,
}

impl Memo {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, answers: RwLock::default() }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// [`Policy::record`] at `now`.
    pub(crate) fn record(&self, viewer: &StaffRecord, case: &Case, now: Timestamp) -> Verdicts {
        let cleared = is_cleared(viewer, now);
        self.known(viewer, cleared, |known| known.records.get(case).copied()).unwrap_or_else(|| {
            let verdicts = self.policy.record(viewer, cleared, case);
            self.learn(viewer, cleared, |known| known.records.insert(case.clone(), verdicts));
            verdicts
        })
    }

    /// [`Policy::list`] at `now`.
    pub(crate) fn list(&self, viewer: &StaffRecord, app: &AppId, now: Timestamp) -> Verdicts {
        let cleared = is_cleared(viewer, now);
        self.known(viewer, cleared, |known| known.lists.get(app).copied()).unwrap_or_else(|| {
            let verdicts = self.policy.list(viewer, cleared, app);
            self.learn(viewer, cleared, |known| known.lists.insert(app.clone(), verdicts));
            verdicts
        })
    }

    fn known(
        &self,
        viewer: &StaffRecord,
        cleared: bool,
        look_up: impl FnOnce(&Answers) -> Option<Verdicts>,
    ) -> Option<Verdicts> {
        // A map of answers is whole after every step of every writer, so poison means nothing here.
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        answers.get(&viewer.staff).filter(|known| known.is_about(viewer, cleared)).and_then(look_up)
    }

    fn learn(
        &self,
        viewer: &StaffRecord,
        cleared: bool,
        note: impl FnOnce(&mut Answers) -> Option<Verdicts>,
    ) {
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        let known = answers
            .entry(viewer.staff.clone())
            .and_modify(|known| {
                if !known.is_about(viewer, cleared) {
                    *known = Answers::about(viewer, cleared);
                }
            })
            .or_insert_with(|| Answers::about(viewer, cleared));
        note(known);
    }
}

impl Answers {
    fn about(viewer: &StaffRecord, cleared: bool) -> Self {
        Self { record: viewer.clone(), cleared, records: HashMap::new(), lists: HashMap::new() }
    }

    fn is_about(&self, viewer: &StaffRecord, cleared: bool) -> bool {
        self.cleared == cleared && self.record == *viewer
    }
}

fn is_cleared(viewer: &StaffRecord, now: Timestamp) -> bool {
    viewer.cleared_until.is_none_or(|until| now < until)
}
