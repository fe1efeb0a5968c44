//! The ledger: made, opened, written, closed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use model::clock::random;
use model::{Digest, IncidentKind, Timestamp};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use zeroize::Zeroizing;

use crate::admission::Admission;
use crate::books::{Books, Given, Published};
use crate::checkpoint::Checkpoint;
use crate::commit::{Committer, Edge, Order};
use crate::disk::{Readers, replace};
use crate::draft::{Draft, MAX_GROUP, MAX_GROUP_BYTES, Record};
use crate::error::{AppendError, At, LedgerError, Malformed};
use crate::head::HeadStore;
use crate::journal::postgres::aside;
use crate::journal::{Compaction, FileJournal};
use crate::layout::{FORMAT, Layout};
use crate::manifest::Manifest;
use crate::note::SignerKey;
use crate::options::Options;
use crate::public::Public;
use crate::publication::Publishing;
use crate::publish::Publisher;
use crate::receipt::{LogVerifier, Receipt};
use crate::replay::{Replayed, Start};
use crate::snapshot::SnapshotStore;
use crate::snapshotter::Snapshotter;
use crate::store::{self, Store};
use crate::tree::{Hash, empty_root};
use crate::vault::MasterKey;

/// How many orders may wait for the commit thread before callers wait too.
const QUEUE: usize = 4096;

/// A handle to the one open ledger of this process. Cheap to clone. When the last handle is dropped the ledger
/// publishes and stops by itself; [`close`](Self::close) also waits for that.
#[derive(Debug, Clone)]
pub struct Ledger {
    orders: mpsc::Sender<Order>,
    books: Arc<Books>,
    verifier: LogVerifier,
    signer: Arc<SignerKey>,
}

impl Ledger {
    /// Makes a new, empty ledger in `dir` with fresh keys (0600). Refuses a directory that holds anything.
    ///
    /// With a database: a node of the log in it. If the database belongs to a log already, `dir` must hold the
    /// `log.key` and `master.key` of that log, copied from another node, and nothing else.
    pub fn create(dir: &Path, origin: &str, options: &Options) -> Result<(), LedgerError> {
        aside(|| Self::create_here(dir, origin, options))
    }

    fn create_here(dir: &Path, origin: &str, options: &Options) -> Result<(), LedgerError> {
        let disk = &*options.disk;
        disk.create_dir(dir).at("make", dir)?;
        let layout = Layout::new(dir, options);
        let found = disk.list(dir).at("list", dir)?;
        let is_copied = options.database.is_some() && found == ["log.key", "master.key"];
        let (signer, master) = if is_copied {
            (layout.read_signing_key(disk)?, layout.read_master_key(disk)?)
        } else {
            let signer = SignerKey::new(origin, &Zeroizing::new(random(&*options.entropy)))?;
            if let Some(found) = found.into_iter().next() {
                return Err(LedgerError::NotEmpty { dir: dir.to_owned(), found });
            }
            (signer, MasterKey::fresh(&*options.entropy))
        };
        let write = |path: &Path, text: &str, readers| {
            replace(disk, path, text.as_bytes(), readers).at("write", path)
        };
        if let Some(database) = &options.database {
            store::may_begin(database, &signer, &master)?;
        }
        let empty = Checkpoint { origin: signer.public().name().to_owned(), size: 0, root: empty_root() };
        let note = signer.sign(&empty.body());
        // First, because it may be elsewhere and refuse.
        HeadStore::new(options.disk.clone(), &layout.head()).create(&note)?;
        if !is_copied {
            write(&layout.signing_key(), &signer.to_text(), Readers::Owner)?;
            write(&layout.master_key(), &master.to_text(), Readers::Owner)?;
        }
        write(&layout.vkey(), &format!("{}\n", signer.public()), Readers::All)?;
        if options.database.is_none() {
            FileJournal::create(disk, &layout.journal())?;
        }
        disk.create_dir(&layout.public()).at("make", &layout.public())?;
        write(&layout.checkpoint(), &note, Readers::All)?;
        // The last file: without it the directory holds no ledger, and nothing can have been recorded.
        write(&layout.format(), FORMAT, Readers::All)
    }

    /// Opens the ledger in `dir`, takes its lock, cuts off an interrupted write, and replays every record into
    /// `admission`, or those since a snapshot that `admission` [loads](Admission::load).
    pub fn open(dir: &Path, options: &Options, admission: impl Admission) -> Result<Ledger, LedgerError> {
        aside(|| Self::open_here(dir, options, admission))
    }

    fn open_here(
        dir: &Path,
        options: &Options,
        mut admission: impl Admission,
    ) -> Result<Ledger, LedgerError> {
        let disk = &options.disk;
        let layout = Layout::new(dir, options);
        layout.check(&**disk)?;
        let path = layout.lock();
        let lock = disk.lock(&path).at("lock", &path)?.ok_or(LedgerError::Locked { path })?;
        layout.renew(&**disk)?;
        let signer = Arc::new(layout.read_signing_key(&**disk)?);
        let verifier = LogVerifier::new(signer.public().clone());
        let master = layout.read_master_key(&**disk)?;
        let store = Store::open(options, &layout, &signer, &master)?;
        let vault = store.vault(&layout, &master, options)?;
        let head = HeadStore::new(disk.clone(), &layout.head());
        let head_note = head.load()?;
        let promised = verifier
            .checkpoint(&head_note)
            .map_err(|source| LedgerError::Checkpoint { path: head.path(), source })?;

        let snapshots = SnapshotStore::new(
            disk.clone(),
            layout.snapshot(),
            &master,
            options.entropy.clone(),
            verifier.clone(),
        );
        let start = Start {
            disk,
            layout: &layout,
            store: &store,
            options,
            log: &verifier,
            vault: &vault,
            head: &head,
            head_note: &head_note,
            promised: &promised,
            snapshots: &snapshots,
        };
        let Replayed { journal, shelf, last_time, began_at } = start.replay(&mut admission)?;
        let edge =
            Edge { frontier: shelf.frontier().clone(), time: last_time, note: shelf.checkpoint().clone() };
        let size = shelf.size();
        let head_now = Published { size: promised.size, note: head_note.as_str().into() };
        let given = layout.given(&**disk, &verifier, &head_now);
        let publication = store.publication(options)?;
        // Of several nodes' log, what only the head store has may not have been announced yet.
        let published = if options.database.is_some() { given.clone() } else { head_now.clone() };
        let books = Arc::new(Books {
            disk: disk.clone(),
            journal: journal.reader(),
            vault,
            shelf: Mutex::new(shelf),
            log: verifier.clone(),
            head,
            head_now: Mutex::new(head_now),
            snapshots,
            given: RwLock::new(Given::new(given, &*options.entropy)),
            publication,
            public: Public::new(options),
            publishing: Mutex::default(),
            trouble: Mutex::default(),
            published: RwLock::new(published),
            checkpoint_path: layout.checkpoint(),
            witnessed: options.witnessed,
            entropy: options.entropy.clone(),
            compacting: Mutex::default(),
            durable: watch::Sender::new(size),
            stopped: AtomicBool::new(false),
        });
        books.publish(true)?;

        let publisher = Publisher::start(books.clone(), options)?;
        let snapshotter = Snapshotter::start(
            books.clone(),
            options.fatal.clone(),
            options.compact,
            options.snapshot_every,
            began_at,
        )?;
        let (orders, queue) = mpsc::channel(QUEUE);
        if options.database.is_some() {
            start_follower(orders.downgrade(), options.follow_every)?;
        }
        let committer = Committer {
            orders: queue,
            admission: Box::new(admission),
            journal,
            edge,
            patience: options.patience,
            signer: signer.clone(),
            verifier: verifier.clone(),
            clock: options.clock.clone(),
            fatal: options.fatal.clone(),
            books: books.clone(),
            publisher,
            snapshotter,
            lock,
        };
        let thread = std::thread::Builder::new().name("ledger-commit".to_owned());
        thread.spawn(|| committer.run()).map_err(LedgerError::Thread)?;
        Ok(Ledger { orders, books, verifier, signer })
    }

    /// Records one event. Returns once it is durable and included in a signed checkpoint.
    pub async fn append(&self, draft: Draft) -> Result<Receipt, AppendError> {
        self.append_all(vec![draft]).await?.pop().ok_or(AppendError::Closed)
    }

    /// Records all of them next to each other, or none.
    pub async fn append_all(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, AppendError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        if drafts.len() > MAX_GROUP {
            return Err(Malformed::GroupTooLarge.into());
        }
        let mut weight = 0;
        let check = |draft: Draft| {
            let (draft, bytes) = draft.check()?;
            weight += bytes;
            if weight <= MAX_GROUP_BYTES { Ok(draft) } else { Err(Malformed::GroupTooLarge) }
        };
        let drafts = drafts.into_iter().map(check).collect::<Result<_, _>>()?;
        let (reply, receipts) = oneshot::channel();
        self.orders.send(Order::Append { drafts, weight, reply }).await.map_err(|_| AppendError::Closed)?;
        receipts.await.map_err(|_| AppendError::Closed)?
    }

    /// How many entries are durable.
    pub fn size(&self) -> u64 {
        self.books.size()
    }

    /// Says the size again whenever it has grown; for what tails the ledger.
    pub fn growth(&self) -> watch::Receiver<u64> {
        self.books.durable.subscribe()
    }

    /// Up to `limit` records from number `from` on.
    pub fn read(&self, from: u64, limit: usize) -> Result<Vec<Record>, LedgerError> {
        self.books.read(from, limit)
    }

    /// A receipt for a recorded entry against the latest checkpoint.
    pub fn prove(&self, index: u64) -> Result<Receipt, LedgerError> {
        self.books.prove(index)
    }

    /// The proof that the first `old` entries are a beginning of the ledger as it is, and the checkpoint that
    /// it leads to.
    pub fn prove_growth(&self, old: u64) -> Result<(Vec<Hash>, Arc<str>), LedgerError> {
        self.books.consistency(old)
    }

    /// The proof that the first `old` entries are a beginning of the first `new`.
    pub fn prove_growth_between(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        self.books.growth(old, new)
    }

    /// The root over the first `size` entries.
    pub fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        self.books.root_at(size)
    }

    /// The checkpoint that is given out, as a signed note (text): the latest published one or, where witnesses
    /// are asked, the latest that [`give_out`](Self::give_out) was told of. Carries a signature of a key that nobody
    /// knows (grease), so that readers stay used to ignoring such.
    pub fn checkpoint(&self) -> String {
        self.books.given().greased.to_string()
    }

    /// The latest published checkpoint, with the signature of this log and no other.
    pub fn published(&self) -> Arc<str> {
        self.books.published().note
    }

    /// Gives out a published checkpoint with more signatures on it, unless a later one is given out already, or another
    /// node has come to publish. Refuses one that is not of this log, or that was not published. May wait for a database.
    pub fn give_out(&self, note: &str) -> Result<(), LedgerError> {
        let path = self.books.checkpoint_path.clone();
        let Checkpoint { size, root, .. } =
            self.verifier.checkpoint(note).map_err(|source| LedgerError::Checkpoint { path, source })?;
        let published = self.books.published().size;
        if size > published {
            return Err(LedgerError::NoSuchEntry { index: size, size: published });
        }
        if self.root_at(size)? != root {
            return Err(LedgerError::WrongRoot { size });
        }
        let checkpoint = Published { size, note: note.into() };
        let is_older = size < self.books.given().checkpoint.size;
        if is_older || !self.books.publication.give_out(&checkpoint)? {
            return Ok(());
        }
        self.books.give_out(checkpoint)
    }

    /// Whether it is this node that publishes, and asks witnesses; as far as is known without asking.
    pub fn publishes(&self) -> bool {
        self.books.publication.is_ours()
    }

    /// Who publishes, and where to.
    pub fn publishing(&self) -> Publishing {
        Publishing {
            lease: self.books.publication.lease(),
            store: self.books.public.as_ref().map(Public::status),
            trouble: self.books.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Tells every node that a witness has proved that the ledger contradicts what was shown before. May wait for a
    /// database.
    pub fn contradict(&self, what: IncidentKind) -> Result<(), LedgerError> {
        self.books.publication.contradict(what)
    }

    /// How many entries are known to be durable: those of [`size`](Self::size), and what another node has published of
    /// them that this one has not taken in yet.
    pub fn known(&self) -> u64 {
        self.books.known()
    }

    /// Serves `tile/…` and `tile/entries/…` (path without leading slash) for published sizes; `None` if there
    /// is none.
    pub fn tile(&self, path: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.books.tile(path)
    }

    /// Derives every published tile and bundle again from the journal, as they were derived in operation, and writes
    /// those that are missing or differ; what is right is left alone, so that it may be interrupted at any time. Of
    /// partial tiles those of the present size are written. `progress` hears of entries: so many, of so many. Answers
    /// how many tiles were written.
    pub fn rebuild_tiles(&self, mut progress: impl FnMut(u64, u64)) -> Result<u64, LedgerError> {
        self.books.rebuild_tiles(&mut progress)
    }

    /// Packs full segments of the journal whose entries are published, and the bundles and tiles that hold them, into
    /// less: the same is read from them, and served. It may be interrupted at any time. `progress` hears of entries: so
    /// many, of so many. Does nothing where the journal is in a database.
    pub fn compact(&self, mut progress: impl FnMut(u64, u64)) -> Result<Compaction, LedgerError> {
        self.books.compact(&mut progress, &|| self.books.has_stopped())
    }

    /// Compares the public store, where there is one, with what is given out, and puts what is missing or differs.
    pub fn rebuild_store(&self, mut progress: impl FnMut(u64, u64)) -> Result<Option<u64>, LedgerError> {
        let Some(public) = &self.books.public else { return Ok(None) };
        public.rebuild(&self.books, &mut progress).map(Some)
    }

    /// What receipts of this log verify with.
    pub fn verifier(&self) -> &LogVerifier {
        &self.verifier
    }

    /// The manifest of a bundle of evidence from this log, signed with its key: these files, which rest on the
    /// first `entries` entries.
    pub fn sign_manifest(&self, made: Timestamp, entries: u64, files: BTreeMap<String, Digest>) -> String {
        let log = self.verifier.origin().to_owned();
        Manifest { log, made, entries, files }.sign(&self.signer)
    }

    /// Commits what is queued, publishes the last checkpoint and stops.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.orders.send(Order::Close { done }).await.is_ok() {
            // An error means that the thread has ended, which is what was asked for.
            let _ = closed.await;
        }
    }
}

/// Reminds the commit thread, until it ends, to absorb what other nodes append.
fn start_follower(orders: mpsc::WeakSender<Order>, every: Duration) -> Result<(), LedgerError> {
    let remind = move || {
        while let Some(orders) = orders.upgrade() {
            // A full queue has turns in it, which absorb it too.
            if let Err(TrySendError::Closed(_)) = orders.try_send(Order::Follow) {
                return;
            }
            drop(orders);
            std::thread::sleep(every);
        }
    };
    let thread = std::thread::Builder::new().name("ledger-follow".to_owned());
    thread.spawn(remind).map(drop).map_err(LedgerError::Thread)
}
