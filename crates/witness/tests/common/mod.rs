//! What the tests of witnesses share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses its own part

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ledger::checkpoint::Checkpoint;
use ledger::disk::{Disk, OsDisk};
use ledger::note::SignerKey;
use ledger::tree::{Frontier, Hash, leaf_hash};
use model::clock::ManualClock;
use model::{OsEntropy, Timestamp};
use sightline_witness::{AddCheckpoint, Witness};

pub const START: Timestamp = Timestamp(1_750_000_000_000);
pub const ORIGIN: &str = "ledger.example/desk";
pub const NAME: &str = "witness.example/w1";

/// A log in memory, which may tell two stories.
pub struct Story {
    pub signer: SignerKey,
    pub teller: u8,
    tree: Frontier,
    roots: Vec<Hash>,
}

impl Story {
    /// A log of `size` entries. Stories agree on what stands before `from` and on nothing else.
    pub fn new(teller: u8, from: u64, size: u64) -> Self {
        let signer = SignerKey::new(ORIGIN, &[1; 32]).unwrap();
        let mut tree = Frontier::default();
        let mut roots = vec![tree.root()];
        for n in 0..size {
            let teller = if n < from { 0 } else { teller };
            tree.push(leaf_hash(&[teller, n as u8, (n >> 8) as u8]));
            roots.push(tree.root());
        }
        Self { signer, teller, tree, roots }
    }

    pub fn note(&self, size: u64) -> String {
        let root = self.roots[size as usize];
        self.signer.sign(&Checkpoint { origin: ORIGIN.into(), size, root }.body())
    }

    pub fn proof(&self, old: u64, size: u64) -> Vec<Hash> {
        let Ok(spine) = ledger::tree::Spine::of(&self.tree, size);
        let Ok(proof) = spine.consistency(&self.tree, old);
        proof
    }

    /// The request for growth from `old` to `size`.
    pub fn request(&self, old: u64, size: u64) -> Vec<u8> {
        AddCheckpoint { old, proof: self.proof(old, size), note: self.note(size) }.to_text().into_bytes()
    }
}

/// Makes a witness that knows the log of [`Story`].
pub fn create(dir: &Path) {
    Witness::create(dir, NAME, &OsDisk, &OsEntropy).unwrap();
    let witness = open(dir, Arc::new(OsDisk)).unwrap().0;
    assert!(witness.add_log(Story::new(0, 0, 0).signer.public()).unwrap());
}

pub fn open(
    dir: &Path,
    disk: Arc<dyn Disk>,
) -> Result<(Witness, ManualClock), sightline_witness::WitnessError> {
    let clock = ManualClock::at(START);
    Ok((Witness::open(dir, disk, Arc::new(clock.clone()))?, clock))
}

/// Serves it on a free port of this machine.
pub async fn serve(router: axum::Router) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}
