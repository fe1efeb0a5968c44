//! From the customers that a leak shows to whoever was shown them; and the page that says so.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::*;
use ledger::Draft;
use model::entry::{Event, Question, Viewer};
use model::{AppId, Evidence, MarkId, MarkIssued, SessionId, StaffId, Timestamp};
use sightline_incident::Asker;
use sightline_incident::leak::{self, Covers, Report, Shown};
use trace::records::Ranking;
use trace::together::{Conclusion, Ground, conclude};
use trace::{Answer, Issued, Verdict};
use views::Span;

fn customer(who: u32, n: u32) -> String {
    format!("{}", 10_000_000 + (who * 7_919 + n * 104_729 + who * n * 31) % 80_000_000)
}

fn staff(n: u32) -> String {
    format!("s-{n}")
}

#[tokio::test]
async fn looks_and_rows_in_lists_lead_from_the_ledger_to_one_staff_member_and_asking_is_an_entry() {
    let house = House::new();
    for who in 0..12 {
        for n in 0..12 {
            house.look(&staff(who), &customer(who, n), Evidence::Routed).await;
        }
        let rows: Vec<String> = (12..30).map(|n| customer(who, n)).collect();
        house.list(&staff(who), &rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    // Seven that were opened, seven that were only listed, one misread, one of nobody.
    let mut ids: Vec<String> = (5..19).map(|n| customer(4, n)).collect();
    ids[2] = ids[2].replacen('0', "O", 1);
    ids.push("99999999".into());
    let answer = house.enquiry.covers(&Asker::Operator, ids.clone(), Span::ALWAYS).await.unwrap();
    let covers = &answer.answer;
    assert_eq!(covers.staff.lead().unwrap().who, [StaffId::new("s-4")], "{covers:?}");
    assert_eq!((covers.staff.candidates, covers.staff.customers), (12, 14));
    assert_eq!(covers.unknown, ["99999999"]);
    let questions = house.questions();
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].question, Question::Leak);

    let before = Span { from: None, to: Some(START) };
    let nobody = house.enquiry.covers(&Asker::Operator, ids, before).await.unwrap().answer;
    assert_eq!((nobody.staff.lead(), nobody.staff.candidates), (None, 0));
}

#[tokio::test]
async fn marks_on_show_in_a_span_come_from_the_ledger_once_each_and_asking_is_an_entry() {
    let house = House::new();
    let issue = async |n: u8, minutes: u64| {
        let by = Viewer { staff: StaffId::new("s-1"), session: session(n), app: AppId::new("desk") };
        let bucket = Timestamp(START.0 + minutes * 60_000);
        let issued = MarkIssued { mark: MarkId::from_bytes([n; 10]), by, bucket };
        house.ledger.append(Draft::plain(Event::MarkIssued(issued))).await.unwrap();
    };
    issue(1, 0).await;
    house.clock.advance(Duration::from_secs(4 * 60));
    // Another gateway shows the same session its pages.
    issue(1, 0).await;
    house.clock.advance(Duration::from_secs(20 * 60));
    issue(2, 24).await;
    let marks = async |from: Option<u64>| {
        let from = from.map(|m| Timestamp(START.0 + m * 60_000));
        let answer = house.enquiry.issued_marks(&Asker::Operator, Span { from, to: None }).await.unwrap();
        answer.answer.iter().map(|i| i.session.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(marks(None).await, [session(1), session(2)]);
    // A page with the mark of minute 4 may still have been on show in minute 8; not in minute 10.
    assert_eq!(marks(Some(8)).await, [session(1), session(2)]);
    assert_eq!(marks(Some(10)).await, [session(2)]);
    assert!(house.questions().iter().all(|q| q.question == Question::Leak) && house.questions().len() == 3);
}

fn covers() -> Covers {
    let shown: Vec<Shown> = (0..30)
        .flat_map(|who| (0..40).map(move |n| (who, n)))
        .map(|(who, n)| Shown {
            staff: StaffId::new(staff(who)),
            session: Some(SessionId::from_bytes([who as u8; 10])),
            customer: customer(who, n).as_str().into(),
            time: Timestamp(START.0 + u64::from(n) * 60_000),
            opened: true,
        })
        .collect();
    let ids: Vec<String> = (3..20).map(|n| customer(7, n)).collect();
    leak::covers(&ids, &shown)
}

#[test]
fn whoever_scrolled_through_everybody_does_not_hide_whoever_opened_the_records() {
    let shown = |who: u32, n: u32, time: u64, opened| Shown {
        staff: StaffId::new(staff(who)),
        session: None,
        customer: customer(n, n).as_str().into(),
        time: Timestamp(START.0 + time),
        opened,
    };
    // Everybody opened forty of a thousand customers; s-3 also had all of them in a list.
    let mut all: Vec<Shown> = (0..1_000).map(|n| shown(3, n, 0, false)).collect();
    all.extend(
        (0..25)
            .flat_map(|who| (0..40).map(move |n| (who, n)))
            .map(|(who, n)| shown(who, (who * 40 + n * 7) % 1_000, 1_000 + u64::from(n) * 60_000, true)),
    );
    let ids: Vec<String> =
        (5..25).map(|n| customer((3 * 40 + n * 7) % 1_000, (3 * 40 + n * 7) % 1_000)).collect();
    let covers = leak::covers(&ids, &all);
    assert_eq!(covers.staff.lead().unwrap().who, [StaffId::new("s-3")], "{covers:?}");
    assert!(covers.sessions.is_none());
}

fn mark(named: bool) -> Answer {
    let issued = Issued {
        mark: MarkId::from_bytes([3; 10]),
        session: Some(session(7)),
        staff: Some(StaffId::new("s-7")),
        from: Some(START),
    };
    let mut histogram = vec![0u64; 24];
    (0..20).for_each(|i| histogram[i + 2] = 1 << i.min(19 - i));
    Answer {
        verdict: if named { Verdict::Named } else { Verdict::Consistent },
        named: named.then_some(issued),
        z: if named { 21.4 } else { 6.9 },
        next_z: 4.4,
        log10_wrong: if named { -94.0 } else { -5.3 },
        candidates: 100_000,
        readings: 3,
        frames: 2,
        locked: 2,
        best_frame: None,
        histogram,
    }
}

fn page(conclusion: &Conclusion, mark: &Answer, records: Option<&Covers>) -> String {
    leak::html(&Report {
        leak: "<leak>.mp4",
        at: START,
        span: Span::ALWAYS,
        source: "100000 marks",
        conclusion,
        mark: Some(mark),
        records,
        evidence: &leak::Evidence::default(),
        skipped: &["a.png: not a readable picture".into()],
        interrupted: false,
        next: &[],
    })
}

#[test]
fn the_page_names_whom_the_bar_lets_name_and_nobody_else() {
    let covers = covers();
    let ranking: &Ranking<StaffId> = &covers.staff;
    assert_eq!(covers.sessions.as_ref().unwrap().lead().unwrap().who, [session(7)]);
    let alone = conclude(None, Some(ranking));
    assert_eq!((alone.ground, &alone.staff[..]), (Ground::Records, &[StaffId::new("s-7")][..]));
    let named = Conclusion { session: Some(session(7)), mark_named: true, ground: Ground::Both, ..alone };
    let html = page(&named, &mark(true), Some(&covers));
    assert!(html.contains("<code>s-7</code>") && html.contains("1 in 10<sup>"), "{html}");
    for other in (0..30).filter(|n| *n != 7).map(staff) {
        assert!(!html.contains(&format!("<code>{other}</code>")), "{other} has nothing to do with it");
    }
    assert!(html.contains("&lt;leak&gt;.mp4") && !html.contains("<leak>"));
}

#[test]
fn below_the_bar_the_page_names_nobody_and_says_so() {
    let nothing = Conclusion {
        ground: Ground::None,
        staff: vec![],
        session: None,
        mark_named: false,
        log10_wrong: 0.0,
    };
    let covers = covers();
    let html = page(&nothing, &mark(false), Some(&covers));
    assert!(html.contains("Consistent with an issued mark, not proof of one"));
    assert!(!html.contains("s-7") && !html.contains(&session(7).to_string()));
    let torn = Conclusion { ground: Ground::Contradiction, ..nothing };
    let html = page(&torn, &mark(true), None);
    assert!(html.contains("lead to different people") && !html.contains("s-7"), "{html}");
}

#[test]
fn the_page_stands_alone_under_a_strict_policy() {
    let conclusion = conclude(None, None);
    let html = page(&conclusion, &mark(false), None);
    for foreign in ["<script", "http://", "https://", " style=", "<link", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("default-src 'none'"));
}
