//! The way of a look: identify, recognise, decide, seal, record, open.
//!
//! Start with `way.rs`, which reads top to bottom as the way does, and with [`seal`], which is why
//! nothing is shown before it is recorded.

mod advice;
mod contained;
mod decide;
mod feed;
mod headers;
mod mark;
mod origin;
mod reading;
mod ready;
mod reason;
mod refuse;
pub mod seal;
mod secret;
mod sender;
pub mod settings;
mod signed;
mod token;
mod upstream;
mod way;
mod witnessed;

use std::sync::Arc;

use access::Access;
use adapter::Adapter;
use axum::Router;
use axum::routing::{get, post};
use ledger::Ledger;
use model::{Clock, Entropy, Timestamp};
use people::People;

pub use feed::FeedError;
pub use mark::settings::{Heartbeat, MarkSettings, Visible};
pub use origin::{NotAnOrigin, Origin};
pub use secret::{Secret, SecretError};
pub use settings::{AppSettings, TlsFiles};
pub use token::TokenKey;
pub use upstream::UpstreamError;

use feed::Feed;
use mark::Marks;
use upstream::Upstream;

/// Everything that a gateway in front of one app is made of.
#[derive(Debug)]
pub struct GatewayParts {
    /// The app's settings.
    pub settings: AppSettings,
    /// What the app shows on which route.
    pub adapter: Adapter,
    /// Reasons to look.
    pub access: Access,
    /// Staff and sessions.
    pub people: People,
    /// Where each look is recorded.
    pub ledger: Ledger,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// What goes out to the browser and must come back is sealed with it.
    pub tokens: TokenKey,
    /// What the marks over pages are derived from; the same at every gateway of the ledger.
    pub marks: trace::MarkKey,
    /// How the ledger stands with its witnesses.
    pub witnesses: witness::Standing,
}

/// A gateway in front of one app. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<Gate>);

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Gate {
    settings: AppSettings,
    adapter: Adapter,
    access: Access,
    people: People,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tokens: TokenKey,
    marks: Marks,
    witnesses: witness::Standing,
    upstream: Upstream,
    feed: Option<Feed>,
}

impl AppSettings {
    /// Reads the secrets that the settings name, as a gateway for them would.
    pub fn check(&self) -> Result<(), GatewayError> {
        Upstream::new(self)?;
        self.feed.as_ref().map(|feed| Feed::new(feed, Timestamp(0))).transpose()?;
        Ok(())
    }
}

impl Gateway {
    /// Makes a gateway: reads the app's secrets, and opens no connection yet.
    pub fn new(parts: GatewayParts) -> Result<Self, GatewayError> {
        let GatewayParts {
            settings,
            adapter,
            access,
            people,
            ledger,
            clock,
            entropy,
            tokens,
            marks,
            witnesses,
        } = parts;
        let upstream = Upstream::new(&settings)?;
        let feed = settings.feed.as_ref().map(|feed| Feed::new(feed, clock.now())).transpose()?;
        let marks = Marks::new(settings.mark, marks, &settings.public_url);
        Ok(Self(Arc::new(Gate {
            settings,
            adapter,
            access,
            people,
            ledger,
            clock,
            entropy,
            tokens,
            marks,
            witnesses,
            upstream,
            feed,
        })))
    }

    /// Follows the app's tickets for as long as it is polled. Returns at once if the app has no feed.
    pub async fn follow_feed(&self) {
        self.0.follow_feed().await;
    }

    /// Looks for pages that no longer prove that their mark is in place, for as long as it is polled. Returns at once if
    /// pages are not asked to.
    pub async fn watch_marks(&self) {
        self.0.watch_marks().await;
    }

    /// Everything that this app's listener serves.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/.sightline/why", get(reason::question).post(reason::answer))
            .route("/.sightline/ask", get(reason::question).post(reason::answer))
            .route("/.sightline/whoami", get(reason::whoami))
            .route(contained::PAGE, get(contained::page).post(contained::answer))
            .route("/.sightline/feed", post(feed::webhook))
            .route("/.sightline/ready", get(ready::ready))
            .merge(mark::routes())
            .fallback(way::walk)
            .with_state(self.0.clone())
            .nest("/.sightline", self.0.people.routes(self.0.settings.name.clone()))
            .merge(pages::assets())
    }
}

/// Why a gateway cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The way to the app cannot be set up.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The app's feed cannot be set up.
    #[error(transparent)]
    Feed(#[from] FeedError),
}
