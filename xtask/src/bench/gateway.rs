//! `cargo xtask bench gateway`: the same answers of the same app through nginx and through Sightline.
//!
//! All programs run on loopback at the same time, and one of them is under load. The peers take turns in
//! rounds, so that a machine that slows down slows all of them; the median of the rounds counts.

use std::time::Duration;

use super::report::{Figures, Recorded, Report, Row};
use super::stage::{Peer, SIZES, Size, Stage};
use super::{floor, wrk};
use crate::sh::{Outcome, cargo, run as build, target};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; the peers take turns in each, and the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Seconds of load for each peer and size in each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Builds Sightline, measures, prints, and checks the ledger that the load has written.
pub(crate) fn run(options: &Options) -> Outcome {
    build(&mut cargo(["build", "--release", "--package", "sightline"])?)?;
    let dir = std::env::temp_dir().join(format!("sightline-bench-{}", std::process::id()));
    std::fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let measured = Stage::set(&dir, &target().join("release/sightline"))
        .and_then(|stage| measure(stage, options))
        .map_err(|why| format!("{why}\nwhat the programs wrote is kept in {}", dir.display()))?;
    println!("{}", if options.json { measured.to_json() } else { measured.to_string() });
    std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))
}

fn measure(stage: Stage, options: &Options) -> Outcome<Report> {
    let cases: Vec<(Peer, Size)> =
        SIZES.iter().flat_map(|size| Peer::ALL.iter().map(|peer| (*peer, *size))).collect();
    let mut samples: Vec<Vec<Figures>> = cases.iter().map(|_| Vec::new()).collect();
    let mut floors = vec![floor::fdatasync_ms(stage.dir())?];
    for round in 1..=options.rounds {
        for ((peer, size), samples) in cases.iter().zip(&mut samples) {
            eprintln!("round {round} of {}: {} of {}", options.rounds, peer.name(), size.name());
            samples.push(load(&stage, *peer, *size, options.seconds)?);
        }
        floors.push(floor::fdatasync_ms(stage.dir())?);
    }

    let through_sightline = |peer: &Peer| matches!(peer, Peer::Observe | Peer::Enforce);
    let answered = cases.iter().zip(&samples).filter(|((peer, _), _)| through_sightline(peer));
    let answered: f64 = answered.flat_map(|(_, samples)| samples).map(|figures| figures.requests).sum();
    let looks = stage.looks()?;
    let (entries, batches) = stage.end_and_verify()?;
    if (looks as f64) < answered {
        return Err(format!("{answered} looks were answered and only {looks} are in the ledger"));
    }
    Ok(Report {
        rounds: options.rounds,
        seconds: options.seconds,
        floors_ms: floors,
        rows: cases.iter().zip(samples).map(|((peer, size), of)| Row::new(*peer, *size, of)).collect(),
        recorded: Recorded { answered, looks, entries, batches },
    })
}

/// Load on one peer. What it still does afterwards belongs to the requests, and is waited for.
fn load(stage: &Stage, peer: Peer, size: Size, seconds: u32) -> Outcome<Figures> {
    let before = stage.cpu_seconds(peer);
    let load = wrk::wrk(&stage.url(peer, size), stage.cookie(peer), seconds)?;
    let after = settled(|| stage.cpu_seconds(peer))?;
    Ok(Figures {
        per_second: load.per_second,
        p50_ms: load.p50_ms,
        p99_ms: load.p99_ms,
        cpu_us: (after - before) * 1e6 / load.requests,
        requests: load.requests,
    })
}

/// What a growing figure says once it has stopped growing for half a second.
fn settled(read: impl Fn() -> f64) -> Outcome<f64> {
    let mut last = read();
    for _ in 0..240 {
        std::thread::sleep(Duration::from_millis(500));
        let now = read();
        // Timers and polls are a tick or two.
        if now - last < 0.03 {
            return Ok(now);
        }
        last = now;
    }
    Err("the peer is still busy two minutes after the load".into())
}
