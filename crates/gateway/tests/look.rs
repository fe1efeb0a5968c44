//! A look, from login to receipt: what is shown, to whom, and what the ledger says of it.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::time::Duration;

use common::app::{App, values_of};
use common::{Plan, Site};
use http::{Method, StatusCode, header};
use model::entry::{Action, Target, Why};
use model::{Budgets, Commitment, CustomerId, Evidence, FieldClass, Mode, StaffId, Tier};

#[tokio::test]
async fn a_look_with_evidence_is_shown_masked_and_recorded_with_a_receipt() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;

    let got = ann.fetch("/customers/c-1").await;
    let [name, email, balance, history, password] = values_of("c-1");
    assert_eq!(got.status, StatusCode::OK, "{got:?}");
    assert!(got.shows(&name) && got.shows(&history), "{got:?}");
    assert!(!got.shows(&email) && !got.shows(&balance) && !got.shows(&password), "{got:?}");
    assert_eq!(got.headers[header::CACHE_CONTROL], "no-store");

    let looks = site.reveals();
    assert_eq!(looks.len(), 1);
    let look = &looks[0];
    assert_eq!((look.evidence, look.action, look.mode), (Evidence::Routed, Action::View, Mode::Enforce));
    assert!(
        look.classes.contains(FieldClass::IdentityName) && !look.classes.contains(FieldClass::ContactEmail)
    );
    let record = site.records().into_iter().find(|r| r.entry.event.kind() == "revealed").unwrap();
    let opening = record.openings[0].as_ref().unwrap();
    assert_eq!(opening.subject.customer, CustomerId::new("c-1"));
    assert_eq!(opening.commitment(), look.subject);
    let receipt = site.ledger.prove(record.index).unwrap();
    assert_eq!(receipt.verify(site.ledger.verifier()).unwrap().entry(), &record.entry);
}

#[tokio::test]
async fn the_app_sees_the_staff_member_and_nothing_that_the_browser_claims() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let claims = [
        ("accept", "application/json"),
        ("x-remote-user", "root"),
        ("x_remote_user", "root"),
        ("x-desk-secret", "guess"),
        ("authorization", "Bearer of-somebody-else"),
        ("if-none-match", "\"v1\""),
        ("accept-encoding", "gzip"),
    ];
    assert_eq!(ann.send(Method::GET, "/customers/c-1", &claims, "").await.status, StatusCode::OK);
    let asked = app.asked();
    let headers = &asked[0].headers;
    assert_eq!(headers.get_all("x-remote-user").iter().collect::<Vec<_>>(), ["ann"]);
    assert_eq!(headers.get_all("x-desk-secret").iter().count(), 1);
    assert_ne!(headers["x-desk-secret"], "guess");
    assert_eq!(headers[header::ACCEPT_ENCODING], "identity");
    for gone in ["x_remote_user", "authorization", "cookie", "if-none-match"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_led_to_the_login_and_a_script_is_told() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let stranger = site.stranger();
    let page = stranger.open("/customers/c-1?tab=2").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.location(), "/.sightline/login?next=%2Fcustomers%2Fc-1%3Ftab%3D2");
    let problem = stranger.fetch("/customers/c-1").await;
    assert_eq!(problem.status, StatusCode::UNAUTHORIZED);
    assert_eq!(problem.headers[header::CONTENT_TYPE], "application/problem+json");
    assert!(problem.shows("urn:sightline:problem:not-logged-in"));
    assert!(app.asked().is_empty());
}

#[tokio::test]
async fn after_a_revocation_the_next_click_is_refused_and_no_cache_helps() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let before = ann.open("/customers/c-1").await;
    assert_eq!(before.status, StatusCode::OK);
    assert!(
        !before.headers.contains_key(header::ETAG) && !before.headers.contains_key(header::LAST_MODIFIED)
    );

    site.revoke(Target::Session(ann.session.unwrap())).await;
    let looks = site.reveals().len();
    for headers in [&[("accept", "text/html")][..], &[("accept", "text/html"), ("if-none-match", "\"v1\"")]] {
        let after = ann.send(Method::GET, "/customers/c-1", headers, "").await;
        site.assert_refused(&after, Why::SessionRevoked);
        assert!(values_of("c-1").iter().all(|value| !after.shows(value)));
    }
    assert_eq!(site.reveals().len(), looks);
    assert_eq!(app.asked().len(), 1);
}

#[tokio::test]
async fn a_revocation_while_the_app_is_answering_shows_nothing() {
    // In the first the request names the customer, and the look is recorded before the revocation; in the
    // second only the answer does.
    for (target, looks) in [("/customers/c-slow", 1), ("/tickets/k-slow", 0)] {
        let app = App::start().await;
        let site = Site::open(app.address).await;
        site.route_ticket("k-1", "c-slow", "s-1");
        let ann = site.browser("s-1").await;
        let (got, ()) = tokio::join!(ann.fetch(target), async {
            app.waiting.notified().await;
            while site.reveals().len() < looks {
                tokio::task::yield_now().await;
            }
            site.revoke(Target::Session(ann.session.unwrap())).await;
            app.go_on.notify_one();
        });
        site.assert_refused(&got, Why::SessionRevoked);
        assert!(values_of("c-slow").iter().all(|value| !got.shows(value)));
        let records = site.records();
        let revoked = records.iter().position(|r| r.entry.event.kind() == "revoked").unwrap();
        assert!(records[revoked..].iter().all(|r| r.entry.event.kind() != "revealed"));
    }
}

#[tokio::test]
async fn a_grant_that_is_revoked_while_the_app_is_answering_shows_nothing() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-slow", "s-1");
    let ann = site.browser("s-1").await;
    let (got, ()) = tokio::join!(ann.fetch("/customers/c-slow"), async {
        app.waiting.notified().await;
        while site.reveals().is_empty() {
            tokio::task::yield_now().await;
        }
        site.revoke(Target::Grant(site.reveals()[0].grant)).await;
        app.go_on.notify_one();
    });
    site.assert_refused(&got, Why::Stale);
    assert!(values_of("c-slow").iter().all(|value| !got.shows(value)));
}

#[tokio::test]
async fn a_revocation_of_all_access_stops_the_person_at_every_customer() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    assert_eq!(ann.open("/customers/c-1").await.status, StatusCode::OK);
    site.revoke(Target::Staff(StaffId::new("s-1"))).await;
    let after = ann.open("/customers/c-1").await;
    assert!(after.status.is_client_error());
    assert!(after.reference().is_some());
    assert_eq!(site.reveals().len(), 1);
}

#[tokio::test]
async fn a_list_is_masked_rows_and_one_entry_that_commits_to_each() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let got = ann.fetch("/customers").await;
    assert_eq!(got.status, StatusCode::OK, "{got:?}");
    for n in 0..20 {
        let [name, email, ..] = values_of(&format!("c-{n}"));
        assert!(!got.shows(&name) && !got.shows(&email));
    }
    assert!(site.reveals().is_empty());
    let listings = site.listings();
    assert_eq!((listings.len(), listings[0].rows, listings[0].action), (1, 20, Action::List));
    let record = site.records().into_iter().find(|r| r.entry.event.kind() == "listed").unwrap();
    let commitments: Vec<Commitment> =
        record.openings.iter().map(|o| o.as_ref().unwrap().commitment()).collect();
    assert_eq!(commitments.len(), 20);
    assert_eq!(model::Digest::over(&commitments), listings[0].subjects);
}

#[tokio::test]
async fn customers_whom_a_page_prefetches_are_listed_and_not_revealed() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    let got = ann.fetch("/customers/c-1?prefetch=1").await;
    assert_eq!(got.status, StatusCode::OK, "{got:?}");
    assert!(got.shows(&values_of("c-1")[0]));
    assert!(!got.shows(&values_of("c-100")[0]) && !got.shows(&values_of("c-124")[1]));
    assert_eq!(site.reveals().len(), 1);
    assert_eq!(site.listings().iter().map(|l| l.rows).collect::<Vec<_>>(), [25]);
    assert_eq!(site.listings()[0].response, site.reveals()[0].response);
}

#[tokio::test]
async fn a_page_that_names_only_the_ticket_is_a_look_at_its_customer() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-3", "c-3", "s-1");
    let ann = site.browser("s-1").await;
    let got = ann.fetch("/tickets/k-3").await;
    assert_eq!(got.status, StatusCode::OK, "{got:?}");
    assert!(got.shows(&values_of("c-3")[0]));
    assert_eq!(site.reveals().len(), 1);
    // A ticket that the feed has not told of yet: the answer says whose it is, and nothing explains it.
    let unexplained = ann.fetch("/tickets/k-4").await;
    site.assert_refused(&unexplained, Why::NoReason);
    assert!(!unexplained.shows(&values_of("c-4")[0]));
    assert_eq!(site.reveals().len(), 1);
}

#[tokio::test]
async fn a_part_of_a_ticket_that_names_nobody_is_its_customers() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-3", "c-3", "s-1");
    let got = site.browser("s-1").await.fetch("/tickets/k-3/conversation").await;
    assert_eq!(got.status, StatusCode::OK, "{got:?}");
    let history = &values_of("c-3")[3];
    assert!(got.shows(history), "{got:?}");
    assert_eq!(site.reveals().len(), 1);
    // Whose the ticket is nobody knows: nothing of it is shown.
    let got = site.browser("s-1").await.fetch("/tickets/k-4/conversation").await;
    assert!(!got.shows(&values_of("c-4")[3]), "{got:?}");
}

#[tokio::test]
async fn without_a_reason_a_page_leads_to_the_question_and_the_app_is_not_asked() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let got = ann.open("/customers/c-9").await;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    assert!(got.location().starts_with("/.sightline/why?for="));
    assert!(!got.location().contains("c-9"));
    let problem = ann.fetch("/customers/c-9").await;
    site.assert_refused(&problem, Why::NoReason);
    assert!(problem.shows("urn:sightline:problem:no-reason") && problem.shows("/.sightline/why?for="));
    assert_eq!(site.refusals().len(), 2, "the redirect is recorded too");
    assert!(app.asked().is_empty());
}

#[tokio::test]
async fn over_the_listing_budget_a_list_is_refused() {
    let app = App::start().await;
    let budgets = Budgets { listed_per_shift: 50, ..Budgets::default() };
    let site = Site::planned(app.address, Plan { budgets, ..Plan::default() }).await;
    let ann = site.browser("s-1").await;
    assert_eq!(ann.fetch("/customers").await.status, StatusCode::OK);
    assert_eq!(ann.fetch("/customers").await.status, StatusCode::OK);
    let third = ann.open("/customers").await;
    site.assert_refused(&third, Why::ListingBudget);
    assert_eq!(site.listings().len(), 2);
    site.clock.advance(Duration::from_secs(11 * 3600));
    let next_day = site.browser("s-1").await;
    assert_eq!(next_day.fetch("/customers").await.status, StatusCode::OK);
}

#[tokio::test]
async fn observe_shows_everything_but_secrets_and_says_what_enforcement_would_have_done() {
    let app = App::start().await;
    let site = Site::planned(app.address, Plan { mode: Mode::Observe, ..Plan::default() }).await;
    site.set_tier("c-9", Tier::HighValue);
    let ann = site.browser("s-1").await;
    let got = ann.fetch("/customers/c-9").await;
    let [name, email, balance, _, password] = values_of("c-9");
    assert!(got.shows(&name) && got.shows(&email) && got.shows(&balance), "{got:?}");
    assert!(!got.shows(&password), "secrets are shown to nobody");
    let look = &site.reveals()[0];
    assert_eq!((look.mode, look.tier, look.evidence), (Mode::Observe, Tier::HighValue, Evidence::None));
    assert!(look.would_mask.contains(FieldClass::ContactEmail));

    let list = ann.fetch("/customers").await;
    assert!(list.shows(&values_of("c-3")[0]));
    assert!(site.listings()[0].would_mask.contains(FieldClass::IdentityName));
}

#[tokio::test]
async fn a_route_that_no_adapter_knows_is_closed_in_enforce_and_noted_in_observe() {
    let app = App::start().await;
    let enforcing = Site::open(app.address).await;
    let got = enforcing.browser("s-1").await.open("/unknown").await;
    enforcing.assert_refused(&got, Why::UnknownRoute);
    assert!(app.asked().is_empty());

    let observing = Site::planned(app.address, Plan { mode: Mode::Observe, ..Plan::default() }).await;
    let got = observing.browser("s-1").await.fetch("/unknown").await;
    assert!(got.shows(&values_of("c-77")[0]));
    let notes = observing.refusals();
    assert_eq!(notes.iter().map(|note| note.why).collect::<Vec<_>>(), [Why::UnknownRoute]);
}

#[tokio::test]
async fn open_routes_pass_with_their_caching_and_are_not_recorded() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    let ann = site.browser("s-1").await;
    let size = site.ledger.size();
    let got = ann.fetch("/static/logo").await;
    assert_eq!(got.headers[header::ETAG], "\"v1\"");
    let again = ann.send(Method::GET, "/static/logo", &[("if-none-match", "\"v1\"")], "").await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert_eq!(site.ledger.size(), size);
    assert_eq!(site.stranger().open("/static/logo").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn no_value_of_a_customer_is_in_the_ledger_or_its_vault() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    ann.fetch("/customers/c-1?prefetch=1").await;
    ann.open("/customers/c-2").await;
    ann.fetch("/customers").await;
    site.ledger.close().await;
    let bytes = site.bytes_on_disk("ledger");
    assert!(!bytes.is_empty());
    for customer in ["c-1", "c-2", "c-3", "c-100"] {
        for value in values_of(customer) {
            assert!(!bytes.windows(value.len()).any(|part| part == value.as_bytes()), "{value}");
        }
    }
}

#[tokio::test]
async fn a_ledger_that_takes_no_entries_shows_nothing_and_says_so() {
    let app = App::start().await;
    let site = Site::open(app.address).await;
    site.route_ticket("k-1", "c-1", "s-1");
    let ann = site.browser("s-1").await;
    site.ledger.close().await;
    for target in ["/customers/c-1", "/customers", "/tickets/k-1"] {
        let got = ann.open(target).await;
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(got.shows("Nothing can be recorded, so nothing is shown") && got.reference().is_none());
        let problem = ann.fetch(target).await;
        assert!(problem.shows("urn:sightline:problem:ledger-unavailable"));
        assert!(values_of("c-1").iter().all(|value| !got.shows(value) && !problem.shows(value)));
    }
}
