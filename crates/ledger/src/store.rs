//! Where a ledger's journal and its customers' keys are: both in files, or both in a database.

use std::sync::Arc;

use crate::database::Database;
use crate::error::{DatabaseError, LedgerError};
use crate::journal::postgres::{self, DatabaseKeys, Owner, PgJournal, PgLease, Reader, Session};
use crate::journal::{BatchVisitor, FileJournal, Journal, JournalReader, Place};
use crate::layout::Layout;
use crate::note::SignerKey;
use crate::options::Options;
use crate::publication::{Alone, Publication};
use crate::vault::{MasterKey, Vault};

/// Where the journal and the keys are.
pub(crate) enum Store {
    /// In the ledger's directory.
    Files,
    /// In a database that this log has claimed.
    Database(Arc<Reader>),
}

impl Store {
    /// Whether the place that the options name can be had by this log.
    pub(crate) fn open(
        options: &Options,
        layout: &Layout,
        signer: &SignerKey,
        master: &MasterKey,
    ) -> Result<Self, LedgerError> {
        let has_files = layout.has_journal(&*options.disk);
        match &options.database {
            None if has_files => Ok(Self::Files),
            None => Err(LedgerError::JournalElsewhere { dir: layout.journal() }),
            Some(_) if has_files => Err(LedgerError::JournalHere { dir: layout.journal() }),
            Some(database) => {
                let mut session = Session::new(database.clone())?;
                postgres::check(&mut session)?;
                postgres::claim(&mut session, &owner(signer, master))?;
                Ok(Self::Database(Reader::start(database, options.patience)?))
            }
        }
    }

    /// The keys.
    pub(crate) fn vault(
        &self,
        layout: &Layout,
        master: &MasterKey,
        options: &Options,
    ) -> Result<Vault, LedgerError> {
        let entropy = options.entropy.clone();
        match self {
            Self::Files => Vault::open(&layout.customer_keys(), master, entropy),
            Self::Database(reader) => {
                let keys = DatabaseKeys(reader.clone());
                Ok(Vault::new(Box::new(keys), layout.master_key(), master, entropy))
            }
        }
    }

    /// A reader of the journal as it is, and how many entries that has.
    pub(crate) fn read_only(
        &self,
        layout: &Layout,
        options: &Options,
    ) -> Result<(Arc<dyn JournalReader>, u64), LedgerError> {
        match self {
            Self::Files => {
                let mut size = 0;
                let place = Place::new(options.disk.clone(), layout.journal(), layout.public());
                let (journal, _) = FileJournal::read_only(place, 0, &mut |batch| {
                    size = batch.end();
                    Ok(())
                })?;
                Ok((journal, size))
            }
            Self::Database(reader) => Ok((reader.clone(), reader.size()?)),
        }
    }

    /// Who publishes.
    pub(crate) fn publication(&self, options: &Options) -> Result<Box<dyn Publication>, LedgerError> {
        Ok(match self {
            Self::Files => Box::new(Alone),
            Self::Database(reader) => {
                Box::new(PgLease::new(reader.database(), &options.node, options.lease, &options.entropy)?)
            }
        })
    }

    /// Opens the journal and shows `visitor` every batch; with `known` entries known, those that end at or behind them
    /// at the least. `promised` entries were published.
    pub(crate) fn journal(
        &self,
        layout: &Layout,
        options: &Options,
        known: u64,
        promised: u64,
        visitor: &mut BatchVisitor<'_>,
    ) -> Result<Box<dyn Journal>, LedgerError> {
        Ok(match self {
            Self::Files => {
                let place = Place::new(options.disk.clone(), layout.journal(), layout.public());
                Box::new(FileJournal::open(place, options.segment_bytes, known, promised, visitor)?)
            }
            Self::Database(reader) => {
                let (session, entropy) = (Session::new(reader.database().clone())?, options.entropy.clone());
                Box::new(PgJournal::open(session, reader.clone(), entropy, options.patience, known, visitor)?)
            }
        })
    }
}

/// Whether a database that a new node names can be had by its log. Before anything is written: fresh keys are of no
/// use in a database that has others.
pub(crate) fn may_begin(
    database: &Database,
    signer: &SignerKey,
    master: &MasterKey,
) -> Result<(), LedgerError> {
    let mut session = Session::new(database.clone())?;
    postgres::check(&mut session)?;
    let ours = owner(signer, master);
    match postgres::owner(&mut session)? {
        Some(theirs) if theirs != ours => {
            let (at, ours) = (database.to_string(), ours.vkey);
            Err(DatabaseError::Owner { at, found: theirs.vkey, ours }.into())
        }
        _ => Ok(()),
    }
}

fn owner(signer: &SignerKey, master: &MasterKey) -> Owner {
    Owner { vkey: signer.public().to_string(), master: master.check_value() }
}
