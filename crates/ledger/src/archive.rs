//! Reading a ledger's records while another process has it open.

use std::path::Path;
use std::sync::Arc;

use crate::books::read;
use crate::draft::Record;
use crate::error::LedgerError;
use crate::journal::JournalReader;
use crate::journal::postgres::aside;
use crate::layout::Layout;
use crate::options::Options;
use crate::receipt::LogVerifier;
use crate::store::Store;
use crate::vault::Vault;

/// A ledger as it was when this was opened, to read from. Takes no lock and writes no entry.
#[derive(Debug)]
pub struct Archive {
    journal: Arc<dyn JournalReader>,
    vault: Vault,
    verifier: LogVerifier,
    size: u64,
}

impl Archive {
    /// Opens the ledger in `dir`, or the one in the database that the options name, for reading, with the right to read
    /// its keys.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, LedgerError> {
        aside(|| Self::open_here(dir, options))
    }

    fn open_here(dir: &Path, options: &Options) -> Result<Self, LedgerError> {
        let disk = &*options.disk;
        let layout = Layout::new(dir, options);
        layout.check(disk)?;
        let (signer, master) = (layout.read_signing_key(disk)?, layout.read_master_key(disk)?);
        let verifier = LogVerifier::new(signer.public().clone());
        let store = Store::open(options, &layout, &signer, &master)?;
        let vault = store.vault(&layout, &master, options)?;
        let (journal, size) = store.read_only(&layout, options)?;
        Ok(Self { journal, vault, verifier, size })
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Up to `limit` records from number `from` on.
    pub fn read(&self, from: u64, limit: usize) -> Result<Vec<Record>, LedgerError> {
        read(&*self.journal, &self.vault, from, limit)
    }

    /// What receipts of this log verify with.
    pub fn verifier(&self) -> &LogVerifier {
        &self.verifier
    }
}
