//! What a view keeps, and how it is opened.
use crate::{Fold, Progress, Views, ViewsError};
use ledger::Ledger;
use rusqlite::Connection;
use std::path::Path;

/// Opens the view of `ledger` in `dir`, making it if there is none. A view of another version or of
/// another ledger, or one that disagrees with this ledger, is discarded and folded anew.
pub fn open(_dir: &Path, _ledger: &Ledger) -> Result<(Fold, Views), ViewsError> {
    todo!()
}

/// Discards the view in `dir` and folds the whole ledger anew.
pub fn rebuild(
    _dir: &Path,
    _ledger: &Ledger,
    _progress: impl FnMut(Progress),
) -> Result<(Fold, Views), ViewsError> {
    todo!()
}

pub(crate) fn prepare(_: &Connection) -> Result<(), ViewsError> {
    todo!()
}
