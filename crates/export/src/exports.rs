//! The exports of an installation: opened together, asked how they are doing, sent back.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::Ledger;
use ledger::disk::Disk;
use model::{Clock, Entropy, Timestamp};
use tokio::sync::Notify;

use crate::cursor::{Cursor, CursorError};
use crate::exporter::{Exporter, Pace};
use crate::format::Writer;
use crate::settings::{Begin, ExportSettings};
use crate::status::{State, Status};
use crate::target::{Batch, Target, TargetError};

/// Why exports cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A target.
    #[error("export {name:?}: {source}")]
    Target {
        /// Which export.
        name: String,
        /// Why.
        source: TargetError,
    },
    /// A cursor.
    #[error("export {name:?}: {source}")]
    Cursor {
        /// Which export.
        name: String,
        /// Why.
        source: CursorError,
    },
    /// A test message was not taken.
    #[error("export {name:?}: {why}")]
    NotTaken {
        /// Which export.
        name: String,
        /// Why.
        why: String,
    },
    /// There is none of this name.
    #[error("there is no export {name:?}; there are: {}", if known.is_empty() { "none".into() } else { known.join(", ") })]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A replay would skip entries.
    #[error(
        "export {name:?} stands at {next}: a replay from {from} would skip entries, and nothing is skipped"
    )]
    Skips {
        /// Which export.
        name: String,
        /// Where it stands.
        next: u64,
        /// Where it was to go.
        from: u64,
    },
    /// Another node exports.
    #[error("export {0:?} runs on another node")]
    Elsewhere(String),
}

/// What exports need besides their settings.
#[derive(Debug, Clone)]
pub struct ExportParts {
    /// Where cursors are kept.
    pub dir: PathBuf,
    /// This machine's host name.
    pub host: String,
    /// How they keep time.
    pub pace: Pace,
    /// The disk that cursors are on.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The exports of a running process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Exports(Arc<[Arc<Handle>]>);

/// What an export and those who ask about it share.
#[derive(Debug)]
pub(crate) struct Handle {
    status: Mutex<Status>,
    replay: Mutex<Option<u64>>,
    told: Notify,
    name: String,
}

impl Handle {
    fn new(status: Status) -> Self {
        let name = status.name.clone();
        Self { status: Mutex::new(status), replay: Mutex::new(None), told: Notify::new(), name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn delivered(&self, next: u64, at: Timestamp) {
        let mut status = self.status();
        *status = Status {
            next,
            delivered_at: Some(at),
            oldest_waiting: None,
            failures: 0,
            error: None,
            retry_at: None,
            ..status.clone()
        };
    }

    pub(crate) async fn told_to_go_back(&self) {
        self.told.notified().await;
    }

    pub(crate) fn take_replay(&self) -> Option<u64> {
        self.replay.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Exports {
    /// Opens the exports of `settings` that run here; each [`Exporter`] is to be run beside the ledger.
    pub fn open(
        settings: &[ExportSettings],
        ledger: &Ledger,
        parts: &ExportParts,
    ) -> Result<(Self, Vec<Exporter>), ExportError> {
        let (mut handles, mut exporters) = (Vec::new(), Vec::new());
        let origin = ledger.verifier().origin().to_owned();
        for export in settings {
            let name = || export.name.clone();
            if !export.runs_on(&parts.host) {
                handles.push(Arc::new(Handle::new(status(export, State::Elsewhere, 0, 0))));
                continue;
            }
            let target = Target::open(export, &parts.host)
                .map_err(|source| ExportError::Target { name: name(), source })?;
            let size = ledger.size();
            let begin = match export.from {
                Begin::Start => 0,
                Begin::Now => size,
            };
            let cursor = Cursor::open(parts.disk.clone(), &parts.dir, &export.name, &origin, begin, size)
                .map_err(|source| ExportError::Cursor { name: name(), source })?;
            let handle = Arc::new(Handle::new(status(export, State::Idle, cursor.next(), size)));
            handles.push(handle.clone());
            exporters.push(Exporter {
                handle,
                ledger: ledger.clone(),
                cursor,
                writer: Writer::new(&origin, export.format),
                target,
                pace: parts.pace,
                clock: parts.clock.clone(),
                entropy: parts.entropy.clone(),
            });
        }
        Ok((Self(handles.into()), exporters))
    }

    /// How each is doing, with a ledger of `size` entries.
    pub fn status(&self, size: u64) -> Vec<Status> {
        let of = |handle: &Arc<Handle>| {
            let status = handle.status().clone();
            let behind = if status.state == State::Elsewhere { 0 } else { size.saturating_sub(status.next) };
            Status { behind, ..status }
        };
        self.0.iter().map(of).collect()
    }

    /// Has an export send the entries from number `from` on again.
    pub fn replay(&self, name: &str, from: u64) -> Result<(), ExportError> {
        let handle = self.0.iter().find(|handle| handle.name == name);
        let handle = handle.ok_or_else(|| ExportError::Unknown {
            name: name.to_owned(),
            known: self.0.iter().map(|handle| handle.name.clone()).collect(),
        })?;
        let (state, next) = {
            let status = handle.status();
            (status.state, status.next)
        };
        if state == State::Elsewhere {
            return Err(ExportError::Elsewhere(name.to_owned()));
        }
        if from > next {
            return Err(ExportError::Skips { name: name.to_owned(), next, from });
        }
        let mut replay = handle.replay.lock().unwrap_or_else(PoisonError::into_inner);
        *replay = Some(replay.map_or(from, |asked| asked.min(from)));
        handle.told.notify_one();
        Ok(())
    }
}

/// How each would go on, while no process runs.
pub fn stopped(
    settings: &[ExportSettings],
    disk: &dyn Disk,
    dir: &Path,
    size: u64,
) -> Result<Vec<Status>, ExportError> {
    let of = |export: &ExportSettings| {
        let found = Cursor::look(disk, dir, &export.name)
            .map_err(|source| ExportError::Cursor { name: export.name.clone(), source })?;
        let begin = if export.from == Begin::Start { 0 } else { size };
        Ok(status(export, State::Stopped, found.map_or(begin, |position| position.next), size))
    };
    settings.iter().map(of).collect()
}

/// Sets the cursor of an export back while no process runs.
pub fn set_back(
    export: &ExportSettings,
    disk: Arc<dyn Disk>,
    dir: &Path,
    origin: &str,
    from: u64,
) -> Result<(), ExportError> {
    let failed = |source| ExportError::Cursor { name: export.name.clone(), source };
    let mut cursor = Cursor::take(disk, dir, &export.name, origin, from).map_err(failed)?;
    if from > cursor.next() {
        return Err(ExportError::Skips { name: export.name.clone(), next: cursor.next(), from });
    }
    cursor.set(from).map_err(failed)
}

/// Sends one message, marked as a test, and waits until the receiver has taken it. Moves no cursor.
pub async fn test(
    export: &ExportSettings,
    origin: &str,
    host: &str,
    clock: &dyn Clock,
) -> Result<String, ExportError> {
    let target = Target::open(export, host)
        .map_err(|source| ExportError::Target { name: export.name.clone(), source })?;
    let message = Writer::new(origin, export.format).test(clock.now());
    let body = message.body.clone();
    let batch = Batch { origin: origin.to_owned(), first: 0, next: 0, messages: vec![message] };
    let taken = target.deliver(&batch, clock).await;
    taken.map_err(|error| ExportError::NotTaken { name: export.name.clone(), why: error.to_string() })?;
    Ok(body)
}

/// Reads secrets and certificates of an export, and connects to nothing.
pub fn check(export: &ExportSettings) -> Result<(), ExportError> {
    Target::open(export, "-")
        .map(drop)
        .map_err(|source| ExportError::Target { name: export.name.clone(), source })
}

fn status(export: &ExportSettings, state: State, next: u64, size: u64) -> Status {
    Status {
        name: export.name.clone(),
        kind: export.kind().to_owned(),
        format: export.format.word().to_owned(),
        target: export.target(),
        state,
        next,
        behind: size.saturating_sub(next),
        oldest_waiting: None,
        delivered_at: None,
        failures: 0,
        error: None,
        retry_at: None,
    }
}
