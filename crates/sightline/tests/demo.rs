//! The demo from its start to its end: the insider is bounded and stopped, and nothing that it
//! publishes or prints names a customer.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use common::{Running, entries, files, sightline, staff_of};
use floor::Population;

#[tokio::test]
async fn the_insider_is_bounded_and_revoked_and_no_customer_is_named_where_nobody_should_read_them() {
    let population = Population::generate(7);
    let insider = population.insider().record.staff.to_string();
    let mut demo = Running::demo(7, 600.0).await;
    println!("ready after {:?}", demo.ready_after);
    demo.says(&format!("{insider} is locked out")).await;
    let ended = demo.interrupt();

    assert_eq!(ended.status.code(), Some(0), "{}", ended.err);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    let (_, harvest) = ended.out.split_once("the insider wanted 1000 customers and saw ").unwrap();
    let seen: u32 = harvest.split(' ').next().unwrap().parse().unwrap();
    assert!((1..10).contains(&seen), "{harvest}");
    assert!(harvest.contains("; revoked at "), "{harvest}");

    // The last lines say how to verify, and it is so.
    let (_, command) = ended.out.split_once("    sightline verify ").unwrap();
    let ledger = command.lines().next().unwrap();
    assert_eq!(Path::new(ledger), ended.data().join("ledger"));
    assert!(sightline(["verify", ledger]).good().contains(": good\n"));

    // What the insider tells is what the ledger tells: after the revocation nothing is shown to them.
    let log = entries(ended.ask(&["log", "tail", "-n", "10000", "--json"]));
    let of_insider = |kind: &str| {
        let theirs = log.iter().filter(|e| e["event"]["event"] == kind && staff_of(e) == insider);
        theirs.map(|e| e["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let revoked = log.iter().find(|e| e["event"]["event"] == "revoked").unwrap()["index"].as_u64().unwrap();
    let reveals = of_insider("revealed");
    assert!(!reveals.is_empty() && reveals.iter().all(|index| *index < revoked), "{reveals:?} {revoked}");
    assert!(of_insider("refused").iter().any(|index| *index > revoked));

    let names = Names::of(&population);
    names.must_be_found_in_what_holds_them(&population);
    for (file, bytes) in files(&ended.data().join("ledger/public")) {
        names.must_not_be_in(&file.display().to_string(), &bytes);
    }
    names.must_not_be_in("what it printed", ended.out.as_bytes());
    names.must_not_be_in("its log", ended.err.as_bytes());
    // Not published, and may hold ids; names and addresses are nowhere but with the app.
    for (file, bytes) in files(&ended.data()) {
        names.must_not_be_in(&file.display().to_string(), &bytes);
    }
    // Ids are what the views find customers by, and sealed wherever the ledger is read by others.
    let holds_an_id = |bytes: &[u8]| bytes.windows(7).any(is_customer_id);
    let some = |dir: &str| files(&ended.data().join(dir)).iter().any(|(_, bytes)| holds_an_id(bytes));
    assert!(some("views"));
    assert!(!some("ledger"), "a customer's id stands in the ledger in clear");
    assert!(!holds_an_id(ended.out.as_bytes()) && !holds_an_id(ended.err.as_bytes()));
}

/// `c-00042`
fn is_customer_id(window: &[u8]) -> bool {
    window.starts_with(b"c-") && window[2..].iter().all(u8::is_ascii_digit)
}

/// Every customer's name, e-mail, phone, account and address, by its first bytes.
struct Names(HashMap<[u8; 8], Vec<String>>);

impl Names {
    fn of(population: &Population) -> Self {
        let staff: Vec<_> = population.staff.iter().map(|staff| staff.name.as_str()).collect();
        let mut names = HashMap::<_, Vec<_>>::new();
        for customer in &population.customers {
            let values =
                [&customer.name, &customer.email, &customer.phone, &customer.account, &customer.address];
            // A customer may be called like one of the staff, whose name the demo's configuration holds.
            for value in values.into_iter().filter(|value| !staff.contains(&value.as_str())) {
                if let Some(start) = value.as_bytes().first_chunk() {
                    names.entry(*start).or_default().push(value.clone());
                }
            }
        }
        Self(names)
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        bytes.windows(8).enumerate().find_map(|(at, start)| {
            let values = self.0.get(start)?;
            values.iter().map(String::as_str).find(|value| bytes[at..].starts_with(value.as_bytes()))
        })
    }

    #[track_caller]
    fn must_not_be_in(&self, place: &str, bytes: &[u8]) {
        assert_eq!(self.found_in(bytes), None, "in {place}");
    }

    /// A search that finds nothing anywhere would prove nothing.
    #[track_caller]
    fn must_be_found_in_what_holds_them(&self, population: &Population) {
        let customer = &population.customers[4711];
        for value in [&customer.email, &customer.phone, &customer.account, &customer.address] {
            let text = format!("…{value}…");
            assert_eq!(self.found_in(text.as_bytes()), Some(value.as_str()));
        }
    }
}
