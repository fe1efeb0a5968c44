//! Help: the words and the keys.

use askama::Template;
use axum::response::Response;
use model::Evidence;
use pages::NavItem;

use crate::guard::Visitor;

#[derive(Template)]
#[template(path = "help.html")]
struct HelpTemplate {
    nav: &'static [NavItem],
}

/// `GET /help`
pub(crate) async fn page(visitor: Visitor) -> Response {
    crate::shell::page(&visitor, "/help", "Help", &HelpTemplate { nav: crate::shell::NAV })
}
