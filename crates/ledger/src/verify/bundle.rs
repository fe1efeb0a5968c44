//! Checking an evidence bundle: every file against the signed manifest, every receipt against the log's key, and the
//! rules over the entries that the receipts prove.

use std::collections::BTreeMap;

use model::{Digest, Timestamp};

use super::{Damage, Fold, Tally};
use crate::manifest::Manifest;
use crate::policy::Policy;
use crate::receipt::{LogVerifier, Receipt};

/// The name of the manifest, which is in no manifest.
pub const MANIFEST: &str = "manifest";
/// The checkpoint that all receipts lead to.
pub const CHECKPOINT: &str = "checkpoint";

/// The name of the receipt of an entry; padded, so that the files sort as the entries do.
pub fn receipt_name(index: u64) -> String {
    format!("receipts/{index:012}.tlog-proof")
}

/// What was checked of a bundle, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BundleSummary {
    /// Which log.
    pub origin: String,
    /// When the bundle was made, as it says.
    pub made: Timestamp,
    /// How many files it has; each is the one that the manifest was signed over.
    pub files: u64,
    /// How many receipts; each proves its entry.
    pub receipts: u64,
    /// How many entries its checkpoint is about.
    pub entries: u64,
    /// Who cosigned the checkpoint, where a policy was given.
    pub cosigned: Option<Vec<(String, u64)>>,
    /// What the proved entries say, counted.
    pub tally: Tally,
}

/// Checks a bundle that has these files, by their paths.
///
/// The rules of [`Fold`] are checked over the entries that it proves. They hold in a part of a log as they do in the
/// whole, if the part has everything about the people, sessions and grants that it speaks of; a bundle that leaves
/// out what grants a look is refused, one that leaves out a revocation is not: only the whole log shows that.
pub fn check_bundle(
    files: &BTreeMap<String, Vec<u8>>,
    log: &LogVerifier,
    policy: Option<&Policy>,
) -> Result<BundleSummary, Damage> {
    let text = |path: &str| {
        let bytes = files.get(path).ok_or_else(|| Damage::Missing { path: path.to_owned() })?;
        Ok::<_, Damage>(String::from_utf8_lossy(bytes).into_owned())
    };
    let manifest = Manifest::read(&text(MANIFEST)?, log)
        .map_err(|source| Damage::Manifest { path: MANIFEST.to_owned(), source })?;
    if let Some(path) = files.keys().find(|path| *path != MANIFEST && !manifest.files.contains_key(*path)) {
        return Err(Damage::Unlisted { path: path.clone() });
    }
    for (path, digest) in &manifest.files {
        let bytes = files.get(path).ok_or_else(|| Damage::Missing { path: path.clone() })?;
        if Digest::of(bytes) != *digest {
            return Err(Damage::Changed { path: path.clone() });
        }
    }
    let note = text(CHECKPOINT)?;
    let checkpoint = log.checkpoint(&note);
    let checkpoint =
        checkpoint.map_err(|source| Damage::Checkpoint { path: CHECKPOINT.to_owned(), source })?;
    let cosigned = policy.map(|policy| super::cosigned(policy, &note)).transpose()?;
    let (mut fold, mut receipts) = (Fold::default(), 0);
    for path in manifest.files.keys().filter(|path| path.ends_with(".tlog-proof")) {
        let broken = |source| Damage::Receipt { path: path.clone(), source };
        let receipt = Receipt::from_tlog_proof(&text(path)?).map_err(broken)?;
        let verified = receipt.verify(log).map_err(broken)?;
        let index = verified.index();
        if receipt_name(index) != *path {
            return Err(Damage::Misnamed { path: path.clone(), index });
        }
        // What witnesses said of one checkpoint, they said of no other.
        if receipt.checkpoint() != note {
            return Err(Damage::OtherCheckpoint { path: path.clone() });
        }
        let kind = verified.entry().event.kind();
        fold.take(index, verified.entry()).map_err(|breach| Damage::Breach { index, kind, breach })?;
        receipts += 1;
    }
    Ok(BundleSummary {
        origin: manifest.log,
        made: manifest.made,
        files: manifest.files.len() as u64,
        receipts,
        entries: checkpoint.size,
        cosigned,
        tally: *fold.tally(),
    })
}
