//! The watch over a real ledger: what it tells, what it contains, how soon, and that nothing is told twice.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use access::{SharedState, TicketActor, TicketEvent, TicketWhat, Tickets};
use ledger::disk::OsDisk;
use ledger::{AppendError, Draft, Ledger, Options};
use model::entry::{
    Action, Actor, AppMode, GrantIssued, Revealed, SessionOpened, SettingsInForce, StaffRecorded, Viewer, Why,
};
use model::{
    AppId, Budgets, CanariesPlanted, CanaryChange, ClassSet, Clock, CustomerId, Digest, Event, Evidence,
    FieldClass, GrantId, Level, Mode, Opening, OsEntropy, Purpose, ResponseId, Role, SessionId, StaffId,
    StaffRecord, StaffStatus, Subject, Tier, Timestamp, WatchInForce, WatchMode,
};
use sightline_incident::{WatchSettings, Watcher, WatcherParts};

const START: u64 = 1_790_000_000_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// A clock that goes where it is put.
#[derive(Debug)]
struct Set(AtomicU64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct NoAbort;

impl ledger::Fatal for NoAbort {
    fn fatal(&self, _: &ledger::LedgerError) {}
}

struct House {
    ledger: Ledger,
    state: SharedState,
    tickets: Tickets,
    clock: Arc<Set>,
}

fn staff(n: u8) -> StaffId {
    StaffId::new(format!("s-{n}"))
}

fn desk() -> AppId {
    AppId::new("desk")
}

impl House {
    async fn open(dir: &Path) -> Self {
        let clock = Arc::new(Set(AtomicU64::new(START)));
        let options = Options { clock: clock.clone(), fatal: Arc::new(NoAbort), ..Options::default() };
        let at = dir.join("ledger");
        Ledger::create(&at, "test.example/ledger", &options).unwrap();
        let state = SharedState::default();
        let ledger = Ledger::open(&at, &options, state.clone()).unwrap();
        let tickets = Tickets::open(&dir.join("tickets.db")).unwrap();
        let house = Self { ledger, state, tickets, clock };
        let apps = vec![AppMode { app: desk(), mode: Mode::Enforce }];
        let budgets = Budgets { weak_per_shift: 500, ..Budgets::default() };
        let configuration = Digest::of(b"");
        let by = Actor::Operator;
        house
            .append(Event::SettingsInForce(SettingsInForce { configuration, budgets, apps, by }))
            .await
            .unwrap();
        for n in 1..=6 {
            let record = StaffRecord {
                staff: staff(n),
                role: Role::Agent,
                team: "t-1".to_owned(),
                employer: "in-house".to_owned(),
                site: None,
                status: StaffStatus::Active,
                cleared_until: None,
            };
            house.append(Event::StaffRecorded(StaffRecorded { record, by: Actor::Operator })).await.unwrap();
        }
        house
    }

    async fn append(&self, event: Event) -> Result<(), AppendError> {
        self.ledger.append(Draft::plain(event)).await.map(drop)
    }

    async fn contain(&self) {
        let (mode, by) = (WatchMode::Contain, Actor::Operator);
        self.append(Event::WatchInForce(WatchInForce { mode, throttle_minutes: 3, by })).await.unwrap();
    }

    fn at(&self, time: u64) {
        self.clock.0.store(time, Ordering::Relaxed);
    }

    async fn login(&self, n: u8, day: u64) {
        let opened = SessionOpened {
            session: seat(n, day),
            staff: staff(n),
            door: desk(),
            token: Digest::of(&[n, day as u8]),
            expires: self.clock.now().plus(Duration::from_secs(12 * 3600)),
        };
        self.append(Event::SessionOpened(opened)).await.unwrap();
    }

    async fn look(&self, n: u8, day: u64, customer: &str, evidence: Evidence) -> Result<(), Why> {
        let opening = || Opening::fresh(&OsEntropy, Subject::of(CustomerId::new(customer)));
        let (first, second) = (opening(), opening());
        let classes: ClassSet = [FieldClass::ContactEmail].into_iter().collect();
        let grant = GrantId::fresh(&OsEntropy);
        let issued = Event::GrantIssued(GrantIssued {
            grant,
            staff: staff(n),
            app: desk(),
            subject: first.commitment(),
            tier: Tier::Standard,
            classes,
            purpose: Purpose::CustomerSupport,
            evidence,
            expires: self.clock.now().plus(Duration::from_secs(3600)),
            charged: evidence.is_weak(),
            would_refuse: None,
        });
        let revealed = Event::Revealed(Revealed {
            response: ResponseId::fresh(&OsEntropy),
            by: Viewer { staff: staff(n), session: seat(n, day), app: desk() },
            subject: second.commitment(),
            tier: Tier::Standard,
            action: Action::View,
            classes,
            evidence,
            grant,
            mode: Mode::Enforce,
            would_mask: ClassSet::EMPTY,
        });
        let drafts = vec![
            Draft { event: issued, openings: vec![first] },
            Draft { event: revealed, openings: vec![second] },
        ];
        match self.ledger.append_all(drafts).await {
            Ok(_) => Ok(()),
            Err(AppendError::Refused(why)) => Err(why),
            Err(error) => panic!("{error}"),
        }
    }

    /// Days of work by routed tickets.
    async fn work(&self, days: u64) {
        for day in 0..days {
            self.at(START + day * DAY);
            for n in 1..=6 {
                self.login(n, day).await;
            }
            for at in 0..12 {
                for n in 1..=6 {
                    self.at(START + day * DAY + at * 20 * MINUTE + u64::from(n) * 1000);
                    let (ticket, customer) = (format!("k-{day}-{at}-{n}"), format!("c-{day}-{at}-{n}"));
                    self.tell(&ticket, &customer, TicketWhat::Opened, TicketActor::Customer, None);
                    self.tell(&ticket, &customer, TicketWhat::Assigned, TicketActor::Router, Some(staff(n)));
                    self.look(n, day, &customer, Evidence::Routed).await.unwrap();
                    self.tell(&ticket, &customer, TicketWhat::Acted, TicketActor::Staff(staff(n)), None);
                }
            }
        }
    }

    fn tell(&self, ticket: &str, customer: &str, what: TicketWhat, by: TicketActor, to: Option<StaffId>) {
        let event = TicketEvent {
            time: self.clock.now(),
            what,
            ticket: ticket.into(),
            customer: customer.into(),
            by,
            to,
        };
        self.tickets.apply(&desk(), &[event], None).unwrap();
    }

    fn watcher(&self, file: &Path) -> Watcher {
        Watcher::open(WatcherParts {
            ledger: self.ledger.clone(),
            state: self.state.clone(),
            tickets: self.tickets.clone(),
            settings: WatchSettings { mode: WatchMode::Contain, ..WatchSettings::default() },
            weak_per_shift: 500,
            file: file.to_owned(),
            disk: Arc::new(OsDisk),
            clock: self.clock.clone(),
            entropy: Arc::new(OsEntropy),
        })
    }

    fn events(&self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let records = self.ledger.read(0, usize::MAX).unwrap();
        records.into_iter().map(|record| record.entry.event).filter(wanted).collect()
    }
}

fn seat(n: u8, day: u64) -> SessionId {
    SessionId::from_bytes([n, day as u8, 0, 0, 0, 0, 0, 0, 0, 1])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harvest_is_told_and_contained_and_a_second_watcher_tells_nothing_anew() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path()).await;
    house.contain().await;
    house.work(12).await;
    let mut watcher = house.watcher(&dir.path().join("watch.state"));
    assert_eq!(watcher.catch_up().await.unwrap(), [], "ordinary days");
    house.at(START + 12 * DAY);
    house.login(3, 12).await;
    let mut seen = 0;
    let why = loop {
        house.at(START + 12 * DAY + (seen + 1) * 4 * MINUTE);
        if let Err(why) = house.look(3, 12, &format!("x-{seen}"), Evidence::None).await {
            break why;
        }
        seen += 1;
        watcher.catch_up().await.unwrap();
        assert!(seen < 40, "never contained");
    };
    assert!(matches!(why, Why::StepUp | Why::Throttled | Why::Suspended), "{why}");
    println!("contained ({why}) after {seen} customers");
    let held = house.state.read().contained(&staff(3)).cloned().unwrap();
    assert_eq!(held.by, Actor::System);
    let told = house.events(|event| matches!(event, Event::Finding(_)));
    // Another gateway, or this one after it lost its file: the same evidence is told once.
    let mut other = house.watcher(&dir.path().join("other.state"));
    assert_eq!(other.catch_up().await.unwrap(), []);
    assert_eq!(house.events(|event| matches!(event, Event::Finding(_))), told);
    assert_eq!(house.events(|event| matches!(event, Event::Contained(_))).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_at_a_planted_canary_is_enough_to_be_contained() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path()).await;
    house.contain().await;
    house.work(10).await;
    let opening = Opening::fresh(&OsEntropy, Subject::of(CustomerId::new("decoy")));
    let event = Event::CanariesPlanted(CanariesPlanted {
        app: desk(),
        what: CanaryChange::Planted,
        count: 1,
        subjects: Digest::over(&[opening.commitment()]),
        by: Actor::Operator,
    });
    house.ledger.append(Draft { event, openings: vec![opening] }).await.unwrap();
    let mut watcher = house.watcher(&dir.path().join("watch.state"));
    assert_eq!(watcher.catch_up().await.unwrap(), []);
    house.at(START + 10 * DAY);
    house.login(3, 10).await;
    house.look(3, 10, "decoy", Evidence::None).await.unwrap();
    let told = watcher.catch_up().await.unwrap();
    assert!(
        told.iter().any(|finding| finding.staff == staff(3) && finding.level >= Level::Suspend),
        "{told:?}"
    );
    assert!(house.state.read().contained(&staff(3)).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shadow_a_finding_is_told_and_nobody_is_contained() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path()).await;
    house.work(10).await;
    let mut watcher = house.watcher(&dir.path().join("watch.state"));
    house.at(START + 10 * DAY);
    house.login(3, 10).await;
    for n in 0..20 {
        house.at(START + 10 * DAY + (n + 1) * 4 * MINUTE);
        house.look(3, 10, &format!("x-{n}"), Evidence::None).await.unwrap();
    }
    let told = watcher.catch_up().await.unwrap();
    assert!(told.iter().any(|finding| finding.level >= Level::StepUp), "{told:?}");
    assert!(house.state.read().contained(&staff(3)).is_none());
    assert_eq!(house.state.read().findings().count(), told.len());
}

/// The way from the entry of a decisive look to the containment in force, as the house goes it: a task that follows the
/// ledger's growth.
#[tokio::test(flavor = "multi_thread")]
async fn from_the_decisive_look_to_the_containment_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::open(dir.path()).await;
    house.contain().await;
    house.work(10).await;
    let mut watcher = house.watcher(&dir.path().join("watch.state"));
    watcher.catch_up().await.unwrap();
    house.at(START + 10 * DAY);
    for n in 1..=6 {
        house.login(n, 10).await;
    }
    let followed = tokio::spawn(watcher.follow());
    let mut took = Vec::new();
    for n in 1..=6u8 {
        for customer in 0..60 {
            house.at(START + 10 * DAY + u64::from(n) * 95 * MINUTE + customer * MINUTE);
            if house.look(n, 10, &format!("x-{n}-{customer}"), Evidence::None).await.is_err() {
                break;
            }
            let recorded = Instant::now();
            // Long enough for the watch to have seen this look before the next one comes.
            while recorded.elapsed() < Duration::from_millis(40) {
                if house.state.read().contained(&staff(n)).is_some() {
                    took.push(recorded.elapsed());
                    break;
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            if house.state.read().contained(&staff(n)).is_some() {
                break;
            }
        }
    }
    followed.abort();
    took.sort();
    println!("from the decisive look to the containment in force: {took:?}");
    // Those who come after the first ones are weighed by what their colleagues do: not all are contained.
    assert!(!took.is_empty());
    assert!(took.iter().all(|took| *took < Duration::from_secs(1)));
}
