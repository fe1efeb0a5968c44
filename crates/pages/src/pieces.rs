//! The pieces that pages are made of.

use std::time::Duration;

use askama::Template;
use chrono::{DateTime, Utc};
use model::{ClassSet, Evidence, Tier, Timestamp};

use crate::Html;

/// The icons, drawn on a 20 by 20 grid with the stroke of the text around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is what its name says
pub enum Icon {
    Overview,
    Staff,
    Customer,
    Radius,
    Session,
    Report,
    Ledger,
    Help,
    Lock,
    Warning,
    Info,
    Done,
    Search,
    Download,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Icon::Overview => "M3 17h14M5 13.5v-3M10 13.5V4M15 13.5V7.5",
            Icon::Staff => {
                "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2 17c0-3 2.3-5 5.5-5s5.5 2 5.5 5M13 3.8a3 3 0 0 1 0 5.4M15 12.5c1.9.7 3 2.3 3 4.5"
            }
            Icon::Customer => {
                "M10 9a3.2 3.2 0 1 0 0-6.4A3.2 3.2 0 0 0 10 9ZM3.5 17.5c0-3.5 2.7-5.7 6.5-5.7s6.5 2.2 6.5 5.7"
            }
            Icon::Radius => {
                "M10 10h.01M10 13.3a3.3 3.3 0 1 0 0-6.6 3.3 3.3 0 0 0 0 6.6ZM10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15Z"
            }
            Icon::Session => "M3 4h14v9H3ZM7 17h6M10 13v4",
            Icon::Report => "M5 2.5h7l3.5 3.5v11.5H5ZM12 2.5V6h3.5M8 10.5h4.5M8 13.5h4.5",
            Icon::Ledger => "M4 3.5h12v13H4ZM4 8h12M4 12h12M8 8v8.5",
            Icon::Help => {
                "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM7.8 7.8a2.2 2.2 0 1 1 3.3 2c-.7.4-1.1.8-1.1 1.7M10 14h.01"
            }
            Icon::Lock => "M4.5 9h11v8h-11ZM7 9V6.5a3 3 0 0 1 6 0V9M10 12.3v1.7",
            Icon::Warning => "M10 3 2.5 16.5h15ZM10 8.5V12M10 14.3h.01",
            Icon::Info => "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM10 9.5V14M10 6.5h.01",
            Icon::Done => "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM6.8 10.3l2.2 2.2 4.2-4.7",
            Icon::Search => "M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM13 13l4 4",
            Icon::Download => "M10 3v9M6.5 8.7 10 12.2l3.5-3.5M3.5 16.5h13",
        }
    }
}

/// An icon. It says nothing to a screen reader: the text beside it does.
pub fn icon(icon: Icon) -> Html {
    Html::trusted(format!(
        r#"<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="{}"/></svg>"#,
        icon.path()
    ))
}

/// The word mark.
pub fn wordmark() -> Html {
    Html::trusted(
        r#"<span class="wordmark"><svg viewBox="0 0 24 24" aria-hidden="true"><rect class="tile" width="24" height="24" rx="6"/><path class="lens" d="M3.5 12c2.3-3.6 5.1-5.4 8.5-5.4s6.2 1.8 8.5 5.4c-2.3 3.6-5.1 5.4-8.5 5.4S5.8 15.6 3.5 12Z" stroke-width="1.6" stroke-linejoin="round"/><circle class="pupil" cx="12" cy="12" r="2.5"/></svg>Sightline</span>"#,
    )
}

fn utc(at: Timestamp) -> Option<DateTime<Utc>> {
    i64::try_from(at.0).ok().and_then(DateTime::from_timestamp_millis)
}

/// How long ago `at` was, in words: "just now", "4 min ago", and from a day on the day itself. A time to
/// come is "in 4 min".
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    const DAY: Duration = Duration::from_secs(86_400);
    let words = |d: Duration| match d.as_secs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s @ 3600..21_600 if s % 3600 >= 60 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        s => format!("{} h", s / 3600),
    };
    let (past, future) = (now.since(at), at.since(now));
    match () {
        () if past >= DAY || future >= DAY => {
            utc(at).map_or_else(|| at.to_string(), |t| t.format("%-d %b %H:%M").to_string())
        }
        () if !future.is_zero() => format!("in {}", words(future)),
        () if past.as_secs() < 10 => "just now".to_owned(),
        () => format!("{} ago", words(past)),
    }
}

/// A time: relative in the text, exact in the markup and on hover. The script keeps past ones fresh.
pub fn time(at: Timestamp, now: Timestamp) -> Html {
    let exact = utc(at).map_or_else(|| at.to_string(), |t| t.format("%-d %B %Y, %H:%M:%S UTC").to_string());
    let fresh = if at <= now { " data-relative" } else { "" };
    Html::trusted(format!(
        r#"<time datetime="{at}" title="{exact}"{fresh}>{}</time>"#,
        Html::text(relative(at, now))
    ))
}

/// A number for people: thousands apart.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `part` of `whole` in per cent, with as many places as it takes to see that it is not nothing.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    #[allow(clippy::cast_precision_loss)] // a percentage of two or three digits
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        0.0 => "0 %".to_owned(),
        p if p < 0.01 => "under 0.01 %".to_owned(),
        p if p < 1.0 => format!("{p:.2} %"),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

/// An evidence class as its letter, with its meaning on hover and for screen readers.
pub fn evidence(evidence: Evidence) -> Html {
    let letter = evidence.word();
    Html::trusted(format!(
        r#"<span class="ev ev-{}" title="{letter}: {}">{letter}<span class="unseen">: {}</span></span>"#,
        letter.to_ascii_lowercase(),
        evidence.sentence(),
        evidence.sentence(),
    ))
}

/// Field classes as chips.
pub fn classes(classes: ClassSet) -> Html {
    if classes.is_empty() {
        return Html::trusted(r#"<span class="muted small">all masked</span>"#);
    }
    let chips: String =
        classes.iter().map(|c| format!(r#"<span class="chip class">{}</span>"#, c.word())).collect();
    Html::trusted(format!(r#"<span class="chips">{chips}</span>"#))
}

/// A tier as a chip; the standard one says nothing.
pub fn tier(tier: Tier) -> Html {
    match tier {
        Tier::Standard => Html::default(),
        Tier::HighValue => Html::trusted(r#"<span class="chip accent">high value</span>"#),
        Tier::Protected => Html::trusted(r#"<span class="chip accent">protected</span>"#),
    }
}

/// What a notice, a meter or a chip means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// To know.
    Info,
    /// Done, fine.
    Good,
    /// Look at this.
    Warn,
    /// Stopped, or failed.
    Bad,
}

/// A notice: an icon and a sentence or two.
pub fn notice(tone: Tone, what: Html) -> Html {
    let (class, sign, role) = match tone {
        Tone::Info => ("", Icon::Info, "note"),
        Tone::Good => (" good", Icon::Done, "status"),
        Tone::Warn => (" warn", Icon::Warning, "note"),
        Tone::Bad => (" bad", Icon::Warning, "alert"),
    };
    Html::trusted(format!(
        r#"<div class="notice{class}" role="{role}">{}<div>{what}</div></div>"#,
        icon(sign)
    ))
}

/// The block with the reference number that a page gives to whoever was refused.
pub fn reference(number: &str) -> Html {
    Html::trusted(format!(
        r#"<p class="reference"><span>Reference</span><code>{}</code><span>Give this number when you ask about it.</span></p>"#,
        Html::text(number)
    ))
}

/// What stands where there is nothing yet: what that means, and what to do next (a link or button, or nothing).
pub fn empty(sign: Icon, title: &str, what_next: &str, action: Html) -> Html {
    Html::trusted(format!(
        r#"<div class="empty">{}<h3>{}</h3><p>{}</p>{action}</div>"#,
        icon(sign),
        Html::text(title),
        Html::text(what_next)
    ))
}

#[derive(Template)]
#[template(path = "meter.html")]
struct MeterTemplate<'a> {
    label: &'a str,
    used: u32,
    limit: u32,
    percent: u32,
    state: &'static str,
}

/// How much of a budget is used.
pub fn meter(label: &str, used: u32, limit: u32) -> Html {
    let percent = match limit {
        0 => 100,
        _ => u32::try_from((u64::from(used) * 100 / u64::from(limit)).min(100)).unwrap_or(100),
    };
    let state = match percent {
        100.. => " full",
        75.. => " near",
        _ => "",
    };
    Html::of(&MeterTemplate { label, used, limit, percent, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_time_is_relative_for_a_day_and_then_a_date() {
        let now = at("2026-03-02T12:00:00Z");
        for (then, words) in [
            ("2026-03-02T11:59:55Z", "just now"),
            ("2026-03-02T11:59:18Z", "42 s ago"),
            ("2026-03-02T11:56:00Z", "4 min ago"),
            ("2026-03-01T12:00:01Z", "23 h ago"),
            ("2026-03-01T12:00:00Z", "1 Mar 12:00"),
            ("2026-03-02T10:48:10Z", "1 h 11 min ago"),
            ("2026-03-02T14:30:00Z", "in 2 h 30 min"),
            ("2026-03-04T14:30:00Z", "4 Mar 14:30"),
        ] {
            assert_eq!(relative(at(then), now), words);
        }
    }

    #[test]
    fn a_time_carries_the_exact_one() {
        let html = time(at("2026-03-02T11:56:07.250Z"), at("2026-03-02T12:00:00Z"));
        assert_eq!(
            html.as_str(),
            r#"<time datetime="2026-03-02T11:56:07.250Z" title="2 March 2026, 11:56:07 UTC" data-relative>3 min ago</time>"#
        );
    }

    #[test]
    fn numbers_are_grouped_and_small_shares_are_not_nothing() {
        assert_eq!(
            [count(0), count(999), count(1000), count(69_461_123)],
            ["0", "999", "1,000", "69,461,123"]
        );
        assert_eq!(
            [share(0, 10), share(2, 10_000), share(1, 1_000_000), share(1, 20), share(1, 3), share(0, 0)],
            ["0 %", "0.02 %", "under 0.01 %", "5.0 %", "33 %", "–"]
        );
    }

    #[test]
    fn a_budget_that_is_used_up_or_never_was_looks_full() {
        assert!(meter("Unexplained looks", 2, 2).as_str().contains(r#"class="meter full""#));
        assert!(meter("Unexplained looks", 0, 0).as_str().contains(r#"class="meter full""#));
        assert!(meter("Rows in lists", 230, 300).as_str().contains(r#"class="meter near""#));
        assert!(meter("Rows in lists", 30, 300).as_str().contains(r#"width="10%""#));
    }
}
