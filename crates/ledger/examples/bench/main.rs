//! Measures a ledger; `cargo xtask bench ledger` runs it, one thing in one process, and sets the figures next to each
//! other. What is measured is in `WHAT`; the answer is lines of `name=number`.

// A benchmark answers on standard output, and has nobody to hand an error to.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod postgres;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::clock::random;
use model::entry::{Action, GrantIssued, Revealed, Started, Viewer, Why};
use model::{
    AppId, ClassSet, Clock, CustomerId, Event, Evidence, FieldClass, GrantId, Mode, Opening, OsEntropy,
    Purpose, ResponseId, SessionId, StaffId, Subject, SystemClock, TicketId, Tier,
};
use sightline_ledger::verify::{self, Directory, check};
use sightline_ledger::{Admission, Draft, Ledger, LogVerifier, Options, Record};

const WHAT: &str = "usage: bench floor DIR | append DIR WRITERS SECONDS plain|looks | sqlite DIR WRITERS SECONDS \
                    | postgres DIR WRITERS SECONDS GATEWAYS | pg-insert DIR WRITERS SECONDS \
                    | pg-group DIR WRITERS SECONDS CLIENTS \
                    | fill DIR ENTRIES | open DIR | replay DIR | prove DIR | verify DIR | disk DIR | compact DIR";
/// How many bytes the entries of `append … plain` have.
const ENTRY_BYTES: usize = 512;
/// How large the floor is that `looks` come from.
const CUSTOMERS: u64 = 20_000;
const STAFF: u64 = 300;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["floor", dir] => floor(Path::new(dir)),
        ["append", dir, writers, seconds, kind] => {
            let draft = if *kind == "looks" { Draw::look } else { Draw::plain };
            append(Path::new(dir), number(writers), number(seconds), draft);
        }
        ["sqlite", dir, writers, seconds] => sqlite(Path::new(dir), number(writers), number(seconds)),
        ["postgres", dir, writers, seconds, gateways] => {
            postgres::gateways(Path::new(dir), number(writers), number(seconds), number(gateways));
        }
        ["pg-insert", dir, writers, seconds] => {
            postgres::insert(Path::new(dir), number(writers), number(seconds));
        }
        ["pg-group", dir, writers, seconds, clients] => {
            postgres::group(Path::new(dir), number(writers), number(seconds), number(clients));
        }
        ["fill", dir, entries] => fill(Path::new(dir), number(entries)),
        ["open", dir] => open(Path::new(dir)),
        ["replay", dir] => {
            std::fs::remove_dir_all(Path::new(dir).join("snapshot")).unwrap();
            open(Path::new(dir));
        }
        ["prove", dir] => prove(Path::new(dir)),
        ["verify", dir] => verify(Path::new(dir)),
        ["disk", dir] => disk(Path::new(dir)),
        ["compact", dir] => compact(Path::new(dir)),
        _ => panic!("{WHAT}"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number; {WHAT}"))
}

fn say(name: &str, value: f64) {
    println!("{name}={value}");
}

/// What entries are drawn from.
struct Draw {
    seats: Vec<Seat>,
    next: u64,
}

/// A staff member in a session, and the grant that they work under.
struct Seat {
    staff: StaffId,
    session: SessionId,
    held: Option<(GrantId, Subject)>,
}

impl Draw {
    fn new(seed: u64) -> Self {
        let seat = |n| Seat {
            staff: StaffId::new(format!("s-{n}")),
            session: SessionId::fresh(&OsEntropy),
            held: None,
        };
        Self { seats: (0..STAFF).map(seat).collect(), next: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) }
    }

    fn number(&mut self, below: u64) -> u64 {
        // Knuth's MMIX generator: any spread will do.
        self.next = self.next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.next >> 33) % below
    }

    /// An entry of 512 bytes about no customer.
    fn plain(&mut self) -> Vec<Draft> {
        let mut software = vec![b'x'; ENTRY_BYTES - 18];
        let at = format!("{}", self.number(u64::MAX));
        software[..at.len()].copy_from_slice(at.as_bytes());
        vec![Draft::plain(Event::Started(Started { software: String::from_utf8(software).unwrap() }))]
    }

    /// A look as the gateway records it: a reveal, and one time in four the grant in front of it.
    fn look(&mut self) -> Vec<Draft> {
        let (staff, is_new) = (self.number(STAFF) as usize, self.number(4) == 0);
        let subject = Subject {
            customer: CustomerId::new(format!("c-{:05}", self.number(CUSTOMERS))),
            ticket: Some(TicketId::new(format!("k-{:06}", self.number(CUSTOMERS * 10)))),
            note: None,
        };
        let Seat { staff, session, held } = &mut self.seats[staff];
        let app = AppId::new("desk");
        let classes: ClassSet = [FieldClass::IdentityName, FieldClass::SupportHistory, FieldClass::AccountId]
            .into_iter()
            .collect();
        let mut drafts = Vec::with_capacity(2);
        if is_new || held.is_none() {
            let opening = Opening::fresh(&OsEntropy, subject.clone());
            let grant = GrantId::fresh(&OsEntropy);
            let event = Event::GrantIssued(GrantIssued {
                grant,
                staff: staff.clone(),
                app: app.clone(),
                subject: opening.commitment(),
                tier: Tier::Standard,
                classes,
                purpose: Purpose::CustomerSupport,
                evidence: Evidence::Routed,
                expires: SystemClock.now().plus(Duration::from_secs(3600)),
                charged: false,
                would_refuse: None,
            });
            drafts.push(Draft { event, openings: vec![opening] });
            *held = Some((grant, subject));
        }
        if let Some((grant, subject)) = held {
            let opening = Opening::fresh(&OsEntropy, subject.clone());
            let event = Event::Revealed(Revealed {
                response: ResponseId::fresh(&OsEntropy),
                by: Viewer { staff: staff.clone(), session: *session, app },
                subject: opening.commitment(),
                tier: Tier::Standard,
                action: Action::View,
                classes,
                evidence: Evidence::Routed,
                grant: *grant,
                mode: Mode::Enforce,
                would_mask: ClassSet::EMPTY,
            });
            drafts.push(Draft { event, openings: vec![opening] });
        }
        drafts
    }
}

/// Admits everything, and has a state to save as large as that of some thousand live grants.
struct Saved;

impl Admission for Saved {
    fn admit(&mut self, _: &[Record]) -> Result<(), Why> {
        Ok(())
    }
    fn undo(&mut self) {}
    fn settle(&mut self) {}
    fn save(&self) -> Option<Vec<u8>> {
        Some(vec![0; 1024 * 1024])
    }
    fn load(&mut self, saved: &[u8]) -> bool {
        saved.len() == 1024 * 1024
    }
}

/// A new ledger in `dir`, or the one that is there. It is compacted only when that is measured.
fn ledger(dir: &Path) -> Ledger {
    if !dir.join("format").exists() {
        Ledger::create(dir, "ledger.example/bench", &Options::default()).unwrap();
    }
    Ledger::open(dir, &Options { compact: false, ..Options::default() }, Saved).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A 4 KiB append and `fdatasync`, over and over.
fn floor(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let path = dir.join("floor");
    let mut file = std::fs::File::create(&path).unwrap();
    let times = (0..200).map(|_| {
        let start = Instant::now();
        std::io::Write::write_all(&mut file, &[0u8; 4096]).unwrap();
        file.sync_data().unwrap();
        start.elapsed()
    });
    say_times(times.collect());
    std::fs::remove_file(path).unwrap();
}

/// `writers` tasks that each append, wait for the receipt, and append again.
fn append(dir: &Path, writers: u64, seconds: u64, draft: fn(&mut Draw) -> Vec<Draft>) {
    load(&[ledger(dir)], writers, seconds, draft);
}

/// The same with the writers spread over several gateways of one log, which are closed at the end.
fn load(ledgers: &[Ledger], writers: u64, seconds: u64, draft: fn(&mut Draw) -> Vec<Draft>) {
    let runtime = runtime();
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let (times, appended) = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for (writer, ledger) in (0..writers).zip(ledgers.iter().cycle()) {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                let (mut draw, mut laps, mut appended) = (Draw::new(writer), Laps::start(seconds), 0);
                while laps.begin() {
                    appended += ledger.append_all(draft(&mut draw)).await.unwrap().len();
                    laps.end();
                }
                (laps.times, appended)
            });
        }
        let done: (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
        (done.0.concat(), done.1.iter().sum::<usize>() as f64)
    });
    say("per_second", appended / start.elapsed().as_secs_f64());
    say("cpu_us", (cpu_seconds() - cpu) * 1e6 / appended);
    say_times(times);
    runtime.block_on(async {
        for ledger in ledgers {
            ledger.close().await;
        }
    });
}

/// Something that is done again and again for so many seconds, and how long each time took.
struct Laps {
    until: Instant,
    begun: Instant,
    times: Vec<Duration>,
}

impl Laps {
    fn start(seconds: u64) -> Self {
        let begun = Instant::now();
        Self { until: begun + Duration::from_secs(seconds), begun, times: Vec::new() }
    }

    /// Whether it is done once more, from now on.
    fn begin(&mut self) -> bool {
        self.begun = Instant::now();
        self.begun < self.until
    }

    fn end(&mut self) {
        self.times.push(self.begun.elapsed());
    }
}

/// The peer: the same entries into SQLite, durable before they are acknowledged (write-ahead log, synchronous=FULL),
/// with the same grouping: a transaction takes whatever queued up during the last one.
fn sqlite(dir: &Path, writers: u64, seconds: u64) {
    type Wanted = (Vec<u8>, tokio::sync::oneshot::Sender<i64>);
    std::fs::create_dir_all(dir).unwrap();
    let mut db = rusqlite::Connection::open(dir.join("peer.db")).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS entries (idx INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;",
    )
    .unwrap();
    let (queue, mut queued) = tokio::sync::mpsc::channel::<Wanted>(4096);
    let committing = std::thread::spawn(move || {
        while let Some(first) = queued.blocking_recv() {
            let mut replies = Vec::new();
            let transaction = db.transaction().unwrap();
            let mut next = Some(first);
            while let Some((entry, reply)) = next {
                let mut insert =
                    transaction.prepare_cached("INSERT INTO entries (entry) VALUES (?1)").unwrap();
                replies.push((reply, insert.insert([entry]).unwrap()));
                next = queued.try_recv().ok();
            }
            transaction.commit().unwrap();
            for (reply, index) in replies {
                let _ = reply.send(index);
            }
        }
    });
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let times = runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..writers {
            let queue = queue.clone();
            tasks.spawn(async move {
                let mut laps = Laps::start(seconds);
                while laps.begin() {
                    let (reply, done) = tokio::sync::oneshot::channel();
                    queue.send((vec![b'x'; ENTRY_BYTES], reply)).await.unwrap();
                    done.await.unwrap();
                    laps.end();
                }
                laps.times
            });
        }
        drop(queue);
        tasks.join_all().await.concat()
    });
    let appended = times.len() as f64;
    say("per_second", appended / start.elapsed().as_secs_f64());
    say("cpu_us", (cpu_seconds() - cpu) * 1e6 / appended);
    say_times(times);
    committing.join().unwrap();
}

/// Makes the ledger in `dir` as large as asked for, with looks.
fn fill(dir: &Path, entries: u64) {
    let ledger = ledger(dir);
    let (before, start) = (ledger.size(), Instant::now());
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                let mut draw = Draw::new(u64::from_be_bytes(random(&OsEntropy)) + writer);
                while ledger.size() < entries {
                    let mut drafts = Vec::with_capacity(1024);
                    while drafts.len() < 1000 {
                        drafts.append(&mut draw.look());
                    }
                    ledger.append_all(drafts).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        let closing = Instant::now();
        ledger.close().await;
        say("close_ms", closing.elapsed().as_secs_f64() * 1e3);
    });
    say("entries", ledger.size() as f64);
    say("per_second", (ledger.size() - before) as f64 / start.elapsed().as_secs_f64());
}

/// From nothing to the first durable entry; `replay` is the same without a snapshot.
fn open(dir: &Path) {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let ledger = ledger(dir);
    say("open_ms", start.elapsed().as_secs_f64() * 1e3);
    say("open_cpu_ms", (cpu_seconds() - cpu) * 1e3);
    say("entries", ledger.size() as f64);
    runtime().block_on(async {
        ledger.append_all(Draw::new(0).plain()).await.unwrap();
        say("first_ms", start.elapsed().as_secs_f64() * 1e3);
        ledger.close().await;
    });
    say("memory_mib", memory_mib());
}

/// Receipts for entries anywhere in the ledger, made anew from tiles, and their verification.
fn prove(dir: &Path) {
    let ledger = ledger(dir);
    let mut draw = Draw::new(1);
    let (mut making, mut verifying) = (Vec::new(), Vec::new());
    for _ in 0..2000 {
        let index = draw.number(ledger.size());
        let start = Instant::now();
        let receipt = ledger.prove(index).unwrap();
        making.push(start.elapsed());
        let start = Instant::now();
        receipt.verify(ledger.verifier()).unwrap();
        verifying.push(start.elapsed());
    }
    say_times(making);
    verifying.sort();
    say("verify_us", verifying[verifying.len() / 2].as_secs_f64() * 1e6);
    runtime().block_on(ledger.close());
}

/// The log and the journal; the entries were made up, so they keep no rules.
fn verify(dir: &Path) {
    let log = LogVerifier::from_vkey(&std::fs::read_to_string(dir.join("log.vkey")).unwrap()).unwrap();
    let start = Instant::now();
    let tree_only = verify::Options { rules: false, ..verify::Options::default() };
    let good = check(&Directory::open(dir).unwrap(), &log, tree_only, &mut |_, _| {}).unwrap();
    say("seconds", start.elapsed().as_secs_f64());
    say("per_second", good.summary.entries as f64 / start.elapsed().as_secs_f64());
}

/// What a server does in the background, at once.
fn compact(dir: &Path) {
    let ledger = ledger(dir);
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let done = ledger.compact(|_, _| {}).unwrap();
    say("seconds", start.elapsed().as_secs_f64());
    say("cpu_us", (cpu_seconds() - cpu) * 1e6 / done.entries as f64);
    say("entries", done.entries as f64);
    for (name, bytes) in [
        ("journal_before", done.journal_bytes_before),
        ("journal_after", done.journal_bytes_after),
        ("tiles_before", done.tile_bytes_before),
        ("tiles_after", done.tile_bytes_after),
    ] {
        say(name, bytes as f64);
    }
    runtime().block_on(ledger.close());
}

/// Bytes by what they are for.
fn disk(dir: &Path) {
    let ledger = ledger(dir);
    say("entries", ledger.size() as f64);
    runtime().block_on(ledger.close());
    for (name, below) in [
        ("journal", "journal"),
        ("bundles", "public/tile/entries"),
        ("all_tiles", "public/tile"),
        ("keys", "keys.db"),
    ] {
        say(name, bytes_below(&dir.join(below)) as f64);
    }
    say("total", bytes_below(dir) as f64);
}

/// What the files hold, not what the file system rounds it up to.
fn bytes_below(path: &Path) -> u64 {
    let Ok(meta) = std::fs::metadata(path) else { return 0 };
    if meta.is_file() {
        return meta.len();
    }
    let paths: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.iter().map(|path| bytes_below(path)).sum()
}

fn say_times(mut times: Vec<Duration>) {
    times.sort();
    for (name, part) in [("p50_us", 0.5), ("p99_us", 0.99)] {
        say(name, times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6);
    }
}

/// CPU of this process so far, in the kernel too. The unit of `/proc` is a hundredth of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// The most memory that this process ever had.
fn memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    peak.map_or(f64::NAN, |kib: f64| kib / 1024.0)
}
