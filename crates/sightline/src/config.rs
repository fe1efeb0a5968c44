//! The configuration file, `sightline.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use export::ExportSettings;
use gateway::AppSettings;
use model::{Budgets, Digest};
use people::{LoginSettings, SessionLimits};
use serde::Deserialize;

use crate::journal::LogSettings;
use crate::toml_error;

/// A configuration, read and checked. Paths are absolute, or relative to the working directory.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The settings.
    pub(crate) settings: Settings,
    /// Digest of everything in the file that is not a node's own. Secrets are in files of their own, so it says
    /// nothing of them.
    pub(crate) digest: Digest,
    /// The file's folder, from which relative paths count.
    pub(crate) base: PathBuf,
}

/// What stands in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where ledger, views, keys and the staff directory are kept.
    pub(crate) data: PathBuf,
    /// The log's name, for ever: a URL without scheme, by the C2SP specifications; and where its journal is.
    pub(crate) log: LogSettings,
    /// The console's listener.
    pub(crate) console: ConsoleSettings,
    /// How staff log in.
    pub(crate) login: LoginSettings,
    /// How long sessions last.
    #[serde(default)]
    pub(crate) sessions: SessionLimits,
    /// How much may be seen without a reason.
    #[serde(default)]
    pub(crate) budgets: Budgets,
    /// What is done about findings.
    #[serde(default)]
    pub(crate) watch: incident::WatchSettings,
    /// How long it is known whom entries are about.
    #[serde(default)]
    pub(crate) retention: incident::Retention,
    /// Who cosigns the log, on machines of others; without it, nobody is asked.
    pub(crate) witnesses: Option<crate::witnesses::WitnessSettings>,
    /// The policy; without it, the one that ships.
    pub(crate) policy: Option<PolicySettings>,
    /// The apps.
    #[serde(default, rename = "app")]
    pub(crate) apps: Vec<AppSettings>,
    /// Where events go.
    #[serde(default, rename = "export")]
    pub(crate) exports: Vec<ExportSettings>,
    /// The rules that entries are held against; without it, none.
    pub(crate) rules: Option<rules::RulesSettings>,
    /// Decoy customers; without it, none are planted.
    pub(crate) canaries: Option<crate::canaries::CanarySettings>,
}

/// `[console]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsoleSettings {
    /// The address to listen on.
    pub(crate) listen: SocketAddr,
    /// Where browsers find it.
    pub(crate) public_url: gateway::Origin,
    /// Certificate and key, where nothing in front of Sightline does TLS.
    pub(crate) tls: Option<gateway::TlsFiles>,
}

/// `[policy]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicySettings {
    /// The Cedar schema.
    pub(crate) schema: PathBuf,
    /// The Cedar policies.
    pub(crate) policies: Vec<PathBuf>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("no configuration at {0}; `sightline init` writes one, --config names another")]
    Missing(PathBuf),
    #[error("cannot read {file}: {source}")]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Malformed(String),
    #[error("{file}: {why}")]
    Wrong { file: PathBuf, why: String },
}

impl Config {
    /// Reads the file and checks what can be checked without opening anything.
    pub(crate) fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ConfigError::Missing(file.to_owned()),
            _ => ConfigError::Unreadable { file: file.to_owned(), source },
        })?;
        Self::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut settings: Settings = toml::from_str(text)
            .map_err(|error| ConfigError::Malformed(toml_error::explain(file, text, &error)))?;
        settings.check().map_err(|why| ConfigError::Wrong { file: file.to_owned(), why })?;
        let digest =
            digest(text).map_err(|error| ConfigError::Malformed(toml_error::explain(file, text, &error)))?;
        let base = file.parent().unwrap_or(Path::new("")).to_owned();
        settings.resolve(&base);
        Ok(Self { settings, digest, base })
    }
}

/// What is a node's own: where it keeps its files, where it listens, how it reaches the database. Several gateways
/// differ in it and yet do the same, so it is no part of what is put in force.
const OWN: &[(&str, &[&str])] = &[
    ("console", &["listen", "tls"]),
    ("app", &["listen", "tls"]),
    (
        "log",
        &["compact", "journal", "journal_password_file", "journal_patience_seconds", "node", "s3", "tiles"],
    ),
];

/// SHA-256 of the file's settings without a [node's own](OWN), as JSON with sorted keys: neither comments nor order
/// change it.
fn digest(text: &str) -> Result<Digest, toml::de::Error> {
    let mut settings: toml::Table = toml::from_str(text)?;
    settings.remove("data");
    for (section, keys) in OWN {
        let tables: Vec<&mut toml::Table> = match settings.get_mut(*section) {
            Some(toml::Value::Table(table)) => vec![table],
            Some(toml::Value::Array(list)) => list.iter_mut().filter_map(toml::Value::as_table_mut).collect(),
            _ => Vec::new(),
        };
        for table in tables {
            keys.iter().for_each(|key| drop(table.remove(*key)));
        }
    }
    let sorted = serde_json::to_value(settings).map_err(serde::de::Error::custom)?;
    Ok(Digest::of(sorted.to_string().as_bytes()))
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        if self.apps.is_empty() {
            return Err("no [[app]]: there is nothing to stand in front of".into());
        }
        let mut listeners = vec![("[console]".to_owned(), self.console.listen)];
        let mut names = vec![model::AppId::CONSOLE];
        for app in &self.apps {
            let name = app.name.as_str();
            if names.contains(&name) {
                return Err(format!("two doors are called {name:?}; each [[app]] needs a name of its own"));
            }
            if name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            {
                return Err(format!("app {name:?}: a name is made of a to z, 0 to 9 and -"));
            }
            names.push(name);
            let taken = listeners.iter().find(|(_, address)| *address == app.listen && address.port() != 0);
            if let Some((other, address)) = taken {
                return Err(format!("{other} and app {name:?} both listen on {address}"));
            }
            listeners.push((format!("app {name:?}"), app.listen));
        }
        for (i, export) in self.exports.iter().enumerate() {
            export.check()?;
            if self.exports[..i].iter().any(|other| other.name == export.name) {
                return Err(format!(
                    "two exports are called {:?}; each needs a name of its own",
                    export.name
                ));
            }
        }
        let budgets = &self.budgets;
        if budgets.shift_hours == 0 || budgets.grant_minutes == 0 {
            return Err("[budgets]: shift_hours and grant_minutes must be at least 1".into());
        }
        self.retention.check()?;
        self.watch.check()?;
        self.witnesses.as_ref().map_or(Ok(()), crate::witnesses::WitnessSettings::check)?;
        self.log.check()
    }

    /// Makes every path relative to the file's own folder.
    fn resolve(&mut self, base: &Path) {
        let mut paths = vec![&mut self.data];
        if let Some(policy) = &mut self.policy {
            paths.push(&mut policy.schema);
            paths.extend(&mut policy.policies);
        }
        paths.extend(self.log.paths_mut());
        paths.extend(self.console.tls.iter_mut().flat_map(gateway::TlsFiles::paths_mut));
        paths.extend(self.apps.iter_mut().flat_map(AppSettings::paths_mut));
        paths.extend(self.login.paths_mut());
        paths.extend(self.exports.iter_mut().flat_map(ExportSettings::paths_mut));
        paths.extend(self.canaries.iter_mut().flat_map(crate::canaries::CanarySettings::paths_mut));
        for path in paths {
            *path = base.join(&path);
        }
        self.rules.iter_mut().for_each(|rules| rules.resolve(base));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
data = "data"
log = { origin = "sightline.example/log", journal = "postgres://a/b" }
budgets = { listed_rows = 1 }
console = { listen = "127.0.0.1:1", public_url = "http://localhost:1" }
[[app]]
name = "desk"
listen = "127.0.0.1:2"
mode = "enforce"
"#;

    #[test]
    fn what_is_a_nodes_own_changes_nothing_that_is_in_force() {
        let digest = |text: &str| digest(text).unwrap();
        let same = [
            ("data = \"data\"", "data = \"/srv/sightline\""),
            ("postgres://a/b", "postgres://c/b"),
            ("127.0.0.1:1", "10.0.0.7:443"),
            ("127.0.0.1:2", "10.0.0.7:444"),
            ("[[app]]", "# the desk\n[[app]]"),
            ("name = \"desk\"\n", ""),
        ];
        let (moved, same) = same.split_last().unwrap();
        for (own, other) in same {
            assert!(FILE.contains(own));
            assert_eq!(digest(&FILE.replace(own, other)), digest(FILE), "{own}");
        }
        // Another order is the same, too.
        assert_eq!(digest(&(FILE.replace(moved.0, moved.1) + "name = \"desk\"\n")), digest(FILE));
        for (shared, other) in [
            ("enforce", "observe"),
            ("listed_rows = 1", "listed_rows = 2"),
            ("example/log", "example/other"),
            ("http://localhost:1", "http://localhost:9"),
        ] {
            assert!(FILE.contains(shared));
            assert_ne!(digest(&FILE.replace(shared, other)), digest(FILE), "{shared}");
        }
    }
}
