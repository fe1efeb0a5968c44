//! A small support desk: the company's own tool, as such tools are. It knows nothing of Sightline.
//! It trusts whoever knows its sign-in secret to say who is there, and tells its feed to whoever
//! holds the feed's token.

mod api;
mod arrivals;
mod feed;
mod pages;
mod signin;
mod store;
mod talk;
mod view;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::routing::{get, patch, post};
use axum::{Router, middleware};
use model::{Clock, Timestamp};

use crate::dice::Dice;
use crate::population::Population;
use store::Store;

/// The desk. Clones are the same desk.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    store: RwLock<Store>,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    seed: u64,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// What the desk keeps to itself and those in front of it.
pub struct Secrets {
    /// What `X-Desk-Secret` must be for `X-Remote-User` to be believed.
    pub sign_in: String,
    /// The bearer token of the feed.
    pub feed: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Desk {
    /// A desk for these people, with a month behind it and a morning's tickets in the queue.
    pub fn new(population: Population, secrets: Secrets, clock: Arc<dyn Clock>) -> Self {
        let seed = population.seed;
        let now = clock.now();
        let mut store = Store::new(population, now);
        arrivals::history(&mut store, &mut Dice::branch(seed, 10), now);
        Self(Arc::new(Inner { store: RwLock::new(store), secrets, clock, seed }))
    }

    /// Everything that the desk answers to.
    pub fn router(&self) -> Router {
        let signed_in = Router::new()
            .route("/", get(pages::queue))
            .route("/tickets", get(pages::tickets).post(pages::open_ticket))
            .route("/tickets/{ticket}", get(pages::ticket))
            .route("/tickets/{ticket}/reply", post(pages::reply))
            .route("/tickets/{ticket}/pick", post(pages::pick))
            .route("/tickets/{ticket}/close", post(pages::close))
            .route("/customers", get(pages::customers))
            .route("/customers/{customer}", get(pages::customer).post(pages::save_customer))
            .route("/customers/{customer}/edit", get(pages::edit_customer))
            .route("/search", get(pages::search))
            .route("/api/customers", get(api::customers).post(api::take_in))
            .route("/api/customers/{customer}", patch(api::change_customer).get(api::customer))
            .route("/api/tickets/{ticket}", get(api::ticket))
            .route("/export/customers.csv", get(api::export))
            .route("/static/{file}", get(pages::asset))
            .fallback(pages::nothing_here)
            .layer(middleware::from_fn_with_state(self.clone(), signin::staff));
        let feed = Router::new()
            .route("/feed/tickets", get(feed::tickets))
            .route("/feed/customers", get(feed::customers))
            .layer(middleware::from_fn_with_state(self.clone(), signin::reader));
        signed_in.merge(feed).with_state(self.clone())
    }

    /// Customers write, `speed` times as fast as in life. Never ends by itself: drop it to stop.
    pub async fn arrivals(&self, speed: f64) {
        let mut dice = Dice::branch(self.0.seed, 11);
        loop {
            let gap = dice.exponential(arrivals::GAP.as_secs_f64());
            tokio::time::sleep(crate::drive::scaled(gap, speed)).await;
            let now = self.now();
            arrivals::one_writes(&mut self.write(), &mut dice, now);
        }
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    // No operation of the store stops half-way, so what a panicked holder left is whole.
    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.0.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.0.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}
