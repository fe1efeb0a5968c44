//! A real desk: the loan desk of a Dutch bank, autumn 2011 to spring 2012 (BPI Challenge 2012, 4TU.ResearchData,
//! doi 10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f). What its people did is real and taken to be honest;
//! insiders are put in. The log has no looks: working on a case is taken for a look at its customer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use model::Timestamp;

use crate::table::{Exposure, Table};
use crate::{Asked, replay};

/// The system, not a person.
const SYSTEM: &str = "112";
/// Who is put in: customers a day, spread over the hours in which the person works.
const INSIDERS: [(&str, &str, u32); 4] = [
    ("k1", "no-ticket harvest, 40 a day", 40),
    ("k2", "mixed harvest, 15 a day", 15),
    ("s2", "fabricated drip, 3 a day", 3),
    ("s3", "lookup for hire, 1 a day", 1),
];
/// Days of an insider's doing.
const DAYS: usize = 20;
/// Days of the log by which the rungs are set; nothing in them counts as found.
const BURN_IN: u32 = 84;

struct Event {
    time: Timestamp,
    case: String,
    who: String,
    what: String,
    step: String,
}

/// A line with its time; those about people have none.
type Timed = (Option<Timestamp>, String);

pub(crate) fn measure(asked: &Asked, file: &Path, table: &mut Table) -> Result<(), String> {
    let events = read(file)?;
    let ordinary = lines(&events);
    eprintln!("desk log: honest days");
    let ladder = asked.ladder.clone().unwrap_or_default();
    let said = replay(&text(&ordinary)[..], &ladder, Some(BURN_IN));
    table.honest("desk log", &said);
    let Some(from) = said.calibrated else {
        table.note("the desk log is too short to set the rungs by".to_owned());
        return Ok(());
    };
    for seed in &asked.seeds {
        for (scenario, sentence, a_day) in INSIDERS {
            eprintln!("desk log, seed {seed}: {scenario}");
            let (mut all, mut exposures) = (ordinary.clone(), Vec::new());
            insider(&events, *seed, (scenario, a_day), from, &mut all, &mut exposures);
            let said = replay(&text(&all)[..], &ladder, Some(BURN_IN));
            table.played("desk log", scenario, sentence, &exposures, &said);
        }
    }
    table.note(format!(
        "desk log: {} events of a real loan desk (BPI Challenge 2012); rungs set by its first {BURN_IN} days, figures for \
         the days after",
        events.len()
    ));
    Ok(())
}

fn read(file: &Path) -> Result<Vec<Event>, String> {
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
            Some(Event {
                case: next()?,
                time: Timestamp::parse(&next()?)?,
                who: next()?,
                what: next()?,
                step: next()?,
            })
        })
        .collect();
    events.sort_by_key(|e| e.time);
    Ok(events)
}

/// The log as lines with their times: the application is the customer's ticket; a work item that was scheduled by
/// somebody and started by another is an assignment; one that nobody scheduled is picked.
fn lines(events: &[Event]) -> Vec<Timed> {
    let mut lines = Vec::new();
    let mut scheduled: HashMap<(&str, &str), &str> = HashMap::new();
    let mut has: HashMap<&str, &str> = HashMap::new();
    let people: BTreeSet<&str> =
        events.iter().map(|e| e.who.as_str()).filter(|w| !w.is_empty() && *w != SYSTEM).collect();
    for who in people {
        let line = format!(
            r#"{{"kind":"staff","staff":"s-{who}","team":"t-1","role":"agent","employer":"in-house"}}"#
        );
        lines.push((None, line));
    }
    for e in events {
        let (time, case, who) = (e.time, e.case.as_str(), e.who.as_str());
        let ticket = |what: &str, by: &str, to: Option<&str>| {
            let mut line = format!(
                r#"{{"kind":"ticket","time":"{time}","event":"{what}","ticket":"k-{case}","customer":"c-{case}","by":"{by}""#
            );
            if let Some(to) = to {
                // Writing to a String does not fail.
                let _ = write!(line, r#","to":"s-{to}""#);
            }
            (Some(time), line + "}")
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
        lines.push((Some(time), look));
        if e.step == "COMPLETE" {
            lines.push(ticket("acted", &by, None));
        }
    }
    lines
}

/// Puts an insider in who begins after `from`.
fn insider(
    events: &[Event],
    seed: u64,
    (scenario, a_day): (&str, u32),
    from: Timestamp,
    lines: &mut Vec<Timed>,
    exposures: &mut Vec<Exposure>,
) {
    let mut days: BTreeMap<&str, BTreeMap<u64, Vec<u64>>> = BTreeMap::new();
    for e in events.iter().filter(|e| !e.who.is_empty() && e.who != SYSTEM && e.time > from) {
        days.entry(&e.who).or_default().entry(e.time.0 / crate::DAY).or_default().push(e.time.0);
    }
    // Somebody who works there for long.
    let steady: Vec<&str> = days.iter().filter(|(_, d)| d.len() > DAYS + 10).map(|(who, _)| *who).collect();
    let mut dice = seed;
    let Some(who) = steady.get(below(&mut dice, steady.len().max(1))) else { return };
    let cases: Vec<&str> =
        events.iter().map(|e| e.case.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    for times in days[who].values().skip(5).take(DAYS) {
        let first = times.iter().min().copied().unwrap_or_default();
        let last = times.iter().max().copied().unwrap_or_default();
        for n in 0..a_day {
            let at = first + below(&mut dice, (last - first).max(3_600_000) as usize) as u64;
            let (time, case) = (Timestamp(at), cases[below(&mut dice, cases.len())]);
            let ticket = format!("k-own-{at}-{n}");
            if scenario == "s2" {
                lines.push((Some(time), format!(r#"{{"kind":"ticket","time":"{time}","event":"opened","ticket":"{ticket}","customer":"c-{case}","by":"s-{who}"}}"#)));
            }
            let look = format!(
                r#"{{"kind":"access","time":"{time}","staff":"s-{who}","customer":"c-{case}","action":"view","fields":["identity.name","account.activity"],"ticket":null,"session":null,"ip":null}}"#
            );
            lines.push((Some(time), look));
            exposures.push(Exposure { time, staff: format!("s-{who}"), listed: false });
        }
    }
    exposures.sort_by_key(|e| e.time);
}

/// SplitMix64.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
}

fn text(lines: &[Timed]) -> Vec<u8> {
    let mut sorted: Vec<&Timed> = lines.iter().collect();
    sorted.sort_by_key(|(time, _)| *time);
    sorted.iter().flat_map(|(_, line)| [line.as_bytes(), b"\n"]).flatten().copied().collect()
}
