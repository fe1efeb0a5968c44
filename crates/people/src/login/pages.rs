//! The pages around login and logout.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use pages::{Html, Page};

use super::NoLogin;
use crate::RememberError;

#[derive(Template)]
#[template(path = "no_login.html")]
struct NoLoginPage<'a> {
    title: &'a str,
    why: &'a str,
    what_next: &'a str,
    again: bool,
    reference: &'a str,
}

#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOut<'a> {
    recorded: bool,
    elsewhere: Option<&'a str>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>That was not sent from our page</h1>
<p class="lead">The form came without its token, so nothing was done. You are still logged in.</p>
<p class="actions"><a class="button" href="/">Back to the start page</a></p>"#
)]
struct Forged;

/// After a logout. `elsewhere` is the provider's own logout page.
pub(super) fn logged_out(recorded: bool, elsewhere: Option<&str>) -> Response {
    let status = if recorded { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Page::small("Logged out", Html::of(&LoggedOut { recorded, elsewhere })).respond(status)
}

/// A logout without its token.
pub(super) fn forged() -> Response {
    Page::small("Not sent from our page", Html::of(&Forged)).respond(StatusCode::FORBIDDEN)
}

/// Why somebody is not logged in, and what to do.
pub(super) fn no_login(why: &NoLogin, reference: &str) -> Response {
    let (status, title, sentence, what_next) = explain(why);
    let again = matches!(why, NoLogin::Stale | NoLogin::Unreachable(_) | NoLogin::Declined(_));
    let page = NoLoginPage { title, why: sentence, what_next, again, reference };
    Page::small(title, Html::of(&page)).respond(status)
}

fn explain(why: &NoLogin) -> (StatusCode, &'static str, &'static str, &'static str) {
    const NO_ROLE: &str = "You have no access here";
    match why {
        NoLogin::NotLocal => (
            StatusCode::FORBIDDEN,
            "Only from this machine",
            "This is a demonstration in which anybody can be anybody, so it answers only to browsers on the machine that it runs on.",
            "Open it there, by its address on 127.0.0.1 or localhost.",
        ),
        NoLogin::Stale => (
            StatusCode::BAD_REQUEST,
            "Please log in again",
            "This login was begun in another browser or tab, or too long ago.",
            "Nothing is wrong with your account. Begin once more.",
        ),
        NoLogin::Unreachable(_) => (
            StatusCode::BAD_GATEWAY,
            "The login service does not answer",
            "Your company's identity provider could not be asked who you are.",
            "Try again in a minute. If it stays like this, tell whoever runs the identity provider.",
        ),
        NoLogin::Declined(_) => (
            StatusCode::FORBIDDEN,
            "The login was not completed",
            "Your company's identity provider did not confirm the login.",
            "Try again. If you did not cancel it yourself, ask whoever runs the identity provider.",
        ),
        NoLogin::NotBelieved(_) => (
            StatusCode::BAD_GATEWAY,
            "The login could not be verified",
            "The answer of your company's identity provider does not fit how Sightline is set up.",
            "This is not about you. Tell whoever runs Sightline; the log says what is wrong under this reference.",
        ),
        NoLogin::NoGroups { .. } => (
            StatusCode::FORBIDDEN,
            NO_ROLE,
            "The identity provider did not say which groups you belong to. It then lets nobody in, so others are likely to see this page too.",
            "This is not about you. Tell whoever runs Sightline; the log says which claim is missing under this reference.",
        ),
        NoLogin::NoRole { .. } => (
            StatusCode::FORBIDDEN,
            NO_ROLE,
            "You are who you say you are, but none of your groups has a role here.",
            "If you need access for your work, ask your team lead to have you added to the right group.",
        ),
        NoLogin::Nameless { .. } => (
            StatusCode::FORBIDDEN,
            NO_ROLE,
            "The identity provider did not say under which name the support tools know you.",
            "Tell whoever runs Sightline; the log says which claim is missing under this reference.",
        ),
        NoLogin::Inactive { .. } => (
            StatusCode::FORBIDDEN,
            "Your access is paused",
            "Your access is suspended, or your training or screening has run out.",
            "Your team lead can tell you why and what comes next.",
        ),
        NoLogin::NotRemembered { why: RememberError::LoginTaken, .. } => (
            StatusCode::FORBIDDEN,
            NO_ROLE,
            "Another member of staff already works under your login name.",
            "Tell whoever runs Sightline, so that nobody acts in another's name.",
        ),
        NoLogin::NotRemembered { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "You could not be logged in",
            "You could not be entered in the staff directory.",
            "Tell whoever runs Sightline; the log says why under this reference.",
        ),
        NoLogin::NotRecorded(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "You could not be logged in",
            "The login could not be recorded, and nothing happens here that is not recorded.",
            "Try again in a minute. If it stays like this, tell whoever runs Sightline.",
        ),
    }
}
