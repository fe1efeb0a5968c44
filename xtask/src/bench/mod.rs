//! `cargo xtask bench`: figures next to a peer, in the same run.

mod floor;
mod gateway;
mod http;
mod ledger;
mod report;
mod service;
mod stage;
mod trace;
mod watch;
mod wrk;

use crate::machine;
use crate::sh::Outcome;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Requests through the gateway, next to nginx `proxy_pass` and `auth_request`.
    Gateway(gateway::Options),
    /// Durable appends, start-up, proofs, verification and disk of the ledger, next to the disk's own sync, SQLite and
    /// PostgreSQL.
    Ledger(ledger::Options),
    /// What is done to pictures of marked pages on their way to a forum, and how many lead back.
    Trace(trace::Options),
    /// What detection finds, how many customers too late, and at what price: on simulated floors and on a real desk log.
    Watch(watch::Options),
}

pub(crate) fn run(options: &Options) -> Outcome {
    match &options.what {
        What::Gateway(options) => {
            machine::prepare_for_benches()?;
            gateway::run(options)
        }
        What::Ledger(options) => {
            machine::prepare_for_databases()?;
            ledger::run(options)
        }
        What::Trace(options) => {
            machine::prepare_for_pictures()?;
            trace::run(options)
        }
        What::Watch(options) => watch::run(options),
    }
}

/// The middle one; of an even number, the lower middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}
