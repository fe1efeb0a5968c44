//! An erasure as people do it: the operator proposes it on the command line, two administrators confirm it over
//! HTTP, and afterwards no file of the installation names the customer and the ledger is as good as before.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{Answer, Running, Visitor, entries, files};
use floor::Population;
use model::Role;
use serde_json::Value;

const SEED: u64 = 7;

fn json(answer: Answer) -> Value {
    serde_json::from_str(&answer.good()).unwrap()
}

fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    files(dir).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(p, _)| p.display().to_string()).collect()
}

#[tokio::test]
async fn an_operator_proposes_two_administrators_confirm_and_no_file_names_the_customer() {
    let population = Population::generate(SEED);
    let insider = population.insider().record.staff.to_string();
    let admins = population.staff.iter().filter(|s| s.record.role == Role::Admin);
    let admins: Vec<String> = admins.map(|s| s.record.staff.to_string()).collect();

    let mut demo = Running::demo(SEED, 600.0).await;
    demo.says(&format!("{insider} is locked out")).await;
    // Without the floor: nobody looks, and no feed reports.
    let house = Running::serve_again(demo.interrupt()).await;
    let blast = json(house.ask(&["blast-radius", "--staff", &insider, "--json"]));
    let seen = &blast["answer"]["seen"][0];
    let customer = seen["customer"]["customer"].as_str().unwrap_or_else(|| panic!("{seen}")).to_owned();
    let who_saw = json(house.ask(&["who-saw", &customer, "--json"]));
    assert!(who_saw["answer"]["summary"]["looks"].as_u64().unwrap() > 0);
    assert!(files_with(&house.data(), &customer).len() >= 2);

    let unknown = house.ask(&["erase", "--customer", "c-nobody"]);
    assert!(unknown.line().contains("no entry and no ticket names this customer"));
    let made = json(house.ask(&["erase", "--customer", &customer, "--json"]));
    assert_eq!(made["lost"]["looks"], who_saw["answer"]["summary"]["looks"]);
    let proposal = made["proposal"].as_str().unwrap();
    let waiting = json(house.ask(&["decisions", "--json"]));
    assert_eq!(waiting[0]["proposal"], proposal);
    for admin in &admins {
        let visitor = Visitor::signed_in(house.console(), admin).await;
        assert!(!visitor.confirm(proposal, &customer).await.body.contains(&customer));
    }
    let since = Instant::now();
    while json(house.ask(&["decisions", "--json"]))
        .as_array()
        .unwrap()
        .iter()
        .any(|w| w["proposal"] == proposal)
    {
        assert!(since.elapsed() < Duration::from_secs(30), "it is not carried out");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Asks about nobody, and is answered when the views have folded everything.
    house.ask(&["report", "first-look"]).good();
    assert_eq!(files_with(&house.data(), &customer), [] as [&str; 0]);
    let log = entries(house.ask(&["log", "tail", "-n", "10000", "--json"]));
    let erased = log.iter().find(|e| e["event"]["event"] == "erased").unwrap();
    assert_eq!(erased["event"]["customer"]["proposal"], proposal);

    // As power cuts do.
    let ended = house.kill();
    let ledger = ended.data().join("ledger").display().to_string();
    assert!(common::sightline(["verify", &ledger]).good().contains(": good\n"));
    ended.ask(&["rebuild"]).good();
    assert_eq!(files_with(&ended.data(), &customer), [] as [&str; 0]);
    let who_saw = json(ended.ask(&["who-saw", &customer, "--json"]));
    let summary = &who_saw["answer"]["summary"];
    assert_eq!((&summary["looks"], &summary["listed"]), (&0.into(), &0.into()), "{summary}");
    assert!(common::sightline(["verify", &ledger]).good().contains(": good\n"));
}
