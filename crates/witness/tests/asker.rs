//! The log's side: asking real witnesses and hostile ones over loopback, and when looks are closed.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use common::{START, serve};
use http::StatusCode;
use ledger::cosignature::WitnessKey;
use ledger::disk::OsDisk;
use ledger::policy::{Policy, PolicyLog, PolicyWitness};
use ledger::{AdmitAll, Draft, Ledger, Options};
use model::clock::ManualClock;
use model::entry::Started;
use model::{Event, IncidentKind, OsEntropy, SystemClock};
use sightline_witness::standing::Closed;
use sightline_witness::{Asker, Finding, Standing, Witness, service};
use tokio::sync::mpsc;

const MINUTE: Duration = Duration::from_secs(60);

fn options(clock: &ManualClock) -> Options {
    Options {
        clock: Arc::new(clock.clone()),
        publish_every: Duration::from_millis(5),
        witnessed: true,
        ..Options::default()
    }
}

fn new_log(dir: &Path, clock: &ManualClock) -> Ledger {
    Ledger::create(dir, common::ORIGIN, &options(clock)).unwrap();
    Ledger::open(dir, &options(clock), AdmitAll).unwrap()
}

async fn grow(ledger: &Ledger, by: usize) {
    let drafts = (0..by).map(|n| Draft::plain(Event::Started(Started { software: format!("test {n}") })));
    ledger.append_all(drafts.collect()).await.unwrap();
}

/// A witness of our own, served; it knows the log.
async fn witness(
    dir: &Path,
    name: &str,
    ledger: &Ledger,
) -> (WitnessKey, String, tokio::task::JoinHandle<()>) {
    let key = Witness::create(dir, name, &OsDisk, &OsEntropy).unwrap();
    let witness = Witness::open(dir, Arc::new(OsDisk), Arc::new(SystemClock)).unwrap();
    witness.add_log(ledger.verifier().key()).unwrap();
    let (address, task) = serve(service::router(Arc::new(witness))).await;
    (key, format!("http://{address}"), task)
}

struct Asked {
    standing: Standing,
    findings: mpsc::Receiver<Finding>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks these witnesses, of which `quorum` must cosign. The log's clock is the manual one; witnesses have the
/// machine's, as witnesses of others do.
fn ask(ledger: &Ledger, clock: &ManualClock, quorum: usize, witnesses: &[(WitnessKey, String)]) -> Asked {
    let witnesses = witnesses.iter().map(|(key, url)| PolicyWitness {
        name: key.name().to_owned(),
        key: key.clone(),
        url: Some(url.clone()),
    });
    let log = PolicyLog { key: ledger.verifier().key().clone(), url: None };
    let policy = Policy::k_of_n(log, witnesses.collect(), quorum).unwrap();
    let (asker, standing, findings) =
        Asker::new(ledger.clone(), policy, 10 * MINUTE, Arc::new(clock.clone()), Arc::new(OsEntropy))
            .unwrap();
    Asked { standing, findings, task: tokio::spawn(asker.run()) }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

fn cosigned(asked: &Asked, ledger: &Ledger, clock: &ManualClock) -> u64 {
    use model::Clock as _;
    asked.standing.status(ledger, clock.now()).unwrap().quorum.map_or(0, |quorum| quorum.size)
}

fn error_of(asked: &Asked, ledger: &Ledger, at: usize) -> String {
    asked.standing.status(ledger, START).unwrap().witnesses[at].error.clone().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_of_two_of_three_is_given_out_also_while_one_is_silent() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::at(START));
    let ledger = new_log(&dir.path().join("log"), &clock);
    let mut witnesses = Vec::new();
    for name in ["w1.example", "w2.example"] {
        let (key, url, _) = witness(&dir.path().join(name), name, &ledger).await;
        witnesses.push((key, url));
    }
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let key = Witness::create(&dir.path().join("w3"), "w3.example", &OsDisk, &OsEntropy).unwrap();
    witnesses.push((key, format!("http://{}", silent.local_addr().unwrap())));
    grow(&ledger, 3).await;
    let asked = ask(&ledger, &clock, 2, &witnesses);
    until("a quorum", || cosigned(&asked, &ledger, &clock) == 3).await;
    let policy = asked.standing.policy().unwrap().clone();
    assert_eq!(policy.check(&ledger.checkpoint()).unwrap().cosigned.len(), 2);
    assert!(ledger.checkpoint().contains("— grease.invalid/"));
    // Receipts carry the quorum too.
    assert!(ledger.prove(1).unwrap().to_tlog_proof().contains("— w1.example "));
    assert_eq!(asked.standing.closed(&ledger, START), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_has_seen_more_or_less_than_is_believed_is_asked_again_from_there() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::at(START));
    let ledger = new_log(&dir.path().join("log"), &clock);
    let (key, url, _) = witness(&dir.path().join("w"), "w.example", &ledger).await;
    let witnesses = [(key, url)];
    grow(&ledger, 300).await;
    let asked = ask(&ledger, &clock, 1, &witnesses);
    until("cosigned", || cosigned(&asked, &ledger, &clock) == 300).await;
    drop(asked);
    grow(&ledger, 41).await;
    // A new asker knows nothing of what the witness has seen; it begins with 0 and is told 300.
    let asked = ask(&ledger, &clock, 1, &witnesses);
    until("cosigned again", || cosigned(&asked, &ledger, &clock) == 341).await;
    assert_eq!(error_of(&asked, &ledger, 0), "");
}

/// P9: closed only when something was recorded that no quorum has cosigned for too long, and open again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn looks_are_closed_once_the_first_entry_without_a_quorum_is_too_old() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::at(START));
    let ledger = new_log(&dir.path().join("log"), &clock);
    let (key, url, task) = witness(&dir.path().join("w"), "w.example", &ledger).await;
    let address = url.strip_prefix("http://").unwrap().to_owned();
    grow(&ledger, 2).await;
    let asked = ask(&ledger, &clock, 1, &[(key, url.clone())]);
    until("cosigned", || cosigned(&asked, &ledger, &clock) == 2).await;
    task.abort();
    let _ = task.await;
    let now = |minutes| START.plus(minutes * MINUTE);
    // A quiet night: nothing was recorded, so nothing is overdue, however long ago it was cosigned.
    assert_eq!(asked.standing.closed(&ledger, now(600)), None);
    clock.set(now(600));
    grow(&ledger, 1).await;
    assert_eq!(asked.standing.closed(&ledger, now(600)), None, "the first look of the morning");
    assert_eq!(asked.standing.closed(&ledger, now(610)), None);
    let closed = Some(Closed::Overdue { since: now(600) });
    assert_eq!(asked.standing.closed(&ledger, now(611)), closed);
    // Should nobody ask any more, it closes as well: it counts from the ledger.
    clock.set(now(612));
    grow(&ledger, 5).await;
    assert_eq!(asked.standing.closed(&ledger, now(612)), closed);
    // The witness comes back.
    let again = Witness::open(&dir.path().join("w"), Arc::new(OsDisk), Arc::new(SystemClock));
    let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
    let router = service::router(Arc::new(again.unwrap()));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    until("open again", || asked.standing.closed(&ledger, now(612)).is_none()).await;
}

/// A backup was restored: the witness shows a checkpoint that the log itself signed and no longer has.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_and_a_fork_are_proved_by_the_logs_own_signature_and_close_at_once() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::at(START));
    let log = dir.path().join("log");
    let ledger = new_log(&log, &clock);
    grow(&ledger, 5).await;
    ledger.close().await;
    drop(ledger);
    let backup = dir.path().join("backup");
    copy(&log, &backup);
    let ledger = Ledger::open(&log, &options(&clock), AdmitAll).unwrap();
    let (key, url, _) = witness(&dir.path().join("w"), "w.example", &ledger).await;
    let witnesses = [(key, url)];
    grow(&ledger, 5).await;
    let asked = ask(&ledger, &clock, 1, &witnesses);
    until("cosigned", || cosigned(&asked, &ledger, &clock) == 10).await;
    drop(asked);
    ledger.close().await;
    drop(ledger);

    let ledger = Ledger::open(&backup, &options(&clock), AdmitAll).unwrap();
    let mut asked = ask(&ledger, &clock, 1, &witnesses);
    let found = asked.findings.recv().await.unwrap();
    let (size, seen) = (5, Some(10));
    let witness = "w.example".to_owned();
    assert_eq!(found, Finding { what: IncidentKind::LedgerRollback, witness, size, seen, proved: true });
    let what = IncidentKind::LedgerRollback;
    assert_eq!(asked.standing.closed(&ledger, START), Some(Closed::Contradicted { what }));
    drop(asked);
    // It grows on, with other entries: now it is another history.
    clock.advance(MINUTE);
    grow(&ledger, 20).await;
    let mut asked = ask(&ledger, &clock, 1, &witnesses);
    let found = asked.findings.recv().await.unwrap();
    assert_eq!((found.what, found.seen, found.proved), (IncidentKind::LedgerFork, Some(10), true));
    assert_eq!(cosigned(&asked, &ledger, &clock), 0);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A witness that answers with anything: none of it counts as a cosignature, and a mere claim closes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_a_hostile_witness_is_a_cosignature_or_a_proof() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::at(START));
    let ledger = new_log(&dir.path().join("log"), &clock);
    grow(&ledger, 4).await;
    until("published", || ledger.published().contains("\n4\n")).await;
    let key = Witness::create(&dir.path().join("w"), "w.example", &OsDisk, &OsEntropy).unwrap();
    let other = ledger::cosignature::WitnessSigner::new("w.example", &[8; 32]).unwrap();
    let text = ledger.published().split_inclusive("\n\n").next().unwrap().trim_end().to_owned() + "\n";
    let size = [("content-type", "text/x.tlog.size")];
    let long = "x".repeat(300 * 1024);
    let answers: Vec<(Router, Option<IncidentKind>)> = vec![
        (answering(StatusCode::OK, &[], other.cosign(&text, 1).line), None),
        (answering(StatusCode::OK, &[], "— w.example AAAA\n"), None),
        (answering(StatusCode::OK, &[], "nothing"), None),
        (answering(StatusCode::OK, &[], ""), None),
        (answering(StatusCode::OK, &[], long), None),
        (answering(StatusCode::FOUND, &[("location", "/")], ""), None),
        (answering(StatusCode::INTERNAL_SERVER_ERROR, &[], "no"), None),
        (answering(StatusCode::CONFLICT, &size, "0\n"), None),
        (answering(StatusCode::CONFLICT, &size, "4"), None),
        (answering(StatusCode::CONFLICT, &size, "-1\n"), None),
        (answering(StatusCode::CONFLICT, &size, "99999999999999999999\n"), None),
        (answering(StatusCode::CONFLICT, &size, "1000\n"), Some(IncidentKind::LedgerRollback)),
        (answering(StatusCode::CONFLICT, &[], "no\n"), Some(IncidentKind::LedgerFork)),
        (answering(StatusCode::UNPROCESSABLE_ENTITY, &[], "no\n"), Some(IncidentKind::LedgerFork)),
    ];
    for (at, (router, claimed)) in answers.into_iter().enumerate() {
        let (address, task) = serve(router).await;
        let mut asked = ask(&ledger, &clock, 1, &[(key.clone(), format!("http://{address}"))]);
        until(&format!("answer {at} is noted"), || !error_of(&asked, &ledger, 0).is_empty()).await;
        assert_eq!(cosigned(&asked, &ledger, &clock), 0, "answer {at}");
        let found = asked.findings.try_recv().ok();
        assert_eq!(
            found.as_ref().map(|f| (f.what, f.proved)),
            claimed.map(|what| (what, false)),
            "answer {at}"
        );
        assert_eq!(asked.standing.closed(&ledger, START), None, "answer {at}: a claim alone closes nothing");
        task.abort();
    }
    // Refuses a right proof while it has the very same history: that says nothing against the ledger.
    let own = ledger.published().to_string();
    let router = answering(StatusCode::UNPROCESSABLE_ENTITY, &[], "no\n")
        .route("/{log}/checkpoint", get(move || async move { own }));
    let (address, _) = serve(router).await;
    let mut asked = ask(&ledger, &clock, 1, &[(key, format!("http://{address}"))]);
    until("noted", || error_of(&asked, &ledger, 0).contains("shows that the ledger is right")).await;
    assert!(asked.findings.try_recv().is_err());
}

fn answering(status: StatusCode, headers: &[(&'static str, &'static str)], body: impl Into<Bytes>) -> Router {
    let (headers, body) = (headers.to_vec(), body.into());
    let answer = move |_: Bytes| {
        let mut response = axum::response::Response::new(axum::body::Body::from(body.clone()));
        *response.status_mut() = status;
        for (name, value) in &headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        async move { response }
    };
    Router::new().route("/add-checkpoint", post(answer))
}

/// The statuses of C2SP tlog-witness, over HTTP.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_answers_with_the_statuses_of_the_specification() {
    use common::Story;
    use http_body_util::{BodyExt, Full};
    let dir = tempfile::tempdir().unwrap();
    common::create(dir.path());
    let (witness, _) = common::open(dir.path(), Arc::new(OsDisk)).unwrap();
    let (address, _) = serve(service::router(Arc::new(witness))).await;
    let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<Full<Bytes>>();
    let send = |method: &'static str, path: &'static str, body: Vec<u8>| {
        let request = http::Request::builder().method(method).uri(format!("http://{address}{path}"));
        let answer = http.request(request.body(Full::from(Bytes::from(body))).unwrap());
        async move {
            let (head, body) = answer.await.unwrap().into_parts();
            let kind = head.headers.get("content-type").map(|v| v.to_str().unwrap().to_owned());
            let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
            (head.status.as_u16(), kind.unwrap_or_default(), body)
        }
    };
    let (story, other) = (Story::new(0, 0, 90), Story::new(1, 30, 90));
    let add = "/add-checkpoint";
    let (status, kind, line) = send("POST", add, story.request(0, 50)).await;
    assert_eq!((status, &*kind), (200, "text/plain; charset=utf-8"));
    assert!(line.starts_with("— witness.example/w1 ") && line.ends_with('\n'));
    let (status, kind, body) = send("POST", add, story.request(20, 60)).await;
    assert_eq!((status, &*kind, &*body), (409, "text/x.tlog.size", "50\n"));
    let (status, kind, _) = send("POST", add, other.request(50, 50)).await;
    assert_eq!((status, kind.contains("size")), (409, false));
    assert_eq!(send("POST", add, other.request(50, 80)).await.0, 422);
    assert_eq!(send("POST", add, b"old x\n".to_vec()).await.0, 400);
    assert_eq!(send("POST", add, vec![b'a'; 300 * 1024]).await.0, 413);
    assert_eq!(send("GET", add, Vec::new()).await.0, 405);
    let unknown = ledger::note::SignerKey::new("other.example", &[1; 32]).unwrap();
    let unknown = unknown.sign("other.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    assert_eq!(send("POST", add, format!("old 0\n\n{unknown}").into_bytes()).await.0, 404);
    let forged = String::from_utf8(story.request(50, 60)).unwrap().replacen("60\n", "61\n", 1);
    assert_eq!(send("POST", add, forged.into_bytes()).await.0, 403);
    // The SHA-256 of "ledger.example/desk".
    let last = "/ba/checkpoint";
    assert_eq!(send("GET", last, Vec::new()).await.0, 404);
    assert!(send("GET", "/", Vec::new()).await.2.contains("ledger.example/desk+"));
}
