//! `cargo xtask bench trace`: the attack suite of the mark.

use crate::sh::{Outcome, cargo, run as run_command, target};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Device pixel ratios at which pages are rendered, with commas between them.
    #[arg(long, default_value = "1,2,3")]
    ratios: String,
    /// Only attacks whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
}

/// Builds the suite in release mode and runs it, one frame at a time on one core.
pub(crate) fn run(options: &Options) -> Outcome {
    let pictures = target().join("bench-trace");
    std::fs::create_dir_all(&pictures).map_err(|e| format!("{}: {e}", pictures.display()))?;
    let mut suite = cargo(["run", "--release", "-p", "sightline-trace", "--example", "attacks", "--"])?;
    run_command(suite.arg(pictures).args([&options.ratios, &options.only]))
}
