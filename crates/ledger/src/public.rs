//! The public store: a place besides the nodes where the log lies for everybody, whole at every moment. Whoever publishes
//! brings it there, on a thread of its own: a store that is slow or away holds up nothing else.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::books::Books;
use crate::checkpoint::Checkpoint;
use crate::error::LedgerError;
use crate::options::{Fatal, Options};
use crate::tile::{self, TilePath};

/// How many entries are brought at a time: so many that a chunk is worth its round trips, so few that whoever lost the
/// right to publish, or is to end, does not go on for long.
const CHUNK: u64 = 16 * tile::FULL;
/// The name of the checkpoint.
const CHECKPOINT: &str = "checkpoint";

/// Files under names such as `checkpoint` and `tile/0/x001/234`. Prints where it is, and no secret.
///
/// What was put is there for everybody once `put` has returned, whole, and stays; a name that is put twice holds one of
/// the two. Nothing else is asked of it: no order, no condition, no listing. Calls wait, for seconds at the most, and may
/// come from any thread.
pub trait PublicStore: Send + Sync + Debug + Display {
    /// The bytes under each name; `None` where there are none.
    fn get(&self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Puts files, in any order. After an error any of them may be there.
    fn put(&self, files: Vec<(String, Vec<u8>)>) -> Result<(), StoreError>;
}

/// The store did not do what it was asked. Trying again later may help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// How the public store stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreStatus {
    /// Where it is.
    pub place: String,
    /// Why it is behind, where this node brings the log there.
    pub trouble: Option<String>,
}

/// The store, and how far this node has brought it since it publishes.
#[derive(Debug)]
pub(crate) struct Public {
    store: Arc<dyn PublicStore>,
    /// After how long it is looked whether the store's checkpoint is still the one that was put there: a request that
    /// was held up on its way, of a node that publishes no more, may have replaced it.
    look_again: Duration,
    brought: Mutex<Brought>,
    trouble: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Brought {
    /// Every full tile of the tree of this size is there.
    size: Option<u64>,
    /// The partial tiles of these sizes are there, too.
    partial: BTreeSet<u64>,
    /// The checkpoint that is there, and when that was last seen.
    checkpoint: Option<(Arc<str>, Instant)>,
}

impl Public {
    pub(crate) fn new(options: &Options) -> Option<Self> {
        let store = options.public.clone()?;
        let (brought, trouble) = (Mutex::default(), Mutex::default());
        Some(Self { store, look_again: options.lease, brought, trouble })
    }

    pub(crate) fn status(&self) -> StoreStatus {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        StoreStatus { place: self.store.to_string(), trouble }
    }

    fn brought(&self) -> MutexGuard<'_, Brought> {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        self.store.get(names).map_err(|error| self.failed("read from", error))
    }

    fn put(&self, files: Vec<(String, Vec<u8>)>) -> Result<(), LedgerError> {
        if files.is_empty() {
            return Ok(());
        }
        self.store.put(files).map_err(|error| self.failed("write to", error))
    }

    fn failed(&self, doing: &'static str, error: StoreError) -> LedgerError {
        LedgerError::Store { at: self.store.to_string(), doing, why: error.to_string() }
    }

    /// The store's checkpoint, if there is one: of this log and of this history. It was put there behind its tiles, so
    /// they are there.
    fn checkpoint(&self, books: &Books) -> Result<Option<(Vec<u8>, Checkpoint)>, LedgerError> {
        let Some(bytes) = self.get(&[CHECKPOINT.to_owned()])?.into_iter().next().flatten() else {
            return Ok(None);
        };
        let said = std::str::from_utf8(&bytes).ok().and_then(|note| books.log.checkpoint(note).ok());
        let said = said.ok_or_else(|| LedgerError::OtherLog { at: self.store.to_string() })?;
        let path = || format!("{}/{CHECKPOINT}", self.store).into();
        let size = books.known();
        if said.size > size {
            // Of several nodes another may have published more since this one last looked.
            return Err(match books.publication.lease() {
                None => LedgerError::RolledBack { path: path(), head: said.size, size },
                Some(_) => LedgerError::Store {
                    at: self.store.to_string(),
                    doing: "go on in",
                    why: format!("it has {} entries, and this node knows of {size}", said.size),
                },
            });
        }
        if books.root_at(said.size)? != said.root {
            return Err(LedgerError::Forked { path: path(), size: said.size });
        }
        Ok(Some((bytes, said)))
    }

    /// Brings what is given out there: tiles first, then the checkpoint that needs them. `goes_on` is asked in between.
    fn bring(&self, books: &Books, goes_on: impl Fn() -> bool) -> Result<(), LedgerError> {
        let given = books.given().checkpoint;
        if let Some((note, seen)) = &self.brought().checkpoint
            && *note == given.note
            && seen.elapsed() < self.look_again
        {
            return Ok(());
        }
        let there = self.checkpoint(books)?;
        let size = there.as_ref().map_or(0, |(_, there)| there.size);
        // Somebody else has come to publish.
        if size > given.size {
            return Ok(());
        }
        let is_there = there.is_some_and(|(bytes, _)| bytes == given.note.as_bytes());
        if !is_there {
            if !self.bring_tiles(books, size, given.size, &goes_on)? || !goes_on() {
                return Ok(());
            }
            self.put(vec![(CHECKPOINT.to_owned(), given.note.as_bytes().to_vec())])?;
        }
        let mut brought = self.brought();
        brought.partial.retain(|size| *size >= given.size);
        brought.checkpoint = Some((given.note, Instant::now()));
        Ok(())
    }

    /// Brings the tiles of the tree over the first `size` entries, of which those of the first `there` are there. Whether
    /// it came to the end.
    fn bring_tiles(
        &self,
        books: &Books,
        there: u64,
        size: u64,
        goes_on: impl Fn() -> bool,
    ) -> Result<bool, LedgerError> {
        let brought = self.brought().size;
        let mut at = brought.unwrap_or(there);
        while at < size {
            let next = (at / tile::FULL * tile::FULL + CHUNK).min(size);
            self.put(named(books, tile::full_between(at, next))?)?;
            at = next;
            self.brought().size = Some(at);
            if at < size && !goes_on() {
                return Ok(false);
            }
        }
        let partial = self.missing_partials(size);
        self.put(named(books, partial.into_iter())?)?;
        self.brought().partial.insert(size);
        Ok(true)
    }

    /// The partial tiles of a size that this node has not brought yet. On the upper levels they seldom change.
    fn missing_partials(&self, size: u64) -> Vec<TilePath> {
        let brought = self.brought();
        let is_there =
            |tile: &TilePath| brought.partial.iter().any(|size| tile::partials(*size).any(|t| t == *tile));
        tile::partials(size).filter(|tile| !is_there(tile)).collect()
    }

    /// Compares every tile of what is given out with what is there, and puts those that are missing or differ, and then
    /// the checkpoint. Says how far it is, and answers how many files it put.
    pub(crate) fn rebuild(
        &self,
        books: &Books,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, LedgerError> {
        // Another log's is not overwritten, and neither is a later one.
        let there = self.checkpoint(books)?;
        let given = books.given().checkpoint;
        let size = there.as_ref().map_or(0, |(_, there)| there.size).max(given.size);
        let (mut at, mut written) = (0, 0);
        loop {
            let next = (at + CHUNK).min(size);
            let partials = || tile::partials(size).filter(|_| next == size);
            let ours = named(books, tile::full_between(at, next).chain(partials()))?;
            let names: Vec<String> = ours.iter().map(|(name, _)| name.clone()).collect();
            let theirs = self.get(&names)?;
            let differs =
                |((_, ours), theirs): &((String, Vec<u8>), Option<Vec<u8>>)| theirs.as_ref() != Some(ours);
            let wrong: Vec<_> = ours.into_iter().zip(theirs).filter(differs).map(|(ours, _)| ours).collect();
            written += wrong.len() as u64;
            self.put(wrong)?;
            at = next;
            progress(at, size);
            if at == size {
                break;
            }
        }
        if there.is_none_or(|(bytes, there)| there.size <= given.size && bytes != given.note.as_bytes()) {
            self.put(vec![(CHECKPOINT.to_owned(), given.note.as_bytes().to_vec())])?;
            written += 1;
        }
        Ok(written)
    }
}

/// Tiles that this node has derived, with their names.
fn named(
    books: &Books,
    mut tiles: impl Iterator<Item = TilePath>,
) -> Result<Vec<(String, Vec<u8>)>, LedgerError> {
    tiles.try_fold(Vec::new(), |mut files, tile| {
        files.push((tile.to_string(), books.own_tile(tile)?));
        Ok(files)
    })
}

/// The thread that brings the log to the store while this node publishes. Ends when it is asked no more.
pub(crate) struct Carrier {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Carrier {
    pub(crate) fn start(books: Arc<Books>, options: &Options) -> Result<Self, LedgerError> {
        let (stop, stopped) = channel();
        let (fatal, every) = (options.fatal.clone(), options.publish_every);
        let work = move || {
            if let Some(public) = &books.public {
                carry(&books, public, &*fatal, every, &stopped);
            }
        };
        let thread = std::thread::Builder::new().name("ledger-store".to_owned());
        Ok(Self { stop, thread: thread.spawn(work).map_err(LedgerError::Thread)? })
    }

    /// Waits until the last checkpoint is there, if that takes no longer than a chunk.
    pub(crate) fn finish(self) {
        drop(self.stop);
        // If it panicked, whoever publishes next brings what is missing.
        let _ = self.thread.join();
    }
}

fn carry(books: &Books, public: &Public, fatal: &dyn Fatal, every: Duration, stopped: &Receiver<()>) {
    loop {
        let is_last = stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout);
        if books.has_stopped() {
            return;
        }
        let trouble = if books.publication.is_ours() {
            match public.bring(books, || books.publication.is_ours() && !is_last) {
                Ok(()) => None,
                Err(error) if error.is_passing() => Some(error.to_string()),
                Err(error) => {
                    if books.stop() {
                        fatal.fatal(&error);
                    }
                    return;
                }
            }
        } else {
            // Others bring it further from here on.
            *public.brought() = Brought::default();
            None
        };
        note(&public.trouble, trouble, "the public store is behind");
        if is_last {
            return;
        }
    }
}

/// Notes trouble, and says in the log when it comes and goes.
pub(crate) fn note(noted: &Mutex<Option<String>>, trouble: Option<String>, what: &'static str) {
    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
    match (&*noted, &trouble) {
        (None, Some(why)) => tracing::warn!(%why, "{what}"),
        (Some(_), None) => tracing::info!("no longer: {what}"),
        _ => {}
    }
    *noted = trouble;
}
