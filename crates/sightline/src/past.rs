//! `sightline floor`: a simulated floor's past as an access log.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use floor::history::{HistorySettings, Insider, Scenario, Truth, write};
use model::Timestamp;

use crate::{progress, replay};

/// Options of `sightline floor`.
#[derive(clap::Args)]
pub(crate) struct Past {
    /// Write the log into this file; `-` is the standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Write what really happened into this file, as JSON: who misused what, and every customer exposed.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Which people, days and customers are made up.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many days.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=730))]
    days: u32,
    /// How many staff.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(10..=5000))]
    staff: u32,
    /// How many customers.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=9_000_000))]
    customers: u32,
    /// Decoys among the customers of high value.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    canaries: u32,
    /// The first day.
    #[arg(long, value_parser = crate::cli::time, default_value = "2026-01-05")]
    from: Timestamp,
    /// Who misuses their access: a scenario, the day from which on (from 0) and customers a day, for example
    /// k1, s3:30 or s2:30:5. Can be given several times; see --list.
    #[arg(long, value_name = "SCENARIO[:DAY[:RATE]]", value_parser = insider)]
    insider: Vec<Insider>,
    /// Say what scenarios there are, and end.
    #[arg(long)]
    list: bool,
    /// Write over files that hold something.
    #[arg(long)]
    force: bool,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// The day on which an insider begins, if it is not said.
const BEGINS: u32 = 30;

fn insider(text: &str) -> Result<Insider, String> {
    let mut parts = text.split(':');
    let scenario: Scenario = parts.next().unwrap_or_default().parse()?;
    let begins = parts.next().map_or(Ok(BEGINS), |day| day.parse().map_err(|_| "a day, from 0"))?;
    let rate = parts.next().map(|rate| match rate.parse::<f64>() {
        Ok(rate) if rate.is_finite() && (0.0..=5000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate from 0 to 5000"),
    });
    if parts.next().is_some() {
        return Err("SCENARIO[:DAY[:RATE]]".into());
    }
    Ok(Insider { scenario, begins, rate: rate.transpose()? })
}

/// Makes the past up.
pub(crate) fn run(options: &Past) -> Result<(), String> {
    if options.list {
        for scenario in Scenario::ALL {
            println!("{:<4} {}", scenario.word(), scenario.sentence());
        }
        return Ok(());
    }
    if let Some(late) = options.insider.iter().find(|i| i.begins >= options.days) {
        return Err(format!(
            "{} begins on day {}, and there are {} days; say --days, or begin earlier ({}:{})",
            late.scenario.word(),
            late.begins,
            options.days,
            late.scenario.word(),
            options.days / 2
        ));
    }
    let settings = HistorySettings {
        seed: options.seed,
        staff: options.staff,
        customers: options.customers,
        days: options.days,
        from: options.from,
        insiders: options.insider.clone(),
        canaries: options.canaries,
    };
    let bar =
        if options.quiet { indicatif::ProgressBar::hidden() } else { progress::bar("making up", "days") };
    bar.set_length(u64::from(options.days));
    let told = |day: u32| bar.set_position(u64::from(day));
    if let Some(truth) = &options.truth {
        replay::may_write(truth, options.force)?;
    }
    let failed = |e: std::io::Error| format!("{}: {e}", options.out.display());
    let truth: Truth = if options.out.as_os_str() == "-" {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let truth = write(&settings, &mut out, told).map_err(failed)?;
        out.flush().map_err(failed)?;
        truth
    } else {
        replay::may_write(&options.out, options.force)?;
        let mut out = BufWriter::new(File::create(&options.out).map_err(failed)?);
        let truth = write(&settings, &mut out, told).map_err(failed)?;
        out.flush().map_err(failed)?;
        truth
    };
    bar.finish_and_clear();
    if let Some(file) = &options.truth {
        let json = serde_json::to_string_pretty(&truth).map_err(|e| e.to_string())?;
        replay::replace(file, json.as_bytes())?;
    }
    eprintln!(
        "{} lines, {} looks, {} staff-days, {} insiders, {} customers exposed",
        truth.lines,
        truth.looks,
        truth.staff_days,
        truth.insiders.len(),
        truth.exposures.len()
    );
    Ok(())
}
