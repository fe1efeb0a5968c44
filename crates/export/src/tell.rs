//! Entries told as events: one function for each kind, and the table of docs/export.md made true.
//!
//! A new kind of entry does not compile until it is told here; the test against the published schema
//! (`tests/schema.rs`) wants a sample of it.

use ledger::{LedgerError, Record};
use model::entry::{
    Action, Actor, Decided, Decision, Erased, Event, GrantIssued, Listed, Proposed, Questioned, Refused,
    Revealed, RevokeReason, Revoked, SessionClosed, SessionOpened, StaffRecorded, Target, Viewer, Why,
    Written,
};
use model::{
    AppId, CanariesPlanted, CanaryChange, ClassSet, Commitment, Evidence, FieldClass, IncidentOpened,
    MarkFault, MarkIssued, MarkSound, Mode, RuleLevel, RuleMatched, SessionId, StaffId, StaffStatus, Tier,
};
use serde_json::{Map, Value, json};

use crate::lookup::{Lookup, Records};
use crate::told::{Activity, Class, Control, Severity, Status, Told, Who};
use crate::watch;

const CREATE: Activity = Activity(1, "Create");
const READ: Activity = Activity(2, "Read");
const UPDATE: Activity = Activity(3, "Update");
const SEARCH: Activity = Activity(5, "Search");
const EXPORT: Activity = Activity(7, "Export");
const LOGON: Activity = Activity(1, "Logon");
const LOGOFF: Activity = Activity(2, "Logoff");
const ASSIGN: Activity = Activity(1, "Assign Privileges");
const REVOKE: Activity = Activity(2, "Revoke Privileges");
const DISABLE: Activity = Activity(5, "Disable");
const DEACTIVATE: Activity = Activity(11, "Deactivate");
const SUSPEND: Activity = Activity(12, "Suspend");
const START: Activity = Activity(3, "Start");
const UNKNOWN: Activity = Activity(0, "Unknown");
/// Account Change has no word for the end of one session.
const END_SESSION: Activity = Activity(99, "End Session");
/// Entity Management has no word for what two people decide together.
const PROPOSE: Activity = Activity(99, "Propose");
const CONFIRM: Activity = Activity(99, "Confirm");
const REJECT: Activity = Activity(99, "Reject");
const DELETE: Activity = Activity(4, "Delete");

/// Tells what a record says. Reads further records where it names a session or grant only.
pub(crate) fn tell(record: &Record, lookup: &mut Lookup, records: &dyn Records) -> Result<Told, LedgerError> {
    Ok(match &record.entry.event {
        Event::Started(e) => started(&e.software),
        Event::SettingsInForce(e) => guards(&e.by, "configuration", &e.configuration.to_string()),
        Event::PolicyInForce(e) => guards(&e.by, "policy", &e.policy.to_string()),
        Event::StaffRecorded(e) => staff_recorded(e),
        Event::SessionOpened(e) => session_opened(e),
        Event::SessionClosed(e) => session_closed(e, lookup.session(records, record, e.session)?),
        Event::GrantIssued(e) => grant_issued(e),
        Event::Revealed(e) => revealed(e),
        Event::Listed(e) => listed(e),
        Event::Written(e) => written(e),
        Event::Refused(e) => refused(e),
        Event::Revoked(e) => match &e.target {
            Target::Staff(staff) => staff_revoked(e, staff),
            Target::Session(session) => {
                session_revoked(e, *session, lookup.session(records, record, *session)?)
            }
            Target::Grant(grant) => {
                grant_revoked(e, &grant.to_string(), lookup.grant(records, record, *grant)?)
            }
        },
        Event::Questioned(e) => questioned(e),
        Event::Proposed(e) => proposed(e),
        Event::Decided(e) => decided(e),
        Event::Erased(e) => erased(e),
        Event::IncidentOpened(e) => incident_opened(e),
        Event::MarkIssued(e) => mark_issued(e),
        Event::MarkFault(e) => mark_fault(e),
        Event::MarkSound(e) => mark_sound(e),
        Event::Finding(e) => watch::finding(e),
        Event::Contained(e) => watch::contained(e),
        Event::Lifted(e) => watch::lifted(e),
        Event::Triaged(e) => watch::triaged(e),
        Event::WatchInForce(e) => watch::in_force(e),
        Event::Reauthenticated(e) => watch::reauthenticated(e),
        Event::RuleMatched(e) => rule_matched(e),
        Event::CanariesPlanted(e) => canaries_planted(e),
    })
}

/// A test of the way to a receiver, which no entry stands behind.
pub(crate) fn test() -> Told {
    let message = "Test event: Sightline reaches this receiver. No entry of the ledger stands behind it.";
    Told { activity: Activity(99, "Test"), ..told(Class::Base, UNKNOWN, message) }
}

/// What most events have in common; the rest is filled in by struct update.
pub(crate) fn told(class: Class, activity: Activity, message: impl Into<String>) -> Told {
    Told {
        class,
        activity,
        severity: Severity::Informational,
        status: Status::Success,
        control: None,
        who: None,
        session: None,
        to: None,
        app: None,
        reason: None,
        message: message.into(),
        body: Map::new(),
    }
}

fn started(software: &str) -> Told {
    let version = software.rsplit_once(' ').map_or(software, |(_, version)| version);
    Told {
        who: Some(Who::System),
        body: body(json!({
            "app": { "name": "Sightline", "vendor_name": "Sightline", "version": version },
        })),
        ..told(Class::ApplicationLifecycle, START, format!("{software} started"))
    }
}

/// Settings and policy: what guards the records is itself under guard.
fn guards(by: &Actor, what: &'static str, digest: &str) -> Told {
    Told {
        severity: Severity::Low,
        who: Some(by.into()),
        body: body(json!({
            "entity": {
                "type_id": 5, "type": "Policy", "name": what, "uid": digest,
                "policy": { "name": what, "uid": digest, "is_applied": true },
            },
        })),
        ..told(Class::EntityManagement, UPDATE, format!("another {what} is in force"))
    }
}

fn staff_recorded(e: &StaffRecorded) -> Told {
    let record = &e.record;
    let activity = match record.status {
        StaffStatus::Active => UPDATE,
        StaffStatus::Suspended => SUSPEND,
        StaffStatus::Left => DEACTIVATE,
    };
    let mut user = user(&record.staff);
    user["org"] = json!({ "name": record.employer });
    user["groups"] = json!([
        { "name": record.team, "type": "team" },
        { "name": record.role.word(), "type": "role" },
    ]);
    let message = format!("staff record of {}: {}, {}", record.staff, record.role, record.status);
    Told {
        who: Some((&e.by).into()),
        to: Some(record.staff.clone()),
        body: body(json!({
            "entity": {
                "type_id": 2, "type": "User", "uid": record.staff, "user": user,
            },
        })),
        ..told(Class::EntityManagement, activity, message)
    }
}

fn session_opened(e: &SessionOpened) -> Told {
    Told {
        who: Some(Who::Staff(e.staff.clone())),
        session: Some(e.session),
        to: Some(e.staff.clone()),
        app: Some(e.door.clone()),
        body: body(json!({
            "user": user(&e.staff),
            "service": service(&e.door),
            "session": { "uid": e.session, "expiration_time": e.expires.0 },
        })),
        ..told(Class::Authentication, LOGON, format!("{} logged in at {}", e.staff, e.door))
    }
}

fn session_closed(e: &SessionClosed, opened: Option<SessionOpened>) -> Told {
    let (staff, door) = opened.map(|opened| (opened.staff, opened.door)).unzip();
    Told {
        who: staff.clone().map(Who::Staff),
        session: Some(e.session),
        reason: Some(e.why.word()),
        body: body(json!({
            "user": user_or_unknown(staff.as_ref()),
            "service": service(door.as_ref().unwrap_or(&AppId::new("unknown"))),
            "session": { "uid": e.session, "expiration_reason": e.why },
        })),
        to: staff,
        app: door,
        ..told(Class::Authentication, LOGOFF, format!("session {} ended: {}", e.session, e.why))
    }
}

fn grant_issued(e: &GrantIssued) -> Told {
    let control = control(e.would_refuse.is_some(), Mode::Observe);
    Told {
        severity: weight(e.evidence, e.tier),
        control: Some(control),
        who: Some(Who::System),
        to: Some(e.staff.clone()),
        app: Some(e.app.clone()),
        reason: e.would_refuse.map(Why::word),
        body: body(json!({
            "user": user(&e.staff),
            "privileges": e.classes,
            "authorizations": [{ "decision": control.action().1, "policy": { "name": "grant", "uid": e.grant } }],
        })),
        ..told(
            Class::AuthorizeSession,
            ASSIGN,
            format!(
                "{} may see {} of a {} customer in {}: evidence {} ({})",
                e.staff,
                classes(e.classes),
                e.tier,
                e.app,
                e.evidence,
                e.evidence.sentence()
            ),
        )
    }
}

fn revealed(e: &Revealed) -> Told {
    let activity = if e.action == Action::Export { EXPORT } else { READ };
    let message = format!(
        "{} was shown {} of a {} customer in {}: evidence {} ({})",
        e.by.staff,
        classes(e.classes),
        e.tier,
        e.by.app,
        e.evidence,
        e.evidence.sentence()
    );
    Told {
        severity: weight(e.evidence, e.tier),
        control: Some(control(!e.would_mask.is_empty(), e.mode)),
        body: body(json!({ "web_resources": [record_of(&e.by.app, Some(&e.subject), e.classes)] })),
        ..seen(&e.by, activity, message)
    }
}

fn listed(e: &Listed) -> Told {
    let activity = if e.action == Action::Export { EXPORT } else { SEARCH };
    let would = e.would_refuse.is_some() || !e.would_mask.is_empty();
    let message = format!("{} was shown a list of {} customers in {}", e.by.staff, e.rows, e.by.app);
    Told {
        control: Some(control(would, e.mode)),
        reason: e.would_refuse.map(Why::word),
        body: body(json!({
            "web_resources": [{
                "name": e.by.app, "type": "customer list", "uid": e.subjects,
                "data_classifications": data_classifications(e.classes),
            }],
        })),
        ..seen(&e.by, activity, message)
    }
}

fn written(e: &Written) -> Told {
    let whom = if e.subject.is_some() { " about a customer" } else { "" };
    let message = format!("{} changed something{whom} in {}", e.by.staff, e.by.app);
    Told {
        control: Some(Control::Allowed),
        body: body(json!({ "web_resources": [record_of(&e.by.app, e.subject.as_ref(), ClassSet::EMPTY)] })),
        ..seen(&e.by, UPDATE, message)
    }
}

fn refused(e: &Refused) -> Told {
    let (activity, control) = refusal(e.why);
    let app = e.app.clone().unwrap_or(AppId::new("sightline"));
    let whom = e.staff.as_ref().map_or("a request without a session".to_owned(), ToString::to_string);
    Told {
        severity: if control == Control::Denied { Severity::Low } else { Severity::Informational },
        status: Status::Failure,
        control: Some(control),
        who: e.staff.clone().map(Who::Staff),
        session: e.session,
        reason: Some(e.why.word()),
        body: body(json!({ "web_resources": [record_of(&app, e.subject.as_ref(), ClassSet::EMPTY)] })),
        app: e.app.clone(),
        ..told(Class::WebResources, activity, format!("nothing was shown to {whom}: {}", e.why))
    }
}

/// What was tried, as far as the reason says so, and whether it was refused or failed.
fn refusal(why: Why) -> (Activity, Control) {
    match why {
        Why::NoReason
        | Why::WeakBudget
        | Why::HighValueBudget
        | Why::Policy
        | Why::GrantRevoked
        | Why::GrantExpired
        | Why::Throttled => (READ, Control::Denied),
        Why::ListingBudget => (SEARCH, Control::Denied),
        Why::MaskedWrite | Why::ForgedForm => (UPDATE, Control::Denied),
        Why::SessionRevoked
        | Why::SessionEnded
        | Why::StaffInactive
        | Why::UnknownRoute
        | Why::BadRequest
        | Why::NotPermitted
        | Why::NoSuchProposal
        | Why::AlreadyConfirmed
        | Why::StepUp
        | Why::Suspended => (UNKNOWN, Control::Denied),
        Why::UnreadableAnswer
        | Why::AppTimeout
        | Why::AppUnreachable
        | Why::AnswerTooLarge
        | Why::Stale
        | Why::LedgerUnavailable
        | Why::Unwitnessed => (UNKNOWN, Control::Failed),
    }
}

fn staff_revoked(e: &Revoked, staff: &StaffId) -> Told {
    Told {
        to: Some(staff.clone()),
        body: body(json!({ "user": user(staff) })),
        ..containment(
            e,
            Class::AccountChange,
            DISABLE,
            format!("{staff}: suspended, every session and grant ended"),
        )
    }
}

fn session_revoked(e: &Revoked, session: SessionId, opened: Option<SessionOpened>) -> Told {
    let staff = opened.map(|opened| opened.staff);
    Told {
        session: Some(session),
        body: body(json!({ "user": user_or_unknown(staff.as_ref()) })),
        to: staff,
        ..containment(e, Class::AccountChange, END_SESSION, format!("session {session} was ended"))
    }
}

fn grant_revoked(e: &Revoked, grant: &str, issued: Option<GrantIssued>) -> Told {
    let privileges = match &issued {
        Some(issued) if !issued.classes.is_empty() => json!(issued.classes),
        _ => json!([grant]),
    };
    let staff = issued.map(|issued| issued.staff);
    Told {
        body: body(json!({ "user": user_or_unknown(staff.as_ref()), "privileges": privileges })),
        to: staff,
        ..containment(e, Class::UserAccess, REVOKE, format!("grant {grant} was ended"))
    }
}

fn containment(e: &Revoked, class: Class, activity: Activity, message: String) -> Told {
    Told {
        severity: match e.reason {
            RevokeReason::Drill | RevokeReason::NoLongerNeeded | RevokeReason::LeftOrMoved => Severity::Low,
            RevokeReason::UnexplainedLooks | RevokeReason::AccountCompromised | RevokeReason::Other => {
                Severity::Medium
            }
        },
        control: Some(Control::Revoked),
        who: Some((&e.by).into()),
        reason: Some(e.reason.word()),
        ..told(class, activity, message)
    }
}

fn questioned(e: &Questioned) -> Told {
    let uid = e.subject.as_ref().map(ToString::to_string);
    let mut resource = json!({ "name": "ledger", "type": "question" });
    if let Some(uid) = uid {
        resource["uid"] = uid.into();
    }
    Told {
        who: Some((&e.by).into()),
        to: e.staff.clone(),
        reason: Some(e.question.word()),
        body: body(json!({ "web_resources": [resource] })),
        ..told(Class::WebResources, SEARCH, format!("{} asked the ledger: {}", Who::from(&e.by), e.question))
    }
}

fn proposed(e: &Proposed) -> Told {
    let (who, what) = (Who::from(&e.by), e.act.kind());
    Told {
        severity: Severity::Low,
        session: e.session,
        who: Some(who.clone()),
        body: entity("Proposal", &e.proposal.to_string(), what),
        ..told(Class::EntityManagement, PROPOSE, format!("{who} proposes {what}: {}", e.proposal))
    }
}

fn decided(e: &Decided) -> Told {
    let activity = match e.decision {
        Decision::Confirm => CONFIRM,
        Decision::Reject => REJECT,
    };
    Told {
        severity: Severity::Low,
        session: Some(e.session),
        who: Some(Who::Staff(e.by.clone())),
        reason: Some(e.decision.word()),
        body: entity("Proposal", &e.proposal.to_string(), "decision"),
        ..told(
            Class::EntityManagement,
            activity,
            format!("{} decides about {}: {}", e.by, e.proposal, e.decision),
        )
    }
}

fn erased(e: &Erased) -> Told {
    let (uid, message) = match e {
        Erased::Customer { proposal, .. } => {
            (proposal.to_string(), format!("the keys of a customer were destroyed by {proposal}"))
        }
        Erased::Before { month } => {
            (month.to_string(), format!("the keys of the months before {month} were destroyed"))
        }
    };
    Told {
        severity: Severity::Low,
        who: Some(Who::System),
        body: entity("Keys", &uid, "keys of openings"),
        ..told(Class::EntityManagement, DELETE, message)
    }
}

/// Something for which OCSF has no type.
fn entity(kind: &str, uid: &str, name: &str) -> Map<String, Value> {
    body(json!({ "entity": { "type_id": 99, "type": kind, "uid": uid, "name": name } }))
}

fn incident_opened(e: &IncidentOpened) -> Told {
    let message = format!("incident {}: {}", e.incident, e.what);
    Told {
        severity: Severity::Critical,
        who: Some((&e.by).into()),
        reason: Some(e.what.word()),
        body: body(json!({
            "assignee_group": { "name": "analyst", "type": "role" },
            "desc": message,
            "finding_info_list": [{ "uid": e.incident, "title": e.what, "types": [e.what] }],
        })),
        ..told(Class::IncidentFinding, CREATE, message.clone())
    }
}

/// What lies over the pages of a session is a thing of its own, about which nobody is told anything but whose it is.
fn mark_issued(e: &MarkIssued) -> Told {
    let message = format!("{} lies over the pages of {} from {} on", e.mark, e.by.session, e.bucket);
    of_mark(&e.by, CREATE, &e.mark.to_string(), message)
}

fn mark_fault(e: &MarkFault) -> Told {
    let masks = if e.masks.is_empty() { String::new() } else { format!("; masked: {}", e.masks) };
    let message =
        format!("the mark of {} is not in place ({}){masks}: a lead, not a verdict", e.by.session, e.what);
    Told {
        severity: Severity::Medium,
        reason: Some(e.what.word()),
        ..of_mark(&e.by, UPDATE, &e.by.session.to_string(), message)
    }
}

fn mark_sound(e: &MarkSound) -> Told {
    let message = format!("the mark of {} is in place again", e.by.session);
    of_mark(&e.by, UPDATE, &e.by.session.to_string(), message)
}

fn of_mark(by: &Viewer, activity: Activity, uid: &str, message: String) -> Told {
    Told {
        who: Some(Who::Staff(by.staff.clone())),
        session: Some(by.session),
        body: entity("Mark", uid, "mark over the pages of a session"),
        ..told(Class::EntityManagement, activity, message)
    }
}

/// A finding about entries, which it names by number; whom it is about is a pseudonym still.
fn rule_matched(e: &RuleMatched) -> Told {
    let about = e.staff.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let about = if about.is_empty() { String::new() } else { format!(" about {about}") };
    let message = format!("rule {} ({}) was met{about}; a lead, not a verdict", e.rule, e.level);
    // A finding of several people is about none of them first.
    let to = if let [only] = e.staff.as_slice() { Some(only.clone()) } else { None };
    Told {
        severity: match e.level {
            RuleLevel::Informational => Severity::Informational,
            RuleLevel::Low => Severity::Low,
            RuleLevel::Medium => Severity::Medium,
            RuleLevel::High => Severity::High,
            RuleLevel::Critical => Severity::Critical,
        },
        who: Some(Who::System),
        to,
        body: body(json!({
            "finding_info": {
                "uid": format!("{}-{}", e.rule, e.entries.last().copied().unwrap_or_default()),
                "title": format!("rule {}", e.rule),
                "desc": message,
                "types": ["sigma"],
                "analytic": { "uid": e.rule, "type_id": 1, "type": "Rule", "version": e.text },
                "related_events": e.entries.iter().map(|n| json!({ "uid": n.to_string() })).collect::<Vec<_>>(),
            },
            "evidences": e.staff.iter().map(|staff| json!({ "actor": { "user": user(staff) } })).collect::<Vec<_>>(),
        })),
        ..told(Class::DetectionFinding, CREATE, message.clone())
    }
}

fn canaries_planted(e: &CanariesPlanted) -> Told {
    let activity = match e.what {
        CanaryChange::Planted => CREATE,
        CanaryChange::Retired => DEACTIVATE,
    };
    Told {
        severity: Severity::Low,
        who: Some((&e.by).into()),
        app: Some(e.app.clone()),
        reason: Some(e.what.word()),
        body: entity("Canaries", &e.subjects.to_string(), "canaries"),
        ..told(Class::EntityManagement, activity, format!("{} canaries {} in {}", e.count, e.what, e.app))
    }
}

/// A look, list or write of a staff member in an app.
fn seen(by: &Viewer, activity: Activity, message: String) -> Told {
    Told {
        who: Some(Who::Staff(by.staff.clone())),
        session: Some(by.session),
        app: Some(by.app.clone()),
        ..told(Class::WebResources, activity, message)
    }
}

fn control(enforcement_would_differ: bool, mode: Mode) -> Control {
    match mode {
        Mode::Observe if enforcement_would_differ => Control::Observed,
        Mode::Observe | Mode::Enforce => Control::Allowed,
    }
}

/// A reason that others vouch for is an ordinary day; a weak one is worth a glance, of a customer to whom it
/// can do much harm a closer one. Never more: a look is no verdict.
fn weight(evidence: Evidence, tier: Tier) -> Severity {
    match (evidence.is_weak(), tier) {
        (false, _) => Severity::Informational,
        (true, Tier::Standard) => Severity::Low,
        (true, _) => Severity::Medium,
    }
}

/// A customer's record in an app, under the commitment that stands for the customer.
fn record_of(app: &AppId, subject: Option<&Commitment>, classes: ClassSet) -> Value {
    let mut resource = json!({ "name": app, "type": "customer record" });
    if let Some(subject) = subject {
        resource["uid"] = json!(subject);
    }
    if !classes.is_empty() {
        resource["data_classifications"] = data_classifications(classes);
    }
    resource
}

/// Each class as the `data_classification` profile has it.
fn data_classifications(classes: ClassSet) -> Value {
    classes.iter().map(data_classification).collect()
}

fn data_classification(class: FieldClass) -> Value {
    let (category_id, category) = match class {
        FieldClass::IdentityName
        | FieldClass::ContactEmail
        | FieldClass::ContactPhone
        | FieldClass::ContactAddress
        | FieldClass::SupportHistory
        | FieldClass::SupportNote => (1, "Personal"),
        FieldClass::KycDocument => (2, "Governmental"),
        FieldClass::AccountId | FieldClass::AccountBalance | FieldClass::AccountActivity => (3, "Financial"),
        FieldClass::SecretPassword
        | FieldClass::SecretSecondFactor
        | FieldClass::SecretPrivateKey
        | FieldClass::SecretRecoveryPhrase
        | FieldClass::SecretCardNumber => (6, "Security"),
        FieldClass::Undeclared => (0, "Unknown"),
    };
    let (confidentiality_id, confidentiality) =
        if class.is_secret() { (3, "Secret") } else { (2, "Confidential") };
    json!({
        "uid": class, "category_id": category_id, "category": category,
        "confidentiality_id": confidentiality_id, "confidentiality": confidentiality,
    })
}

fn classes(classes: ClassSet) -> String {
    if classes.is_empty() { "nothing".to_owned() } else { classes.to_string() }
}

/// A staff member: a pseudonym, and nothing else.
pub(crate) fn user(staff: &StaffId) -> Value {
    json!({ "uid": staff, "type_id": 1, "type": "User" })
}

fn user_or_unknown(staff: Option<&StaffId>) -> Value {
    staff.map_or_else(|| json!({ "uid": "unknown", "type_id": 0, "type": "Unknown" }), user)
}

fn service(door: &AppId) -> Value {
    json!({ "name": door })
}

pub(crate) fn body(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
