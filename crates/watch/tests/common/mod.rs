//! A small desk: people who answer tickets that are routed to them, every day, and lines as they come.

// Each test uses a part.
#![allow(dead_code)]

use model::Timestamp;
use sightline_watch::{Finding, Lines, Options, Output, Watch};

pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const DAY: u64 = 24 * 60 * MINUTE;
/// Monday, 2 March 2026.
pub(crate) const BEGIN: u64 = 1_772_409_600_000;

/// Lines with times, sorted when written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk {
    pub(crate) lines: Vec<(u64, String)>,
    tickets: u32,
}

impl Desk {
    /// `people` agents of two teams and `days` days of twenty tickets each.
    pub(crate) fn ordinary(people: u32, days: u64) -> Self {
        let mut desk = Self::default();
        for who in 0..people {
            let team = who % 2;
            desk.lines.push((0, format!(r#"{{"kind":"staff","staff":"s-{who}","team":"t-{team}","role":"agent","employer":"in-house","from":"2026-01-01T00:00:00Z"}}"#)));
        }
        let mut customer = 0;
        for day in 0..days {
            for who in 0..people {
                for n in 0..20 {
                    customer += 1;
                    // Now and then one is looked at without a ticket.
                    let odd = customer % 151 == 0;
                    desk.work(day, 480 + n * 24 + u64::from(who % 7), who, &format!("c-{customer}"), !odd);
                }
            }
        }
        desk
    }

    /// A look with or without a routed ticket, and an answer.
    pub(crate) fn work(&mut self, day: u64, minute: u64, who: u32, customer: &str, ticket: bool) {
        let at = BEGIN + day * DAY + minute * MINUTE;
        if ticket {
            self.tickets += 1;
            let ticket = self.tickets;
            self.ticket(at - 5 * MINUTE, "opened", ticket, customer, "customer", None);
            self.ticket(at - 4 * MINUTE, "assigned", ticket, customer, "router", Some(who));
            self.look(at, who, customer, &["identity.name"]);
            self.ticket(at + 3 * MINUTE, "acted", ticket, customer, &format!("s-{who}"), None);
            self.ticket(at + 4 * MINUTE, "closed", ticket, customer, &format!("s-{who}"), None);
        } else {
            self.look(at, who, customer, &["identity.name"]);
        }
    }

    pub(crate) fn ticket(
        &mut self,
        at: u64,
        what: &str,
        ticket: u32,
        customer: &str,
        by: &str,
        to: Option<u32>,
    ) {
        let to = to.map(|w| format!(r#","to":"s-{w}""#)).unwrap_or_default();
        self.lines.push((at, format!(r#"{{"kind":"ticket","time":"{}","event":"{what}","ticket":"k-{ticket}","customer":"{customer}","by":"{by}"{to}}}"#, Timestamp(at))));
    }

    pub(crate) fn look(&mut self, at: u64, who: u32, customer: &str, fields: &[&str]) {
        self.access(at, who, customer, "view", fields, "session", "10.0.0.1");
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn access(
        &mut self,
        at: u64,
        who: u32,
        customer: &str,
        action: &str,
        fields: &[&str],
        session: &str,
        ip: &str,
    ) {
        let fields = fields.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(",");
        self.lines.push((at, format!(r#"{{"kind":"access","time":"{}","staff":"s-{who}","customer":"{customer}","action":"{action}","fields":[{fields}],"ticket":null,"session":"{session}-{who}","ip":"{ip}"}}"#, Timestamp(at))));
    }

    pub(crate) fn customer(&mut self, customer: &str, tier: &str, canary: bool) {
        self.lines.push((
            0,
            format!(r#"{{"kind":"customer","customer":"{customer}","tier":"{tier}","canary":{canary}}}"#),
        ));
    }

    pub(crate) fn text(&self) -> String {
        let mut lines = self.lines.clone();
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }
}

/// What a watch makes of a text.
pub(crate) fn watched(text: &str) -> Vec<Output> {
    let mut watch = Watch::new(Options::default());
    let mut out = feed(&mut watch, text);
    watch.finish(&mut out);
    out
}

/// Feeds a text without ending it.
pub(crate) fn feed(watch: &mut Watch, text: &str) -> Vec<Output> {
    let mut out = Vec::new();
    let mut lines = Lines::new(text.as_bytes());
    while let Some((_, line)) = lines.next_line().unwrap() {
        if let Ok(line) = line {
            let _ = watch.line(&line, &mut out);
        }
    }
    out
}

/// The findings about somebody.
pub(crate) fn about(out: &[Output], who: u32) -> Vec<&Finding> {
    let staff = format!("s-{who}");
    let findings = out.iter().filter_map(|o| match o {
        Output::Finding(finding) if finding.staff.as_str() == staff => Some(&**finding),
        Output::Finding(_) | Output::Day(_) => None,
    });
    findings.collect()
}
