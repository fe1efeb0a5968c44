//! A small world whose ledger the tests make up, as records without a ledger.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::future::Future;
use std::path::Path;

use ledger::Record;
use model::entry::*;
use model::{
    AppId, ClassSet, Commitment, CustomerId, Digest, Evidence, GrantId, Mode, Opening, Purpose, ResponseId,
    Role, SessionId, StaffId, StaffRecord, StaffStatus, Subject, TicketId, Tier, Timestamp,
};
use proptest::prelude::*;
use sightline_views::{self as views, Fold, Views};

pub(crate) const LOG: &str = "log.example/sightline+00000000+none";
pub(crate) const START: Timestamp = Timestamp(1_770_000_000_000);

pub(crate) fn open(dir: &Path) -> (Fold, Views) {
    views::open_of(dir, LOG).unwrap()
}

/// A view that has folded these records, and the directory that it lives in as long as it is kept.
pub(crate) fn folded(records: &[Record]) -> (tempfile::TempDir, Views) {
    let dir = tempfile::tempdir().unwrap();
    let (mut fold, views) = open(dir.path());
    fold.fold(records).unwrap();
    (dir, views)
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Every row of every table, as text.
pub(crate) fn dump(dir: &Path) -> String {
    let db = rusqlite::Connection::open(dir.join("views.sqlite3")).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let tables: Vec<String> =
        db.prepare(tables).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut out = String::new();
    for table in tables {
        let mut rows = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let width = rows.column_count();
        let lines = rows.query_map([], |row| {
            Ok((0..width).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect::<Vec<_>>().join("|"))
        });
        for line in lines.unwrap() {
            out += &format!("{table}: {}\n", line.unwrap());
        }
    }
    out
}

/// What one staff member does next.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) after_ms: u64,
    pub(crate) staff: u8,
    pub(crate) app: u8,
    pub(crate) customer: u8,
    pub(crate) evidence: Evidence,
    pub(crate) classes: ClassSet,
    pub(crate) erased: bool,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Look,
    List,
    Write,
    Refuse,
    Login,
    Logout,
    RevokeStaff,
    RevokeSession,
    RevokeGrant,
    Move,
    Suspend,
    Ask,
}

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    use What::*;
    let what = prop_oneof![
        8 => Just(Look), 3 => Just(List), 1 => Just(Write), 2 => Just(Refuse), 2 => Just(Login),
        1 => Just(Logout), 1 => Just(RevokeStaff), 1 => Just(RevokeSession), 1 => Just(RevokeGrant),
        1 => Just(Move), 1 => Just(Suspend), 1 => Just(Ask),
    ];
    let step = (0..5_000_000u64, 0..4u8, 0..2u8, 0..6u8, 0..7usize, any::<u16>(), any::<u8>(), what)
        .prop_map(|(after_ms, staff, app, customer, evidence, classes, erased, what)| Step {
            after_ms: after_ms / 3,
            staff,
            app,
            customer,
            evidence: Evidence::ALL[evidence],
            classes: ClassSet::from_bits(classes.into()),
            erased: erased < 40,
            what,
        });
    proptest::collection::vec(step, 0..most)
}

/// The ledger that these steps leave.
pub(crate) fn records(steps: &[Step]) -> Vec<Record> {
    let mut world = World::default();
    steps.iter().for_each(|step| world.step(step));
    world.records
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) records: Vec<Record>,
    time: u64,
    logins: u8,
}

pub(crate) fn staff(n: u8) -> StaffId {
    StaffId::new(format!("s-{n}"))
}

pub(crate) fn app(n: u8) -> AppId {
    AppId::new(["desk", "crm"][usize::from(n)])
}

pub(crate) fn customer(n: u8) -> CustomerId {
    CustomerId::new(format!("cust-{n}"))
}

/// The session of the `logins`-th login of this person.
pub(crate) fn session(staff: u8, logins: u8) -> SessionId {
    SessionId::from_bytes([staff, logins, 0, 0, 0, 0, 0, 0, 0, 1])
}

impl World {
    pub(crate) fn step(&mut self, step: &Step) {
        self.time += step.after_ms;
        let viewer = Viewer {
            staff: staff(step.staff),
            session: session(step.staff, self.logins),
            app: app(step.app),
        };
        let subject = Subject {
            customer: customer(step.customer),
            ticket: (step.evidence < Evidence::SelfMade)
                .then(|| TicketId::new(format!("k-{}", step.customer))),
            note: None,
        };
        let tier = if step.customer == 0 { Tier::HighValue } else { Tier::Standard };
        let actor = Actor::Staff(StaffId::new("s-analyst"));
        match step.what {
            What::Look => {
                let grant = self.grant(step, &viewer, &subject, tier);
                self.about(step, subject, |subject, response| {
                    Event::Revealed(Revealed {
                        response,
                        by: viewer,
                        subject,
                        tier,
                        action: Action::View,
                        classes: step.classes,
                        evidence: step.evidence,
                        grant,
                        mode: Mode::Observe,
                        would_mask: step.classes.intersection(ClassSet::from_bits(0xf0)),
                    })
                });
            }
            What::List => {
                let openings: Vec<_> = (0..=step.customer)
                    .map(|n| Opening { salt: [n; 32], subject: Subject::of(customer(n / 2 * 2)) })
                    .collect();
                let commitments: Vec<Commitment> = openings.iter().map(Opening::commitment).collect();
                let event = Event::Listed(Listed {
                    response: self.response(),
                    by: viewer,
                    action: Action::Search,
                    rows: openings.len() as u32,
                    subjects: Digest::over(&commitments),
                    classes: step.classes,
                    mode: Mode::Observe,
                    would_mask: ClassSet::EMPTY,
                    would_refuse: step.erased.then_some(Why::ListingBudget),
                    charged: openings.len() as u32,
                });
                let erased = |n: u8| step.erased && n.is_multiple_of(3);
                let openings = (0u8..).zip(openings).map(|(n, o)| (!erased(n)).then_some(o)).collect();
                self.push(event, openings);
            }
            What::Write => self.about(step, subject, |subject, response| {
                Event::Written(Written { response, by: viewer, subject: Some(subject), restored: 1 })
            }),
            What::Refuse => self.about(step, subject, |subject, response| {
                Event::Refused(Refused {
                    response,
                    app: Some(viewer.app),
                    staff: Some(viewer.staff),
                    session: Some(viewer.session),
                    subject: Some(subject),
                    why: [Why::WeakBudget, Why::NoReason][usize::from(step.customer % 2)],
                })
            }),
            What::Login => {
                self.logins = self.logins.wrapping_add(1);
                let session = session(step.staff, self.logins);
                let expires = Timestamp(START.0 + self.time + 36_000_000);
                let token = Digest::of(session.to_string().as_bytes());
                self.plain(Event::SessionOpened(SessionOpened {
                    session,
                    staff: viewer.staff,
                    door: viewer.app,
                    token,
                    expires,
                }));
            }
            What::Logout => {
                self.plain(Event::SessionClosed(SessionClosed {
                    session: viewer.session,
                    why: SessionEnd::Logout,
                }));
            }
            What::RevokeStaff => self.revoke(Target::Staff(viewer.staff), actor),
            What::RevokeSession => self.revoke(Target::Session(viewer.session), actor),
            What::RevokeGrant => {
                let grant = self.grant(step, &viewer, &subject, tier);
                self.revoke(Target::Grant(grant), actor);
            }
            What::Move => self.record(step, &format!("team-{}", step.customer), StaffStatus::Active),
            What::Suspend => self.record(step, "team-0", StaffStatus::Suspended),
            What::Ask => self.about(step, Subject::of(customer(step.customer)), |subject, _| {
                Event::Questioned(Questioned {
                    by: actor,
                    question: Question::WhoSaw,
                    staff: None,
                    subject: Some(subject),
                })
            }),
        }
    }

    fn grant(&mut self, step: &Step, viewer: &Viewer, subject: &Subject, tier: Tier) -> GrantId {
        let mut bytes = [7; 10];
        bytes[..8].copy_from_slice(&(self.records.len() as u64).to_be_bytes());
        let grant = GrantId::from_bytes(bytes);
        let expires = Timestamp(START.0 + self.time + 7_200_000);
        self.about(step, subject.clone(), |subject, _| {
            Event::GrantIssued(GrantIssued {
                grant,
                staff: viewer.staff.clone(),
                app: viewer.app.clone(),
                subject,
                tier,
                classes: step.classes,
                purpose: Purpose::CustomerSupport,
                evidence: step.evidence,
                expires,
                charged: step.evidence.is_weak(),
                would_refuse: step.evidence.is_weak().then_some(Why::WeakBudget),
            })
        });
        grant
    }

    fn record(&mut self, step: &Step, team: &str, status: StaffStatus) {
        let record = StaffRecord {
            staff: staff(step.staff),
            role: Role::Agent,
            team: team.into(),
            employer: ["in-house", "Vendor"][usize::from(step.staff % 2)].into(),
            site: None,
            status,
            cleared_until: None,
        };
        self.plain(Event::StaffRecorded(StaffRecorded { record, by: Actor::System }));
    }

    fn revoke(&mut self, target: Target, by: Actor) {
        self.plain(Event::Revoked(Revoked { target, by, reason: RevokeReason::UnexplainedLooks }));
    }

    fn response(&self) -> ResponseId {
        let mut bytes = [9; 10];
        bytes[..8].copy_from_slice(&(self.records.len() as u64).to_be_bytes());
        ResponseId::from_bytes(bytes)
    }

    fn about(&mut self, step: &Step, subject: Subject, event: impl FnOnce(Commitment, ResponseId) -> Event) {
        let opening = Opening { salt: [step.customer; 32], subject };
        let event = event(opening.commitment(), self.response());
        self.push(event, vec![(!step.erased).then_some(opening)]);
    }

    pub(crate) fn plain(&mut self, event: Event) {
        self.push(event, Vec::new());
    }

    fn push(&mut self, event: Event, openings: Vec<Option<Opening>>) {
        let time = Timestamp(START.0 + self.time);
        let index = self.records.len() as u64;
        self.records.push(Record { index, entry: model::Entry { time, event }, openings });
    }
}
