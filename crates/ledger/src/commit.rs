//! The commit thread: takes what is queued, admits it, makes it durable in one write and one sync, and only
//! then releases the receipts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::entry::Why;
use model::{Clock, Entry, Event, Timestamp};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::admission::Admission;
use crate::books::{Books, records};
use crate::checkpoint::Checkpoint;
use crate::disk::Lock;
use crate::draft::{Draft, Record};
use crate::error::{AppendError, LedgerError};
use crate::journal::{Batch, BatchVisitor, BatchWriter, Journal, Next, Setback, Tip};
use crate::note::SignerKey;
use crate::options::Fatal;
use crate::publish::Publisher;
use crate::receipt::{LogVerifier, Receipt};
use crate::snapshotter::{Moment, Snapshotter};
use crate::tree::{Frontier, Spine, leaf_hash};

/// A batch takes no further groups once it has this many bytes: who waits for a sync should not also wait for
/// megabytes of others. With one largest group on top it is still far below the 4 GiB that a frame can hold.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// How long to wait before a batch that was lost is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// What the commit thread is asked for.
pub(crate) enum Order {
    /// To record these, next to each other, or none of them.
    Append {
        drafts: Vec<Draft>,
        /// About how many bytes they take.
        weight: usize,
        reply: Reply,
    },
    /// To absorb what others appended.
    Follow,
    /// To stop, once everything ordered before is durable and published.
    Close { done: oneshot::Sender<()> },
}

/// Where the receipts go.
pub(crate) type Reply = oneshot::Sender<Result<Vec<Receipt>, AppendError>>;

/// What somebody wants recorded together.
struct Group {
    drafts: Vec<Draft>,
    reply: Reply,
}

/// What is committed together, and whether it is the last.
#[derive(Default)]
struct Round {
    groups: Vec<Group>,
    /// About how many bytes they take.
    bytes: usize,
    closing: Option<oneshot::Sender<()>>,
}

impl Round {
    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.closing.is_some()
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Append { drafts, weight, reply } => {
                self.bytes += weight;
                self.groups.push(Group { drafts, reply });
            }
            // A turn absorbs it too.
            Order::Follow => {}
            Order::Close { done } => self.closing = Some(done),
        }
    }
}

/// A group that was decided on. Nobody is told before its batch is durable: a refusal, too, may rest on what is
/// in the same batch.
struct Decided {
    records: Vec<Record>,
    verdict: Result<(), Why>,
    reply: Reply,
}

impl Decided {
    fn admitted(&self) -> &[Record] {
        if self.verdict.is_ok() { &self.records } else { &[] }
    }

    /// The group as it came, to be decided on again.
    fn taken_back(self) -> Group {
        let draft = |Record { entry, openings, .. }: Record| Draft {
            event: entry.event,
            openings: openings.into_iter().flatten().collect(),
        };
        Group { drafts: self.records.into_iter().map(draft).collect(), reply: self.reply }
    }
}

/// A batch that is durable.
struct Durable {
    batch: Batch,
    spine: Spine,
}

/// What the commit thread works with.
pub(crate) struct Committer {
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) admission: Box<dyn Admission>,
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) edge: Edge,
    /// How long what cannot be recorded is tried again.
    pub(crate) patience: Duration,
    pub(crate) signer: Arc<SignerKey>,
    pub(crate) verifier: LogVerifier,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fatal: Arc<dyn Fatal>,
    pub(crate) books: Arc<Books>,
    pub(crate) publisher: Publisher,
    pub(crate) snapshotter: Snapshotter,
    /// Held until all threads have ended.
    pub(crate) lock: Box<dyn Lock>,
}

/// The end of the durable ledger, where the next entry goes.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) frontier: Frontier,
    /// The time of the last entry: time in the ledger never goes back.
    pub(crate) time: Timestamp,
    /// The checkpoint up to here, as a note.
    pub(crate) note: Arc<str>,
}

impl Committer {
    /// Runs until the ledger is closed, dropped, or its disk fails.
    pub(crate) fn run(mut self) {
        let closing = self.take_orders();
        if self.snapshotter.is_behind(self.edge.frontier.size()) && !self.books.has_stopped() {
            self.snapshot();
        }
        let Self { mut orders, publisher, snapshotter, lock, books, .. } = self;
        snapshotter.finish();
        drop(publisher.stop);
        // If it panicked there is nothing left to publish with.
        let _ = publisher.thread.join();
        // With the last handle the store of keys closes, which removes files of its own.
        drop(books);
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
            let mut round = Round::default();
            round.take(first);
            self.drain(&mut round);
            if self.books.has_stopped() {
                return round.closing;
            }
            let goes_on = if round.groups.is_empty() { self.follow() } else { self.commit(&mut round) };
            if !goes_on || round.closing.is_some() {
                return round.closing;
            }
        }
        None
    }

    /// Everything that queued up, most of it during the last sync: nothing waits for more to come.
    fn drain(&mut self, round: &mut Round) {
        while !round.is_full()
            && let Ok(order) = self.orders.try_recv()
        {
            round.take(order);
        }
    }

    /// One batch, tried again while that may help; whether the ledger goes on after it.
    fn commit(&mut self, round: &mut Round) -> bool {
        let started = Instant::now();
        let mut is_first = true;
        loop {
            match self.try_commit(round) {
                Ok(()) => return true,
                Err(Setback::Again(why)) if started.elapsed() < self.patience => {
                    if std::mem::take(&mut is_first) {
                        tracing::warn!(%why, "the journal did not take a batch; it is tried again");
                    }
                    std::thread::sleep(PAUSE);
                }
                // To try again what may have been appended could append it twice.
                Err(Setback::Again(why) | Setback::Unknown(why)) => {
                    tracing::error!(%why, "the journal takes no entries: nothing can be shown");
                    for Group { reply, .. } in round.groups.drain(..) {
                        let _ = reply.send(Err(AppendError::Unavailable));
                    }
                    return true;
                }
                // Before the replies are dropped, which their callers see as `Closed`: nobody goes on with
                // something else while the process is about to end.
                Err(Setback::Fatal(error)) => return self.give_up(&error),
            }
        }
    }

    fn give_up(&self, error: &LedgerError) -> bool {
        if self.books.stop() {
            self.fatal.fatal(error);
        }
        false
    }

    /// Absorbs what others appended; whether the ledger goes on.
    fn follow(&mut self) -> bool {
        match self.absorb(|journal, tip, visitor| journal.follow(tip, visitor)) {
            Ok(()) => {
                self.snapshot_if_due();
                true
            }
            Err(Setback::Again(why) | Setback::Unknown(why)) => {
                tracing::debug!(%why, "what others append cannot be read for now");
                true
            }
            Err(Setback::Fatal(error)) => self.give_up(&error),
        }
    }

    /// Decides on the groups, makes what is admitted durable, and answers. After a setback they are in the round
    /// again, and admission is where it was.
    fn try_commit(&mut self, round: &mut Round) -> Result<(), Setback> {
        self.absorb(|journal, tip, visitor| journal.begin(tip, visitor))?;
        // What came while others had their turn need not wait for the next one.
        self.drain(round);
        let decided = self.decide(std::mem::take(&mut round.groups));
        if decided.iter().all(|group| group.admitted().is_empty()) {
            self.journal.pass();
            answer(decided, |_| Vec::new());
            return Ok(());
        }
        match self.make_durable(&decided) {
            Ok(durable) => {
                self.admission.settle();
                self.release(decided, &durable);
                self.snapshot_if_due();
                Ok(())
            }
            Err(setback) => {
                self.admission.undo();
                // A key that was made for the batch may be lost with it.
                self.books.vault.forget();
                round.groups.extend(decided.into_iter().map(Decided::taken_back));
                Err(setback)
            }
        }
    }

    fn snapshot_if_due(&mut self) {
        if self.snapshotter.is_due(self.edge.frontier.size()) {
            self.snapshot();
        }
    }

    /// Has a snapshot written of where things stand, if admission can be saved.
    fn snapshot(&mut self) {
        let Edge { frontier, time, note } = &self.edge;
        if let Some(saved) = self.admission.save() {
            let (size, admission) = (frontier.size(), Zeroizing::new(saved));
            self.snapshotter.order(Moment { size, note: note.clone(), time: *time, admission });
        }
    }

    /// Absorbs what others appended, as the journal shows it.
    fn absorb(
        &mut self,
        show: impl FnOnce(&mut dyn Journal, &Tip, &mut BatchVisitor<'_>) -> Result<(), Setback>,
    ) -> Result<(), Setback> {
        let Self { journal, edge, admission, books, verifier, .. } = self;
        let tip = Tip { size: edge.frontier.size(), root: edge.frontier.root() };
        show(&mut **journal, &tip, &mut |batch| {
            edge.absorb(batch, verifier, books, &mut **admission)?;
            books.grow(batch.end());
            Ok(())
        })
    }

    /// One commit of the journal. A crash before its end loses only what nobody was told of; a crash after it
    /// loses nothing.
    fn make_durable(&mut self, decided: &[Decided]) -> Result<Durable, Setback> {
        let records = || decided.iter().flat_map(Decided::admitted);
        if let Some(last) = records().rfind(|record| matches!(record.entry.event, Event::Erased(_))) {
            self.books.snapshots.forget(last.index + 1)?;
        }
        let sealed = self.books.vault.seal(records())?;

        let mut edge = self.edge.clone();
        let mut batch = BatchWriter::new(edge.frontier.size());
        for (record, sealed) in records().zip(&sealed) {
            let entry = record.entry.encode();
            edge.frontier.push(leaf_hash(&entry));
            edge.time = record.entry.time;
            batch.push(&entry, sealed);
        }
        let spine = edge.frontier.spine();
        let origin = self.signer.public().name().to_owned();
        let checkpoint = Checkpoint { origin, size: edge.frontier.size(), root: spine.root() };
        edge.note = self.signer.sign(&checkpoint.body()).into();
        let batch = batch.close(&edge.note);
        let is_fence = |record: &&Record| record.entry.event.is_fence();
        let fence = records().rfind(is_fence).map(|record| record.index + 1);
        self.journal.commit(&Next { batch: &batch, root: checkpoint.root, fence })?;
        self.edge = edge;
        Ok(Durable { batch, spine })
    }

    /// Tells everybody, with their receipts.
    fn release(&mut self, decided: Vec<Decided>, durable: &Durable) {
        let Durable { batch, spine } = durable;
        self.books.grow(batch.end());
        let mut items = batch.items();
        let Edge { frontier, note, .. } = &self.edge;
        answer(decided, |count| {
            let receipts = items.by_ref().take(count).map(|item| {
                let Ok(path) = spine.inclusion(frontier, item.index);
                Receipt::new(item.index, item.entry.to_vec(), path, note.clone())
            });
            receipts.collect()
        });
        self.edge.frontier.forget();
    }

    /// Gives each group its numbers and time, and asks admission. Refused groups leave no gap.
    fn decide(&mut self, groups: Vec<Group>) -> Vec<Decided> {
        let time = self.clock.now().max(self.edge.time);
        let mut next = self.edge.frontier.size();
        let mut decided = Vec::with_capacity(groups.len());
        for Group { drafts, reply } in groups {
            let record = |(index, Draft { event, openings }): (u64, Draft)| Record {
                index,
                entry: Entry { time, event },
                openings: openings.into_iter().map(Some).collect(),
            };
            let records: Vec<Record> = (next..).zip(drafts).map(record).collect();
            let verdict = self.admission.admit(&records);
            if verdict.is_ok() {
                next += records.len() as u64;
            }
            decided.push(Decided { records, verdict, reply });
        }
        decided
    }
}

impl Edge {
    /// Absorbs a batch that somebody else appended, once it is shown to be the next one of this log.
    fn absorb(
        &mut self,
        batch: &Batch,
        verifier: &LogVerifier,
        books: &Books,
        admission: &mut dyn Admission,
    ) -> Result<(), LedgerError> {
        let mut next = self.clone();
        batch.items().for_each(|item| next.frontier.push(leaf_hash(item.entry)));
        let (size, root) = (next.frontier.size(), next.frontier.root());
        let said = verifier.checkpoint(batch.checkpoint());
        let said = said.map_err(|source| LedgerError::BatchCheckpoint { size, source })?;
        if (said.size, said.root) != (size, root) {
            return Err(LedgerError::WrongRoot { size });
        }
        // All of them before any is admitted: the database may be lost in between.
        let records = records(&books.vault, batch).collect::<Result<Vec<_>, _>>()?;
        for record in records {
            let index = record.index;
            next.time = next.time.max(record.entry.time);
            if matches!(record.entry.event, Event::Erased(_)) {
                // Whoever wrote it has destroyed the keys, and we may remember them.
                books.snapshots.forget(index + 1)?;
                books.vault.forget();
            }
            admission.admit(&[record]).map_err(|why| LedgerError::Contradiction { index, why })?;
        }
        admission.settle();
        next.note = batch.checkpoint().into();
        next.frontier.forget();
        *self = next;
        Ok(())
    }
}

/// Answers everybody; `receipts` are the next so many. Whoever asked may have gone; the entry stays.
fn answer(decided: Vec<Decided>, mut receipts: impl FnMut(usize) -> Vec<Receipt>) {
    for Decided { records, verdict, reply } in decided {
        let answer = match verdict {
            Ok(()) => Ok(receipts(records.len())),
            Err(why) => Err(AppendError::Refused(why)),
        };
        let _ = reply.send(answer);
    }
}
