//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use model::entry::{DecodeError, Why};

use crate::checkpoint::NotACheckpoint;
use crate::note::NoteError;
use crate::proof::NotAProof;

/// Why a ledger cannot be made, opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk said no.
    #[error("cannot {doing} {}: {source}", path.display())]
    Disk {
        /// What was tried, for example `write`.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A new ledger is made only in an empty directory.
    #[error("{} is not empty (it holds {found:?}); a new ledger needs an empty directory. Nothing was changed", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// There is no ledger there, or half a one.
    #[error("{} holds no complete ledger ({missing} is missing). If it was never opened, empty it and create the ledger anew; otherwise restore the file from a backup", dir.display())]
    NotALedger {
        /// The directory.
        dir: PathBuf,
        /// What is missing.
        missing: &'static str,
    },
    /// A format of another version.
    #[error("{} says {found:?}, and this version reads {known:?}: use the version of the program that wrote it", path.display())]
    Format {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it should say.
        known: &'static str,
    },
    /// Another process has it open.
    #[error("another process has this ledger open (lock on {}); stop it first, or read without opening", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A key file that cannot be used.
    #[error("the key in {} cannot be used: {why}. Restore it from a backup: without it the ledger can be verified, and not continued", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Something is in the journal's directory that does not belong there.
    #[error("{} does not belong to the journal: move it away", path.display())]
    Foreign {
        /// What it is.
        path: PathBuf,
    },
    /// The journal is damaged in a place where an interrupted write cannot explain it.
    #[error("{} is damaged at byte {offset} (entry {entry}): {what}. Nothing was changed. Restore this file from a backup or a replica; do not cut it off, what stands there was promised", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// Which entry should begin there.
        entry: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The journal has fewer entries than the head store promises.
    #[error("the journal has {size} entries, but {} says that {head} were published: the journal was rolled back or cut off. Nothing was changed. Restore the newer journal; entries that were published must not be given up silently", path.display())]
    RolledBack {
        /// The head's file.
        path: PathBuf,
        /// How many entries were published.
        head: u64,
        /// How many the journal has.
        size: u64,
    },
    /// The journal tells another story than the head store.
    #[error("the journal and {} disagree about the first {size} entries: one of them is of another history. Nothing was changed. Find out which one was published (receipts, copies of checkpoints) and restore it", path.display())]
    Forked {
        /// The head's file.
        path: PathBuf,
        /// At which size.
        size: u64,
    },
    /// The head store does not hold what this process wrote last.
    #[error("{} was changed by somebody else: does a second process run on a copy of this ledger? Stop both and find out which one is right", path.display())]
    HeadMoved {
        /// The head's file.
        path: PathBuf,
    },
    /// The head store has nothing.
    #[error("{} is missing, so a rolled-back journal could not be noticed. Restore it; or, once `verify` and a receipt or checkpoint that somebody else kept have shown that the ledger is whole, copy its public/checkpoint there", path.display())]
    HeadMissing {
        /// The head's file.
        path: PathBuf,
    },
    /// A checkpoint that does not verify.
    #[error("{}: {source}", path.display())]
    Checkpoint {
        /// Where it stands.
        path: PathBuf,
        /// What is wrong.
        source: CheckpointError,
    },
    /// A batch whose checkpoint this log did not sign.
    #[error("the batch that ends at {size} is not of this log: {source}. Nothing was overwritten")]
    BatchCheckpoint {
        /// The size of the tree.
        size: u64,
        /// What is wrong.
        source: CheckpointError,
    },
    /// The batch says another root than its entries have.
    #[error(
        "the entries up to {size} do not have the root that the journal's own checkpoint says: the journal was changed. Nothing was overwritten. Restore it from a backup or a replica"
    )]
    WrongRoot {
        /// The size of the tree.
        size: u64,
    },
    /// Bytes in the journal that are no entry.
    #[error("entry {index} cannot be read: {source}")]
    Entry {
        /// Which one.
        index: u64,
        /// What is wrong.
        source: DecodeError,
    },
    /// Openings in the journal that cannot be read, or that are not those of their entry.
    #[error("the sealed openings of entry {index} are damaged or of another master key: {what}")]
    Openings {
        /// Of which entry.
        index: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The configuration names a database, and the journal is in files.
    #[error("this ledger's journal is in {}, not in a database: take `journal` out of the configuration, or give the node of the database another data directory. Nothing was changed", dir.display())]
    JournalHere {
        /// Where it is.
        dir: PathBuf,
    },
    /// The configuration names no database, and the journal is in none of the files.
    #[error("{} is missing: if this ledger's journal is in a database, name it in the configuration (`journal` under [log]); if not, restore it from a backup", dir.display())]
    JournalElsewhere {
        /// Where it should be.
        dir: PathBuf,
    },
    /// The database of the journal cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A packed bundle, which holds what compacted segments of the journal hold nowhere else, cannot be used.
    #[error(
        "{}: {why}. Entries stand in it that the journal, which was compacted, does not hold again. Nothing was changed: restore the file from a backup, or pack it (gzip) from any copy of what this log published", path.display()
    )]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A segment of the journal that was compacted does not say what it did.
    #[error(
        "{}: compacted, it would not say what it does (if customers were erased meanwhile, this is expected). It was left as it is, and is tried again the next time", path.display()
    )]
    Compaction {
        /// The segment.
        path: PathBuf,
    },
    /// The public store did not do what it was asked.
    #[error("cannot {doing} {at}: {why}")]
    Store {
        /// Which store.
        at: String,
        /// What was tried.
        doing: &'static str,
        /// What it says.
        why: String,
    },
    /// The public store holds another log.
    #[error(
        "{at} holds a checkpoint that this log did not sign. Nothing was overwritten: name an empty place (`tiles` under [log])"
    )]
    OtherLog {
        /// Which store.
        at: String,
    },
    /// The store of customer keys failed.
    #[error("{}: {source}", path.display())]
    Keys {
        /// Its file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// At replay, admission refused what it once admitted.
    #[error(
        "entry {index} is in the ledger, but is refused at replay ({why}): this version decides differently, or the ledger was written by something else"
    )]
    Contradiction {
        /// Which entry.
        index: u64,
        /// Why it is refused.
        why: Why,
    },
    /// A name that a log cannot have, or a key that is none.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// An entry that is not there.
    #[error("there is no entry {index}: the ledger has {size}")]
    NoSuchEntry {
        /// Which one was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// The thread that commits, or the one that publishes, could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The ledger stopped after a disk error.
    #[error("the ledger has stopped after an error of its disk")]
    Stopped,
}

impl LedgerError {
    /// Whether trying again later may help, with nothing lost and nothing in doubt.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Database(DatabaseError::Unreachable { .. }) | Self::Store { .. } | Self::OtherLog { .. }
        )
    }
}

/// Why the database of a journal cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Its URL cannot be used.
    #[error("the database's URL cannot be used: {why}")]
    Url {
        /// What is wrong; never holds a password.
        why: String,
    },
    /// It cannot be reached, or does not do what it is asked.
    #[error("cannot {doing} in {at}: {why}")]
    Unreachable {
        /// Which database.
        at: String,
        /// What was tried.
        doing: &'static str,
        /// What it says.
        why: String,
    },
    /// Its tables are missing, or of a version that is too old.
    #[error(
        "the tables in {at} have version {found}, and this program needs {known}: run `sightline migrate`"
    )]
    Old {
        /// Which database.
        at: String,
        /// The version of its tables; 0: there are none.
        found: i32,
        /// The version that this program makes.
        known: i32,
    },
    /// Its tables are too new for this program.
    #[error(
        "the tables in {at} have version {found}, which needs a newer program than this one (it knows {known}): update this node. Nothing was changed"
    )]
    New {
        /// Which database.
        at: String,
        /// What it needs.
        found: i32,
        /// What this program knows.
        known: i32,
    },
    /// It is another log's.
    #[error(
        "{at} holds the log {found}, and this node's log.key is of {ours}. If the node is to join that log, copy log.key and master.key from a node that has it; otherwise use another database. Nothing was changed"
    )]
    Owner {
        /// Which database.
        at: String,
        /// The verification key of the log in it.
        found: String,
        /// That of this node.
        ours: String,
    },
    /// It is this log's, and its customers' keys are wrapped with another master key.
    #[error(
        "this node's master.key is not the one that {at} was begun with: copy it from a node that works. Nothing was changed"
    )]
    Master {
        /// Which database.
        at: String,
    },
    /// It has fewer entries than this node has seen in it.
    #[error(
        "{at} has {size} entries, and this node has seen {seen} in it: it was restored from an old backup, or a standby without the last entries was promoted. Nothing was changed. Find the database that has them; entries that were shown must not be given up silently"
    )]
    RolledBack {
        /// Which database.
        at: String,
        /// How many entries it has.
        size: u64,
        /// How many this node has seen.
        seen: u64,
    },
    /// It tells another story than this node has seen in it.
    #[error(
        "{at} and this node disagree about the first {size} entries: one of them is of another history. Nothing was changed. Find out which one was published (receipts, copies of checkpoints) and restore it"
    )]
    Forked {
        /// Which database.
        at: String,
        /// At which size.
        size: u64,
    },
    /// Its batches are not what was put there.
    #[error(
        "the database's batches are damaged at entry {entry}: {what}. Nothing was changed. Restore it from a backup or a replica"
    )]
    Damaged {
        /// Which entry should begin there.
        entry: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Adds what was tried, and with what, to an error of the disk.
pub(crate) trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, LedgerError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, LedgerError> {
        self.map_err(|source| LedgerError::Disk { doing, path: path.to_owned(), source })
    }
}

/// A checkpoint that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// As a note.
    #[error("the checkpoint does not verify: {0}")]
    Note(#[from] NoteError),
    /// The text of the note is no checkpoint.
    #[error(transparent)]
    Body(#[from] NotACheckpoint),
    /// A checkpoint of another log.
    #[error("it is a checkpoint of {found:?}, not of {expected:?}")]
    Origin {
        /// Whose it should be.
        expected: String,
        /// Whose it is.
        found: String,
    },
}

/// Why an append did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The caller's: admission said no, at the entry's place in the sequence.
    #[error("not admitted: {0}")]
    Refused(Why),
    /// The caller's: a draft that cannot become an entry.
    #[error("cannot be an entry: {0}")]
    Malformed(#[from] Malformed),
    /// For now nothing can be recorded, so nothing may be shown. Try again later.
    #[error("the ledger's database cannot be reached, and nothing may be shown without it; try again")]
    Unavailable,
    /// Fatal: the ledger is closed or its disk failed. Nothing may be shown.
    #[error("the ledger takes no entries: it is closed, or its disk failed")]
    Closed,
}

/// Why a draft cannot become an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Larger than the format allows.
    #[error("it has {0} bytes; at most {max} are possible", max = model::entry::MAX_ENTRY_BYTES)]
    TooLarge(usize),
    /// Another number of openings than of commitments.
    #[error("the event has {commitments} commitments and comes with {openings} openings")]
    Count {
        /// How many the event has.
        commitments: usize,
        /// How many came.
        openings: usize,
    },
    /// An opening that does not open its commitment.
    #[error("the openings do not open its commitments")]
    Mismatch,
    /// A list of more rows than one entry may speak of.
    #[error("it speaks of {0} rows; at most {max} are possible", max = crate::draft::MAX_ROWS)]
    TooManyRows(usize),
    /// More than one group may hold.
    #[error(
        "a group has at most {max} entries and {mib} MiB",
        max = crate::draft::MAX_GROUP,
        mib = crate::draft::MAX_GROUP_BYTES >> 20
    )]
    GroupTooLarge,
}

/// A receipt that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The text is no proof.
    #[error(transparent)]
    Text(#[from] NotAProof),
    /// The proof does not carry the entry.
    #[error("the proof does not carry the entry (its `extra` line)")]
    NoEntry,
    /// The checkpoint is not of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not in the tree that the checkpoint is about.
    #[error("entry {index} is not in the tree of the checkpoint of size {size}")]
    NotIncluded {
        /// Which entry.
        index: u64,
        /// The size of the checkpoint.
        size: u64,
    },
    /// It is in the tree, and cannot be read.
    #[error("entry {index} is in the log, but this version cannot read it: {why}")]
    Unreadable {
        /// Which entry.
        index: u64,
        /// What is wrong.
        why: String,
    },
}
