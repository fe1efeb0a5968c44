//! Whether witnesses confirm the ledger: if they have not for too long, nothing more is shown (P9).

use model::Mode;
use model::entry::Why;

use crate::refuse::Refusal;
use crate::way::Way;

impl Way<'_> {
    /// Refuses while the witnesses are silent or contradict the ledger, unless two administrators decided otherwise.
    /// In `observe` nothing is blocked; the console says it.
    pub(crate) fn witnessed(&self) -> Result<(), Refusal> {
        let gate = self.gate;
        let now = gate.clock.now();
        let Some(closed) = gate.witnesses.closed(&gate.ledger, now) else { return Ok(()) };
        let allowed = gate.access.state().read().unwitnessed_until().is_some_and(|until| now < until);
        if allowed || self.mode() == Mode::Observe {
            return Ok(());
        }
        tracing::error!(app = %self.viewer.app, ?closed, "nothing is shown without witnesses");
        Err(Why::Unwitnessed.into())
    }
}
