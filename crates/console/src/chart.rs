//! Geometry of the charts. They are drawn as SVG on the server and coloured by the style's classes,
//! so that they follow light, dark and print, and need no script.

use std::borrow::Borrow;
use std::time::Duration;

use askama::Template;
use chrono::{DateTime, Utc};
use model::{Evidence, Timestamp};
use views::{Bucket, ByEvidence, HeatRow};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 32.0;
const RIGHT: f64 = 4.0;
/// Room above the bars for the marks of refusals and revocations.
const TOP: f64 = 34.0;
const BOTTOM: f64 = 24.0;

/// Looks over time, stacked by evidence class, with refusals and revocations above.
#[derive(Template)]
#[template(path = "looks_chart.html")]
pub(crate) struct LooksChart {
    description: String,
    bars: Vec<Bar>,
    y_ticks: Vec<(f64, u64)>,
    x_ticks: Vec<(f64, String)>,
}

struct Bar {
    title: String,
    x: f64,
    width: f64,
    segments: Vec<Segment>,
    /// The middle, for the marks.
    middle: f64,
    refused: bool,
    revoked: bool,
}

struct Segment {
    letter: String,
    y: f64,
    height: f64,
}

impl LooksChart {
    pub(crate) fn over(buckets: &[Bucket], bucket_ms: u64) -> Self {
        let tallest = buckets.iter().map(|b| b.looks.total()).max().unwrap_or(0);
        let (top, step) = scale(tallest);
        let plot = HEIGHT - TOP - BOTTOM;
        let y = |looks: u64| HEIGHT - BOTTOM - plot * looks as f64 / top as f64;
        let stride = (WIDTH - LEFT - RIGHT) / buckets.len().max(1) as f64;
        let gap = (stride * 0.2).min(3.0);
        let bars = buckets.iter().enumerate().map(|(i, bucket)| {
            let x = LEFT + stride * i as f64;
            Bar {
                title: Self::title(bucket, bucket_ms),
                x: x + gap / 2.0,
                width: (stride - gap).min(48.0),
                segments: stack(&bucket.looks, y),
                middle: x + gap / 2.0 + (stride - gap).min(48.0) / 2.0,
                refused: bucket.refused > 0,
                revoked: bucket.revoked > 0,
            }
        });
        let total: u64 = buckets.iter().map(|b| b.looks.total()).sum();
        let weak: u64 = buckets.iter().map(|b| b.looks.weak()).sum();
        Self {
            description: format!(
                "{} looks, of which {} are unexplained. Each bar is {}. The table below has the figures.",
                pages::count(total),
                pages::count(weak),
                length(bucket_ms)
            ),
            bars: bars.collect(),
            y_ticks: (0..=top / step).map(|i| (y(i * step), i * step)).collect(),
            x_ticks: x_ticks(buckets, bucket_ms, stride),
        }
    }

    fn title(bucket: &Bucket, bucket_ms: u64) -> String {
        let mut title = format!("{}: {}", when(bucket.start, bucket_ms), many(bucket.looks.total(), "look"));
        if bucket.looks.weak() > 0 {
            title += &format!(", {} unexplained", bucket.looks.weak());
        }
        if bucket.refused > 0 {
            title += &format!(", {} refused", bucket.refused);
        }
        if bucket.revoked > 0 {
            title += &format!(", {}", many(bucket.revoked, "revocation"));
        }
        title
    }
}

/// From A at the bottom to G on top: what is unexplained lies where it is seen.
fn stack(looks: &ByEvidence, y: impl Fn(u64) -> f64) -> Vec<Segment> {
    let mut below = 0;
    let mut segments = Vec::new();
    for class in Evidence::ALL {
        let n = looks.of(*class);
        if n > 0 {
            let (from, to) = (y(below), y(below + n));
            segments.push(Segment { letter: letter(class), y: to, height: from - to });
            below += n;
        }
    }
    segments
}

/// The letter of an evidence class, as the style's class names have it.
pub(crate) fn letter(class: &Evidence) -> String {
    class.word().to_ascii_lowercase()
}

/// The top of an axis and the distance of its lines: three or four lines at round numbers.
fn scale(tallest: u64) -> (u64, u64) {
    let step = (0..)
        .flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.saturating_pow(power)))
        .find(|step| tallest.div_ceil(*step) <= 4)
        .unwrap_or(1);
    (tallest.div_ceil(step).max(1) * step, step)
}

fn x_ticks(buckets: &[Bucket], bucket_ms: u64, stride: f64) -> Vec<(f64, String)> {
    let every = buckets.len().div_ceil(8).max(1);
    let ticks = buckets.iter().enumerate().step_by(every);
    ticks
        .map(|(i, b)| (LEFT + stride * i as f64, when(b.start, bucket_ms * buckets.len() as u64 / 8)))
        .collect()
}

fn utc(at: Timestamp) -> DateTime<Utc> {
    i64::try_from(at.0).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

/// A time as exact as the distance between two of its kind asks for.
pub(crate) fn when(at: Timestamp, distance_ms: u64) -> String {
    let format = match Duration::from_millis(distance_ms).as_secs() {
        0..60 => "%H:%M:%S",
        60..14_400 => "%H:%M",
        14_400..86_400 => "%-d %b %H:%M",
        _ => "%-d %b",
    };
    utc(at).format(format).to_string()
}

/// A length of time in words.
pub(crate) fn length(ms: u64) -> String {
    match Duration::from_millis(ms).as_secs() {
        s @ 0..60 => many(s.max(1), "second"),
        s @ 60..3600 => many(s / 60, "minute"),
        s @ 3600..86_400 => many(s / 3600, "hour"),
        s => many(s / 86_400, "day"),
    }
}

/// A number with its noun.
pub(crate) fn many(n: impl Borrow<u64>, noun: &str) -> String {
    let n = *n.borrow();
    format!("{} {noun}{}", pages::count(n), if n == 1 { "" } else { "s" })
}

/// One row of the share by evidence class.
pub(crate) struct ShareRow {
    pub(crate) class: Evidence,
    pub(crate) looks: u64,
    pub(crate) share: String,
    /// The bar, in per cent of the longest.
    pub(crate) bar: String,
    pub(crate) letter: String,
}

/// Looks by evidence class, A to G.
pub(crate) fn shares(looks: &ByEvidence) -> Vec<ShareRow> {
    let (total, most) = (looks.total(), looks.0.iter().copied().max().unwrap_or(0).max(1));
    let row = |class: Evidence| ShareRow {
        class,
        looks: looks.of(class),
        share: pages::share(looks.of(class), total),
        bar: format!("{:.1}", looks.of(class) as f64 * 100.0 / most as f64),
        letter: letter(&class),
    };
    Evidence::ALL.iter().copied().map(row).collect()
}

/// Staff by hour of the day.
#[derive(Template)]
#[template(path = "heat.html")]
pub(crate) struct Heat<'a> {
    rows: Vec<HeatLine<'a>>,
}

struct HeatLine<'a> {
    row: &'a HeatRow,
    cells: Vec<HeatCell>,
    total: u64,
}

struct HeatCell {
    hour: usize,
    looks: u64,
    weak: u64,
    step: u64,
}

impl<'a> Heat<'a> {
    pub(crate) fn over(rows: &'a [HeatRow]) -> Self {
        let most = rows.iter().flat_map(|r| r.looks).max().unwrap_or(0).max(1);
        let line = |row: &'a HeatRow| HeatLine {
            row,
            cells: (0..24)
                .map(|hour| HeatCell {
                    hour,
                    looks: row.looks[hour],
                    weak: row.weak[hour],
                    step: (row.looks[hour] * 5).div_ceil(most),
                })
                .collect(),
            total: row.looks.iter().sum(),
        };
        Self { rows: rows.iter().map(line).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket(start: u64, looks: [u64; 7]) -> Bucket {
        Bucket { start: Timestamp(start), looks: ByEvidence(looks), refused: 0, revoked: 0 }
    }

    proptest! {
        #[test]
        fn bars_stay_inside_the_plot_and_stack_without_holes(counts in proptest::collection::vec(any::<[u16; 7]>(), 0..200)) {
            let buckets: Vec<_> = counts.iter().enumerate()
                .map(|(i, c)| bucket(i as u64 * 60_000, c.map(u64::from))).collect();
            let chart = LooksChart::over(&buckets, 60_000);
            for bar in &chart.bars {
                prop_assert!(bar.x >= LEFT && bar.x + bar.width <= WIDTH);
                let mut foot = HEIGHT - BOTTOM;
                for s in &bar.segments {
                    prop_assert!((s.y + s.height - foot).abs() < 1e-6 && s.y >= TOP - 1e-6);
                    foot = s.y;
                }
            }
        }

        #[test]
        fn an_axis_has_few_lines_and_holds_the_tallest_bar(tallest in 0..u64::from(u32::MAX)) {
            let (top, step) = scale(tallest);
            prop_assert!(top >= tallest && top % step == 0 && (1..=4).contains(&(top / step)));
        }
    }

    #[test]
    fn a_heat_map_spends_its_steps_between_nothing_and_the_most() {
        let mut looks = [0; 24];
        (looks[9], looks[10], looks[11]) = (1, 50, 100);
        let rows = [HeatRow { staff: "s-1".into(), looks, weak: [0; 24] }];
        let heat = Heat::over(&rows);
        let steps: Vec<_> = heat.rows[0].cells.iter().map(|c| c.step).collect();
        assert_eq!(steps[8..12], [0, 1, 3, 5]);
    }
}
