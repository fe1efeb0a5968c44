//! Pages for analysts, auditors and leads: server-rendered, live, accessible.
//!
//! Every page is one module: it asks its question through [`incident::Enquiry`] (asking is an entry
//! too), puts the answer into a template, and returns it in the console's frame ([`shell`]). Who may
//! see what is decided in one place, [`guard`]. What goes wrong becomes a page or an RFC 9457 document
//! in [`fault`].
//!
//! Staff appear by their pseudonyms only (P7). No customer's name or number is ever part of an
//! address: pages of customers are addressed by [`views::CustomerRef`].

mod chart;
mod curve;
mod customers;
mod decisions;
mod fault;
mod finding;
mod findings;
mod first_look;
mod guard;
mod happening;
mod help;
mod live;
mod log;
mod overview;
mod reach;
mod revoke;
mod sessions;
mod shell;
mod show;
mod span;
mod staff;
mod witnesses;

use std::sync::Arc;

use access::Access;
use axum::Router;
use axum::routing::{get, post};
use incident::{Enquiry, Erasure};
use ledger::Ledger;
use model::{AppId, Clock, Entropy};
use people::People;

/// What the console stands on.
#[derive(Debug, Clone)]
pub struct Console {
    /// The name of the console's door: logins here are sessions at this door.
    pub door: AppId,
    /// The record.
    pub ledger: Ledger,
    /// The state that admission decides against: open sessions, live grants, budgets.
    pub access: Access,
    /// Who is there.
    pub people: People,
    /// Questions, each of which is recorded.
    pub enquiry: Enquiry,
    /// Erasures, which two administrators decide here.
    pub erasure: Erasure,
    /// How the ledger stands with its witnesses.
    pub witnesses: witness::Standing,
    /// The trust policy for auditors (c2sp.org/tlog-policy).
    pub trust_policy: String,
    /// The time that pages speak of.
    pub clock: Arc<dyn Clock>,
    /// For reference numbers.
    pub entropy: Arc<dyn Entropy>,
}

/// The console, and the public end points of the log (`/checkpoint`, `/tile/…`, `/pruning-policy`), for a listener of
/// their own.
pub fn router(console: Console) -> Router {
    let login = console.people.routes(console.door.clone());
    let state = Arc::new(console);
    Router::new()
        .route("/", get(overview::page))
        .route("/staff", get(staff::list))
        .route("/staff/{staff}", get(staff::timeline))
        .route("/staff/{staff}/reach", get(reach::of_staff))
        .route("/staff/{staff}/reach/{file}", get(reach::of_staff_file))
        .route("/sessions", get(sessions::page))
        .route("/sessions/{session}/reach", get(reach::of_session))
        .route("/sessions/{session}/reach/{file}", get(reach::of_session_file))
        .route("/customers", get(customers::search).post(customers::find))
        .route("/customers/{reference}", get(customers::timeline))
        .route("/revoke", get(revoke::confirm).post(revoke::carry_out))
        .route("/decisions", get(decisions::page).post(decisions::decide))
        .route("/decisions/propose", post(decisions::propose))
        .route("/findings", get(findings::page))
        .route("/findings/handover", get(findings::handover))
        .route("/findings/{finding}", get(finding::page))
        .route("/findings/{finding}/triage", post(finding::triage))
        .route("/findings/{finding}/contain", post(finding::contain))
        .route("/findings/{finding}/lift", post(finding::lift))
        .route("/findings/{finding}/propose", post(finding::propose))
        .route("/first-look", get(first_look::page))
        .route("/ledger", get(log::entries))
        .route("/ledger/{index}", get(log::entry))
        .route("/ledger/{index}/proof", get(log::proof))
        .route("/help", get(help::page))
        .route("/events", get(live::events))
        .route("/checkpoint", get(log::checkpoint))
        .route("/pruning-policy", get(log::pruning_policy))
        .route("/trust-policy", get(log::trust_policy))
        .route("/tile/{*path}", get(log::tile))
        .fallback(fault::not_found)
        .layer(axum::middleware::from_fn(fault::render))
        .with_state(state)
        .merge(pages::assets())
        .nest("/.sightline", login)
}

/// What every handler is given.
type State = axum::extract::State<Arc<Console>>;
