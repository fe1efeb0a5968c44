//! Answers to read, to calculate with, and to take away.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::*;
use ledger::manifest::Manifest;
use ledger::{LogVerifier, Receipt};
use model::{CustomerId, Evidence, StaffId};
use sightline_incident::export::{ExportError, Exported};
use sightline_incident::{Answer, Asker, Blast, csv, export, text};
use views::{Page, Span, Whom, Whose};

/// One person looks at two customers, twice at the first, and lists three.
async fn harvest(house: &House) -> Answer<Blast> {
    house.staff("s-1", "team-a").await;
    house.look("s-1", "c-1", Evidence::Routed).await;
    house.look("s-1", "c-2", Evidence::None).await;
    house.look("s-1", "c-1", Evidence::SelfMade).await;
    house.look("s-2", "c-3", Evidence::Assigned).await;
    house.list("s-1", &["c-1", "=cmd()", "c-4"]).await;
    let whose = Whose::Staff(StaffId::new("s-1"));
    house.enquiry.blast_radius(&Asker::Operator, whose, Span::ALWAYS, Some(10_000)).await.unwrap()
}

#[tokio::test]
async fn an_export_holds_a_receipt_that_verifies_for_every_entry_it_names() {
    let house = House::new();
    let blast = harvest(&house).await;
    let dir = house.dir.path().join("blast");
    let exported = export::blast_radius(&blast, &house.ledger, None, &dir).await.unwrap();

    let log = LogVerifier::from_vkey(&blast.log).unwrap();
    let receipts: Vec<_> =
        std::fs::read_dir(dir.join("receipts")).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(
        exported,
        Exported { named: 5, context: 4 },
        "three looks, a list and the question; a record, three grants"
    );
    assert_eq!(receipts.len(), 9);
    for path in receipts {
        let verified =
            Receipt::from_tlog_proof(&std::fs::read_to_string(&path).unwrap()).unwrap().verify(&log).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("{:012}.tlog-proof", verified.index()));
        assert!(
            ["revealed", "listed", "questioned", "staff_recorded", "grant_issued"]
                .contains(&verified.entry().event.kind())
        );
    }
    let readme = std::fs::read_to_string(dir.join("README.html")).unwrap();
    assert!(readme.contains(&blast.log) && readme.contains("5 receipts"));
    assert!(readme.contains("=cmd()") && !readme.contains("<script"), "{readme}");
    let manifest = std::fs::read_to_string(dir.join("manifest")).unwrap();
    let manifest = Manifest::read(&manifest, &log).unwrap();
    assert_eq!((manifest.entries, manifest.made, manifest.files.len()), (blast.as_of, blast.at, 9 + 7));
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("blast-radius.json")).unwrap()).unwrap();
    assert_eq!(json["answer"]["seen"].as_array().unwrap().len(), 2);
    assert_eq!(json["answer"]["percent_seen"], 0.02);
    assert_eq!(json["asked_as"], blast.asked_as);
}

#[tokio::test]
async fn an_export_overwrites_nothing_and_is_for_its_owners_eyes() {
    let house = House::new();
    let blast = harvest(&house).await;
    let dir = house.dir.path().join("blast");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("README.html"), "mine").unwrap();
    let refused = export::blast_radius(&blast, &house.ledger, None, &dir).await;
    assert!(matches!(refused, Err(ExportError::Exists(path)) if path == dir));
    assert_eq!(std::fs::read_to_string(dir.join("README.html")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let dir = house.dir.path().join("another");
        export::blast_radius(&blast, &house.ledger, None, &dir).await.unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(&dir), mode(&dir.join("blast-radius.csv"))), (0, 0));
    }
}

#[tokio::test]
async fn the_csv_of_a_blast_radius_has_a_row_for_each_customer_and_no_formula() {
    let house = House::new();
    let blast = harvest(&house).await;
    let mut out = Vec::new();
    csv::blast_radius(&blast.answer.radius, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    let rows: Vec<Vec<&str>> = out.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let customers: Vec<_> = rows.iter().map(|row| (row[0], row[2])).collect();
    assert_eq!(
        customers,
        [("look", "c-1"), ("look", "c-2"), ("listing", "c-1"), ("listing", "'=cmd()"), ("listing", "c-4")]
    );
    assert!(out.contains(",\"identity.name, contact.email\",F,2,"), "{out}");
}

#[tokio::test]
async fn reports_fit_the_terminal_and_say_what_was_found() {
    let house = House::new();
    let blast = harvest(&house).await;
    let first_look = house.enquiry.first_look(&Asker::Operator, Span::ALWAYS).await.unwrap();
    let whom = Whom::Named { app: None, customer: CustomerId::new("c-1") };
    let who_saw = house.enquiry.who_saw(&Asker::Operator, whom, Span::ALWAYS, Page::first(2)).await.unwrap();
    let timeline = house
        .enquiry
        .staff_timeline(&Asker::Operator, "s-1".into(), Span::ALWAYS, Page::all())
        .await
        .unwrap();
    let sessions = house.enquiry.sessions(&Asker::Operator, false, Page::all()).await.unwrap();
    for width in [60, 80, 120] {
        let reports = [
            text::first_look(&first_look, width),
            text::blast_radius(&blast, width),
            text::who_saw(&who_saw, width),
            text::staff_timeline(&timeline, width),
            text::sessions(&sessions, width),
        ];
        for report in reports {
            // What is wider than a narrow terminal is rows of short columns, never sentences.
            let widest = report.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= width.max(96), "{widest} characters at {width}:\n{report}");
            assert!(!report.contains('\u{1b}'));
        }
    }
    let report = text::first_look(&first_look, 100);
    assert!(report.contains("4 looks at 3 customers by 2 staff members; 50.0 % explained."), "{report}");
    assert!(report.contains("contact.email      4      0"), "{report}");
    assert!(report.contains("weak_budget"), "{report}");
    let report = text::blast_radius(&blast, 100);
    assert!(
        report.contains(
            "3 looks at 2 customers, 2 of them unexplained; 3 rows in lists, 2 customers seen only there."
        ),
        "{report}"
    );
    assert!(report.contains("0.020 % of 10000"), "{report}");
    let report = text::who_saw(&who_saw, 100);
    assert!(report.contains("2 looks by 1 staff member, 1 of them unexplained; 1 time in lists"), "{report}");
    assert!(report.contains("There are more."), "{report}");
}
