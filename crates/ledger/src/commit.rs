//! The commit thread: takes what is queued, admits it, makes it durable in one write and one sync, and only
//! then releases the receipts.

use std::sync::Arc;
use std::thread::JoinHandle;

use model::{Clock, Entry, Timestamp};
use tokio::sync::{mpsc, oneshot};

use crate::admission::Admission;
use crate::books::Books;
use crate::checkpoint::Checkpoint;
use crate::disk::Lock;
use crate::draft::{Draft, Record};
use crate::error::{AppendError, LedgerError};
use crate::journal::{Batch, BatchWriter, Journal};
use crate::note::SignerKey;
use crate::options::Fatal;
use crate::receipt::Receipt;
use crate::tree::{Frontier, Spine, leaf_hash};

/// A batch takes no further groups once it has this many bytes: who waits for a sync should not also wait for
/// megabytes of others. With one largest group on top it is still far below the 4 GiB that a frame can hold.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What the commit thread is asked for.
pub(crate) enum Order {
    /// To record these, next to each other, or none of them.
    Append {
        drafts: Vec<Draft>,
        /// About how many bytes they take.
        weight: usize,
        reply: Reply,
    },
    /// To stop, once everything ordered before is durable and published.
    Close { done: oneshot::Sender<()> },
}

/// Where the receipts go.
pub(crate) type Reply = oneshot::Sender<Result<Vec<Receipt>, AppendError>>;

/// What is committed together, and whether it is the last.
struct Round {
    groups: Vec<(Vec<Draft>, Reply)>,
    closing: Option<oneshot::Sender<()>>,
}

/// A group that has its numbers and waits to become durable.
struct Admitted {
    records: Vec<Record>,
    reply: Reply,
}

/// A batch that is on the disk.
struct Durable {
    batch: Batch,
    spine: Spine,
    note: Arc<str>,
}

/// What the commit thread works with.
pub(crate) struct Committer {
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) admission: Box<dyn Admission>,
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) frontier: Frontier,
    /// The time of the last entry: time in the ledger never goes back.
    pub(crate) last_time: Timestamp,
    pub(crate) signer: SignerKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fatal: Arc<dyn Fatal>,
    pub(crate) books: Arc<Books>,
    pub(crate) publisher: Publisher,
    /// Held until both threads have ended.
    pub(crate) lock: Box<dyn Lock>,
}

/// The publishing thread, which ends when it is asked no more.
pub(crate) struct Publisher {
    pub(crate) stop: std::sync::mpsc::Sender<()>,
    pub(crate) thread: JoinHandle<()>,
}

impl Committer {
    /// Runs until the ledger is closed, dropped, or its disk fails.
    pub(crate) fn run(mut self) {
        let closing = self.take_orders();
        let Self { mut orders, publisher, lock, .. } = self;
        drop(publisher.stop);
        // If it panicked there is nothing left to publish with.
        let _ = publisher.thread.join();
        drop(lock);
        // An order that was on its way into the queue when it closed would lie there as long as somebody has a
        // handle, and whoever sent it would wait as long: only an emptied queue has answered everybody.
        orders.close();
        while orders.blocking_recv().is_some() {}
        if let Some(done) = closing {
            // Whoever closed it may have stopped waiting.
            let _ = done.send(());
        }
    }

    fn take_orders(&mut self) -> Option<oneshot::Sender<()>> {
        while let Some(first) = self.orders.blocking_recv() {
            let Round { groups, closing } = self.drain(first);
            if self.books.has_stopped() {
                return closing;
            }
            if !self.commit(groups) || closing.is_some() {
                return closing;
            }
        }
        None
    }

    /// Everything that queued up, most of it during the last sync: nothing waits for more to come.
    fn drain(&mut self, first: Order) -> Round {
        let mut round = Round { groups: Vec::new(), closing: None };
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Append { drafts, weight, reply } => {
                    bytes += weight;
                    round.groups.push((drafts, reply));
                }
                Order::Close { done } => {
                    round.closing = Some(done);
                    return round;
                }
            }
            next = if bytes < BATCH_BYTES { self.orders.try_recv().ok() } else { None };
        }
        round
    }

    /// One batch; whether the ledger goes on after it.
    fn commit(&mut self, groups: Vec<(Vec<Draft>, Reply)>) -> bool {
        let first = self.frontier.size();
        let admitted = self.admit(first, groups);
        if admitted.is_empty() {
            return true;
        }
        match self.make_durable(first, &admitted) {
            Ok(durable) => {
                self.release(admitted, &durable);
                true
            }
            Err(error) => {
                // Before the replies are dropped, which their callers see as `Closed`: nobody goes on with
                // something else while the process is about to end.
                if self.books.stop() {
                    self.fatal.fatal(&error);
                }
                false
            }
        }
    }

    /// One write and one sync. A crash before the end of [`Journal::commit`] loses only what nobody was told of;
    /// a crash after it loses nothing.
    fn make_durable(&mut self, first: u64, admitted: &[Admitted]) -> Result<Durable, LedgerError> {
        let records = || admitted.iter().flat_map(|group| &group.records);
        let sealed = self.books.vault.seal(records().map(|record| record.openings.as_slice()))?;

        let mut batch = BatchWriter::new(first);
        for (record, sealed) in records().zip(&sealed) {
            let entry = record.entry.encode();
            self.frontier.push(leaf_hash(&entry));
            batch.push(&entry, sealed);
        }
        let spine = self.frontier.spine();
        let origin = self.signer.public().name().to_owned();
        let checkpoint = Checkpoint { origin, size: self.frontier.size(), root: spine.root() };
        let note: Arc<str> = self.signer.sign(&checkpoint.body()).into();
        let batch = batch.close(&note);
        self.journal.commit(&batch)?;
        Ok(Durable { batch, spine, note })
    }

    /// Tells everybody, with their receipts.
    fn release(&mut self, admitted: Vec<Admitted>, durable: &Durable) {
        let Durable { batch, spine, note } = durable;
        self.books.grow(batch.end());
        let mut items = batch.items();
        for Admitted { records, reply } in admitted {
            let receipts = items.by_ref().take(records.len()).map(|item| {
                let Ok(path) = spine.inclusion(&self.frontier, item.index);
                Receipt::new(item.index, item.entry.to_vec(), path, note.clone())
            });
            // The caller may have gone; the entry stays.
            let _ = reply.send(Ok(receipts.collect()));
        }
        self.frontier.forget();
    }

    /// Gives each group its numbers and time, and asks admission. Refused groups are answered at once, and
    /// leave no gap.
    fn admit(&mut self, first: u64, groups: Vec<(Vec<Draft>, Reply)>) -> Vec<Admitted> {
        let time = self.clock.now().max(self.last_time);
        let mut next = first;
        let mut admitted = Vec::with_capacity(groups.len());
        for (drafts, reply) in groups {
            let record = |(index, Draft { event, openings }): (u64, Draft)| Record {
                index,
                entry: Entry { time, event },
                openings: openings.into_iter().map(Some).collect(),
            };
            let records: Vec<Record> = (next..).zip(drafts).map(record).collect();
            match self.admission.admit(&records) {
                Ok(()) => {
                    next += records.len() as u64;
                    self.last_time = time;
                    admitted.push(Admitted { records, reply });
                }
                Err(why) => {
                    let _ = reply.send(Err(AppendError::Refused(why)));
                }
            }
        }
        admitted
    }
}
