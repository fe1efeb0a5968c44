//! The console's frame: navigation, and who is there.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use pages::{Frame, Html, Icon, Kind, NavItem, Page, Who};

use crate::guard::Visitor;

/// The navigation. The keys are pressed after `g`.
pub(crate) const NAV: &[NavItem] = &[
    NavItem { href: "/", label: "Overview", icon: Icon::Overview, key: 'o' },
    NavItem { href: "/staff", label: "Staff", icon: Icon::Staff, key: 's' },
    NavItem { href: "/customers", label: "Customers", icon: Icon::Customer, key: 'c' },
    NavItem { href: "/sessions", label: "Sessions", icon: Icon::Session, key: 'e' },
    NavItem { href: "/findings", label: "Findings", icon: Icon::Warning, key: 'i' },
    NavItem { href: "/decisions", label: "Decisions", icon: Icon::Lock, key: 'd' },
    NavItem { href: "/first-look", label: "First look", icon: Icon::Report, key: 'f' },
    NavItem { href: "/ledger", label: "Ledger", icon: Icon::Ledger, key: 'l' },
    NavItem { href: "/help", label: "Help", icon: Icon::Help, key: 'h' },
];

/// A page of the console. `here` is the `href` of the navigation's item that it belongs to.
pub(crate) fn page(visitor: &Visitor, here: &str, title: &str, body: &impl Template) -> Response {
    let who =
        Who { name: &visitor.seated.name, role: visitor.seated.record.role, csrf: &visitor.seated.csrf };
    let page = Page {
        title,
        kind: Kind::Console(Frame { nav: NAV, here, events: Some("/events") }),
        who: Some(who),
        body: Html::of(body),
    };
    page.respond(StatusCode::OK)
}
