//! What detection finds, how late, and at what price: insiders on simulated floors and in a real desk's log.
//! `cargo xtask bench watch` runs this; the options are told there.

#![allow(clippy::expect_used, reason = "a bench that cannot be set up ends")]
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

mod desk;
mod floors;
mod table;

use std::collections::HashMap;
use std::io::BufRead;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::Timestamp;
use sightline_watch::calibrate::{BurnIn, Rates};
use sightline_watch::{Finding, Ladder, Lines, Options, Output, StaffDay, Watch};

use table::Table;

/// A person's usual takes two weeks; what is found before is not counted as false.
const SETTLING: u64 = 14 * DAY;
const DAY: u64 = 24 * 3600 * 1000;

/// The options, as `xtask` passes them on.
struct Asked {
    seeds: Vec<u64>,
    scenarios: Vec<String>,
    days: u32,
    staff: u32,
    /// Insiders of one scenario on one floor, where a scenario is played by one person.
    insiders: u32,
    ladder: Option<Ladder>,
    bpi12: Option<PathBuf>,
    json: bool,
}

impl Asked {
    fn from_args() -> Result<Self, String> {
        let mut args: HashMap<String, String> = HashMap::new();
        for arg in std::env::args().skip(1) {
            let (key, value) = arg.split_once('=').ok_or_else(|| format!("{arg}: not KEY=VALUE"))?;
            args.insert(key.to_owned(), value.to_owned());
        }
        let get = |key: &str| args.get(key).ok_or_else(|| format!("{key} is missing"));
        let number = |key: &str| get(key)?.parse::<u32>().map_err(|e| format!("{key}: {e}"));
        let ladder = match args.get("ladder") {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
                Some(toml::from_str(&text).map_err(|e| format!("{file}: {e}"))?)
            }
            None => None,
        };
        Ok(Self {
            seeds: get("seeds")?
                .split(',')
                .map(|s| s.parse().map_err(|e| format!("seeds: {s}: {e}")))
                .collect::<Result<_, _>>()?,
            scenarios: get("scenarios")?.split(',').map(str::to_owned).collect(),
            days: number("days")?,
            staff: number("staff")?,
            insiders: number("insiders")?,
            ladder,
            bpi12: args.get("bpi12").map(PathBuf::from),
            json: args.contains_key("json"),
        })
    }
}

fn main() -> Result<(), String> {
    let asked = Asked::from_args()?;
    let mut table = Table::new(&asked.seeds);
    floors::measure(&asked, &mut table)?;
    match &asked.bpi12 {
        Some(file) if file.exists() => desk::measure(&asked, file, &mut table)?,
        Some(file) => table.note(format!("the desk log {} is not there: not measured", file.display())),
        None => {
            table.note("no desk log was named (--bpi12, SIGHTLINE_BPI12): simulated floors only".to_owned())
        }
    }
    println!("{}", if asked.json { table.to_json() } else { table.to_string() });
    Ok(())
}

/// What a replay said.
struct Replayed {
    findings: Vec<Finding>,
    days: Vec<StaffDay>,
    /// The first day.
    begins: Timestamp,
    /// When the rungs had been set by the log itself, if they were.
    calibrated: Option<Timestamp>,
    lines: u64,
    took: Duration,
}

impl Replayed {
    /// Whether what is found on this day counts as false where nobody is an insider.
    fn counts(&self, time: Timestamp) -> bool {
        time.0 >= self.calibrated.unwrap_or(self.begins).0.max(self.begins.0 + SETTLING)
    }
}

/// Replays a log; with `burn_in` the rungs are set by so many days of its own.
fn replay(log: impl BufRead, ladder: &Ladder, burn_in: Option<u32>) -> Replayed {
    let mut watch = Watch::new(Options { ladder: ladder.clone(), ..Options::default() });
    let mut burn_in = burn_in.map(|days| BurnIn::new(days, Rates::default()));
    let mut said = Replayed {
        findings: Vec::new(),
        days: Vec::new(),
        begins: Timestamp(u64::MAX),
        calibrated: None,
        lines: 0,
        took: Duration::ZERO,
    };
    let started = Instant::now();
    let mut lines = Lines::new(log);
    let mut out = Vec::new();
    let mut ended = false;
    while !ended {
        match lines.next_line().expect("memory can be read") {
            Some((_, line)) => {
                said.lines += 1;
                // What is odd about a line is for `replay` to tell.
                if let Ok(line) = line {
                    let _ = watch.line(&line, &mut out);
                }
            }
            None => {
                watch.finish(&mut out);
                ended = true;
            }
        }
        for output in out.drain(..) {
            match output {
                Output::Finding(finding) => said.findings.push(*finding),
                Output::Day(day) => {
                    said.begins = said.begins.min(day.day);
                    if let Some(set) = burn_in.as_mut().and_then(|b| b.take(&day)) {
                        said.calibrated = Some(day.day);
                        if let Some(ladder) = set {
                            watch.set_ladder(ladder);
                        }
                        burn_in = None;
                    }
                    said.days.push(day);
                }
            }
        }
    }
    said.took = started.elapsed();
    said
}
