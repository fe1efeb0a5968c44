//! Tickets and customers' tiers, as the app tells them: asked for again and again, or sent by the app.

mod lines;
mod rt;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::{AccessError, TicketEvent};
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode};
use model::entry::Why;
use model::{StaffId, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::Gate;
use crate::secret::{Secret, SecretError, sensitive};
use crate::settings::{FeedKind, FeedSettings};

/// The longest wait after errors.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How long a look without a reason waits for the tickets that may explain it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Stands in front of a kept cursor when events named somebody whom nobody knew: after a restart the
/// feed is read from its beginning, because by then they may be known.
const INCOMPLETE: &str = "incomplete:";

/// The feed of one app.
#[derive(Debug)]
pub(crate) struct Feed {
    settings: FeedSettings,
    credentials: Credentials,
    webhook_secret: Option<Secret>,
    /// When the app last answered, in milliseconds since the epoch.
    heard: AtomicU64,
    /// Logins in events that no staff member has (yet).
    strangers: Mutex<HashSet<String>>,
    /// Somebody would rather not wait for the next round.
    hurry: Notify,
    /// How often the feed was read to its end.
    rounds: watch::Sender<u64>,
}

/// How the gateway shows the app that it may read the feed.
#[derive(Debug)]
enum Credentials {
    /// By a header of its own.
    Authorization(HeaderValue),
    /// Like a staff member with this login.
    SignIn(String),
}

/// What one answer of the app says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Batch {
    events: Vec<TicketEvent>,
    /// Where to go on; none: where we were.
    cursor: Option<String>,
    /// Whether there is more at once.
    more: bool,
}

impl Feed {
    pub(crate) fn new(settings: &FeedSettings, now: Timestamp) -> Result<Self, FeedError> {
        let read = |path: &Option<PathBuf>| path.as_deref().map(Secret::read).transpose();
        let (token, password) = (read(&settings.token_file)?, read(&settings.password_file)?);
        let credentials = match (token, &settings.user, password) {
            (Some(token), None, None) => {
                let scheme = match settings.kind {
                    FeedKind::Sightline => "Bearer",
                    FeedKind::Rt => "token",
                };
                Credentials::Authorization(sensitive(&format!("{scheme} {}", token.as_str())))
            }
            (None, Some(user), Some(password)) => {
                let pair = STANDARD.encode(format!("{user}:{}", password.as_str()));
                Credentials::Authorization(sensitive(&format!("Basic {pair}")))
            }
            (None, Some(user), None) => Credentials::SignIn(user.clone()),
            _ => return Err(FeedError::Credentials),
        };
        Ok(Self {
            settings: settings.clone(),
            credentials,
            webhook_secret: read(&settings.webhook_secret_file)?,
            heard: AtomicU64::new(now.0),
            strangers: Mutex::default(),
            hurry: Notify::new(),
            rounds: watch::Sender::default(),
        })
    }

    /// Whether the app has answered lately.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(Timestamp(self.heard.load(Ordering::Relaxed))) <= self.settings.stale()
    }

    fn hear(&self, now: Timestamp) {
        self.heard.store(now.0, Ordering::Relaxed);
    }
}

impl Gate {
    /// Follows the app's tickets for as long as it is polled. Returns at once if the app has no feed.
    pub(crate) async fn follow_feed(&self) {
        let Some(feed) = &self.feed else { return };
        let mut reader = Reader { gate: self, feed, cursor: None, tiers: None, rt: rt::Memory::default() };
        let mut wait = feed.settings.every();
        loop {
            match reader.catch_up().await {
                Ok(()) => {
                    feed.hear(self.clock.now());
                    feed.rounds.send_modify(|rounds| *rounds += 1);
                    wait = feed.settings.every();
                    // Whoever is in a hurry does not hurry an app that has just failed.
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = feed.hurry.notified() => {}
                    }
                    continue;
                }
                Err(error) => {
                    wait = (wait * 2).min(LONGEST_WAIT);
                    let stale = !feed.is_fresh(self.clock.now());
                    tracing::warn!(app = %self.settings.name, %error, stale, "the feed of tickets does not answer");
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Has the feed read now: the ticket that explains a look may be younger than the last round. Whether
    /// there was a round within [`PATIENCE`].
    pub(crate) async fn hurry_feed(&self) -> bool {
        let Some(feed) = &self.feed else { return false };
        let mut rounds = feed.rounds.subscribe();
        feed.hurry.notify_one();
        matches!(timeout(PATIENCE, rounds.changed()).await, Ok(Ok(())))
    }
}

/// Reads the feed from where it stopped.
struct Reader<'g> {
    gate: &'g Gate,
    feed: &'g Feed,
    /// Where to go on; read from the store at first.
    cursor: Option<String>,
    /// Where to go on with customers' tiers: read anew by each process, because there are few.
    tiers: Option<String>,
    rt: rt::Memory,
}

impl Reader<'_> {
    async fn catch_up(&mut self) -> Result<(), FeedError> {
        if self.feed.settings.kind == FeedKind::Sightline {
            lines::read_tiers(self).await?;
        }
        self.find_place()?;
        loop {
            let batch = match self.feed.settings.kind {
                FeedKind::Sightline => lines::read_tickets(self).await?,
                FeedKind::Rt => rt::read_tickets(self).await?,
            };
            let more = batch.more;
            self.keep(batch)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Where to go on: at the beginning, if somebody whom earlier events named has become known since.
    fn find_place(&mut self) -> Result<(), FeedError> {
        let stranger_known = {
            let mut strangers = self.feed.strangers.lock().map_err(|_| FeedError::Poisoned)?;
            let known = strangers.iter().any(|login| self.gate.people.staff_by_login(login).is_some());
            if known {
                strangers.clear();
            }
            known
        };
        if stranger_known {
            self.cursor = Some(String::new());
        } else if self.cursor.is_none() {
            let kept = self.gate.access.tickets().cursor(&self.gate.settings.name)?;
            self.cursor = Some(kept.filter(|cursor| !cursor.starts_with(INCOMPLETE)).unwrap_or_default());
        }
        Ok(())
    }

    fn keep(&mut self, batch: Batch) -> Result<(), FeedError> {
        let cursor = batch.cursor.or_else(|| self.cursor.clone()).unwrap_or_default();
        let complete = self.feed.strangers.lock().map_err(|_| FeedError::Poisoned)?.is_empty();
        let kept = if complete { cursor.clone() } else { format!("{INCOMPLETE}{cursor}") };
        let app = &self.gate.settings.name;
        self.gate.access.tickets().apply(app, &batch.events, Some(&kept))?;
        self.cursor = Some(cursor);
        Ok(())
    }

    /// One answer of the app, which must be a success.
    async fn get(&self, target: &str) -> Result<Bytes, FeedError> {
        let (authorization, login) = match &self.feed.credentials {
            Credentials::Authorization(value) => (Some(value), None),
            Credentials::SignIn(login) => (None, Some(login.as_str())),
        };
        let (status, body) =
            self.gate.upstream.fetch(target, authorization, login).await.map_err(FeedError::NoAnswer)?;
        if status.is_success() { Ok(body) } else { Err(FeedError::Status(status)) }
    }

    fn staff(&self, login: &str) -> StaffId {
        self.gate.staff_called(login)
    }
}

impl Gate {
    /// The staff member whom the app knows under this login; if nobody is, an id that matches nobody.
    fn staff_called(&self, login: &str) -> StaffId {
        self.people.staff_by_login(login).unwrap_or_else(|| {
            if let Some(Ok(mut strangers)) = self.feed.as_ref().map(|feed| feed.strangers.lock()) {
                strangers.insert(login.to_owned());
            }
            StaffId::new(format!("app:{login}"))
        })
    }
}

/// `POST /.sightline/feed`: events that the app sends by itself. Events are idempotent, so that a repeated
/// message changes nothing.
pub(crate) async fn webhook(State(gate): State<Arc<Gate>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let secret = gate.feed.as_ref().and_then(|feed| feed.webhook_secret.as_ref());
    let Some((feed, secret)) = gate.feed.as_ref().zip(secret) else { return StatusCode::NOT_FOUND };
    if !secret.signed(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(batch) = lines::parse(&body, |login| gate.staff_called(login)) else {
        return StatusCode::BAD_REQUEST;
    };
    match gate.access.tickets().apply(&gate.settings.name, &batch.events, None) {
        Ok(()) => {
            feed.hear(gate.clock.now());
            StatusCode::NO_CONTENT
        }
        Err(error) => {
            tracing::error!(app = %gate.settings.name, %error, "events that the app sent cannot be kept");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// serde's messages may quote values: only the place is kept.
fn unreadable(error: serde_json::Error) -> FeedError {
    FeedError::Unreadable(format!("line {}, column {}", error.line(), error.column()))
}

/// Why a feed cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The settings do not say how to be let in.
    #[error(
        "the feed needs a token_file, or a user with a password_file, or a user alone who is signed in like staff"
    )]
    Credentials,
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The app did not answer, or not whole.
    #[error("the app gave no answer: {0}")]
    NoAnswer(Why),
    /// The app answered with an error.
    #[error("the app answered with status {0}")]
    Status(StatusCode),
    /// The app's answer is not what a feed says. The text says where, and holds no value.
    #[error("the app's answer is not that of a feed: {0}")]
    Unreadable(String),
    /// What was read cannot be kept.
    #[error("tickets cannot be kept")]
    Keep(#[from] AccessError),
    /// Another task died while it held the lock.
    #[error("the feed was interrupted")]
    Poisoned,
}
