//! What every page promises to a browser.

use http::{StatusCode, header};
use model::Role;
use sightline_pages::{Frame, Html, Icon, Kind, NavItem, Page, Who};

const NAV: &[NavItem] = &[
    NavItem { href: "/", label: "Overview", icon: Icon::Overview, key: 'o' },
    NavItem { href: "/staff", label: "Staff", icon: Icon::Staff, key: 's' },
];

fn console(title: &str) -> Page<'_> {
    Page {
        title,
        kind: Kind::Console(Frame { nav: NAV, here: "/staff", events: Some("/events") }),
        who: Some(Who { name: "Ann <Analyst>", role: Role::Analyst, csrf: "tok\"en" }),
        body: Html::trusted("<h1>Staff</h1>"),
    }
}

#[test]
fn a_page_is_sent_with_the_strict_policy_and_is_kept_by_nobody() {
    let response = Page::small("Refused", Html::text("no")).respond(StatusCode::FORBIDDEN);
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"));
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}

#[test]
fn no_frame_needs_what_the_policy_forbids() {
    for html in [Page::small("A", Html::default()).html(), console("B").html()] {
        let html = html.into_string();
        assert!(!html.contains("style=") && !html.contains("<style") && !html.contains(" onclick="));
        for script in html.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/.sightline/assets/") && script.contains("></script>"));
        }
    }
}

#[test]
fn the_console_marks_where_one_is_and_escapes_who_one_is() {
    let html = console("Staff").html().into_string();
    assert!(html.contains(r#"<a href="/staff" data-key="s" aria-current="page">"#));
    assert!(html.contains("Ann &#60;Analyst&#62;") && html.contains("tok&#34;en"));
}
