//! After an erasure a view is, byte for byte, the one that is folded anew from a ledger without the keys.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::*;
use ledger::Record;
use model::entry::{Act, Actor, Erased, Event, Proposed};
use model::{CustomerId, Month, Opening, ProposalId, Subject, Timestamp};
use proptest::prelude::*;
use sightline_views::{Page, Span, Whom};

const PROPOSAL: ProposalId = ProposalId::from_bytes([1; 10]);

fn proposed(customer: &CustomerId) -> (Event, Vec<Option<Opening>>) {
    let opening = Opening { salt: [99; 32], subject: Subject::of(customer.clone()) };
    let act = Act::Erase { subject: opening.commitment() };
    let event = Event::Proposed(Proposed { proposal: PROPOSAL, act, by: Actor::Operator, session: None });
    (event, vec![Some(opening)])
}

fn push(records: &mut Vec<Record>, event: Event, openings: Vec<Option<Opening>>) {
    let time = records.last().map_or(START, |last| last.entry.time);
    let index = records.len() as u64;
    records.push(Record { index, entry: model::Entry { time, event }, openings });
}

/// As the ledger reads them once the keys are gone.
fn without(records: &[Record], gone: impl Fn(&Record, &Opening) -> bool) -> Vec<Record> {
    let mut records = records.to_vec();
    for record in &mut records {
        let openings = std::mem::take(&mut record.openings);
        record.openings = openings.into_iter().map(|o| o.filter(|opening| !gone(record, opening))).collect();
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_erased_customer_was_never_known(steps in steps(50), after in steps(20)) {
        let erased = customer(2);
        let mut records = records(&steps);
        let (event, openings) = proposed(&erased);
        push(&mut records, event, openings);
        let end = records.len() as u64;
        push(&mut records, Event::Erased(Erased::Customer { proposal: PROPOSAL, subject: None }), vec![]);
        // The customer comes back, under a new key.
        let later = common::records(&after);
        let (shift, start) = (records.len() as u64, records.last().unwrap().entry.time.0 - START.0);
        records.extend(later.into_iter().map(|mut record| {
            record.index += shift;
            record.entry.time = Timestamp(record.entry.time.0 + start);
            record
        }));

        let (live, _views) = folded(&records);
        let (anew, _) = folded(&without(&records, |record, opening| {
            record.index < end && opening.subject.customer == erased
        }));
        prop_assert_eq!(dump(live.path()), dump(anew.path()));
    }

    #[test]
    fn what_retention_forgets_was_never_known(steps in steps(60), days in 1..40u64) {
        let mut records = records(&steps);
        // Stretched over months.
        for record in &mut records {
            record.entry.time = Timestamp(START.0 + (record.entry.time.0 - START.0) * days);
        }
        let month = records.last().map_or(Month::of(START), |last| Month::of(last.entry.time));
        push(&mut records, Event::Erased(Erased::Before { month }), vec![]);
        let (live, _views) = folded(&records);
        let (anew, _) = folded(&without(&records, |record, _| Month::of(record.entry.time) < month));
        prop_assert_eq!(dump(live.path()), dump(anew.path()));
    }
}

#[test]
fn no_byte_of_an_erased_customer_stays_in_the_files() {
    let mut world = World::default();
    for n in 0..400u64 {
        world.step(&Step {
            after_ms: 1000,
            staff: (n % 4) as u8,
            app: (n % 2) as u8,
            customer: (n % 200) as u8,
            evidence: model::Evidence::Routed,
            classes: model::ClassSet::from_bits(3),
            erased: false,
            what: if n % 5 == 0 { What::List } else { What::Look },
        });
    }
    let erased = customer(77);
    let mut records = world.records;
    let (event, openings) = proposed(&erased);
    push(&mut records, event, openings);
    let dir = tempfile::tempdir().unwrap();
    let (mut fold, views) = open(dir.path());
    records.chunks(7).for_each(|portion| fold.fold(portion).unwrap());
    let whom = Whom::Named { app: None, customer: erased.clone() };
    let seen = || block_on(views.who_saw(whom.clone(), Span::ALWAYS, Page::all())).unwrap().rows.len();
    assert!(seen() > 0);
    let holds = |what: &str| {
        let files =
            std::fs::read_dir(dir.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(what.len()).any(|part| part == what.as_bytes()))
    };
    assert!(holds("cust-77") && holds("k-77"));

    let from = records.len();
    push(&mut records, Event::Erased(Erased::Customer { proposal: PROPOSAL, subject: None }), vec![]);
    fold.fold(&records[from..]).unwrap();
    assert_eq!(seen(), 0);
    assert!(!holds("cust-77") && !holds("k-77"));
    assert!(holds("cust-78") && holds("k-78"));
}
