//! One entry as one line for the terminal.

use model::entry::{Actor, Erased, Event, Target};
use model::{Entry, IncidentOpened, StaffId};

/// `     12  2026-11-21T09:30:00.000Z  s-17  revealed  …`
pub(crate) fn entry_line(index: u64, entry: &Entry) -> String {
    let staff = entry.event.staff().map_or("", StaffId::as_str);
    format!("{index:>8}  {}  {staff:<10}  {:<17}  {}\n", entry.time, entry.event.kind(), says(&entry.event))
}

fn says(event: &Event) -> String {
    match event {
        Event::Started(e) => e.software.clone(),
        Event::SettingsInForce(e) => {
            let apps: Vec<_> = e.apps.iter().map(|a| format!("{} {}", a.app, a.mode)).collect();
            format!("{} by {}", apps.join(", "), actor(&e.by))
        }
        Event::PolicyInForce(e) => format!("{} by {}", e.policy, actor(&e.by)),
        Event::StaffRecorded(e) => {
            let record = &e.record;
            format!(
                "{}, team {}, {}, {} by {}",
                record.role,
                record.team,
                record.employer,
                record.status,
                actor(&e.by)
            )
        }
        Event::SessionOpened(e) => format!("{} at {} until {}", e.session, e.door, e.expires),
        Event::SessionClosed(e) => format!("{} {}", e.session, e.why),
        Event::GrantIssued(e) => {
            let charged = if e.charged { ", charged" } else { "" };
            format!("{} {} {} evidence {}{charged} [{}]", e.grant, e.purpose, e.tier, e.evidence, e.classes)
        }
        Event::Revealed(e) => {
            format!("{} {} {} evidence {} [{}]", e.action, e.by.app, e.tier, e.evidence, e.classes)
        }
        Event::Listed(e) => format!("{} {} {} rows [{}]", e.action, e.by.app, e.rows, e.classes),
        Event::Written(e) => format!("{} {} values put back", e.by.app, e.restored),
        Event::Refused(e) => format!("{} {}", e.why, e.response),
        Event::Revoked(e) => {
            let target = match &e.target {
                Target::Staff(staff) => staff.to_string(),
                Target::Session(session) => session.to_string(),
                Target::Grant(grant) => grant.to_string(),
            };
            format!("{target} by {}: {}", actor(&e.by), e.reason)
        }
        Event::Questioned(e) => format!("{} by {}", e.question, actor(&e.by)),
        Event::Proposed(e) => format!("{} {} by {}", e.proposal, e.act.kind(), actor(&e.by)),
        Event::Decided(e) => format!("{} {} by {}", e.proposal, e.decision, e.by),
        Event::Erased(Erased::Customer { proposal, .. }) => format!("a customer, by {proposal}"),
        Event::Erased(Erased::Before { month }) => format!("whom entries before {month} are about"),
        Event::IncidentOpened(e) => incident(e),
        Event::MarkIssued(e) => format!("{} {} for {} from {}", e.by.app, e.mark, e.by.session, e.bucket),
        Event::MarkFault(e) => format!("{} {} {} masks [{}]", e.by.app, e.what, e.by.session, e.masks),
        Event::MarkSound(e) => format!("{} {}", e.by.app, e.by.session),
        Event::Finding(e) => {
            format!(
                "{} {} {} score {:.2}, {} customers",
                e.finding,
                e.detector,
                e.level,
                f64::from(e.score) / 100.0,
                e.exposed
            )
        }
        Event::Contained(e) => format!("{} by {}: {}", e.level, actor(&e.by), e.reason),
        Event::Lifted(e) => format!("by {}: {}", e.by, e.reason),
        Event::Triaged(e) => format!("{} {}", e.finding, e.verdict),
        Event::WatchInForce(e) => {
            format!("{}, throttle {} minutes by {}", e.mode, e.throttle_minutes, actor(&e.by))
        }
        Event::Reauthenticated(e) => format!("{} asked at {}", e.session, e.asked),
        Event::RuleMatched(e) => {
            let entries: Vec<String> = e.entries.iter().map(u64::to_string).collect();
            let more =
                if e.unrecorded > 0 { format!(", {} times more", e.unrecorded) } else { String::new() };
            format!("{} {} by entries {}{more}", e.rule, e.level, entries.join(", "))
        }
        Event::CanariesPlanted(e) => format!("{} {} in {} by {}", e.count, e.what, e.app, actor(&e.by)),
    }
}

fn incident(e: &IncidentOpened) -> String {
    let contradiction = match (&e.witness, e.seen) {
        (Some(witness), Some(seen)) => {
            format!(": {witness} has seen {seen} entries, the ledger had {}", e.size)
        }
        (Some(witness), None) => format!(": {witness} refuses the ledger of {} entries", e.size),
        (None, _) => String::new(),
    };
    let proved = if e.proved { ", proved by the ledger's own signature" } else { "" };
    format!("{} {}{contradiction}{proved}", e.incident, e.what)
}

fn actor(actor: &Actor) -> &str {
    match actor {
        Actor::Staff(staff) => staff.as_str(),
        Actor::Operator => "the operator",
        Actor::System => "sightline",
    }
}
