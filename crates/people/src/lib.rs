//! Who looks: the staff directory, login (OpenID Connect, personas), sessions.
//!
//! What the ledger says of staff and sessions is the [`Register`], a fold over entries: who may act is
//! read there and nowhere else, so that sessions outlive a restart, and a revocation counts at once.
//! Names are in the [`Directory`], outside the ledger. [`People`] is what the doors ask: who sent this
//! request ([`People::identify`]), and the pages to log in and out ([`People::routes`]).

mod cookie;
mod directory;
mod login;
mod next;
mod register;
mod secret;
mod sessions;
mod settings;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use ledger::Ledger;
use model::{AppId, Clock, Entropy, SessionId, StaffId, Timestamp};

pub use cookie::cookie_name;
pub use directory::{Directory, DirectoryError, Person, RememberError};
pub use login::{LoginMethod, LoginMethodError, Oidc, OidcError, Personas, PersonasError};
pub use openidconnect::IssuerUrl;
pub use register::{Register, Session};
pub use secret::KeyError;
pub use sessions::Seated;
pub use settings::{
    Attribute, Door, GroupRole, LoginSettings, OidcSettings, Persona, PersonasSettings, SessionLimits,
};

/// Where the register can be read: the admission state of the process.
pub trait Registered: Send + Sync + std::fmt::Debug {
    /// Calls `f` with the register as it is now.
    fn with_register(&self, f: &mut dyn FnMut(&Register));
}

/// What [`People`] are made of.
#[derive(Debug)]
pub struct PeopleParts {
    /// Where logins and logouts are recorded.
    pub ledger: Ledger,
    /// What the ledger says of staff and sessions.
    pub registered: Arc<dyn Registered>,
    /// The names.
    pub directory: Directory,
    /// How staff log in.
    pub login: LoginMethod,
    /// How long sessions last.
    pub limits: SessionLimits,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for cookies and ids.
    pub entropy: Arc<dyn Entropy>,
}

/// Login, logout, sessions and names, for all doors. Cheap to clone.
#[derive(Debug, Clone)]
pub struct People(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: PeopleParts,
    /// Idle time counts from here for sessions of an earlier process, whose last activity nobody knows.
    started: Timestamp,
    active: Mutex<HashMap<SessionId, Timestamp>>,
}

impl People {
    /// Makes ready for logins. Personas are entered in the directory, so that their names show everywhere.
    pub fn new(parts: PeopleParts) -> Result<Self, RememberError> {
        if let LoginMethod::Personas(personas) = &parts.login {
            personas.introduce(&parts.directory)?;
        }
        let started = parts.clock.now();
        Ok(Self(Arc::new(Inner { parts, started, active: Mutex::default() })))
    }

    /// The name to show for a staff member; the id itself where the directory has none.
    pub fn name_of(&self, staff: &StaffId) -> String {
        self.0.parts.directory.name_of(staff).unwrap_or_else(|| staff.to_string())
    }

    /// The staff member whom the apps know under this login, if any.
    pub fn staff_by_login(&self, login: &str) -> Option<StaffId> {
        self.0.parts.directory.staff_by_login(login)
    }

    /// `/login`, `/login/callback`, `/logout` of a door, to be nested under `/.sightline` of an app or of
    /// the console. `GET /login?next=/path` starts a login and comes back to `next` (a path on this origin,
    /// nothing else). Requests should carry their `ConnectInfo`: personas are for loopback only.
    pub fn routes(&self, door: AppId) -> Router {
        login::routes(self.clone(), door)
    }
}
