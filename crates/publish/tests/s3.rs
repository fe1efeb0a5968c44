//! A ledger that publishes to a small S3-compatible server, which fails in every way that a network has.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Key, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use ledger::verify::{self, Source, check};
use ledger::{AdmitAll, Draft, Fatal, Ledger, LedgerError, Options, PublicStore};
use model::Event;
use model::entry::Started;
use sightline_publish::{Place, S3Settings, open};

const SECRET: &str = "hunter2hunter2hunter2";

/// What the server does to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It answers 503, and does nothing.
    Busy,
    /// It does it, and the answer is lost with the connection.
    LostAnswer,
    /// It does nothing, and the connection is lost.
    LostRequest,
    /// It does it again a little later.
    Twice,
    /// It takes the request, and is silent for longer than anybody waits.
    Silent,
}

#[derive(Default)]
struct Bucket {
    files: Mutex<HashMap<String, (Vec<u8>, HeaderMap)>>,
    /// Every so many requests one goes wrong, in turn in these ways.
    faults: Mutex<(u64, Vec<Fault>)>,
    requests: AtomicU64,
    met: Mutex<Vec<Fault>>,
    unsigned: AtomicU64,
}

type Shared = Arc<Bucket>;

impl Bucket {
    fn fault(&self) -> Option<Fault> {
        let n = self.requests.fetch_add(1, Ordering::SeqCst);
        let (every, faults) = &*self.faults.lock().unwrap();
        if *every == 0 || n % every != every - 1 {
            return None;
        }
        let fault = faults[(n / every) as usize % faults.len()];
        self.met.lock().unwrap().push(fault);
        Some(fault)
    }

    fn set(&self, every: u64, faults: &[Fault]) {
        *self.faults.lock().unwrap() = (every, faults.to_vec());
    }

    /// Signature Version 4 in the header, over what it must be over. Whether it is right, Amazon's own tests of the
    /// signing crate say.
    fn is_signed(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let signed = text("authorization");
        let is_signed = signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIATEST/")
            && signed.contains("/eu-test-1/s3/aws4_request")
            && signed.contains("host;x-amz-content-sha256;x-amz-date")
            && signed.split("Signature=").nth(1).is_some_and(|signature| signature.len() == 64)
            && text("x-amz-date").len() == 16
            && text("x-amz-content-sha256").len() == 64
            && !format!("{headers:?}").contains(SECRET);
        if !is_signed {
            self.unsigned.fetch_add(1, Ordering::SeqCst);
        }
        is_signed
    }
}

/// An answer whose connection breaks off.
fn lost() -> Response {
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("lost"))])))
}

async fn put(
    State(bucket): State<Shared>,
    Key(key): Key<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !bucket.is_signed(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let fault = bucket.fault();
    let store = {
        let bucket = bucket.clone();
        move || bucket.files.lock().unwrap().insert(key.clone(), (body.to_vec(), headers.clone()))
    };
    let done = || [("etag", "\"1\"")].into_response();
    match fault {
        Some(Fault::Busy) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::LostRequest) => lost(),
        Some(Fault::Silent) => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            lost()
        }
        Some(Fault::LostAnswer) => {
            store();
            lost()
        }
        Some(Fault::Twice) => {
            store();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                store();
            });
            done()
        }
        None => {
            store();
            done()
        }
    }
}

async fn fetch(State(bucket): State<Shared>, Key(key): Key<String>, headers: HeaderMap) -> Response {
    if !bucket.is_signed(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match bucket.fault() {
        Some(Fault::Busy) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::LostRequest | Fault::LostAnswer) => return lost(),
        Some(Fault::Silent) => tokio::time::sleep(Duration::from_secs(30)).await,
        Some(Fault::Twice) | None => {}
    }
    match bucket.files.lock().unwrap().get(&key) {
        Some((bytes, _)) => {
            let head = [("etag", "\"1\""), ("last-modified", "Wed, 25 Nov 2026 00:00:00 GMT")];
            (head, bytes.clone()).into_response()
        }
        None => {
            let why = "<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>";
            (StatusCode::NOT_FOUND, why).into_response()
        }
    }
}

/// Serves a bucket and says where.
async fn serve() -> (Shared, String) {
    let bucket = Shared::default();
    let router = Router::new().route("/log-bucket/{*key}", get(fetch).put(put)).with_state(bucket.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (bucket, endpoint)
}

fn store(endpoint: &str, dir: &Path) -> Arc<dyn PublicStore> {
    let file = dir.join("credentials");
    let text = format!("[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = {SECRET}\n");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = S3Settings {
        endpoint: Some(endpoint.to_owned()),
        region: Some("eu-test-1".to_owned()),
        credentials_file: Some(file),
    };
    open(&Place::try_from("s3://log-bucket/a/ledger".to_owned()).unwrap(), Some(&settings)).unwrap()
}

/// What is in the bucket, as a log.
struct Published(Shared);

impl Source for Published {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.files.lock().unwrap().get(&format!("a/ledger/{path}")).map(|(bytes, _)| bytes.clone()))
    }
}

fn verified(bucket: &Shared, ledger: &Ledger) -> u64 {
    let options = verify::Options { rules: false, ..verify::Options::default() };
    match check(&Published(bucket.clone()), ledger.verifier(), options, &mut |_, _| {}) {
        Ok(checked) => checked.summary.entries,
        Err(damage) => panic!("{damage}"),
    }
}

async fn grow(ledger: &Ledger, from: usize, by: usize) {
    let draft = |n| Draft::plain(Event::Started(Started { software: format!("test {n}") }));
    ledger.append_all((from..from + by).map(draft).collect()).await.unwrap();
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

fn in_bucket(bucket: &Shared, ledger: &Ledger) -> u64 {
    let files = bucket.files.lock().unwrap();
    let note = files.get("a/ledger/checkpoint").map(|(bytes, _)| String::from_utf8(bytes.clone()).unwrap());
    note.map_or(0, |note| ledger.verifier().checkpoint(&note).unwrap().size)
}

fn options(store: &Arc<dyn PublicStore>) -> Options {
    Options {
        public: Some(store.clone()),
        publish_every: Duration::from_millis(20),
        lease: Duration::from_millis(500),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_network_does_the_bucket_is_a_whole_log_at_every_checkpoint_that_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (bucket, endpoint) = serve().await;
    let store = store(&endpoint, dir.path());
    assert_eq!(format!("{store:?} {store}"), "Store(s3://log-bucket/a/ledger) s3://log-bucket/a/ledger");
    let at = dir.path().join("ledger");
    Ledger::create(&at, "ledger.example/s3", &Options::default()).unwrap();
    let ledger = Ledger::open(&at, &options(&store), AdmitAll).unwrap();
    bucket.set(7, &[Fault::Busy, Fault::LostAnswer, Fault::Twice, Fault::LostRequest]);
    let mut size = 0;
    for by in [1, 100, 155, 1, 300, 43] {
        grow(&ledger, size, by).await;
        size += by;
        until("it is there", || in_bucket(&bucket, &ledger) == size as u64).await;
        assert_eq!(verified(&bucket, &ledger), size as u64);
    }
    let met = bucket.met.lock().unwrap().clone();
    for fault in [Fault::Busy, Fault::LostAnswer, Fault::Twice, Fault::LostRequest] {
        assert!(met.contains(&fault), "{fault:?} was not met");
    }
    assert_eq!(bucket.unsigned.load(Ordering::SeqCst), 0, "every request was signed");
    // A checkpoint that arrives for the second time, late, is not left there for long.
    tokio::time::sleep(Duration::from_millis(900)).await;
    until("the last is there", || in_bucket(&bucket, &ledger) == 600).await;
    // Whoever reads the bucket gets what c2sp.org/tlog-tiles asks for.
    let header =
        |file: &str, name: &str| bucket.files.lock().unwrap()[file].1[name].to_str().unwrap().to_owned();
    assert_eq!(header("a/ledger/checkpoint", "content-type"), "text/plain; charset=utf-8");
    assert_eq!(header("a/ledger/tile/0/000", "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header("a/ledger/tile/entries/001", "content-type"), "application/octet-stream");
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_holds_up_neither_looks_nor_publishing_and_the_reason_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (bucket, endpoint) = serve().await;
    let store = store(&endpoint, dir.path());
    let at = dir.path().join("ledger");
    Ledger::create(&at, "ledger.example/s3", &Options::default()).unwrap();
    let ledger = Ledger::open(&at, &options(&store), AdmitAll).unwrap();
    bucket.set(1, &[Fault::Silent]);
    grow(&ledger, 0, 10).await;
    let started = std::time::Instant::now();
    grow(&ledger, 10, 300).await;
    assert!(started.elapsed() < Duration::from_secs(2), "looks do not wait for the store");
    let trouble = || ledger.publishing().store.unwrap().trouble;
    until("it says why", || trouble().is_some_and(|why| why.contains("no answer within"))).await;
    let trouble = trouble().unwrap();
    assert!(trouble.contains("s3://log-bucket/a/ledger") && !trouble.contains(SECRET), "{trouble}");
    assert_eq!(in_bucket(&bucket, &ledger), 0);
    assert_eq!(ledger.verifier().checkpoint(&ledger.checkpoint()).unwrap().size, 310, "publishing goes on");
    bucket.set(0, &[]);
    until("it is there", || in_bucket(&bucket, &ledger) == 310).await;
    assert_eq!(verified(&bucket, &ledger), 310);
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_a_ledger_opens_records_and_closes() {
    let dir = tempfile::tempdir().unwrap();
    let store = store("http://127.0.0.1:9", dir.path());
    let at = dir.path().join("ledger");
    Ledger::create(&at, "ledger.example/s3", &Options::default()).unwrap();
    let ledger = Ledger::open(&at, &options(&store), AdmitAll).unwrap();
    grow(&ledger, 0, 3).await;
    until("it says why", || ledger.publishing().store.unwrap().trouble.is_some()).await;
    assert_eq!(ledger.publishing().trouble, None);
    ledger.close().await;
    drop((ledger, store));
    let again = Ledger::open(&at, &Options::default(), AdmitAll).unwrap();
    assert_eq!(again.size(), 3);
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_set_back_with_its_head_is_noticed_by_what_the_bucket_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (bucket, endpoint) = serve().await;
    let store = store(&endpoint, dir.path());
    let (at, backup) = (dir.path().join("ledger"), dir.path().join("backup"));
    Ledger::create(&at, "ledger.example/s3", &Options::default()).unwrap();
    let copy = std::process::Command::new("cp").arg("-a").args([&at, &backup]).status().unwrap();
    assert!(copy.success());
    let ledger = Ledger::open(&at, &options(&store), AdmitAll).unwrap();
    grow(&ledger, 0, 5).await;
    until("it is there", || in_bucket(&bucket, &ledger) == 5).await;
    ledger.close().await;
    drop(ledger);
    let told = Told::default();
    let options = Options { fatal: Arc::new(told.clone()), ..options(&store) };
    let ledger = Ledger::open(&backup, &options, AdmitAll).unwrap();
    until("it ends", || told.0.lock().unwrap().is_some()).await;
    let why = told.0.lock().unwrap().clone().unwrap();
    assert!(why.contains("s3://log-bucket/a/ledger/checkpoint says that 5 were published"), "{why}");
    assert_eq!(in_bucket(&bucket, &ledger), 5);
    ledger.close().await;
}

/// What would end the process.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Option<String>>>);

impl Fatal for Told {
    fn fatal(&self, error: &LedgerError) {
        *self.0.lock().unwrap() = Some(error.to_string());
    }
}
