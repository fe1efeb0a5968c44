//! `cargo xtask bench trace`: the attack suite of the mark.

use std::path::Path;
use std::process::Command;

use crate::machine;
use crate::sh::{Outcome, cargo, root, run as run_command, target};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Device pixel ratios at which pages are rendered, with commas between them.
    #[arg(long, default_value = "1,2,3")]
    ratios: String,
    /// Only attacks whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// No attacks whose name holds this; `30 frames` are the slowest.
    #[arg(long)]
    skip: Option<String>,
    /// Only pages whose name holds this.
    #[arg(long, default_value = "")]
    page: String,
    /// Instead: so many frames that hold no issued mark. Nobody may be named.
    #[arg(long, value_name = "FRAMES")]
    foreign: Option<u32>,
    /// Instead: what blind-watermark and invisible-watermark (from PyPI) live through on the same pages.
    #[arg(long, conflicts_with = "foreign")]
    peers: bool,
}

/// Builds the suite in release mode and runs it, one frame at a time on one core.
pub(crate) fn run(options: &Options) -> Outcome {
    let pictures = target().join("bench-trace");
    std::fs::create_dir_all(&pictures).map_err(|e| format!("{}: {e}", pictures.display()))?;
    let mut suite = cargo(["run", "--release", "-p", "sightline-trace", "--example", "attacks", "--"])?;
    suite.arg(&pictures).args(["--page", &options.page]);
    if options.peers {
        run_command(suite.arg("--shots"))?;
        return peers(&pictures);
    }
    match options.foreign {
        Some(frames) => run_command(suite.args(["--foreign", &frames.to_string()])),
        None => {
            suite.args(["--ratios", &options.ratios, "--only", &options.only]);
            suite.args(options.skip.iter().flat_map(|s| ["--skip", s]));
            run_command(&mut suite)
        }
    }
}

/// Other people's watermarks on the pages that lie in `pictures`.
fn peers(pictures: &Path) -> Outcome {
    let python = machine::prepare_for_watermarks()?;
    let inside = std::fs::read_dir(pictures).map_err(|e| format!("{}: {e}", pictures.display()))?;
    let mut shots: Vec<_> = inside.filter_map(|f| Some(f.ok()?.path())).collect();
    shots.retain(|f| f.to_string_lossy().ends_with(".shot.png"));
    shots.sort();
    run_command(Command::new(python).arg(root().join("xtask/src/bench/trace_peers.py")).args(shots))
}
