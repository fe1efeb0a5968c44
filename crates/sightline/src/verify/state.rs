//! What an auditor keeps of a log: the checkpoint that was verified last, and what the rules need to go on from it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ledger::LogVerifier;
use ledger::verify::{Fold, Kept};
use model::{Clock, Digest, SystemClock};
use serde::{Deserialize, Serialize};

/// What the file says first. A later version that keeps more says another word.
const FORMAT: &str = "sightline verified 2";

#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    /// The key that the checkpoint verifies with.
    vkey: String,
    #[serde(flatten)]
    kept: Kept,
}

/// Where it is kept.
pub(super) enum Keeper {
    In { file: PathBuf, vkey: String },
    Nowhere(State),
}

/// What became of the state.
pub(super) enum State {
    /// Written there.
    Kept(PathBuf),
    /// There is no place for it.
    NoPlace,
    /// It is not wanted.
    NotAsked,
    /// The log is not good, and what was kept of it stays as it is.
    Unchanged,
}

impl Keeper {
    /// In the file that was named, or else in one for this log in the user's state directory.
    pub(super) fn new(named: Option<PathBuf>, not_asked: bool, log: &LogVerifier) -> Self {
        let vkey = log.vkey();
        let own = || Some(state_dir()?.join("sightline/verified").join(file_name(&vkey)));
        match named.or_else(own) {
            _ if not_asked => Keeper::Nowhere(State::NotAsked),
            Some(file) => Keeper::In { file, vkey },
            None => Keeper::Nowhere(State::NoPlace),
        }
    }

    /// What was kept of this log.
    pub(super) fn load(&self, log: &LogVerifier) -> Result<Option<Kept>, String> {
        let Keeper::In { file, vkey } = self else { return Ok(None) };
        let named = |e: &dyn std::fmt::Display| {
            format!(
                "{}: {e}. Name another file with --state, or compare with nothing (--no-state)",
                file.display()
            )
        };
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(&error)),
        };
        let read: File = serde_json::from_slice(&text).map_err(|e| named(&e))?;
        if read.format != FORMAT {
            return Err(named(&format!("it says {:?}, and this version reads {FORMAT:?}", read.format)));
        }
        if read.vkey != *vkey {
            return Err(named(&"it is about a log with another key"));
        }
        log.checkpoint(&read.kept.checkpoint).map_err(|e| named(&e))?;
        Ok(Some(read.kept))
    }

    /// Keeps the checkpoint of a log that is good in the place of what was kept before.
    pub(super) fn keep(self, checkpoint: String, fold: Fold) -> Result<State, String> {
        let (file, vkey) = match self {
            Keeper::In { file, vkey } => (file, vkey),
            Keeper::Nowhere(state) => return Ok(state),
        };
        let kept = Kept { at: SystemClock.now(), checkpoint, fold };
        let state = File { format: FORMAT.to_owned(), vkey, kept };
        let text = serde_json::to_vec(&state).map_err(|e| e.to_string())?;
        match replace(&file, &text) {
            Ok(()) => Ok(State::Kept(file)),
            Err(e) => {
                Err(format!("the log is good, but its checkpoint cannot be kept in {}: {e}", file.display()))
            }
        }
    }
}

fn state_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}

/// One file for each log: the same origin with another key is another log.
fn file_name(vkey: &str) -> String {
    let digest = Digest::of(vkey.as_bytes()).to_string();
    format!("{}.json", &digest[..32])
}

/// At every moment the file holds what was kept before, or this.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let new = file.with_added_extension("new");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    out.write_all(bytes)?;
    out.sync_data()?;
    fs::rename(&new, file)
}
