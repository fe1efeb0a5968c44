//! Asking is itself an entry: first recorded, then answered.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use ledger::Draft;
use model::entry::{Actor, Erased, Event, Question};
use model::{CustomerId, Evidence, Opening, OsEntropy, ProposalId, StaffId, Subject};
use sightline_incident::{Asker, Enquiry, EnquiryError, REMEMBERED};
use views::{Page, Span, ViewsError, Whom, Whose};

fn named(customer: &str) -> Whom {
    Whom::Named { app: None, customer: CustomerId::new(customer) }
}

#[tokio::test]
async fn a_question_right_after_a_look_is_recorded_and_sees_the_look() {
    let house = House::new();
    for n in 0..20u64 {
        let entry = house.look("s-1", "c-9", Evidence::Routed).await;
        let answer = house
            .enquiry
            .who_saw(&Asker::Operator, named("c-9"), Span::ALWAYS, Page::first(1))
            .await
            .unwrap();
        assert_eq!(answer.answer.exposures.rows[0].index, entry);
        assert_eq!(answer.answer.summary.looks, n + 1);
        assert_eq!(answer.asked_as, entry + 1, "the question stands behind the look");
    }
    let questions = house.questions();
    assert_eq!(questions.len(), 20, "each question of the command line is recorded");
    assert!(questions.iter().all(|q| q.by == Actor::Operator && q.question == Question::WhoSaw));
    assert!(questions.iter().all(|q| q.subject.is_some() && q.staff.is_none()));
}

#[tokio::test]
async fn the_customer_in_a_question_is_a_commitment_and_the_question_is_about_them() {
    let house = House::new();
    house.look("s-1", "jane-doe-4711", Evidence::Routed).await;
    let answer =
        house.enquiry.who_saw(&analyst(1), named("jane-doe-4711"), Span::ALWAYS, Page::all()).await.unwrap();
    let records = house.ledger.read(answer.asked_as, 1).unwrap();
    let encoded = records[0].entry.encode();
    assert!(!encoded.windows(13).any(|bytes| bytes == b"jane-doe-4711"));
    assert_eq!(records[0].openings[0].as_ref().unwrap().subject.customer, CustomerId::new("jane-doe-4711"));
    assert_eq!(answer.answer.summary.questions, 1);

    let referred = Whom::Referred(answer.answer.exposures.rows[0].customer);
    let again = house.enquiry.who_saw(&analyst(1), referred, Span::ALWAYS, Page::all()).await.unwrap();
    assert_eq!(
        (again.asked_as, again.answer),
        (answer.asked_as, answer.answer),
        "the same question by reference"
    );
}

#[tokio::test]
async fn a_page_that_stays_open_is_recorded_once_in_a_quarter_of_an_hour() {
    let house = House::new();
    let first = house.enquiry.overview(&analyst(1), Span::ALWAYS).await.unwrap();
    for _ in 0..14 {
        house.clock.advance(Duration::from_secs(60));
        let again = house.enquiry.overview(&analyst(1), Span::ALWAYS).await.unwrap();
        assert_eq!(again.asked_as, first.asked_as);
    }
    assert_eq!(house.questions().len(), 1);

    house.clock.advance(REMEMBERED - Duration::from_secs(14 * 60));
    assert!(house.enquiry.overview(&analyst(1), Span::ALWAYS).await.unwrap().asked_as > first.asked_as);
    assert_eq!(house.questions().len(), 2);
}

#[tokio::test]
async fn another_session_another_page_or_another_person_asked_about_is_another_question() {
    let house = House::new();
    let ask = async |asker: u8, staff: &str| {
        let staff = StaffId::new(staff);
        house
            .enquiry
            .staff_timeline(&analyst(asker), staff, Span::ALWAYS, Page::first(10))
            .await
            .unwrap()
            .asked_as
    };
    let first = ask(1, "s-1").await;
    assert_eq!(ask(1, "s-1").await, first);
    assert_ne!(ask(2, "s-1").await, first);
    assert_ne!(ask(1, "s-2").await, first);
    house.enquiry.sessions(&analyst(1), true, Page::first(10)).await.unwrap();
    house.enquiry.first_look(&analyst(1), Span::ALWAYS).await.unwrap();
    house.enquiry.receipt(&analyst(1), 0).await.unwrap();
    house.enquiry.entries(&analyst(1), 0, 10).await.unwrap();
    let asked: Vec<_> = house.questions().into_iter().map(|q| q.question).collect();
    use Question::*;
    assert_eq!(asked, [StaffTimeline, StaffTimeline, StaffTimeline, Sessions, FirstLook, Ledger]);
}

#[tokio::test]
async fn a_clock_set_back_does_not_keep_a_question_from_being_recorded() {
    let house = House::new();
    house.enquiry.overview(&analyst(1), Span::ALWAYS).await.unwrap();
    house.clock.set(START.minus(Duration::from_secs(3600)));
    house.enquiry.overview(&analyst(1), Span::ALWAYS).await.unwrap();
    assert_eq!(house.questions().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let house = House::new();
    house.look("s-1", "c-9", Evidence::Routed).await;
    house.ledger.close().await;
    let refused = house.enquiry.overview(&analyst(1), Span::ALWAYS).await;
    assert!(matches!(refused, Err(EnquiryError::NotRecorded(_))));
}

#[tokio::test]
async fn a_view_that_no_longer_follows_gives_no_old_answers() {
    let house = House::new();
    let (fold, views) = views::open(&house.dir.path().join("stopped"), &house.ledger).unwrap();
    let enquiry =
        Enquiry::new(house.ledger.clone(), views, Arc::new(house.clock.clone()), Arc::new(OsEntropy));
    drop(fold);
    let refused = enquiry.overview(&Asker::Operator, Span::ALWAYS).await;
    assert!(matches!(refused, Err(EnquiryError::Views(ViewsError::Stopped))));
    assert_eq!(house.questions().len(), 1, "it was asked all the same");
}

#[tokio::test]
async fn the_blast_radius_of_a_session_names_its_staff_member_in_the_entry() {
    let house = House::new();
    house.look("s-1", "c-9", Evidence::None).await;
    let whose = Whose::Session(session(1));
    // Nobody logged in under this session, so the ledger cannot say whose it was.
    let blast =
        house.enquiry.blast_radius(&Asker::Operator, whose.clone(), Span::ALWAYS, Some(50)).await.unwrap();
    assert_eq!((blast.answer.radius.reach.customers, blast.answer.percent_seen), (1, Some(2.0)));
    assert_eq!(house.questions()[0].staff, None);

    let opened = model::entry::SessionOpened {
        session: session(1),
        staff: StaffId::new("s-1"),
        door: "desk".into(),
        token: model::Digest::of(b"token"),
        expires: START.plus(Duration::from_secs(3600)),
    };
    house.ledger.append(ledger::Draft::plain(model::Event::SessionOpened(opened))).await.unwrap();
    let pages = Page::first(5);
    let page = house
        .enquiry
        .blast_radius_page(&Asker::Operator, whose, Span::ALWAYS, None, pages, pages)
        .await
        .unwrap();
    assert_eq!((page.answer.seen.rows.len(), page.answer.percent_seen), (1, None));
    assert_eq!(house.questions()[1].staff, Some(StaffId::new("s-1")));
}

#[tokio::test]
async fn an_erased_customer_is_gone_from_a_view_that_was_folded_anew() {
    let house = House::new();
    house.look("s-1", "c-1", Evidence::None).await;
    house.look("s-1", "c-2", Evidence::None).await;
    let opening = Opening::fresh(&OsEntropy, Subject::of("c-1".into()));
    let what =
        Erased::Customer { proposal: ProposalId::fresh(&OsEntropy), subject: Some(opening.commitment()) };
    house.ledger.append(Draft { event: Event::Erased(what), openings: vec![opening] }).await.unwrap();
    let dir = house.dir.path().join("anew");
    let mut progress = Vec::new();
    let (_fold, views) = views::rebuild(&dir, &house.ledger, |p| progress.push((p.done, p.of))).unwrap();
    assert_eq!(progress, [(5, 5)]);
    let blast = views.blast_radius(Whose::Staff(StaffId::new("s-1")), Span::ALWAYS).await.unwrap();
    assert_eq!((blast.reach.customers, blast.reach.looks_at_erased, blast.erased), (1, 1, vec![1]));
}

#[tokio::test]
async fn a_view_that_is_ahead_of_its_ledger_is_folded_anew() {
    let house = House::new();
    let before = house.look("s-1", "c-1", Evidence::Routed).await + 1;
    let dir = house.dir.path().join("kept");
    let (mut fold, views) = views::open(&dir, &house.ledger).unwrap();
    fold.catch_up(&house.ledger, |_| ()).unwrap();
    assert_eq!(views.caught_up_to(), before);
    drop((fold, views));
    let (fold, views) = views::open(&dir, &house.ledger).unwrap();
    assert_eq!(views.caught_up_to(), before, "what agrees is kept");
    drop((fold, views));

    // The same log, put back to an older copy: the view knows an entry that is not there.
    let ahead = rusqlite_set(&dir, "UPDATE position SET next = next + 1");
    assert_eq!(ahead, 1);
    assert_eq!(views::open(&dir, &house.ledger).unwrap().1.caught_up_to(), 0);

    let (mut fold, views) = views::open(&dir, &house.ledger).unwrap();
    fold.catch_up(&house.ledger, |_| ()).unwrap();
    drop((fold, views));
    // Put back and grown again: another entry stands in the last place.
    rusqlite_set(&dir, "UPDATE position SET last = zeroblob(32)");
    assert_eq!(views::open(&dir, &house.ledger).unwrap().1.caught_up_to(), 0);
}

fn rusqlite_set(dir: &std::path::Path, sql: &str) -> usize {
    rusqlite::Connection::open(dir.join("views.sqlite3")).unwrap().execute(sql, []).unwrap()
}
