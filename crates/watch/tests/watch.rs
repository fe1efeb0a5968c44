//! What the watch finds, and what it leaves alone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failed test")]

mod common;

use common::{BEGIN, DAY, Desk, MINUTE, about, feed, watched};
use model::Timestamp;
use sightline_watch::{Detector, Level, Lines, Options, Output, Watch};

const LAST: u64 = 20;

fn desk() -> Desk {
    Desk::ordinary(12, LAST + 1)
}

#[test]
fn ordinary_days_raise_nothing() {
    let out = watched(&desk().text());
    let findings: Vec<_> = out.iter().filter(|o| matches!(o, Output::Finding(_))).collect();
    assert!(findings.is_empty(), "{findings:#?}");
    let days = out.iter().filter(|o| matches!(o, Output::Day(_))).count();
    assert_eq!(days, 12 * (LAST as usize + 1), "each person and day is told");
}

#[test]
fn a_harvest_without_tickets_is_suspended_after_a_few_customers() {
    let mut desk = desk();
    for n in 0..30 {
        desk.work(LAST, 1000 + n * 6, 3, &format!("victim-{n}"), false);
    }
    let out = watched(&desk.text());
    let findings = about(&out, 3);
    let first = |level| findings.iter().find(|f| f.level >= level).expect("reached");
    assert!(first(Level::StepUp).exposed <= 5, "{findings:#?}");
    assert!(first(Level::Suspend).exposed <= 9, "{findings:#?}");
    let finding = first(Level::StepUp);
    assert_eq!(finding.detector, Detector::Purpose);
    assert!((2..=3).contains(&finding.contributions.len()), "{finding:#?}");
    assert!(finding.odd.contains("no live ticket leads"), "{}", finding.odd);
    assert!(finding.against.contains("1 in"), "{}", finding.against);
    assert!((0..12).filter(|who| *who != 3).all(|who| about(&out, who).is_empty()), "others are left alone");
}

#[test]
fn what_one_does_slowly_is_found_too() {
    let mut desk = Desk::ordinary(12, 45);
    for day in 20..45 {
        for n in 0..2 {
            desk.work(day, 700 + n * 31, 3, &format!("victim-{day}-{n}"), false);
        }
    }
    let out = watched(&desk.text());
    let findings = about(&out, 3);
    let step_up = findings.iter().find(|f| f.level >= Level::StepUp).expect("found");
    assert!(step_up.exposed <= 20, "{step_up:#?}");
}

#[test]
fn a_ticket_that_comes_within_the_grace_explains_the_look() {
    let mut desk = desk();
    for n in 0..12 {
        let (at, customer) = (BEGIN + LAST * DAY + (1000 + n * 20) * MINUTE, format!("caller-{n}"));
        desk.look(at, 3, &customer, &["identity.name"]);
        let ticket = 900_000 + n as u32;
        desk.ticket(at + 2 * MINUTE, "opened", ticket, &customer, "customer", None);
        desk.ticket(at + 3 * MINUTE, "assigned", ticket, &customer, "router", Some(3));
        desk.ticket(at + 5 * MINUTE, "acted", ticket, &customer, "s-3", None);
    }
    let out = watched(&desk.text());
    let worst = about(&out, 3).iter().map(|f| f.level).max();
    assert!(worst < Some(Level::Suspend), "{:#?}", about(&out, 3));
}

#[test]
fn a_canary_is_enough_by_itself_and_only_if_opened() {
    let mut desk = desk();
    desk.customer("canary-1", "high_value", true);
    desk.access(BEGIN + LAST * DAY + 900 * MINUTE, 4, "canary-1", "search", &[], "session", "10.0.0.1");
    desk.look(BEGIN + LAST * DAY + 901 * MINUTE, 5, "canary-1", &["identity.name"]);
    let out = watched(&desk.text());
    let listed = about(&out, 4);
    assert!(listed.len() == 1 && listed[0].level == Level::Nudge, "{listed:#?}");
    let opened = about(&out, 5);
    assert!(opened.len() == 1 && opened[0].level == Level::Suspend, "{opened:#?}");
    assert_eq!((opened[0].detector, opened[0].exposed), (Detector::Canary, 1));
}

#[test]
fn an_outage_of_the_ticket_system_accuses_nobody() {
    let mut desk = desk();
    desk.lines.retain(|(at, line)| {
        let last_day = *at >= BEGIN + LAST * DAY;
        let ticket = line.contains("\"kind\":\"ticket\"");
        // From the last day no ticket of two customers in five reaches the log.
        !(last_day && ticket && line.bytes().map(u64::from).filter(u8_digit).sum::<u64>() % 5 < 2)
    });
    let out = watched(&desk.text());
    let suspended = |o: &&Output| matches!(o, Output::Finding(f) if f.level >= Level::Suspend);
    let suspended: Vec<_> = out.iter().filter(suspended).collect();
    assert!(suspended.is_empty(), "{suspended:#?}");
}

#[test]
fn an_outage_that_begins_at_noon_accuses_nobody_either() {
    let mut desk = desk();
    let mut tickets = 0;
    desk.lines.retain(|(at, line)| {
        let lost = *at >= BEGIN + LAST * DAY + 720 * MINUTE && line.contains("\"kind\":\"ticket\"");
        tickets += u32::from(lost);
        !lost
    });
    assert!(tickets > 400, "half a day's tickets are lost: {tickets}");
    let out = watched(&desk.text());
    let suspended = |o: &&Output| matches!(o, Output::Finding(f) if f.level >= Level::Suspend);
    let suspended: Vec<_> = out.iter().filter(suspended).collect();
    assert!(suspended.is_empty(), "{suspended:#?}");
}

#[test]
fn two_of_a_team_do_not_excuse_each_other() {
    let mut desk = desk();
    for n in 0..30 {
        desk.work(LAST, 700 + n * 6, 3, &format!("victim-{n}"), false);
        desk.work(LAST, 703 + n * 6, 5, &format!("other-victim-{n}"), false);
    }
    let out = watched(&desk.text());
    for who in [3, 5] {
        let findings = about(&out, who);
        let suspended = findings.iter().find(|f| f.level >= Level::Suspend).expect("found");
        assert!(suspended.exposed <= 15, "{findings:#?}");
    }
    let innocent = (0..12).filter(|who| ![3, 5].contains(who));
    assert!(innocent.flat_map(|who| about(&out, who)).next().is_none(), "others are left alone");
}

fn u8_digit(b: &u64) -> bool {
    (48..58).contains(b)
}

#[test]
fn rows_that_are_scraped_without_being_opened_are_found() {
    let mut desk = desk();
    for n in 0..600u64 {
        let at = BEGIN + LAST * DAY + 1000 * MINUTE + n * 1000;
        desk.access(at, 6, &format!("row-{n}"), "search", &["identity.name"], "session", "10.0.0.1");
    }
    let out = watched(&desk.text());
    let findings = about(&out, 6);
    assert!(
        findings.iter().any(|f| f.detector == Detector::Listing && f.level >= Level::StepUp),
        "{findings:#?}"
    );
}

#[test]
fn fields_that_the_work_does_not_need_are_found_on_ones_own_tickets() {
    let mut desk = desk();
    for (_, line) in desk.lines.iter_mut().filter(|(at, line)| {
        *at >= BEGIN + (LAST - 2) * DAY && line.contains("\"kind\":\"access\"") && line.contains("\"s-7\"")
    }) {
        *line = line.replace("\"identity.name\"", "\"identity.name\",\"kyc.document\",\"account.balance\"");
    }
    let out = watched(&desk.text());
    let findings = about(&out, 7);
    assert!(findings.iter().any(|f| f.detector == Detector::Fields), "{findings:#?}");
}

#[test]
fn tickets_that_a_colleague_makes_up_and_passes_on_are_found() {
    let mut desk = Desk::ordinary(12, 35);
    for day in 20..35 {
        for n in 0..3 {
            let (at, customer) = (BEGIN + day * DAY + (700 + n * 33) * MINUTE, format!("victim-{day}-{n}"));
            let ticket = 500_000 + (day * 10 + n) as u32;
            desk.ticket(at - 3 * MINUTE, "opened", ticket, &customer, "s-2", None);
            desk.ticket(at - 2 * MINUTE, "transferred", ticket, &customer, "s-2", Some(8));
            desk.look(at, 8, &customer, &["identity.name"]);
        }
    }
    let out = watched(&desk.text());
    let step_up = about(&out, 8).into_iter().find(|f| f.level >= Level::StepUp).expect("found");
    assert!(step_up.exposed <= 15, "{step_up:#?}");
}

#[test]
fn nothing_is_held_against_anybody_before_their_role_is_known_and_what_was_seen_is_weighed_then() {
    let mut desk = Desk::ordinary(12, 8);
    for n in 0..30 {
        desk.work(0, 1000 + n * 6, 3, &format!("victim-{n}"), false);
    }
    let out = watched(&desk.text());
    let findings = about(&out, 3);
    let first = findings.first().expect("found in the end");
    assert!(first.level >= Level::StepUp, "{first:#?}");
    // Eleven others have worked forty shifts on the fourth day.
    let days = (first.time.0 - BEGIN) / DAY;
    assert!((3..6).contains(&days), "{days}");
    let others = (0..12).filter(|who| *who != 3);
    assert!(others.flat_map(|who| about(&out, who)).next().is_none(), "others are left alone");
}

#[test]
fn a_second_line_within_a_role_is_not_held_to_be_odd() {
    // Three of sixteen get what colleagues wrote and pass on; the others hardly ever do.
    let mut desk = Desk::ordinary(16, 40);
    let mut ticket = 700_000;
    for day in 0..40 {
        for who in 0..3u32 {
            for n in 0..3 {
                ticket += 1;
                let giver = 4 + (day as u32 * 3 + n) % 12;
                let (at, customer) =
                    (BEGIN + day * DAY + (600 + u64::from(n) * 45) * MINUTE, format!("case-{day}-{who}-{n}"));
                desk.ticket(at - 9 * MINUTE, "opened", ticket, &customer, &format!("s-{giver}"), None);
                desk.ticket(
                    at - 5 * MINUTE,
                    "transferred",
                    ticket,
                    &customer,
                    &format!("s-{giver}"),
                    Some(who),
                );
                desk.look(at, who, &customer, &["identity.name"]);
                desk.ticket(at + 4 * MINUTE, "acted", ticket, &customer, &format!("s-{who}"), None);
            }
        }
    }
    let out = watched(&desk.text());
    for finding in (0..3).flat_map(|who| about(&out, who)) {
        let of_colleagues = finding.contributions.iter().filter(|c| c.what.contains("a colleague wrote"));
        assert_eq!(of_colleagues.count(), 0, "{finding:#?}");
    }
}

#[test]
fn nobody_becomes_usual_by_and_by() {
    // From nothing to ten customers a day without a ticket, a little more each week.
    let mut desk = Desk::ordinary(12, 70);
    for day in 20..70u64 {
        for n in 0..(day - 20) / 5 {
            desk.work(day, 650 + n * 37, 3, &format!("victim-{day}-{n}"), false);
        }
    }
    let out = watched(&desk.text());
    assert!(about(&out, 3).iter().any(|f| f.level >= Level::Suspend));
}

#[test]
fn chunks_and_restarts_change_nothing() {
    let mut desk = desk();
    for n in 0..10 {
        desk.work(LAST, 1000 + n * 6, 3, &format!("victim-{n}"), false);
        // Colleagues whose weak looks make the others' usual.
        desk.work(LAST, 1001 + n * 6, 5 + n as u32 % 4, &format!("lost-{n}"), false);
    }
    let text = desk.text();
    let whole = watched(&text);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for size in [997, 4001] {
        let mut out = Vec::new();
        let mut watch = Watch::new(Options::default());
        for chunk in lines.chunks(size) {
            out.extend(feed(&mut watch, &chunk.concat()));
            watch = Watch::load(Options::default(), &watch.save()).unwrap();
        }
        watch.finish(&mut out);
        assert!(out == whole, "chunks of {size} lines give another result");
    }
}

#[test]
fn what_is_odd_about_a_line_is_said_and_the_rest_goes_on() {
    let mut desk = desk();
    desk.lines.push((
        u64::MAX,
        r#"{"kind":"access","time":"2026-03-02T09:00:00Z","staff":"s-1","customer":"late"}"#.into(),
    ));
    desk.lines.push((
        u64::MAX,
        r#"{"kind":"access","time":"2099-01-01T00:00:00Z","staff":"s-1","customer":"far"}"#.into(),
    ));
    desk.lines.push((
        u64::MAX,
        r#"{"kind":"access","time":"2026-04-01T00:00:00Z","staff":"stranger","customer":"c"}"#.into(),
    ));
    for time in ["2026-04-01T00:00:01Z", "2026-04-01T00:00:01Z", "2026-04-01T00:00:02Z"] {
        desk.lines.push((
            u64::MAX,
            format!(r#"{{"kind":"ticket","time":"{time}","event":"opened","ticket":"k-twice","customer":"c","by":"customer"}}"#),
        ));
    }
    let text = desk.text();
    let mut watch = Watch::new(Options::default());
    let (mut out, mut odd) = (Vec::new(), Vec::new());
    let mut lines = Lines::new(text.as_bytes());
    while let Some((_, line)) = lines.next_line().unwrap() {
        odd.extend(watch.line(&line.unwrap(), &mut out).err().map(|e| e.to_string()));
    }
    assert_eq!(odd.len(), 5, "{odd:?}");
    assert!(odd[0].contains("before the line in front") && odd[1].contains("more than a year"), "{odd:?}");
    assert!(odd[2].contains("was not introduced"), "{odd:?}");
    assert!(odd[3].contains("once more") && odd[4].contains("opened before"), "{odd:?}");
}

#[test]
fn a_state_that_is_something_else_is_refused() {
    for bytes in [&b"junk"[..], b"sightline-watch 2\n", b"sightline-watch 2\n\x84\x00"] {
        assert!(Watch::load(Options::default(), bytes).is_err());
    }
}

#[test]
fn a_finding_can_be_known_when_it_says() {
    let mut desk = desk();
    for n in 0..10 {
        desk.work(LAST, 1000 + n * 6, 3, &format!("victim-{n}"), false);
    }
    let text = desk.text();
    let whole = watched(&text);
    let finding = about(&whole, 3)[0].clone();
    // Everything that comes more than a moment after the finding is cut off, and it is still raised.
    let until = Timestamp(finding.time.0 + 1);
    let mut cut = desk.clone();
    cut.lines.retain(|(at, _)| *at < until.0);
    cut.lines.push((until.0, format!(r#"{{"kind":"ticket","time":"{until}","event":"opened","ticket":"end","customer":"end","by":"customer"}}"#)));
    let mut watch = Watch::new(Options::default());
    let out = feed(&mut watch, &cut.text());
    assert_eq!(about(&out, 3).first().copied(), Some(&finding));
}
