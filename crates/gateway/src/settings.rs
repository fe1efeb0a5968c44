//! The settings of one app behind the gateway, as they stand in the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use model::{AppId, Mode};
use serde::{Deserialize, Deserializer};

use crate::mark::settings::MarkSettings;
use crate::origin::Origin;

/// One app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// What Sightline calls it.
    pub name: AppId,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Certificate and key, where nothing in front of Sightline does TLS.
    pub tls: Option<TlsFiles>,
    /// Where browsers find it: the gateway's own address for this app.
    pub public_url: Origin,
    /// Where the gateway finds it.
    pub upstream: Origin,
    /// The name of a shipped adapter, or the path of a file.
    pub adapter: String,
    /// Observe or enforce.
    pub mode: Mode,
    /// How the gateway tells the app who is looking; without it the app asks for its own login.
    pub sign_in: Option<SignIn>,
    /// How long the app may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How much may go through.
    #[serde(default)]
    pub limits: Limits,
    /// What lies over its pages.
    #[serde(default)]
    pub mark: MarkSettings,
    /// Where the app's tickets come from; without it there is no evidence but what staff say.
    pub feed: Option<FeedSettings>,
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Both paths, to be made relative to the file that they stand in.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.certificate, &mut self.key].into_iter()
    }
}

impl AppSettings {
    /// Every path in the settings, to be made relative to the file that they stand in. The adapter is not
    /// among them: it may be the name of one that ships.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let secret = self.sign_in.as_mut().map(|sign_in| &mut sign_in.secret_file);
        let feed = self.feed.as_mut().map(|feed| {
            let files = [&mut feed.token_file, &mut feed.password_file, &mut feed.webhook_secret_file];
            files.into_iter().flatten()
        });
        let tls = self.tls.iter_mut().flat_map(TlsFiles::paths_mut);
        secret.into_iter().chain(feed.into_iter().flatten()).chain(tls)
    }
}

/// Signing staff in to the app by a header that only the gateway can send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The header that carries the staff member's login, for example `X-Remote-User`.
    #[serde(deserialize_with = "header_name")]
    pub header: HeaderName,
    /// The header by which the app knows that it is the gateway that speaks.
    #[serde(deserialize_with = "header_name")]
    pub secret_header: HeaderName,
    /// The file that holds the secret.
    pub secret_file: PathBuf,
}

/// How long the app may take, in seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    connect_seconds: u32,
    head_seconds: u32,
    body_seconds: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_seconds: 5, head_seconds: 30, body_seconds: 30 }
    }
}

impl Timeouts {
    /// Until a connection stands.
    pub fn connect(&self) -> Duration {
        Duration::from_secs(self.connect_seconds.into())
    }

    /// Until the head of the answer has come.
    pub fn head(&self) -> Duration {
        Duration::from_secs(self.head_seconds.into())
    }

    /// Until the whole body has come, counted from its head.
    pub fn body(&self) -> Duration {
        Duration::from_secs(self.body_seconds.into())
    }
}

/// How much may go through, in bytes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest answer that is read.
    pub answer_bytes: usize,
    /// The largest request that is read.
    pub request_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answer_bytes: 8 << 20, request_bytes: 8 << 20 }
    }
}

/// Where tickets and customers' tiers come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSettings {
    /// What the app speaks.
    pub kind: FeedKind,
    /// The file that holds the token for the feed.
    pub token_file: Option<PathBuf>,
    /// The service account, where there is no token.
    pub user: Option<String>,
    /// The file that holds its password. A user without a password is signed in like staff.
    pub password_file: Option<PathBuf>,
    /// The file that holds the secret with which the app signs what it sends by itself.
    pub webhook_secret_file: Option<PathBuf>,
    #[serde(default = "FeedSettings::every_default")]
    every_seconds: u32,
    #[serde(default = "FeedSettings::stale_default")]
    stale_minutes: u32,
}

impl FeedSettings {
    fn every_default() -> u32 {
        5
    }

    fn stale_default() -> u32 {
        10
    }

    /// How long to wait between two questions.
    pub fn every(&self) -> Duration {
        Duration::from_secs(self.every_seconds.max(1).into())
    }

    /// After how long without an answer the evidence counts as stale.
    pub fn stale(&self) -> Duration {
        Duration::from_secs(u64::from(self.stale_minutes) * 60)
    }
}

/// What a ticket system speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedKind {
    /// Sightline's own feed: `/feed/tickets` and `/feed/customers`.
    Sightline,
    /// Request Tracker's REST 2.0.
    Rt,
}

fn header_name<'de, D: Deserializer<'de>>(d: D) -> Result<HeaderName, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("{text:?} cannot be the name of a header")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = r#"{"name":"desk","listen":"127.0.0.1:8701","public_url":"https://desk.example.com","upstream":"http://127.0.0.1:8081",
        "adapter":"desk","mode":"observe"}"#;

    #[test]
    fn the_smallest_settings_have_the_documented_defaults() {
        let app: AppSettings = serde_json::from_str(SMALLEST).unwrap();
        assert_eq!(app.limits.answer_bytes, 8 * 1024 * 1024);
        assert_eq!(app.timeouts.head(), Duration::from_secs(30));
        assert!(app.sign_in.is_none() && app.feed.is_none());
    }

    #[test]
    fn a_misspelt_key_is_an_error_that_names_it() {
        let text = SMALLEST.replace("\"mode\"", "\"moed\"");
        let error = serde_json::from_str::<AppSettings>(&text).unwrap_err().to_string();
        assert!(error.contains("moed") && error.contains("mode"), "{error}");
    }
}
