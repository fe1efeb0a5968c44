//! A house with one or two doors over a real ledger, and a browser of our own that shows its cookies.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::{Admission, Draft, Ledger, Options, Record};
use model::entry::Why;
use model::{AppId, Event, OsEntropy, Timestamp, Turn, Undo};
use sightline_people::{
    Directory, Door, LoginMethod, LoginSettings, People, PeopleParts, Register, Registered, Seated,
    SessionLimits,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

pub(crate) const NOON: Timestamp = Timestamp(1_772_452_800_000);

/// The register behind the commit thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fold(Arc<RwLock<Register>>);

impl Admission for Fold {
    fn admit(&mut self, group: &[Record]) -> Result<(), Why> {
        let mut register = self.0.write().unwrap();
        register.turn(Turn::Begin);
        let admitted = group.iter().try_for_each(|record| register.admit(&record.entry));
        admitted.inspect_err(|_| register.turn(Turn::Refuse))
    }

    fn undo(&mut self) {
        self.0.write().unwrap().turn(Turn::Lose);
    }

    fn settle(&mut self) {
        self.0.write().unwrap().turn(Turn::Settle);
    }
}

impl Registered for Fold {
    fn with_register(&self, f: &mut dyn FnMut(&Register)) {
        f(&self.0.read().unwrap_or_else(PoisonError::into_inner));
    }
}

/// At the end of a test its folder goes before the ledger's threads do, which is no reason to abort.
#[derive(Debug)]
struct NoAbort;

impl ledger::Fatal for NoAbort {
    fn fatal(&self, _: &ledger::LedgerError) {}
}

/// Everything that a process has of this room. `dir` outlives it.
pub(crate) struct House {
    pub(crate) people: People,
    pub(crate) ledger: Ledger,
    pub(crate) fold: Fold,
}

/// A fresh folder with an empty ledger and directory.
pub(crate) fn fresh() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    Ledger::create(&dir.path().join("ledger"), "test.example/ledger", &Options::default()).unwrap();
    Directory::create(&dir.path().join("people"), &OsEntropy).unwrap();
    dir
}

impl House {
    pub(crate) fn open(
        dir: &TempDir,
        clock: Arc<dyn model::Clock>,
        settings: &LoginSettings,
        doors: &[Door],
    ) -> Self {
        let login = LoginMethod::open(settings, doors).unwrap();
        let fold = Fold::default();
        let options = Options { clock: Arc::clone(&clock), fatal: Arc::new(NoAbort), ..Options::default() };
        let ledger = Ledger::open(&dir.path().join("ledger"), &options, fold.clone()).unwrap();
        let people = People::new(PeopleParts {
            ledger: ledger.clone(),
            registered: Arc::new(fold.clone()),
            directory: Directory::open(&dir.path().join("people")).unwrap(),
            login,
            limits: SessionLimits::default(),
            clock,
            entropy: Arc::new(OsEntropy),
        })
        .unwrap();
        Self { people, ledger, fold }
    }

    pub(crate) async fn record(&self, event: Event) {
        self.ledger.append(Draft::plain(event)).await.unwrap();
    }

    /// Every event so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        let records = self.ledger.read(0, 10_000).unwrap();
        records.into_iter().map(|record| record.entry.event).collect()
    }

    pub(crate) async fn identify(&self, browser: &Browser, door: &str) -> Result<Option<Seated>, Why> {
        self.people.identify(&browser.headers(), &AppId::new(door)).await
    }

    /// Answers for a door on `listener`, with an app that says who one is, as if from `peer` where one is given.
    pub(crate) fn serve(&self, door: &str, listener: TcpListener, peer: Option<SocketAddr>) {
        let (people, name) = (self.people.clone(), AppId::new(door));
        let app = async move |headers: HeaderMap| match people.identify(&headers, &name).await {
            Ok(Some(seated)) => axum::response::Html(format!(
                r#"<p id="name">{}</p><form method="post" action="/.sightline/logout">
                   <input type="hidden" name="csrf" value="{}"><button>Log out</button></form>"#,
                seated.name, seated.csrf
            )),
            Ok(None) => axum::response::Html("<p>nobody is logged in</p>".to_owned()),
            Err(why) => axum::response::Html(format!("<p>{why}</p>")),
        };
        let router = Router::new()
            .nest("/.sightline", self.people.routes(AppId::new(door)))
            .merge(pages::assets())
            .fallback(app);
        tokio::spawn(async move {
            match peer {
                None => {
                    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
                }
                Some(peer) => {
                    let from = axum::Extension(axum::extract::ConnectInfo(peer));
                    axum::serve(listener, router.layer(from).into_make_service()).await
                }
            }
        });
    }
}

/// A listener on a free loopback port, and the door behind it.
pub(crate) async fn door(name: &str) -> (Door, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap();
    let public_url = format!("http://{listen}").parse().unwrap();
    (Door { name: AppId::new(name), listen, public_url }, listener)
}

/// A browser that keeps cookies by host, as real ones do, and follows nothing by itself.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) cookies: BTreeMap<String, String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).expect("a redirect").to_str().unwrap()
    }

    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect()
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let start = format!(r#"name="{name}" value=""#);
        let rest = self.body.split_once(&start).unwrap_or_else(|| panic!("no field {name}: {}", self.body)).1;
        rest.split('"').next().unwrap().to_owned()
    }

    /// The reference number on the page.
    pub(crate) fn reference(&self) -> String {
        let rest = self.body.split_once("<code>ref-").expect("a reference").1;
        format!("ref-{}", &rest[..16])
    }
}

impl Default for Browser {
    fn default() -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { client, cookies: BTreeMap::new() }
    }
}

impl Browser {
    pub(crate) fn headers(&self) -> HeaderMap {
        let line: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        HeaderMap::from_iter([(header::COOKIE, line.join("; ").parse().unwrap())])
    }

    pub(crate) async fn get(&mut self, url: &Url) -> Answer {
        self.send(Method::GET, url, &[], "").await
    }

    pub(crate) async fn post(&mut self, url: &Url, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, url, &[("content-type", "application/x-www-form-urlencoded")], &body).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        url: &Url,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(url.as_str());
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.headers() {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || cookie.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}
