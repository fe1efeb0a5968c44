//! A witness: its key, the logs that it knows, and the last checkpoint of each that it cosigned, on a disk.
//!
//! ```text
//! witness.key     the signing key (0600)         witness.vkey    its public half
//! lock            held by the process that has the witness open
//! logs/ID/        one log; ID is the SHA-256 of its origin
//!   log.vkey      the log's key
//!   checkpoint    the last one cosigned, with the log's signature and ours
//!   evidence/     requests that the log signed and that contradict what was cosigned
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ledger::LogVerifier;
use ledger::checkpoint::Checkpoint;
use ledger::cosignature::{WitnessKey, WitnessSigner};
use ledger::disk::{Disk, Lock, Readers, replace};
use ledger::note::{Note, NoteError, VerifierKey};
use model::clock::random;
use model::{Clock, Entropy, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::judge::{Refusal, Seen, judge, origin};
use crate::request::{AddCheckpoint, hex, log_id};

/// How many contradictions of one log are kept.
const MAX_EVIDENCE: usize = 1000;

/// Why a witness cannot be made or opened, or cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The request is refused; the witness is fine.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The disk said no.
    #[error("cannot {doing} {}: {source}", path.display())]
    Disk {
        /// What was tried, for example `write`.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A new witness is made only in an empty directory.
    #[error("{} is not empty (it holds {found:?}); a new witness needs an empty directory. Nothing was changed", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// There is no witness there.
    #[error("{} holds no witness; `sightline witness init` makes one", dir.display())]
    NotAWitness {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has it open.
    #[error("another process has this witness open (lock on {}); stop it first", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A key that cannot be used.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NoteError,
    },
    /// A name or key from the command line that cannot be used.
    #[error(transparent)]
    Name(#[from] NoteError),
    /// What was cosigned last cannot be read back.
    #[error("{} is damaged: {why}. Nothing is cosigned for this log, because it might contradict what was. Retire this witness's key for it; never restore an older file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The log is known by another key.
    #[error("the log {0:?} is known by another key; if it has a new one, it is another log to a witness")]
    OtherKey(String),
    /// The clock is behind the last cosignature.
    #[error("this witness's clock says {now}, which is before its last cosignature ({last}): set it right")]
    Clock {
        /// What the clock says.
        now: Timestamp,
        /// The time of the last cosignature.
        last: Timestamp,
    },
    /// The disk failed while this log's checkpoint was written: what it holds is not known until it is read again.
    #[error(
        "the disk failed when the last checkpoint of this log was written; repair it and start the witness again"
    )]
    Unsure,
}

trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, WitnessError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, WitnessError> {
        self.map_err(|source| WitnessError::Disk { doing, path: path.to_owned(), source })
    }
}

/// A witness that is open. It has one writer for each log.
pub struct Witness {
    signer: WitnessSigner,
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    logs: RwLock<BTreeMap<String, Arc<Log>>>,
    _lock: Box<dyn Lock>,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Witness({})", self.signer.public())
    }
}

struct Log {
    verifier: LogVerifier,
    dir: PathBuf,
    book: Mutex<Book>,
}

/// What was cosigned of a log.
enum Book {
    Last(Last),
    /// A write failed: nobody knows what is on the disk.
    Unsure,
}

#[derive(Clone)]
struct Last {
    seen: Seen,
    /// Seconds since the Unix epoch.
    time: u64,
    /// The checkpoint with both signatures; empty if there is none yet.
    note: String,
}

impl Witness {
    /// Makes a witness with a fresh key in `dir`, which must be empty. `name` is like a URL without its scheme.
    pub fn create(
        dir: &Path,
        name: &str,
        disk: &dyn Disk,
        entropy: &dyn Entropy,
    ) -> Result<WitnessKey, WitnessError> {
        let signer = WitnessSigner::new(name, &random(entropy))?;
        disk.create_dir(dir).at("make", dir)?;
        if let Some(found) = disk.list(dir).at("list", dir)?.into_iter().next() {
            return Err(WitnessError::NotEmpty { dir: dir.to_owned(), found });
        }
        let logs = dir.join("logs");
        disk.create_dir(&logs).at("make", &logs)?;
        let write = |name: &str, text: &str, readers| {
            let path = dir.join(name);
            replace(disk, &path, text.as_bytes(), readers).at("write", &path)
        };
        write("witness.vkey", &format!("{}\n", signer.public()), Readers::All)?;
        // The last file: without it the directory holds no witness, and nothing can have been signed.
        write("witness.key", &signer.to_text(), Readers::Owner)?;
        Ok(signer.public().clone())
    }

    /// Opens the witness in `dir`, and reads what it cosigned last of each log.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, WitnessError> {
        let key = dir.join("witness.key");
        let text = match disk.read(&key) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(WitnessError::NotAWitness { dir: dir.to_owned() });
            }
            Err(error) => return Err(error).at("read", &key),
        };
        let signer =
            WitnessSigner::from_text(&text).map_err(|source| WitnessError::Key { path: key, source })?;
        let path = dir.join("lock");
        let lock = disk.lock(&path).at("lock", &path)?.ok_or(WitnessError::Locked { path })?;
        let witness = Self { signer, dir: dir.to_owned(), disk, clock, logs: RwLock::default(), _lock: lock };
        let logs = witness.dir.join("logs");
        for name in witness.disk.list(&logs).at("list", &logs)? {
            let log = witness.open_log(logs.join(name))?;
            if let Some(log) = log {
                witness.remember(log);
            }
        }
        Ok(witness)
    }

    /// The witness's public key.
    pub fn key(&self) -> &WitnessKey {
        self.signer.public()
    }

    /// The keys of the logs that it knows.
    pub fn logs(&self) -> Vec<String> {
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        logs.values().map(|log| log.verifier.vkey()).collect()
    }

    /// Makes a log known. Whether it was not known before.
    pub fn add_log(&self, key: &VerifierKey) -> Result<bool, WitnessError> {
        if let Some(known) = self.log(key.name()) {
            let same = known.verifier.vkey() == key.to_string();
            return if same { Ok(false) } else { Err(WitnessError::OtherKey(key.name().to_owned())) };
        }
        let logs = self.dir.join("logs");
        let dir = logs.join(log_id(key.name()));
        self.disk.create_dir(&dir).at("make", &dir)?;
        let path = dir.join("log.vkey");
        replace(&*self.disk, &path, format!("{key}\n").as_bytes(), Readers::All).at("write", &path)?;
        self.disk.sync_dir(&logs).at("write", &logs)?;
        if let Some(log) = self.open_log(dir)? {
            self.remember(log);
        }
        Ok(true)
    }

    fn remember(&self, log: Log) {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        logs.insert(log.verifier.origin().to_owned(), Arc::new(log));
    }

    fn log(&self, origin: &str) -> Option<Arc<Log>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).get(origin).cloned()
    }

    /// Reads a log's directory. `None` if making it known was interrupted: then nothing was cosigned.
    fn open_log(&self, dir: PathBuf) -> Result<Option<Log>, WitnessError> {
        let path = dir.join("log.vkey");
        let vkey = match self.disk.read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).at("read", &path),
        };
        let key = VerifierKey::parse(&vkey).map_err(|source| WitnessError::Key { path, source })?;
        let verifier = LogVerifier::new(key);
        let path = dir.join("checkpoint");
        let last = match self.disk.read(&path) {
            Ok(bytes) => self
                .last(&verifier, String::from_utf8_lossy(&bytes).into_owned())
                .map_err(|why| WitnessError::Damaged { path, why })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Last { seen: Seen::nothing(), time: 0, note: String::new() }
            }
            Err(error) => return Err(error).at("read", &path),
        };
        Ok(Some(Log { verifier, dir, book: Mutex::new(Book::Last(last)) }))
    }

    fn last(&self, log: &LogVerifier, note: String) -> Result<Last, String> {
        let Checkpoint { size, root, .. } = log.checkpoint(&note).map_err(|e| e.to_string())?;
        let read = Note::parse(&note).map_err(|e| e.to_string())?;
        let time = self.key().verify(&read).map_err(|e| e.to_string())?.time;
        Ok(Last { seen: Seen { size, root }, time, note })
    }

    /// Cosigns a checkpoint if it is growth, and says the signature line. What is said is durable before it is
    /// said, and checking and writing are one step for each log: a crash at any place never leads to cosignatures
    /// on two histories.
    pub fn add_checkpoint(&self, body: &[u8]) -> Result<String, WitnessError> {
        let request = AddCheckpoint::parse(body).map_err(|e| Refusal::Malformed(e.to_string()))?;
        let origin = origin(&request)?;
        let log = self.log(origin).ok_or_else(|| Refusal::UnknownLog(origin.to_owned()))?;
        let mut book = log.book();
        let Book::Last(last) = &*book else { return Err(WitnessError::Unsure) };
        let checkpoint = judge(&log.verifier, last.seen, &request).inspect_err(|refusal| {
            if refusal.is_evidence() {
                self.keep_evidence(&log, body, refusal);
            }
        })?;
        let now = self.clock.now();
        let time = now.0 / 1000;
        if time < last.time {
            return Err(WitnessError::Clock { now, last: Timestamp(last.time * 1000) });
        }
        let note = Note::parse(&request.note).map_err(|e| Refusal::Malformed(e.to_string()))?;
        let cosignature = self.signer.cosign(note.unverified_text(), time);
        // Anybody can add lines to a note: only the log's own are kept.
        let note = note.only(log.verifier.key()) + &cosignature.line;
        let path = log.dir.join("checkpoint");
        // Whatever a crash leaves of this is the old checkpoint or the new one; nobody was told of the new one yet.
        *book = match replace(&*self.disk, &path, note.as_bytes(), Readers::All) {
            Ok(()) => {
                let seen = Seen { size: checkpoint.size, root: checkpoint.root };
                Book::Last(Last { seen, time, note })
            }
            Err(error) => {
                *book = Book::Unsure;
                tracing::error!(path = %path.display(), %error, "nothing more is cosigned for this log");
                return Err(error).at("write", &path);
            }
        };
        Ok(cosignature.line)
    }

    /// The last checkpoint that was cosigned of the log with this id (the SHA-256 of its origin in hexadecimal
    /// digits), with the signatures of the log and of this witness.
    pub fn checkpoint(&self, id: &str) -> Option<String> {
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        let log = logs.values().find(|log| log_id(log.verifier.origin()) == id)?.clone();
        drop(logs);
        match &*log.book() {
            Book::Last(last) => Some(last.note.clone()).filter(|note| !note.is_empty()),
            Book::Unsure => None,
        }
    }

    /// Keeps what the log has signed and what contradicts it. That it could not be kept changes nothing about the
    /// refusal.
    fn keep_evidence(&self, log: &Log, body: &[u8], refusal: &Refusal) {
        let origin = log.verifier.origin();
        tracing::error!(log = origin, %refusal, "THE LOG MAY HAVE TWO HISTORIES; the request is kept as evidence");
        let dir = log.dir.join("evidence");
        let path = dir.join(format!("{}.txt", hex(&Sha256::digest(body)[..16])));
        let keep = || {
            self.disk.create_dir(&dir)?;
            let there = self.disk.list(&dir)?;
            if there.len() >= MAX_EVIDENCE {
                return Ok(());
            }
            replace(&*self.disk, &path, body, Readers::All)
        };
        if let Err(error) = keep() {
            tracing::error!(path = %path.display(), %error, "the evidence could not be kept");
        }
    }
}

impl Log {
    fn book(&self) -> MutexGuard<'_, Book> {
        // A panic in between leaves the old checkpoint, and the disk has that or a newer one that nobody knows of.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
