//! `cargo xtask bench ledger`: the ledger next to the disk's own sync, to SQLite, and to a plain table in PostgreSQL, on the
//! same disk in the same minutes.
//!
//! Everything is measured by `crates/ledger/examples/bench/`, one thing in one process. What is measured takes turns
//! in rounds, with the floor before each; the median of the rounds counts, and the best is told beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{cores, median, processor};
use crate::sh::{Outcome, cargo, run as build, target};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds of appends; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Seconds of appends for each row in each round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// How many entries the ledger has that is opened, proved from, verified and weighed.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    entries: u64,
    /// One short round and a small ledger: whether it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Where to write; best on the disk that the ledger will be on. By default the directory for temporary files.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Who appends what, and how many at once.
struct Case {
    name: &'static str,
    writers: u32,
    /// The command of the example, and what follows directory, writers and seconds.
    command: &'static str,
    kind: &'static [&'static str],
}

const CASES: &[Case] = &[
    embedded("512 bytes", 1, &["plain"]),
    embedded("512 bytes", 64, &["plain"]),
    embedded("512 bytes", 256, &["plain"]),
    embedded("512 bytes", 1024, &["plain"]),
    embedded("looks", 256, &["looks"]),
    peer("SQLite", 256, "sqlite", &[]),
    peer("PostgreSQL, 1 gateway", 1, "postgres", &["1"]),
    peer("PostgreSQL, 1 gateway", 256, "postgres", &["1"]),
    peer("PostgreSQL, 3 gateways", 3, "postgres", &["3"]),
    peer("PostgreSQL, 3 gateways", 256, "postgres", &["3"]),
    peer("PostgreSQL, 3 gateways", 1024, "postgres", &["3"]),
    peer("one INSERT each", 1, "pg-insert", &[]),
    peer("one INSERT each", 3, "pg-insert", &[]),
    peer("grouped INSERT, 1 client", 256, "pg-group", &["1"]),
    peer("grouped INSERT, 3 clients", 256, "pg-group", &["3"]),
];

const fn peer(
    name: &'static str,
    writers: u32,
    command: &'static str,
    kind: &'static [&'static str],
) -> Case {
    Case { name, writers, command, kind }
}

const fn embedded(name: &'static str, writers: u32, kind: &'static [&'static str]) -> Case {
    Case { name, writers, command: "append", kind }
}

/// What the example says of one thing.
type Figures = BTreeMap<String, f64>;

/// Builds the example, measures, prints, and removes what was written.
pub(crate) fn run(options: &Options) -> Outcome {
    let package = ["build", "--release", "--package", "sightline-ledger", "--example", "bench"];
    build(&mut cargo(package)?)?;
    let below = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = below.join(format!("sightline-bench-{}", std::process::id()));
    std::fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let bench = Bench { program: target().join("release/examples/bench"), dir: dir.clone() };
    let report = bench.measure(options);
    std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let report = report?;
    println!("{}", if options.json { report.to_json() } else { report.to_string() });
    Ok(())
}

struct Bench {
    program: PathBuf,
    dir: PathBuf,
}

impl Bench {
    fn measure(&self, options: &Options) -> Outcome<Report> {
        let (rounds, seconds, entries) =
            if options.quick { (1, 1, 20_000) } else { (options.rounds, options.seconds, options.entries) };
        let mut floors = Vec::new();
        let mut appends: Vec<Vec<Figures>> = CASES.iter().map(|_| Vec::new()).collect();
        for round in 1..=rounds {
            for (at, (case, samples)) in CASES.iter().zip(&mut appends).enumerate() {
                eprintln!("round {round} of {rounds}: {}, {} writers", case.name, case.writers);
                floors.push(self.ask("floor", &self.dir, &[])?);
                // Of its own, and kept to the end: inodes that were just freed make new files slow.
                let dir = self.dir.join(format!("{round}-{at}"));
                let (writers, seconds) = (case.writers.to_string(), seconds.to_string());
                let args = [&[writers.as_str(), &seconds], case.kind].concat();
                samples.push(self.ask(case.command, &dir, &args)?);
            }
        }
        let large = self.dir.join("large");
        eprintln!("a ledger of {entries} looks is written");
        let mut whole = Figures::new();
        let fill = self.ask("fill", &large, &[&entries.to_string()])?;
        whole.extend(fill.into_iter().map(|(name, value)| (format!("fill_{name}"), value)));
        // Before it is compacted and afterwards.
        for (when, all) in [
            ("", &["open", "prove", "verify", "disk", "compact"][..]),
            ("compact_", &["open", "prove", "verify", "disk", "replay"]),
        ] {
            for what in all {
                eprintln!("{when}{what}");
                let figures = self.ask(what, &large, &[])?;
                whole
                    .extend(figures.into_iter().map(|(name, value)| (format!("{when}{what}_{name}"), value)));
            }
        }
        floors.push(self.ask("floor", &self.dir, &[])?);
        Ok(Report { rounds, seconds, floors, appends, whole })
    }

    fn ask(&self, what: &str, dir: &Path, args: &[&str]) -> Outcome<Figures> {
        let failed = |why: String| format!("bench {what} {}: {why}", args.join(" "));
        let output = Command::new(&self.program).arg(what).arg(dir).args(args).output();
        let output = output.map_err(|e| failed(e.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let figure = |line: &str| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        said.lines().map(figure).collect::<Option<_>>().ok_or_else(|| failed(format!("said {said:?}")))
    }
}

/// Everything that a run says.
struct Report {
    rounds: u32,
    seconds: u32,
    floors: Vec<Figures>,
    appends: Vec<Vec<Figures>>,
    whole: Figures,
}

fn of(samples: &[Figures], name: &str) -> Vec<f64> {
    samples.iter().map(|figures| figures.get(name).copied().unwrap_or(f64::NAN)).collect()
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

impl Report {
    /// Microseconds.
    fn floor(&self) -> f64 {
        median(of(&self.floors, "p50_us"))
    }

    fn whole(&self, name: &str) -> f64 {
        self.whole.get(name).copied().unwrap_or(f64::NAN)
    }

    fn to_json(&self) -> String {
        let list = |values: Vec<f64>| format!("{values:?}");
        let figures = |figures: &Figures| {
            let pairs: Vec<String> =
                figures.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            format!("{{{}}}", pairs.join(", "))
        };
        let row = |case: &Case, samples: &Vec<Figures>| {
            let rounds: Vec<String> = samples.iter().map(figures).collect();
            format!(
                "    {{\"name\": \"{}\", \"writers\": {}, \"rounds\": [{}]}}",
                case.name,
                case.writers,
                rounds.join(", ")
            )
        };
        let rows: Vec<String> =
            CASES.iter().zip(&self.appends).map(|(case, samples)| row(case, samples)).collect();
        format!(
            "{{\n  \"cores\": {},\n  \"processor\": \"{}\",\n  \"seconds\": {},\n  \"fdatasync_p50_us\": {},\n  \
             \"appends\": [\n{}\n  ],\n  \"large\": {}\n}}",
            cores(),
            processor(),
            self.seconds,
            list(of(&self.floors, "p50_us")),
            rows.join(",\n"),
            figures(&self.whole)
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let floors = of(&self.floors, "p50_us");
        let (floor, least_floor, most_floor) = (self.floor(), least(&floors), most(&floors));
        writeln!(f, "{} cores of {}, shared by writers and ledger; load {}", cores(), processor(), load())?;
        writeln!(
            f,
            "{} rounds of {} s, medians (and best); 4 KiB and fdatasync: p50 {:.3} ms (from {:.3} to {:.3})",
            self.rounds,
            self.seconds,
            floor / 1e3,
            least_floor / 1e3,
            most_floor / 1e3
        )?;
        writeln!(
            f,
            "\n{:<26} {:>7} {:>11} {:>11} {:>8} {:>8} {:>8} {:>11} {:>13}",
            "appends",
            "writers",
            "entries/s",
            "(best)",
            "p50 ms",
            "(best)",
            "p99 ms",
            "p50, fsyncs",
            "CPU µs/entry"
        )?;
        for (case, samples) in CASES.iter().zip(&self.appends) {
            let (rates, p50) = (of(samples, "per_second"), of(samples, "p50_us"));
            writeln!(
                f,
                "{:<26} {:>7} {:>11.0} {:>11.0} {:>8.2} {:>8.2} {:>8.2} {:>11.1} {:>13.1}",
                case.name,
                case.writers,
                median(rates.clone()),
                most(&rates),
                median(p50.clone()) / 1e3,
                least(&p50) / 1e3,
                median(of(samples, "p99_us")) / 1e3,
                median(p50) / floor,
                median(of(samples, "cpu_us"))
            )?;
        }
        let entries = self.whole("fill_entries");
        writeln!(
            f,
            "\na ledger of {entries} looks, written at {:.0} entries/s",
            self.whole("fill_per_second")
        )?;
        self.large(f, "")?;
        writeln!(
            f,
            "  compacted  {:.0} entries in {:.1} s, {:.1} µs of CPU an entry",
            self.whole("compact_entries"),
            self.whole("compact_seconds"),
            self.whole("compact_cpu_us")
        )?;
        self.large(f, "compact_")?;
        write!(
            f,
            "  of what was compacted: {:.1} bytes an entry, {:.1} before",
            (self.whole("compact_journal_after") + self.whole("compact_tiles_after"))
                / self.whole("compact_entries"),
            (self.whole("compact_journal_before") + self.whole("compact_tiles_before"))
                / self.whole("compact_entries")
        )
    }
}

impl Report {
    /// What is said of the large ledger before it is compacted, and afterwards.
    fn large(&self, f: &mut fmt::Formatter<'_>, when: &str) -> fmt::Result {
        let whole = |name: &str| self.whole(&format!("{when}{name}"));
        for (what, name) in [("start", "open"), ("replay", "replay")] {
            // Replayed only afterwards: it leaves no snapshot to start from.
            if whole(&format!("{name}_open_ms")).is_nan() {
                continue;
            }
            writeln!(
                f,
                "  {what:<10} {:.0} ms until it is open ({:.0} ms of CPU), {:.0} ms until the first durable entry; \
                 {:.0} MiB at most",
                whole(&format!("{name}_open_ms")),
                whole(&format!("{name}_open_cpu_ms")),
                whole(&format!("{name}_first_ms")),
                whole(&format!("{name}_memory_mib"))
            )?;
        }
        writeln!(
            f,
            "  proof      p50 {:.0} µs, p99 {:.0} µs from tiles anywhere; its verification p50 {:.0} µs",
            whole("prove_p50_us"),
            whole("prove_p99_us"),
            whole("prove_verify_us")
        )?;
        writeln!(
            f,
            "  verify     {:.0} entries/s, tiles and journal ({:.1} s)",
            whole("verify_per_second"),
            whole("verify_seconds")
        )?;
        let each = |name: &str| whole(name) / whole("disk_entries");
        writeln!(
            f,
            "  disk       {:.1} bytes an entry: journal {:.1}, bundles {:.1}, tiles of hashes {:.1}, keys {:.1}",
            each("disk_total"),
            each("disk_journal"),
            each("disk_bundles"),
            each("disk_all_tiles") - each("disk_bundles"),
            each("disk_keys")
        )
    }
}

/// How busy the machine was during the last minute: above the number of cores, figures are worth little.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("unknown").to_owned()
}
