//! `sightline mark` and `sightline trace`: draw a mark, and lead a leak back to one.

mod look;
mod say;
mod sources;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use incident::leak::{Covers, Evidence, Report};
use model::{Clock, MarkId, OsEntropy, SessionId, SystemClock};
use trace::together::{Conclusion, conclude};
use trace::{Answer, Layout, MarkKey};

use crate::cli::{Form, Place, Span};
use crate::house;
use crate::init::{private_file, secret};
use sources::Sources;

/// Options of `sightline mark`.
#[derive(clap::Args)]
pub(crate) struct Mark {
    /// The key that marks are derived from; made if it is not there. Whoever has it can forge a mark.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Whose page it is for, by pseudonym.
    #[arg(long)]
    staff: Option<String>,
    /// In which session.
    #[arg(long)]
    session: Option<SessionId>,
    /// Where the tile is written (PNG): a background of 384 by 384 CSS pixels over the whole page. Must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The list of issued marks that a line is added to (CSV); `sightline trace --candidates` reads it.
    #[arg(long, value_name = "FILE")]
    issued: PathBuf,
}

/// Options of `sightline trace`.
#[derive(clap::Args)]
#[command(
    after_help = "Whoever is named is named with the chance that this is wrong; below the bar of 1e-9 the answer is\n\
                        \"inconclusive\", or \"consistent\" without a name. A camera on the page's text alone, without its\n\
                        background, leaves only the record set: --ids, --ocr. The exit status is 0 if somebody is named, else 2."
)]
pub(crate) struct Trace {
    /// Pictures (PNG, JPEG), directories of pictures, videos (by the system's ffmpeg).
    #[arg(required_unless_present = "ids")]
    leak: Vec<PathBuf>,
    /// The key that the marks were derived from [default: the installation's].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Issued marks from a file instead of the ledger (CSV with the columns mark, session, staff, from; all but the
    /// first may be empty).
    #[arg(long, value_name = "FILE")]
    candidates: Option<PathBuf>,
    #[command(flatten)]
    span: Span,
    /// The customers that the leak shows, in its order: one id a line, or CSV with a column `customer` or `id`; `-` is
    /// the standard input. Ranks staff and sessions by whose looks cover them.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Read the customers' ids from the pictures too, by the system's tesseract.
    #[arg(long)]
    ocr: bool,
    /// Who looked at whom from a file instead of the ledger: JSON Lines of `"kind":"access"`.
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Frames that are looked at, of a video or a directory.
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    frames: u32,
    /// Frames a second that are taken from a video.
    #[arg(long, default_value_t = 2.0, value_parser = rate)]
    rate: f32,
    /// Write a page with the evidence (HTML, pictures inside) to this file, which must not exist. It shows what the leak
    /// shows.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// In an opened case: list by pseudonym also those whom nothing lets name.
    #[arg(long)]
    case: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

fn rate(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(rate) if (0.01..=60.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0.01 to 60".into()),
    }
}

/// Draws one mark, and notes that it was issued before the tile is there to be shown.
pub(crate) fn mark(options: &Mark) -> Result<(), String> {
    if options.out.exists() {
        return Err(format!("{} exists already; nothing was written", options.out.display()));
    }
    if !options.key.exists() {
        private_file(&options.key, &secret(&OsEntropy))?;
    }
    let key = house::key(&options.key).map(MarkKey::new)?;
    let id = MarkId::fresh(&OsEntropy);
    let png = trace::tile::Tile::new(&key, &Layout::new(&key), &id).png();
    let fail = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut line = String::new();
    if !options.issued.exists() {
        line += "mark,session,staff,from\n";
    }
    let session = options.session.map(|s| s.to_string()).unwrap_or_default();
    let staff = options.staff.as_deref().unwrap_or_default();
    if staff.contains(['"', ',', '\n', '\r']) {
        return Err("a staff pseudonym has no quotes, commas and line breaks".into());
    }
    let _ = writeln!(line, "{id},{session},{staff},{}", SystemClock.now());
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&options.issued)
        .map_err(|e| fail(&options.issued, &e))?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(|e| fail(&options.issued, &e))?;
    std::fs::write(&options.out, &png).map_err(|e| fail(&options.out, &e))?;
    println!("{}: {id}, {} bytes; noted in {}", options.out.display(), png.len(), options.issued.display());
    Ok(())
}

/// Everything that a leak gave.
#[derive(serde::Serialize)]
struct Findings {
    conclusion: Conclusion,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Covers>,
    /// Where marks and looks come from, and which entries record the questions.
    source: String,
    /// The commands that lead on to everybody who was shown, if somebody is named.
    next: Vec<String>,
    /// What could not be read, and why.
    skipped: Vec<String>,
    /// Ended by Ctrl-C: the answer is about what was looked at until then.
    interrupted: bool,
}

/// Traces. The exit status is 0 if somebody is named, else 2.
pub(crate) fn trace(options: &Trace) -> Result<ExitCode, String> {
    if let Some(report) = options.report.as_ref().filter(|r| r.exists()) {
        return Err(format!("{} exists already; nothing was done", report.display()));
    }
    let stop = interrupted()?;
    let mut sources = Sources::new(options);
    let mut ids = options.ids.as_deref().map(sources::ids).transpose()?.unwrap_or_default();
    let mut evidence = Evidence::default();
    let mark = if options.leak.is_empty() {
        None
    } else {
        let issued = sources.issued()?;
        let seen = look::look(options, &sources.key()?, issued, &stop, &mut sources.skipped)?;
        if options.ocr {
            ids.extend(look::read_ids(&seen, &stop, &mut sources.skipped));
        }
        evidence = Evidence { page: seen.page, surface: seen.outcome.surface.clone() };
        Some(seen.outcome)
    };
    let records = if ids.is_empty() { None } else { Some(sources.covers(ids)?) };
    let conclusion = conclude(mark.as_ref(), records.as_ref().map(|r| &r.staff));
    let next = sources.next(&conclusion);
    let findings = Findings {
        conclusion,
        mark: mark.map(|m| m.answer),
        records,
        source: sources.said.join("; "),
        next,
        skipped: sources.skipped,
        interrupted: stop.load(Ordering::Relaxed),
    };
    if let Some(file) = &options.report {
        report(file, options, &findings, &evidence)?;
    }
    let named = findings.conclusion.names_somebody();
    crate::operate::out(&say::findings(findings, options)?)?;
    Ok(if named { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn report(file: &Path, options: &Trace, findings: &Findings, evidence: &Evidence) -> Result<(), String> {
    let names: Vec<String> = options.leak.iter().map(|l| l.display().to_string()).collect();
    let leak = if names.is_empty() { "a list of ids".to_owned() } else { names.join(", ") };
    let page = incident::leak::html(&Report {
        leak: &leak,
        at: SystemClock.now(),
        span: views::Span { from: options.span.from, to: options.span.to },
        source: &findings.source,
        conclusion: &findings.conclusion,
        mark: findings.mark.as_ref(),
        records: findings.records.as_ref(),
        evidence,
        skipped: &findings.skipped,
        interrupted: findings.interrupted,
        next: &findings.next,
    });
    private_file(file, &page)
}

/// Set by the first Ctrl-C; the second ends the process.
fn interrupted() -> Result<Arc<AtomicBool>, String> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                set.store(true, Ordering::Relaxed);
                eprintln!("sightline: answering with what was seen so far; Ctrl-C again to give up");
                let _ = tokio::signal::ctrl_c().await;
                std::process::exit(130);
            }
        });
    });
    Ok(flag)
}
