//! The frame around a page's body, and the headers that it is sent with.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::Role;

use crate::{Html, Icon};

/// What a page may load and where its forms may go. No inline script, no inline style, nothing from elsewhere.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// What the browser's tab says; the page's `h1` is in the body.
    pub title: &'a str,
    /// Which frame.
    pub kind: Kind<'a>,
    /// Who is logged in, to be shown with a way out.
    pub who: Option<Who<'a>>,
    /// Everything inside `main`.
    pub body: Html,
}

/// Which frame a page has.
#[derive(Debug, Clone)]
pub enum Kind<'a> {
    /// One card in the middle: login, refusal, a question to an agent.
    Small,
    /// The console, with its navigation.
    Console(Frame<'a>),
}

/// The console's frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The navigation.
    pub nav: &'a [NavItem],
    /// The `href` of the item that the page belongs to.
    pub here: &'a str,
    /// Where server-sent events of kind `grew` come from, on pages that keep themselves fresh: elements
    /// with `hx-trigger="grew from:body"` then fetch themselves again.
    pub events: Option<&'a str>,
}

/// One item of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct NavItem {
    /// Where it leads.
    pub href: &'static str,
    /// What it says.
    pub label: &'static str,
    /// What it looks like.
    pub icon: Icon,
    /// The key that goes there after `g`.
    pub key: char,
}

/// Who is logged in.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The name to show.
    pub name: &'a str,
    /// Their role.
    pub role: Role,
    /// The token for the logout form, which is posted to `/.sightline/logout` as `csrf`.
    pub csrf: &'a str,
}

#[derive(Template)]
#[template(path = "small.html")]
struct SmallTemplate<'a> {
    page: &'a Page<'a>,
}

#[derive(Template)]
#[template(path = "console.html")]
struct ConsoleTemplate<'a> {
    page: &'a Page<'a>,
    frame: Frame<'a>,
}

impl<'a> Page<'a> {
    /// A small page for somebody who is not logged in, or need not see that they are.
    pub fn small(title: &'a str, body: Html) -> Self {
        Self { title, kind: Kind::Small, who: None, body }
    }

    /// The whole document.
    pub fn html(&self) -> Html {
        match self.kind {
            Kind::Small => Html::of(&SmallTemplate { page: self }),
            Kind::Console(frame) => Html::of(&ConsoleTemplate { page: self, frame }),
        }
    }

    /// The page as a response, with the headers of [`harden`].
    pub fn respond(&self, status: StatusCode) -> Response {
        let mut response = (status, axum::response::Html(self.html().into_string())).into_response();
        harden(response.headers_mut());
        response
    }
}

/// Sets what every page is sent with: the content security policy, and that nobody may keep it, frame
/// it, guess its type, or learn from where its links were followed.
pub fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
}
