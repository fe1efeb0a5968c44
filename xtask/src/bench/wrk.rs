//! Load by `wrk`.

use std::process::Command;

use crate::sh::Outcome;

/// How many requests are under way at any time.
pub(crate) const CONNECTIONS: usize = 32;

/// What one run of wrk says.
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) requests: f64,
}

/// One thread, for so many seconds. Answers other than 2xx and 3xx are an error.
pub(crate) fn wrk(url: &str, cookie: &str, seconds: u32) -> Outcome<Load> {
    let output = Command::new("wrk")
        .args([
            "-t1",
            &format!("-c{CONNECTIONS}"),
            "--latency",
            &format!("-d{seconds}s"),
            "-H",
            &format!("Cookie: {cookie}"),
            url,
        ])
        .output()
        .map_err(|e| format!("wrk: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || said.contains("Non-2xx") || said.contains("Socket errors") {
        return Err(format!("wrk {url} was not answered as it should be:\n{said}"));
    }
    let after = |label: &str| {
        let line = said.lines().find_map(|l| l.trim().strip_prefix(label));
        line.and_then(|rest| rest.split_whitespace().next()).unwrap_or("").to_owned()
    };
    let requests =
        said.lines().find(|l| l.contains(" requests in ")).and_then(|l| l.split_whitespace().next());
    Ok(Load {
        per_second: after("Requests/sec:").parse().unwrap_or(f64::NAN),
        p50_ms: milliseconds(&after("50%")),
        p99_ms: milliseconds(&after("99%")),
        requests: requests.and_then(|n| n.parse().ok()).unwrap_or(f64::NAN),
    })
}

/// `850.00us`, `1.20ms`, `2.00s`.
fn milliseconds(text: &str) -> f64 {
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1000.0)] {
        if let Some(number) = text.strip_suffix(unit).and_then(|n| n.parse::<f64>().ok()) {
            return number * factor;
        }
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn every_unit_of_wrk_is_read() {
        assert_eq!(milliseconds("850.00us"), 0.85);
        assert_eq!(milliseconds("1.20ms"), 1.2);
        assert_eq!(milliseconds("2.00s"), 2000.0);
    }
}
