//! Simulated floors: honest days, and the same days with insiders among them.

use floor::history::{HistorySettings, Insider, Scenario, Truth, write};
use sightline_watch::Ladder;

use crate::table::{Exposure, Table};
use crate::{Asked, replay};

/// The day on which the first insider of a floor begins; each further one begins a day later.
const BEGINS: u32 = 30;

pub(crate) fn measure(asked: &Asked, table: &mut Table) -> Result<(), String> {
    let ladder = asked.ladder.clone().unwrap_or_default();
    for seed in &asked.seeds {
        eprintln!("seed {seed}: honest days");
        let (log, _) = floor(asked, *seed, Vec::new())?;
        let said = replay(&log[..], &ladder, None);
        table.speed(said.lines, said.took);
        table.honest("simulated", &said);
        drop(log);
        for scenario in &asked.scenarios {
            eprintln!("seed {seed}: {scenario}");
            played(asked, *seed, scenario.parse()?, &ladder, table)?;
        }
    }
    Ok(())
}

fn played(
    asked: &Asked,
    seed: u64,
    scenario: Scenario,
    ladder: &Ladder,
    table: &mut Table,
) -> Result<(), String> {
    // A ring is one case of six people.
    let count = if matches!(scenario, Scenario::C1 | Scenario::S6) { 1 } else { asked.insiders };
    let insider = |n| Insider { scenario, begins: BEGINS + n, rate: None };
    let (log, truth) = floor(asked, seed, (0..count).map(insider).collect())?;
    let said = replay(&log[..], ladder, None);
    let exposures: Vec<Exposure> = truth
        .exposures
        .iter()
        .map(|e| Exposure { time: e.time, staff: e.staff.as_str().to_owned(), listed: e.listed })
        .collect();
    table.played("simulated", scenario.word(), scenario.sentence(), &exposures, &said);
    Ok(())
}

fn floor(asked: &Asked, seed: u64, insiders: Vec<Insider>) -> Result<(Vec<u8>, Truth), String> {
    let (staff, days) = (asked.staff, asked.days);
    let settings = HistorySettings { seed, staff, days, insiders, ..HistorySettings::default() };
    let mut log = Vec::new();
    let truth = write(&settings, &mut log, |_| {}).map_err(|e| e.to_string())?;
    Ok((log, truth))
}
