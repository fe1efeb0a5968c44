//! Where the journal is (`[log] journal`) and where tiles go (`[log] tiles`); and `sightline migrate`, which makes the
//! tables of a database for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use ledger::{Database, Migration, PublicStore};
use publish::{Place, S3Settings};
use serde::Deserialize;

use crate::cli::Form;
use crate::config::Config;
use crate::house::Layout;
use crate::operate;

/// `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSettings {
    /// The origin line of its checkpoints.
    pub(crate) origin: String,
    /// The database that the journal is in, for several gateways: `postgres://user@host/name`. Without it the
    /// journal is in files.
    journal: Option<String>,
    /// The file that holds the database's password.
    journal_password_file: Option<PathBuf>,
    /// How long an entry waits for a database that cannot be reached, before it is refused.
    #[serde(default = "patience")]
    journal_patience_seconds: u32,
    /// Whether old entries are compacted in the background, where the journal is in files.
    #[serde(default = "compact")]
    compact: bool,
    /// The name of this gateway, where several write one log; by default that of the machine.
    node: Option<String>,
    /// Where tiles and checkpoint go for everybody, besides the ledger's own directory: a directory, or
    /// `s3://bucket/prefix`.
    tiles: Option<Place>,
    /// How an S3-compatible store is reached.
    s3: Option<S3Settings>,
}

fn compact() -> bool {
    true
}

fn patience() -> u32 {
    5
}

impl LogSettings {
    /// Every path in the settings, to be made relative to the file that they stand in.
    pub(crate) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let dir = self.tiles.as_mut().and_then(|tiles| match tiles {
            Place::Dir(dir) => Some(dir),
            Place::S3 { .. } => None,
        });
        let credentials = self.s3.as_mut().and_then(|s3| s3.credentials_file.as_mut());
        self.journal_password_file.iter_mut().chain(dir).chain(credentials)
    }

    /// What the ledger of this installation is opened with.
    pub(crate) fn options(&self, layout: &Layout) -> Result<ledger::Options, String> {
        Ok(ledger::Options {
            database: self.database()?,
            patience: std::time::Duration::from_secs(self.journal_patience_seconds.into()),
            compact: self.compact,
            node: self.node.clone().or_else(machine).unwrap_or_else(|| "gateway".to_owned()),
            public: self.public()?,
            ..layout.ledger_options()
        })
    }

    /// What can be checked without opening anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.origin.is_empty() || self.origin.contains(|c: char| c.is_whitespace() || c == '+') {
            return Err(
                "[log] origin: a name like \"sightline.example.com/ledger\", without spaces and +".into()
            );
        }
        if self.node.as_ref().is_some_and(|node| node.is_empty() || node.len() > 64) {
            return Err("[log] node: a name of 1 to 64 characters".into());
        }
        Ok(())
    }

    fn public(&self) -> Result<Option<Arc<dyn PublicStore>>, String> {
        match (&self.tiles, &self.s3) {
            (Some(place), s3) => {
                publish::open(place, s3.as_ref()).map(Some).map_err(|e| format!("[log] {e}"))
            }
            (None, Some(_)) => Err(format!("[log] {}", publish::OpenError::Useless)),
            (None, None) => Ok(None),
        }
    }

    /// Whether several gateways can write this log.
    pub(crate) fn is_shared(&self) -> bool {
        self.journal.is_some()
    }

    fn database(&self) -> Result<Option<Database>, String> {
        let Some(url) = &self.journal else { return Ok(None) };
        let database = Database::new(url).map_err(|e| format!("[log] journal: {e}"))?;
        if database.has_password() {
            return Err(
                "[log] journal: a password does not belong into the configuration: put it into a file \
                        (0600) and name that as journal_password_file"
                    .into(),
            );
        }
        match &self.journal_password_file {
            None => Ok(Some(database)),
            Some(file) => Ok(Some(database.with_password(&password(file)?))),
        }
    }
}

/// The name of this machine.
fn machine() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn password(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(format!("{}: it is empty; it should hold the database's password", file.display())),
        password => Ok(password.to_owned()),
    }
}

/// Options of `sightline migrate`.
#[derive(Args)]
pub(crate) struct Migrate {
    /// The configuration that names the database.
    #[arg(long, short, default_value = "sightline.toml", value_name = "FILE")]
    config: PathBuf,
    /// Say which steps are missing, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    form: Form,
}

/// Brings the database's tables up to this version, and says what was done.
pub(crate) fn migrate(options: &Migrate) -> Result<(), String> {
    let config = Config::load(&options.config).map_err(|e| e.to_string())?;
    let database = config.settings.log.database()?.ok_or_else(|| {
        format!(
            "{}: the journal is in files, which need no migration; to keep it in a database write \
             journal = \"postgres://user@host/name\" under [log]",
            options.config.display()
        )
    })?;
    let steps = database.migrate(options.dry_run).map_err(|e| e.to_string())?;
    if options.form.json {
        let json = serde_json::json!({ "database": database.to_string(), "steps": steps });
        return operate::out(&format!("{json}\n"));
    }
    let line = |step: &Migration| format!("  version {}: {}: {}\n", step.version, step.what, step.state);
    operate::out(&format!("{database}\n{}", steps.iter().map(line).collect::<String>()))
}
