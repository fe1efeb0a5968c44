//! How far a worker has come with the ledger: a small file, replaced atomically, moved only when what is behind it is done
//! (for an export: when the receiver has acknowledged).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::disk::{Disk, Lock, Readers, replace};
use serde::{Deserialize, Serialize};

/// A cursor, held by the one worker that may move it.
pub struct Cursor {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    at: Position,
    _lock: Box<dyn Lock>,
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// The log's origin.
    pub(crate) origin: String,
    /// The number of the first entry that the receiver has not acknowledged.
    pub(crate) next: u64,
}

/// Why a cursor cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// Another worker has it.
    #[error("{0}: another process works with this cursor")]
    Locked(PathBuf),
    /// It belongs to another log.
    #[error(
        "{path}: this is how far somebody has come with the log {found:?}, not with this one; move it away, or, for an \
         export, give it another name"
    )]
    OtherLog {
        /// Which file.
        path: PathBuf,
        /// The log that it belongs to.
        found: String,
    },
    /// More was exported than there is.
    #[error(
        "{path}: {next} entries were exported, but the ledger has {size}: it was set back. Find out why; then \
         `sightline export replay --from N NAME` sends the entries from N on again"
    )]
    Ahead {
        /// Which file.
        path: PathBuf,
        /// Where the cursor stands.
        next: u64,
        /// How many entries there are.
        size: u64,
    },
    /// It holds something else.
    #[error("{0}: not a cursor; move it away, and its worker begins anew")]
    Malformed(PathBuf),
    /// The disk.
    #[error("{path}: {source}")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Cursor {
    /// Takes the cursor `name` in `dir`; where there is none, makes one at `begin`. `size` is how many
    /// entries there are.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        name: &str,
        origin: &str,
        begin: u64,
        size: u64,
    ) -> Result<Self, CursorError> {
        let cursor = Self::take(disk, dir, name, origin, begin)?;
        if cursor.at.next > size {
            return Err(CursorError::Ahead { path: cursor.path, next: cursor.at.next, size });
        }
        Ok(cursor)
    }

    /// The same, for whoever sets it next: it may stand anywhere.
    pub fn take(
        disk: Arc<dyn Disk>,
        dir: &Path,
        name: &str,
        origin: &str,
        begin: u64,
    ) -> Result<Self, CursorError> {
        let at = |path: &Path, source| CursorError::Disk { path: path.to_owned(), source };
        disk.create_dir(dir).map_err(|e| at(dir, e))?;
        let lock_path = dir.join(format!("{name}.lock"));
        let lock = disk.lock(&lock_path).map_err(|e| at(&lock_path, e))?;
        let lock = lock.ok_or(CursorError::Locked(lock_path))?;
        let path = path(dir, name);
        let found = Self::look(&*disk, dir, name)?;
        let is_new = found.is_none();
        let position = found.unwrap_or_else(|| Position { origin: origin.to_owned(), next: begin });
        if position.origin != origin {
            return Err(CursorError::OtherLog { path, found: position.origin });
        }
        let mut cursor = Self { disk, path, at: position, _lock: lock };
        if is_new {
            // At once, so that "now" stays where it was if nothing can be delivered for a while.
            cursor.set(begin)?;
        }
        Ok(cursor)
    }

    /// Where a cursor stands, without taking it.
    pub(crate) fn look(disk: &dyn Disk, dir: &Path, name: &str) -> Result<Option<Position>, CursorError> {
        let path = path(dir, name);
        match disk.read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(position) => Ok(Some(position)),
                Err(_) => Err(CursorError::Malformed(path)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CursorError::Disk { path, source }),
        }
    }

    /// The number of the first entry that was not acknowledged.
    pub fn next(&self) -> u64 {
        self.at.next
    }

    /// Moves it, durably. A crash before the end leaves it where it was, and the entries are sent again.
    pub fn set(&mut self, next: u64) -> Result<(), CursorError> {
        let position = Position { next, ..self.at.clone() };
        let bytes = serde_json::to_vec(&position).unwrap_or_default();
        replace(&*self.disk, &self.path, &bytes, Readers::Owner)
            .map_err(|source| CursorError::Disk { path: self.path.clone(), source })?;
        self.at = position;
        Ok(())
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("path", &self.path).field("at", &self.at).finish_non_exhaustive()
    }
}

fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.json"))
}
