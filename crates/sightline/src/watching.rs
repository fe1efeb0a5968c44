//! `sightline watch calibrate`: where the rungs have to stand, by this installation's own history.

use std::path::PathBuf;

use watch::calibrate::{Calibrated, History, Rates, ladder};
use watch::{Level, Lines, Options, Output, Watch};

use crate::{progress, replay};

/// Commands of `sightline watch`.
#[derive(clap::Subcommand)]
pub(crate) enum WatchCommand {
    /// Set the rungs by this installation's own history, and print the price of each choice.
    Calibrate(Calibrate),
}

/// Options of `sightline watch calibrate`.
#[derive(clap::Args)]
pub(crate) struct Calibrate {
    /// Access logs (JSON Lines, in time order), best of 60 to 90 days. Several are read as one.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// False nudges and step-ups for 1,000 staff-days.
    #[arg(long, default_value_t = 6.0, value_parser = rate)]
    step_ups: f64,
    /// False suspensions for 1,000 staff-days.
    #[arg(long, default_value_t = 1.0, value_parser = rate)]
    suspensions: f64,
    /// Write the rungs into this file, for `replay --ladder`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that holds something.
    #[arg(long)]
    force: bool,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    form: crate::cli::Form,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && (0.01..=1000.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0.01 to 1000".into()),
    }
}

/// Answers.
pub(crate) fn run(command: &WatchCommand) -> Result<(), String> {
    let WatchCommand::Calibrate(options) = command;
    if let Some(file) = &options.out {
        replay::may_write(file, options.force)?;
    }
    let calibrated =
        history(options)?.calibrate(Rates { step_up: options.step_ups, suspend: options.suspensions });
    let ladder = ladder(&calibrated);
    if options.form.json {
        let all = serde_json::json!({ "calibrated": calibrated, "ladder": ladder });
        println!("{}", serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?);
    } else {
        calibrated.iter().for_each(|c| print!("{}", table(c)));
    }
    let Some(ladder) = ladder else {
        return Err(
            "the history is too short to calibrate: at least four weeks after each person's first two are \
                    needed; the watch stays in shadow mode"
                .into(),
        );
    };
    if let Some(file) = &options.out {
        let text = toml::to_string_pretty(&ladder).map_err(|e| e.to_string())?;
        replay::replace(file, text.as_bytes())?;
        eprintln!("written: {}", file.display());
    }
    Ok(())
}

fn history(options: &Calibrate) -> Result<History, String> {
    let mut watch = Watch::new(Options::default());
    let (mut history, mut out, mut unreadable) = (History::default(), Vec::new(), 0u64);
    let bar =
        if options.quiet { indicatif::ProgressBar::hidden() } else { progress::bar("reading", "bytes") };
    let mut before = 0;
    for file in &options.files {
        let failed = |e: std::io::Error| format!("{}: {e}", file.display());
        let opened = std::fs::File::open(file).map_err(failed)?;
        bar.set_length(before + opened.metadata().map_err(failed)?.len());
        let mut lines = Lines::new(std::io::BufReader::with_capacity(1 << 18, opened));
        loop {
            bar.set_position(before + lines.bytes());
            let Some((_, line)) = lines.next_line().map_err(failed)? else { break };
            match line {
                // What is odd about a line is told by `replay`.
                Ok(line) => drop(watch.line(&line, &mut out)),
                Err(_) => unreadable += 1,
            }
            take(&mut history, &mut out);
        }
        before += lines.bytes();
    }
    watch.finish(&mut out);
    take(&mut history, &mut out);
    bar.finish_and_clear();
    if unreadable > 0 {
        eprintln!("{unreadable} lines could not be read; `sightline replay` names them");
    }
    Ok(history)
}

fn take(history: &mut History, out: &mut Vec<Output>) {
    for output in out.drain(..) {
        if let Output::Day(day) = output {
            history.take(&day);
        }
    }
}

fn table(calibrated: &Calibrated) -> String {
    let Calibrated { role, staff_days, weeks, rungs, prices } = calibrated;
    let who = role.map_or("everybody".to_owned(), |role| format!("role {role}"));
    let mut text = format!("{who}: {staff_days} staff-days of {weeks} weeks\n");
    text += "  threshold   findings   per 1,000 staff-days (95 % interval)\n";
    for p in prices {
        text += &format!(
            "  {:>9.2}   {:>8}   {:>6.2} ({:.2} to {:.2})\n",
            p.threshold, p.findings, p.per_1000, p.from, p.to
        );
    }
    match rungs {
        Some(rungs) => {
            let rungs: Vec<_> = Level::ALL.iter().map(|l| format!("{l} {:.2}", rungs.at(*l))).collect();
            text += &format!("  rungs: {}\n\n", rungs.join(", "));
        }
        None => text += "  no rungs: too few weeks, or no threshold keeps the rates that were asked for\n\n",
    }
    text
}
