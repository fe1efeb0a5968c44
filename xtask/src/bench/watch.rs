//! `cargo xtask bench watch`: insiders on simulated floors and in a real desk's log. Everything is measured by
//! `crates/watch/examples/bench`.

use std::path::PathBuf;

use crate::sh::{Outcome, cargo, run as run_command};

/// Every scenario of `sightline floor`.
const SCENARIOS: &[&str] = &["k1", "k2", "c1", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10"];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seeds to report on. What ships was tuned on seeds 1 to 4.
    #[arg(long, value_delimiter = ',', default_value = "101,102,103")]
    seeds: Vec<u64>,
    /// Scenarios.
    #[arg(long, value_delimiter = ',', default_values_t = SCENARIOS.iter().map(|s| (*s).to_owned()))]
    scenarios: Vec<String>,
    /// Days of each floor.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(40..=365))]
    days: u32,
    /// Staff of each floor.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..=5000))]
    staff: u32,
    /// Insiders of a scenario on each floor, where one person plays it.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10))]
    insiders: u32,
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

pub(crate) fn run(options: &Options) -> Outcome {
    let seeds: Vec<String> = options.seeds.iter().map(u64::to_string).collect();
    let mut bench = cargo(["run", "--release", "--package", "sightline-watch", "--example", "bench", "--"])?;
    bench
        .arg(format!("seeds={}", seeds.join(",")))
        .arg(format!("scenarios={}", options.scenarios.join(",")))
        .arg(format!("days={}", options.days))
        .arg(format!("staff={}", options.staff))
        .arg(format!("insiders={}", options.insiders));
    for (key, file) in [("ladder", &options.ladder), ("bpi12", &options.bpi12)] {
        if let Some(file) = file {
            bench.arg(format!("{key}={}", file.display()));
        }
    }
    if options.json {
        bench.arg("json=yes");
    }
    run_command(&mut bench)
}
