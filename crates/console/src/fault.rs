//! What goes wrong, as a page for people and as an RFC 9457 problem document for programs.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use incident::{EnquiryError, ErasureError};
use ledger::AppendError;
use model::ResponseId;
use model::entry::Why;
use pages::{Html, Page};
use views::ViewsError;

use crate::show::segment;

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody is logged in.
    NotLoggedIn,
    /// Somebody was, and is no more.
    SessionOver(Why),
    /// This role has no business here. The refusal is in the ledger.
    NotForRole(ResponseId),
    /// This role takes no access away. The refusal is in the ledger.
    NotToRevoke(ResponseId),
    /// This role does not decide what takes two administrators. The refusal is in the ledger.
    NotToDecide(ResponseId),
    /// This person's own access is paused. The refusal is in the ledger.
    Paused(ResponseId),
    /// A lead looks after their own team. The refusal is in the ledger.
    OtherTeam(ResponseId),
    /// A form that did not come from our page. The refusal is in the ledger.
    ForgedForm(ResponseId),
    /// There is no such page.
    NoSuchPage,
    /// There is no such thing; what kind of thing.
    Unknown(&'static str),
    /// The address or the form cannot be read.
    Unreadable,
    /// The page is not asked for in this way.
    WrongMethod,
    /// The question or deed could not be recorded, so it did not happen.
    NotRecorded,
    /// The ledger did not admit the deed.
    NotAdmitted(Why),
    /// The view is still folding the ledger.
    CatchingUp,
    /// Something of ours failed; it is in the log.
    Broken,
}

/// What a fault says.
struct Words {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
}

impl Fault {
    fn words(self) -> Words {
        let (status, kind, title, detail) = match self {
            Fault::NotLoggedIn => (
                StatusCode::UNAUTHORIZED,
                "not-logged-in",
                "Log in first",
                "The console is open to leads, analysts, auditors and admins who are logged in.".to_owned(),
            ),
            Fault::SessionOver(why) => (
                StatusCode::UNAUTHORIZED,
                "session-over",
                "Your session is over",
                match why {
                    Why::SessionRevoked | Why::StaffInactive => {
                        "Your access was revoked. If you did not expect that, ask your security team: they \
                         can see when and why."
                    }
                    _ => "Sessions end after a while, so that an unattended screen shows nothing. Log in again to go on.",
                }
                .to_owned(),
            ),
            Fault::NotForRole(_) => (
                StatusCode::FORBIDDEN,
                "role",
                "The console is not part of your role",
                "Leads, analysts, auditors and admins work here. If that is your job now, ask whoever keeps \
                 the staff records to change your role, and log in again."
                    .to_owned(),
            ),
            Fault::NotToRevoke(_) => (
                StatusCode::FORBIDDEN,
                "role",
                "Revoking is not part of your role",
                "Analysts and admins take access away. Ask one of them: they need the pseudonym or the \
                 session, and a reason."
                    .to_owned(),
            ),
            Fault::Paused(_) => (
                StatusCode::FORBIDDEN,
                "paused",
                "Your access is paused",
                "Two people look into something about your own looks. That is a lead, not a verdict. Ask your team lead, \
                 and give them the reference number."
                    .to_owned(),
            ),
            Fault::NotToDecide(_) => (
                StatusCode::FORBIDDEN,
                "role",
                "Deciding is not part of your role",
                "Admins propose and decide what takes two people. Ask one of them: they need the request and \
                 the reason for it."
                    .to_owned(),
            ),
            Fault::OtherTeam(_) => (
                StatusCode::FORBIDDEN,
                "other-team",
                "This person is not in your team",
                "A lead can open the pages of their own team. Ask an analyst about anybody else.".to_owned(),
            ),
            Fault::ForgedForm(_) => (
                StatusCode::FORBIDDEN,
                "forged-form",
                "Nothing was done",
                "The form did not carry the token of your session. It may have been open since before you \
                 logged in: go back, reload the page, and send it again. If you did not send a form just \
                 now, tell your security team."
                    .to_owned(),
            ),
            Fault::NoSuchPage => (
                StatusCode::NOT_FOUND,
                "no-such-page",
                "There is no such page",
                "The address may be mistyped, or the page may have moved.".to_owned(),
            ),
            Fault::Unknown(what) => (
                StatusCode::NOT_FOUND,
                "unknown",
                "The ledger knows nothing of this",
                format!("There is no such {what} in the ledger, or what named it has been erased."),
            ),
            Fault::Unreadable => (
                StatusCode::BAD_REQUEST,
                "unreadable",
                "That cannot be read",
                "The address or the form holds something that this page does not understand. Go back and try again."
                    .to_owned(),
            ),
            Fault::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "wrong-method",
                "Not in this way",
                "This page exists, and is asked for in another way.".to_owned(),
            ),
            Fault::NotRecorded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not-recorded",
                "It could not be recorded, so it did not happen",
                "The ledger takes no entries just now. Nothing is shown and nothing is changed that is not \
                 recorded. Whoever runs Sightline can see why in its log."
                    .to_owned(),
            ),
            Fault::NotAdmitted(why) => (
                StatusCode::CONFLICT,
                "not-admitted",
                "The ledger did not admit this",
                format!(
                    "It was refused at its place in the sequence: {}. Reload the page to see how things stand.",
                    crate::happening::why(why)
                ),
            ),
            Fault::CatchingUp => (
                StatusCode::SERVICE_UNAVAILABLE,
                "catching-up",
                "Still reading the ledger",
                "The view behind this page has not caught up with the ledger yet. Try again in a few seconds."
                    .to_owned(),
            ),
            Fault::Broken => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "broken",
                "This page failed",
                "The ledger is not affected. Whoever runs Sightline can see why in its log.".to_owned(),
            ),
        };
        Words { status, kind, title, detail }
    }

    /// The reference number, where the ledger has an entry about it.
    fn reference(self) -> Option<ResponseId> {
        match self {
            Fault::NotForRole(reference)
            | Fault::Paused(reference)
            | Fault::NotToRevoke(reference)
            | Fault::NotToDecide(reference)
            | Fault::OtherTeam(reference)
            | Fault::ForgedForm(reference) => Some(reference),
            _ => None,
        }
    }

    /// Where it makes sense to go from here: an address and what the button says.
    fn way_on(self, login: &str) -> (&str, &'static str) {
        match self {
            Fault::NotLoggedIn | Fault::SessionOver(_) => (login, "Log in"),
            Fault::NotForRole(_) => ("/.sightline/login", "Log in as somebody else"),
            _ => ("/", "Back to the overview"),
        }
    }

    fn is_about_login(self) -> bool {
        matches!(self, Fault::NotLoggedIn | Fault::SessionOver(_))
    }
}

impl From<EnquiryError> for Fault {
    fn from(error: EnquiryError) -> Self {
        match error {
            EnquiryError::NotRecorded(error) => error.into(),
            EnquiryError::CatchingUp { .. } => Fault::CatchingUp,
            EnquiryError::Views(ViewsError::NoSuchCustomer) => Fault::Unknown("customer"),
            EnquiryError::Views(error) => broken(&error),
            EnquiryError::Ledger(error) => error.into(),
        }
    }
}

impl From<ErasureError> for Fault {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::NotRecorded(error) => error.into(),
            error => broken(&error),
        }
    }
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused(why) => Fault::NotAdmitted(why),
            AppendError::Malformed(_) => broken(&error),
            AppendError::Unavailable | AppendError::Closed => Fault::NotRecorded,
        }
    }
}

impl From<ledger::LedgerError> for Fault {
    fn from(error: ledger::LedgerError) -> Self {
        broken(&error)
    }
}

pub(crate) fn broken(error: &dyn std::error::Error) -> Fault {
    tracing::error!(%error, "a page of the console failed");
    Fault::Broken
}

/// Carries the fault to [`render`], which knows what the request wants to read.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.words().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// For addresses that lead nowhere.
pub(crate) async fn not_found() -> Fault {
    Fault::NoSuchPage
}

/// Turns faults, and what the framework itself refuses, into pages or problem documents.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let wants = Wants::of(&request);
    let response = next.run(request).await;
    let by_framework = |status: StatusCode| match status {
        StatusCode::METHOD_NOT_ALLOWED => Some(Fault::WrongMethod),
        StatusCode::NOT_FOUND => Some(Fault::NoSuchPage),
        status if status.is_client_error() => Some(Fault::Unreadable),
        _ => None,
    };
    let hardened = response.headers().contains_key(header::CONTENT_SECURITY_POLICY);
    let fault = response.extensions().get::<Fault>().copied();
    match fault.or_else(|| by_framework(response.status()).filter(|_| !hardened)) {
        None => response,
        Some(fault) => wants.answer(fault),
    }
}

/// What a request wants to read.
enum Wants {
    Page { next: String },
    Fragment { next: String },
    Problem,
}

impl Wants {
    fn of(request: &Request) -> Self {
        let accepts = |headers: &HeaderMap, what: &str| {
            headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains(what))
        };
        let headers = request.headers();
        // After a login one comes back by GET, so a form's address is of no use.
        let next = match *request.method() {
            Method::GET => request.uri().path_and_query().map_or("/", |target| target.as_str()),
            _ => "/",
        };
        match () {
            () if headers.contains_key("hx-request") => Self::Fragment { next: "/".to_owned() },
            () if accepts(headers, "json") && !accepts(headers, "html") => Self::Problem,
            () => Self::Page { next: next.to_owned() },
        }
    }

    fn answer(self, fault: Fault) -> Response {
        let login = |next: &str| format!("/.sightline/login?next={}", segment(next));
        match self {
            Self::Page { next } if fault == Fault::NotLoggedIn => Redirect::to(&login(&next)).into_response(),
            Self::Page { next } => html(fault, &login(&next)),
            Self::Fragment { next } if fault.is_about_login() => {
                let mut response = fault.words().status.into_response();
                if let Ok(target) = HeaderValue::from_str(&login(&next)) {
                    response.headers_mut().insert("hx-redirect", target);
                }
                response
            }
            Self::Fragment { next } => html(fault, &login(&next)),
            Self::Problem => problem(fault),
        }
    }
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultTemplate<'a> {
    title: &'a str,
    detail: &'a str,
    reference: Option<String>,
    way_on: (&'a str, &'static str),
}

fn html(fault: Fault, login: &str) -> Response {
    let words = fault.words();
    let body = Html::of(&FaultTemplate {
        title: words.title,
        detail: &words.detail,
        reference: fault.reference().map(|r| r.to_string()),
        way_on: fault.way_on(login),
    });
    Page::small(words.title, body).respond(words.status)
}

/// RFC 9457.
#[derive(serde::Serialize)]
struct Problem {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<ResponseId>,
}

fn problem(fault: Fault) -> Response {
    let words = fault.words();
    let problem = Problem {
        r#type: format!("urn:sightline:problem:{}", words.kind),
        title: words.title,
        status: words.status.as_u16(),
        detail: words.detail,
        reference: fault.reference(),
    };
    let mut response = (words.status, axum::Json(problem)).into_response();
    pages::harden(response.headers_mut());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
