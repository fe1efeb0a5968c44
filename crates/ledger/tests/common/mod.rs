//! What the ledger's tests share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses its own part

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::clock::ManualClock;
use model::entry::{
    Act, Action, Erased, Listed, Proposed, Question, Questioned, Refused, Revealed, Started, Viewer, Why,
};
use model::{
    AppId, ClassSet, CustomerId, Digest, Event, Evidence, GrantId, Mode, Opening, OsEntropy, ProposalId,
    ResponseId, SessionId, StaffId, Subject, Tier, Timestamp,
};
use sightline_ledger::{Admission, AdmitAll, Draft, Ledger, Options, Record, verify};

pub const ORIGIN: &str = "ledger.example/desk";
pub const START: Timestamp = Timestamp(1_750_000_000_000);

/// Options with a clock that stands still, and no publishing in the background unless a test asks for it.
pub fn options() -> (Options, ManualClock) {
    let clock = ManualClock::at(START);
    let options = Options {
        clock: Arc::new(clock.clone()),
        publish_every: Duration::from_secs(3600),
        ..Options::default()
    };
    (options, clock)
}

/// How to check logs whose entries were made up: what they say keeps no rules.
pub fn tree_only() -> verify::Options<'static> {
    verify::Options { rules: false, ..verify::Options::default() }
}

/// A ledger in a directory of its own.
pub struct Home {
    pub root: tempfile::TempDir,
    pub options: Options,
    pub clock: ManualClock,
}

impl Home {
    pub fn new() -> Self {
        let (options, clock) = options();
        let home = Self { root: tempfile::tempdir().unwrap(), options, clock };
        Ledger::create(&home.dir(), ORIGIN, &home.options).unwrap();
        home
    }

    pub fn dir(&self) -> PathBuf {
        self.root.path().join("ledger")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub fn open(&self) -> Ledger {
        Ledger::open(&self.dir(), &self.options, AdmitAll).unwrap()
    }

    /// The files of the journal, in order.
    pub fn segments(&self) -> Vec<PathBuf> {
        files(&self.path("journal"))
    }
}

/// Admits everything, and knows what: how many entries, and a digest over them and their openings. Can be saved.
#[derive(Debug, Clone, Default)]
pub struct Chain(Arc<Mutex<Links>>);

#[derive(Debug, Default)]
struct Links {
    now: (u64, Vec<u8>),
    settled: (u64, Vec<u8>),
    /// How many entries were admitted, and not loaded.
    admitted: u64,
    refuses_to_load: bool,
}

impl Chain {
    pub fn that_loads_nothing() -> Self {
        let chain = Self::default();
        chain.0.lock().unwrap().refuses_to_load = true;
        chain
    }
    /// How many entries, and the digest over them.
    pub fn state(&self) -> (u64, Vec<u8>) {
        self.0.lock().unwrap().now.clone()
    }
    pub fn admitted(&self) -> u64 {
        self.0.lock().unwrap().admitted
    }
}

impl Admission for Chain {
    fn admit(&mut self, group: &[Record]) -> Result<(), Why> {
        let mut links = self.0.lock().unwrap();
        for record in group {
            assert_eq!(record.index, links.now.0, "entries come in order, without a gap");
            let customers = record.openings.iter().flatten().map(|o| o.subject.customer.to_string());
            let seen =
                [links.now.1.clone(), record.entry.encode(), customers.collect::<String>().into_bytes()];
            links.now = (record.index + 1, Digest::of(&seen.concat()).0.to_vec());
            links.admitted += 1;
        }
        Ok(())
    }
    fn undo(&mut self) {
        let mut links = self.0.lock().unwrap();
        links.now = links.settled.clone();
    }
    fn settle(&mut self) {
        let mut links = self.0.lock().unwrap();
        links.settled = links.now.clone();
    }
    fn save(&self) -> Option<Vec<u8>> {
        let links = self.0.lock().unwrap();
        assert_eq!(links.now, links.settled, "only what is settled is saved");
        Some([&links.now.0.to_be_bytes()[..], &links.now.1].concat())
    }
    fn load(&mut self, saved: &[u8]) -> bool {
        let mut links = self.0.lock().unwrap();
        let (Some((count, digest)), false) = (saved.split_first_chunk(), links.refuses_to_load) else {
            return false;
        };
        links.now = (u64::from_be_bytes(*count), digest.to_vec());
        links.settled = links.now.clone();
        true
    }
}

/// Every file under a directory, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// An event that is about no customer.
pub fn started(n: u64) -> Draft {
    Draft::plain(Event::Started(Started { software: format!("test {n}") }))
}

pub fn opening(customer: &str) -> Opening {
    Opening::fresh(&OsEntropy, Subject::of(CustomerId::new(customer)))
}

fn viewer() -> Viewer {
    Viewer { staff: StaffId::new("s-17"), session: SessionId::fresh(&OsEntropy), app: AppId::new("desk") }
}

/// A look at one customer.
pub fn revealed(customer: &str) -> Draft {
    let opening = opening(customer);
    let event = Event::Revealed(Revealed {
        response: ResponseId::fresh(&OsEntropy),
        by: viewer(),
        subject: opening.commitment(),
        tier: Tier::Standard,
        action: Action::View,
        classes: ClassSet::EMPTY,
        evidence: Evidence::Routed,
        grant: GrantId::fresh(&OsEntropy),
        mode: Mode::Enforce,
        would_mask: ClassSet::EMPTY,
    });
    Draft { event, openings: vec![opening] }
}

/// A list of customers.
pub fn listed(customers: &[&str]) -> Draft {
    let openings: Vec<Opening> = customers.iter().map(|customer| opening(customer)).collect();
    let commitments: Vec<_> = openings.iter().map(Opening::commitment).collect();
    let event = Event::Listed(Listed {
        response: ResponseId::fresh(&OsEntropy),
        by: viewer(),
        action: Action::List,
        rows: openings.len() as u32,
        subjects: Digest::over(&commitments),
        classes: ClassSet::EMPTY,
        mode: Mode::Enforce,
        would_mask: ClassSet::EMPTY,
        would_refuse: None,
        charged: openings.len() as u32,
    });
    Draft { event, openings }
}

/// A refusal about nobody in particular.
pub fn refused(why: Why) -> Draft {
    Draft::plain(Event::Refused(Refused {
        response: ResponseId::fresh(&OsEntropy),
        app: None,
        staff: None,
        session: None,
        subject: None,
        why,
    }))
}

/// An erasure, as two administrators have decided it.
pub fn erased(customer: &str, proposal: u8) -> Draft {
    let opening = opening(customer);
    let event = Event::Erased(Erased::Customer {
        proposal: ProposalId::from_bytes([proposal; 10]),
        subject: Some(opening.commitment()),
    });
    Draft { event, openings: vec![opening] }
}

/// The proposal of an erasure.
pub fn proposed(customer: &str, proposal: u8) -> Draft {
    let opening = opening(customer);
    let event = Event::Proposed(Proposed {
        proposal: ProposalId::from_bytes([proposal; 10]),
        act: Act::Erase { subject: opening.commitment() },
        by: model::entry::Actor::Operator,
        session: None,
    });
    Draft { event, openings: vec![opening] }
}

/// A question about a customer.
pub fn questioned(customer: &str) -> Draft {
    let opening = opening(customer);
    let event = Event::Questioned(Questioned {
        by: model::entry::Actor::Operator,
        question: Question::WhoSaw,
        staff: None,
        subject: Some(opening.commitment()),
    });
    Draft { event, openings: vec![opening] }
}
