//! A blast radius to take away: a directory with the answer and the receipts of every entry in it.
use crate::{Answer, Blast};
use ledger::Ledger;
use std::path::{Path, PathBuf};

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The directory is there already.
    #[error("{0} exists already; nothing was overwritten")]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// An entry could not be proved.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
}

/// Writes `blast-radius.csv`, `blast-radius.json`, `receipts/NNN.tlog-proof` and `README.txt` into
/// `dir`, which must not be there yet. Returns how many receipts there are.
pub fn blast_radius(_blast: &Answer<Blast>, _ledger: &Ledger, _dir: &Path) -> Result<usize, ExportError> {
    todo!()
}
