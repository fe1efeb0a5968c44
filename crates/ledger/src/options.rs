//! What a ledger is opened with: time, randomness and disk as interfaces, and a few settings.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Entropy, OsEntropy, SystemClock};

use crate::database::Database;
use crate::disk::{Disk, OsDisk};
use crate::error::LedgerError;
use crate::public::PublicStore;

/// What a ledger is opened with. `Options::default()` uses the machine's clock, entropy and disk.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where entries get their time from.
    pub clock: Arc<dyn Clock>,
    /// Where keys and nonces come from.
    pub entropy: Arc<dyn Entropy>,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The database that the journal is in, with the customers' keys. By default both are files in the ledger's
    /// directory.
    pub database: Option<Database>,
    /// The name of this node, for people, where several write one log.
    pub node: String,
    /// Where tiles and checkpoint go besides the ledger's own directory.
    pub public: Option<Arc<dyn PublicStore>>,
    /// For how long one of several nodes has the right to publish, unless it renews it: so long nothing is published
    /// after it was lost. Much more than [`publish_every`](Self::publish_every), and than a database may take to answer.
    pub lease: Duration,
    /// The directory of the head store, best on another disk. By default `head` in the ledger's directory.
    pub head: Option<PathBuf>,
    /// How often a checkpoint is published while the ledger grows.
    pub publish_every: Duration,
    /// Whether witnesses are asked to cosign: then a published checkpoint is not given out by itself, but by
    /// [`Ledger::give_out`](crate::Ledger::give_out) once they were asked.
    pub witnessed: bool,
    /// After how many entries a snapshot is written, so that the next start replays no more than about these.
    pub snapshot_every: u64,
    /// Whether old segments are compacted in the background, after a snapshot.
    pub compact: bool,
    /// A segment of the journal ends after this many bytes.
    pub segment_bytes: u64,
    /// How long an entry waits for a database that cannot be reached, before its caller is told.
    pub patience: Duration,
    /// How often the database is asked what other nodes appended.
    pub follow_every: Duration,
    /// What happens when the disk fails.
    pub fatal: Arc<dyn Fatal>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            disk: Arc::new(OsDisk),
            database: None,
            node: "node".to_owned(),
            public: None,
            lease: Duration::from_secs(10),
            head: None,
            publish_every: Duration::from_secs(1),
            witnessed: false,
            snapshot_every: 100_000,
            compact: true,
            segment_bytes: 64 * 1024 * 1024,
            patience: Duration::from_secs(5),
            follow_every: Duration::from_millis(150),
            fatal: Arc::new(Abort),
        }
    }
}

/// What happens when the ledger cannot go on. After a failed write or sync nobody knows what is on the disk
/// until the journal is read again, so the process should end.
pub trait Fatal: Send + Sync + Debug {
    /// Called once, on a thread of the ledger. If it returns, the ledger takes no more entries.
    fn fatal(&self, error: &LedgerError);
}

/// Says what happened and ends the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Abort;

impl Fatal for Abort {
    fn fatal(&self, error: &LedgerError) {
        eprintln!("sightline: the ledger cannot go on, and nothing may be shown without it: {error}");
        eprintln!("sightline: everything that was shown is recorded. Repair the disk and start again.");
        std::process::abort();
    }
}
