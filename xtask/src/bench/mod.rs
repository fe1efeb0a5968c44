//! `cargo xtask bench`: figures next to a peer, in the same run.

mod floor;
mod gateway;
mod http;
mod report;
mod service;
mod stage;
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
}

pub(crate) fn run(options: &Options) -> Outcome {
    machine::prepare_for_benches()?;
    match &options.what {
        What::Gateway(options) => gateway::run(options),
    }
}

/// The middle one; of an even number, the lower middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
