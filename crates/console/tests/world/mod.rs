//! A small day on a support floor, in a real ledger: fourteen staff, one of whom harvests, is stopped
//! by the budget, and is revoked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{Access, Policy, SharedState, TicketActor, TicketEvent, TicketWhat, Tickets};
use incident::{Enquiry, Erasure, Retention};
use ledger::{AppendError, Draft, Fatal, Ledger, LedgerError, Options};
use model::clock::ManualClock;
use model::entry::*;
use model::*;
use people::{
    Directory, Door, LoginMethod, People, PeopleParts, Persona, Personas, PersonasSettings, SessionLimits,
};
use sightline_console::Console;

/// The app behind the gateway.
pub(crate) const APP: &str = "desk";
/// The console's door.
pub(crate) const DOOR: &str = "console";
/// Who harvests.
pub(crate) const INSIDER: &str = "s-17";
/// A customer whom the insider saw.
pub(crate) const HARVESTED: &str = "c-40417";

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) ledger: Ledger,
    pub(crate) state: SharedState,
    pub(crate) access: Access,
    pub(crate) enquiry: Enquiry,
    pub(crate) people: People,
    day: Day,
}

/// The directory of a test goes before the ledger does; that must not end the other tests.
#[derive(Debug)]
struct Stop;

impl Fatal for Stop {
    fn fatal(&self, _: &LedgerError) {}
}

/// What makes the day: a small generator of the same numbers every time.
struct Day {
    seed: u64,
    sessions: Vec<(StaffId, SessionId)>,
}

impl Day {
    fn next(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }
}

impl World {
    /// An empty ledger in `dir`, at `start`.
    pub(crate) async fn new(dir: &Path, start: Timestamp) -> Self {
        let clock = ManualClock::at(start);
        let (clock_, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(clock.clone()), Arc::new(OsEntropy));
        let options = Options {
            clock: clock_.clone(),
            entropy: entropy.clone(),
            fatal: Arc::new(Stop),
            ..Options::default()
        };
        let log = dir.join("ledger");
        Ledger::create(&log, "sightline.example/demo", &options).unwrap();
        let state = SharedState::default();
        let ledger = Ledger::open(&log, &options, state.clone()).unwrap();
        let tickets = Tickets::open(&dir.join("tickets.db")).unwrap();
        let app = AppId::new(APP);
        let opened = |n: u64| TicketEvent {
            time: clock.now(),
            what: TicketWhat::Opened,
            ticket: TicketId::new(format!("k-{n}")),
            customer: CustomerId::new(format!("c-{}", 40_000 + n)),
            by: TicketActor::Customer,
            to: None,
        };
        let events: Vec<_> = (0..2_500).map(opened).collect();
        tickets.apply(&app, &events, None).unwrap();
        let access = Access::new(state.clone(), Policy::shipped(), tickets, entropy.clone());
        std::fs::create_dir_all(dir.join("views")).unwrap();
        let (fold, views) = views::open(&dir.join("views"), &ledger).unwrap();
        let follow = fold.follow(ledger.clone());
        tokio::spawn(async move { follow.await.unwrap() });
        let enquiry = Enquiry::new(ledger.clone(), views, clock_.clone(), entropy.clone());
        let people = people(dir, &ledger, &state, clock_, entropy);
        Self { clock, ledger, state, access, enquiry, people, day: Day { seed: 7, sessions: Vec::new() } }
    }

    /// The console over this world.
    pub(crate) fn console(&self) -> Console {
        Console {
            door: AppId::new(DOOR),
            ledger: self.ledger.clone(),
            access: self.access.clone(),
            people: self.people.clone(),
            enquiry: self.enquiry.clone(),
            erasure: self.erasure(),
            witnesses: witness::Standing::without_witnesses(),
            trust_policy: "quorum none\n".into(),
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(OsEntropy),
        }
    }

    pub(crate) fn erasure(&self) -> Erasure {
        Erasure {
            ledger: self.ledger.clone(),
            state: self.state.clone(),
            tickets: self.access.tickets().clone(),
            retention: Retention::default(),
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(OsEntropy),
        }
    }

    pub(crate) async fn record(&self, event: Event) -> u64 {
        self.ledger.append(Draft::plain(event)).await.unwrap().index()
    }

    /// Records about a customer.
    async fn about(
        &self,
        customer: &str,
        ticket: Option<&str>,
        event: impl FnOnce(Commitment) -> Event,
    ) -> Result<(), Why> {
        let subject =
            Subject { customer: CustomerId::new(customer), ticket: ticket.map(TicketId::new), note: None };
        let opening = Opening::fresh(&OsEntropy, subject);
        let event = event(opening.commitment());
        match self.ledger.append(Draft { event, openings: vec![opening] }).await {
            Ok(_) => Ok(()),
            Err(AppendError::Refused(why)) => Err(why),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn staff(&self, staff: &str, role: Role, team: &str, employer: &str) {
        let record = StaffRecord {
            staff: StaffId::new(staff),
            role,
            team: team.to_owned(),
            employer: employer.to_owned(),
            site: None,
            status: StaffStatus::Active,
            cleared_until: None,
        };
        self.record(Event::StaffRecorded(StaffRecorded { record, by: Actor::System })).await;
    }

    pub(crate) async fn session(&mut self, staff: &str, door: &str) -> SessionId {
        let session = SessionId::fresh(&OsEntropy);
        self.record(Event::SessionOpened(SessionOpened {
            session,
            staff: StaffId::new(staff),
            door: AppId::new(door),
            token: Digest(clock::random(&OsEntropy)),
            expires: self.clock.now().plus(Duration::from_secs(12 * 3600)),
        }))
        .await;
        if door == APP {
            self.day.sessions.push((StaffId::new(staff), session));
        }
        session
    }

    /// Settings, staff, and a session at the desk for each agent.
    pub(crate) async fn open_the_floor(&mut self) {
        self.record(Event::Started(Started { software: "sightline 0.1.0".into() })).await;
        let budgets = Budgets { weak_per_shift: 4, ..Budgets::default() };
        self.record(Event::SettingsInForce(SettingsInForce {
            configuration: Digest::of(b"configuration"),
            budgets,
            apps: vec![AppMode { app: AppId::new(APP), mode: Mode::Enforce }],
            by: Actor::Operator,
        }))
        .await;
        self.record(Event::PolicyInForce(PolicyInForce {
            policy: Digest::of(b"policy"),
            by: Actor::Operator,
        }))
        .await;
        for n in 11..=24 {
            let (team, employer) = match n % 3 {
                0 => ("payments", "in-house"),
                1 => ("onboarding", "Harbour Support"),
                _ => ("accounts", "in-house"),
            };
            let role = if n == 12 || n == 18 { Role::Lead } else { Role::Agent };
            self.staff(&format!("s-{n}"), role, team, employer).await;
        }
        for n in 11..=24 {
            self.session(&format!("s-{n}"), APP).await;
            self.clock.advance(Duration::from_secs(20));
        }
    }

    /// A look with a grant of its own, if the ledger admits it.
    pub(crate) async fn try_look(
        &self,
        staff: &str,
        session: SessionId,
        customer: &str,
        evidence: Evidence,
        tier: Tier,
    ) -> Result<(), Why> {
        let by = Viewer { staff: StaffId::new(staff), session, app: AppId::new(APP) };
        let grant = GrantId::fresh(&OsEntropy);
        let mut classes: ClassSet =
            [FieldClass::IdentityName, FieldClass::ContactEmail].into_iter().collect();
        if !evidence.is_weak() {
            classes.insert(FieldClass::SupportHistory);
            classes.insert(FieldClass::AccountActivity);
        }
        let ticket = (evidence != Evidence::None).then(|| customer.replace("c-4", "k-"));
        let expires = self.clock.now().plus(Duration::from_secs(3600));
        let granted = (by.staff.clone(), by.app.clone());
        self.about(customer, ticket.as_deref(), |subject| {
            Event::GrantIssued(GrantIssued {
                grant,
                staff: granted.0,
                app: granted.1,
                subject,
                tier,
                classes,
                purpose: Purpose::CustomerSupport,
                evidence,
                expires,
                charged: evidence.is_weak(),
                would_refuse: None,
            })
        })
        .await?;
        self.about(customer, ticket.as_deref(), |subject| {
            Event::Revealed(Revealed {
                response: ResponseId::fresh(&OsEntropy),
                by,
                subject,
                tier,
                action: Action::View,
                classes,
                evidence,
                grant,
                mode: Mode::Enforce,
                would_mask: ClassSet::EMPTY,
            })
        })
        .await
    }

    async fn look(
        &self,
        staff: &StaffId,
        session: SessionId,
        customer: &str,
        evidence: Evidence,
        tier: Tier,
    ) {
        self.try_look(staff.as_str(), session, customer, evidence, tier).await.unwrap();
    }

    async fn list(&self, staff: &StaffId, session: SessionId, customers: Vec<String>) {
        let openings: Vec<_> =
            customers.iter().map(|c| Opening::fresh(&OsEntropy, Subject::of(CustomerId::new(c)))).collect();
        let commitments: Vec<_> = openings.iter().map(Opening::commitment).collect();
        let event = Event::Listed(Listed {
            response: ResponseId::fresh(&OsEntropy),
            by: Viewer { staff: staff.clone(), session, app: AppId::new(APP) },
            action: Action::Search,
            rows: customers.len() as u32,
            subjects: Digest::over(&commitments),
            classes: ClassSet::EMPTY,
            mode: Mode::Enforce,
            would_mask: ClassSet::EMPTY,
            would_refuse: None,
            charged: 0,
        });
        self.ledger.append(Draft { event, openings }).await.unwrap();
    }

    async fn refuse(&self, staff: &StaffId, session: SessionId, customer: &str, why: Why) {
        let (staff, app) = (staff.clone(), AppId::new(APP));
        self.about(customer, None, |subject| {
            Event::Refused(Refused {
                response: ResponseId::fresh(&OsEntropy),
                app: Some(app),
                staff: Some(staff),
                session: Some(session),
                subject: Some(subject),
                why,
            })
        })
        .await
        .unwrap();
    }

    /// Nine hours of work, `looks` of them, the insider's among them.
    pub(crate) async fn work(&mut self, looks: u64) {
        let sessions = self.day.sessions.clone();
        let pause = Duration::from_secs(8 * 3600) / looks as u32;
        let mut taken = 0;
        for n in 0..looks {
            self.clock.advance(pause.mul_f64(0.5 + self.day.next(100) as f64 / 100.0));
            let (staff, session) = &sessions[self.day.next(sessions.len() as u64) as usize];
            let customer = format!("c-{}", 40_000 + self.day.next(2_500));
            let tier = if self.day.next(20) == 0 { Tier::HighValue } else { Tier::Standard };
            let evidence = match self.day.next(100) {
                0..62 => Evidence::Routed,
                62..78 => Evidence::Assigned,
                78..85 => Evidence::Linked,
                85..94 => Evidence::Picked,
                _ => Evidence::Contact,
            };
            self.look(staff, *session, &customer, evidence, tier).await;
            if self.day.next(8) == 0 {
                let first = self.day.next(2_400);
                self.list(staff, *session, (0..6).map(|i| format!("c-{}", 40_000 + first + i)).collect())
                    .await;
            }
            if n % 60 == 30 {
                self.refuse(staff, *session, &customer, Why::NoReason).await;
            }
            if n % 97 == 40 {
                let customer = format!("c-{}", 40_000 + self.day.next(2_500));
                self.look(staff, *session, &customer, Evidence::SelfMade, Tier::Standard).await;
            }
            // The harvest begins late in the day.
            if n > looks * 2 / 3 && n % 5 == 0 {
                let (staff, session) = sessions.iter().find(|(s, _)| s.as_str() == INSIDER).unwrap();
                if taken < 3 {
                    let customer = format!("c-{}", 40_417 + taken);
                    self.look(staff, *session, &customer, Evidence::None, Tier::Standard).await;
                } else {
                    self.refuse(staff, *session, &format!("c-{}", 40_417 + taken), Why::WeakBudget).await;
                }
                taken += 1;
            }
        }
    }

    /// The insider's session at the desk.
    pub(crate) fn insiders_session(&self) -> SessionId {
        self.day.sessions.iter().find(|(s, _)| s.as_str() == INSIDER).unwrap().1
    }
}

/// Who can log in to the console, and one who cannot.
const PERSONAS: [(&str, &str, Role, &str); 6] = [
    ("s-90", "Ines Okafor", Role::Analyst, "security"),
    ("s-91", "Tomas Lind", Role::Auditor, "audit"),
    ("s-92", "Rahel Stern", Role::Admin, "platform"),
    ("s-93", "Jon Brandt", Role::Admin, "security"),
    ("s-12", "Paulo Reis", Role::Lead, "payments"),
    ("s-17", "Kim Adler", Role::Agent, "accounts"),
];

fn people(
    dir: &Path,
    ledger: &Ledger,
    state: &SharedState,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> People {
    let staff = PERSONAS.map(|(staff, name, role, team)| Persona {
        staff: staff.into(),
        name: name.to_owned(),
        login: staff.to_owned(),
        role,
        team: team.to_owned(),
        employer: "in-house".to_owned(),
        site: None,
        cleared_until: None,
        about: None,
    });
    let door = Door {
        name: AppId::new(DOOR),
        listen: ([127, 0, 0, 1], 8790).into(),
        public_url: "http://127.0.0.1:8790/".parse().unwrap(),
    };
    let personas = Personas::open(&PersonasSettings { staff: staff.into() }, &[door]).unwrap();
    Directory::create(&dir.join("people"), &*entropy).unwrap();
    let parts = PeopleParts {
        ledger: ledger.clone(),
        registered: Arc::new(state.clone()),
        directory: Directory::open(&dir.join("people")).unwrap(),
        login: LoginMethod::Personas(personas),
        limits: SessionLimits::default(),
        clock,
        entropy,
    };
    People::new(parts).unwrap()
}

impl World {
    /// A finding about somebody who has looked at customers without a reason, as the watch would tell it.
    pub(crate) async fn find(&self, staff: &str, level: model::Level) -> model::FindingId {
        use model::containment::{Contribution, Peers, Point, Usual};
        let theirs = self.ledger.read(0, usize::MAX).unwrap().into_iter().filter_map(|record| {
            match record.entry.event {
                Event::Revealed(e) if e.by.staff.as_str() == staff => {
                    Some((record.index, record.entry.time, e))
                }
                _ => None,
            }
        });
        let theirs: Vec<_> = theirs.collect();
        let curve = theirs.iter().enumerate().map(|(n, (entry, time, look))| {
            let weak = theirs[..=n].iter().filter(|(.., look)| look.evidence.is_weak()).count() as i32;
            let score = (160 * weak - if look.evidence.is_weak() { 0 } else { 30 }).min(900);
            Point { entry: *entry, time: *time, score }
        });
        let mut curve: Vec<Point> = curve.collect();
        curve.truncate(model::containment::MOST_POINTS);
        let weighty = theirs.iter().rev().take(6).map(|(entry, _, look)| Contribution {
            entry: *entry,
            added: 140,
            detector: "purpose".to_owned(),
            evidence: Evidence::None,
            colleague: false,
            high_value: look.tier.is_high_value(),
            idle: true,
        });
        let contributions: Vec<_> = weighty.collect();
        let finding = model::FindingId::fresh(&OsEntropy);
        let at = theirs.last().unwrap().0;
        self.record(Event::Finding(Box::new(model::Finding {
            finding,
            staff: StaffId::new(staff),
            role: Role::Agent,
            detector: "purpose".to_owned(),
            level,
            score: curve.last().unwrap().score,
            from: theirs[0].0,
            at,
            exposed: 4,
            seen: theirs.len() as u32,
            contributions,
            usual: Usual { shifts: 46, one_in: Some(40), customers: 28, rows: 12 },
            curve,
            rungs: vec![550, 600, 850, 1100, 1700],
            peers: Peers { people: 11, median: -120, p90: 40, highest: 210 },
        })))
        .await;
        finding
    }
}
