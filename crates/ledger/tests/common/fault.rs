//! A disk that fails, or loses its power, at a chosen step.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{self, Error, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sightline_ledger::disk::{Disk, DiskFile, Lock, OsDisk, Readers};
use sightline_ledger::{Fatal, LedgerError};

/// What happens at the chosen step and from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the step.
    DieBefore,
    /// The process dies after the step; a write gets only half of its bytes out.
    DieHalfway,
    /// The process dies after the step.
    DieAfter,
    /// Every write from here on finds the disk full, after half of its bytes.
    Full,
    /// The file system has become read-only.
    ReadOnly,
    /// The next sync fails, once.
    SyncFails,
}

#[derive(Debug, Default)]
struct State {
    steps: u64,
    at: Option<(u64, Fault)>,
    dead: bool,
    sync_failed: bool,
    /// How much of each file is durable, where that is not all of it.
    durable: HashMap<PathBuf, u64>,
}

#[derive(Debug, Clone, Default)]
pub struct FaultDisk(Arc<Mutex<State>>);

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Write,
    Sync,
    Other,
}

enum Then {
    Do,
    DoAndDie,
    HalfAndFail(ErrorKind),
}

impl FaultDisk {
    pub fn failing(at: u64, fault: Fault) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().at = Some((at, fault));
        disk
    }

    /// From the next step on.
    pub fn fail_now(&self, fault: Fault) {
        let mut state = self.0.lock().unwrap();
        state.at = Some((state.steps + 1, fault));
    }

    /// How many steps there were.
    pub fn steps(&self) -> u64 {
        self.0.lock().unwrap().steps
    }

    /// The machine loses its power: of what was not synced, this part of 256 is kept.
    pub fn lose_power(&self, kept: u64) {
        for (path, durable) in self.0.lock().unwrap().durable.drain() {
            if let Ok(file) = std::fs::OpenOptions::new().write(true).open(&path) {
                let length = file.metadata().unwrap().len();
                let length = durable + (length - durable) * kept / 256;
                file.set_len(length).unwrap();
            }
        }
    }

    fn step(&self, step: Step) -> io::Result<Then> {
        let mut state = self.0.lock().unwrap();
        if state.dead {
            return Err(Error::other("the process is dead"));
        }
        state.steps += 1;
        let Some((at, fault)) = state.at else { return Ok(Then::Do) };
        if state.steps < at {
            return Ok(Then::Do);
        }
        match fault {
            Fault::DieBefore => {
                state.dead = true;
                Err(Error::other("killed before the step"))
            }
            Fault::DieHalfway | Fault::DieAfter => {
                state.dead = true;
                let half = fault == Fault::DieHalfway && step == Step::Write;
                Ok(if half { Then::HalfAndFail(ErrorKind::Other) } else { Then::DoAndDie })
            }
            Fault::Full if step == Step::Write => Ok(Then::HalfAndFail(ErrorKind::StorageFull)),
            Fault::ReadOnly => Err(ErrorKind::ReadOnlyFilesystem.into()),
            Fault::SyncFails if step == Step::Sync && !state.sync_failed => {
                state.sync_failed = true;
                Err(Error::other("input/output error"))
            }
            Fault::Full | Fault::SyncFails => Ok(Then::Do),
        }
    }

    fn other<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let then = self.step(Step::Other)?;
        let done = act()?;
        match then {
            Then::Do => Ok(done),
            Then::DoAndDie | Then::HalfAndFail(_) => Err(Error::other("killed after the step")),
        }
    }

    fn is_dead(&self) -> io::Result<()> {
        if self.0.lock().unwrap().dead { Err(Error::other("the process is dead")) } else { Ok(()) }
    }
}

struct FaultFile {
    disk: FaultDisk,
    path: PathBuf,
    inner: Box<dyn DiskFile>,
}

impl DiskFile for FaultFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.disk.step(Step::Write)? {
            Then::Do => self.inner.write(bytes),
            Then::DoAndDie => {
                self.inner.write(bytes)?;
                Err(Error::other("killed after the write"))
            }
            Then::HalfAndFail(kind) => {
                self.inner.write(&bytes[..bytes.len() / 2])?;
                Err(kind.into())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let then = self.disk.step(Step::Sync)?;
        self.inner.sync()?;
        let length = std::fs::metadata(&self.path).map(|m| m.len());
        // The file may have been renamed since; nothing writes to it then.
        if let Ok(length) = length {
            self.disk.0.lock().unwrap().durable.insert(self.path.clone(), length);
        }
        match then {
            Then::Do => Ok(()),
            Then::DoAndDie | Then::HalfAndFail(_) => Err(Error::other("killed after the sync")),
        }
    }
}

impl Disk for FaultDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.other(|| OsDisk.create_dir(dir))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.is_dead()?;
        OsDisk.list(dir)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.is_dead()?;
        OsDisk.read(path)
    }
    fn read_from(&self, path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        self.is_dead()?;
        OsDisk.read_from(path, offset)
    }
    fn length(&self, path: &Path) -> io::Result<u64> {
        self.is_dead()?;
        OsDisk.length(path)
    }
    fn create(&self, path: &Path, readers: Readers) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.other(|| OsDisk.create(path, readers))?;
        self.0.lock().unwrap().durable.insert(path.to_owned(), 0);
        Ok(Box::new(FaultFile { disk: self.clone(), path: path.to_owned(), inner }))
    }
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.other(|| OsDisk.append(path))?;
        let length = std::fs::metadata(path)?.len();
        self.0.lock().unwrap().durable.insert(path.to_owned(), length);
        Ok(Box::new(FaultFile { disk: self.clone(), path: path.to_owned(), inner }))
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.other(|| OsDisk.truncate(path, length))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.other(|| {
            OsDisk.rename(from, to)?;
            let mut state = self.0.lock().unwrap();
            let durable = state.durable.remove(from).unwrap_or(0);
            state.durable.insert(to.to_owned(), durable);
            Ok(())
        })
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.other(|| OsDisk.remove(path))
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.other(|| OsDisk.remove_dir(dir))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.other(|| OsDisk.sync_dir(dir))
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.is_dead()?;
        OsDisk.lock(path)
    }
}

/// Keeps what it is told, instead of ending the process.
#[derive(Debug, Clone, Default)]
pub struct Told(pub Arc<Mutex<Vec<String>>>);

impl Fatal for Told {
    fn fatal(&self, error: &LedgerError) {
        self.0.lock().unwrap().push(error.to_string());
    }
}
