//! An erasure is finished whatever interrupts it, and afterwards nothing that is kept, made or asked names the
//! customer.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{SharedState, TicketActor, TicketEvent, TicketWhat, Tickets};
use ledger::{Draft, Ledger, Options, Record};
use model::clock::{Clock, ManualClock};
use model::entry::*;
use model::{
    AppId, CustomerId, Digest, Month, Opening, OsEntropy, ProposalId, ResponseId, Role, SessionId, StaffId,
    StaffRecord, StaffStatus, Subject, TicketId, Timestamp,
};
use sightline_incident::{Asker, Enquiry, Erasure, Retention};
use views::{Page, Span, Whom};

const START: Timestamp = Timestamp(1_770_000_000_000);
const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// A house that can be left and opened again.
struct House {
    ledger: Ledger,
    state: SharedState,
    tickets: Tickets,
    enquiry: Enquiry,
    erasure: Erasure,
    clock: ManualClock,
}

impl House {
    fn options(clock: &ManualClock) -> Options {
        Options { clock: Arc::new(clock.clone()), ..Options::default() }
    }

    async fn new(dir: &Path) -> Self {
        let clock = ManualClock::at(START);
        Ledger::create(&dir.join("ledger"), "log.example/sightline", &Self::options(&clock)).unwrap();
        let house = Self::open(dir, clock);
        let admin = |staff: &str| {
            let record = StaffRecord {
                staff: staff.into(),
                role: Role::Admin,
                team: "security".into(),
                employer: "in-house".into(),
                site: None,
                status: StaffStatus::Active,
                cleared_until: None,
            };
            Draft::plain(Event::StaffRecorded(StaffRecorded { record, by: Actor::Operator }))
        };
        house.ledger.append_all(vec![admin("a"), admin("b")]).await.unwrap();
        house
    }

    fn open(dir: &Path, clock: ManualClock) -> Self {
        let state = SharedState::default();
        let ledger = Ledger::open(&dir.join("ledger"), &Self::options(&clock), state.clone()).unwrap();
        let tickets = Tickets::open(&dir.join("tickets.db")).unwrap();
        let (fold, views) = views::open(&dir.join("views"), &ledger).unwrap();
        tokio::spawn(fold.follow(ledger.clone()));
        let enquiry = Enquiry::new(ledger.clone(), views, Arc::new(clock.clone()), Arc::new(OsEntropy));
        let erasure = Erasure {
            ledger: ledger.clone(),
            state: state.clone(),
            tickets: tickets.clone(),
            retention: Retention::default(),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(OsEntropy),
        };
        Self { ledger, state, tickets, enquiry, erasure, clock }
    }

    /// Ends as a crash does, as far as the files are concerned.
    async fn leave(self) -> ManualClock {
        self.ledger.close().await;
        self.clock
    }

    /// A refused look at a customer, by a ticket.
    async fn refuse(&self, customer: &str) {
        let subject = Subject { ticket: Some(TicketId::new(format!("ticket-{customer}"))), ..of(customer) };
        let opening = Opening::fresh(&OsEntropy, subject);
        let event = Event::Refused(Refused {
            response: ResponseId::fresh(&OsEntropy),
            app: Some(AppId::new("desk")),
            staff: Some("s-1".into()),
            session: None,
            subject: Some(opening.commitment()),
            why: Why::NoReason,
        });
        self.ledger.append(Draft { event, openings: vec![opening] }).await.unwrap();
    }

    fn ticket(&self, customer: &str) {
        let event = TicketEvent {
            time: START,
            what: TicketWhat::Opened,
            ticket: TicketId::new(format!("ticket-{customer}")),
            customer: customer.into(),
            by: TicketActor::Customer,
            to: None,
        };
        self.tickets.apply(&AppId::new("desk"), &[event], None).unwrap();
    }

    /// Proposes it from a shell, and has both administrators confirm it.
    async fn decide(&self, customer: &str) -> ProposalId {
        let (proposal, _) = self.erasure.propose(customer.into(), Actor::Operator, None).await.unwrap();
        for staff in ["a", "b"] {
            let session = SessionId::fresh(&OsEntropy);
            let login = SessionOpened {
                session,
                staff: staff.into(),
                door: AppId::new(AppId::CONSOLE),
                token: Digest::of(session.to_string().as_bytes()),
                expires: self.clock.now().plus(Duration::from_secs(3600)),
            };
            let (by, decision) = (StaffId::new(staff), Decision::Confirm);
            let decided = Decided { proposal, by, session, decision };
            let drafts = vec![Event::SessionOpened(login), Event::Decided(decided)];
            self.ledger.append_all(drafts.into_iter().map(Draft::plain).collect()).await.unwrap();
        }
        proposal
    }

    fn records(&self) -> Vec<Record> {
        self.ledger.read(0, usize::MAX).unwrap()
    }

    fn erased(&self) -> Vec<Erased> {
        let erased = |record: Record| match record.entry.event {
            Event::Erased(erased) => Some(erased),
            _ => None,
        };
        self.records().into_iter().filter_map(erased).collect()
    }

    /// How often the customer was refused, as the view says.
    async fn refusals(&self, customer: &str) -> u64 {
        let whom = Whom::Named { app: None, customer: customer.into() };
        let answer = self.enquiry.who_saw(&Asker::Operator, whom, Span::ALWAYS, Page::all()).await.unwrap();
        answer.answer.summary.refused
    }

    /// Waits until the view has folded everything, without naming anybody.
    async fn fold(&self) {
        self.enquiry.overview(&Asker::Operator, Span::ALWAYS).await.unwrap();
    }

    fn prove_all(&self) {
        for index in 0..self.ledger.size() {
            self.ledger.prove(index).unwrap().verify(self.ledger.verifier()).unwrap();
        }
    }
}

fn of(customer: &str) -> Subject {
    Subject::of(CustomerId::new(customer))
}

/// Which files below `dir` hold this text.
fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

async fn house_with_jane(dir: &Path) -> House {
    let house = House::new(dir).await;
    for customer in ["jane-doe", "john-roe"] {
        house.ticket(customer);
        house.refuse(customer).await;
    }
    house.clock.advance(MONTH);
    house.refuse("jane-doe").await;
    assert_eq!((house.refusals("jane-doe").await, house.refusals("john-roe").await), (2, 1));
    assert!(!files_with(dir, "jane-doe").is_empty());
    house
}

/// Everything that must be so once Jane is erased, now and after the next start.
async fn jane_is_gone(dir: &Path, house: House) {
    house.fold().await;
    assert_eq!(files_with(dir, "jane-doe"), [] as [&str; 0]);
    assert_eq!(house.erased().len(), 1);
    assert!(!house.tickets.knows(&"jane-doe".into()).unwrap());
    assert!(house.tickets.knows(&"john-roe".into()).unwrap());
    house.prove_all();
    let state = house.state.read().encode();
    let clock = house.leave().await;

    let house = House::open(dir, clock);
    assert_eq!(house.state.read().encode(), state, "a replay gives another state");
    assert_eq!(house.erasure.carry_out().await.unwrap(), [] as [u64; 0]);
    let anew = dir.join("anew");
    drop(views::rebuild(&anew, &house.ledger, |_| ()).unwrap());
    house.fold().await;
    assert_eq!(files_with(dir, "jane-doe"), [] as [&str; 0]);
    assert_eq!((house.refusals("jane-doe").await, house.refusals("john-roe").await), (0, 1));
    house.prove_all();
    house.leave().await;
}

#[tokio::test]
async fn what_two_administrators_decided_is_done_and_no_file_names_the_customer() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_with_jane(dir.path()).await;
    let proposal = house.decide("jane-doe").await;
    assert_eq!(house.erasure.carry_out().await.unwrap(), [house.ledger.size() - 1]);
    let said = house.erased();
    assert!(matches!(&said[..], [Erased::Customer { proposal: p, subject: Some(_) }] if *p == proposal));
    jane_is_gone(dir.path(), house).await;
}

#[tokio::test]
async fn the_worker_does_it_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_with_jane(dir.path()).await;
    tokio::spawn(house.erasure.clone().follow());
    house.decide("jane-doe").await;
    while house.erased().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    jane_is_gone(dir.path(), house).await;
}

#[tokio::test]
async fn a_crash_before_anything_was_done_is_made_good_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_with_jane(dir.path()).await;
    house.decide("jane-doe").await;
    let house = House::open(dir.path(), house.leave().await);
    house.erasure.carry_out().await.unwrap();
    jane_is_gone(dir.path(), house).await;
}

#[tokio::test]
async fn a_crash_after_the_tickets_and_before_the_keys_is_made_good_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_with_jane(dir.path()).await;
    house.decide("jane-doe").await;
    house.tickets.forget(&"jane-doe".into()).unwrap();
    let house = House::open(dir.path(), house.leave().await);
    house.erasure.carry_out().await.unwrap();
    jane_is_gone(dir.path(), house).await;
}

#[tokio::test]
async fn a_crash_after_the_keys_and_before_the_entry_is_made_good_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_with_jane(dir.path()).await;
    // The views know her, as they do while they follow.
    house.fold().await;
    house.decide("jane-doe").await;
    house.tickets.forget(&"jane-doe".into()).unwrap();
    house.fold().await;
    let clock = house.leave().await;
    let (crashed, ahead_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_dir(dir.path(), crashed.path());
    copy_dir(&dir.path().join("ledger"), ahead_dir.path());

    // A copy goes one step further, and the keys are as it left them; nothing else is.
    let ahead = House::open_ledger(ahead_dir.path(), &clock);
    let opening = Opening::fresh(&OsEntropy, of("jane-doe"));
    let proposal = ahead.1.read().confirmed_proposals().next().unwrap().id;
    let what = Erased::Customer { proposal, subject: Some(opening.commitment()) };
    ahead.0.append(Draft { event: Event::Erased(what), openings: vec![opening] }).await.unwrap();
    ahead.0.close().await;
    drop(ahead);
    for file in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        let _ = std::fs::remove_file(crashed.path().join("ledger").join(file));
        let _ = std::fs::copy(ahead_dir.path().join(file), crashed.path().join("ledger").join(file));
    }

    let house = House::open(crashed.path(), clock);
    house.erasure.carry_out().await.unwrap();
    assert!(matches!(&house.erased()[..], [Erased::Customer { subject: None, .. }]));
    jane_is_gone(crashed.path(), house).await;
}

impl House {
    fn open_ledger(dir: &Path, clock: &ManualClock) -> (Ledger, SharedState) {
        let state = SharedState::default();
        (Ledger::open(dir, &Self::options(clock), state.clone()).unwrap(), state)
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn retention_forgets_once_a_month_what_is_older_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_with_jane(dir.path()).await;
    let erasure =
        |months| Erasure { retention: Retention { openings_months: Some(months) }, ..house.erasure.clone() };
    assert_eq!(erasure(24).carry_out().await.unwrap(), [] as [u64; 0], "the ledger is younger");
    assert_eq!(erasure(1).carry_out().await.unwrap(), [] as [u64; 0]);
    house.clock.advance(MONTH);
    assert_eq!(erasure(1).carry_out().await.unwrap().len(), 1);
    assert_eq!(erasure(1).carry_out().await.unwrap(), [] as [u64; 0]);
    let month = Month::of(START.plus(MONTH));
    assert_eq!(house.erased(), [Erased::Before { month }]);
    assert_eq!((house.refusals("jane-doe").await, house.refusals("john-roe").await), (1, 0));
    house.prove_all();
    house.leave().await;
}

#[test]
fn a_setting_that_would_keep_nothing_is_refused_and_the_policy_says_what_is_kept() {
    assert!(Retention { openings_months: Some(0) }.check().is_err());
    assert!(Retention { openings_months: Some(1) }.check().is_ok());
    let policy = Retention { openings_months: Some(24) }.pruning_policy();
    assert!(policy.contains("24 calendar months") && policy.contains("Never pruned"), "{policy}");
}
