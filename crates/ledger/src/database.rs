//! Which database a journal is in, and bringing its tables up to this version.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::error::{At, DatabaseError, LedgerError};
use crate::journal::postgres::{MIGRATIONS, Session, aside, migrate};

/// How long one of several hosts may take to answer.
const CONNECT: Duration = Duration::from_secs(2);
/// After how long without an acknowledgement a connection counts as cut.
const SILENCE: Duration = Duration::from_secs(5);

/// Where a journal's database is: `postgres://user:password@host-a,host-b:5432/name?…`. Does not print the
/// password.
///
/// Of several hosts it is the one that takes writes, so a promoted standby is found by itself. TLS is used unless
/// `sslmode=disable`, and always verified: `sslrootcert` names the file of the authority's certificate.
#[derive(Clone)]
pub struct Database {
    pub(crate) config: Config,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    shown: String,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl PartialEq for Database {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

impl Database {
    /// Reads the URL, and the certificate that it names.
    pub fn new(url: &str) -> Result<Self, LedgerError> {
        let wrong = |why: &str| LedgerError::from(DatabaseError::Url { why: why.to_owned() });
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut root = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslrootcert", path)) => root = Some(PathBuf::from(path)),
                // Every certificate is verified, name and all.
                Some(("sslmode", "verify-ca" | "verify-full")) => rest.push("sslmode=require"),
                _ => rest.push(pair),
            }
        }
        let asks_for_tls = rest.iter().any(|pair| pair.starts_with("sslmode="));
        // What the parser says does not hold what it was given, so no password.
        let mut config = Config::from_str(&format!("{base}?{}", rest.join("&"))).map_err(|error| {
            wrong(&std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string))
        })?;
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host"));
        }
        let is_near = |host: &Host| match host {
            Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
            Host::Unix(_) => true,
        };
        let plain = config.get_ssl_mode() == SslMode::Disable
            || (!asks_for_tls && root.is_none() && config.get_hosts().iter().all(is_near));
        let tls = match (plain, root) {
            (true, _) => None,
            (false, Some(path)) => Some(verifying(&path)?),
            (false, None) => {
                return Err(wrong(
                    "over a network TLS is verified: name the authority's certificate with sslrootcert=FILE, or say sslmode=disable",
                ));
            }
        };
        config
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(CONNECT)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(SILENCE)
            .application_name("sightline");
        let shown = shown(&config);
        Ok(Self { config, tls, shown })
    }

    /// Whether the URL holds a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The same, with this password.
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }
}

/// Hosts and name, and nothing that a log should not hold.
fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let host = |(at, host): (usize, &Host)| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    };
    let hosts: Vec<String> = config.get_hosts().iter().enumerate().map(host).collect();
    format!("postgres://{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

fn verifying(path: &std::path::Path) -> Result<Arc<ClientConfig>, LedgerError> {
    let wrong =
        |why: String| LedgerError::from(DatabaseError::Url { why: format!("{}: {why}", path.display()) });
    let pem = std::fs::read(path).at("read", path)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// A step that a database needs, or needed, to come to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Migration {
    /// The version that it leads to.
    pub version: i32,
    /// What it does.
    pub what: &'static str,
    /// Whether it has been done.
    pub state: MigrationState,
}

/// Whether a step has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// Before.
    WasDone,
    /// Now.
    Done,
    /// It is still to be done.
    Missing,
}

impl fmt::Display for MigrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WasDone => "there already",
            Self::Done => "done",
            Self::Missing => "missing",
        })
    }
}

impl Database {
    /// Brings the tables up to this version, each step in a transaction of its own; with `dry_run` only says
    /// which steps are missing.
    pub fn migrate(&self, dry_run: bool) -> Result<Vec<Migration>, LedgerError> {
        let before = aside(|| migrate(&mut Session::new(self.clone())?, dry_run))?;
        let step = |step: &crate::journal::postgres::Step| Migration {
            version: step.version,
            what: step.what,
            state: match (step.version <= before, dry_run) {
                (true, _) => MigrationState::WasDone,
                (false, false) => MigrationState::Done,
                (false, true) => MigrationState::Missing,
            },
        };
        Ok(MIGRATIONS.iter().map(step).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_password_is_shown_and_every_host_is() {
        let url = "postgres://joe:hunter2@a.example:5433,b.example/sightline?sslmode=disable";
        let database = Database::new(url).unwrap();
        for shown in [format!("{database}"), format!("{database:?}")] {
            assert_eq!(shown, "postgres://a.example:5433,b.example:5432/sightline");
        }
    }

    #[test]
    fn a_wrong_url_is_explained_without_what_is_in_it() {
        for url in ["", "hunter2", "postgres://joe:hunter2@/x?colour=red", "postgres://joe:hunter2@a:b/x"] {
            let why = Database::new(url).unwrap_err().to_string();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn over_a_network_tls_is_verified_or_switched_off_by_name() {
        let database = |url| Database::new(url);
        assert!(database("postgres://joe@db.example/x").is_err());
        assert!(database("postgres://joe@db.example/x?sslmode=require").is_err());
        assert!(database("postgres://joe@127.0.0.1/x").unwrap().tls.is_none());
        assert!(database("postgres://joe@127.0.0.1/x?sslmode=require").is_err());
        assert!(database("postgres://joe@db.example/x?sslmode=disable").unwrap().tls.is_none());
    }
}
