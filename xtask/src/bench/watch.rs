//! `cargo xtask bench watch`: insiders on simulated floors and in a real desk's log, through the commands
//! that users have: `sightline floor` and `sightline replay`.

mod bpi;
mod table;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sh::{Outcome, cargo, run as build, target};
use table::Table;

/// Every scenario of `sightline floor`.
const SCENARIOS: &[&str] = &["k1", "k2", "c1", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10"];
/// The day on which an insider begins.
const BEGINS: u32 = 30;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seeds to report on. The thresholds that ship were set on seeds 1 to 4.
    #[arg(long, value_delimiter = ',', default_value = "101,102,103,104,105,106")]
    seeds: Vec<u64>,
    /// Scenarios.
    #[arg(long, value_delimiter = ',', default_values_t = SCENARIOS.iter().map(|s| (*s).to_owned()))]
    scenarios: Vec<String>,
    /// Days of each floor.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(40..=365))]
    days: u32,
    /// Staff of each floor.
    #[arg(long, default_value_t = 200)]
    staff: u32,
    /// Where the rungs stand, as `sightline watch calibrate` writes it [default: those that ship].
    #[arg(long)]
    ladder: Option<PathBuf>,
    /// The event log of a real desk: BPI Challenge 2012 as gzipped CSV.
    #[arg(long, env = "SIGHTLINE_BPI12", value_name = "FILE")]
    bpi12: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a replay said.
#[derive(Default)]
pub(super) struct Replayed {
    /// Time (RFC 3339), staff, level, detector.
    findings: Vec<[String; 4]>,
    /// Staff-days by role, those of a floor's first two weeks left out.
    staff_days: HashMap<String, u64>,
    roles: HashMap<String, String>,
    held_back: u64,
}

/// A customer whom an insider saw.
pub(super) struct Exposure {
    time: String,
    staff: String,
    listed: bool,
}

pub(crate) fn run(options: &Options) -> Outcome {
    build(&mut cargo(["build", "--release", "--package", "sightline"])?)?;
    let program = target().join("release/sightline");
    let dir = std::env::temp_dir().join(format!("sightline-bench-watch-{}", std::process::id()));
    std::fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let bench = Bench { options, program, dir: dir.clone() };
    let table = bench.measure()?;
    println!("{}", if options.json { table.to_json() } else { table.to_string() });
    std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))
}

pub(super) struct Bench<'a> {
    options: &'a Options,
    program: PathBuf,
    dir: PathBuf,
}

impl Bench<'_> {
    fn measure(&self) -> Outcome<Table> {
        let mut table = Table::new(&self.options.seeds);
        for seed in &self.options.seeds {
            eprintln!("seed {seed}: honest days");
            let (log, _) = self.floor(*seed, None)?;
            table.honest("simulated", &self.replay(&log, true)?);
            remove(&log)?;
            for scenario in &self.options.scenarios {
                eprintln!("seed {seed}: {scenario}");
                let (log, exposures) = self.floor(*seed, Some(scenario))?;
                table.played("simulated", scenario, &exposures, &self.replay(&log, true)?);
                remove(&log)?;
            }
        }
        match &self.options.bpi12 {
            Some(file) if file.exists() => bpi::measure(self, file, &mut table)?,
            Some(file) => table.note(format!("the desk log {} is not there: not measured", file.display())),
            None => {
                table.note("no desk log was named (--bpi12, SIGHTLINE_BPI12): simulated floors only".into())
            }
        }
        Ok(table)
    }

    fn floor(&self, seed: u64, scenario: Option<&str>) -> Outcome<(PathBuf, Vec<Exposure>)> {
        let (log, truth) = (self.dir.join("log.jsonl"), self.dir.join("truth.json"));
        let mut command = Command::new(&self.program);
        command.args(["floor", "--quiet", "--force", "--out"]).arg(&log).arg("--truth").arg(&truth);
        command.args(["--seed", &seed.to_string(), "--days", &self.options.days.to_string()]);
        command.args(["--staff", &self.options.staff.to_string()]);
        if let Some(scenario) = scenario {
            command.args(["--insider", &format!("{scenario}:{BEGINS}")]);
        }
        let made = command.stderr(Stdio::null()).status().map_err(|e| e.to_string())?;
        if !made.success() {
            return Err(format!("`sightline floor` for seed {seed} ended with {made}"));
        }
        let text = std::fs::read_to_string(&truth).map_err(|e| e.to_string())?;
        let truth: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let list = truth["exposures"].as_array().cloned().unwrap_or_default();
        let exposures = list.iter().map(|e| Exposure {
            time: text_of(&e["time"]),
            staff: text_of(&e["staff"]),
            listed: e["listed"].as_bool().unwrap_or_default(),
        });
        Ok((log, exposures.collect()))
    }

    /// Replays, with the first two weeks left out of what is counted as false.
    fn replay(&self, log: &Path, settle: bool) -> Outcome<Replayed> {
        let mut command = Command::new(&self.program);
        command.args(["replay", "--quiet", "--json"]).arg(log);
        if let Some(ladder) = &self.options.ladder {
            command.arg("--ladder").arg(ladder);
        }
        let mut running = command.stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
        let out = running.stdout.take().ok_or("no output")?;
        let (mut replayed, mut first_day) = (Replayed::default(), None::<String>);
        let mut settled_days = std::collections::BTreeSet::new();
        for line in BufReader::new(out).lines() {
            let line: Value =
                serde_json::from_str(&line.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
            match line["kind"].as_str() {
                Some("day") => {
                    let day = text_of(&line["day"]);
                    first_day.get_or_insert_with(|| day.clone());
                    settled_days.insert(day);
                    if !settle || settled_days.len() > 14 {
                        *replayed.staff_days.entry(text_of(&line["role"])).or_default() += 1;
                    }
                }
                Some("finding") if !settle || settled_days.len() > 14 => {
                    let staff = text_of(&line["staff"]);
                    replayed.roles.insert(staff.clone(), text_of(&line["role"]));
                    let level = text_of(&line["level"]);
                    let detector = text_of(&line["detector"]);
                    replayed.findings.push([text_of(&line["time"]), staff, level, detector]);
                }
                Some("contained") => replayed.held_back += line["held_back"].as_u64().unwrap_or_default(),
                _ => {}
            }
        }
        match running.wait() {
            Ok(status) if status.success() => Ok(replayed),
            Ok(status) => Err(format!("`sightline replay` ended with {status}")),
            Err(e) => Err(e.to_string()),
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn remove(file: &Path) -> Outcome {
    std::fs::remove_file(file).map_err(|e| format!("{}: {e}", file.display()))
}
