//! What a developer runs: `cargo xtask test | lint | bench | demo`.

// A command-line program answers on standard output.
#![allow(clippy::print_stdout)]

mod bench;
mod lint;
mod machine;
mod sh;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What a developer of Sightline runs", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every test; installs what the tests need, starts and stops services on free loopback ports.
    Test(test::Options),
    /// Check formatting, run clippy with warnings as errors, check licences and bans of dependencies.
    Lint,
    /// Measure, next to a peer in the same run.
    Bench(bench::Options),
    /// Build in release mode and run the demo; what follows `--` goes to `sightline demo`.
    Demo {
        /// Arguments for `sightline demo`.
        #[arg(last = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Lint => lint::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Demo { args } => {
            sh::cargo(["run", "--release", "--", "demo"]).and_then(|mut c| sh::run(c.args(args)))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
