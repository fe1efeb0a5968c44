//! Who looks: the staff directory, login (OpenID Connect, personas), sessions.
//!
//! CONTRACT STUB: signatures other rooms build against.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use axum::Router;
use http::HeaderMap;
use model::entry::Why;
use model::{AppId, Digest, Entry, SessionId, StaffId, StaffRecord, Timestamp};

/// The fold of staff and sessions: what the ledger says of who may act. Deterministic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register {
    pub staff: HashMap<StaffId, StaffRecord>,
    pub sessions: HashMap<SessionId, Session>,
    pub by_token: HashMap<Digest, SessionId>,
}

/// A session as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub staff: StaffId,
    pub door: AppId,
    pub opened: Timestamp,
    pub expires: Timestamp,
    pub ended: Option<Why>,
}

impl Register {
    /// Absorbs StaffRecorded, SessionOpened, SessionClosed, Revoked{Staff|Session}; refuses a SessionOpened of
    /// staff that is not active. Other events pass.
    pub fn admit(&mut self, _entry: &Entry) -> Result<(), Why> {
        todo!()
    }
    /// Whether this session may act at `now`: not ended, not expired, its staff active.
    pub fn may_act(&self, _session: SessionId, _now: Timestamp) -> Result<(&Session, &StaffRecord), Why> {
        todo!()
    }
}

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

#[allow(dead_code)]
type Shared = Arc<RwLock<Register>>;
