//! Which file of a ledger is where.
//!
//! ```text
//! format        which version of this layout; written last, so its presence says that the rest is there
//! lock          held by the process that has the ledger open
//! log.key       the signing key (0600)      log.vkey    its public half, for auditors
//! master.key    what customer keys are wrapped with (0600)
//! keys.db       customer keys, one for each customer and month, unless they are in a database
//! journal/      the truth, unless it is in a database
//! snapshot/     what replaying the journal comes to; may be removed while nothing runs
//! head/         the last published checkpoint, unless it is configured to be elsewhere
//! public/       a whole C2SP log as static files: checkpoint, tile/…
//! ```

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::books::Published;
use crate::disk::{Disk, Readers, replace};
use crate::error::{At, LedgerError};
use crate::note::SignerKey;
use crate::options::Options;
use crate::receipt::LogVerifier;
use crate::vault::MasterKey;

/// What the file `format` says.
pub(crate) const FORMAT: &str = "sightline ledger 3\n";
/// The version without compacted segments. It is read, and becomes this one when the ledger is opened.
const UNCOMPACTED: &str = "sightline ledger 2\n";

/// The paths of a ledger.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    dir: PathBuf,
    head: PathBuf,
}

impl Layout {
    pub(crate) fn new(dir: &Path, options: &Options) -> Self {
        let head = options.head.clone().unwrap_or_else(|| dir.join("head"));
        Self { dir: dir.to_owned(), head }
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.dir.join("format")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(crate) fn signing_key(&self) -> PathBuf {
        self.dir.join("log.key")
    }

    pub(crate) fn vkey(&self) -> PathBuf {
        self.dir.join("log.vkey")
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        self.dir.join("master.key")
    }

    pub(crate) fn customer_keys(&self) -> PathBuf {
        self.dir.join("keys.db")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.dir.join("snapshot")
    }

    /// Whether the journal is in files here.
    pub(crate) fn has_journal(&self, disk: &dyn Disk) -> bool {
        disk.list(&self.journal()).is_ok()
    }

    pub(crate) fn head(&self) -> PathBuf {
        self.head.clone()
    }

    pub(crate) fn public(&self) -> PathBuf {
        self.dir.join("public")
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.public().join("checkpoint")
    }

    /// The checkpoint that was given out last, if it is one of this log and not later than what was published.
    pub(crate) fn given(&self, disk: &dyn Disk, log: &LogVerifier, published: &Published) -> Published {
        let read = || {
            let note = String::from_utf8(disk.read(&self.checkpoint()).ok()?).ok()?;
            let size = log.checkpoint(&note).ok()?.size;
            (size <= published.size).then(|| Published { size, note: note.into() })
        };
        // Only a copy: where it is missing or damaged, what was published takes its place.
        read().unwrap_or_else(|| published.clone())
    }

    /// Whether there is a ledger of this version.
    pub(crate) fn check(&self, disk: &dyn Disk) -> Result<(), LedgerError> {
        let path = self.format();
        let found = self.read(disk, &path, "format")?;
        if *found != FORMAT && *found != UNCOMPACTED {
            return Err(LedgerError::Format {
                path,
                found: found.trim_end().to_owned(),
                known: FORMAT.trim_end(),
            });
        }
        Ok(())
    }

    /// Says that the ledger is of this version, before anything is written that the one before cannot read.
    pub(crate) fn renew(&self, disk: &dyn Disk) -> Result<(), LedgerError> {
        let path = self.format();
        if *self.read(disk, &path, "format")? == FORMAT {
            return Ok(());
        }
        replace(disk, &path, FORMAT.as_bytes(), Readers::All).at("write", &path)
    }

    pub(crate) fn read_signing_key(&self, disk: &dyn Disk) -> Result<SignerKey, LedgerError> {
        let path = self.signing_key();
        let text = self.read(disk, &path, "log.key")?;
        SignerKey::from_text(&text).map_err(|why| LedgerError::Key { path, why: why.to_string() })
    }

    pub(crate) fn read_master_key(&self, disk: &dyn Disk) -> Result<MasterKey, LedgerError> {
        let path = self.master_key();
        let text = self.read(disk, &path, "master.key")?;
        let why = || "it is not 64 hexadecimal digits".to_owned();
        MasterKey::from_text(&text).ok_or_else(|| LedgerError::Key { path, why: why() })
    }

    fn read(
        &self,
        disk: &dyn Disk,
        path: &Path,
        name: &'static str,
    ) -> Result<Zeroizing<String>, LedgerError> {
        match disk.read(path) {
            Ok(bytes) => Ok(Zeroizing::new(String::from_utf8_lossy(&Zeroizing::new(bytes)).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(LedgerError::NotALedger { dir: self.dir.clone(), missing: name })
            }
            Err(source) => Err(source).at("read", path),
        }
    }
}
