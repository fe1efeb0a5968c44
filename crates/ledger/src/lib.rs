//! The transparency log, to the C2SP specifications (tlog-tiles, tlog-checkpoint, signed-note,
//! tlog-proof), with an admission check at the place where entries get their numbers.
//!
//! CONTRACT STUB: signatures other rooms build against. The ledger room replaces the bodies, splits
//! this into modules, and may add; it does not change a signature without telling.

use std::path::Path;
use std::sync::Arc;

use model::entry::Why;
use model::{Clock, Entropy, Entry, Event, Opening};

/// What a caller wants recorded: the event, and what opens each commitment in it, in order.
#[derive(Debug, Clone)]
pub struct Draft {
    pub event: Event,
    pub openings: Vec<Opening>,
}

impl Draft {
    /// An event that is about no customer.
    pub fn plain(event: Event) -> Self {
        Self { event, openings: Vec::new() }
    }
}

/// Decides what gets a number, on the one commit thread, in the order of the numbers.
pub trait Admission: Send + 'static {
    /// Admits `group` (records with consecutive numbers, at least one) and absorbs all of it into the
    /// state, or says why not and leaves no trace of any of it.
    ///
    /// Admitting a group means the same as admitting its records one by one: a later record is decided
    /// against the state that the earlier ones made. `entry.time` is the time to decide by. Must be
    /// deterministic: the same records give the same state, also at replay, where each record comes as a
    /// group of its own and an opening is `None` if its customer was erased.
    fn admit(&mut self, group: &[Record]) -> Result<(), Why>;
}

/// Admits everything; for tools that only read, and tests.
#[derive(Debug, Default)]
pub struct AdmitAll;
impl Admission for AdmitAll {
    fn admit(&mut self, _: &[Record]) -> Result<(), Why> {
        Ok(())
    }
}

/// What a ledger is made with. `Options::new(origin)` uses the system's clock, entropy and disk.
#[derive(Debug, Clone)]
pub struct Options {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// A handle to the one open ledger of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {}

impl Ledger {
    /// Makes a new, empty ledger in `dir` with fresh keys (0600). Refuses a directory that holds anything.
    pub fn create(_dir: &Path, _origin: &str, _options: &Options) -> Result<(), LedgerError> {
        todo!()
    }
    /// Opens the ledger in `dir`, takes its lock, repairs a torn tail, and replays every record into `admission`.
    pub fn open(_dir: &Path, _options: &Options, _admission: impl Admission) -> Result<Ledger, LedgerError> {
        todo!()
    }
    /// Records one event. Returns once it is durable and included in a signed checkpoint.
    pub async fn append(&self, _draft: Draft) -> Result<Receipt, AppendError> {
        todo!()
    }
    /// Records all of them next to each other, or none.
    pub async fn append_all(&self, _drafts: Vec<Draft>) -> Result<Vec<Receipt>, AppendError> {
        todo!()
    }
    /// How many entries are durable.
    pub fn size(&self) -> u64 {
        todo!()
    }
    /// Says the size again whenever it has grown; for what tails the ledger.
    pub fn growth(&self) -> tokio::sync::watch::Receiver<u64> {
        todo!()
    }
    /// Up to `limit` records from number `from` on.
    pub fn read(&self, _from: u64, _limit: usize) -> Result<Vec<Record>, LedgerError> {
        todo!()
    }
    /// A receipt for a recorded entry against the latest checkpoint.
    pub fn prove(&self, _index: u64) -> Result<Receipt, LedgerError> {
        todo!()
    }
    /// The latest published checkpoint, as a signed note (text).
    pub fn checkpoint(&self) -> String {
        todo!()
    }
    /// Serves `tile/…` and `tile/entries/…` (path without leading slash) for published sizes; `None` if there is none.
    pub fn tile(&self, _path: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        todo!()
    }
    /// What receipts of this log verify with.
    pub fn verifier(&self) -> &LogVerifier {
        todo!()
    }
    /// Commits what is queued, publishes the last checkpoint and stops the commit thread.
    pub async fn close(&self) {
        todo!()
    }
}

/// A recorded entry with what is still known of its openings (in the order of its commitments; for a
/// `Listed` entry one for each row). `None`: the customer was erased.
#[derive(Debug, Clone)]
pub struct Record {
    pub index: u64,
    pub entry: Entry,
    pub openings: Vec<Option<Opening>>,
}

/// Checks checkpoints and receipts of one log: its origin and public key.
#[derive(Debug, Clone)]
pub struct LogVerifier {}
impl LogVerifier {
    /// The `vkey` line of signed-note.
    pub fn vkey(&self) -> String {
        todo!()
    }
    pub fn from_vkey(_vkey: &str) -> Result<Self, LedgerError> {
        todo!()
    }
}

/// A receipt as it came: durable entry, inclusion proof, signed checkpoint. Nothing may be believed
/// of it before [`verify`](Self::verify).
#[derive(Debug, Clone)]
pub struct Receipt {}
impl Receipt {
    pub fn index(&self) -> u64 {
        todo!()
    }
    /// The `.tlog-proof` text (c2sp.org/tlog-proof@v1).
    pub fn to_tlog_proof(&self) -> String {
        todo!()
    }
    /// Checks leaf, inclusion, checkpoint signature and origin.
    pub fn verify(&self, _log: &LogVerifier) -> Result<Verified, ReceiptError> {
        todo!()
    }
}

/// An entry that a verified receipt proves to be in the log. Can only be made by [`Receipt::verify`].
#[derive(Debug, Clone)]
pub struct Verified {
    index: u64,
    entry: Entry,
}
impl Verified {
    pub fn index(&self) -> u64 {
        self.index
    }
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// Why an append did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The caller's: admission said no, at the entry's place in the sequence.
    #[error("not admitted: {0}")]
    Refused(Why),
    /// The caller's: an entry larger than the format allows, or openings that do not open its commitments.
    #[error("cannot be an entry: {0}")]
    Malformed(String),
    /// Fatal: the ledger is closed or its disk failed. Nothing may be shown.
    #[error("the ledger takes no entries")]
    Closed,
}

/// A receipt that does not verify.
#[derive(Debug, thiserror::Error)]
#[error("the receipt does not verify: {0}")]
pub struct ReceiptError(pub String);

/// (The ledger room turns this into enums with context.)
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);
