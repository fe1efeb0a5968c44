//! A ledger with some looks in it, its view, and an enquiry over both.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::Path;
use std::sync::Arc;

use ledger::{AdmitAll, Draft, Ledger, Options};
use model::clock::ManualClock;
use model::entry::*;
use model::{
    AppId, ClassSet, CustomerId, Digest, Evidence, FieldClass, GrantId, Mode, Opening, OsEntropy, Purpose,
    ResponseId, Role, SessionId, StaffId, StaffRecord, StaffStatus, Subject, TicketId, Tier, Timestamp,
};
use sightline_incident::{Asker, Enquiry};

pub(crate) const START: Timestamp = Timestamp(1_770_000_000_000);

pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) ledger: Ledger,
    pub(crate) clock: ManualClock,
    pub(crate) enquiry: Enquiry,
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(START);
        let options =
            Options { clock: Arc::new(clock.clone()), fatal: Arc::new(Unheeded), ..Options::default() };
        let ledger = open_ledger(&dir.path().join("ledger"), &options);
        let (fold, views) = views::open(&dir.path().join("views"), &ledger).unwrap();
        tokio::spawn(fold.follow(ledger.clone()));
        let enquiry = Enquiry::new(ledger.clone(), views, Arc::new(clock.clone()), Arc::new(OsEntropy));
        Self { dir, ledger, clock, enquiry }
    }

    pub(crate) async fn staff(&self, staff: &str, team: &str) {
        let record = StaffRecord {
            staff: StaffId::new(staff),
            role: Role::Agent,
            team: team.into(),
            employer: "in-house".into(),
            site: None,
            status: StaffStatus::Active,
            cleared_until: None,
        };
        let event = Event::StaffRecorded(StaffRecorded { record, by: Actor::System });
        self.ledger.append(Draft::plain(event)).await.unwrap();
    }

    /// A look under a grant of its own; the number of its entry.
    pub(crate) async fn look(&self, staff: &str, customer: &str, evidence: Evidence) -> u64 {
        let subject = Subject {
            customer: CustomerId::new(customer),
            ticket: (!evidence.is_weak()).then(|| TicketId::new("k-5")),
            note: None,
        };
        let classes: ClassSet = [FieldClass::IdentityName, FieldClass::ContactEmail].into_iter().collect();
        let grant = GrantId::fresh(&OsEntropy);
        let opening = Opening::fresh(&OsEntropy, subject.clone());
        let issued = Event::GrantIssued(GrantIssued {
            grant,
            staff: StaffId::new(staff),
            app: AppId::new("desk"),
            subject: opening.commitment(),
            tier: Tier::Standard,
            classes,
            purpose: Purpose::CustomerSupport,
            evidence,
            expires: Timestamp(START.0 + 7_200_000),
            charged: evidence.is_weak(),
            would_refuse: evidence.is_weak().then_some(Why::WeakBudget),
        });
        let issued = Draft { event: issued, openings: vec![opening] };
        let opening = Opening::fresh(&OsEntropy, subject);
        let revealed = Event::Revealed(Revealed {
            response: ResponseId::fresh(&OsEntropy),
            by: viewer(staff),
            subject: opening.commitment(),
            tier: Tier::Standard,
            action: Action::View,
            classes,
            evidence,
            grant,
            mode: Mode::Observe,
            would_mask: FieldClass::ContactEmail.into(),
        });
        let revealed = Draft { event: revealed, openings: vec![opening] };
        self.ledger.append_all(vec![issued, revealed]).await.unwrap()[1].index()
    }

    /// A list of customers; the number of its entry.
    pub(crate) async fn list(&self, staff: &str, customers: &[&str]) -> u64 {
        let subject = |customer: &&str| Subject::of(CustomerId::new(customer));
        let openings: Vec<_> = customers.iter().map(|c| Opening::fresh(&OsEntropy, subject(c))).collect();
        let commitments: Vec<_> = openings.iter().map(Opening::commitment).collect();
        let event = Event::Listed(Listed {
            response: ResponseId::fresh(&OsEntropy),
            by: viewer(staff),
            action: Action::Search,
            rows: customers.len() as u32,
            subjects: Digest::over(&commitments),
            classes: FieldClass::IdentityName.into(),
            mode: Mode::Enforce,
            would_mask: ClassSet::EMPTY,
            would_refuse: None,
            charged: customers.len() as u32,
        });
        self.ledger.append(Draft { event, openings }).await.unwrap().index()
    }

    /// The questions in the ledger.
    pub(crate) fn questions(&self) -> Vec<Questioned> {
        let records = self.ledger.read(0, usize::MAX).unwrap();
        let questions = records.into_iter().filter_map(|record| match record.entry.event {
            Event::Questioned(question) => Some(question),
            _ => None,
        });
        questions.collect()
    }
}

/// The directory goes with the test, and a ledger may still be publishing into it.
#[derive(Debug)]
struct Unheeded;

impl ledger::Fatal for Unheeded {
    fn fatal(&self, _: &ledger::LedgerError) {}
}

fn open_ledger(dir: &Path, options: &Options) -> Ledger {
    Ledger::create(dir, "log.example/sightline", options).unwrap();
    Ledger::open(dir, options, AdmitAll).unwrap()
}

pub(crate) fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 10])
}

fn viewer(staff: &str) -> Viewer {
    Viewer { staff: StaffId::new(staff), session: session(1), app: AppId::new("desk") }
}

pub(crate) fn analyst(session_no: u8) -> Asker {
    Asker::Console { staff: StaffId::new("s-analyst"), session: session(session_no) }
}
