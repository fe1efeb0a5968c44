//! `sightline`: the front door. Command line, configuration, wiring and the demo; no logic of its own.

// A command-line program answers on standard output.
#![allow(clippy::print_stdout)]

mod adapters;
mod cli;
mod command;
mod config;
mod control;
mod demo;
mod entry_line;
mod erase;
mod exports;
mod fetch;
mod house;
mod init;
mod journal;
mod listen;
mod operate;
mod progress;
mod serve;
mod toml_error;
mod verify;
mod witness;
mod witnesses;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
