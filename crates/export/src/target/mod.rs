//! Receivers. A target delivers a batch as a whole and says so only when the receiver has taken it.

mod file;
mod syslog;
mod tls;
mod webhook;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Clock, Timestamp};
use zeroize::Zeroizing;

use crate::format::Message;
use crate::settings::{ExportSettings, TargetSettings};

/// Messages next to each other, in the order of the ledger.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The log's origin.
    pub(crate) origin: String,
    /// The number of the first entry.
    pub(crate) first: u64,
    /// The number of the entry after the last.
    pub(crate) next: u64,
    /// The messages; one for each entry.
    pub(crate) messages: Vec<Message>,
}

impl Batch {
    /// When its first entry was committed.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.messages.first().map(|message| message.time)
    }
}

/// A receiver.
#[derive(Debug)]
pub(crate) enum Target {
    Syslog(syslog::Syslog),
    Webhook(Box<webhook::Webhook>),
    File(file::File),
}

impl Target {
    /// Reads what the settings name (secrets, certificates) and connects to nothing.
    pub(crate) fn open(settings: &ExportSettings, host: &str) -> Result<Self, TargetError> {
        Ok(match &settings.to {
            TargetSettings::Syslog(to) => {
                Self::Syslog(syslog::Syslog::open(to, host, settings.format.is_json())?)
            }
            TargetSettings::Webhook(to) => {
                Self::Webhook(Box::new(webhook::Webhook::open(to, &settings.name, settings.format)?))
            }
            TargetSettings::File(to) => Self::File(file::File::new(&to.path)),
        })
    }

    /// Delivers all of it. After an error nobody knows how much the receiver has taken: all of it is sent again.
    pub(crate) async fn deliver(&self, batch: &Batch, clock: &dyn Clock) -> Result<(), DeliveryError> {
        match self {
            Target::Syslog(syslog) => syslog.deliver(batch).await,
            Target::Webhook(webhook) => webhook.deliver(batch, clock.now()).await,
            Target::File(file) => file.deliver(batch).await,
        }
    }
}

/// Why a target cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{path}: {why}")]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The TLS library refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("the connection broke off: {0}")]
    Broken(String),
    #[error("the receiver did not {0} in time")]
    Timeout(&'static str),
    #[error("the receiver answered {status}")]
    Busy { status: u16, retry_after: Option<Duration> },
    #[error("the receiver finds {0} bytes too many")]
    TooLarge(usize),
    #[error("the receiver refuses: it answered {0}. Check its address and secret; nothing is skipped")]
    Refused(u16),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
}

/// What to do after a [`DeliveryError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Try again, a little later each time.
    Again,
    /// Not before this time is over.
    After(Duration),
    /// With fewer entries.
    Fewer,
    /// Nothing helps before somebody changes something: try seldom.
    Operator,
}

impl DeliveryError {
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            DeliveryError::Busy { retry_after: Some(delay), .. } => Remedy::After(*delay),
            DeliveryError::Connect(_)
            | DeliveryError::Broken(_)
            | DeliveryError::Timeout(_)
            | DeliveryError::Busy { .. }
            | DeliveryError::File { .. } => Remedy::Again,
            DeliveryError::TooLarge(_) => Remedy::Fewer,
            DeliveryError::Refused(_) => Remedy::Operator,
        }
    }
}

/// A secret from a file of its own, without the line end behind it.
struct Secret(Zeroizing<String>);

impl Secret {
    fn read(path: &Path) -> Result<Self, TargetError> {
        use std::os::unix::fs::PermissionsExt;
        let file = |source| TargetError::File { path: path.to_owned(), source };
        let wrong = |why: &str| TargetError::Wrong { path: path.to_owned(), why: why.to_owned() };
        let mode = std::fs::metadata(path).map_err(file)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(wrong("others may read this secret; set its mode to 0600"));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(file)?);
        match text.trim() {
            "" => Err(wrong("there is no secret in it")),
            secret => Ok(Self(Zeroizing::new(secret.to_owned()))),
        }
    }
}

/// Does not print the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An error and what caused it, on one line.
fn causes(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(error.source(), |cause| (*cause).source())
        .fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
