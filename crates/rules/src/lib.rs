//! Sigma rules over the ledger's entries.
