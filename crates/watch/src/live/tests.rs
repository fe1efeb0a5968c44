#![allow(clippy::unwrap_used)]
use model::containment::MOST_POINTS;
use model::entry::{Actor, Proposed, Revealed, StaffRecorded};
use model::{Commitment, Evidence, FieldClass, GrantId, Mode, ResponseId, Role, StaffStatus, Subject};
use proptest::prelude::*;

use super::*;

const START: u64 = 1_790_000_000_000;
const MINUTE: u64 = 60_000;

fn staff(n: u8) -> StaffId {
    StaffId::new(format!("s-{n}"))
}

fn recorded(n: u8) -> Event {
    let record = StaffRecord {
        staff: staff(n),
        role: Role::Agent,
        team: "t-1".to_owned(),
        employer: "in-house".to_owned(),
        site: None,
        status: StaffStatus::Active,
        cleared_until: None,
    };
    Event::StaffRecorded(StaffRecorded { record, by: Actor::Operator })
}

fn look(n: u8, evidence: Evidence) -> Event {
    Event::Revealed(Revealed {
        response: ResponseId::from_bytes([1; 10]),
        by: Viewer { staff: staff(n), session: SessionId::from_bytes([n; 10]), app: "desk".into() },
        subject: Commitment([0; 32]),
        tier: Tier::Standard,
        action: Action::View,
        classes: [FieldClass::ContactEmail].into_iter().collect(),
        evidence,
        grant: GrantId::from_bytes([1; 10]),
        mode: Mode::Enforce,
        would_mask: ClassSet::EMPTY,
    })
}

fn opening(customer: &str) -> Option<Opening> {
    Some(Opening { salt: [0; 32], subject: Subject::of(customer.into()) })
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happens {
    Entry(Entry, Option<Opening>),
    Ticket(TicketEvent),
}

/// Days of ordinary work by routed tickets of six agents, and on the last day one who opens strangers.
fn history(days: u64, strangers: u64) -> Vec<Happens> {
    let mut all: Vec<Happens> =
        (1..=6).map(|n| Happens::Entry(Entry { time: Timestamp(START), event: recorded(n) }, None)).collect();
    for day in 0..days {
        for look_at in 0..12u64 {
            for n in 1..=6u8 {
                let time =
                    Timestamp(START + day * 24 * 60 * MINUTE + look_at * 20 * MINUTE + u64::from(n) * 1000);
                let customer = format!("c-{day}-{look_at}-{n}");
                let ticket = TicketId::new(format!("k-{day}-{look_at}-{n}"));
                let event = |what, by, to: Option<StaffId>, after: u64| TicketEvent {
                    time: Timestamp(time.0 + after),
                    what,
                    ticket: ticket.clone(),
                    customer: (&*customer).into(),
                    by,
                    to,
                };
                all.push(Happens::Ticket(event(TicketWhat::Opened, TicketActor::Customer, None, 0)));
                all.push(Happens::Ticket(event(
                    TicketWhat::Assigned,
                    TicketActor::Router,
                    Some(staff(n)),
                    1,
                )));
                let entry = Entry { time: Timestamp(time.0 + 2), event: look(n, Evidence::Routed) };
                all.push(Happens::Entry(entry, opening(&customer)));
                all.push(Happens::Ticket(event(TicketWhat::Acted, TicketActor::Staff(staff(n)), None, 3)));
            }
        }
    }
    for n in 0..strangers {
        let time = Timestamp(START + days * 24 * 60 * MINUTE + n * 4 * MINUTE);
        all.push(Happens::Entry(Entry { time, event: look(3, Evidence::None) }, opening(&format!("x-{n}"))));
    }
    all
}

fn take(live: &mut Live, index: &mut u64, number: &mut i64, happens: &Happens) -> Vec<model::Finding> {
    let mut out = Vec::new();
    match happens {
        Happens::Entry(entry, opening) => {
            live.take(*index, entry, std::slice::from_ref(opening), &mut out);
            *index += 1;
        }
        Happens::Ticket(event) => {
            *number += 1;
            live.take_ticket(*number, &"desk".into(), event, &mut out);
        }
    }
    out
}

fn run(live: &mut Live, happened: &[Happens], restart_every: usize) -> Vec<model::Finding> {
    let (mut index, mut number, mut found) = (0, 0, Vec::new());
    for (n, happens) in happened.iter().enumerate() {
        if restart_every > 0 && n % restart_every == 0 {
            *live = Live::load(Options::default(), &live.save()).unwrap();
        }
        found.extend(take(live, &mut index, &mut number, happens));
    }
    found
}

#[test]
fn a_harvest_is_told_with_the_entries_that_weigh_and_how_it_came_there() {
    let happened = history(12, 30);
    let mut live = Live::new(Options::default(), [7; 32]);
    let found = run(&mut live, &happened, 0);
    let first = found.first().expect("a finding");
    assert_eq!((first.staff.as_str(), first.detector.as_str()), ("s-3", "purpose"));
    assert!(found.iter().all(|f| f.staff.as_str() == "s-3"), "nobody else");
    let entries: Vec<u64> = first.contributions.iter().map(|c| c.entry).collect();
    let harvest = 6 + 12 * 12 * 6;
    assert!(!entries.is_empty() && entries.iter().all(|entry| *entry >= harvest), "{entries:?}");
    assert!(first.from <= entries[0] && entries.iter().all(|entry| *entry <= first.at));
    let last = first.curve.last().unwrap();
    assert!(first.curve.len() <= MOST_POINTS && last.score >= first.rungs[0], "{first:?}");
    assert!(first.peers.people == 5 && first.peers.highest < last.score);
    assert!(first.exposed < 12, "told after {} customers", first.exposed);
    assert!(found.windows(2).all(|pair| pair[0].level < pair[1].level), "each rung once");
}

#[test]
fn what_the_budget_refused_weighs_like_a_look_and_what_anything_else_refused_does_not() {
    let refused = |why| {
        let mut happened = history(12, 0);
        for n in 0..8 {
            let time = Timestamp(START + 12 * 24 * 60 * MINUTE + (10 + n) * MINUTE);
            let event = Event::Refused(model::entry::Refused {
                response: ResponseId::from_bytes([2; 10]),
                app: Some("desk".into()),
                staff: Some(staff(3)),
                session: Some(SessionId::from_bytes([3; 10])),
                subject: Some(Commitment([0; 32])),
                why,
            });
            happened.push(Happens::Entry(Entry { time, event }, opening(&format!("y-{n}"))));
        }
        run(&mut Live::new(Options::default(), [7; 32]), &happened, 0)
    };
    assert!(refused(Why::WeakBudget).iter().any(|found| found.level >= Level::StepUp));
    assert_eq!(refused(Why::UnknownRoute), []);
}

#[test]
fn ordinary_days_are_told_nothing_about() {
    let mut live = Live::new(Options::default(), [7; 32]);
    assert_eq!(run(&mut live, &history(14, 0), 0), []);
}

#[test]
fn the_saved_state_names_no_customer_and_an_erased_one_is_a_stranger_afterwards() {
    let mut live = Live::new(Options::default(), [7; 32]);
    run(&mut live, &history(1, 3), 0);
    let (saved, name) = (live.save(), live.name(&"x-1".into()));
    let holds = |text: &[u8]| saved.windows(text.len()).any(|window| window == text);
    assert!(!holds(b"x-1") && !holds(b"k-0-1-1") && holds(name.as_bytes()));
    let proposal = ProposalId::from_bytes([4; 10]);
    let act = Act::Erase { subject: Commitment([0; 32]) };
    let proposed = Event::Proposed(Proposed { proposal, act, by: Actor::Operator, session: None });
    let erased = Event::Erased(Erased::Customer { proposal, subject: None });
    for (event, opening) in [(proposed, opening("x-1")), (erased, None)] {
        let entry = Entry { time: Timestamp(START), event };
        live.take(live.next(), &entry, &[opening], &mut Vec::new());
    }
    let saved = live.save();
    assert!(!saved.windows(name.len()).any(|window| window == name.as_bytes()));
    let entry = Entry {
        time: Timestamp(START),
        event: Event::Erased(Erased::Before { month: Month::of(Timestamp(START + 40 * 24 * 60 * MINUTE)) }),
    };
    live.take(live.next(), &entry, &[], &mut Vec::new());
    assert!(live.state.met.is_empty());
    Live::load(Options::default(), &live.save()).expect("forgotten names read back");
}

#[test]
fn what_is_not_a_saved_state_is_said_so() {
    assert!(matches!(Live::load(Options::default(), b"else"), Err(StateError::Version)));
    let saved = Live::new(Options::default(), [7; 32]).save();
    for cut in 0..saved.len() {
        assert!(Live::load(Options::default(), &saved[..cut]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn restarts_change_nothing(every in 1usize..400, days in 3u64..7) {
        let happened = history(days, 25);
        let mut straight = Live::new(Options::default(), [7; 32]);
        let expected = run(&mut straight, &happened, 0);
        let mut restarted = Live::new(Options::default(), [7; 32]);
        prop_assert_eq!(run(&mut restarted, &happened, every), expected);
        prop_assert_eq!(restarted.next(), straight.next());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Live::load(Options::default(), &[MAGIC, &bytes].concat());
    }
}
