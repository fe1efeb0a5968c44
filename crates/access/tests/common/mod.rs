//! A small world for tests: two apps, some staff, and a log that keeps what was admitted.
// Each test file uses its part of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledger::{Admission, Draft, Record};
use model::entry::{
    Action, Actor, AppMode, Listed, Revealed, SessionOpened, SettingsInForce, StaffRecorded, Viewer, Why,
};
use model::{
    AppId, Budgets, ClassSet, CustomerId, Digest, Entropy, Entry, Event, Evidence, GrantId, Mode, Opening,
    ResponseId, Role, SessionId, StaffId, StaffRecord, StaffStatus, Subject, TicketId, Tier, Timestamp,
};
use sightline_access::{
    Access, Basis, Decision, Look, Policy, SharedState, TicketActor, TicketEvent, TicketWhat, Tickets,
};

/// Different bytes each time, the same in each run.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buf: &mut [u8]) {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        buf.fill(0);
        buf[..8].copy_from_slice(&n.to_be_bytes());
    }
}

pub(crate) const START: Timestamp = Timestamp(1_790_000_000_000);

pub(crate) fn app() -> AppId {
    AppId::new("desk")
}

pub(crate) fn observed_app() -> AppId {
    AppId::new("crm")
}

pub(crate) fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 10])
}

pub(crate) fn grant_id(n: u8) -> GrantId {
    GrantId::from_bytes([n; 10])
}

pub(crate) fn record(staff: &StaffId, role: Role) -> StaffRecord {
    StaffRecord {
        staff: staff.clone(),
        role,
        team: "t-1".to_owned(),
        employer: "in-house".to_owned(),
        site: None,
        status: StaffStatus::Active,
        cleared_until: None,
    }
}

pub(crate) fn staff_recorded(record: StaffRecord) -> Draft {
    Draft::plain(Event::StaffRecorded(StaffRecorded { record, by: Actor::Operator }))
}

pub(crate) fn settings(budgets: Budgets, desk: Mode) -> Draft {
    Draft::plain(Event::SettingsInForce(SettingsInForce {
        configuration: Digest::of(b"configuration"),
        budgets,
        apps: vec![AppMode { app: app(), mode: desk }, AppMode { app: observed_app(), mode: Mode::Observe }],
        by: Actor::Operator,
    }))
}

pub(crate) fn login(n: u8, staff: &StaffId, door: &AppId, now: Timestamp) -> Draft {
    Draft::plain(Event::SessionOpened(SessionOpened {
        session: session(n),
        staff: staff.clone(),
        door: door.clone(),
        token: Digest::of(&[n]),
        expires: now.plus(Duration::from_secs(12 * 3600)),
    }))
}

pub(crate) fn opening(customer: &CustomerId) -> Opening {
    Opening { salt: [7; 32], subject: Subject::of(customer.clone()) }
}

pub(crate) fn reveal(
    by: Viewer,
    customer: &CustomerId,
    grant: GrantId,
    classes: ClassSet,
    mode: Mode,
) -> Draft {
    let opening = opening(customer);
    let event = Event::Revealed(Revealed {
        response: ResponseId::from_bytes([1; 10]),
        by,
        subject: opening.commitment(),
        tier: Tier::Standard,
        action: Action::View,
        classes,
        evidence: Evidence::Routed,
        grant,
        mode,
        would_mask: ClassSet::EMPTY,
    });
    Draft { event, openings: vec![opening] }
}

pub(crate) fn listed(by: Viewer, rows: u32, mode: Mode) -> Draft {
    Draft::plain(Event::Listed(Listed {
        response: ResponseId::from_bytes([2; 10]),
        by,
        action: Action::List,
        rows,
        subjects: Digest::over(&[]),
        classes: ClassSet::EMPTY,
        mode,
        would_mask: ClassSet::EMPTY,
        would_refuse: None,
        charged: rows,
    }))
}

/// A log: what was admitted, and the time.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) state: SharedState,
    pub(crate) admitted: Vec<Record>,
    pub(crate) now: Timestamp,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { state: SharedState::default(), admitted: Vec::new(), now: START }
    }

    /// One group that is a batch by itself.
    pub(crate) fn append(&mut self, drafts: Vec<Draft>) -> Result<(), Why> {
        self.admit(drafts)?;
        self.state.settle();
        Ok(())
    }

    /// One group of a batch that is not durable yet.
    pub(crate) fn admit(&mut self, drafts: Vec<Draft>) -> Result<(), Why> {
        let group: Vec<_> = (self.admitted.len() as u64..)
            .zip(drafts)
            .map(|(index, draft)| Record {
                index,
                entry: Entry { time: self.now, event: draft.event },
                openings: draft.openings.into_iter().map(Some).collect(),
            })
            .collect();
        self.state.admit(&group)?;
        self.admitted.extend(group);
        Ok(())
    }

    pub(crate) fn wait(&mut self, minutes: u64) {
        self.now = self.now.plus(Duration::from_secs(minutes * 60));
    }
}

/// A desk with one agent, one lead and so on: `me` is the agent, and sits in session 1 (in session 2
/// at the observed app).
pub(crate) struct World {
    pub(crate) access: Access,
    pub(crate) log: Log,
    pub(crate) me: StaffRecord,
    _dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(mode: Mode) -> Self {
        Self::with(mode, Role::Agent, Budgets::default(), Policy::shipped())
    }

    pub(crate) fn with(mode: Mode, role: Role, budgets: Budgets, policy: Policy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tickets = Tickets::open(&dir.path().join("tickets.db")).unwrap();
        let mut log = Log::new();
        let access = Access::new(log.state.clone(), policy, tickets, Arc::new(Counting::default()));
        let me = record(&StaffId::new("me"), role);
        let start = vec![
            settings(budgets, mode),
            staff_recorded(me.clone()),
            login(1, &me.staff, &app(), START),
            login(2, &me.staff, &observed_app(), START),
        ];
        log.append(start).unwrap();
        Self { access, log, me, _dir: dir }
    }

    pub(crate) fn look<'a>(&'a self, customer: &'a CustomerId, app: &'a AppId) -> Look<'a> {
        Look { viewer: &self.me, app, customer, ticket: None, now: self.log.now }
    }

    pub(crate) fn decide(&self, customer: &str) -> Decision {
        self.access.decide(&self.look(&customer.into(), &app()))
    }

    pub(crate) fn viewer(&self) -> Viewer {
        Viewer { staff: self.me.staff.clone(), session: session(1), app: app() }
    }

    /// Decides and does what the gateway does: appends the grant, if there is one to issue, and the
    /// reveal of all that may be shown.
    pub(crate) fn open(&mut self, customer: &str) -> Result<Decision, Why> {
        let decision = self.decide(customer);
        let (grant, mut drafts) = match &decision.basis {
            Basis::Granted(grant) => (grant.id, Vec::new()),
            Basis::Issue { grant, draft } => (grant.id, vec![draft.clone()]),
            Basis::AskWhy { .. } => return Err(Why::NoReason),
            Basis::Refuse(why) => return Err(*why),
        };
        let customer = CustomerId::new(customer);
        drafts.push(reveal(self.viewer(), &customer, grant, decision.verdicts.show, decision.mode));
        self.log.append(drafts)?;
        Ok(decision)
    }

    pub(crate) fn ticket(
        &self,
        what: TicketWhat,
        ticket: &str,
        customer: &str,
        by: TicketActor,
        to: Option<&str>,
    ) {
        let event = TicketEvent {
            time: self.log.now,
            what,
            ticket: TicketId::new(ticket),
            customer: CustomerId::new(customer),
            by,
            to: to.map(StaffId::new),
        };
        for app in [app(), observed_app()] {
            self.access.tickets().apply(&app, std::slice::from_ref(&event), None).unwrap();
        }
    }

    /// The customer opens a ticket, and it is routed to `me`.
    pub(crate) fn routed(&self, ticket: &str, customer: &str) {
        self.ticket(TicketWhat::Opened, ticket, customer, TicketActor::Customer, None);
        self.ticket(TicketWhat::Assigned, ticket, customer, TicketActor::Router, Some("me"));
    }

    pub(crate) fn tier(&self, customer: &str, tier: Tier) {
        self.access.tickets().set_tiers(&app(), &[(customer.into(), tier)]).unwrap();
    }
}
