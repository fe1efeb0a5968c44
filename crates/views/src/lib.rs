//! Questions over the ledger: who saw whom, when and why. Rebuildable, never the truth.
