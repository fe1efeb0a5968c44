//! The head store: the last published checkpoint, kept apart from the log, so that a log that was rolled
//! back (a restored backup, a lost disk) is noticed. Changed by compare-and-swap only.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{self, Disk, Readers};
use crate::error::{At, LedgerError};

/// The head store in a directory of its own, best on another disk than the log.
#[derive(Debug, Clone)]
pub(crate) struct HeadStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl HeadStore {
    /// The head store in `dir`.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.to_owned() }
    }

    /// Where the checkpoint stands.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("checkpoint")
    }

    /// Makes the store with its first checkpoint. Refuses if it has one.
    pub(crate) fn create(&self, note: &str) -> Result<(), LedgerError> {
        self.disk.create_dir(&self.dir).at("make", &self.dir)?;
        if let Some(found) = self.disk.list(&self.dir).at("list", &self.dir)?.into_iter().next() {
            return Err(LedgerError::NotEmpty { dir: self.dir.clone(), found });
        }
        self.write(note)
    }

    /// The checkpoint, as a note.
    pub(crate) fn load(&self) -> Result<String, LedgerError> {
        let path = self.path();
        match self.disk.read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(LedgerError::HeadMissing { path }),
            Err(source) => Err(LedgerError::Disk { doing: "read", path, source }),
        }
    }

    /// Puts `new` in the place of `old`, durably; an error if something else than `old` stands there.
    pub(crate) fn swap(&self, old: &str, new: &str) -> Result<(), LedgerError> {
        let lock = self.dir.join("lock");
        // Two processes only come here at once if they run on copies of one log: no need to wait long.
        let Some(_held) = self.disk.lock(&lock).at("lock", &lock)? else {
            return Err(LedgerError::Locked { path: lock });
        };
        if self.load()? != old {
            return Err(LedgerError::HeadMoved { path: self.path() });
        }
        self.write(new)
    }

    fn write(&self, note: &str) -> Result<(), LedgerError> {
        let path = self.path();
        disk::replace(&*self.disk, &path, note.as_bytes(), Readers::All).at("write", &path)
    }
}
