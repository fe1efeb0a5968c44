//! Blast radius and reports: who could have been seen, with receipts.
