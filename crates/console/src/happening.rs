//! One line for each thing that happened, in words that are fair to whoever it is about.

use askama::Template;
use model::entry::{
    Act, Action, Actor, Decision, Erased, Event, Question, RevokeReason, SessionEnd, Target, Why,
};
use model::{
    ClassSet, IncidentKind, IncidentOpened, Level, LiftReason, MarkFaultKind, Timestamp, Verdict, WatchMode,
};
use pages::Html;
use views::{Customer, Happening};

/// A table of happenings.
#[derive(Template)]
#[template(path = "happenings.html")]
pub(crate) struct Happenings<'a> {
    pub(crate) rows: &'a [Happening],
    pub(crate) now: Timestamp,
    /// Whether to say who; not needed on somebody's own timeline.
    pub(crate) with_staff: bool,
    /// Whether to offer taking away grants that are still live.
    pub(crate) may_revoke: bool,
}

impl Happenings<'_> {
    fn grant_is_live(&self, happening: &Happening) -> bool {
        matches!(&happening.event, Event::GrantIssued(e) if e.expires > self.now)
    }
}

/// What happened, in two or three words, and the class of its chip.
pub(crate) fn what(event: &Event) -> (&'static str, &'static str) {
    match event {
        Event::Started(_) => ("Sightline started", ""),
        Event::SettingsInForce(_) => ("Settings in force", "accent"),
        Event::PolicyInForce(_) => ("Policy in force", "accent"),
        Event::StaffRecorded(_) => ("Staff record", ""),
        Event::SessionOpened(_) => ("Logged in", ""),
        Event::SessionClosed(e) => (session_end(e.why), ""),
        Event::GrantIssued(_) => ("Access granted", "plain"),
        Event::Revealed(e) if e.action == Action::Export => ("Exported", "warn"),
        Event::Revealed(e) if e.evidence.is_weak() => ("Look, unexplained", "warn"),
        Event::Revealed(_) => ("Look", ""),
        Event::Listed(e) => (
            match e.action {
                Action::Search => "Search",
                Action::Export => "Exported a list",
                Action::View | Action::List => "List",
            },
            "",
        ),
        Event::Written(_) => ("Change passed on", ""),
        Event::Refused(_) => ("Refused", "warn"),
        Event::Revoked(_) => ("Access revoked", "bad"),
        Event::Questioned(_) => ("Question asked", ""),
        Event::Proposed(_) => ("Proposed", "accent"),
        Event::Decided(e) if e.decision == Decision::Confirm => ("Confirmed", "accent"),
        Event::Decided(_) => ("Rejected", "accent"),
        Event::Erased(_) => ("Erased", "bad"),
        Event::IncidentOpened(_) => ("Incident opened", "bad"),
        Event::MarkIssued(_) => ("Mark issued", ""),
        Event::MarkFault(_) => ("Mark not in place", "warn"),
        Event::MarkSound(_) => ("Mark in place again", ""),
        Event::Finding(_) => ("Finding", "warn"),
        Event::Contained(e) => (level(e.level), if e.level.closes() { "bad" } else { "warn" }),
        Event::Lifted(_) => ("Containment lifted", "accent"),
        Event::Triaged(_) => ("Finding judged", "accent"),
        Event::WatchInForce(_) => ("Watch in force", "accent"),
        Event::Reauthenticated(_) => ("Logged in afresh", ""),
        Event::RuleMatched(_) => ("Rule met", "accent"),
        Event::CanariesPlanted(_) => ("Canaries", "accent"),
    }
}

/// The rest of the story, in plain words.
pub(crate) fn detail(event: &Event) -> String {
    match event {
        Event::Started(e) => e.software.clone(),
        Event::SettingsInForce(e) => {
            let modes: Vec<_> = e.apps.iter().map(|a| format!("{}: {}", a.app, a.mode)).collect();
            format!("{} unexplained looks a shift. {}", e.budgets.weak_per_shift, modes.join(", "))
        }
        Event::PolicyInForce(e) => format!("digest {}…", &e.policy.to_string()[..12]),
        Event::StaffRecorded(e) => {
            let r = &e.record;
            format!("{}, team {}, {}, {}", r.role, r.team, r.employer, r.status)
        }
        Event::SessionOpened(e) => format!("at {}", e.door),
        Event::SessionClosed(_) => String::new(),
        Event::GrantIssued(e) => match (e.would_refuse, e.charged) {
            (Some(refused), _) => format!("enforcement would have refused: {}", why(refused)),
            (None, true) => "counts against the budget of the shift".to_owned(),
            (None, false) => String::new(),
        },
        Event::Revealed(_) => String::new(),
        Event::Listed(e) => format!("{} {}", e.rows, if e.rows == 1 { "customer" } else { "customers" }),
        Event::Written(e) => match e.restored {
            0 => String::new(),
            1 => "1 masked value put back".to_owned(),
            n => format!("{n} masked values put back"),
        },
        Event::Refused(e) => why(e.why).to_owned(),
        Event::Revoked(e) => {
            format!("{}, by {}: {}", target(&e.target), actor(&e.by), revoke_reason(e.reason))
        }
        Event::Questioned(e) => match (&e.by, &e.staff) {
            (Actor::Operator, Some(about)) => {
                format!("{}, about {about}, by the operator", question(e.question))
            }
            (Actor::Operator, None) => format!("{}, by the operator", question(e.question)),
            (_, Some(about)) => format!("{}, about {about}", question(e.question)),
            (_, None) => question(e.question).to_owned(),
        },
        Event::Proposed(e) => format!("{}, by {} ({})", act(&e.act), actor(&e.by), e.proposal),
        Event::Decided(e) => format!("by {} ({})", e.by, e.proposal),
        Event::Erased(Erased::Customer { proposal, .. }) => {
            format!("the keys of a customer, as two administrators decided ({proposal})")
        }
        Event::Erased(Erased::Before { month }) => {
            format!("the keys of the months before {month}, by retention")
        }
        Event::IncidentOpened(e) => incident(e),
        Event::MarkIssued(e) => format!("{}, at {}", e.mark, e.by.app),
        Event::MarkFault(e) => format!("{}{}", mark_fault(e.what), masked(e.masks)),
        Event::MarkSound(_) => "what was masked may be shown again".to_owned(),
        Event::Finding(e) => {
            format!("{}, reached {}; a lead, not a verdict", words(&e.detector), level(e.level))
        }
        Event::Contained(e) => format!("by {}: {}", actor(&e.by), revoke_reason(e.reason)),
        Event::Lifted(e) => format!("by {}: {}", e.by, lift_reason(e.reason)),
        Event::Triaged(e) => format!("{} ({})", verdict(e.verdict), e.finding),
        Event::WatchInForce(e) => match e.mode {
            WatchMode::Shadow => "findings are shown to people, and nothing is done by itself".to_owned(),
            WatchMode::Contain => "what a finding reaches is put in force at once".to_owned(),
        },
        Event::Reauthenticated(_) => String::new(),
        Event::RuleMatched(e) => {
            format!("{} ({}), by {} entries; a lead, not a verdict", e.rule, e.level, e.entries.len())
        }
        Event::CanariesPlanted(e) => format!("{} decoy customers {} in {}", e.count, e.what, e.app),
    }
}

/// What was seen of a mark, with what else it may mean.
fn mark_fault(what: MarkFaultKind) -> &'static str {
    match what {
        MarkFaultKind::Silent => {
            "a page was not heard from: scripts are off or stopped, or the machine was asleep or offline"
        }
        MarkFaultKind::Removed => "it was taken out of the page",
        MarkFaultKind::Hidden => "it is in the page, but cannot be seen",
        MarkFaultKind::Covered => "something lies over it",
        MarkFaultKind::Replaced => "another picture stands in its place",
        MarkFaultKind::Printed => "the page was printed, with the mark on it",
        MarkFaultKind::Captured => "a script of the page asked to record the screen",
        MarkFaultKind::Forged => "an answer came that no page with the mark on it gives",
    }
}

fn masked(classes: ClassSet) -> String {
    if classes.is_empty() { String::new() } else { format!("; masked until a fresh page has it: {classes}") }
}

/// A rung, as a heading has it.
pub(crate) fn level(level: Level) -> &'static str {
    match level {
        Level::Nudge => "A word",
        Level::StepUp => "Fresh login asked for",
        Level::Throttle => "Slowed down",
        Level::Suspend => "Access paused",
        Level::Revoke => "Access ended",
    }
}

/// Why containment was lifted.
pub(crate) fn lift_reason(reason: LiftReason) -> &'static str {
    match reason {
        LiftReason::Answered => "the word was read",
        LiftReason::SteppedUp => "logged in afresh and said the purpose again",
        LiftReason::Explained => "there was a reason",
        LiftReason::FalseAlarm => "nothing was odd",
        LiftReason::Drill => "a drill",
        LiftReason::Other => "documented elsewhere",
    }
}

/// What somebody makes of a finding.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Taken => "somebody works on it",
        Verdict::Explained => "explained: there was a reason",
        Verdict::Confirmed => "confirmed",
        Verdict::FalseAlarm => "false alarm: nothing was odd",
        Verdict::Reopened => "open again",
    }
}

/// A stable word as people write it.
fn words(word: &str) -> String {
    word.replace('_', " ")
}

/// What an incident is, and who says so.
pub(crate) fn incident(e: &IncidentOpened) -> String {
    let witness = e.witness.as_deref().unwrap_or("a witness");
    let what = match e.what {
        IncidentKind::LedgerFork => format!("{witness} has seen another history of this ledger"),
        IncidentKind::LedgerRollback => match e.seen {
            Some(seen) => format!("{witness} has seen {seen} entries where this ledger had {}", e.size),
            None => format!("{witness} has seen more entries than this ledger had"),
        },
    };
    let proof =
        if e.proved { "proved by a checkpoint that this ledger's key signed" } else { "not proved yet" };
    format!("{what}; {proof}")
}

/// A customer by the number they have in the app, leading to their timeline. A question that was asked
/// about all apps names nobody in particular, and leads nowhere.
pub(crate) fn customer(customer: &Customer) -> Html {
    if customer.app.is_none() {
        return Html::trusted(format!(r#"<span class="id">{}</span>"#, Html::text(&customer.customer)));
    }
    Html::trusted(format!(
        r#"<a class="id" href="/customers/{}">{}</a>"#,
        customer.reference,
        Html::text(&customer.customer)
    ))
}

/// Why something was refused, to go on after "refused:".
pub(crate) fn why(why: Why) -> &'static str {
    match why {
        Why::NoReason => "no reason given yet",
        Why::WeakBudget => "the budget of unexplained looks is used up",
        Why::HighValueBudget => "the budget of unexplained looks at high-value customers is used up",
        Why::ListingBudget => "the budget of rows in lists is used up",
        Why::Policy => "the policy does not permit it",
        Why::SessionRevoked => "the session was revoked",
        Why::SessionEnded => "the session is over",
        Why::StaffInactive => "the staff member is suspended or has left",
        Why::GrantRevoked => "the grant was revoked",
        Why::GrantExpired => "the grant has expired",
        Why::UnknownRoute => "the adapter does not know this route",
        Why::UnreadableAnswer => "the app's answer could not be read",
        Why::MaskedWrite => "a masked value came back and could not be restored",
        Why::AppTimeout => "the app did not answer in time",
        Why::AppUnreachable => "the app could not be reached",
        Why::AnswerTooLarge => "the app's answer was too large",
        Why::BadRequest => "the request was malformed",
        Why::ForgedForm => "a form came without its token",
        Why::Stale => "what it rested on had changed",
        Why::LedgerUnavailable => "it could not be recorded",
        Why::NotPermitted => "the role does not permit it",
        Why::NoSuchProposal => "there is no such proposal, or it is decided or has expired",
        Why::AlreadyConfirmed => "the same person has confirmed it before; it takes two",
        Why::StepUp => "a fresh login was asked for",
        Why::Throttled => "one new customer in some minutes, for now",
        Why::Suspended => "access is paused until two people have looked into it",
        Why::Unwitnessed => "witnesses had not confirmed the ledger for too long",
    }
}

/// Why access was taken away.
pub(crate) fn revoke_reason(reason: RevokeReason) -> &'static str {
    match reason {
        RevokeReason::UnexplainedLooks => "looks that nothing explains",
        RevokeReason::AccountCompromised => "the account or device may be in other hands",
        RevokeReason::LeftOrMoved => "left or changed jobs",
        RevokeReason::NoLongerNeeded => "a mistake, or no longer needed",
        RevokeReason::Drill => "a drill",
        RevokeReason::Other => "documented elsewhere",
    }
}

/// From what access was taken away.
pub(crate) fn target(target: &Target) -> String {
    match target {
        Target::Staff(staff) => format!("all access of {staff}"),
        Target::Session(session) => format!("session {session}"),
        Target::Grant(grant) => format!("grant {grant}"),
    }
}

/// Who did it.
pub(crate) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Staff(staff) => staff.to_string(),
        Actor::Operator => "the operator".to_owned(),
        Actor::System => "Sightline".to_owned(),
    }
}

/// What takes two administrators.
pub(crate) fn act(act: &Act) -> String {
    match act {
        Act::Erase { .. } => "erase a customer".to_owned(),
        Act::AllowUnwitnessed { until } => format!("go on without witnesses until {until}"),
        Act::Lift { staff } => format!("lift what {staff} is contained by"),
        Act::Name { finding } => format!("open {finding} by name"),
    }
}

/// What was asked.
fn question(question: Question) -> &'static str {
    match question {
        Question::WhoSaw => "who saw a customer",
        Question::BlastRadius => "blast radius",
        Question::StaffTimeline => "a staff member's timeline",
        Question::FirstLook => "first-look report",
        Question::Sessions => "open sessions",
        Question::Overview => "overview",
        Question::Ledger => "entries of the ledger",
        Question::Leak => "where a leak comes from",
        Question::Findings => "findings",
    }
}

/// How a session ended.
pub(crate) fn session_end(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Logout => "Logged out",
        SessionEnd::Idle => "Session ended, idle",
        SessionEnd::Expired => "Session expired",
        SessionEnd::Replaced => "Session replaced",
    }
}
