//! A view is what its records say, however they came; anything else is thrown away and folded anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::*;
use model::Evidence;
use proptest::prelude::*;
use sightline_views::{self as views, Page, Span, ViewsError, Whom};

fn look(staff: u8, customer: u8) -> Step {
    Step {
        after_ms: 1000,
        staff,
        app: 0,
        customer,
        evidence: Evidence::Routed,
        classes: model::ClassSet::from_bits(3),
        erased: false,
        what: What::Look,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn records_fold_to_the_same_view_in_whatever_portions_they_come(
        steps in steps(60),
        portions in proptest::collection::vec(1..9usize, 1..40),
    ) {
        let records = records(&steps);
        let (at_once, _views) = folded(&records);

        let bit_by_bit = tempfile::tempdir().unwrap();
        let (mut rest, mut portions) = (&records[..], portions.into_iter().cycle());
        while !rest.is_empty() {
            // Opened anew for each portion, as after a restart.
            let (mut fold, views) = open(bit_by_bit.path());
            let (now, later) = rest.split_at(portions.next().unwrap().min(rest.len()));
            prop_assert_eq!(views.caught_up_to(), now[0].index);
            fold.fold(now).unwrap();
            prop_assert_eq!(views.caught_up_to(), now[0].index + now.len() as u64);
            rest = later;
        }
        if !records.is_empty() {
            prop_assert_eq!(dump(at_once.path()), dump(bit_by_bit.path()));
        }
    }
}

#[test]
fn a_record_out_of_order_is_refused_and_nothing_of_its_portion_is_kept() {
    let records = records(&[look(0, 1), look(0, 2), look(1, 3)]);
    let dir = tempfile::tempdir().unwrap();
    let (mut fold, _views) = open(dir.path());
    fold.fold(&records[..2]).unwrap();
    let before = dump(dir.path());

    let gap = [records[2].clone(), records[4].clone()];
    assert!(matches!(fold.fold(&gap), Err(ViewsError::OutOfOrder { expected: 3, given: 4 })));
    assert!(matches!(fold.fold(&records[..2]), Err(ViewsError::OutOfOrder { expected: 2, given: 0 })));
    assert_eq!(dump(dir.path()), before);
    fold.fold(&records[2..]).unwrap();
}

#[test]
fn a_view_of_another_log_or_version_or_a_damaged_one_is_folded_anew() {
    let records = records(&[look(0, 1)]);
    let (dir, views) = folded(&records);
    drop(views);
    let (_, views) = views::open_of(dir.path(), "another.example+11111111+key").unwrap();
    assert_eq!(views.caught_up_to(), 0);
    drop(views);

    let (dir, _) = folded(&records);
    let file = dir.path().join("views.sqlite3");
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 9999).unwrap();
    assert_eq!(open(dir.path()).1.caught_up_to(), 0);

    let (dir, _) = folded(&records);
    std::fs::write(dir.path().join("views.sqlite3"), "not a database, and longer than its header ".repeat(9))
        .unwrap();
    let (mut fold, views) = open(dir.path());
    assert_eq!(views.caught_up_to(), 0);
    fold.fold(&records).unwrap();
}

#[test]
fn an_erased_customer_is_counted_but_nowhere_named_and_the_others_keep_their_references() {
    let mut records = records(&[look(0, 1), look(0, 2), look(1, 1), look(1, 3)]);
    let (dir, before) = folded(&records);
    let third = Whom::Named { app: None, customer: customer(3) };
    let reference =
        block_on(before.customer_summary(third.clone(), Span::ALWAYS)).unwrap().customers[0].reference;

    let erased = customer(1);
    for opening in records.iter_mut().flat_map(|r| &mut r.openings) {
        if opening.as_ref().is_some_and(|o| o.subject.customer == erased) {
            *opening = None;
        }
    }
    drop((dir, before));
    let (dir, after) = folded(&records);
    let totals = block_on(after.overview(Span::ALWAYS)).unwrap().totals;
    assert_eq!((totals.looks.total(), totals.customers, totals.looks_at_erased), (4, 2, 2));
    let again = block_on(after.customer_summary(third, Span::ALWAYS)).unwrap();
    assert_eq!(again.customers[0].reference, reference);
    let whom = Whom::Named { app: None, customer: erased.clone() };
    assert!(block_on(after.who_saw(whom, Span::ALWAYS, Page::all())).unwrap().rows.is_empty());
    assert!(!dump(dir.path()).contains(erased.as_str()));
}

#[cfg(unix)]
#[test]
fn the_view_is_for_its_owners_eyes() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, _views) = folded(&records(&[look(0, 1)]));
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn a_question_right_after_a_look_waits_for_it() {
    let records = records(&[look(0, 1)]);
    let dir = tempfile::tempdir().unwrap();
    let (mut fold, views) = open(dir.path());
    let size = records.len() as u64;
    let early = tokio::time::timeout(Duration::from_millis(20), views.wait_for(size)).await;
    assert!(early.is_err(), "nothing was folded yet");

    let waiting = tokio::spawn({
        let views = views.clone();
        async move { views.wait_for(size).await }
    });
    fold.fold(&records).unwrap();
    waiting.await.unwrap().unwrap();

    drop(fold);
    assert!(matches!(views.wait_for(size + 1).await, Err(ViewsError::Stopped)));
}
