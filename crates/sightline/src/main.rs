//! `sightline`: the front door. Command line, configuration, wiring and the demo; no logic of its own.

// A command-line program answers on standard output.
#![allow(clippy::print_stdout)]

mod cli;
mod listen;
mod toml_error;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
