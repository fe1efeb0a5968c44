//! Whether witnesses confirm the ledger: if they have not for too long, nothing more is shown (P9).

use model::entry::Why;
use model::{Mode, Timestamp};

use crate::refuse::Refusal;
use crate::way::Way;

impl Way<'_> {
    /// Refuses while the witnesses are silent or contradict the ledger.
    pub(crate) fn witnessed(&self) -> Result<(), Refusal> {
        let gate = self.gate;
        let now = gate.clock.now();
        let Some(closed) = gate.witnesses.closed(&gate.ledger, now) else { return Ok(()) };
        let allowed_until = gate.access.state().read().unwitnessed_until();
        if goes_on(self.mode(), allowed_until, now) {
            return Ok(());
        }
        tracing::error!(app = %self.viewer.app, ?closed, "nothing is shown without witnesses");
        Err(Why::Unwitnessed.into())
    }
}

/// In `observe` nothing is blocked, and the console says it; otherwise it takes what two administrators decided.
fn goes_on(mode: Mode, allowed_until: Option<Timestamp>, now: Timestamp) -> bool {
    mode == Mode::Observe || allowed_until.is_some_and(|until| now < until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_witnesses_only_observe_and_the_decision_of_two_go_on_and_the_latter_ends() {
        let at = Timestamp;
        assert!(!goes_on(Mode::Enforce, None, at(5)));
        assert!(goes_on(Mode::Observe, None, at(5)));
        assert!(goes_on(Mode::Enforce, Some(at(6)), at(5)));
        assert!(!goes_on(Mode::Enforce, Some(at(5)), at(5)));
        assert!(!goes_on(Mode::Enforce, Some(at(4)), at(5)));
    }
}
