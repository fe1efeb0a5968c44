//! `sightline mark` and `sightline trace`: draw a mark, and lead a leak back to one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use model::{Clock, CustomerId, MarkId, OsEntropy, SessionId, StaffId, SystemClock, Timestamp};
use serde::Deserialize;
use trace::media::{Frames, Limits};
use trace::records::{self, Look, Ranking};
use trace::{Answer, Investigation, Issued, Layout, MarkKey, Verdict};

use crate::cli::{Form, Span};
use crate::init::{private_file, secret};
use crate::progress;

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
                        background, leaves only the record set: --ids."
)]
pub(crate) struct Trace {
    /// Pictures (PNG, JPEG), directories of pictures, videos (by the system's ffmpeg).
    #[arg(required_unless_present = "ids")]
    leak: Vec<PathBuf>,
    /// The key that the marks were derived from.
    #[arg(long, value_name = "FILE", required_unless_present = "ids")]
    key: Option<PathBuf>,
    /// The issued marks (CSV with the columns mark, session, staff, from; all but the first may be empty).
    #[arg(long, value_name = "FILE", required_unless_present = "ids")]
    candidates: Option<PathBuf>,
    #[command(flatten)]
    span: Span,
    /// The customers that the leak shows, in its order, one id a line: ranks staff by whose looks cover them.
    #[arg(long, value_name = "FILE", requires = "access_log")]
    ids: Option<PathBuf>,
    /// Who looked at whom: JSON Lines of `"kind":"access"`.
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Frames that are looked at, of a video or a directory.
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    frames: u32,
    /// Frames a second that are taken from a video.
    #[arg(long, default_value_t = 2.0, value_parser = rate)]
    rate: f32,
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
    let key = key(&options.key)?;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Records>,
    /// What could not be read, and why.
    skipped: Vec<String>,
    /// Ended by Ctrl-C: the answer is about what was looked at until then.
    interrupted: bool,
}

#[derive(serde::Serialize)]
struct Records {
    /// Whoever the bar lets name.
    named: Option<Vec<StaffId>>,
    corrected: usize,
    ambiguous: Vec<String>,
    unknown: Vec<String>,
    #[serde(flatten)]
    ranking: Ranking<StaffId>,
}

/// Traces. The exit status is 0 if somebody is named, else 2.
pub(crate) fn trace(options: &Trace) -> Result<ExitCode, String> {
    let mut skipped = Vec::new();
    let stop = interrupted()?;
    let mark = match (&options.key, &options.candidates) {
        (Some(key_file), Some(candidates)) if !options.leak.is_empty() => {
            let issued = read_issued(candidates, &options.span)?;
            Some(look(options, &key(key_file)?, issued, &stop, &mut skipped)?)
        }
        _ if !options.leak.is_empty() => return Err("pictures and videos need --key and --candidates".into()),
        _ => None,
    };
    let records = match (&options.ids, &options.access_log) {
        (Some(ids), Some(log)) => Some(rank(ids, log, &options.span, &mut skipped)?),
        _ => None,
    };
    let interrupted = stop.load(Ordering::Relaxed);
    let findings = Findings { mark, records, skipped, interrupted };
    if options.form.json {
        println!("{}", serde_json::to_string_pretty(&findings).map_err(|e| e.to_string())?);
    } else {
        print!("{}", say(&findings));
    }
    let named = findings.mark.as_ref().is_some_and(|a| a.named.is_some())
        || findings.records.as_ref().is_some_and(|r| r.named.is_some());
    Ok(if named { ExitCode::SUCCESS } else { ExitCode::from(2) })
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

fn look(
    options: &Trace,
    key: &MarkKey,
    issued: Vec<Issued>,
    stop: &AtomicBool,
    skipped: &mut Vec<String>,
) -> Result<Answer, String> {
    let limits = Limits { frames: options.frames as usize, rate: options.rate, ..Limits::default() };
    let mut investigation = Investigation::new(key, issued);
    let bar = progress::bar("looking", "frames");
    for leak in &options.leak {
        let frames = match Frames::open(leak, limits) {
            Ok(frames) => frames,
            // One file is the whole question; of several, the others can still answer it.
            Err(why) if options.leak.len() == 1 => return Err(why.to_string()),
            Err(why) => {
                skipped.push(why.to_string());
                continue;
            }
        };
        if let Some(n) = frames.expected() {
            bar.inc_length(n as u64);
        }
        for frame in frames {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match frame {
                Ok((name, grey)) => {
                    investigation.look(name, &grey);
                }
                Err(why) => skipped.push(why.to_string()),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(investigation.answer())
}

/// Reads a key: 256 bits as unpadded URL-safe base64, as `sightline init` writes secrets.
fn key(file: &Path) -> Result<MarkKey, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim());
    let bytes: Option<[u8; 32]> = bytes.ok().and_then(|b| b.try_into().ok());
    bytes.map(MarkKey::new).ok_or_else(|| format!("{}: not a key (256 bits in base64)", file.display()))
}

/// A line of the list of issued marks.
#[derive(Deserialize)]
struct IssuedLine {
    mark: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    staff: String,
    #[serde(default)]
    from: String,
}

fn read_issued(file: &Path, span: &Span) -> Result<Vec<Issued>, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(file)
        .map_err(|e| fail(&e))?;
    let mut issued = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, line) in reader.deserialize::<IssuedLine>().enumerate() {
        let at = |e: &dyn std::fmt::Display| format!("{}: line {}: {e}", file.display(), i + 2);
        let line = line.map_err(|e| fail(&e))?;
        let mark: MarkId = line.mark.parse().map_err(|e| at(&e))?;
        let session = Some(line.session).filter(|s| !s.is_empty()).map(|s| s.parse()).transpose();
        let from = Some(line.from).filter(|f| !f.is_empty());
        let from = from
            .map(|f| Timestamp::parse(&f).ok_or_else(|| at(&"from: not an RFC 3339 time")))
            .transpose()?;
        let staff = Some(line.staff).filter(|s| !s.is_empty()).map(StaffId::new);
        if within(from, span) && seen.insert(mark) {
            issued.push(Issued { mark, session: session.map_err(|e| at(&e))?, staff, from });
        }
    }
    if issued.is_empty() {
        return Err(fail(&"no issued mark in it in that time"));
    }
    Ok(issued)
}

fn within(time: Option<Timestamp>, span: &Span) -> bool {
    time.is_none_or(|t| span.from.is_none_or(|from| t >= from) && span.to.is_none_or(|to| t <= to))
}

/// A line of the access log; other kinds of lines and keys are passed over.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum LogLine {
    Access {
        time: Timestamp,
        staff: StaffId,
        customer: CustomerId,
    },
    #[serde(other)]
    Other,
}

fn rank(ids: &Path, log: &Path, span: &Span, skipped: &mut Vec<String>) -> Result<Records, String> {
    let read = |file: &Path| std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
    let shown: Vec<String> = read(ids)?.lines().map(str::to_owned).collect();
    let mut looks = Vec::new();
    for (i, line) in read(log)?.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(LogLine::Access { time, staff, customer }) if within(Some(time), span) => {
                looks.push(Look { who: staff, customer, time });
            }
            Ok(_) => {}
            Err(e) => skipped.push(format!("{}: line {}: {e}", log.display(), i + 1)),
        }
    }
    let known: BTreeSet<CustomerId> = looks.iter().map(|l| l.customer.clone()).collect();
    let matched = records::match_ids(&shown, &known);
    let ranking = records::rank(&matched.customers, &looks);
    let named = ranking.lead().map(|lead| lead.who.clone());
    let (corrected, ambiguous, unknown) = (matched.corrected, matched.ambiguous, matched.unknown);
    Ok(Records { named, corrected, ambiguous, unknown, ranking })
}

fn say(findings: &Findings) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    if let Some(answer) = &findings.mark {
        text += &say_mark(answer);
    }
    if let Some(records) = &findings.records {
        text += &say_records(records);
    }
    for why in &findings.skipped {
        let _ = writeln!(text, "not read: {why}");
    }
    text
}

fn say_mark(answer: &Answer) -> String {
    let mut text = String::new();
    let _ = match (&answer.named, answer.verdict) {
        (Some(issued), _) => {
            let _ = writeln!(text, "The mark is {}.", issued.mark);
            let or = |v: Option<String>| v.unwrap_or_else(|| "not in the list".into());
            let _ = writeln!(text, "  session {}", or(issued.session.map(|s| s.to_string())));
            let _ = writeln!(text, "  staff   {}", or(issued.staff.as_ref().map(ToString::to_string)));
            let _ = writeln!(text, "  issued  {}", or(issued.from.map(|t| t.to_string())));
            writeln!(
                text,
                "The chance that an innocent session scores this is at most 1e{:.0} (z {:.1}; the next best {:.1}). It says\n\
                 which session's page was shown, not who held the camera.",
                answer.log10_wrong.ceil(),
                answer.z,
                answer.next_z
            )
        }
        (None, Verdict::Consistent) => writeln!(
            text,
            "Consistent with an issued mark, not proof of one: chance alone gives this with up to 1e{:.0}, and the bar is\n\
             1e-9. No name. More or better frames may decide it.",
            answer.log10_wrong.ceil()
        ),
        (None, _) => writeln!(text, "Inconclusive: no issued mark stands out (z {:.1}).", answer.z),
    };
    let _ = writeln!(
        text,
        "Frames {}, with pilots {}; marks tried {}, readings scored {}.",
        answer.frames, answer.locked, answer.candidates, answer.readings
    );
    if let Some(found) = answer.best_frame.as_ref().filter(|_| answer.locked > 0) {
        let p = &found.placement;
        let mirrored = if p.mirrored { ", mirrored" } else { "" };
        let inverted = if p.inverted { ", inverted" } else { "" };
        let _ = writeln!(
            text,
            "Best frame {}: {:.2} pixels for each CSS pixel, turned by {:.1}°{mirrored}{inverted}.",
            found.frame, p.scale, p.roll_degrees
        );
    }
    text
}

fn say_records(records: &Records) -> String {
    let mut text = String::new();
    let ranking = &records.ranking;
    let _ = writeln!(
        text,
        "\nRecord set: {} customers of the leak were looked at by somebody ({} ids put right, {} ambiguous, {} unknown);\n\
         {} customers and {} staff in the log.",
        ranking.customers,
        records.corrected,
        records.ambiguous.len(),
        records.unknown.len(),
        ranking.population,
        ranking.candidates
    );
    let _ = match &records.named {
        Some(who) => {
            let who: Vec<String> = who.iter().map(ToString::to_string).collect();
            writeln!(text, "Their looks cover the leak as chance does not: {}.", who.join(" with "))
        }
        None => {
            writeln!(text, "Inconclusive: nobody stands out alone. No name; the table is for the case only.")
        }
    };
    let _ = writeln!(text, "{:<24} {:>8} {:>8} {:>14}", "who", "covered", "seen", "by chance");
    for row in ranking.single.iter().take(5).chain(ranking.groups.iter().take(3)) {
        let who: Vec<String> = row.who.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "{:<24} {:>8} {:>8} {:>14}",
            who.join(" + "),
            row.covered,
            row.seen,
            format!("<= 1e{:.0}", row.log10_wrong.ceil())
        );
    }
    text
}
