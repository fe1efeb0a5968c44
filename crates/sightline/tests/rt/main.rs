//! Sightline in front of a real Request Tracker 5, with a real identity provider, in a real browser: the
//! program as it is installed, and RT's own database read afterwards.

#![allow(clippy::unwrap_used)] // what cannot be set up or found is a failed test

mod house;

use std::collections::BTreeMap;

use fantoccini::Client;
use house::{House, find, picture, shown, text, until};
use rusqlite::types::Value;

/// What RT shows of a ticket's requestor.
fn requestor(field: &str) -> String {
    format!(".more-about-requestor-extra-field.{field}")
}

async fn go(browser: &Client, house: &House, page: &str) {
    browser.goto(house.app.join(page).unwrap().as_str()).await.unwrap();
}

/// Answers the question why, and waits until the browser has been led on.
async fn give_reason(browser: &Client, purpose: &str) {
    find(browser, &format!("input[name=purpose][value={purpose}]")).await.click().await.unwrap();
    find(browser, "button.primary").await.click().await.unwrap();
    until(browser, |url, _| url.path() != "/.sightline/why" && url.path() != "/.sightline/ask").await;
}

#[tokio::test]
async fn an_agent_works_on_their_own_ticket_and_what_it_does_not_need_stays_masked() {
    let house = House::open("enforce");
    let ticket = house.tickets_of("ben")[0];
    let customer = house.customer(ticket.customer);
    let browser = house.browser().await;
    let page = format!("/Ticket/Display.html?id={}", ticket.id);

    house.log_in(&browser, "ben", &house.app, &page).await;
    house.open_own_ticket(&browser, ticket.id).await;
    let history = shown(&browser, ".transaction .content").await;
    assert!(
        history.contains("Please help me with this."),
        "the conversation opens with the ticket: {history}"
    );
    let source = browser.source().await.unwrap();
    assert!(!source.contains(&customer.email) && !source.contains(&customer.address), "masked means gone");
    assert!(shown(&browser, &requestor("RealName")).await.contains(&customer.name));
    assert!(shown(&browser, &requestor("WorkPhone")).await.contains('•'));
    assert!(shown(&browser, ".form-row.owner").await.contains("ben"), "staff are no customers");
    find(&browser, ".accordion-title.toggle").await.click().await.unwrap();
    picture(&browser, "ticket").await;

    // One field, for a reason.
    let ask = format!("{} a.sightline-ask", requestor("WorkPhone"));
    let ask = find(&browser, &ask).await;
    browser.execute("arguments[0].click()", vec![serde_json::to_value(ask).unwrap()]).await.unwrap();
    find(&browser, "button.primary").await;
    picture(&browser, "ask").await;
    give_reason(&browser, "customer_support").await;
    assert!(shown(&browser, &requestor("WorkPhone")).await.contains(&customer.phone));
    assert!(shown(&browser, &requestor("Address1")).await.contains('•'), "the others stay masked");

    // A reply reaches the customer, whose address the agent does not see.
    go(&browser, &house, &format!("/Ticket/Update.html?Action=Respond&id={}", ticket.id)).await;
    until(&browser, |_, source| source.contains("cke_wysiwyg_frame")).await;
    picture(&browser, "reply").await;
    assert!(!browser.source().await.unwrap().contains(&customer.email));
    let write = "CKEDITOR.instances.UpdateContent.setData('<p>We are on it.</p>'); \
                 document.querySelector('input[name=SubmitTicket]').click()";
    browser.execute(write, vec![]).await.unwrap();
    until(&browser, |url, source| url.path() == "/Ticket/Display.html" && source.contains("We are on it."))
        .await;
    let replied = house.row(
        "SELECT u.Name AS by, a.Content AS said FROM Transactions t JOIN Users u ON u.id = t.Creator
         JOIN Attachments a ON a.TransactionId = t.id
         WHERE t.ObjectId = ?1 AND t.Type = 'Correspond' AND a.Content LIKE '%on it%'",
        ticket.id,
    );
    assert_eq!(replied["by"], Value::Text("ben".into()));
    let requestors = house.row(
        "SELECT group_concat(m.MemberId) AS ids FROM Groups g JOIN GroupMembers m ON m.GroupId = g.id
         WHERE g.Domain = 'RT::Ticket-Role' AND g.Name = 'Requestor' AND g.Instance = ?1",
        ticket.id,
    );
    assert_eq!(requestors["ids"], Value::Text(customer.id.to_string()), "nobody was added or lost");

    // Lists and searches are masked rows, each of them on record.
    go(&browser, &house, "/").await;
    picture(&browser, "home").await;
    go(&browser, &house, "/Search/Simple.html?q=Support").await;
    find(&browser, "tbody.list-item").await;
    picture(&browser, "search").await;
    let found = browser.source().await.unwrap();
    let named = house.rt.seeded.customers.iter().filter(|customer| found.contains(&customer.email));
    assert_eq!(named.count(), 0, "nobody is named in a list");
    let listed = house.events("listed");
    assert!(listed.iter().any(|event| event["rows"].as_u64() > Some(5)), "{listed:?}");

    go(&browser, &house, &format!("/User/Summary.html?id={}", customer.id)).await;
    assert!(shown(&browser, ".user-summary-extra-field.RealName").await.contains(&customer.name));
    assert!(shown(&browser, ".user-summary-extra-field.Address1").await.contains('•'));
    picture(&browser, "summary").await;
    // RT's own interface for programs is nobody's way around.
    go(&browser, &house, &format!("/REST/2.0/user/{}", customer.id)).await;
    assert!(!browser.source().await.unwrap().contains(&customer.address));
    browser.close().await.unwrap();
}

#[tokio::test]
async fn customers_without_a_ticket_need_a_reason_twice_a_shift_and_no_more() {
    let house = House::open("enforce");
    let strangers = house.strangers_to("cleo");
    let page = |n: usize| format!("/User/Summary.html?id={}", strangers[n].id);
    let browser = house.browser().await;
    house.log_in(&browser, "cleo", &house.app, &page(0)).await;
    for (n, stranger) in strangers.iter().enumerate().take(2) {
        go(&browser, &house, &page(n)).await;
        assert_eq!(shown(&browser, "h1").await, "Why do you need this customer?");
        picture(&browser, "why").await;
        give_reason(&browser, "customer_support").await;
        assert!(shown(&browser, ".user-summary-extra-field.RealName").await.contains(&stranger.name));
        assert!(!browser.source().await.unwrap().contains(&stranger.address));
    }
    go(&browser, &house, &page(2)).await;
    picture(&browser, "budget").await;
    let refused = text(&browser).await;
    assert!(!refused.contains(&strangers[2].name), "{refused}");
    assert_eq!(house.events("refused").pop().unwrap()["why"], "weak_budget", "{refused}");
    assert_eq!(house.events("revealed").iter().filter(|event| event["evidence"] != "G").count(), 0);
    browser.close().await.unwrap();
}

/// What RT keeps of a user, but for who changed it when.
fn user(house: &House, id: u64) -> BTreeMap<String, Value> {
    let mut row = house.row("SELECT * FROM Users WHERE id = ?1", id);
    row.retain(|column, _| !column.starts_with("LastUpdated"));
    row
}

/// Fills a field of RT's form about a user in, over what stands there.
async fn fill(browser: &Client, field: &str, value: &str) {
    let field = find(browser, &format!("form[name=UserModify] [name={field}]")).await;
    field.clear().await.unwrap();
    field.send_keys(value).await.unwrap();
}

async fn save(browser: &Client) {
    find(browser, "form[name=UserModify] input[value='Save Changes']").await.click().await.unwrap();
}

#[tokio::test]
async fn a_masked_customer_who_is_edited_loses_nothing_in_rts_database() {
    let house = House::open("enforce");
    let ticket = house.tickets_of("ana")[0];
    let customer = house.customer(ticket.customer);
    let browser = house.browser().await;
    house.log_in(&browser, "ana", &house.app, "/").await;
    house.open_own_ticket(&browser, ticket.id).await;
    let before = user(&house, customer.id);
    let form = format!("/Admin/Users/Modify.html?id={}", customer.id);

    go(&browser, &house, &form).await;
    picture(&browser, "edit").await;
    let source = browser.source().await.unwrap();
    for value in [&customer.email, &customer.phone, &customer.address] {
        assert!(!source.contains(value), "{value}");
    }
    fill(&browser, "NickName", "Sunny").await;
    save(&browser).await;
    until(&browser, |_, source| source.contains("NickName") && source.contains("Sunny")).await;
    picture(&browser, "saved").await;
    let mut expected = before.clone();
    expected.insert("NickName".into(), Value::Text("Sunny".into()));
    assert_eq!(user(&house, customer.id), expected, "all that was masked is as it was");

    // Writing over a mask is a change like any other.
    go(&browser, &house, &form).await;
    fill(&browser, "WorkPhone", "+1 202 555 0199").await;
    save(&browser).await;
    until(&browser, |_, source| source.contains("changed") || source.contains("Nothing was saved")).await;
    expected.insert("WorkPhone".into(), Value::Text("+1 202 555 0199".into()));
    assert_eq!(user(&house, customer.id), expected);

    // A mask that nothing can be put back for is not written.
    go(&browser, &house, &form).await;
    let lose =
        "document.querySelectorAll('input[name^=\"sightline.sealed.\"]').forEach(seal => seal.remove())";
    browser.execute(lose, vec![]).await.unwrap();
    fill(&browser, "NickName", "Gone").await;
    save(&browser).await;
    until(&browser, |_, source| source.contains("Nothing was saved")).await;
    picture(&browser, "not-saved").await;
    assert_eq!(user(&house, customer.id), expected);
    let restored = house.events("written").iter().filter_map(|event| event["restored"].as_u64()).max();
    assert!(restored >= Some(7), "{restored:?} values put back");
    browser.close().await.unwrap();
}

#[tokio::test]
async fn after_a_revocation_the_next_click_is_refused_and_every_look_is_answered_for() {
    let mut house = House::open("observe");
    let ticket = house.tickets_of("ben")[0].clone();
    let customer = house.customer(ticket.customer).clone();
    let page = format!("/Ticket/Display.html?id={}", ticket.id);
    let browser = house.browser().await;

    // Observed: nothing is hidden from anybody, and the report says what would have been.
    house.log_in(&browser, "ben", &house.app, &page).await;
    until(&browser, |_, source| source.contains(&customer.address)).await;
    picture(&browser, "observed").await;
    let report = house.ask(&["report", "first-look"]).to_string();
    assert!(report.contains("contact.address") || report.contains("contact.email"), "{report}");

    // Enforced, with the same ledger; who was logged in stays so.
    assert!(house.stop(), "it ends cleanly");
    house.set("mode = \"observe\"", "mode = \"enforce\"");
    house.serve();
    house.open_own_ticket(&browser, ticket.id).await;
    assert!(!browser.source().await.unwrap().contains(&customer.address));
    go(&browser, &house, "/.sightline/whoami").await;
    picture(&browser, "whoami").await;

    let session = house.events("session_opened").pop().unwrap();
    let (session, staff) = (session["session"].as_str().unwrap(), session["staff"].as_str().unwrap());
    go(&browser, &house, &page).await;
    let taken = house.ask(&["revoke", "--session", session, "--reason", "unexplained_looks"]);
    find(&browser, "a[href*='/Ticket/History.html']").await.click().await.unwrap();
    until(&browser, |_, source| source.contains("Your access was withdrawn")).await;
    picture(&browser, "revoked").await;
    browser.back().await.unwrap();
    until(&browser, |_, source| source.contains("Your access was withdrawn")).await;
    assert!(!browser.source().await.unwrap().contains(&customer.name), "nothing comes out of a cache");
    let looks = house.entries().into_iter().filter(|entry| entry["event"]["event"] == "revealed");
    assert!(looks.map(|entry| entry["index"].as_u64()).max().unwrap() < taken["entry"].as_u64());

    // The whole person: no new login either.
    house.ask(&["revoke", "--staff", staff]);
    let again = house.browser().await;
    house.log_in(&again, "ben", &house.app, &page).await;
    until(&again, |_, source| source.contains("Your access is paused")).await;
    picture(&again, "suspended").await;

    let seen = house.ask(&["who-saw", &customer.id.to_string()]).to_string();
    assert!(seen.contains(staff) && seen.contains("contact.address"), "{seen}");
    assert!(!seen.contains(&customer.name) && !seen.contains(&customer.email), "the record holds no values");
    for browser in [browser, again] {
        browser.close().await.unwrap();
    }
    assert!(house.stop(), "it ends cleanly");
    let checked = house.run(&["verify", &house.data().display().to_string(), "--quiet"]);
    assert!(checked.contains("entries"), "{checked}");
    let log = std::fs::read_to_string(house.log()).unwrap();
    for value in [&customer.name, &customer.email, &customer.phone] {
        assert!(!log.contains(value), "{value} in the log");
    }
}
