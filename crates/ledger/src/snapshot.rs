//! Snapshots: what replaying the first entries comes to, so that a start need not do it again.
//!
//! A snapshot saves time and is never needed. It is believed only if it opens under this ledger's master key for this
//! log's key, stands on a checkpoint that this log signed, has an edge with that checkpoint's root, and the journal
//! holds the same checkpoint at the same place; otherwise it is ignored, and everything is replayed. It is encrypted,
//! because the state of admission may name customers.
//!
//! ```text
//! "sightline snapshot 1\n" | 24 bytes nonce | XChaCha20-Poly1305 of the CBOR of a snapshot; associated data: the vkey
//! ```

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use minicbor::bytes::ByteVec;
use model::clock::random;
use model::{Entropy, Timestamp};
use zeroize::Zeroizing;

use crate::checkpoint::Checkpoint;
use crate::disk::{Disk, Readers, replace};
use crate::error::{At, LedgerError};
use crate::receipt::LogVerifier;
use crate::tiler::{Edge, Tiler};
use crate::vault::MasterKey;

const MAGIC: &[u8] = b"sightline snapshot 1\n";
const NONCE: usize = 24;

/// What replaying a ledger up to a batch comes to.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The checkpoint of the batch, as a note, exactly as the journal has it.
    pub(crate) note: String,
    /// The time of the last entry.
    pub(crate) time: Timestamp,
    /// What admission saved.
    pub(crate) admission: Zeroizing<Vec<u8>>,
    /// The tree's right edge.
    pub(crate) tiler: Tiler,
}

/// A snapshot as it is written.
#[derive(minicbor::Encode, minicbor::Decode)]
struct Written {
    #[n(0)]
    note: String,
    #[n(1)]
    time: Timestamp,
    #[n(2)]
    admission: ByteVec,
    /// For each tile level, the hashes of the tile that grows.
    #[n(3)]
    growing: Vec<ByteVec>,
    /// The bundle that grows.
    #[n(4)]
    bundle: ByteVec,
}

/// Why a snapshot is ignored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ignored {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    #[error("it is of another version")]
    Version,
    #[error("it is torn, or of another ledger")]
    Foreign,
    #[error("it does not stand on a checkpoint of this log")]
    Unfounded,
    #[error("this version cannot read the state in it")]
    State,
    #[error("the tiles below it cannot be read: {0}")]
    Tiles(String),
    #[error("the journal or the head store tells another story")]
    Unbound,
}

/// Where the one snapshot of a ledger stands.
pub(crate) struct SnapshotStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    cipher: XChaCha20Poly1305,
    entropy: Arc<dyn Entropy>,
    log: LogVerifier,
    /// The associated data: a snapshot of another log does not open.
    vkey: String,
    /// None is written of fewer entries than this: its state may name somebody who was erased since.
    least: Mutex<u64>,
}

impl fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotStore({})", self.dir.display())
    }
}

impl SnapshotStore {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        master: &MasterKey,
        entropy: Arc<dyn Entropy>,
        log: LogVerifier,
    ) -> Self {
        let key = master.derive("sightline/snapshot/v1");
        let vkey = log.vkey();
        Self {
            disk,
            dir,
            cipher: XChaCha20Poly1305::new((&*key).into()),
            entropy,
            log,
            vkey,
            least: Mutex::default(),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("snapshot")
    }

    /// The snapshot with its checkpoint, if there is one.
    pub(crate) fn load(&self) -> Result<Option<(Checkpoint, Snapshot)>, Ignored> {
        let bytes = match self.disk.read(&self.path()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let sealed = bytes.strip_prefix(MAGIC).ok_or(Ignored::Version)?;
        let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or(Ignored::Foreign)?;
        let payload = Payload { msg: body, aad: self.vkey.as_bytes() };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Ignored::Foreign)?;
        let Written { note, time, admission, growing, bundle } =
            minicbor::decode(&Zeroizing::new(plain)).map_err(|_| Ignored::Version)?;
        let checkpoint = self.log.checkpoint(&note).map_err(|_| Ignored::Unfounded)?;
        let growing = growing.iter().map(|hashes| hashes.as_chunks().0.to_vec()).collect();
        let tiler = Tiler::resume(checkpoint.size, Edge { growing, bundle: bundle.to_vec() });
        let tiler = tiler.filter(|tiler| tiler.root() == checkpoint.root).ok_or(Ignored::Unfounded)?;
        let admission = Zeroizing::new(Vec::from(admission));
        Ok(Some((checkpoint, Snapshot { note, time, admission, tiler })))
    }

    /// Puts a snapshot in the place of the one before, durably. A crash leaves the old one or the new one. Does nothing
    /// for a size that it was told to [forget](Self::forget).
    #[allow(clippy::expect_used)]
    pub(crate) fn save(
        &self,
        size: u64,
        note: &str,
        time: Timestamp,
        admission: &[u8],
        edge: Edge,
    ) -> Result<(), LedgerError> {
        let least = self.least.lock().unwrap_or_else(PoisonError::into_inner);
        if size < *least {
            return Ok(());
        }
        let written = Written {
            note: note.to_owned(),
            time,
            admission: admission.to_vec().into(),
            growing: edge.growing.into_iter().map(|hashes| hashes.as_flattened().to_vec().into()).collect(),
            bundle: edge.bundle.into(),
        };
        let plain = Zeroizing::new(minicbor::to_vec(&written).expect("a Vec takes every byte"));
        let nonce = random::<NONCE>(&*self.entropy);
        let payload = Payload { msg: &plain, aad: self.vkey.as_bytes() };
        // Fails only for more than 256 GiB.
        let body = self.cipher.encrypt(&XNonce::from(nonce), payload).expect("a snapshot fits in memory");
        self.disk.create_dir(&self.dir).at("make", &self.dir)?;
        let path = self.path();
        replace(&*self.disk, &path, &[MAGIC, &nonce, &body].concat(), Readers::Owner).at("write", &path)
    }

    /// Removes it, and writes none of fewer than `least` entries, also if it was ordered before: its state may name
    /// somebody whose keys are about to be destroyed, and a replay without these keys does not.
    pub(crate) fn forget(&self, least: u64) -> Result<(), LedgerError> {
        let mut known = self.least.lock().unwrap_or_else(PoisonError::into_inner);
        *known = least.max(*known);
        self.disk.remove_dir(&self.dir).at("remove", &self.dir)
    }
}
