//! The evidence process of one person, drawn against the rungs.

use askama::Template;
use model::containment::Point;
use model::{Level, Timestamp};

use crate::chart::when;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 96.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;

/// The curve. Scores are in hundredths of a nat.
#[derive(Template)]
#[template(path = "curve.html")]
pub(crate) struct Curve {
    description: String,
    path: String,
    rungs: Vec<Rung>,
    marks: Vec<Mark>,
    y_ticks: Vec<(f64, i32)>,
    x_ticks: Vec<(f64, String)>,
}

struct Rung {
    y: f64,
    label: &'static str,
    closes: bool,
}

/// A look that weighs.
struct Mark {
    x: f64,
    y: f64,
    entry: u64,
}

impl Curve {
    /// `weighty`: the entries to mark. None where there is nothing to draw.
    pub(crate) fn over(points: &[Point], rungs: &[i32], weighty: &[u64]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let highest = points.iter().map(|p| p.score).max()?;
        let lowest = points.iter().map(|p| p.score).min()?.min(0);
        let next_rung = rungs.iter().copied().find(|rung| *rung > highest);
        let top = next_rung.unwrap_or(highest).max(highest).max(100);
        let span = f64::from((top - lowest).max(1));
        let y = |score: i32| TOP + (HEIGHT - TOP - BOTTOM) * f64::from(top - score) / span;
        let length = last.time.since(first.time).as_millis() as f64;
        // Where everything happened at one moment, in the order of the ledger.
        let x_of = |at: usize, time: Timestamp| {
            let share = match length > 0.0 {
                true => time.since(first.time).as_millis() as f64 / length,
                false => at as f64 / (points.len() - 1).max(1) as f64,
            };
            LEFT + (WIDTH - LEFT - RIGHT) * share
        };
        let mut path = String::new();
        let mut marks = Vec::new();
        for (at, point) in points.iter().enumerate() {
            let (x, y) = (x_of(at, point.time), y(point.score));
            path.push_str(&format!("{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" }));
            if weighty.contains(&point.entry) {
                marks.push(Mark { x, y, entry: point.entry });
            }
        }
        let in_sight = Level::ALL.iter().zip(rungs).filter(|(_, rung)| **rung <= top);
        let tick = |share: usize| {
            let time = Timestamp(first.time.0 + (length * share as f64 / 4.0) as u64);
            (LEFT + (WIDTH - LEFT - RIGHT) * share as f64 / 4.0, when(time, (length / 4.0) as u64))
        };
        let step = (top / 400).max(1) * 100;
        Some(Self {
            description: format!(
                "From {:.1} to {:.1} in {} steps, the highest {:.1}; each mark is one of the looks that weigh most.",
                nats(first.score),
                nats(last.score),
                points.len(),
                nats(highest)
            ),
            path,
            rungs: in_sight
                .map(|(level, rung)| Rung { y: y(*rung), label: name(*level), closes: level.closes() })
                .collect(),
            marks,
            y_ticks: (0..=top / step).map(|i| (y(i * step), i * step / 100)).collect(),
            x_ticks: if length > 0.0 { (0..=4).map(tick).collect() } else { Vec::new() },
        })
    }
}

/// A rung in one word, for an axis.
fn name(level: Level) -> &'static str {
    match level {
        Level::Nudge => "a word",
        Level::StepUp => "fresh login",
        Level::Throttle => "slower",
        Level::Suspend => "paused",
        Level::Revoke => "ended",
    }
}

/// A score in nats.
pub(crate) fn nats(hundredths: i32) -> f64 {
    f64::from(hundredths) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_the_scores_the_curve_stays_in_its_picture(
            scores in proptest::collection::vec((-2000i32..4000, 0u64..100_000), 1..96),
            rungs in proptest::collection::vec(1i32..3000, 0..5),
        ) {
            let mut time = 1_790_000_000_000;
            let points: Vec<Point> = scores.iter().enumerate().map(|(entry, (score, wait))| {
                time += wait;
                Point { entry: entry as u64, time: Timestamp(time), score: *score }
            }).collect();
            let mut rungs = rungs;
            rungs.sort_unstable();
            let curve = Curve::over(&points, &rungs, &[0]).unwrap();
            for Mark { x, y, .. } in &curve.marks {
                prop_assert!((LEFT..=WIDTH).contains(x) && (0.0..=HEIGHT).contains(y));
            }
            prop_assert!(curve.rungs.iter().all(|rung| (0.0..=HEIGHT).contains(&rung.y)));
            prop_assert!(curve.y_ticks.len() <= 64 && !curve.path.contains("NaN"));
        }
    }

    #[test]
    fn without_a_point_there_is_no_curve() {
        assert!(Curve::over(&[], &[100], &[]).is_none());
    }
}
