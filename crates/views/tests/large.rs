//! A ledger of the size of some months is answered; nothing here is quadratic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::*;
use model::{ClassSet, Evidence, Timestamp};
use sightline_views::{Page, Span, StaffFilter, Whom, Whose};

#[test]
fn two_hundred_thousand_looks_are_folded_and_every_question_is_answered() {
    const LOOKS: u64 = 200_000;
    let mut world = World::default();
    for n in 0..LOOKS {
        world.step(&Step {
            after_ms: 40_000,
            staff: (n % 97) as u8,
            app: 0,
            customer: (n % 251) as u8,
            evidence: Evidence::ALL[(n % 7) as usize],
            classes: ClassSet::from_bits(0b11),
            erased: false,
            what: What::Look,
        });
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut fold, views) = open(dir.path());
    for portion in world.records.chunks(4096) {
        fold.fold(portion).unwrap();
    }
    let overview = block_on(views.overview(Span::ALWAYS)).unwrap();
    assert_eq!((overview.totals.looks.total(), overview.totals.customers), (LOOKS, 251));
    assert_eq!(block_on(views.first_look(Span::ALWAYS)).unwrap().totals, overview.totals);

    let staff_list =
        block_on(views.staff_list(StaffFilter::default(), Span::ALWAYS, Page::first(50))).unwrap();
    assert!(staff_list.rows.len() == 50 && staff_list.next.is_some());
    let whom = Whom::Named { app: None, customer: customer(7) };
    let saw = block_on(views.who_saw(whom.clone(), Span::ALWAYS, Page::all())).unwrap().rows;
    assert_eq!(saw.len() as u64, block_on(views.customer_summary(whom, Span::ALWAYS)).unwrap().looks);
    let blast = block_on(views.blast_radius(Whose::Staff(staff(3)), Span::ALWAYS)).unwrap();
    assert_eq!(blast.seen.iter().map(|row| row.entries.len() as u64).sum::<u64>(), blast.reach.looks);

    let day = Timestamp(START.0 + 86_400_000);
    let one_day = Span::between(day, Timestamp(day.0 + 86_400_000));
    assert_eq!(block_on(views.overview(one_day)).unwrap().totals.looks.total(), 86_400 / 40);
}
