//! `sightline init`: a commented configuration, keys with the right modes, and what to do next.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use model::{Entropy, OsEntropy};

use crate::cli::{Init, Known};
use crate::config::Config;
use crate::house::Layout;

/// What is written for one app.
struct Start {
    app: &'static str,
    template: &'static str,
    /// Files below `secrets` that somebody has to fill in, and with what.
    to_fill: &'static [(&'static str, &'static str)],
}

const CLIENT_SECRET: (&str, &str) =
    ("oidc-client-secret", "the client secret that the identity provider has for Sightline");

const RT5: Start = Start {
    app: "Request Tracker 5",
    template: include_str!("../templates/rt5.toml"),
    to_fill: &[CLIENT_SECRET, ("rt-token", "an auth token of an RT account that may see all tickets")],
};

const DESK: Start = Start {
    app: "the demo's desk",
    template: include_str!("../templates/desk.toml"),
    to_fill: &[CLIENT_SECRET, ("feed-token", "the token with which the desk gives its feed")],
};

/// Writes everything, or nothing that was there before.
pub(crate) fn run(options: &Init) -> Result<(), String> {
    let dir = &options.dir;
    let Start { app, template, to_fill } = match options.app {
        Known::Rt5 => RT5,
        Known::Desk => DESK,
    };
    let file = dir.join("sightline.toml");
    for taken in [&file, &dir.join("secrets"), &dir.join("data")] {
        if taken.exists() {
            return Err(format!("{} exists already; nothing was written", taken.display()));
        }
    }
    private_dir(dir)?;
    private_dir(&dir.join("secrets"))?;
    private_file(&dir.join("secrets/app-secret"), &secret(&OsEntropy))?;
    for (name, what) in to_fill {
        private_file(&dir.join("secrets").join(name), &format!("put {what} here\n"))?;
    }
    private_file(&file, template)?;
    let config = Config::load(&file).map_err(|e| e.to_string())?;
    private_dir(&config.settings.data)?;
    let vkey = Layout::of(&config.settings.data).create(&config.settings.log)?;
    let fill = to_fill.iter().map(|(name, what)| format!("       secrets/{name}: {what}\n"));
    println!(
        "Wrote {file}, for {app}, with everything in it explained.\n\
         Wrote {secrets}/app-secret (0600): the app must check it; see docs/operations.md.\n\
         Made the ledger. Its verification key, to be kept by those who check it:\n    {vkey}\n\n\
         Next:\n  \
         1. Edit {file}: addresses, identity provider, roles.\n  \
         2. Fill in, each file with nothing but the secret:\n{fill}  \
         3. sightline serve --config {file} --check\n  \
         4. sightline serve --config {file}\n  \
         5. After an hour: sightline report first-look --config {file}",
        file = file.display(),
        secrets = dir.join("secrets").display(),
        fill = fill.collect::<String>(),
    );
    Ok(())
}

/// A secret of 256 random bits, as text.
pub(crate) fn secret(entropy: &dyn Entropy) -> String {
    use base64::Engine;
    let bytes: [u8; 32] = model::clock::random(entropy);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes) + "\n"
}

/// Makes a directory that only its owner can open; one that is there stays as it is.
pub(crate) fn private_dir(dir: &Path) -> Result<(), String> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| format!("{}: {e}", dir.display()))
}

/// Writes a file that only its owner can read, and that must not be there.
pub(crate) fn private_file(file: &Path, text: &str) -> Result<(), String> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .map_err(|e| format!("{}: {e}", file.display()))
}
