//! Every answer is what one gets by going through the records by hand, and pages are the list cut up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use ledger::Record;
use model::{ClassSet, CustomerId, Event, Evidence, MarkId, MarkIssued, MarkSound, Timestamp};
use proptest::prelude::*;
use sightline_views::{
    self as views, ByEvidence, Cursor, EndedHow, How, Page, Paged, Span, StaffFilter, StaffSort, Views,
    ViewsError, Whom, Whose,
};

fn within(record: &Record, span: Span) -> bool {
    let time = record.entry.time;
    span.from.is_none_or(|from| time >= from) && span.to.is_none_or(|to| time < to)
}

fn names(record: &Record, customer: &CustomerId) -> bool {
    record.openings.iter().flatten().any(|o| o.subject.customer == *customer)
}

fn spans() -> impl Strategy<Value = Span> {
    let end = || proptest::option::of((0..60_000_000u64).prop_map(|ms| Timestamp(START.0 + ms)));
    (end(), end()).prop_map(|(from, to)| Span { from, to })
}

#[test]
fn issued_marks_are_listed_in_their_order_within_a_span() {
    let mut world = World::default();
    let by = model::entry::Viewer { staff: staff(1), session: session(1, 0), app: app(0) };
    let issued = |n: u8| MarkIssued { mark: MarkId::from_bytes([n; 10]), by: by.clone(), bucket: START };
    for n in 0..3 {
        world.plain(Event::MarkIssued(issued(n)));
        world.plain(Event::MarkSound(MarkSound { by: by.clone() }));
    }
    for (n, record) in world.records.iter_mut().enumerate() {
        record.entry.time = Timestamp(START.0 + 1000 * n as u64);
    }
    let (_dir, views) = folded(&world.records);
    assert_eq!(block_on(views.marks(Span::default())).unwrap(), [issued(0), issued(1), issued(2)]);
    let middle = Span { from: Some(Timestamp(START.0 + 1)), to: Some(Timestamp(START.0 + 4000)) };
    assert_eq!(block_on(views.marks(middle)).unwrap(), [issued(1)]);
}

/// The whole list, fetched page by page.
fn page_by_page<T>(limit: u32, mut fetch: impl FnMut(Page) -> Result<Paged<T>, ViewsError>) -> Vec<T> {
    let (mut all, mut page) = (Vec::new(), Page::first(limit));
    loop {
        let part = fetch(page).unwrap();
        assert!(part.rows.len() <= limit as usize);
        let full = part.rows.len() == limit as usize;
        all.extend(part.rows);
        match part.next {
            Some(next) => {
                assert!(full, "only full pages have a next one");
                // Cursors go through URLs.
                page = Page::after(next.to_string().parse::<Cursor>().unwrap(), limit);
            }
            None => return all,
        }
    }
}

fn pages_are_the_list(views: &Views, limit: u32, span: Span) {
    macro_rules! same {
        ($fetch:expr) => {{
            let fetch = $fetch;
            let whole = fetch(Page::all()).unwrap();
            assert_eq!(whole.next, None);
            assert_eq!(page_by_page(limit, fetch), whole.rows);
        }};
    }
    let whose = [Whose::Staff(staff(1)), Whose::Session(session(1, 0)), Whose::Session(session(2, 1))];
    for whose in whose {
        same!(|page| block_on(views.reached(whose.clone(), span, page)));
        same!(|page| block_on(views.reached_in_lists(whose.clone(), span, page)));
    }
    for customer in [customer(0), customer(1)] {
        let whom = Whom::Named { app: None, customer };
        same!(|page| block_on(views.who_saw(whom.clone(), span, page)));
    }
    same!(|page| block_on(views.staff_timeline(staff(1), span, page)));
    for open_only in [true, false] {
        same!(|page| block_on(views.sessions(open_only, Timestamp(START.0 + 20_000_000), page)));
    }
    use StaffSort as By;
    for sort in [By::Looks, By::Customers, By::Weak, By::Refused, By::Listed, By::LastSeen, By::Name] {
        for reversed in [false, true] {
            let filter = StaffFilter { sort, reversed, text: String::new() };
            same!(|page| block_on(views.staff_list(filter.clone(), span, page)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pages_put_together_are_the_whole_list(steps in steps(60), span in spans(), limit in 1..7u32) {
        let (_dir, views) = folded(&records(&steps));
        pages_are_the_list(&views, limit, span);
    }

    #[test]
    fn who_saw_is_every_record_that_names_the_customer(steps in steps(80), span in spans(), n in 0..6u8, a in 0..3u8) {
        let records = records(&steps);
        let (_dir, views) = folded(&records);
        let app = (a < 2).then(|| app(a));
        let whom = Whom::Named { app: app.clone(), customer: customer(n) };
        let by_hand: Vec<_> = records
            .iter()
            .rev()
            .filter(|r| within(r, span) && names(r, &customer(n)))
            .filter_map(|r| match &r.entry.event {
                Event::Revealed(e) => Some((r.index, e.by.clone(), Some(e.evidence), e.classes)),
                Event::Listed(e) => Some((r.index, e.by.clone(), None, e.classes)),
                _ => None,
            })
            .filter(|(_, by, _, _)| app.as_ref().is_none_or(|app| by.app == *app))
            .collect();

        let seen = block_on(views.who_saw(whom.clone(), span, Page::all())).unwrap().rows;
        prop_assert_eq!(seen.len(), by_hand.len());
        for (row, (index, by, evidence, classes)) in seen.iter().zip(&by_hand) {
            prop_assert_eq!((row.index, &row.staff, row.session, &row.app), (*index, &by.staff, by.session, &by.app));
            prop_assert_eq!(row.classes, *classes);
            match &row.how {
                How::Look { evidence: given, purpose, .. } => {
                    prop_assert_eq!(Some(*given), *evidence);
                    prop_assert!(purpose.is_some(), "the grant stands in front of the look");
                }
                How::Listing => prop_assert_eq!(None, *evidence),
            }
            let referred = block_on(views.who_saw(Whom::Referred(row.customer), span, Page::all())).unwrap();
            prop_assert!(referred.rows.contains(row));
        }

        let summary = block_on(views.customer_summary(whom, span)).unwrap();
        let looks = by_hand.iter().filter(|hit| hit.2.is_some());
        prop_assert_eq!(summary.looks, looks.clone().count() as u64);
        prop_assert_eq!(summary.listed, by_hand.len() as u64 - summary.looks);
        prop_assert_eq!(summary.weak, looks.clone().filter(|hit| hit.2.is_some_and(Evidence::is_weak)).count() as u64);
        prop_assert_eq!(summary.staff, looks.map(|hit| &hit.1.staff).collect::<BTreeSet<_>>().len() as u64);
        prop_assert_eq!(summary.last, seen.first().map(|row| row.time));
        prop_assert_eq!(summary.first, seen.last().map(|row| row.time));
    }

    #[test]
    fn a_blast_radius_is_every_customer_in_the_looks_of_that_person(steps in steps(80), span in spans()) {
        let records = records(&steps);
        let (_dir, views) = folded(&records);
        let whose = Whose::Staff(staff(1));
        let mut seen = BTreeMap::<_, (ClassSet, Vec<u64>)>::new();
        let mut listed = BTreeMap::<_, BTreeSet<u64>>::new();
        let (mut erased, mut exposures) = (Vec::new(), 0);
        for record in records.iter().filter(|r| within(r, span)) {
            match &record.entry.event {
                Event::Revealed(e) if e.by.staff == staff(1) => match &record.openings[0] {
                    Some(opening) => {
                        let key = (e.by.app.clone(), opening.subject.customer.clone());
                        let (classes, entries) = seen.entry(key).or_default();
                        *classes = classes.union(e.classes);
                        entries.push(record.index);
                    }
                    None => erased.push(record.index),
                },
                Event::Listed(e) if e.by.staff == staff(1) => {
                    exposures += record.openings.len() as u64;
                    for opening in record.openings.iter().flatten() {
                        let key = (e.by.app.clone(), opening.subject.customer.clone());
                        listed.entry(key).or_default().insert(record.index);
                    }
                }
                _ => {}
            }
        }

        let blast = block_on(views.blast_radius(whose, span)).unwrap();
        prop_assert_eq!(blast.reach.customers, seen.len() as u64);
        prop_assert_eq!(blast.reach.looks_at_erased, erased.len() as u64);
        prop_assert_eq!(blast.reach.listed, exposures);
        prop_assert_eq!(blast.reach.only_listed, listed.keys().filter(|c| !seen.contains_key(*c)).count() as u64);
        prop_assert_eq!(blast.erased, erased);
        prop_assert!(blast.seen.is_sorted_by_key(|row| row.entries[0]));
        let answered: BTreeMap<_, _> = blast
            .seen
            .into_iter()
            .map(|row| ((row.customer.app.unwrap(), row.customer.customer), (row.classes, row.entries)))
            .collect();
        prop_assert_eq!(answered, seen);
        let answered: BTreeMap<_, BTreeSet<u64>> = blast
            .listed
            .into_iter()
            .map(|row| ((row.customer.app.unwrap(), row.customer.customer), row.entries.into_iter().collect()))
            .collect();
        prop_assert_eq!(answered, listed);
    }

    #[test]
    fn overview_and_first_look_count_what_the_records_say(steps in steps(80), span in spans()) {
        let records = records(&steps);
        let (_dir, views) = folded(&records);
        let inside: Vec<_> = records.iter().filter(|r| within(r, span)).collect();
        let mut looks = ByEvidence::default();
        let mut would_stop = 0;
        for record in &inside {
            match &record.entry.event {
                Event::Revealed(e) => {
                    looks.0[e.evidence as usize] += 1;
                    would_stop += u64::from(e.evidence.is_weak());
                }
                Event::Listed(e) => would_stop += u64::from(e.would_refuse.is_some()),
                _ => {}
            }
        }
        let of_kind = |kind| inside.iter().filter(|r| r.entry.event.kind() == kind).count() as u64;

        let overview = block_on(views.overview(span)).unwrap();
        prop_assert_eq!(overview.totals.looks, looks);
        prop_assert_eq!(overview.totals.refused, of_kind("refused"));
        prop_assert_eq!(overview.totals.sessions, of_kind("session_opened"));
        let sums = overview.buckets.iter().fold((0, 0, 0), |(l, f, v), b| (l + b.looks.total(), f + b.refused, v + b.revoked));
        prop_assert_eq!(sums, (looks.total(), of_kind("refused"), of_kind("revoked")));
        prop_assert!(overview.buckets.len() <= 122);
        prop_assert!(overview.buckets.windows(2).all(|w| w[1].start.0 - w[0].start.0 == overview.bucket_ms));
        let heat: u64 = overview.heat.iter().flat_map(|row| row.looks).sum();
        prop_assert_eq!(heat, looks.total());
        prop_assert!(overview.unexplained.iter().all(|row| row.weak > 0));

        let report = block_on(views.first_look(span)).unwrap();
        prop_assert_eq!(report.totals, overview.totals);
        prop_assert_eq!(report.unexplained.len() as u64, looks.weak().min(20));
        for groups in [&report.by_team, &report.by_employer] {
            prop_assert_eq!(groups.iter().map(|g| g.looks.total()).sum::<u64>(), looks.total());
        }
        prop_assert_eq!(report.stopped.iter().map(|s| s.would_looks + s.would_lists).sum::<u64>(), would_stop);
        prop_assert_eq!(report.stopped.iter().map(|s| s.refused).sum::<u64>(), of_kind("refused"));
    }

    #[test]
    fn a_staff_member_is_found_with_their_figures(steps in steps(80)) {
        let records = records(&steps);
        let (_dir, views) = folded(&records);
        let list = block_on(views.staff_list(StaffFilter::default(), Span::ALWAYS, Page::all())).unwrap().rows;
        prop_assert!(list.is_sorted_by_key(|row| std::cmp::Reverse(row.looks)));
        for row in list {
            let looks = records.iter().filter(|r| matches!(&r.entry.event, Event::Revealed(e) if e.by.staff == row.staff));
            prop_assert_eq!(row.looks, looks.count() as u64);
            let summary = block_on(views.staff_summary(row.staff.clone(), Span::ALWAYS)).unwrap().unwrap();
            prop_assert_eq!(summary.by_evidence.total(), row.looks);
            prop_assert_eq!(summary.by_hour.iter().sum::<u64>(), row.looks);
            prop_assert_eq!(&summary.row, &row);
            let filter = StaffFilter { text: row.staff.as_str().to_uppercase(), ..StaffFilter::default() };
            let found = block_on(views.staff_list(filter, Span::ALWAYS, Page::all())).unwrap().rows;
            prop_assert!(found.contains(&row));
        }
    }
}

fn step(staff: u8, what: What) -> Step {
    Step {
        after_ms: 60_000,
        staff,
        app: 0,
        customer: 2,
        evidence: Evidence::None,
        classes: ClassSet::from_bits(1),
        erased: false,
        what,
    }
}

#[test]
fn a_session_ends_once_by_what_came_first() {
    use What::*;
    let records = records(&[
        step(1, Move),
        step(1, Login),
        step(1, Look),
        step(1, Refuse),
        step(1, RevokeSession),
        step(1, Logout),
        step(1, Login),
        step(1, RevokeStaff),
        step(1, Login),
        step(1, Suspend),
        step(1, Login),
    ]);
    let (_dir, views) = folded(&records);
    let now = records.last().unwrap().entry.time;
    let all = block_on(views.sessions(false, now, Page::all())).unwrap().rows;
    let ends: Vec<_> = all.iter().rev().map(|row| row.ended.map(|ended| ended.how)).collect();
    let revoked = Some(EndedHow::Revoked(model::entry::RevokeReason::UnexplainedLooks));
    let inactive = Some(EndedHow::Inactive(model::StaffStatus::Suspended));
    assert_eq!(ends, [revoked, revoked, inactive, None]);
    let first = all.last().unwrap();
    assert_eq!((first.looks, first.weak, first.refused), (1, 1, 1));

    let open = block_on(views.sessions(true, now, Page::all())).unwrap().rows;
    assert_eq!(open, all[..1]);
    let late = open[0].expires;
    assert!(block_on(views.sessions(true, late, Page::all())).unwrap().rows.is_empty());
}

#[test]
fn a_look_counts_for_the_team_that_its_viewer_was_in_then() {
    use What::*;
    let mut moved = step(1, Move);
    moved.customer = 5;
    let (_dir, views) =
        folded(&records(&[step(1, Move), step(1, Look), moved, step(1, Look), step(1, Look)]));
    let teams = block_on(views.first_look(Span::ALWAYS)).unwrap().by_team;
    let looks: BTreeMap<_, _> = teams.into_iter().map(|row| (row.name.unwrap(), row.looks.total())).collect();
    assert_eq!(looks, BTreeMap::from([("team-2".to_owned(), 1), ("team-5".to_owned(), 2)]));
}

#[test]
fn who_lost_a_session_or_grant_has_it_in_their_timeline() {
    use What::*;
    let (_dir, views) = folded(&records(&[step(1, Login), step(1, RevokeGrant), step(1, RevokeSession)]));
    let timeline = block_on(views.staff_timeline(staff(1), Span::ALWAYS, Page::all())).unwrap().rows;
    let kinds: Vec<_> = timeline.iter().map(|row| row.event.kind()).collect();
    assert_eq!(kinds, ["revoked", "revoked", "grant_issued", "session_opened"]);
}

#[test]
fn an_empty_ledger_has_empty_answers() {
    let (_dir, views) = folded(&[]);
    let overview = block_on(views.overview(Span::ALWAYS)).unwrap();
    assert_eq!((overview.totals, overview.buckets.len()), (views::Totals::default(), 0));
    assert!(block_on(views.first_look(Span::ALWAYS)).unwrap().unexplained.is_empty());
    assert_eq!(block_on(views.staff_summary(staff(1), Span::ALWAYS)).unwrap(), None);
    let blast = block_on(views.blast_radius(Whose::Staff(staff(1)), Span::ALWAYS)).unwrap();
    assert_eq!((blast.reach, blast.as_of), (views::Reach::default(), 0));
    let gone = "17.0".parse().unwrap();
    assert!(matches!(block_on(views.customer(gone)), Err(ViewsError::NoSuchCustomer)));
}
