//! The state between the commit thread, which writes, and the deciders, who read.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ledger::{Admission, Record};
use model::entry::Why;

use super::State;

/// The state, shared between the commit thread (which writes) and the deciders (who read).
#[derive(Debug, Clone, Default)]
pub struct SharedState(pub Arc<RwLock<State>>);

impl SharedState {
    /// The state as it is now.
    ///
    /// Had the commit thread ended in a panic, its last write might be half done. To read it does no
    /// harm: nothing is shown without an entry, and no entry is admitted any more.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission for SharedState {
    fn admit(&mut self, group: &[Record]) -> Result<(), Why> {
        self.0.write().map_err(|_| Why::LedgerUnavailable)?.admit(group)
    }

    // Only a panic of the commit thread poisons the lock, and then nothing is admitted any more.
    fn undo(&mut self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).undo();
    }

    fn settle(&mut self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).settle();
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(self.read().save())
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        let Some(state) = State::load(saved) else { return false };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
        true
    }
}

impl people::Registered for SharedState {
    fn with_register(&self, f: &mut dyn FnMut(&people::Register)) {
        f(&self.read().people);
    }
}
