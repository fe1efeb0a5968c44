//! `sightline verify`: everything checked offline, or from what a console publishes, and said in numbers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use access::SharedState;
use ledger::verify::{Directory, Summary, check};
use ledger::{LogVerifier, Receipt};
use serde::Serialize;

use crate::cli::Verify;
use crate::fetch::Published;
use crate::progress;

/// Exit status 0: good. 1: could not be checked. 2: damaged.
pub(crate) fn run(options: &Verify) -> Result<ExitCode, String> {
    let what = &options.what;
    if what.starts_with("https://") || what.starts_with("http://") {
        let log = key(options.vkey.as_deref(), None)?;
        let source = Published::at(what)?;
        return log_in(options, &source, &log);
    }
    let path = Path::new(what);
    if path.is_file() {
        let log = key(options.vkey.as_deref(), None)?;
        return receipt(options, path, &log);
    }
    let dir = ledger_dir(path)?;
    let log = key(options.vkey.as_deref(), Some(&dir.join("log.vkey")))?;
    let source = Directory::open(&dir).map_err(|e| e.to_string())?;
    log_in(options, &source, &log)
}

/// A ledger's own directory, or the ledger in a data directory, or that in the directory of a demo.
fn ledger_dir(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return Err(format!("{}: no such directory, receipt or URL", path.display()));
    }
    let inside = [path.join("ledger"), path.join("data/ledger")];
    Ok(inside.into_iter().find(|dir| dir.is_dir()).unwrap_or_else(|| path.to_owned()))
}

/// The verification key: as given, from the file that was given, or the one that lies with the log.
fn key(given: Option<&str>, lying: Option<&Path>) -> Result<LogVerifier, String> {
    let text = match (given, lying) {
        (Some(given), _) if Path::new(given).is_file() => read(Path::new(given))?,
        (Some(given), _) => given.to_owned(),
        (None, Some(file)) => read(file)?,
        (None, None) => {
            return Err(
                "name the log's verification key with --vkey; one that comes from the same place as \
                        what is to be checked would prove nothing"
                    .into(),
            );
        }
    };
    LogVerifier::from_vkey(text.trim()).map_err(|e| e.to_string())
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}

fn log_in(
    options: &Verify,
    source: &dyn ledger::verify::Source,
    log: &LogVerifier,
) -> Result<ExitCode, String> {
    let bar =
        if options.quiet { indicatif::ProgressBar::hidden() } else { progress::bar("checking", "entries") };
    let mut state = SharedState::default();
    let checked = check(source, log, Some(&mut state), &mut |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    match checked {
        Ok(summary) if options.form.json => {
            print_json(&Verdict { good: true, damage: None, summary: Some(summary) }, 0)
        }
        Ok(summary) => {
            print!("{}", say(&summary));
            Ok(ExitCode::SUCCESS)
        }
        Err(damage) if options.form.json => {
            print_json(&Verdict { good: false, damage: Some(damage.to_string()), summary: None }, 2)
        }
        Err(damage) => {
            eprintln!("sightline: {}: DAMAGED: {damage}", options.what);
            Ok(ExitCode::from(2))
        }
    }
}

/// What `--json` prints of a log.
#[derive(Serialize)]
struct Verdict {
    good: bool,
    damage: Option<String>,
    #[serde(flatten)]
    summary: Option<Summary>,
}

fn say(summary: &Summary) -> String {
    let time = |t: Option<model::Timestamp>| t.map_or("-".to_owned(), |t| t.to_string());
    let mut text = format!(
        "{origin}: good\n  \
         {entries} entries: each read, decoded, hashed, found in the tree, and admissible where it stands\n  \
         {tiles} tiles and {bundles} bundles, {bytes} bytes\n  \
         {signatures} signatures of checkpoints\n  \
         from {first} to {last}\n  \
         root {root}\n",
        origin = summary.origin,
        entries = summary.entries,
        tiles = summary.tiles,
        bundles = summary.bundles,
        bytes = summary.bytes,
        signatures = summary.signatures,
        first = time(summary.first),
        last = time(summary.last),
        root = summary.root,
    );
    if let Some(journal) = &summary.journal {
        text += &format!(
            "  journal: {} entries in {} batches, {} bytes, tells the same\n",
            journal.entries, journal.batches, journal.bytes
        );
        if journal.unfinished_bytes > 0 {
            text += &format!(
                "  {} bytes of an unfinished write; nothing was released of it\n",
                journal.unfinished_bytes
            );
        }
    }
    text
}

/// What `--json` prints of a receipt.
#[derive(Serialize)]
struct Proved<'a> {
    good: bool,
    index: u64,
    #[serde(flatten)]
    entry: &'a model::Entry,
}

fn receipt(options: &Verify, file: &Path, log: &LogVerifier) -> Result<ExitCode, String> {
    let proved = Receipt::from_tlog_proof(&read(file)?).and_then(|receipt| receipt.verify(log));
    match proved {
        Ok(verified) if options.form.json => {
            print_json(&Proved { good: true, index: verified.index(), entry: verified.entry() }, 0)
        }
        Ok(verified) => {
            println!("{}: good; entry {} of {}:", file.display(), verified.index(), log.origin());
            print!("{}", crate::entry_line::entry_line(verified.index(), verified.entry()));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("sightline: {}: NOT GOOD: {error}", file.display());
            Ok(ExitCode::from(2))
        }
    }
}

fn print_json<T: Serialize>(value: &T, code: u8) -> Result<ExitCode, String> {
    println!("{}", serde_json::to_string_pretty(value).map_err(|e| e.to_string())?);
    Ok(ExitCode::from(code))
}
