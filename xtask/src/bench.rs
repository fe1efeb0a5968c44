//! `cargo xtask bench`.

use crate::sh::Outcome;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Requests through the gateway, next to nginx `proxy_pass` and `auth_request`.
    Gateway,
}

pub(crate) fn run(options: &Options) -> Outcome {
    match options.what {
        What::Gateway => crate::machine::prepare_for_benches(),
    }
}
