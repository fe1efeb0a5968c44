//! The check at the place where entries get their numbers (P2).

use model::entry::Why;

use crate::draft::Record;

/// Decides what gets a number, on the one commit thread, in the order of the numbers.
pub trait Admission: Send + 'static {
    /// Admits `group` (records with consecutive numbers, at least one) and absorbs all of it into the
    /// state, or says why not and leaves no trace of any of it.
    ///
    /// Admitting a group means the same as admitting its records one by one: a later record is decided
    /// against the state that the earlier ones made. `entry.time` is the time to decide by. Must be
    /// deterministic: the same records give the same state, also at replay, where each record comes as a
    /// group of its own and an opening is `None` if its customer was erased.
    fn admit(&mut self, group: &[Record]) -> Result<(), Why>;

    /// Takes back, exactly, everything that was admitted since the last [`settle`](Self::settle): its batch
    /// did not become durable, and others may have taken its numbers.
    fn undo(&mut self);

    /// Everything admitted so far is durable. Called after every batch, live and at replay, but batches may be
    /// cut elsewhere at a replay: what is tidied up here must make no difference to what is admitted later.
    fn settle(&mut self);

    /// The whole state as bytes, settled, so that a later start can [`load`](Self::load) it instead of replaying.
    /// The ledger keeps them encrypted. Once it has admitted that a customer was erased, it must not name them.
    /// `None`: this state cannot be saved.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// Becomes the state that was [saved](Self::save), and says so; or stays as it is, because these bytes are not of
    /// this version of this state. Called before anything was admitted.
    fn load(&mut self, saved: &[u8]) -> bool {
        let _ = saved;
        false
    }
}

/// Admits everything; for tools that only read, and tests.
#[derive(Debug, Default)]
pub struct AdmitAll;

impl Admission for AdmitAll {
    fn admit(&mut self, _: &[Record]) -> Result<(), Why> {
        Ok(())
    }
    fn undo(&mut self) {}
    fn settle(&mut self) {}
}
