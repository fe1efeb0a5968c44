//! A real OpenID Connect provider: npm `oidc-provider`, with its own login and consent pages.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use url::Url;

use crate::StartError;
use crate::process::Process;

const SERVER: &str = include_str!("../oidc/server.mjs");
const REMEDY: &str = "run `cargo xtask test`, which installs it, or copy crates/peers/oidc/package*.json into a \
                      folder, run `npm ci` there and set SIGHTLINE_PEERS to it";

/// Where the npm packages of the peers are: `SIGHTLINE_PEERS`, else `target/peers/npm`.
pub fn packages() -> PathBuf {
    std::env::var_os("SIGHTLINE_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/npm"), PathBuf::from)
}

/// What a provider is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The one client's id and secret.
    pub client: (String, String),
    /// Where the client may be sent back to.
    pub redirects: Vec<Url>,
    /// Who can log in (with any password), and the claims about them.
    pub accounts: Vec<(String, Value)>,
    /// Whether claims are in the ID token; if not, only the userinfo endpoint says them.
    pub claims_in_token: bool,
    /// What ID tokens are signed with: `RS256`, `ES256` or `PS256`.
    pub algorithm: &'static str,
}

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    /// Its issuer URL.
    pub issuer: Url,
    _process: Process,
}

impl Provider {
    /// Starts one.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let packages = packages();
        let package = packages.join("node_modules/oidc-provider");
        if !package.is_dir() {
            return Err(StartError::Missing {
                what: "npm oidc-provider",
                looked_for: package,
                remedy: REMEDY,
            });
        }
        let (id, secret) = &settings.client;
        let config = json!({
            "clients": [{ "client_id": id, "client_secret": secret, "redirect_uris": settings.redirects }],
            "accounts": settings.accounts.iter().cloned().collect::<serde_json::Map<_, _>>(),
            "claimsInToken": settings.claims_in_token,
            "algorithm": settings.algorithm,
        });
        let mut node = Command::new("node");
        // Imports of a script given like this are looked for in the working directory.
        node.current_dir(&packages)
            .args(["--input-type=module", "--eval", SERVER, "--"])
            .arg(config.to_string());
        let (process, issuer) = Process::start(node, |line| {
            serde_json::from_str::<Value>(line).ok()?.get("issuer")?.as_str()?.parse().ok()
        })?;
        Ok(Self { issuer, _process: process })
    }
}
