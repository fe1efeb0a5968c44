//! Events as OCSF 1.8.0 (<https://schema.ocsf.io/1.8.0/>).

use ledger::tree::leaf_hash;
use model::{Digest, Entry, Timestamp};
use serde_json::{Value, json};

use crate::tell::user;
use crate::told::{Class, Status, Told, Who};

/// The version of the schema.
pub const OCSF_VERSION: &str = "1.8.0";

/// Name and vendor of the product.
pub(crate) const PRODUCT: &str = "Sightline";
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where an event comes from: what makes it the same event wherever and however often it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Identity<'a> {
    /// The log's origin.
    pub(crate) origin: &'a str,
    /// The entry's number and its hash as a leaf; none for a test event.
    pub(crate) entry: Option<(u64, Digest)>,
}

impl<'a> Identity<'a> {
    pub(crate) fn of(origin: &'a str, index: u64, entry: &Entry) -> Self {
        Self { origin, entry: Some((index, Digest(leaf_hash(&entry.encode())))) }
    }

    /// `ORIGIN#NUMBER`.
    pub(crate) fn uid(&self, time: Timestamp) -> String {
        match self.entry {
            Some((index, _)) => format!("{}#{index}", self.origin),
            None => format!("{}#test-{}", self.origin, time.0),
        }
    }
}

/// Writes an event. `said` is the entry's own JSON, kept whole for whoever needs more than OCSF has words for.
pub(crate) fn event(
    told: &Told,
    identity: &Identity<'_>,
    kind: &str,
    time: Timestamp,
    said: &Value,
) -> Value {
    let Told { class, activity, severity, status, .. } = told;
    let (category_uid, category_name) = class.category();
    let (severity_id, severity) = severity.ocsf();
    let mut event = json!({
        "activity_id": activity.0,
        "activity_name": activity.1,
        "category_name": category_name,
        "category_uid": category_uid,
        "class_name": class.name(),
        "class_uid": class.uid(),
        "message": told.message,
        "metadata": metadata(told, identity, kind, time),
        "severity": severity,
        "severity_id": severity_id,
        "time": time.0,
        "time_dt": time,
        "type_name": format!("{}: {}", class.name(), type_caption(told)),
        "type_uid": class.uid() * 100 + activity.0,
        "unmapped": unmapped(identity, said),
    });
    let (status_id, status) = match (class, status) {
        // An incident's status is where people are with it.
        (Class::IncidentFinding | Class::DetectionFinding, _) => (1, "New"),
        (_, status) => Status::ocsf(*status),
    };
    event["status_id"] = status_id.into();
    event["status"] = status.into();
    if let Some(reason) = told.reason {
        event["status_code"] = reason.into();
    }
    if let Some(control) = told.control {
        let ((action_id, action), (disposition_id, disposition)) = (control.action(), control.disposition());
        event["action_id"] = action_id.into();
        event["action"] = action.into();
        event["disposition_id"] = disposition_id.into();
        event["disposition"] = disposition.into();
    }
    if let Some(actor) = actor(told) {
        event["actor"] = actor;
    }
    for (name, value) in &told.body {
        event[name] = value.clone();
    }
    event
}

/// The caption of a type is that of the numbered activity, which for 99 is not the activity's own name.
fn type_caption(told: &Told) -> &'static str {
    if told.activity.0 == 99 { "Other" } else { told.activity.1 }
}

fn metadata(told: &Told, identity: &Identity<'_>, kind: &str, time: Timestamp) -> Value {
    let mut profiles = vec!["datetime"];
    if told.control.is_some() {
        profiles.push("security_control");
    }
    if told.class == Class::WebResources {
        profiles.push("data_classification");
    }
    // Outside Identity & Access Management, an actor is an attribute of the profile `host`.
    if told.who.is_some() && told.class.category().0 != 3 {
        profiles.push("host");
    }
    let mut metadata = json!({
        "event_code": kind,
        "log_name": identity.origin,
        "log_provider": PRODUCT,
        "logged_time": time.0,
        "original_time": time,
        "product": { "name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION },
        "profiles": profiles,
        "uid": identity.uid(time),
        "version": OCSF_VERSION,
    });
    match identity.entry {
        Some((index, _)) => metadata["sequence"] = index.into(),
        None => metadata["labels"] = json!(["test"]),
    }
    metadata
}

/// Which entry this is, with the hash that its receipt proves; and the entry itself.
fn unmapped(identity: &Identity<'_>, said: &Value) -> Value {
    let mut ledger = json!({ "origin": identity.origin });
    if let Some((index, leaf)) = identity.entry {
        ledger["entry"] = index.into();
        ledger["leaf_hash"] = json!(leaf);
    }
    json!({ "ledger": ledger, "event": said })
}

fn actor(told: &Told) -> Option<Value> {
    let mut actor = match told.who.as_ref()? {
        Who::Staff(staff) => json!({ "user": user(staff) }),
        Who::Operator => json!({ "user": { "uid": "operator", "type_id": 2, "type": "Admin" } }),
        Who::System => json!({ "app_name": PRODUCT }),
    };
    if let Some(session) = told.session {
        actor["session"] = json!({ "uid": session });
    }
    Some(actor)
}
