//! What can go wrong while a policy is loaded or tickets are stored.

use std::fmt;
use std::path::PathBuf;

/// Policy or tickets could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A policy file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Schema or policy are wrong.
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
    /// The ticket store failed.
    #[error("ticket store: {0}")]
    Tickets(#[from] rusqlite::Error),
    /// The ticket store's file could not be made.
    #[error("ticket store {}: {source}", path.display())]
    TicketFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Everything that is wrong with a schema and its policies, not only the first fault.
#[derive(Debug, thiserror::Error)]
pub struct PolicyErrors(pub Vec<PolicyFault>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// One fault, with its place and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// Which file.
    pub file: String,
    /// Line and column, both from 1, where the fault has a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}\n  {}", self.what, self.help)
    }
}
