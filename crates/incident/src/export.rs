//! A blast radius to take away: a directory with the answer and the receipts of every entry in it.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ledger::Ledger;

use crate::{Answer, Blast, text};

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The directory is there already.
    #[error("{0} exists already; nothing was overwritten")]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An entry could not be proved.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
}

/// Writes `blast-radius.csv`, `blast-radius.json`, `blast-radius.txt`, `receipts/NNN.tlog-proof` and
/// `README.txt` into `dir`, which must not be there yet. Only its owner may read it, because it names
/// customers. Returns how many receipts there are.
pub fn blast_radius(answer: &Answer<Blast>, ledger: &Ledger, dir: &Path) -> Result<usize, ExportError> {
    make(dir)?;
    let receipts = dir.join("receipts");
    make(&receipts)?;
    let entries = entries(answer);
    for index in &entries {
        let receipt = ledger.prove(*index)?.to_tlog_proof();
        write(&receipts.join(receipt_name(*index)), |file| file.write_all(receipt.as_bytes()))?;
    }
    write(&dir.join("blast-radius.csv"), |file| {
        crate::csv::blast_radius(&answer.answer.radius, file).map_err(io::Error::from)
    })?;
    write(&dir.join("blast-radius.json"), |file| {
        serde_json::to_writer_pretty(&mut *file, answer)?;
        file.write_all(b"\n")
    })?;
    write(&dir.join("blast-radius.txt"), |file| file.write_all(text::blast_radius(answer, 110).as_bytes()))?;
    // Last, so that a directory with this file is a whole one.
    write(&dir.join("README.txt"), |file| file.write_all(readme(answer, entries.len()).as_bytes()))?;
    Ok(entries.len())
}

/// The question itself, and every entry that the answer names.
fn entries(answer: &Answer<Blast>) -> BTreeSet<u64> {
    let radius = &answer.answer.radius;
    let reached = radius.seen.iter().chain(&radius.listed).flat_map(|reached| &reached.entries);
    [&answer.asked_as].into_iter().chain(reached).chain(&radius.erased).copied().collect()
}

/// Padded, so that the files sort as the entries do.
fn receipt_name(index: u64) -> String {
    format!("{index:012}.tlog-proof")
}

fn readme(answer: &Answer<Blast>, receipts: usize) -> String {
    let Answer { at, asked_as, as_of, log, .. } = answer;
    format!(
        "BLAST RADIUS\n\
         \n\
         Which customers one person could have seen, or shown, as the ledger records it.\n\
         Made {at}; the question itself is entry {asked_as} of the ledger. It rests on the\n\
         first {as_of} entries.\n\
         \n\
         blast-radius.txt   to read\n\
         blast-radius.csv   for a spreadsheet: a row for each customer\n\
         blast-radius.json  for a program: all of it\n\
         receipts/          {receipts} receipts: of the question, and of every entry named\n\
         \n\
         \"look\" means that the person opened the customer's record; \"listing\", that the\n\
         customer was a row in a list or a search. \"classes\" is what was shown: kinds of\n\
         fields, never their contents. \"(erased)\" is a customer who was erased since: that\n\
         the look happened can be proved, whom it was at is no longer known.\n\
         \n\
         HOW TO CHECK IT\n\
         \n\
         Each receipt (c2sp.org/tlog-proof@v1) proves that its entry is in the log with the\n\
         key below. Take the key from the operator by another way than this directory.\n\
         \n\
         {log}\n\
         \n\
         `sightline verify` with the ledger checks the whole log; any other tool for C2SP\n\
         transparency logs can do the same.\n\
         \n\
         This directory names customers. Keep it as you would keep their records.\n"
    )
}

fn make(dir: &Path) -> Result<(), ExportError> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ExportError::Exists(dir.to_owned()),
        _ => ExportError::File { path: dir.to_owned(), source },
    })
}

fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), ExportError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| fill(&mut file));
    written.map_err(|source| ExportError::File { path: path.to_owned(), source })
}
