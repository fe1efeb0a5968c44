//! `cargo xtask lint`.

use crate::sh::{self, Outcome, cargo, has};

/// Formatting, clippy, licences and bans.
pub(crate) fn run() -> Outcome {
    sh::run(&mut cargo(["fmt", "--all", "--check"])?)?;
    sh::run(&mut cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ])?)?;
    if !has("cargo-deny") {
        sh::run(&mut cargo(["install", "cargo-deny", "--locked"])?)?;
    }
    sh::run(&mut cargo(["deny", "--all-features", "check", "licenses", "bans", "sources"])?)
}
