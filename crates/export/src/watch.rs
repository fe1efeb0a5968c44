//! Findings and containment told as events.

use model::{
    Contained, Finding, FindingId, Level, Lifted, Reauthenticated, Triaged, Verdict, WatchInForce, WatchMode,
};
use serde_json::{Map, Value, json};

use crate::tell::{body, told, user};
use crate::told::{Activity, Class, Control, Severity, Told, Who};

const CREATE: Activity = Activity(1, "Create");
const UPDATE: Activity = Activity(2, "Update");
const CLOSE: Activity = Activity(3, "Close");
const ATTACH: Activity = Activity(7, "Attach Policy");
const DETACH: Activity = Activity(8, "Detach Policy");
const LOGON: Activity = Activity(1, "Logon");
const SETTINGS: Activity = Activity(3, "Update");

/// A lead, not a verdict: never more than medium, and for a word no more than low.
pub(crate) fn finding(e: &Finding) -> Told {
    let message = format!(
        "finding {} about {}: {} ({} customers), reached {}",
        e.finding, e.staff, e.detector, e.exposed, e.level
    );
    let related: Vec<Value> = e.contributions.iter().map(|c| json!(c.entry)).collect();
    let mut info = info(&e.finding, &e.detector);
    info["desc"] = json!(message);
    info["analytic"] = json!({ "name": e.detector, "type_id": 2, "type": "Behavioral" });
    info["related_events_count"] = json!(related.len());
    Told {
        severity: if e.level < Level::StepUp { Severity::Low } else { Severity::Medium },
        who: Some(Who::System),
        to: Some(e.staff.clone()),
        reason: Some(e.level.word()),
        body: body(json!({ "finding_info": info })),
        ..told(Class::DetectionFinding, CREATE, message)
    }
}

pub(crate) fn contained(e: &Contained) -> Told {
    Told {
        severity: if e.level < Level::Suspend { Severity::Low } else { Severity::Medium },
        control: Some(Control::Revoked),
        who: Some((&e.by).into()),
        session: e.session,
        to: Some(e.staff.clone()),
        reason: Some(e.reason.word()),
        body: rung(&e.staff, e.level.word(), true),
        ..told(Class::AccountChange, ATTACH, format!("{} is contained: {}", e.staff, e.level))
    }
}

pub(crate) fn lifted(e: &Lifted) -> Told {
    Told {
        who: Some(Who::Staff(e.by.clone())),
        session: Some(e.session),
        to: Some(e.staff.clone()),
        reason: Some(e.reason.word()),
        body: rung(&e.staff, "none", false),
        ..told(Class::AccountChange, DETACH, format!("{} is contained no longer: {}", e.staff, e.reason))
    }
}

pub(crate) fn triaged(e: &Triaged) -> Told {
    let activity = if e.verdict.closes() { CLOSE } else { UPDATE };
    let message = format!("{} says of finding {}: {}", e.by, e.finding, e.verdict);
    Told {
        severity: if e.verdict == Verdict::Confirmed { Severity::Medium } else { Severity::Informational },
        who: Some(Who::Staff(e.by.clone())),
        session: Some(e.session),
        reason: Some(e.verdict.word()),
        body: body(json!({ "finding_info": info(&e.finding, e.verdict.word()) })),
        ..told(Class::DetectionFinding, activity, message)
    }
}

pub(crate) fn in_force(e: &WatchInForce) -> Told {
    let what = match e.mode {
        WatchMode::Shadow => "findings are looked at by people",
        WatchMode::Contain => "findings are contained at once",
    };
    Told {
        severity: Severity::Low,
        who: Some((&e.by).into()),
        body: body(json!({
            "entity": {
                "type_id": 5, "type": "Policy", "name": "watch", "uid": e.mode,
                "policy": { "name": "watch", "uid": e.mode, "is_applied": true },
            },
        })),
        ..told(Class::EntityManagement, SETTINGS, format!("another watch is in force: {what}"))
    }
}

pub(crate) fn reauthenticated(e: &Reauthenticated) -> Told {
    Told {
        who: Some(Who::Staff(e.staff.clone())),
        session: Some(e.session),
        to: Some(e.staff.clone()),
        body: body(json!({
            "user": user(&e.staff),
            "service": { "name": "fresh login" },
            "session": { "uid": e.session },
        })),
        ..told(Class::Authentication, LOGON, format!("{} has logged in afresh", e.staff))
    }
}

fn info(finding: &FindingId, title: &str) -> Value {
    json!({ "uid": finding, "title": title, "types": ["behaviour"] })
}

fn rung(staff: &model::StaffId, level: &str, applied: bool) -> Map<String, Value> {
    let policy = json!({ "name": "containment", "uid": level, "is_applied": applied });
    body(json!({ "user": user(staff), "policy": policy }))
}
