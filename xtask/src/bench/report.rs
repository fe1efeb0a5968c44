//! The figures, as a table and as JSON.

use std::fmt;

use super::stage::{Peer, Size};
use super::{cores, median, processor};
use crate::sh;

/// One peer under load, once.
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Microseconds of CPU for each request, of the peer alone: not of the app, and not of wrk.
    pub(crate) cpu_us: f64,
    pub(crate) requests: f64,
}

/// One line of the table.
pub(crate) struct Row {
    peer: Peer,
    size: Size,
    median: Figures,
}

impl Row {
    pub(crate) fn new(peer: Peer, size: Size, samples: Vec<Figures>) -> Self {
        let of = |figure: fn(&Figures) -> f64| median(samples.iter().map(figure).collect());
        let median = Figures {
            per_second: of(|f| f.per_second),
            p50_ms: of(|f| f.p50_ms),
            p99_ms: of(|f| f.p99_ms),
            cpu_us: of(|f| f.cpu_us),
            requests: samples.iter().map(|f| f.requests).sum(),
        };
        Self { peer, size, median }
    }
}

/// What stands in the ledger afterwards: speed without the record is worth nothing.
pub(crate) struct Recorded {
    /// Requests that wrk got an answer to.
    pub(crate) answered: f64,
    /// Looks in the ledger, also those whose answer came after wrk had hung up.
    pub(crate) looks: u64,
    /// Entries that `sightline verify` has checked.
    pub(crate) entries: u64,
    /// Batches that hold them; each was one write and one sync.
    pub(crate) batches: u64,
}

/// Everything that a run says.
pub(crate) struct Report {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    /// Median times of a synced write, before the first round and after each: disks have moods.
    pub(crate) floors_ms: Vec<f64>,
    pub(crate) rows: Vec<Row>,
    pub(crate) recorded: Recorded,
}

impl Report {
    /// Requests a second as a part of those through `proxy_pass` in the same run.
    fn ratio(&self, row: &Row) -> f64 {
        let peer = self.rows.iter().find(|other| other.peer == Peer::ProxyPass && other.size == row.size);
        peer.map_or(f64::NAN, |peer| row.median.per_second / peer.median.per_second)
    }

    pub(crate) fn to_json(&self) -> String {
        let Recorded { answered, looks, entries, batches } = &self.recorded;
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                format!(
                    "    {{\"peer\":\"{}\",\"size\":\"{}\",\"requests_per_second\":{:.1},\"p50_ms\":{:.3},\
                     \"p99_ms\":{:.3},\"cpu_us_per_request\":{:.1},\"of_proxy_pass\":{:.4},\"requests\":{}}}",
                    row.peer.name(),
                    row.size.name(),
                    row.median.per_second,
                    row.median.p50_ms,
                    row.median.p99_ms,
                    row.median.cpu_us,
                    self.ratio(row),
                    row.median.requests,
                )
            })
            .collect();
        format!(
            "{{\n  \"cores\": {cores},\n  \"processor\": \"{processor}\",\n  \"nginx\": \"{nginx}\",\n  \
             \"wrk\": \"{wrk}\",\n  \"rounds\": {},\n  \"seconds\": {},\n  \"fdatasync_p50_ms\": {:?},\n  \
             \"rows\": [\n{}\n  ],\n  \"answered\": {answered},\n  \"looks\": {looks},\n  \
             \"verified_entries\": {entries},\n  \"batches\": {batches}\n}}",
            self.rounds,
            self.seconds,
            self.floors_ms,
            rows.join(",\n"),
            cores = cores(),
            processor = processor(),
            nginx = version("nginx", "-v"),
            wrk = version("wrk", "-v"),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recorded { answered, looks, entries, batches } = &self.recorded;
        writeln!(f, "{} cores of {}, shared by peer, app and wrk", cores(), processor())?;
        writeln!(f, "{}; {}", version("nginx", "-v"), version("wrk", "-v"))?;
        writeln!(
            f,
            "{} connections; {} rounds of {} s, medians; 4 KiB and fdatasync: p50 {:.2} ms (from {:.2} to {:.2})",
            super::wrk::CONNECTIONS,
            self.rounds,
            self.seconds,
            median(self.floors_ms.clone()),
            self.floors_ms.iter().copied().fold(f64::INFINITY, f64::min),
            self.floors_ms.iter().copied().fold(0.0, f64::max)
        )?;
        writeln!(
            f,
            "\n{:<8} {:<22} {:>10} {:>9} {:>9} {:>12} {:>14}",
            "answer", "through", "requests/s", "p50 ms", "p99 ms", "CPU µs/req.", "of proxy_pass"
        )?;
        for row in &self.rows {
            let Figures { per_second, p50_ms, p99_ms, cpu_us, .. } = row.median;
            writeln!(
                f,
                "{:<8} {:<22} {per_second:>10.0} {p50_ms:>9.2} {p99_ms:>9.2} {cpu_us:>12.1} {:>12.1} %",
                row.size.name(),
                row.peer.name(),
                self.ratio(row) * 100.0
            )?;
        }
        write!(
            f,
            "\n{answered} looks answered, {looks} in the ledger; `sightline verify`: good, {entries} entries in {batches} batches"
        )
    }
}

/// The first line that a program says about itself, on whichever stream.
fn version(program: &str, flag: &str) -> String {
    let said = sh::said(program, flag);
    let line = said.lines().next().unwrap_or(program).replace('"', "'");
    line.split(" Copyright").next().unwrap_or(&line).to_owned()
}
