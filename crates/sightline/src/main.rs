//! `sightline`: the front door. Command line, configuration, wiring and the demo; no logic of its own.

// A command-line program answers on standard output.
#![allow(clippy::print_stdout)]

mod adapters;
mod canaries;
mod cli;
mod command;
mod compact;
mod config;
mod control;
mod demo;
mod entry_line;
mod erase;
mod exports;
mod fetch;
mod house;
mod import;
mod init;
mod journal;
mod listen;
mod operate;
mod past;
mod progress;
mod replay;
mod rules;
mod serve;
mod spill;
mod toml_error;
mod trace;
mod verify;
mod watching;
mod witness;
mod witnesses;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
