//! How fast a whole log is verified, next to hashing the same bytes once: `verify_speed [ENTRIES]`.
//!
//! Writes a log of looks into a temporary directory, as it would be published, verifies it with two readers, and
//! prints one line of JSON: the best of three by the clock, and the processor time of that one, which other programs
//! on the machine do not lengthen.
#![allow(clippy::print_stdout, reason = "it answers on standard output")]

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use model::entry::{Action, Actor, GrantIssued, Revealed, SessionOpened, StaffRecorded, Viewer};
use model::{
    AppId, ClassSet, Commitment, Digest, Entry, Event, Evidence, FieldClass, GrantId, Mode, Purpose,
    ResponseId, Role, SessionId, StaffId, StaffRecord, StaffStatus, Tier, Timestamp,
};
use sha2::{Digest as _, Sha256};
use sightline_ledger::LogVerifier;
use sightline_ledger::checkpoint::Checkpoint;
use sightline_ledger::note::SignerKey;
use sightline_ledger::tile::{Kind, TilePath, push_entry};
use sightline_ledger::tree::{Hash, leaf_hash, node_hash};
use sightline_ledger::verify::{Directory, Options, check};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Staff at work; each opens a session and is granted a customer for ten looks.
const STAFF: u64 = 300;
const LOOKS: u64 = 10;

fn main() -> Outcome<()> {
    let entries: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |n| n.parse())?;
    let dir = tempfile::tempdir()?;
    let signer = SignerKey::new("speed.example/log", &[7; 32])?;
    write(dir.path(), entries, &signer)?;
    let log = LogVerifier::new(signer.public().clone());

    // Once to have every file in memory, and to know the floor; then in turn, the best of three.
    let mut hashing = hash(dir.path(), entries)?;
    let (mut verifying, mut processor, mut bytes) = (Duration::MAX, Duration::MAX, 0);
    for _ in 0..3 {
        let source = Directory::open(dir.path())?;
        let (started, used) = (Instant::now(), processor_time()?);
        let options = Options { readers: 2, ..Options::default() };
        let good = check(&source, &log, options, &mut |_, _| {})?;
        verifying = verifying.min(started.elapsed());
        processor = processor.min(processor_time()?.saturating_sub(used));
        bytes = good.summary.bytes;
        hashing = hashing.min(hash(dir.path(), entries)?);
    }
    let seconds = verifying.as_secs_f64();
    println!(
        "{{\"entries\":{entries},\"bytes\":{bytes},\"seconds\":{seconds:.3},\"entries_per_second\":{:.0},\
         \"processor_seconds\":{:.2},\"sha256_seconds\":{:.3},\"times_sha256\":{:.2}}}",
        entries as f64 / seconds,
        processor.as_secs_f64(),
        hashing.as_secs_f64(),
        seconds / hashing.as_secs_f64(),
    );
    Ok(())
}

/// How long this process has had a processor, to a hundredth of a second (proc(5): utime and stime).
fn processor_time() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks =
        fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, std::num::ParseIntError>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Reads and hashes every bundle once, on one core.
fn hash(dir: &Path, entries: u64) -> Outcome<Duration> {
    let started = Instant::now();
    let mut hash = Sha256::new();
    for number in 0..entries.div_ceil(256) {
        if let Some(bundle) = TilePath::at_size(Kind::Entries, number, entries) {
            hash.update(fs::read(dir.join(bundle.to_string()))?);
        }
    }
    std::hint::black_box(hash.finalize());
    Ok(started.elapsed())
}

/// A whole published log.
fn write(dir: &Path, size: u64, signer: &SignerKey) -> Outcome<()> {
    let put = |tile: TilePath, bytes: &[u8]| -> Outcome<()> {
        let path = dir.join(tile.to_string());
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        Ok(fs::write(path, bytes)?)
    };
    let mut level: Vec<Hash> = Vec::with_capacity(size as usize);
    let mut bundle = Vec::new();
    let mut encoded = Vec::new();
    for index in 0..size {
        encoded.clear();
        entry(index).encode_into(&mut encoded);
        level.push(leaf_hash(&encoded));
        push_entry(&mut bundle, &encoded);
        if (index + 1) % 256 == 0 || index + 1 == size {
            if let Some(tile) = TilePath::at_size(Kind::Entries, index / 256, index + 1) {
                put(tile, &bundle)?;
            }
            bundle.clear();
        }
        if index % 1_000_000 == 0 {
            write!(std::io::stderr(), ".")?;
        }
    }
    let root = root(&level);
    for height in 0.. {
        let count = level.len() as u64;
        for number in 0..count.div_ceil(256) {
            let Some(tile) = TilePath::at_size(Kind::Hashes(height), number, size) else { continue };
            let first = number as usize * 256;
            put(tile, level[first..first + tile.width()].as_flattened())?;
        }
        level = level.as_chunks::<256>().0.iter().map(|hashes| self::root(hashes)).collect();
        if level.is_empty() {
            break;
        }
    }
    let checkpoint = Checkpoint { origin: signer.public().name().to_owned(), size, root };
    Ok(fs::write(dir.join("checkpoint"), signer.sign(&checkpoint.body()))?)
}

fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

fn id(kind: u8, number: u64) -> [u8; 10] {
    let mut bytes = [kind; 10];
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// First everybody comes to work; then each grant is followed by its looks.
fn entry(index: u64) -> Entry {
    let who = index % STAFF;
    let (staff, app) = (StaffId::new(format!("s-{who:03}")), AppId::new("desk"));
    // A look every ten milliseconds; sessions that last.
    let time = Timestamp(1_750_000_000_000 + index * 10);
    let session = SessionId::from_bytes(id(1, who));
    let expires = Timestamp(u64::MAX / 2);
    let subject = Commitment(Sha256::digest(index.to_be_bytes()).into());
    let event = match index {
        0..STAFF => Event::StaffRecorded(StaffRecorded {
            record: StaffRecord {
                staff,
                role: Role::Agent,
                team: "t-1".into(),
                employer: "in-house".into(),
                site: None,
                status: StaffStatus::Active,
                cleared_until: None,
            },
            by: Actor::Operator,
        }),
        index if index < 2 * STAFF => {
            let token = Digest(subject.0);
            Event::SessionOpened(SessionOpened { session, staff, door: app, token, expires })
        }
        _ => {
            let classes = ClassSet::from(FieldClass::IdentityName).union(FieldClass::ContactEmail.into());
            let (tier, evidence) = (Tier::Standard, Evidence::Routed);
            let round = index / STAFF - 2;
            let grant = GrantId::from_bytes(id(2, round / (LOOKS + 1) * STAFF + who));
            if round.is_multiple_of(LOOKS + 1) {
                let (purpose, expires) = (Purpose::CustomerSupport, time.plus(Duration::from_secs(7200)));
                Event::GrantIssued(GrantIssued {
                    grant,
                    staff,
                    app,
                    subject,
                    tier,
                    classes,
                    purpose,
                    evidence,
                    expires,
                    charged: false,
                    would_refuse: None,
                })
            } else {
                Event::Revealed(Revealed {
                    response: ResponseId::from_bytes(id(3, index)),
                    by: Viewer { staff, session, app },
                    subject,
                    tier,
                    action: Action::View,
                    classes,
                    evidence,
                    grant,
                    mode: Mode::Enforce,
                    would_mask: ClassSet::EMPTY,
                })
            }
        }
    };
    Entry { time, event }
}
