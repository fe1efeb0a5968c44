//! Taking access away.

use ledger::Draft;
use model::Event;
use model::entry::{Actor, RevokeReason, Revoked, Target};

/// The draft of a revocation. Once it is recorded, nothing more is shown to its target (P2).
pub fn revocation(target: Target, by: Actor, reason: RevokeReason) -> Draft {
    Draft::plain(Event::Revoked(Revoked { target, by, reason }))
}
