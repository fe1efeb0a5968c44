//! P2, P4 and replay over three gateways on one PostgreSQL, while connections are cut, nodes are stopped where they
//! are, and the primary is killed and its synchronous standby promoted in the middle.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{app, opening, record, reveal, settings, staff_recorded};
use ledger::{AppendError, Database, Draft, Fatal, Ledger, LedgerError, Options};
use model::entry::{Actor, GrantIssued, RevokeReason, SessionOpened, Target, Viewer};
use model::{
    Budgets, Clock, CustomerId, Digest, Event, Evidence, FieldClass, GrantId, Mode, OsEntropy, Purpose,
    ResponseId, Role, SessionId, StaffId, SystemClock, Tier,
};
use peers::postgres::Server;
use peers::proxy::{Cut, Proxy};
use sightline_access::{SharedState, revocation};

const STAFF: usize = 6;
const WEAK: u32 = 25;

/// SplitMix64: enough to choose with.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// Keeps what it is told: nothing that happens here may end a process.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Fatal for Told {
    fn fatal(&self, error: &LedgerError) {
        self.0.lock().unwrap().push(error.to_string());
    }
}

/// A gateway's ledger, behind a network of its own to both servers.
struct Node {
    dir: tempfile::TempDir,
    networks: [Proxy; 2],
    ledger: Ledger,
    state: SharedState,
    told: Arc<Told>,
}

impl Node {
    fn open(servers: [&Server; 2], keys_of: Option<&Node>) -> Self {
        let networks = servers.map(|server| Proxy::start(server.port).unwrap());
        let [a, b] = [&networks[0], &networks[1]].map(|network| network.port);
        let url = format!("postgres://sightline@127.0.0.1:{a},127.0.0.1:{b}/sightline");
        let told = Arc::new(Told::default());
        let options = Options {
            database: Some(Database::new(&url).unwrap()),
            publish_every: Duration::from_millis(200),
            follow_every: Duration::from_millis(50),
            patience: Duration::from_secs(4),
            fatal: told.clone(),
            ..Options::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        std::fs::create_dir(&path).unwrap();
        for key in keys_of.iter().flat_map(|_| ["log.key", "master.key"]) {
            let from = keys_of.unwrap().dir.path().join("ledger").join(key);
            std::fs::copy(from, path.join(key)).unwrap();
        }
        Ledger::create(&path, "ledger.example/nodes", &options).unwrap();
        let state = SharedState::default();
        let ledger = Ledger::open(&path, &options, state.clone()).unwrap();
        Self { dir, networks, ledger, state, told }
    }
}

fn staff(n: usize) -> StaffId {
    StaffId::new(format!("s-{n}"))
}

fn login(who: &StaffId) -> (SessionId, Draft) {
    let session = SessionId::fresh(&OsEntropy);
    let opened = SessionOpened {
        session,
        staff: who.clone(),
        door: app(),
        token: Digest::of(session.to_string().as_bytes()),
        expires: SystemClock.now().plus(Duration::from_secs(12 * 3600)),
    };
    (session, Draft::plain(Event::SessionOpened(opened)))
}

fn grant(who: &StaffId, customer: &CustomerId, weak: bool) -> (GrantId, Draft) {
    let (id, opening) = (GrantId::fresh(&OsEntropy), opening(customer));
    let issued = GrantIssued {
        grant: id,
        staff: who.clone(),
        app: app(),
        subject: opening.commitment(),
        tier: Tier::Standard,
        classes: FieldClass::IdentityName.into(),
        purpose: Purpose::CustomerSupport,
        evidence: if weak { Evidence::None } else { Evidence::Routed },
        expires: SystemClock.now().plus(Duration::from_secs(600)),
        charged: weak,
        would_refuse: None,
    };
    (id, Draft { event: Event::GrantIssued(issued), openings: vec![opening] })
}

fn revoke(target: Target) -> Draft {
    revocation(target, Actor::Operator, RevokeReason::Drill)
}

/// What everybody knows of the sessions and grants that there are; some of it is out of date.
#[derive(Debug, Default)]
struct Known {
    sessions: BTreeMap<StaffId, Vec<SessionId>>,
    grants: Vec<(GrantId, StaffId, CustomerId)>,
}

/// What callers were told is recorded.
type Released = Vec<(u64, Event)>;

#[derive(Debug, Default)]
struct Counts {
    recorded: u64,
    refused: u64,
    unavailable: u64,
}

/// Works on any node: logs in, asks, looks, revokes.
async fn work(
    mut dice: Dice,
    ledgers: Vec<Ledger>,
    known: Arc<Mutex<Known>>,
    over: Arc<AtomicBool>,
) -> (Released, Counts) {
    let (mut released, mut counts) = (Released::new(), Counts::default());
    while !over.load(Ordering::SeqCst) {
        let ledger = &ledgers[dice.roll(ledgers.len() as u64) as usize];
        let who = staff(dice.roll(STAFF as u64) as usize);
        let customer = CustomerId::new(format!("c-{}", dice.roll(12)));
        let session = {
            let known = known.lock().unwrap();
            let sessions = known.sessions.get(&who).map(Vec::as_slice).unwrap_or_default();
            // The newest ones, and now and then one that was revoked long ago.
            let back = dice.roll(3) as usize;
            sessions.iter().rev().nth(back).or(sessions.last()).copied()
        };
        let held = {
            let known = known.lock().unwrap();
            let back = dice.roll(8) as usize;
            known.grants.iter().rev().nth(back).or(known.grants.last()).cloned()
        };
        let look = |who: &StaffId, session, customer: &CustomerId, grant| {
            let by = Viewer { staff: who.clone(), session, app: app() };
            let mut draft = reveal(by, customer, grant, FieldClass::IdentityName.into(), Mode::Enforce);
            if let Event::Revealed(e) = &mut draft.event {
                e.response = ResponseId::fresh(&OsEntropy);
            }
            draft
        };
        let drafts = match (dice.roll(20), session, held) {
            (0, ..) | (_, None, _) => {
                let (session, draft) = login(&who);
                known.lock().unwrap().sessions.entry(who).or_default().push(session);
                vec![draft]
            }
            (1, Some(session), _) => vec![revoke(Target::Session(session))],
            (2, _, Some((grant, ..))) => vec![revoke(Target::Grant(grant))],
            (3..=10, Some(_), Some((grant, holder, customer))) => {
                let session = known.lock().unwrap().sessions[&holder].last().copied().unwrap();
                vec![look(&holder, session, &customer, grant)]
            }
            (n, Some(session), _) => {
                let (grant, issued) = grant(&who, &customer, n > 15);
                known.lock().unwrap().grants.push((grant, who.clone(), customer.clone()));
                vec![issued, look(&who, session, &customer, grant)]
            }
        };
        let events: Vec<Event> = drafts.iter().map(|draft| draft.event.clone()).collect();
        match ledger.append_all(drafts).await {
            Ok(receipts) => {
                counts.recorded += events.len() as u64;
                for (receipt, event) in receipts.iter().zip(events) {
                    let verified = receipt.verify(ledger.verifier()).unwrap();
                    assert_eq!(verified.entry().event, event);
                    released.push((receipt.index(), event));
                }
            }
            Err(AppendError::Refused(_)) => counts.refused += 1,
            Err(AppendError::Unavailable) => counts.unavailable += 1,
            Err(other) => panic!("{other}"),
        }
    }
    (released, counts)
}

/// Reads the log by the rules of the promises, with nothing of the state that admitted it.
fn check(records: &[ledger::Record], released: &Released) {
    for (index, event) in released {
        assert_eq!(&records[*index as usize].entry.event, event, "entry {index} was released");
    }
    let mut events = BTreeSet::new();
    let (mut ended, mut revoked) = (BTreeSet::new(), BTreeSet::new());
    let mut weak: BTreeMap<StaffId, u32> = BTreeMap::new();
    let mut time = model::Timestamp(0);
    for record in records {
        assert!(record.entry.time >= time, "time went back");
        time = record.entry.time;
        // Ids are random, so an event that is there twice was appended twice; a revocation may be wanted twice.
        if !matches!(record.entry.event, Event::Revoked(_)) {
            assert!(
                events.insert(format!("{:?}", record.entry.event)),
                "entry {} is there twice",
                record.index
            );
        }
        match &record.entry.event {
            Event::Revoked(e) => match &e.target {
                Target::Session(session) => drop(ended.insert(*session)),
                Target::Grant(grant) => drop(revoked.insert(*grant)),
                Target::Staff(_) => {}
            },
            Event::Revealed(e) => {
                assert!(
                    !ended.contains(&e.by.session),
                    "look {} after its session was revoked",
                    record.index
                );
                assert!(!revoked.contains(&e.grant), "look {} after its grant was revoked", record.index);
            }
            Event::GrantIssued(e) if e.charged => {
                let used = weak.entry(e.staff.clone()).or_default();
                *used += 1;
                assert!(*used <= WEAK, "grant {} is over the budget", record.index);
            }
            _ => {}
        }
    }
    assert!(!ended.is_empty() && !revoked.is_empty() && !weak.is_empty(), "nothing was put to the test");
}

/// Cuts, stops, goes on; and in the middle kills the primary and promotes its standby.
fn disturb(mut dice: Dice, nodes: &[Node], primary: &Server, standby: &Server) {
    let disturb = |dice: &mut Dice| {
        let network = &nodes[dice.roll(3) as usize].networks[dice.roll(2) as usize];
        match dice.roll(5) {
            0 => network.cut(Cut::Before(dice.roll(12))),
            1 => network.cut(Cut::After(dice.roll(12) + 1)),
            2 => network.cut_all(false),
            3 => {
                network.pause(true);
                // Some longer than the database lets a turn take.
                std::thread::sleep(Duration::from_millis(100 + 40 * dice.roll(100)));
                network.pause(false);
            }
            _ => {
                network.cut_all(true);
                std::thread::sleep(Duration::from_millis(dice.roll(400)));
                network.cut_all(false);
            }
        }
        std::thread::sleep(Duration::from_millis(dice.roll(250)));
    };
    (0..14).for_each(|_| disturb(&mut dice));
    primary.kill();
    // Otherwise the promoted one would wait for a standby of its own.
    standby.sql("sightline", "ALTER SYSTEM SET synchronous_standby_names = ''").unwrap();
    standby.promote().unwrap();
    (0..10).for_each(|_| disturb(&mut dice));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_nodes_and_servers_no_look_stands_behind_its_revocation_and_nothing_is_lost_or_doubled()
 {
    let seed = match std::env::var("SIGHTLINE_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemClock.now().0,
    };
    eprintln!("SIGHTLINE_SEED={seed}");
    let primary = Server::start().unwrap();
    let database = format!("postgres://sightline@127.0.0.1:{}/sightline", primary.port);
    Database::new(&database).unwrap().migrate(false).unwrap();
    let standby = primary.standby().unwrap();
    let servers = [&primary, &standby];
    let first = Node::open(servers, None);
    let nodes = [Node::open(servers, Some(&first)), Node::open(servers, Some(&first)), first];
    let ledgers: Vec<Ledger> = nodes.iter().map(|node| node.ledger.clone()).collect();
    let budgets = Budgets { weak_per_shift: WEAK, ..Budgets::default() };
    let start = (0..STAFF).map(|n| staff_recorded(record(&staff(n), Role::Agent)));
    ledgers[0]
        .append_all([settings(budgets, Mode::Enforce)].into_iter().chain(start).collect())
        .await
        .unwrap();

    let over = Arc::new(AtomicBool::new(false));
    let known = Arc::<Mutex<Known>>::default();
    let workers: Vec<_> = (0..9)
        .map(|n| tokio::spawn(work(Dice(seed ^ (n + 1)), ledgers.clone(), known.clone(), over.clone())))
        .collect();
    tokio::task::block_in_place(|| disturb(Dice(seed), &nodes, &primary, &standby));
    for network in nodes.iter().flat_map(|node| &node.networks) {
        network.disarm();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    over.store(true, Ordering::SeqCst);
    let (mut released, mut counts) = (Released::new(), Counts::default());
    for worker in workers {
        let (theirs, count) = worker.await.unwrap();
        released.extend(theirs);
        counts.recorded += count.recorded;
        counts.refused += count.refused;
        counts.unavailable += count.unavailable;
    }
    eprintln!("{counts:?}");

    // One last entry through each node, so that each has absorbed everything before it.
    let mut last = 0;
    for ledger in &ledgers {
        let (_, draft) = login(&staff(0));
        let receipt = ledger.append(draft.clone()).await.unwrap();
        released.push((receipt.index(), draft.event));
        last = receipt.index() + 1;
    }
    for node in &nodes {
        let mut growth = node.ledger.growth();
        tokio::time::timeout(Duration::from_secs(20), growth.wait_for(|size| *size >= last))
            .await
            .unwrap()
            .unwrap();
    }
    let records = ledgers[0].read(0, usize::MAX).unwrap();
    check(&records, &released);
    let states: Vec<Vec<u8>> = nodes.iter().map(|node| node.state.read().encode()).collect();
    assert!(states.iter().all(|state| *state == states[0]), "the nodes differ in what they decide against");
    for node in &nodes {
        assert_eq!(node.ledger.read(0, usize::MAX).unwrap(), records);
        node.ledger.close().await;
        assert_eq!(*node.told.0.lock().unwrap(), Vec::<String>::new(), "no process ends of it");
    }

    // A node that replays everything decides against the same state.
    let replayed = Node::open(servers, Some(&nodes[2]));
    assert_eq!(replayed.state.read().encode(), states[0]);
    replayed.ledger.close().await;
}
