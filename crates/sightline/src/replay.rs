//! `sightline replay`: what the watch would have said about a log that there is already.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use serde::Serialize;
use watch::calibrate::{BurnIn, Rates};
use watch::{Containment, Finding, Ladder, Level, Line, Lines, Options, Output, StaffDay, Watch};

use crate::progress;

/// Odd lines that are told one by one; of the rest only the number.
const TOLD: u64 = 20;
/// Findings that are told in words; the rest is for `--json` and `--findings`.
const FINDINGS_TOLD: usize = 40;

/// Options of `sightline replay`.
#[derive(clap::Args)]
pub(crate) struct Replay {
    /// Access logs (JSON Lines, in time order); `-` is the standard input. Several are read as one.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the findings into this file, as a JSON list.
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// Carry the ladder out: looks after a suspension do not happen, under throttle few do. Counts the customers
    /// exposed before each rung.
    #[arg(long)]
    contain: bool,
    /// Where the rungs stand: a TOML file, as `sightline watch calibrate` writes it.
    #[arg(long, value_name = "FILE")]
    ladder: Option<PathBuf>,
    /// Set the rungs by the first days of the log itself, as `sightline watch calibrate` would (6 step-ups and 1
    /// suspension in 1,000 staff-days): 42 or more. Findings of these days are shadows.
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["ladder", "state"], value_parser = clap::value_parser!(u32).range(42..=3650))]
    burn_in: Option<u32>,
    /// Go on from the state in this file, if it is there, and save the state in it at the end. What becomes of the
    /// last looks is then judged when the log goes on.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Stop at the first line that cannot be read.
    #[arg(long)]
    strict: bool,
    /// Write over files that hold something.
    #[arg(long)]
    force: bool,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    form: crate::cli::Form,
}

/// Reads the logs and tells what comes out.
pub(crate) fn run(options: &Replay) -> Result<(), String> {
    if let Some(file) = &options.findings {
        may_write(file, options.force)?;
    }
    let ladder = options.ladder.as_deref().map(ladder).transpose()?;
    let calibrated = ladder.is_some();
    let settings = Options { ladder: ladder.unwrap_or_default(), ..Options::default() };
    let mut watch = match options.state.as_deref().filter(|file| file.exists()) {
        Some(file) => {
            let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
            Watch::load(settings, &bytes).map_err(|e| format!("{}: {e}", file.display()))?
        }
        None => Watch::new(settings),
    };
    let mut told = Told::new(options);
    let bar = if options.quiet { ProgressBar::hidden() } else { progress::bar("replaying", "bytes") };
    let mut source = Source { options, bar, odd: 0, lines: 0 };
    for file in &options.files {
        source.read(file, &mut watch, &mut told)?;
    }
    source.bar.finish_and_clear();
    match &options.state {
        Some(file) => replace(file, &watch.save())?,
        None => {
            let mut out = Vec::new();
            watch.finish(&mut out);
            told.take(out)?;
        }
    }
    told.end(&source, calibrated)
}

/// Reads files line by line.
struct Source<'a> {
    options: &'a Replay,
    bar: ProgressBar,
    odd: u64,
    lines: u64,
}

impl Source<'_> {
    fn read(&mut self, file: &Path, watch: &mut Watch, told: &mut Told<'_>) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("{}: {e}", file.display());
        let (from, length): (Box<dyn BufRead>, u64) = if file.as_os_str() == "-" {
            (Box::new(std::io::stdin().lock()), 0)
        } else {
            let opened = File::open(file).map_err(failed)?;
            let length = opened.metadata().map_err(failed)?.len();
            (Box::new(BufReader::with_capacity(1 << 18, opened)), length)
        };
        let before = self.bar.position();
        self.bar.set_length(before + length);
        let mut lines = Lines::new(from);
        let mut out = Vec::new();
        loop {
            if self.lines.is_multiple_of(4096) {
                self.bar.set_position(before + lines.bytes());
            }
            let Some((number, line)) = lines.next_line().map_err(failed)? else { break };
            self.lines += 1;
            let odd = match &line {
                Ok(Line::Access(access)) if !told.containment.as_mut().is_none_or(|c| c.admits(access)) => {
                    None
                }
                Ok(line) => watch.line(line, &mut out).err().map(|e| e.to_string()),
                Err(e) => Some(e.to_string()),
            };
            if let Some(odd) = odd {
                if self.options.strict && line.is_err() {
                    return Err(format!("{}:{number}: {odd}", file.display()));
                }
                self.odd += 1;
                if self.odd <= TOLD {
                    self.bar.suspend(|| eprintln!("{}:{number}: {odd}", file.display()));
                }
            }
            if !out.is_empty() {
                told.take(std::mem::take(&mut out))?;
                if let Some(ladder) = told.ladder.take() {
                    watch.set_ladder(ladder);
                }
            }
        }
        self.bar.set_position(before + lines.bytes());
        Ok(())
    }
}

/// What has come out so far.
struct Told<'a> {
    options: &'a Replay,
    findings: Vec<Finding>,
    containment: Option<Containment>,
    burn_in: Option<BurnIn>,
    /// What the burn-in says, until it is put in force.
    ladder: Option<Ladder>,
    /// The rungs were set by the log.
    calibrated: bool,
    shadows: u64,
    staff_days: u64,
    looks: u64,
    stdout: BufWriter<std::io::Stdout>,
}

/// A line of `--json`.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum JsonLine<'a> {
    Day(&'a StaffDay),
    Finding(&'a Finding),
    /// A finding of the burn-in.
    Shadow(&'a Finding),
    Contained(&'a watch::Contained),
    Summary {
        staff_days: u64,
        looks: u64,
        lines: u64,
        odd_lines: u64,
        findings: usize,
        calibrated: bool,
    },
}

impl<'a> Told<'a> {
    fn new(options: &'a Replay) -> Self {
        Self {
            options,
            findings: Vec::new(),
            containment: options.contain.then(Containment::default),
            burn_in: options.burn_in.map(|days| BurnIn::new(days, Rates::default())),
            ladder: None,
            calibrated: false,
            shadows: 0,
            staff_days: 0,
            looks: 0,
            stdout: BufWriter::new(std::io::stdout()),
        }
    }

    fn take(&mut self, out: Vec<Output>) -> Result<(), String> {
        for output in out {
            match output {
                Output::Day(day) => {
                    self.staff_days += 1;
                    self.looks += u64::from(day.looks);
                    self.json(&JsonLine::Day(&day))?;
                    if let Some(set) = self.burn_in.as_mut().and_then(|burn_in| burn_in.take(&day)) {
                        (self.burn_in, self.calibrated, self.ladder) = (None, set.is_some(), set);
                    }
                }
                Output::Finding(finding) if self.burn_in.is_some() => {
                    self.shadows += 1;
                    self.json(&JsonLine::Shadow(&finding))?;
                }
                Output::Finding(finding) => {
                    if let Some(containment) = &mut self.containment {
                        containment.apply(&finding);
                    }
                    self.json(&JsonLine::Finding(&finding))?;
                    self.findings.push(*finding);
                }
            }
        }
        Ok(())
    }

    fn json(&mut self, line: &JsonLine<'_>) -> Result<(), String> {
        if self.options.form.json {
            let line = serde_json::to_string(line).map_err(|e| e.to_string())?;
            self.say(&line)?;
        }
        Ok(())
    }

    /// A reader that has gone away (`| head`) ends the command and is no error.
    fn say(&mut self, line: &str) -> Result<(), String> {
        match writeln!(self.stdout, "{line}") {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            other => other.map_err(|e| e.to_string()),
        }
    }

    fn end(mut self, source: &Source<'_>, calibrated: bool) -> Result<(), String> {
        let calibrated = calibrated || self.calibrated;
        if let Some(file) = &self.options.findings {
            let list = serde_json::to_string_pretty(&self.findings).map_err(|e| e.to_string())?;
            replace(file, list.as_bytes())?;
        }
        if source.odd > TOLD {
            eprintln!("… and {} more lines that are odd or cannot be read", source.odd - TOLD);
        }
        let contained = self.containment.as_ref().map(Containment::report).unwrap_or_default();
        if self.options.form.json {
            for person in &contained {
                self.json(&JsonLine::Contained(person))?;
            }
            let (staff_days, looks, lines) = (self.staff_days, self.looks, source.lines);
            let (odd_lines, findings) = (source.odd, self.findings.len());
            self.json(&JsonLine::Summary { staff_days, looks, lines, odd_lines, findings, calibrated })?;
        } else {
            let text = self.words(&contained, source, calibrated);
            self.say(text.trim_end())?;
        }
        self.stdout.flush().map_err(|e| e.to_string())
    }

    fn words(&self, contained: &[watch::Contained], source: &Source<'_>, calibrated: bool) -> String {
        let mut text = String::new();
        for finding in self.findings.iter().take(FINDINGS_TOLD) {
            let Finding { time, staff, level, score, odd, against, innocent_if, .. } = finding;
            text +=
                &format!("{time}  {staff}  {level}  (score {score:.1}, {} customers seen)\n", finding.seen);
            text += &format!("  {odd}\n  {against}\n");
            for c in &finding.contributions {
                text += &format!("    +{:.1}  line {}, {}: {}\n", c.nats, c.line, c.time, c.what);
            }
            text += &format!("  Innocent if: {innocent_if}.\n\n");
        }
        if self.findings.len() > FINDINGS_TOLD {
            let more = self.findings.len() - FINDINGS_TOLD;
            text += &format!("… and {more} more findings; --findings FILE has all of them.\n\n");
        }
        for person in contained {
            text += &format!("{}: ", person.staff);
            let rungs = person.rungs.iter().map(|r| format!("{} after {} customers", r.level, r.exposed));
            text += &rungs.collect::<Vec<_>>().join(", ");
            text += &format!("; {} looks and rows held back\n", person.held_back);
        }
        let count = |level: Level| self.findings.iter().filter(|f| f.level == level).count();
        let levels: Vec<_> = Level::ALL.iter().map(|l| format!("{} {l}", count(*l))).collect();
        text += &format!(
            "{} lines, {} looks, {} staff-days; findings: {}\n",
            source.lines,
            self.looks,
            self.staff_days,
            levels.join(", ")
        );
        if self.shadows > 0 {
            text += &format!("{} more findings during the burn-in are not told.\n", self.shadows);
        }
        if self.options.burn_in.is_some() && !calibrated {
            text += "The log is too short to set the rungs by.\n";
        }
        if !calibrated {
            text += "The rungs stand where simulated floors put them. `sightline watch calibrate` sets them by your \
                     own history; until then read findings as shadows: nothing should be done by them alone.\n";
        }
        text += "A finding is a lead, not a verdict.\n";
        text
    }
}

/// The ladder in a TOML file.
pub(crate) fn ladder(file: &Path) -> Result<Ladder, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    toml::from_str(&text).map_err(|e| crate::toml_error::explain(file, &text, &e))
}

/// Whether a file may be written: it does not exist, is empty, or the caller says so.
pub(crate) fn may_write(file: &Path, force: bool) -> Result<(), String> {
    match std::fs::metadata(file) {
        Ok(found) if found.is_file() && found.len() > 0 && !force => {
            Err(format!("{} holds something already; --force writes over it", file.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file whole or not at all. What is no regular file (`/dev/stdout`) is written to as it is.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", file.display());
    if file.metadata().is_ok_and(|found| !found.is_file()) {
        return std::fs::write(file, bytes).map_err(failed);
    }
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    let mut new = File::create(&beside).map_err(failed)?;
    new.write_all(bytes).and_then(|()| new.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, file).map_err(failed)
}
