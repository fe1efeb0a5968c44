//! Real peers for tests: an OpenID Connect [`provider`](oidc), a [browser](chromium), a [support tool](rt), a
//! [database](postgres), and a [network](proxy) that cuts connections; and [Python](python), for programs that are
//! written in it. Each starts on a free loopback port and ends when it is dropped. What is not
//! installed is said loudly, with what to run.

pub mod chromium;
pub mod oidc;
pub mod postgres;
pub mod proxy;
pub mod python;
pub mod rt;

mod process;

use std::path::PathBuf;

/// Why a peer did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something has to be installed first.
    #[error("{what} is not installed (looked for {}); {remedy}", looked_for.display())]
    Missing {
        /// What.
        what: &'static str,
        /// Where it was looked for.
        looked_for: PathBuf,
        /// What to run.
        remedy: &'static str,
    },
    /// It cannot be started.
    #[error("{program} cannot be started: {source}")]
    Spawn {
        /// Which program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It started, and ended or kept silent.
    #[error("{program} did not come up within {seconds} s; it said: {said}")]
    Silent {
        /// Which program.
        program: String,
        /// How long it was waited for.
        seconds: u64,
        /// What it said until then.
        said: String,
    },
    /// What had to be done before it can start went wrong.
    #[error("{program} failed; it said: {said}")]
    Failed {
        /// Which program.
        program: String,
        /// What it said.
        said: String,
    },
    /// The browser would not open a window.
    #[error("chromedriver opened no browser: {0}")]
    NoBrowser(#[from] Box<fantoccini::error::NewSessionError>),
}
