//! A gateway in front of a scripted app, with a real ledger, and a browser that goes through it.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test
#![allow(dead_code, unreachable_pub)] // each test file uses its part, and none is a library

pub mod app;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{Access, Policy, SharedState, TicketActor, TicketEvent, TicketWhat, Tickets};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::{Draft, Fatal, Ledger, LedgerError, Options, Record};
use model::clock::ManualClock;
use model::entry::{
    Actor, AppMode, Refused, RevokeReason, SessionOpened, SettingsInForce, StaffRecorded, Target, Why,
};
use model::{
    AppId, Budgets, Clock, CustomerId, Digest, Entropy, Event, Mode, OsEntropy, ResponseId, Role, SessionId,
    StaffId, StaffRecord, StaffStatus, TicketId, Tier, Timestamp,
};
use people::{Directory, LoginMethod, LoginSettings, People, PeopleParts, SessionLimits};
use sightline_gateway::{AppSettings, Gateway, GatewayParts, TokenKey};
use trace::MarkKey;

pub const APP: &str = "desk";
const SIGN_IN_SECRET: &str = "sign-in-secret-of-the-test";

/// What a test may change about the site before it opens.
pub struct Plan {
    pub mode: Mode,
    pub budgets: Budgets,
    pub settings: &'static str,
}

impl Default for Plan {
    fn default() -> Self {
        Self { mode: Mode::Enforce, budgets: Budgets::default(), settings: "" }
    }
}

pub struct Site {
    pub dir: tempfile::TempDir,
    pub ledger: Ledger,
    pub access: Access,
    pub people: People,
    pub gateway: Gateway,
    pub clock: ManualClock,
    /// Where the gateway listens.
    pub address: SocketAddr,
}

/// A browser with a session.
pub struct Browser<'s> {
    site: &'s Site,
    client: Client<HttpConnector, Body>,
    pub session: Option<SessionId>,
    cookie: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub bytes: Bytes,
}

impl Site {
    /// A gateway in front of `app` that enforces.
    pub async fn open(app: SocketAddr) -> Self {
        Self::planned(app, Plan::default()).await
    }

    pub async fn planned(app: SocketAddr, plan: Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::parse("2026-03-02T09:00:00Z").unwrap());
        let (shared_clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(clock.clone()), Arc::new(OsEntropy));
        let options = Options {
            clock: shared_clock.clone(),
            entropy: entropy.clone(),
            fatal: Arc::new(Swept),
            ..Options::default()
        };
        let (log, names) = (dir.path().join("ledger"), dir.path().join("people"));
        let state = SharedState::default();
        Ledger::create(&log, "ledger.test/gateway", &options).unwrap();
        let ledger = Ledger::open(&log, &options, state.clone()).unwrap();
        let settings = Event::SettingsInForce(SettingsInForce {
            configuration: Digest::of(b"test"),
            budgets: plan.budgets,
            apps: vec![AppMode { app: AppId::new(APP), mode: plan.mode }],
            by: Actor::Operator,
        });
        ledger.append(Draft::plain(settings)).await.unwrap();

        Directory::create(&names, &*entropy).unwrap();
        let personas: LoginSettings = serde_json::from_value(serde_json::json!({ "personas": { "staff": [
            { "staff": "s-1", "name": "Ann", "login": "ann", "role": "agent", "team": "t-1" },
            { "staff": "s-2", "name": "Ben", "login": "ben", "role": "agent", "team": "t-1" },
        ]}}))
        .unwrap();
        let people = People::new(PeopleParts {
            ledger: ledger.clone(),
            registered: Arc::new(state.clone()),
            directory: Directory::open(&names).unwrap(),
            login: LoginMethod::open(&personas, &[]).unwrap(),
            limits: SessionLimits::default(),
            clock: shared_clock.clone(),
            entropy: entropy.clone(),
        })
        .unwrap();
        let tickets = Tickets::open(&dir.path().join("tickets.db")).unwrap();
        let access = Access::new(state, Policy::shipped(), tickets, entropy.clone());

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (file, secret) in
            [("sign-in", SIGN_IN_SECRET), ("feed-token", "feed-token"), ("webhook", "webhook-secret")]
        {
            std::fs::write(dir.path().join(file), format!("{secret}\n")).unwrap();
        }
        let settings = format!(
            r#"
            name = "{APP}"
            listen = "{address}"
            public_url = "http://{address}"
            upstream = "http://{app}"
            adapter = "test"
            mode = "{mode}"
            sign_in = {{ header = "X-Remote-User", secret_header = "X-Desk-Secret", secret_file = "sign-in" }}
            {more}
            "#,
            mode = plan.mode,
            more = plan.settings,
        );
        let mut settings: AppSettings = toml::from_str(&settings).unwrap();
        settings.paths_mut().for_each(|path| *path = dir.path().join(&*path));
        let gateway = Gateway::new(GatewayParts {
            settings,
            adapter: adapter::Adapter::parse("adapter.toml", include_str!("adapter.toml")).unwrap(),
            access: access.clone(),
            people: people.clone(),
            ledger: ledger.clone(),
            clock: shared_clock,
            entropy,
            tokens: TokenKey::from_bytes(&[7; 32]),
            marks: MarkKey::new([8; 32]),
            witnesses: witness::Standing::without_witnesses(),
        })
        .unwrap();
        let router = gateway.router();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { dir, ledger, access, people, gateway, clock, address }
    }

    /// Somebody nobody knows.
    pub fn stranger(&self) -> Browser<'_> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Browser { site: self, client, session: None, cookie: None }
    }

    /// A browser in which this member of staff, an agent, has logged in.
    pub async fn browser(&self, staff: &str) -> Browser<'_> {
        let token = OsEntropy.token();
        let session = SessionId::fresh(&OsEntropy);
        let record = StaffRecord {
            staff: StaffId::new(staff),
            role: Role::Agent,
            team: "t-1".to_owned(),
            employer: "in-house".to_owned(),
            site: None,
            status: StaffStatus::Active,
            cleared_until: None,
        };
        let opened = SessionOpened {
            session,
            staff: StaffId::new(staff),
            door: AppId::new(APP),
            token: Digest::of(&token),
            expires: self.clock.now().plus(Duration::from_secs(8 * 3600)),
        };
        let recorded = StaffRecorded { record, by: Actor::System };
        let drafts = [Event::StaffRecorded(recorded), Event::SessionOpened(opened)].map(Draft::plain);
        self.ledger.append_all(drafts.into()).await.unwrap();
        let cookie = format!("{}={}", people::cookie_name(&AppId::new(APP)), URL_SAFE_NO_PAD.encode(token));
        Browser { session: Some(session), cookie: Some(cookie), ..self.stranger() }
    }

    /// A ticket of `customer` that the router gave to `staff`.
    pub fn route_ticket(&self, ticket: &str, customer: &str, staff: &str) {
        let now = self.clock.now();
        let event = |what, by, to| TicketEvent {
            time: now.minus(Duration::from_secs(600)),
            what,
            ticket: TicketId::new(ticket),
            customer: CustomerId::new(customer),
            by,
            to,
        };
        let events = [
            event(TicketWhat::Opened, TicketActor::Customer, None),
            event(TicketWhat::Assigned, TicketActor::Router, Some(StaffId::new(staff))),
        ];
        self.access.tickets().apply(&AppId::new(APP), &events, None).unwrap();
    }

    pub fn set_tier(&self, customer: &str, tier: Tier) {
        let tiers = [(CustomerId::new(customer), tier)];
        self.access.tickets().set_tiers(&AppId::new(APP), &tiers).unwrap();
    }

    pub async fn revoke(&self, target: Target) {
        let draft = access::revocation(target, Actor::Operator, RevokeReason::Drill);
        self.ledger.append(draft).await.unwrap();
    }

    pub fn records(&self) -> Vec<Record> {
        self.ledger.read(0, 100_000).unwrap()
    }

    /// Everything recorded of one kind.
    pub fn of_kind<T>(&self, pick: impl Fn(Event) -> Option<T>) -> Vec<T> {
        self.records().into_iter().filter_map(|record| pick(record.entry.event)).collect()
    }

    pub fn reveals(&self) -> Vec<model::entry::Revealed> {
        self.of_kind(|event| if let Event::Revealed(look) = event { Some(look) } else { None })
    }

    pub fn listings(&self) -> Vec<model::entry::Listed> {
        self.of_kind(|event| if let Event::Listed(listed) = event { Some(listed) } else { None })
    }

    pub fn writes(&self) -> Vec<model::entry::Written> {
        self.of_kind(|event| if let Event::Written(written) = event { Some(written) } else { None })
    }

    pub fn refusals(&self) -> Vec<Refused> {
        self.of_kind(|event| if let Event::Refused(refused) = event { Some(refused) } else { None })
    }

    /// That `got` is a refusal for this reason, and that its reference number is in the ledger.
    pub fn assert_refused(&self, got: &Got, why: Why) {
        let reference = got.reference().unwrap_or_else(|| panic!("no reference number in {got:?}"));
        let refusals = self.refusals();
        let entry = refusals.iter().find(|refused| refused.response == reference);
        assert_eq!(entry.map(|refused| refused.why), Some(why), "{got:?}");
        assert!(got.status.as_u16() >= 400, "{got:?}");
    }

    /// Every byte that is on disk.
    pub fn bytes_on_disk(&self, below: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut folders = vec![self.dir.path().join(below)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { bytes.extend(std::fs::read(path).unwrap()) }
            }
        }
        bytes
    }
}

/// At the end of a test its directory is swept away, while the gateway's tasks still hold the ledger.
#[derive(Debug)]
struct Swept;

impl Fatal for Swept {
    fn fatal(&self, _: &LedgerError) {}
}

trait FreshToken {
    fn token(&self) -> [u8; 32];
}

impl FreshToken for OsEntropy {
    fn token(&self) -> [u8; 32] {
        let mut token = [0; 32];
        self.fill(&mut token);
        token
    }
}

impl Browser<'_> {
    /// Opens a page.
    pub async fn open(&self, target: &str) -> Got {
        self.send(Method::GET, target, &[("accept", "text/html")], "").await
    }

    /// Asks as a script does.
    pub async fn fetch(&self, target: &str) -> Got {
        self.send(Method::GET, target, &[("accept", "application/json")], "").await
    }

    /// Sends a form from a page of this site.
    pub async fn submit(&self, target: &str, form: &[(&str, &str)]) -> Got {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let origin = format!("http://{}", self.site.address);
        let headers = [
            ("accept", "text/html"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &*origin),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(Method::POST, target, &headers, &body).await
    }

    pub async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let uri = format!("http://{}{target}", self.site.address);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::from(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Got { status: head.status, headers: head.headers, text, bytes }
    }
}

impl Got {
    /// The reference number on the page or in the problem document.
    pub fn reference(&self) -> Option<ResponseId> {
        let at = self.text.find(ResponseId::PREFIX)?;
        self.text.get(at..at + ResponseId::PREFIX.len() + 16)?.parse().ok()
    }

    /// Where a redirect leads.
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of a form field on the page.
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, after) = self.text.split_once(&format!("name=\"{name}\""))?;
        let (_, value) = after.split_once("value=\"")?;
        Some(value.split_once('"')?.0.to_owned())
    }

    pub fn shows(&self, value: &str) -> bool {
        self.text.contains(value)
    }
}
