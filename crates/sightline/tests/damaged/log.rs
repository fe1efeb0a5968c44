//! Small logs, written without the ledger: whatever entries, with every tile and a signed checkpoint.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger::checkpoint::Checkpoint;
use ledger::cosignature::WitnessSigner;
use ledger::note::SignerKey;
use ledger::tile::{Kind, TilePath, kinds, nodes_at, push_entry};
use ledger::tree::{Frontier, Hash, leaf_hash, node_hash};
use model::entry::{
    Action, Actor, GrantIssued, Revealed, RevokeReason, Revoked, SessionOpened, StaffRecorded, Started,
    Target, Viewer,
};
use model::{
    AppId, ClassSet, Commitment, Digest, Entry, Event, Evidence, FieldClass, GrantId, Mode, Purpose,
    ResponseId, Role, SessionId, StaffId, StaffRecord, StaffStatus, Tier, Timestamp,
};

pub(crate) const ORIGIN: &str = "log.example/desk";
const START: Timestamp = Timestamp(1_750_000_000_000);
const SESSION: SessionId = SessionId::from_bytes([1; 10]);
const GRANT: GrantId = GrantId::from_bytes([2; 10]);

/// Whose log it is.
pub(crate) fn owner() -> SignerKey {
    SignerKey::new(ORIGIN, &[7; 32]).unwrap()
}

/// Somebody else, under the same name.
pub(crate) fn stranger() -> SignerKey {
    SignerKey::new(ORIGIN, &[9; 32]).unwrap()
}

pub(crate) fn witness(name: &str) -> WitnessSigner {
    let seed = [name.as_bytes()[0]; 32];
    WitnessSigner::new(&format!("{name}.example/w"), &seed).unwrap()
}

/// Every file under a directory, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Writes the log that has these entries.
pub(crate) fn publish(dir: &Path, entries: &[Vec<u8>]) {
    let size = entries.len() as u64;
    let mut frontier = Frontier::default();
    entries.iter().for_each(|entry| frontier.push(leaf_hash(entry)));
    for kind in kinds(size) {
        for number in 0..nodes_at(kind, size).div_ceil(256) {
            let tile = TilePath::at_size(kind, number, size).unwrap();
            let path = dir.join(tile.to_string());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let first = number as usize * 256;
            let bytes = match kind {
                Kind::Entries => {
                    entries[first..first + tile.width()].iter().fold(Vec::new(), |mut bundle, entry| {
                        push_entry(&mut bundle, entry);
                        bundle
                    })
                }
                Kind::Hashes(level) => (first..first + tile.width())
                    .flat_map(|node| {
                        let span = 256usize.pow(level.into());
                        root(&entries[node * span..(node + 1) * span])
                    })
                    .collect(),
            };
            fs::write(path, bytes).unwrap();
        }
    }
    fs::create_dir_all(dir).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root: frontier.root() };
    fs::write(dir.join("checkpoint"), owner().sign(&checkpoint.body())).unwrap();
}

/// The root over a power of two of entries.
fn root(entries: &[Vec<u8>]) -> Hash {
    match entries {
        [one] => leaf_hash(one),
        _ => {
            let (left, right) = entries.split_at(entries.len() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

fn viewer(staff: &str) -> Viewer {
    Viewer { staff: StaffId::new(staff), session: SESSION, app: AppId::new("desk") }
}

fn look(by: Viewer, classes: ClassSet, number: u64) -> Event {
    Event::Revealed(Revealed {
        response: ResponseId::from_bytes([number as u8; 10]),
        by,
        subject: Commitment(leaf_hash(&number.to_be_bytes())),
        tier: Tier::Standard,
        action: Action::View,
        classes,
        evidence: Evidence::Assigned,
        grant: GRANT,
        mode: Mode::Enforce,
        would_mask: ClassSet::EMPTY,
    })
}

fn staff(status: StaffStatus, by: Actor) -> Event {
    let record = StaffRecord {
        staff: StaffId::new("s-17"),
        role: Role::Agent,
        team: "t-1".into(),
        employer: "in-house".into(),
        site: None,
        status,
        cleared_until: None,
    };
    Event::StaffRecorded(StaffRecorded { record, by })
}

fn revoked(target: Target) -> Event {
    Event::Revoked(Revoked { target, by: Actor::Operator, reason: RevokeReason::Drill })
}

/// Somebody's day at work, as the entries of a log.
pub(crate) struct Day {
    pub(crate) entries: Vec<Vec<u8>>,
    /// The time of the last one.
    pub(crate) last: Timestamp,
}

impl Day {
    /// So many entries, two a second: staff, session, grant, and looks under it.
    pub(crate) fn of(size: u64) -> Self {
        let classes = ClassSet::from(FieldClass::IdentityName);
        let at = |seconds: u64| START.plus(Duration::from_secs(seconds));
        let event = |number| match number {
            0 => staff(StaffStatus::Active, Actor::Operator),
            1 => Event::SessionOpened(SessionOpened {
                session: SESSION,
                staff: StaffId::new("s-17"),
                door: AppId::new("desk"),
                token: Digest([7; 32]),
                expires: at(8 * 3600),
            }),
            2 => Event::GrantIssued(GrantIssued {
                grant: GRANT,
                staff: StaffId::new("s-17"),
                app: AppId::new("desk"),
                subject: Commitment([5; 32]),
                tier: Tier::HighValue,
                classes,
                purpose: Purpose::CustomerSupport,
                evidence: Evidence::Assigned,
                expires: at(2 * 3600),
                charged: false,
                would_refuse: None,
            }),
            _ => look(viewer("s-17"), classes, number),
        };
        let entries =
            (0..size).map(|number| Entry { time: at(number / 2), event: event(number) }.encode()).collect();
        Self { entries, last: at((size - 1) / 2) }
    }

    /// One more look at that time, that keeps every rule.
    pub(crate) fn look_at(time: &Timestamp) -> Entry {
        Entry { time: *time, event: look(viewer("s-17"), FieldClass::IdentityName.into(), 1) }
    }

    /// What may follow this day in no log, the last entry of each being the one that breaks a rule.
    pub(crate) fn ways_to_break_a_rule(&self) -> Vec<(&'static str, Vec<Vec<u8>>)> {
        let name = || ClassSet::from(FieldClass::IdentityName);
        let shown = || look(viewer("s-17"), name(), 1);
        let someone = || Target::Staff(StaffId::new("s-17"));
        let now = |events: Vec<Event>| -> Vec<Vec<u8>> {
            events.into_iter().map(|event| Entry { time: self.last, event }.encode()).collect()
        };
        let late = |hours: u64| {
            let time = START.plus(Duration::from_secs(hours * 3600));
            vec![Entry { time, event: shown() }.encode()]
        };
        let before = self.last.minus(Duration::from_millis(1));
        let back = Entry { time: before, event: Event::Started(Started { software: "x".into() }) };
        vec![
            (
                "a look after the revocation of its session",
                now(vec![revoked(Target::Session(SESSION)), shown()]),
            ),
            ("a look after the revocation of its grant", now(vec![revoked(Target::Grant(GRANT)), shown()])),
            ("a look after the revocation of its viewer", now(vec![revoked(someone()), shown()])),
            ("a look after a suspension", now(vec![staff(StaffStatus::Suspended, Actor::Operator), shown()])),
            (
                "a login that reinstates",
                now(vec![revoked(someone()), staff(StaffStatus::Active, Actor::System)]),
            ),
            (
                "a look at more than was granted",
                now(vec![look(viewer("s-17"), FieldClass::ContactEmail.into(), 1)]),
            ),
            ("a look in somebody else's session", now(vec![look(viewer("s-18"), name(), 1)])),
            (
                "a look at what is never shown",
                now(vec![look(viewer("s-17"), FieldClass::SecretPassword.into(), 1)]),
            ),
            ("a look under a grant that has expired", late(2)),
            ("a look in a session that has expired", late(8)),
            ("an entry that is older than the one before it", vec![back.encode()]),
        ]
    }
}

/// Other ways to write this entry, which begins with an array of two and a time of eight bytes.
pub(crate) fn other_encodings(entry: &Entry) -> Vec<(&'static str, Vec<u8>)> {
    let encoded = entry.encode();
    assert_eq!(encoded[..2], [0x82, 0x1b]);
    let mut indefinite = encoded.clone();
    indefinite[0] = 0x9f;
    indefinite.push(0xff);
    let more = [encoded.as_slice(), &[0]].concat();
    let cut = encoded[..encoded.len() - 1].to_vec();
    // The kind is a small number right behind the time and the head of the event.
    let mut longer = encoded.clone();
    assert_eq!((longer[10], longer[11]), (0x82, 7));
    longer.splice(11..12, [0x18, 7]);
    vec![
        ("an array without a length", indefinite),
        ("a byte behind the entry", more),
        ("an entry that is cut off", cut),
        ("a number that is longer than it need be", longer),
        ("no entry at all", b"thesis".to_vec()),
    ]
}
