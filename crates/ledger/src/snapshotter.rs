//! The thread that writes snapshots and then compacts what lies below them, beside those that commit and publish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use model::Timestamp;
use zeroize::Zeroizing;

use crate::books::Books;
use crate::error::LedgerError;
use crate::options::Fatal;

/// How many tiles are made durable at a time.
const CHUNK: usize = 256;
/// Whoever closes a ledger does not wait for more tiles than this to become durable.
const MOST_AT_CLOSE: usize = 4096;

/// What a snapshot is made of that only the commit thread knows.
pub(crate) struct Moment {
    pub(crate) size: u64,
    /// The checkpoint of the batch that ends there, as a note.
    pub(crate) note: Arc<str>,
    pub(crate) time: Timestamp,
    /// What admission saved.
    pub(crate) admission: Zeroizing<Vec<u8>>,
}

/// The thread that writes snapshots, as the commit thread sees it.
pub(crate) struct Snapshotter {
    moments: Sender<Moment>,
    thread: JoinHandle<()>,
    /// After how many entries the next one is due.
    every: u64,
    /// The size of the last one.
    last: u64,
    is_busy: Arc<AtomicBool>,
    is_closing: Arc<AtomicBool>,
}

impl Snapshotter {
    /// Starts the thread; `last` is the size of the snapshot that there is.
    pub(crate) fn start(
        books: Arc<Books>,
        fatal: Arc<dyn Fatal>,
        compacts: bool,
        every: u64,
        last: u64,
    ) -> Result<Self, LedgerError> {
        let (moments, wanted) = channel();
        let (is_busy, is_closing) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let write = {
            let (is_busy, is_closing) = (is_busy.clone(), is_closing.clone());
            move || run(&books, &*fatal, compacts, &wanted, &is_busy, &is_closing)
        };
        let thread = std::thread::Builder::new().name("ledger-snapshot".to_owned());
        let thread = thread.spawn(write).map_err(LedgerError::Thread)?;
        Ok(Self { moments, thread, every, last, is_busy, is_closing })
    }

    /// Whether it is time for another, and the last one is done.
    pub(crate) fn is_due(&self, size: u64) -> bool {
        size - self.last >= self.every && !self.is_busy.load(Ordering::Relaxed)
    }

    /// Has one written.
    pub(crate) fn order(&mut self, moment: Moment) {
        self.last = moment.size;
        self.is_busy.store(true, Ordering::Relaxed);
        // The thread ends before this only after a fatal error.
        let _ = self.moments.send(moment);
    }

    /// Whether a last one would spare the next start anything.
    pub(crate) fn is_behind(&self, size: u64) -> bool {
        size > self.last
    }

    /// Waits for what was ordered.
    pub(crate) fn finish(self) {
        self.is_closing.store(true, Ordering::Relaxed);
        drop(self.moments);
        // If it panicked there is no snapshot, and the next start replays.
        let _ = self.thread.join();
    }
}

fn run(
    books: &Books,
    fatal: &dyn Fatal,
    compacts: bool,
    wanted: &Receiver<Moment>,
    is_busy: &AtomicBool,
    is_closing: &AtomicBool,
) {
    while let Ok(moment) = wanted.recv() {
        if books.has_stopped() {
            return;
        }
        if let Err(error) = write(books, &moment, is_closing) {
            if books.stop() {
                fatal.fatal(&error);
            }
            return;
        }
        if compacts {
            compact(books, is_closing);
        }
        is_busy.store(false, Ordering::Relaxed);
    }
}

/// Nothing depends on it: what cannot be compacted is left as it is, and whatever is wrong with the disk, the next write
/// of an entry meets it too.
fn compact(books: &Books, is_closing: &AtomicBool) {
    let stops = || is_closing.load(Ordering::Relaxed) || books.has_stopped();
    match books.compact(&mut |_, _| {}, &stops) {
        Ok(done) if done.segments > 0 => {
            let (before, after) = (done.bytes_before(), done.bytes_after());
            tracing::info!(entries = done.entries, before, after, "old entries were compacted");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "old entries were not compacted"),
    }
}

/// A crash before the end leaves the snapshot that was there: the tiles below the new one are durable first.
fn write(books: &Books, moment: &Moment, is_closing: &AtomicBool) -> Result<(), LedgerError> {
    let edge = books.edge_at(moment.size)?;
    loop {
        let (store, tiles, left) = books.take_unsynced(CHUNK);
        if tiles.is_empty() {
            break;
        }
        if is_closing.load(Ordering::Relaxed) && left > MOST_AT_CLOSE {
            tracing::info!("closed before a snapshot was ready: the next start replays from the last one");
            return Ok(());
        }
        store.sync(&tiles)?;
    }
    books.snapshots.save(moment.size, &moment.note, moment.time, &moment.admission, edge)
}
