//! The desk as those in front of it rely on it: sign-in, routes, markup, API, export and feed.

#![allow(clippy::unwrap_used)] // a test stops where its set-up fails

mod served;

use std::collections::HashSet;

use http::{Method, StatusCode};
use scraper::{Html, Selector};
use serde_json::{Value, json};
use served::{SECRET, TOKEN, serve};

fn select<'a>(page: &'a Html, css: &str) -> Vec<scraper::ElementRef<'a>> {
    page.select(&Selector::parse(css).unwrap()).collect()
}

fn fields(page: &Html, css: &str) -> Vec<String> {
    select(page, css).iter().map(|e| e.attr("data-field").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn nobody_is_signed_in_without_the_secret() {
    let desk = serve(1).await;
    let agent = desk.agent();
    let refused: [&[(&str, &str)]; 6] = [
        &[],
        &[("x-remote-user", &agent)],
        &[("x-remote-user", &agent), ("x-desk-secret", "wrong")],
        &[("x-remote-user", &agent), ("x-desk-secret", "")],
        &[("x-remote-user", &agent), ("x-desk-secret", SECRET), ("x-desk-secret", SECRET)],
        &[("x-remote-user", "nobody.atall"), ("x-desk-secret", SECRET)],
    ];
    for headers in refused {
        for target in ["/", "/customers", "/api/customers/c-00001", "/export/customers.csv", "/nothing"] {
            let answer = desk.send(Method::GET, target, headers, "").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{target} {headers:?}");
            assert!(!answer.body.contains('@'), "{target}");
        }
    }
    assert_eq!(desk.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_feed_is_for_holders_of_its_token_only() {
    let desk = serve(1).await;
    let agent = desk.agent();
    for headers in [
        &[][..],
        &[("authorization", "Bearer wrong")],
        &[("authorization", TOKEN)],
        &[("x-remote-user", agent.as_str()), ("x-desk-secret", SECRET)],
    ] {
        let answer = desk.send(Method::GET, "/feed/tickets", headers, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(desk.feed("/").await.status, StatusCode::UNAUTHORIZED, "and the token opens nothing else");
}

#[tokio::test]
async fn the_queue_lists_tickets_with_ticket_and_customer_on_each_row() {
    let desk = serve(1).await;
    for target in ["/", "/tickets", "/tickets?status=all&page=2"] {
        let page = Html::parse_document(&desk.get(target).await.body);
        let rows = select(&page, "tr.ticket-row");
        assert!(!rows.is_empty(), "{target}");
        for row in rows {
            assert!(row.attr("data-ticket-id").unwrap().starts_with("k-"));
            assert!(row.attr("data-customer-id").unwrap().starts_with("c-"));
            let cells: Vec<_> = row.select(&Selector::parse("td[data-field]").unwrap()).collect();
            let names: Vec<_> = cells.iter().map(|c| c.attr("data-field").unwrap()).collect();
            assert_eq!(names, ["name", "subject", "status"]);
        }
    }
}

#[tokio::test]
async fn a_ticket_shows_its_customer_its_conversation_and_the_other_tickets() {
    let desk = serve(1).await;
    let page = Html::parse_document(&desk.get("/tickets/k-00012").await.body);
    let section = select(&page, "section.customer[data-customer-id][data-ticket-id=k-00012]");
    assert_eq!(section.len(), 1);
    let shown = fields(&page, "section.customer dd[data-field]");
    assert_eq!(shown, ["name", "email", "phone", "address", "account", "balance", "tier", "since"]);
    assert!(!select(&page, "section.customer ol.conversation > li[data-field=message]").is_empty());

    let title: String = select(&page, "title")[0].text().collect();
    let name: String = select(&page, "dd[data-field=name]")[0].text().collect();
    assert!(!title.contains(&name), "the title carries no personal data");
}

#[tokio::test]
async fn personal_data_stands_only_in_fields_that_say_so() {
    let desk = serve(1).await;
    for target in ["/", "/tickets", "/tickets/k-00012", "/customers", "/customers/c-00345"] {
        let body = desk.get(target).await.body;
        let page = Html::parse_document(&body);
        let undeclared: String = page
            .root_element()
            .descendants()
            .filter(|n| n.value().is_text())
            .filter(|n| {
                !n.ancestors().any(|a| a.value().as_element().is_some_and(|e| e.attr("data-field").is_some()))
            })
            .filter_map(|n| n.value().as_text().map(|t| t.to_string()))
            .collect();
        for customer in &desk.population.customers {
            for value in [&customer.name, &customer.email, &customer.phone, &customer.account] {
                assert!(!undeclared.contains(value.as_str()), "{target}: {value}");
            }
        }
    }
}

#[tokio::test]
async fn a_customer_page_shows_record_activity_and_notes() {
    let desk = serve(1).await;
    let with_notes = desk.population.customers.iter().find(|c| !c.notes.is_empty()).unwrap();
    let page = Html::parse_document(&desk.get(&format!("/customers/{}", with_notes.id)).await.body);
    assert_eq!(select(&page, &format!("section.customer[data-customer-id={}]", with_notes.id)).len(), 1);
    assert_eq!(fields(&page, "section.customer dd[data-field]").len(), 8);
    assert!(!select(&page, "table.activity td[data-field=activity]").is_empty());
    assert_eq!(select(&page, "li[data-field=note]").len(), with_notes.notes.len());
    let email: String = select(&page, "dd[data-field=email]")[0].text().collect();
    assert_eq!(email, with_notes.email);
}

#[tokio::test]
async fn a_customer_is_edited_by_form_and_by_patch() {
    let desk = serve(1).await;
    let page = Html::parse_document(&desk.get("/customers/c-00345/edit").await.body);
    let inputs: Vec<_> = select(&page, "form[method=post][action='/customers/c-00345'] input")
        .iter()
        .map(|i| i.attr("name").unwrap().to_owned())
        .collect();
    assert_eq!(inputs, ["name", "email", "phone", "address"]);

    let form = "name=Nova+Example&email=nova%40example.com&phone=%2B44+20+7946+0001&address=1+Ropewalk";
    let saved = desk.post("/customers/c-00345", form).await;
    assert_eq!(
        (saved.status, saved.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/customers/c-00345"))
    );
    let record = desk.get("/api/customers/c-00345").await.json();
    assert_eq!((&record["name"], &record["email"]), (&json!("Nova Example"), &json!("nova@example.com")));

    let agent = desk.agent();
    let headers =
        [("x-remote-user", agent.as_str()), ("x-desk-secret", SECRET), ("content-type", "application/json")];
    let patch = |body: &'static str| desk.send(Method::PATCH, "/api/customers/c-00345", &headers, body);
    let patched = patch(r#"{"email":"nova2@example.com"}"#).await;
    assert_eq!(patched.json()["email"], json!("nova2@example.com"));
    assert_eq!(patched.json()["name"], json!("Nova Example"), "what is not named stays");
    for wrong in [r#"{"balance":"€1.00"}"#, "{", r#"{"name":" "}"#] {
        let answer = patch(wrong).await;
        assert!(answer.status.is_client_error(), "{wrong}");
        assert_eq!(answer.json()["status"], json!(answer.status.as_u16()));
    }
}

#[tokio::test]
async fn customers_are_listed_by_balance_and_found_by_identifier() {
    let desk = serve(1).await;
    let page = Html::parse_document(&desk.get("/customers?sort=balance").await.body);
    let rows = select(&page, "tr.customer-row[data-customer-id]");
    assert_eq!(rows.len(), 50);
    assert_eq!(
        fields(&page, "tr.customer-row:first-child td[data-field]"),
        ["name", "email", "account", "balance"]
    );
    let richest = desk.population.customers.iter().max_by_key(|c| c.balance).unwrap();
    assert_eq!(rows[0].attr("data-customer-id"), Some(richest.id.as_str()));

    for query in [&richest.email, &richest.account.replace(' ', ""), &richest.phone.replace("+", "%2B")] {
        let page = desk.get(&format!("/search?q={}", query.replace(' ', "+"))).await.body;
        let page = Html::parse_document(&page);
        let found = select(&page, "tr.customer-row");
        assert!(found.iter().any(|r| r.attr("data-customer-id") == Some(richest.id.as_str())), "{query}");
    }
    let nothing = Html::parse_document(&desk.get("/search?q=").await.body);
    assert!(select(&nothing, "tr.customer-row").is_empty());
}

#[tokio::test]
async fn the_api_speaks_of_customers_and_tickets() {
    let desk = serve(1).await;
    let customer = &desk.population.customers[344];
    let record = desk.get("/api/customers/c-00345").await.json();
    let keys: HashSet<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["id", "name", "email", "phone", "address", "account", "balance", "tier", "since"];
    assert_eq!(keys, HashSet::from(expected));
    assert_eq!(record["balance"], json!(customer.balance.to_string()));

    let first = desk.get("/api/customers?page=1").await.json();
    assert_eq!((first["customers"].as_array().unwrap().len(), &first["next"]), (100, &json!(2)));
    let last = desk.get("/api/customers?page=100").await.json();
    assert_eq!((last["customers"].as_array().unwrap().len(), &last["next"]), (100, &Value::Null));

    let ticket = desk.get("/api/tickets/k-00012").await.json();
    assert_eq!(ticket["id"], json!("k-00012"));
    assert_eq!(ticket["messages"][0]["from"], json!("customer"));
    assert!(ticket["customer"]["email"].as_str().unwrap().contains('@'));

    for missing in ["/api/customers/c-10001", "/api/tickets/k-99999", "/api/customers/x"] {
        assert_eq!(desk.get(missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
    for missing in ["/customers/c-10001", "/tickets/k-99999", "/nothing", "/static/other.css"] {
        assert_eq!(desk.get(missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
}

#[tokio::test]
async fn the_export_holds_every_customer() {
    let desk = serve(1).await;
    let export = desk.get("/export/customers.csv").await.body;
    let mut lines = export.lines();
    assert_eq!(lines.next(), Some("id,name,email,phone,address,account,balance,tier,since"));
    assert_eq!(lines.count(), 10_000);
    assert!(export.contains(&desk.population.customers[9_999].email));
}

#[tokio::test]
async fn a_ticket_is_answered_closed_and_then_refuses_more() {
    let desk = serve(1).await;
    let page = Html::parse_document(&desk.get("/").await.body);
    let id = select(&page, "#mine tr.ticket-row")[0].attr("data-ticket-id").unwrap().to_owned();

    assert_eq!(desk.post(&format!("/tickets/{id}/reply"), "text=+").await.status, StatusCode::BAD_REQUEST);
    let replied = desk.post(&format!("/tickets/{id}/reply"), "text=We+looked+into+it").await;
    assert_eq!((replied.status, replied.location), (StatusCode::SEE_OTHER, Some(format!("/tickets/{id}"))));
    assert_eq!(desk.get(&format!("/api/tickets/{id}")).await.json()["status"], json!("waiting"));
    assert_eq!(desk.post(&format!("/tickets/{id}/close"), "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.post(&format!("/tickets/{id}/reply"), "text=More").await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_ticket_that_waits_for_somebody_is_taken_in_the_queue() {
    let desk = serve(1).await;
    let page = Html::parse_document(&desk.get("/").await.body);
    let mine = |page: &Html| select(page, "#mine tr.ticket-row").len();
    let before = mine(&page);
    let take =
        select(&page, "#waiting tr.ticket-row form[method=post]")[0].attr("action").unwrap().to_owned();
    assert!(take.starts_with("/tickets/k-") && take.ends_with("/pick"), "{take}");
    let taken = desk.post(&take, "").await;
    assert_eq!((taken.status, taken.location.as_deref()), (StatusCode::SEE_OTHER, Some("/")));
    let page = Html::parse_document(&desk.get("/").await.body);
    assert_eq!(mine(&page), before + 1);
}

#[tokio::test]
async fn the_feed_continues_where_its_cursor_stands_and_repeats_itself() {
    let desk = serve(1).await;
    let mut events = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = desk.feed(&format!("/feed/tickets?after={cursor}")).await.json();
        assert_eq!(page, desk.feed(&format!("/feed/tickets?after={cursor}")).await.json());
        page["cursor"].as_str().unwrap().clone_into(&mut cursor);
        let more = page["events"].as_array().unwrap();
        events.extend(more.iter().cloned());
        if more.is_empty() {
            break;
        }
    }
    let times: Vec<_> = events.iter().map(|e| e["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "the history is in the order of time");
    let opened = events.iter().filter(|e| e["event"] == "opened").count();
    assert_eq!(opened, 470);
    assert!(events.iter().all(|e| e["kind"] == "ticket"));
    let assigned = events.iter().find(|e| e["event"] == "assigned").unwrap();
    assert_eq!(assigned["by"], "router");
    assert!(desk.population.staff.iter().any(|s| assigned["to"] == s.login.as_str()));

    let opened = desk.post("/tickets", "customer=c-00345&subject=Call+back&text=Asked+for+it").await;
    let ticket = opened.location.unwrap().replace("/tickets/", "");
    let news = desk.feed(&format!("/feed/tickets?after={cursor}")).await.json();
    let expected = json!([{
        "kind": "ticket", "time": "2026-03-02T09:00:00.000Z", "event": "opened",
        "ticket": ticket, "customer": "c-00345", "by": desk.agent(),
    }]);
    assert_eq!(news["events"], expected);
    assert_eq!(desk.feed("/feed/tickets?after=x").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(desk.feed("/feed/tickets?after=99999999").await.json()["events"], json!([]));
}

#[tokio::test]
async fn the_feed_of_customers_names_those_that_are_not_standard() {
    let desk = serve(1).await;
    let page = desk.feed("/feed/customers").await.json();
    assert_eq!((page["customers"].as_array().unwrap().len(), &page["total"]), (58, &json!(10_000)));
    for special in page["customers"].as_array().unwrap() {
        assert_ne!(special["tier"], "standard");
    }
    let rest = desk.feed(&format!("/feed/customers?after={}", page["cursor"].as_str().unwrap())).await.json();
    assert_eq!((&rest["customers"], &rest["cursor"]), (&json!([]), &page["cursor"]));
}
