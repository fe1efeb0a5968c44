//! Decoys: kept, recorded, and led back from.
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use common::House;
use ledger::disk::OsDisk;
use model::entry::{Actor, Event, Question};
use model::{AppId, CanaryChange, CustomerId, Evidence, OsEntropy, RuleMatched, StaffId};
use sightline_incident::{Asker, Canaries, CanaryError, Data};

fn open(house: &House) -> Result<Canaries, CanaryError> {
    let path = house.dir.path().join("canaries.json");
    let clock = Arc::new(house.clock.clone());
    Canaries::open(&path, house.ledger.clone(), Arc::new(OsDisk), clock, Arc::new(OsEntropy))
}

fn new(n: u32) -> (CustomerId, Data) {
    let data = Data {
        name: format!("Ada Löwe{n}"),
        email: format!("ada.loewe{n}@mail.example"),
        phone: format!("+44 20 7946 000{n}"),
    };
    (CustomerId::new(format!("c-900{n}")), data)
}

#[tokio::test]
async fn canaries_are_kept_over_a_restart_and_the_ledger_says_how_many_and_not_which() {
    let house = House::new();
    let canaries = open(&house).unwrap();
    let desk = AppId::new("desk");
    let entry = canaries.plant(&desk, vec![new(1), new(2)], Actor::Operator).await.unwrap();
    let record = &house.ledger.read(entry, 1).unwrap()[0];
    let Event::CanariesPlanted(planted) = &record.entry.event else { panic!("{record:?}") };
    assert_eq!((planted.count, planted.what), (2, CanaryChange::Planted));
    let opened: Vec<_> =
        record.openings.iter().map(|o| o.as_ref().unwrap().subject.customer.as_str()).collect();
    assert_eq!(opened, ["c-9001", "c-9002"], "whoever has the keys can tell");
    assert!(!serde_json::to_string(&record.entry).unwrap().contains("c-900"));

    let again = open(&house).unwrap();
    assert_eq!(again.list(), canaries.list());
    assert!(again.is_one(&new(2).0) && !again.is_one(&CustomerId::new("c-1")));
    again.retire(&desk, &[new(1).0], Actor::Operator).await.unwrap();
    let list = open(&house).unwrap().list();
    assert!(list[0].retired.is_some() && list[1].retired.is_none() && list[1].entry == Some(entry));
    assert!(again.is_one(&new(1).0), "a look at a retired one is a finding still");

    let path = house.dir.path().join("canaries.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(open(&house), Err(CanaryError::Malformed(_))));
}

#[tokio::test]
async fn what_only_a_canary_has_leads_back_to_whoever_was_shown_it_and_asking_is_recorded() {
    let house = House::new();
    let canaries = open(&house).unwrap();
    canaries.plant(&AppId::new("desk"), vec![new(1), new(2)], Actor::Operator).await.unwrap();
    let opened = house.look("s-7", "c-9001", Evidence::None).await;
    let listed = house.list("s-8", &["c-1", "c-9001"]).await;
    house.look("s-9", "c-9002", Evidence::None).await;

    assert_eq!(canaries.used(&house.enquiry, "0044 20 7946 0001").await.unwrap(), 1);
    let last = house.ledger.read(house.ledger.size() - 1, 1).unwrap();
    let Event::RuleMatched(matched) = &last[0].entry.event else { panic!("{last:?}") };
    assert_eq!((matched.rule.as_str(), &matched.entries), (RuleMatched::CANARY_USED, &vec![opened, listed]));
    let mut staff = matched.staff.clone();
    staff.sort();
    assert_eq!(staff, [StaffId::new("s-7"), StaffId::new("s-8")]);
    let asked = house.questions();
    assert_eq!(asked.len(), 1);
    assert_eq!((&asked[0].by, asked[0].question), (&Actor::System, Question::WhoSaw));

    let size = house.ledger.size();
    assert_eq!(canaries.used(&house.enquiry, "nobody@mail.example").await.unwrap(), 0);
    assert_eq!(house.ledger.size(), size, "what is of no canary is no question");
    let led = canaries.lead(&house.enquiry, &Asker::Operator, "ADA.loewe1@mail.example").await.unwrap();
    assert_eq!(led[0].shown.answer.exposures.rows.len(), 2);
}
