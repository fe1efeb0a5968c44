//! Who looks: the staff directory, login (OpenID Connect, personas), sessions.
//!
//! CONTRACT STUB: signatures other rooms build against.

mod register;

use axum::Router;
use http::HeaderMap;
use model::entry::Why;
use model::{AppId, SessionId, StaffId, StaffRecord};

pub use register::{Register, Session};

/// Where the register can be read: the admission state of the process (implemented by `access`).
pub trait Registered: Send + Sync + std::fmt::Debug {
    /// Calls `f` with the register as it is now.
    fn with_register(&self, f: &mut dyn FnMut(&Register));
}

/// Login, logout, sessions and names, for all doors.
#[derive(Debug, Clone)]
pub struct People {}

/// Whoever sent a request.
#[derive(Debug, Clone)]
pub struct Seated {
    pub session: SessionId,
    pub record: StaffRecord,
    /// The name to show; from the directory.
    pub name: String,
    /// The name under which the apps know this person (what goes into the sign-in header).
    pub login: String,
    /// What the forms of our pages carry: bound to the session.
    pub csrf: String,
}

impl People {
    /// Who sent a request with these headers through this door. `Ok(None)`: nobody logged in. `Err`: the
    /// session was there and is over, with the reason for the page. Also notes activity and ends idle sessions.
    pub async fn identify(&self, _headers: &HeaderMap, _door: &AppId) -> Result<Option<Seated>, Why> {
        todo!()
    }
    /// Whether a form's token is that of the session.
    pub fn csrf_ok(&self, _seated: &Seated, _token: &str) -> bool {
        todo!()
    }
    /// The name to show for a staff member; the id itself where the directory has none.
    pub fn name_of(&self, _staff: &StaffId) -> String {
        todo!()
    }
    /// The staff member whom the apps know under this login, if any.
    pub fn staff_by_login(&self, _login: &str) -> Option<StaffId> {
        todo!()
    }
    /// `/login`, `/login/callback`, `/logout` of a door, to be nested under `/.sightline` of an app or of the console.
    /// `GET /login?next=/path` starts a login and comes back to `next` (a path on this origin, nothing else).
    pub fn routes(&self, _door: AppId) -> Router {
        todo!()
    }
}

/// The cookie's name at a door: `__Host-sightline-<door>`.
pub fn cookie_name(_door: &AppId) -> String {
    todo!()
}
