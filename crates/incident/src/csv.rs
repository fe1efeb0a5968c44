//! Answers as CSV (RFC 4180), safe to open in a spreadsheet.
use std::io;
use views::{BlastRadius, Exposure};

/// A row for each customer within the blast radius, first those seen, then those listed.
pub fn blast_radius(_radius: &BlastRadius, _out: impl io::Write) -> Result<(), ::csv::Error> {
    todo!()
}

/// A row for each exposure.
pub fn who_saw(_exposures: &[Exposure], _out: impl io::Write) -> Result<(), ::csv::Error> {
    todo!()
}
