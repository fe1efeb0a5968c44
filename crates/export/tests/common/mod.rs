//! A ledger with an entry of every kind.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test binary uses its part")]

use std::path::Path;
use std::sync::Arc;

use ledger::{AdmitAll, Draft, Ledger, Options};
use model::clock::ManualClock;
use model::entry::*;
use model::{
    AppId, Budgets, CanariesPlanted, CanaryChange, ClassSet, CustomerId, Digest, Evidence, FieldClass,
    GrantId, IncidentId, IncidentKind, IncidentOpened, MarkFault, MarkFaultKind, MarkId, MarkIssued,
    MarkSound, Mode, Month, Opening, OsEntropy, ProposalId, Purpose, ResponseId, Role, RuleLevel,
    RuleMatched, SessionId, StaffId, StaffRecord, StaffStatus, Subject, TicketId, Tier, Timestamp,
};

pub const ORIGIN: &str = "log.example/sightline";
pub const START: Timestamp = Timestamp(1_770_000_000_000);

/// What stands in the openings, and must stand in no event.
pub const PERSONAL: [&str; 3] = ["customer-4711", "ticket-0815", "she asked about her mother"];

/// The directory goes with the test, and a ledger may still be publishing into it.
#[derive(Debug)]
struct Unheeded;

impl ledger::Fatal for Unheeded {
    fn fatal(&self, _: &ledger::LedgerError) {}
}

pub fn open(dir: &Path) -> (Ledger, ManualClock) {
    let clock = ManualClock::at(START);
    let options = Options { clock: Arc::new(clock.clone()), fatal: Arc::new(Unheeded), ..Options::default() };
    if !dir.exists() {
        Ledger::create(dir, ORIGIN, &options).unwrap();
    }
    (Ledger::open(dir, &options, AdmitAll).unwrap(), clock)
}

pub async fn append(ledger: &Ledger, drafts: Vec<Draft>) {
    for draft in drafts {
        ledger.append(draft).await.unwrap();
    }
}

/// `n` logins.
pub fn logins(n: usize) -> Vec<Draft> {
    (0..n).map(|_| Draft::plain(login("s-17", SessionId::fresh(&OsEntropy)))).collect()
}

pub fn login(staff: &str, session: SessionId) -> Event {
    Event::SessionOpened(SessionOpened {
        session,
        staff: StaffId::new(staff),
        door: AppId::new("desk"),
        token: Digest([0xEE; 32]),
        expires: Timestamp(START.0 + 3_600_000),
    })
}

fn subject() -> Opening {
    Opening::fresh(
        &OsEntropy,
        Subject {
            customer: CustomerId::new(PERSONAL[0]),
            ticket: Some(TicketId::new(PERSONAL[1])),
            note: Some(PERSONAL[2].into()),
        },
    )
}

fn of_subject(make: impl FnOnce(model::Commitment) -> Event) -> Draft {
    let opening = subject();
    Draft { event: make(opening.commitment()), openings: vec![opening] }
}

/// Entries of every kind, in every shape that makes a difference to an event.
pub fn every_kind() -> Vec<Draft> {
    let session = SessionId::fresh(&OsEntropy);
    let by = || Viewer { staff: StaffId::new("s-17"), session, app: AppId::new("desk") };
    let grant = GrantId::fresh(&OsEntropy);
    let operator = Actor::Operator;
    let mut drafts = vec![
        Draft::plain(Event::Started(Started { software: "sightline 9.9.9".into() })),
        Draft::plain(Event::SettingsInForce(SettingsInForce {
            configuration: Digest([1; 32]),
            budgets: Budgets::default(),
            apps: vec![AppMode { app: AppId::new("desk"), mode: Mode::Observe }],
            by: operator.clone(),
        })),
        Draft::plain(Event::PolicyInForce(PolicyInForce { policy: Digest([2; 32]), by: Actor::System })),
        Draft::plain(login("s-17", session)),
    ];
    for status in [StaffStatus::Active, StaffStatus::Suspended, StaffStatus::Left] {
        let record = StaffRecord {
            staff: StaffId::new("s-17"),
            role: Role::Agent,
            team: "Zürich | \"night\"".into(),
            employer: "in-house".into(),
            site: None,
            status,
            cleared_until: None,
        };
        drafts.push(Draft::plain(Event::StaffRecorded(StaffRecorded { record, by: Actor::System })));
    }
    for (evidence, tier) in [(Evidence::Routed, Tier::Standard), (Evidence::None, Tier::HighValue)] {
        drafts.push(of_subject(|subject| {
            Event::GrantIssued(GrantIssued {
                grant,
                staff: StaffId::new("s-17"),
                app: AppId::new("desk"),
                subject,
                tier,
                classes: [FieldClass::IdentityName, FieldClass::KycDocument].into_iter().collect(),
                purpose: Purpose::CustomerSupport,
                evidence,
                expires: Timestamp(START.0 + 7_200_000),
                charged: evidence.is_weak(),
                would_refuse: evidence.is_weak().then_some(Why::WeakBudget),
            })
        }));
        for (action, classes) in [(Action::View, ClassSet::all()), (Action::Export, ClassSet::EMPTY)] {
            drafts.push(of_subject(|subject| {
                Event::Revealed(Revealed {
                    response: ResponseId::fresh(&OsEntropy),
                    by: by(),
                    subject,
                    tier,
                    action,
                    classes,
                    evidence,
                    grant,
                    mode: Mode::Observe,
                    would_mask: if evidence.is_weak() { classes } else { ClassSet::EMPTY },
                })
            }));
        }
    }
    for (action, would_refuse) in
        [(Action::List, None), (Action::Search, Some(Why::ListingBudget)), (Action::Export, None)]
    {
        let openings = vec![subject(), subject()];
        let commitments: Vec<_> = openings.iter().map(Opening::commitment).collect();
        let event = Event::Listed(Listed {
            response: ResponseId::fresh(&OsEntropy),
            by: by(),
            action,
            rows: 2,
            subjects: Digest::over(&commitments),
            classes: FieldClass::ContactEmail.into(),
            mode: Mode::Observe,
            would_mask: ClassSet::EMPTY,
            would_refuse,
            charged: 1,
        });
        drafts.push(Draft { event, openings });
    }
    let written = |subject| {
        Event::Written(Written { response: ResponseId::fresh(&OsEntropy), by: by(), subject, restored: 1 })
    };
    drafts.push(of_subject(|subject| written(Some(subject))));
    drafts.push(Draft::plain(written(None)));
    for why in Why::ALL {
        drafts.push(of_subject(|subject| {
            Event::Refused(Refused {
                response: ResponseId::fresh(&OsEntropy),
                app: Some(AppId::new("desk")),
                staff: Some(StaffId::new("s-17")),
                session: Some(session),
                subject: Some(subject),
                why: *why,
            })
        }));
    }
    drafts.push(Draft::plain(Event::Refused(Refused {
        response: ResponseId::fresh(&OsEntropy),
        app: None,
        staff: None,
        session: None,
        subject: None,
        why: Why::BadRequest,
    })));
    let targets = [
        Target::Staff(StaffId::new("s-17")),
        Target::Session(session),
        Target::Session(SessionId::fresh(&OsEntropy)),
        Target::Grant(grant),
        Target::Grant(GrantId::fresh(&OsEntropy)),
    ];
    for (target, reason) in targets.into_iter().zip(RevokeReason::ALL) {
        let event =
            Event::Revoked(Revoked { target, by: Actor::Staff(StaffId::new("s-2")), reason: *reason });
        drafts.push(Draft::plain(event));
    }
    drafts.push(of_subject(|subject| {
        Event::Questioned(Questioned {
            by: operator,
            question: Question::WhoSaw,
            staff: None,
            subject: Some(subject),
        })
    }));
    drafts.push(Draft::plain(Event::Questioned(Questioned {
        by: Actor::Staff(StaffId::new("s-2")),
        question: Question::StaffTimeline,
        staff: Some(StaffId::new("s-17")),
        subject: None,
    })));
    drafts.push(Draft::plain(Event::SessionClosed(SessionClosed { session, why: SessionEnd::Logout })));
    drafts.push(Draft::plain(Event::SessionClosed(SessionClosed {
        session: SessionId::fresh(&OsEntropy),
        why: SessionEnd::Idle,
    })));
    drafts.push(Draft::plain(Event::IncidentOpened(IncidentOpened {
        incident: IncidentId::fresh(&OsEntropy),
        what: IncidentKind::LedgerFork,
        by: Actor::System,
        size: 12,
        witness: Some("witness.example".into()),
        seen: Some(14),
        proved: true,
    })));
    let marked = Viewer { staff: StaffId::new("s-17"), session, app: AppId::new("desk") };
    drafts.extend([
        Draft::plain(Event::MarkIssued(MarkIssued {
            mark: MarkId::fresh(&OsEntropy),
            by: marked.clone(),
            bucket: START,
        })),
        Draft::plain(Event::MarkFault(MarkFault {
            by: marked.clone(),
            what: MarkFaultKind::Removed,
            masks: ClassSet::NEEDS_MARK,
        })),
        Draft::plain(Event::MarkFault(MarkFault {
            by: marked.clone(),
            what: MarkFaultKind::Silent,
            masks: ClassSet::EMPTY,
        })),
        Draft::plain(Event::MarkSound(MarkSound { by: marked })),
    ]);
    drafts.extend(watched(session));
    let proposal = ProposalId::fresh(&OsEntropy);
    let by = Actor::Staff(StaffId::new("s-1"));
    drafts.push(of_subject(|subject| {
        Event::Proposed(Proposed { proposal, act: Act::Erase { subject }, by, session: Some(session) })
    }));
    drafts.push(Draft::plain(Event::Proposed(Proposed {
        proposal,
        act: Act::AllowUnwitnessed { until: START },
        by: Actor::Operator,
        session: None,
    })));
    for decision in [Decision::Confirm, Decision::Reject] {
        let event = Event::Decided(Decided { proposal, by: StaffId::new("s-2"), session, decision });
        drafts.push(Draft::plain(event));
    }
    drafts.push(of_subject(|subject| Event::Erased(Erased::Customer { proposal, subject: Some(subject) })));
    drafts.push(Draft::plain(Event::Erased(Erased::Customer { proposal, subject: None })));
    drafts.push(Draft::plain(Event::Erased(Erased::Before { month: Month::of(START) })));
    for (level, staff) in
        RuleLevel::ALL.iter().zip([vec![], vec!["s-17"], vec!["s-17", "s-2"], vec![], vec!["s-2"]])
    {
        drafts.push(Draft::plain(Event::RuleMatched(RuleMatched {
            rule: "9c7d7d7e-0000-5000-8000-000000000001".into(),
            text: Digest([3; 32]),
            level: *level,
            entries: vec![3, 7],
            staff: staff.into_iter().map(StaffId::new).collect(),
            unrecorded: 0,
        })));
    }
    for what in CanaryChange::ALL {
        let openings = vec![subject(), subject()];
        let commitments: Vec<_> = openings.iter().map(Opening::commitment).collect();
        let event = Event::CanariesPlanted(CanariesPlanted {
            app: AppId::new("desk"),
            what: *what,
            count: 2,
            subjects: Digest::over(&commitments),
            by: Actor::Operator,
        });
        drafts.push(Draft { event, openings });
    }
    drafts.iter().for_each(|draft| sampled(&draft.event));
    drafts
}

/// A finding, and what is done about it.
fn watched(session: SessionId) -> Vec<Draft> {
    use model::containment::{Contribution, Peers, Point, Usual};
    use model::{
        Contained, Finding, FindingId, Level, LiftReason, Lifted, Reauthenticated, Triaged, Verdict,
        WatchInForce, WatchMode,
    };
    let (finding, staff) = (FindingId::fresh(&OsEntropy), StaffId::new("s-17"));
    let mut events = vec![Event::Finding(Box::new(Finding {
        finding,
        staff: staff.clone(),
        role: Role::Agent,
        detector: "purpose".into(),
        level: Level::StepUp,
        score: 640,
        from: 1,
        at: 9,
        exposed: 3,
        seen: 8,
        contributions: vec![Contribution {
            entry: 9,
            added: 200,
            detector: "purpose".into(),
            evidence: Evidence::None,
            colleague: false,
            high_value: false,
            idle: true,
        }],
        usual: Usual { shifts: 4, one_in: Some(50), customers: 20, rows: 2 },
        curve: vec![Point { entry: 9, time: START, score: 640 }],
        rungs: vec![550, 600],
        peers: Peers::default(),
    }))];
    for mode in WatchMode::ALL {
        let by = Actor::Operator;
        events.push(Event::WatchInForce(WatchInForce { mode: *mode, throttle_minutes: 3, by }));
    }
    for level in Level::ALL {
        events.push(Event::Contained(Contained {
            staff: staff.clone(),
            level: *level,
            by: Actor::System,
            session: None,
            finding: Some(finding),
            reason: RevokeReason::UnexplainedLooks,
        }));
    }
    for verdict in Verdict::ALL {
        events.push(Event::Triaged(Triaged { finding, by: "s-2".into(), session, verdict: *verdict }));
    }
    for reason in LiftReason::ALL {
        let (staff, by) = (staff.clone(), StaffId::new("s-2"));
        events.push(Event::Lifted(Lifted { staff, by, session, reason: *reason, purpose: None }));
    }
    events.push(Event::Reauthenticated(Reauthenticated { session, staff, asked: START }));
    events.into_iter().map(Draft::plain).collect()
}

/// Does not compile when there is a new kind of entry: then add one to [`every_kind`].
fn sampled(event: &Event) {
    match event {
        Event::Started(_)
        | Event::SettingsInForce(_)
        | Event::PolicyInForce(_)
        | Event::StaffRecorded(_)
        | Event::SessionOpened(_)
        | Event::SessionClosed(_)
        | Event::GrantIssued(_)
        | Event::Revealed(_)
        | Event::Listed(_)
        | Event::Written(_)
        | Event::Refused(_)
        | Event::Revoked(_)
        | Event::Questioned(_)
        | Event::Proposed(_)
        | Event::Decided(_)
        | Event::Erased(_)
        | Event::IncidentOpened(_)
        | Event::MarkIssued(_)
        | Event::MarkFault(_)
        | Event::MarkSound(_)
        | Event::RuleMatched(_)
        | Event::CanariesPlanted(_)
        | Event::Finding(_)
        | Event::Contained(_)
        | Event::Lifted(_)
        | Event::Triaged(_)
        | Event::WatchInForce(_)
        | Event::Reauthenticated(_) => {}
    }
}
