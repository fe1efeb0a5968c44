//! The binary as somebody runs it: its commands, a running demo, and a visitor to its doors.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;
use url::form_urlencoded;

/// Nothing that these tests wait for takes so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(50);

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// What a command that had to succeed printed.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The one line with which a command failed.
    #[track_caller]
    pub(crate) fn line(&self) -> &str {
        assert!(self.code != Some(0) && self.out.is_empty(), "{self:?}");
        let line = self.err.trim_end();
        assert!(line.starts_with("sightline: ") && line.lines().count() == 1, "{self:?}");
        line
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sightline"));
    // What `verify` keeps of logs is none of the user's.
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("state");
    command.env_remove("RUST_LOG").env("XDG_STATE_HOME", state).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn sightline<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Answer {
    let output = program().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A port that is free, and so is the next.
pub(crate) fn two_free_ports() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

/// Every file below a directory, with its bytes.
pub(crate) fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push((entry.path(), std::fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

/// A Sightline that runs: a demo, or `serve` of what a demo left. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    home: TempDir,
    port: u16,
    /// How long it took until both doors answered.
    pub(crate) ready_after: Duration,
}

impl Running {
    /// Starts a demo and waits until both doors answer.
    pub(crate) async fn demo(seed: u64, speed: f64) -> Self {
        let (home, port) = (tempfile::tempdir().unwrap(), two_free_ports());
        let mut command = program();
        command.arg("demo").arg("--data").arg(home.path().join("demo"));
        command.args(["--seed", &seed.to_string(), "--speed", &speed.to_string()]);
        command.args(["--port", &port.to_string()]);
        Self::launch(command, home, port).await
    }

    /// Starts `serve` with the configuration that a demo, which ended somehow, left.
    pub(crate) async fn serve_again(ended: Ended) -> Self {
        let mut command = program();
        command.arg("serve").arg("--config").arg(ended.home.path().join("demo/sightline.toml"));
        Self::launch(command, ended.home, ended.port).await
    }

    async fn launch(mut command: Command, home: TempDir, port: u16) -> Self {
        let started = Instant::now();
        let log = |name| File::create(home.path().join(name)).unwrap();
        let child = command.stdout(log("out")).stderr(log("err")).spawn().unwrap();
        let mut running = Self { child, home, port, ready_after: Duration::ZERO };
        for door in [running.console(), running.desk()] {
            let visitor = Visitor::new(door);
            while visitor.reach("/").await.is_none() {
                running.must_run(started);
                tokio::time::sleep(STEP).await;
            }
        }
        running.ready_after = started.elapsed();
        running
    }

    #[track_caller]
    fn must_run(&mut self, since: Instant) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "ended with {ended:?}: {}{}", self.said(), self.complained());
        assert!(since.elapsed() < PATIENCE, "too slow: {}{}", self.said(), self.complained());
    }

    pub(crate) fn console(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn desk(&self) -> String {
        format!("http://127.0.0.1:{}", self.port + 1)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("demo/data")
    }

    /// A command about this installation.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Answer {
        ask(&self.data(), arguments)
    }

    /// What it printed until now.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.home.path().join("out")).unwrap()
    }

    fn complained(&self) -> String {
        std::fs::read_to_string(self.home.path().join("err")).unwrap()
    }

    /// Waits until it has printed this.
    pub(crate) async fn says(&mut self, what: &str) {
        let since = Instant::now();
        while !self.said().contains(what) {
            self.must_run(since);
            tokio::time::sleep(STEP).await;
        }
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn interrupt(self) -> Ended {
        self.signal("-INT")
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(self) -> Ended {
        self.signal("-KILL")
    }

    fn signal(mut self, signal: &str) -> Ended {
        let sent = Instant::now();
        let kill = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(sent.elapsed() < PATIENCE, "does not end: {}", self.complained()),
            }
            std::thread::sleep(STEP);
        };
        let (out, err) = (self.said(), self.complained());
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        Ended { home, port: self.port, status, took: sent.elapsed(), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an ended process leaves.
pub(crate) struct Ended {
    home: TempDir,
    port: u16,
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("demo/data")
    }

    /// A command about this installation.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Answer {
        ask(&self.data(), arguments)
    }
}

fn ask(data: &Path, arguments: &[&str]) -> Answer {
    let place = ["--data", data.to_str().unwrap()];
    sightline(arguments.iter().copied().chain(place))
}

/// Every entry of a ledger, as `log tail --json` prints it.
#[track_caller]
pub(crate) fn entries(log: Answer) -> Vec<serde_json::Value> {
    log.good().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Who an entry is about: whoever looked, or was refused.
pub(crate) fn staff_of(entry: &serde_json::Value) -> &str {
    let event = &entry["event"];
    event["by"]["staff"].as_str().or(event["staff"].as_str()).unwrap_or_default()
}

/// An answer of a door.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Got {
    /// The reference number of a problem document.
    pub(crate) fn reference(&self) -> Option<String> {
        let problem: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        Some(problem["reference"].as_str()?.to_owned())
    }
}

/// A browser as far as it is a cookie jar.
#[derive(Clone)]
pub(crate) struct Visitor {
    client: Client<HttpConnector, Full<Bytes>>,
    door: String,
    cookies: BTreeMap<String, String>,
    headers: Vec<(String, String)>,
}

impl Visitor {
    pub(crate) fn new(door: String) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, door, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// Sends these headers too.
    pub(crate) fn with(mut self, headers: &[(&str, &str)]) -> Self {
        let owned = headers.iter().map(|(name, value)| ((*name).to_owned(), value.trim().to_owned()));
        self.headers.extend(owned);
        self
    }

    /// Somebody who has clicked this persona.
    pub(crate) async fn signed_in(door: String, staff: &str) -> Self {
        let mut visitor = Self::new(door);
        let login = visitor.page("/.sightline/login?next=/").await;
        visitor.keep_cookies(&login.headers);
        let (_, token) = login.body.split_once(r#"name="token" value=""#).unwrap();
        let token = token.split('"').next().unwrap();
        let form = [("token", token), ("next", "/"), ("staff", staff)];
        let seated = visitor.post("/.sightline/login", &form).await;
        assert_eq!(seated.status, StatusCode::SEE_OTHER, "{seated:?}");
        visitor.keep_cookies(&seated.headers);
        visitor
    }

    /// Opens a page as a browser does.
    pub(crate) async fn page(&self, path: &str) -> Got {
        self.send(Method::GET, path, "text/html", String::new()).await.unwrap()
    }

    /// Asks as a script does; `None` where the door does not answer.
    pub(crate) async fn reach(&self, path: &str) -> Option<Got> {
        self.send(Method::GET, path, "application/json", String::new()).await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Got {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(Method::POST, path, "text/html", body).await.unwrap()
    }

    /// Sends a body as it is.
    pub(crate) async fn post_body(&self, path: &str, body: String) -> Got {
        self.send(Method::POST, path, "application/json", body).await.unwrap()
    }

    /// Confirms a proposal as an administrator, by typing the word. The page that showed it.
    pub(crate) async fn confirm(&self, proposal: &str, word: &str) -> Got {
        let page = self.page("/decisions").await;
        assert!(page.body.contains(proposal), "{}", page.body);
        let csrf = page.body.split_once(r#"name="csrf" value=""#).unwrap().1.split('"').next().unwrap();
        let form = [("csrf", csrf), ("proposal", proposal), ("decision", "confirm"), ("word", word)];
        let done = self.post("/decisions", &form).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{done:?}");
        page
    }

    async fn send(&self, method: Method, path: &str, accept: &str, body: String) -> Option<Got> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.door))
            .header(header::ACCEPT, accept)
            .header(header::ORIGIN, &self.door)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookies.join("; "));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = self.client.request(request.body(Full::from(body)).unwrap()).await.ok()?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Some(Got { status: head.status, headers: head.headers, body })
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
