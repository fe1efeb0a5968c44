//! Login and logout: the routes of a door, and what both ways of logging in share.

mod attempt;
mod claims;
mod http_client;
mod oidc;
mod pages;
mod personas;

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ledger::{AppendError, Draft};
use model::entry::{Refused, Why};
use model::{AppId, Event, ResponseId, StaffId, StaffRecord, StaffStatus, Timestamp};

pub use self::oidc::{Oidc, OidcError};
pub use self::personas::{Personas, PersonasError};
use crate::next::Next;
use crate::settings::{Door, LoginSettings};
use crate::{People, Person, RememberError, cookie, cookie_name};

/// Larger forms than this are none of ours.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// How staff log in.
#[derive(Debug)]
pub enum LoginMethod {
    /// At an OpenID Connect provider.
    Oidc(Box<Oidc>),
    /// By a click, on loopback only.
    Personas(Personas),
}

/// Why a way to log in cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum LoginMethodError {
    /// OpenID Connect.
    #[error("[login.oidc]: {0}")]
    Oidc(#[from] OidcError),
    /// Personas.
    #[error("[login.personas]: {0}")]
    Personas(#[from] PersonasError),
}

impl LoginMethod {
    /// Reads the secrets that the settings name and checks the settings against the doors. Asks nobody.
    pub fn open(settings: &LoginSettings, doors: &[Door]) -> Result<Self, LoginMethodError> {
        Ok(match settings {
            LoginSettings::Oidc(oidc) => LoginMethod::Oidc(Box::new(Oidc::open(oidc, doors)?)),
            LoginSettings::Personas(personas) => LoginMethod::Personas(Personas::open(personas, doors)?),
        })
    }
}

/// Somebody who has proved who they are, with what is to be recorded of them.
pub(crate) struct Identity {
    pub(crate) record: StaffRecord,
    pub(crate) person: Person,
}

/// Why a login ends without a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoLogin {
    #[error("personas are for this machine only")]
    NotLocal,
    #[error("the login was not started in this browser, or too long ago")]
    Stale,
    #[error("the identity provider cannot be asked: {0}")]
    Unreachable(String),
    #[error("the identity provider said {0}")]
    Declined(String),
    #[error("what the identity provider said cannot be believed: {0}")]
    NotBelieved(String),
    #[error("the identity provider sends no claim {claim:?}, so nobody has a role")]
    NoGroups { claim: String, staff: StaffId },
    #[error("no group of this person has a role in [login.oidc] roles")]
    NoRole { staff: StaffId },
    #[error("the identity provider sends no claim {claim:?}, which says who this is in the apps")]
    Nameless { claim: String, staff: StaffId },
    #[error("the staff member is suspended, has left, or is not cleared")]
    Inactive { staff: StaffId },
    #[error("not entered in the staff directory: {why}")]
    NotRemembered { why: RememberError, staff: StaffId },
    #[error("the login could not be recorded: {0}")]
    NotRecorded(AppendError),
}

impl NoLogin {
    /// What the ledger is told. Only of people whom a provider vouches for: nobody else can make entries.
    fn refusal(&self) -> Option<(&StaffId, Why)> {
        match self {
            NoLogin::NoGroups { staff, .. }
            | NoLogin::NoRole { staff }
            | NoLogin::Nameless { staff, .. }
            | NoLogin::NotRemembered { staff, .. } => Some((staff, Why::Policy)),
            NoLogin::Inactive { staff } => Some((staff, Why::StaffInactive)),
            NoLogin::NotLocal
            | NoLogin::Stale
            | NoLogin::Unreachable(_)
            | NoLogin::Declined(_)
            | NoLogin::NotBelieved(_)
            | NoLogin::NotRecorded(_) => None,
        }
    }
}

/// A door as its routes see it.
#[derive(Debug, Clone)]
struct Entrance {
    people: People,
    door: AppId,
}

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

pub(crate) fn routes(people: People, door: AppId) -> Router {
    Router::new()
        .route("/login", get(begin).post(choose))
        .route("/login/callback", get(come_back))
        .route("/logout", post(log_out))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .with_state(Entrance { people, door })
}

/// `GET /login?next=/path`; with `&fresh=1` the person has to prove anew who they are.
async fn begin(State(at): State<Entrance>, peer: Peer, headers: HeaderMap, query: RawQuery) -> Response {
    let query = query.0.unwrap_or_default();
    let fresh = field(query.as_bytes(), "fresh").is_some();
    let next = field(query.as_bytes(), "next").and_then(|n| Next::parse(&n));
    let next = next.unwrap_or_else(Next::home);
    let started = match &at.people.0.parts.login {
        LoginMethod::Oidc(oidc) => oidc.begin(&at, next, fresh).await,
        LoginMethod::Personas(personas) => personas.list(&at, peer, &headers, &next, fresh).await,
    };
    at.answer(started).await
}

/// `POST /login`: a persona was clicked.
async fn choose(State(at): State<Entrance>, peer: Peer, headers: HeaderMap, form: Bytes) -> Response {
    let LoginMethod::Personas(personas) = &at.people.0.parts.login else {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    };
    let chosen = match personas.chosen(&at, peer, &headers, &form) {
        Ok((identity, next, asked)) => at.seat(identity, &headers, &next, asked).await,
        Err(why) => Err(why),
    };
    at.answer(chosen).await
}

/// `GET /login/callback`: back from the provider.
async fn come_back(State(at): State<Entrance>, headers: HeaderMap, query: RawQuery) -> Response {
    let LoginMethod::Oidc(oidc) = &at.people.0.parts.login else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let seated = match oidc.finish(&at, &headers, query.0.as_deref().unwrap_or_default()).await {
        Ok((identity, next, asked)) => at.seat(identity, &headers, &next, asked).await,
        Err(why) => Err(why),
    };
    // Of two logins begun at once in one browser, only one can be finished, and one is enough.
    if matches!(seated, Err(NoLogin::Stale))
        && let Ok(Some(_)) = at.people.identify(&headers, &at.door).await
    {
        return see_other(Next::home().as_str()).into_response();
    }
    at.answer(seated).await
}

/// `POST /logout` with the session's `csrf`.
async fn log_out(State(at): State<Entrance>, headers: HeaderMap, form: Bytes) -> Response {
    let mut recorded = true;
    if let Ok(Some(seated)) = at.people.identify(&headers, &at.door).await {
        let token = field(&form, "csrf").unwrap_or_default();
        if !at.people.csrf_ok(&seated, &token) {
            return pages::forged();
        }
        recorded = at.people.log_out(&seated).await;
    }
    let elsewhere = match &at.people.0.parts.login {
        LoginMethod::Oidc(oidc) => oidc.logout_url(&at.people).await,
        LoginMethod::Personas(_) => None,
    };
    with_cookie(pages::logged_out(recorded, elsewhere.as_deref()), cookie::forget(&cookie_name(&at.door)))
}

impl Entrance {
    /// Gives a session to somebody who has proved who they are; `asked`: when they were asked to do so afresh.
    async fn seat(
        &self,
        identity: Identity,
        headers: &HeaderMap,
        next: &Next,
        asked: Option<Timestamp>,
    ) -> Result<Response, NoLogin> {
        let Identity { mut record, person } = identity;
        let staff = record.staff.clone();
        let before = self
            .people
            .ask(|register| register.staff.get(&staff).cloned())
            .map_err(|why| NoLogin::NotRecorded(AppendError::Refused(why)))?;
        if let Some(before) = before {
            if before.status != StaffStatus::Active {
                return Err(NoLogin::Inactive { staff });
            }
            // A provider knows nothing of training and screening.
            record.cleared_until = before.cleared_until;
        }
        self.remember(&staff, person).await?;
        let value =
            self.people.open_session(&self.door, record, headers, asked).await.map_err(
                |error| match error {
                    AppendError::Refused(Why::StaffInactive) => NoLogin::Inactive { staff },
                    other => NoLogin::NotRecorded(other),
                },
            )?;
        let response = see_other(next.as_str()).into_response();
        let response = with_cookie(response, cookie::set(&cookie_name(&self.door), &value, None));
        Ok(with_cookie(response, cookie::forget(&cookie::attempt_name(&self.door))))
    }

    async fn remember(&self, staff: &StaffId, person: Person) -> Result<(), NoLogin> {
        let (people, who) = (self.people.clone(), staff.clone());
        let has_left = move |people: &People, holder: &StaffId| {
            let left = people.ask(|register| {
                register.staff.get(holder).is_some_and(|record| record.status == StaffStatus::Left)
            });
            left.unwrap_or(false)
        };
        let remembered = tokio::task::spawn_blocking(move || {
            people.0.parts.directory.remember(&who, &person, |holder| has_left(&people, holder))
        });
        match remembered.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(NoLogin::NotRemembered { why, staff: staff.clone() }),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// The page, or the page that says why not: with a reference that is in the log, and in the ledger
    /// where a provider vouches for the person.
    async fn answer(&self, outcome: Result<Response, NoLogin>) -> Response {
        let why = match outcome {
            Ok(response) => return response,
            Err(why) => why,
        };
        let parts = &self.people.0.parts;
        let response = ResponseId::fresh(&*parts.entropy);
        let staff = why.refusal().map(|(staff, _)| staff);
        tracing::warn!(reference = %response, door = %self.door, staff = staff.map(tracing::field::display),
            %why, "a login was refused");
        if let Some((staff, why)) = why.refusal() {
            let entry = Event::Refused(Refused {
                response,
                app: Some(self.door.clone()),
                staff: Some(staff.clone()),
                session: None,
                subject: None,
                why,
            });
            if let Err(error) = parts.ledger.append(Draft::plain(entry)).await {
                tracing::warn!(reference = %response, %error, "a refused login could not be recorded");
            }
        }
        pages::no_login(&why, &response.to_string())
    }
}

/// The first value of a field in a query or a form.
fn field(encoded: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(encoded).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn see_other(to: &str) -> impl IntoResponse + use<> {
    // A Next and a URL are both visible ASCII; anything else leads home.
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, to), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
    )
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
