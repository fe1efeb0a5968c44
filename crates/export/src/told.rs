//! What an entry tells, in OCSF's terms, before it is written as OCSF or CEF.

use model::entry::Actor;
use model::{AppId, SessionId, StaffId};
use serde_json::{Map, Value};

/// An entry told as an event.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) class: Class,
    pub(crate) activity: Activity,
    pub(crate) severity: Severity,
    pub(crate) status: Status,
    /// What Sightline did about it, where it decided (the `security_control` profile).
    pub(crate) control: Option<Control>,
    /// Who did it.
    pub(crate) who: Option<Who>,
    /// In which session.
    pub(crate) session: Option<SessionId>,
    /// Whom it was done to, where that is a staff member.
    pub(crate) to: Option<StaffId>,
    /// In which app.
    pub(crate) app: Option<AppId>,
    /// A stable word for why.
    pub(crate) reason: Option<&'static str>,
    /// One sentence without personal data.
    pub(crate) message: String,
    /// The attributes that only this class has.
    pub(crate) body: Map<String, Value>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Staff(StaffId),
    Operator,
    System,
}

impl From<&Actor> for Who {
    fn from(actor: &Actor) -> Self {
        match actor {
            Actor::Staff(staff) => Who::Staff(staff.clone()),
            Actor::Operator => Who::Operator,
            Actor::System => Who::System,
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::Staff(staff) => staff.fmt(f),
            Who::Operator => f.write_str("operator"),
            Who::System => f.write_str("sightline"),
        }
    }
}

/// The OCSF classes that entries become (OCSF 1.8.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Base,
    DetectionFinding,
    IncidentFinding,
    AccountChange,
    Authentication,
    AuthorizeSession,
    EntityManagement,
    UserAccess,
    WebResources,
    ApplicationLifecycle,
}

impl Class {
    pub(crate) fn uid(self) -> u32 {
        match self {
            Class::Base => 0,
            Class::DetectionFinding => 2004,
            Class::IncidentFinding => 2005,
            Class::AccountChange => 3001,
            Class::Authentication => 3002,
            Class::AuthorizeSession => 3003,
            Class::EntityManagement => 3004,
            Class::UserAccess => 3005,
            Class::WebResources => 6001,
            Class::ApplicationLifecycle => 6002,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Base => "Base Event",
            Class::DetectionFinding => "Detection Finding",
            Class::IncidentFinding => "Incident Finding",
            Class::AccountChange => "Account Change",
            Class::Authentication => "Authentication",
            Class::AuthorizeSession => "Authorize Session",
            Class::EntityManagement => "Entity Management",
            Class::UserAccess => "User Access Management",
            Class::WebResources => "Web Resources Activity",
            Class::ApplicationLifecycle => "Application Lifecycle",
        }
    }

    /// The category: the thousands of the class.
    pub(crate) fn category(self) -> (u32, &'static str) {
        match self.uid() / 1000 {
            2 => (2, "Findings"),
            3 => (3, "Identity & Access Management"),
            6 => (6, "Application Activity"),
            _ => (0, "Uncategorized"),
        }
    }
}

/// What was done, as the class numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Activity(pub(crate) u32, pub(crate) &'static str);

/// How much attention an event asks for. Not a verdict on anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// OCSF's number and name.
    pub(crate) fn ocsf(self) -> (u32, &'static str) {
        match self {
            Severity::Informational => (1, "Informational"),
            Severity::Low => (2, "Low"),
            Severity::Medium => (3, "Medium"),
            Severity::High => (4, "High"),
            Severity::Critical => (5, "Critical"),
        }
    }

    /// CEF's number: 0 to 3 is low, 4 to 6 medium, 7 and 8 high, 9 and 10 very high.
    pub(crate) fn cef(self) -> u32 {
        match self {
            Severity::Informational => 1,
            Severity::Low => 3,
            Severity::Medium => 5,
            Severity::High => 8,
            Severity::Critical => 10,
        }
    }

    /// RFC 5424's number: 6 informational, 5 notice, 4 warning, 2 critical.
    pub(crate) fn syslog(self) -> u32 {
        match self {
            Severity::Informational => 6,
            Severity::Low => 5,
            Severity::Medium => 4,
            Severity::High => 3,
            Severity::Critical => 2,
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Failure,
}

impl Status {
    pub(crate) fn ocsf(self) -> (u32, &'static str) {
        match self {
            Status::Success => (1, "Success"),
            Status::Failure => (2, "Failure"),
        }
    }
}

/// What Sightline did about it: action and disposition of the `security_control` profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// Let through.
    Allowed,
    /// Let through in `observe`, where enforcement would not have.
    Observed,
    /// Refused.
    Denied,
    /// Taken away.
    Revoked,
    /// Something in Sightline or the app failed, and nothing was shown.
    Failed,
}

impl Control {
    pub(crate) fn action(self) -> (u32, &'static str) {
        match self {
            Control::Allowed => (1, "Allowed"),
            Control::Observed => (3, "Observed"),
            Control::Denied | Control::Revoked | Control::Failed => (2, "Denied"),
        }
    }

    pub(crate) fn disposition(self) -> (u32, &'static str) {
        match self {
            Control::Allowed => (1, "Allowed"),
            Control::Observed => (17, "Logged"),
            Control::Denied => (2, "Blocked"),
            Control::Revoked => (24, "Access Revoked"),
            Control::Failed => (27, "Error"),
        }
    }
}
