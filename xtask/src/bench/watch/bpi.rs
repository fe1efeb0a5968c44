//! A real desk: the loan desk of a Dutch bank, autumn 2011 to spring 2012 (BPI Challenge 2012, 4TU.ResearchData,
//! doi 10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f). What its people did is real and taken to be honest;
//! insiders are put in. The log has no looks: working on a case is taken for a look at its customer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::table::Table;
use super::{Bench, Exposure};
use crate::sh::Outcome;

/// The system, not a person.
const SYSTEM: &str = "112";
/// Who is put in: customers a day, spread over the hours in which the person works.
const INSIDERS: [(&str, u32); 4] = [("k1", 40), ("k2", 15), ("s2", 3), ("s3", 1)];
/// Days of an insider's doing.
const DAYS: usize = 20;

struct Event {
    time: String,
    case: String,
    who: String,
    what: String,
    step: String,
}

pub(super) fn measure(bench: &Bench<'_>, file: &Path, table: &mut Table) -> Outcome {
    let events = read(file)?;
    let ordinary = lines(&events);
    let log = bench.dir.join("bpi12.jsonl");
    eprintln!("desk log: honest days");
    write(&log, &ordinary)?;
    table.honest("bpi12", &bench.replay(&log, true)?);
    for seed in bench.options.seeds.iter().take(3) {
        for (scenario, a_day) in INSIDERS {
            eprintln!("desk log, seed {seed}: {scenario}");
            let (mut all, mut exposures) = (ordinary.clone(), Vec::new());
            insider(&events, *seed, scenario, a_day, &mut all, &mut exposures);
            write(&log, &all)?;
            table.played("bpi12", scenario, &exposures, &bench.replay(&log, true)?);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Outcome<Vec<Event>> {
    let unpacked = Command::new("gzip").arg("-dc").arg(file).output().map_err(|e| format!("gzip: {e}"))?;
    if !unpacked.status.success() {
        return Err(format!("{}: {}", file.display(), String::from_utf8_lossy(&unpacked.stderr)));
    }
    let text = String::from_utf8_lossy(&unpacked.stdout);
    let mut events: Vec<Event> = text
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split(',');
            let mut next = || cells.next().map(str::to_owned);
            Some(Event { case: next()?, time: utc(&next()?)?, who: next()?, what: next()?, step: next()? })
        })
        .collect();
    events.sort_by(|a, b| a.time.cmp(&b.time));
    Ok(events)
}

/// `2011-10-01T00:38:44.546+02:00` as UTC; the log has no other offsets than +01:00 and +02:00.
fn utc(text: &str) -> Option<String> {
    let (local, offset) = (text.get(..19)?, text.get(23..26)?);
    let hours: i64 = offset.parse().ok()?;
    Some(stamp(seconds(local)? - hours * 3600))
}

fn seconds(local: &str) -> Option<i64> {
    let number = |from: usize, to: usize| local.get(from..to)?.parse::<i64>().ok();
    let (y, m, d) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days from civil, H. Hinnant.
    let (y, m) = if m > 2 { (y, m - 3) } else { (y - 1, m + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d - 1 - 719_468;
    Some(((days * 24 + number(11, 13)?) * 60 + number(14, 16)?) * 60 + number(17, 19)?)
}

fn stamp(at: i64) -> String {
    let (days, rest) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (d, m) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let y = yoe + era * 400 + i64::from(m <= 2);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The log as lines with their times: the application is the customer's ticket; a work item that was scheduled by
/// somebody and started by another is an assignment; one that nobody scheduled is picked.
fn lines(events: &[Event]) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut scheduled: HashMap<(&str, &str), &str> = HashMap::new();
    let mut has: HashMap<&str, &str> = HashMap::new();
    let people: BTreeSet<&str> =
        events.iter().map(|e| e.who.as_str()).filter(|w| !w.is_empty() && *w != SYSTEM).collect();
    for who in people {
        let line = format!(
            r#"{{"kind":"staff","staff":"s-{who}","team":"t-1","role":"agent","employer":"in-house"}}"#
        );
        lines.push((String::new(), line));
    }
    for e in events {
        let (time, case, who) = (e.time.as_str(), e.case.as_str(), e.who.as_str());
        let ticket = |what: &str, by: &str, to: Option<&str>| {
            let mut line = format!(
                r#"{{"kind":"ticket","time":"{time}","event":"{what}","ticket":"k-{case}","customer":"c-{case}","by":"{by}""#
            );
            if let Some(to) = to {
                // Writing to a String does not fail.
                let _ = write!(line, r#","to":"s-{to}""#);
            }
            (time.to_owned(), line + "}")
        };
        let by = if who == SYSTEM || who.is_empty() { "router".to_owned() } else { format!("s-{who}") };
        if e.what == "A_SUBMITTED" {
            lines.push(ticket("opened", "customer", None));
        }
        if e.step == "SCHEDULE" {
            scheduled.insert((case, &e.what), who);
            continue;
        }
        if who == SYSTEM || who.is_empty() {
            continue;
        }
        if e.step == "START" && has.get(case) != Some(&who) {
            let giver = scheduled.remove(&(case, e.what.as_str()));
            match giver {
                Some(giver) if giver != who && giver != SYSTEM && !giver.is_empty() => {
                    lines.push(ticket("assigned", &format!("s-{giver}"), Some(who)));
                }
                // Scheduled by the system or long ago: nobody chose whose it is but whoever started it.
                _ => lines.push(ticket("picked", &by, Some(who))),
            }
            has.insert(case, who);
        }
        let fields = r#"["identity.name","account.activity"]"#;
        let look = format!(
            r#"{{"kind":"access","time":"{time}","staff":"s-{who}","customer":"c-{case}","action":"view","fields":{fields},"ticket":"k-{case}","session":null,"ip":null}}"#
        );
        lines.push((time.to_owned(), look));
        if e.step == "COMPLETE" {
            lines.push(ticket("acted", &by, None));
        }
    }
    lines
}

fn insider(
    events: &[Event],
    seed: u64,
    scenario: &str,
    a_day: u32,
    lines: &mut Vec<(String, String)>,
    exposures: &mut Vec<Exposure>,
) {
    let mut days: BTreeMap<&str, BTreeMap<&str, Vec<i64>>> = BTreeMap::new();
    for e in events.iter().filter(|e| !e.who.is_empty() && e.who != SYSTEM) {
        if let (Some(day), Some(at)) = (e.time.get(..10), seconds(&e.time)) {
            days.entry(&e.who).or_default().entry(day).or_default().push(at);
        }
    }
    // Somebody who works there for long.
    let steady: Vec<&str> = days.iter().filter(|(_, d)| d.len() > 60).map(|(who, _)| *who).collect();
    let mut dice = seed;
    let Some(who) = steady.get(below(&mut dice, steady.len())) else { return };
    let cases: Vec<&str> =
        events.iter().map(|e| e.case.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    let worked: Vec<&Vec<i64>> = days[who].values().collect();
    for times in worked.iter().skip(worked.len() / 2).take(DAYS) {
        let (first, last) = (
            times.iter().min().copied().unwrap_or_default(),
            times.iter().max().copied().unwrap_or_default(),
        );
        for n in 0..a_day {
            let at = first + below(&mut dice, (last - first).max(3600) as usize) as i64;
            let (time, case) = (stamp(at), cases[below(&mut dice, cases.len())]);
            let ticket = format!("k-own-{at}-{n}");
            if scenario == "s2" {
                lines.push((time.clone(), format!(r#"{{"kind":"ticket","time":"{time}","event":"opened","ticket":"{ticket}","customer":"c-{case}","by":"s-{who}"}}"#)));
            }
            let look = format!(
                r#"{{"kind":"access","time":"{time}","staff":"s-{who}","customer":"c-{case}","action":"view","fields":["identity.name","account.activity"],"ticket":null,"session":null,"ip":null}}"#
            );
            lines.push((time.clone(), look));
            exposures.push(Exposure { time, staff: format!("s-{who}"), listed: false });
        }
    }
    exposures.sort_by(|a, b| a.time.cmp(&b.time));
}

/// SplitMix64.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
}

fn write(log: &Path, lines: &[(String, String)]) -> Outcome {
    let mut sorted: Vec<&(String, String)> = lines.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let text: String = sorted.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
    std::fs::write(log, text).map_err(|e| format!("{}: {e}", log.display()))
}
