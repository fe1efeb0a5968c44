//! Publishing, round by round: following what others published, and going on from there where this node publishes.
//! In which order, and why, says [`Publication`](crate::publication::Publication).

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::books::{Books, Published};
use crate::error::{DatabaseError, LedgerError};
use crate::options::{Fatal, Options};
use crate::public::{Carrier, note};
use crate::publication::Turn;

/// The publishing thread, which ends when it is asked no more.
pub(crate) struct Publisher {
    pub(crate) stop: Sender<()>,
    pub(crate) thread: JoinHandle<()>,
}

impl Publisher {
    pub(crate) fn start(books: Arc<Books>, options: &Options) -> Result<Self, LedgerError> {
        let (stop, stopped) = channel();
        let (fatal, every) = (options.fatal.clone(), options.publish_every);
        let carrier = Carrier::start(books.clone(), options)?;
        let work = move || {
            publish(&books, &*fatal, every, &stopped);
            carrier.finish();
            // In order or not: whoever publishes next need not wait until the right has run out.
            books.publication.end();
        };
        let thread = std::thread::Builder::new().name("ledger-publish".to_owned());
        Ok(Self { stop, thread: thread.spawn(work).map_err(LedgerError::Thread)? })
    }
}

/// Publishes about once in `every`, and a last time when it is stopped.
fn publish(books: &Books, fatal: &dyn Fatal, every: Duration, stopped: &Receiver<()>) {
    loop {
        let is_last = stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout);
        if books.has_stopped() {
            return;
        }
        if let Err(error) = books.publish(false) {
            if books.stop() {
                fatal.fatal(&error);
            }
            return;
        }
        if is_last {
            return;
        }
    }
}

impl Books {
    /// One round. With `again`, also writes what is published already, of which a crash may have taken something. What
    /// keeps it from being published for now is noted, and is no error.
    pub(crate) fn publish(&self, again: bool) -> Result<(), LedgerError> {
        let _held = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = match self.round(again) {
            Ok(()) => None,
            Err(error) if error.is_passing() => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        note(&self.trouble, trouble, "nothing can be published for now");
        Ok(())
    }

    fn round(&self, again: bool) -> Result<(), LedgerError> {
        let size_of = |checkpoint: &Option<Published>| checkpoint.as_ref().map_or(0, |there| there.size);
        let (announced, given) = match self.publication.begin(self.known())? {
            Turn::Own => (self.published().size, self.given().checkpoint.size),
            Turn::Shared { is_ours, announced, given } => {
                let sizes = (size_of(&announced), size_of(&given));
                announced.map_or(Ok(()), |announced| self.adopt(announced, again))?;
                given.map_or(Ok(()), |given| self.adopt_given(given))?;
                if !is_ours {
                    return Ok(());
                }
                sizes
            }
        };
        // Whoever announced it may have come no further.
        let is_kept_back = !self.witnessed && given < announced;
        if again || is_kept_back || announced < self.size() { self.publish_on() } else { Ok(()) }
    }

    /// Publishes what is durable, unless somebody else has come to publish meanwhile.
    fn publish_on(&self) -> Result<(), LedgerError> {
        let checkpoint = {
            let mut shelf = self.shelf();
            shelf.catch_up(&*self.journal, self.size())?;
            let size = shelf.size();
            shelf.put_partials(size)?;
            Published { size, note: shelf.checkpoint().clone() }
        };
        self.advance_head(&checkpoint)?;
        if !self.publication.announce(&checkpoint)? {
            return Ok(());
        }
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = checkpoint.clone();
        if !self.witnessed && self.publication.give_out(&checkpoint)? {
            self.give_out(checkpoint)?;
        }
        Ok(())
    }

    /// The head store never goes back: not even to what was published, if a crash kept more from being announced.
    fn advance_head(&self, checkpoint: &Published) -> Result<(), LedgerError> {
        let mut head = self.head_now.lock().unwrap_or_else(PoisonError::into_inner);
        if checkpoint.size >= head.size {
            self.head.swap(&head.note, &checkpoint.note)?;
            *head = checkpoint.clone();
        }
        Ok(())
    }

    /// Goes along with what another node announced, once it is shown to be of this history.
    fn adopt(&self, announced: Published, again: bool) -> Result<(), LedgerError> {
        if announced.size < self.published().size || (announced.size == self.published().size && !again) {
            return Ok(());
        }
        self.must_agree(&announced)?;
        self.advance_head(&announced)?;
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = announced;
        Ok(())
    }

    /// Gives out what everybody gives out.
    fn adopt_given(&self, given: Published) -> Result<(), LedgerError> {
        let ours = self.given().checkpoint;
        if given.size < ours.size || given.note == ours.note || given.size > self.published().size {
            return Ok(());
        }
        self.must_agree(&given)?;
        self.give_out(given)
    }

    /// A checkpoint that another node published is of this log and of this journal; what the own directory needs to
    /// stand for it is written.
    fn must_agree(&self, there: &Published) -> Result<(), LedgerError> {
        let at = || self.publication.to_string();
        let said = self.log.checkpoint(&there.note);
        let said = said.map_err(|source| LedgerError::Checkpoint { path: at().into(), source })?;
        let mut shelf = self.shelf();
        shelf.catch_up(&*self.journal, said.size)?;
        if shelf.size() < said.size {
            let (size, seen) = (shelf.size(), said.size);
            return Err(DatabaseError::RolledBack { at: at(), size, seen }.into());
        }
        if said.size != there.size || shelf.root_at(said.size)? != said.root {
            return Err(DatabaseError::Forked { at: at(), size: there.size }.into());
        }
        shelf.put_partials(said.size)
    }
}
