//! One witness asked for one checkpoint: adjusting to the size that it has, and finding out what a contradiction
//! is worth.

use ledger::checkpoint::Checkpoint;
use ledger::cosignature::{Cosignature, WitnessKey};
use ledger::note::Note;
use ledger::tree::Hash;
use ledger::{Ledger, LedgerError};
use model::IncidentKind;

use crate::client::{Answer, Client, ClientError};
use crate::request::AddCheckpoint;

/// How often one round adjusts to a size that the witness says.
const ADJUSTMENTS: usize = 3;

/// What a log must be able to say of itself to be cosigned.
pub(crate) trait Growth: Send + Sync {
    /// How many entries are known to be durable.
    fn size(&self) -> u64;
    /// The proof that the first `old` entries are a beginning of the first `new`.
    fn proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError>;
    /// The root over the first `size` entries.
    fn root_at(&self, size: u64) -> Result<Hash, LedgerError>;
    /// What a checkpoint says, if this log signed it.
    fn own(&self, note: &str) -> Option<Checkpoint>;
}

impl Growth for Ledger {
    fn size(&self) -> u64 {
        self.known()
    }

    fn proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        self.prove_growth_between(old, new)
    }

    fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        Ledger::root_at(self, size)
    }

    fn own(&self, note: &str) -> Option<Checkpoint> {
        self.verifier().checkpoint(note).ok()
    }
}

/// What is to be cosigned.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The checkpoint, signed by the log.
    pub(crate) note: String,
    pub(crate) origin: String,
    pub(crate) size: u64,
}

/// What came of asking one witness.
#[derive(Debug)]
pub(crate) enum Outcome {
    Cosigned(Cosignature),
    /// It contradicts the ledger.
    Contradiction(Contradiction),
    Failed(Failure),
}

/// A witness contradicts the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contradiction {
    pub(crate) what: IncidentKind,
    /// How many entries the ledger had.
    pub(crate) size: u64,
    /// How many entries the witness has seen, as far as it says.
    pub(crate) seen: Option<u64>,
    /// Whether a checkpoint that this log signed proves it.
    pub(crate) proved: bool,
}

/// Why a witness did not cosign, where that says nothing against the ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the ledger cannot prove its growth: {0}")]
    Ledger(#[from] LedgerError),
    #[error("its answer has no cosignature of its key that is right: {0}")]
    Cosignature(#[from] ledger::note::NoteError),
    #[error("it keeps changing its mind about how many entries it has seen")]
    Unsteady,
    #[error(
        "it has seen {seen} entries, more than the {size} of this checkpoint; it is asked again for a later one"
    )]
    Ahead { seen: u64, size: u64 },
    #[error("it refuses the ledger, and the checkpoint that it has itself shows that the ledger is right")]
    Unfounded,
}

/// Asks one witness. `old` is the size that it is believed to have, and becomes the one that it has.
pub(crate) async fn ask(
    client: &Client,
    url: &str,
    key: &WitnessKey,
    growth: &dyn Growth,
    target: &Target,
    old: &mut u64,
) -> Outcome {
    match try_to(client, url, key, growth, target, old).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn try_to(
    client: &Client,
    url: &str,
    key: &WitnessKey,
    growth: &dyn Growth,
    target: &Target,
    old: &mut u64,
) -> Result<Outcome, Failure> {
    if *old > target.size {
        *old = 0;
    }
    for _ in 0..ADJUSTMENTS {
        let proof = growth.proof(*old, target.size)?;
        let request = AddCheckpoint { old: *old, proof, note: target.note.clone() };
        match client.add_checkpoint(url, &request).await? {
            Answer::Lines(lines) => {
                let note = format!("{}{lines}", target.note);
                let cosignature = key.verify(&Note::parse(&note)?)?;
                *old = target.size;
                return Ok(Outcome::Cosigned(cosignature));
            }
            Answer::Size(size) if size <= target.size => *old = size,
            Answer::Size(size) => return ahead(client, url, growth, target, size).await,
            Answer::Contradicts(_) => {
                let claim = Contradiction {
                    what: IncidentKind::LedgerFork,
                    size: growth.size(),
                    seen: Some(*old),
                    proved: false,
                };
                return prove(client, url, growth, target, claim).await;
            }
        }
    }
    Err(Failure::Unsteady)
}

/// The witness has seen more than this checkpoint. If the ledger has as much by now, that is nothing; if not, it was
/// set back.
async fn ahead(
    client: &Client,
    url: &str,
    growth: &dyn Growth,
    target: &Target,
    seen: u64,
) -> Result<Outcome, Failure> {
    let size = growth.size();
    if seen <= size {
        return Err(Failure::Ahead { seen, size: target.size });
    }
    let claim = Contradiction { what: IncidentKind::LedgerRollback, size, seen: Some(seen), proved: false };
    prove(client, url, growth, target, claim).await
}

/// Has the witness show what it has. What this log itself signed and does not have, or has otherwise, is proof;
/// whether the witness shows it or not, its refusal stands.
async fn prove(
    client: &Client,
    url: &str,
    growth: &dyn Growth,
    target: &Target,
    claim: Contradiction,
) -> Result<Outcome, Failure> {
    let shown = client.last(url, &target.origin).await.ok().flatten();
    let Some(shown) = shown.and_then(|note| growth.own(&note)) else {
        return Ok(Outcome::Contradiction(claim));
    };
    let (size, seen) = (growth.size(), Some(shown.size));
    if shown.size > size {
        let what = IncidentKind::LedgerRollback;
        return Ok(Outcome::Contradiction(Contradiction { what, size, seen, proved: true }));
    }
    if growth.root_at(shown.size)? != shown.root {
        let what = IncidentKind::LedgerFork;
        return Ok(Outcome::Contradiction(Contradiction { what, size, seen, proved: true }));
    }
    Err(Failure::Unfounded)
}
