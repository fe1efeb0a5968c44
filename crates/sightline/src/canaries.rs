//! `sightline canary …`: decoy customers put into an app as its adapter says, and what comes in when something that only
//! they have is used from outside.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter::{CanaryRequest, Decoy};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use clap::{Args, Subcommand};
use floor::Population;
use gateway::{AppSettings, Secret};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use incident::{Asker, Canaries, Canary, Data, Enquiry};
use model::clock::random;
use model::entry::Actor;
use model::{AppId, CustomerId, OsEntropy};
use serde::Deserialize;

use crate::cli::{Form, Place};
use crate::command::{Command, Failure, Form as Wanted, Outcome, Print};
use crate::config::Config;
use crate::operate;

/// Where what only a canary has comes in, at the console's door.
const PATH: &str = "/.sightline/canary";
/// The most that the app answers.
const LARGEST: usize = 1 << 20;
/// How many canaries there are unless the configuration says it.
const COUNT: u32 = 20;

/// `[canaries]`: decoys in one app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanarySettings {
    /// Into which app they go; its adapter says how (`[canaries]` there).
    app: AppId,
    /// The file (0600) of headers with which the app lets them be created, a line each: `Name: value`.
    headers_file: Option<PathBuf>,
    /// People to be: a CSV file with the columns name, email, phone, address. Without it they are made up.
    people: Option<PathBuf>,
    /// The domain under which made-up people have mail addresses: one whose mail you receive, so that its use is seen.
    mail_domain: Option<String>,
    /// The file (0600) that holds the secret with which the webhook of their use is signed.
    webhook_secret_file: Option<PathBuf>,
}

impl CanarySettings {
    pub(crate) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.headers_file, &mut self.people, &mut self.webhook_secret_file].into_iter().flatten()
    }
}

/// Commands of `sightline canary`.
#[derive(Subcommand)]
pub(crate) enum CanaryCommand {
    /// Put decoy customers into the app, to whom no ticket leads. Needs a running Sightline.
    Plant(Plant),
    /// Which customers are decoys, and since when.
    List(List),
    /// Plant as many anew as there are, and retire those.
    Rotate(List),
    /// A mail address, telephone number or name turned up outside: who was shown it? Asking is recorded.
    Used(Used),
}

/// Options of `sightline canary plant`.
#[derive(Args)]
pub(crate) struct Plant {
    /// How many.
    #[arg(long, default_value_t = COUNT, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    #[command(flatten)]
    site: List,
}

/// Options of `sightline canary list` and `rotate`.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// Options of `sightline canary used`.
#[derive(Args)]
pub(crate) struct Used {
    /// What turned up; `-` reads it from the standard input, past the shell's history.
    what: String,
    #[command(flatten)]
    site: List,
}

/// Has it answered by the running Sightline.
pub(crate) fn run(command: CanaryCommand) -> Result<(), String> {
    let ask = |site: &List, command| operate::print(&site.place, command, site.form.print());
    match command {
        CanaryCommand::Plant(options) => ask(&options.site, Command::CanaryPlant { count: options.count }),
        CanaryCommand::List(site) => ask(&site, Command::CanaryList),
        CanaryCommand::Rotate(site) => ask(&site, Command::CanaryRotate),
        CanaryCommand::Used(options) => {
            let what = match options.what.as_str() {
                "-" => std::io::read_to_string(std::io::stdin())
                    .map_err(|e| format!("the standard input: {e}"))?,
                what => what.to_owned(),
            };
            ask(&options.site, Command::CanaryUsed { what: what.trim().to_owned() })
        }
    }
}

/// What a running house needs for canaries. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Planter {
    canaries: Canaries,
    app: AppId,
    target: Arc<Target>,
}

/// Where they go.
#[derive(Debug)]
struct Target {
    request: CanaryRequest,
    upstream: String,
    headers: HeaderMap,
    people: Vec<Decoy>,
    mail_domain: Option<String>,
}

impl Planter {
    /// Reads what the configuration names.
    pub(crate) fn open(
        config: &Config,
        settings: &CanarySettings,
        apps: &[(AppSettings, adapter::Adapter)],
        canaries: Canaries,
    ) -> Result<Self, String> {
        let found = apps.iter().find(|(app, _)| app.name == settings.app);
        let (app, adapter) = found.ok_or_else(|| {
            let known: Vec<&str> = config.settings.apps.iter().map(|app| app.name.as_str()).collect();
            format!("[canaries] app: there is no app {}; there are: {}", settings.app, known.join(", "))
        })?;
        let request = adapter.canaries().cloned().ok_or_else(|| {
            format!(
                "[canaries]: the adapter of {} does not say how it takes in customers; docs/canaries.md",
                app.name
            )
        })?;
        let headers = settings.headers_file.as_deref().map_or(Ok(HeaderMap::new()), read_headers)?;
        let people = settings.people.as_deref().map_or(Ok(Vec::new()), read_people)?;
        let upstream = app.upstream.to_string().trim_end_matches('/').to_owned();
        let mail_domain = settings.mail_domain.clone();
        let target = Arc::new(Target { request, upstream, headers, people, mail_domain });
        Ok(Self { canaries, app: app.name.clone(), target })
    }

    async fn plant(&self, count: u32) -> Result<Planted, String> {
        let decoys = self.target.decoys(&self.canaries.list(), count)?;
        let (mut new, mut failure) = (Vec::new(), None);
        for decoy in decoys {
            match self.target.create(&decoy).await {
                Ok(customer) => {
                    new.push((customer, Data { name: decoy.name, email: decoy.email, phone: decoy.phone }));
                }
                Err(why) => {
                    failure = Some(why);
                    break;
                }
            }
        }
        // What is in the app is watched, whatever came of the rest.
        let planted = new.len();
        let entry = match planted {
            0 => None,
            _ => {
                let done = self.canaries.plant(&self.app, new, Actor::Operator).await;
                Some(done.map_err(|e| e.to_string())?)
            }
        };
        match failure {
            Some(why) => Err(format!("{planted} of {count} canaries planted, then: {why}")),
            None => Ok(Planted { planted, retired: 0, entry }),
        }
    }

    async fn rotate(&self) -> Result<Planted, String> {
        let mine = |canary: &Canary| canary.app == self.app && canary.retired.is_none();
        let old: Vec<CustomerId> =
            self.canaries.list().into_iter().filter(mine).map(|canary| canary.customer).collect();
        if old.is_empty() {
            return Err("there are no canaries to rotate; `sightline canary plant` plants some".into());
        }
        let planted = self.plant(old.len() as u32).await?;
        // New ones first: at no time is there none.
        self.canaries.retire(&self.app, &old, Actor::Operator).await.map_err(|e| e.to_string())?;
        Ok(Planted { retired: old.len(), ..planted })
    }
}

/// What was done.
#[derive(serde::Serialize)]
struct Planted {
    planted: usize,
    retired: usize,
    entry: Option<u64>,
}

impl Target {
    /// People whom no canary is yet.
    fn decoys(&self, known: &[Canary], count: u32) -> Result<Vec<Decoy>, String> {
        let is_new = |decoy: &Decoy| known.iter().all(|canary| canary.data.email != decoy.email);
        if !self.people.is_empty() {
            let decoys: Vec<Decoy> =
                self.people.iter().filter(|decoy| is_new(decoy)).take(count as usize).cloned().collect();
            return match decoys.len() {
                found if found < count as usize => {
                    Err(format!("only {found} people are left in the file of [canaries] people; add some"))
                }
                _ => Ok(decoys),
            };
        }
        // Another seed each time, so that the same people never come twice.
        let people = Population::generate(u64::from_be_bytes(random(&OsEntropy))).customers;
        let decoy = |customer: floor::population::Customer| Decoy {
            email: match &self.mail_domain {
                Some(domain) => {
                    format!("{}@{domain}", customer.email.split('@').next().unwrap_or_default())
                }
                None => customer.email,
            },
            name: customer.name,
            phone: customer.phone,
            address: customer.address,
        };
        Ok(people.into_iter().map(decoy).filter(is_new).take(count as usize).collect())
    }

    async fn create(&self, decoy: &Decoy) -> Result<CustomerId, String> {
        let (kind, body) = self.request.fill(decoy);
        let url = format!("{}{}", self.upstream, self.request.path());
        let uri: Uri = url.parse().map_err(|e| format!("{url}: {e}"))?;
        let mut request = Request::builder().method(self.request.method().clone()).uri(uri);
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|e| e.to_string())?;
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|e| format!("no trusted certificates on this machine: {e}"))?
            .https_or_http()
            .enable_http1()
            .build();
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let asked = client.request(request);
        let answer = tokio::time::timeout(std::time::Duration::from_secs(30), asked)
            .await
            .map_err(|_| "the app did not answer in time".to_owned())?
            .map_err(|_| format!("the app cannot be reached at {}", self.upstream))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|e| e.to_string())?;
        if !status.is_success() {
            return Err(format!(
                "the app answered {status} to {url}; headers_file is how it lets customers be created"
            ));
        }
        let created = self.request.created(&body.to_bytes());
        created.ok_or_else(|| {
            "the app's answer does not name the new customer where the adapter's [canaries] customer says"
                .into()
        })
    }
}

fn read_headers(path: &Path) -> Result<HeaderMap, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut headers = HeaderMap::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let header = line.split_once(':').and_then(|(name, value)| {
            let name: HeaderName = name.trim().parse().ok()?;
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        let (name, value) =
            header.ok_or_else(|| format!("{}:{}: a header is `Name: value`", path.display(), n + 1))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn read_people(path: &Path) -> Result<Vec<Decoy>, String> {
    #[derive(Deserialize)]
    struct Row {
        name: String,
        email: String,
        phone: String,
        address: String,
    }
    let mut reader = csv::Reader::from_path(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let rows = reader.deserialize::<Row>().map(|row| {
        // csv's messages may quote values: only the place is kept.
        let row = row.map_err(|e| {
            let line = e.position().map_or(0, csv::Position::line);
            format!("{}:{line}: name, email, phone, address", path.display())
        })?;
        Ok(Decoy { name: row.name, email: row.email, phone: row.phone, address: row.address })
    });
    rows.collect()
}

/// What `canary plant` and `rotate` say.
pub(crate) async fn plant(
    planter: Option<&Planter>,
    count: Option<u32>,
    form: Wanted,
) -> Result<Outcome, Failure> {
    let planter = planter.ok_or_else(unplanted)?;
    let done = match count {
        Some(count) => planter.plant(count).await,
        None => planter.rotate().await,
    };
    let done = done.map_err(Failure::Caller)?;
    if form.print == Print::Json {
        return Outcome::json(&done);
    }
    let entry = done.entry.map_or(String::new(), |entry| format!(" Entry {entry}."));
    let retired = match done.retired {
        0 => String::new(),
        n => format!(" {n} before them are retired: a look at one is a finding still."),
    };
    Ok(Outcome::text(format!(
        "{} canaries are in {} now; no ticket leads to them.{retired}{entry}\n",
        done.planted, planter.app
    )))
}

fn unplanted() -> Failure {
    Failure::Caller(
        "no canaries here: nothing serves, or there is no [canaries] in the configuration (docs/canaries.md)"
            .into(),
    )
}

/// What `canary list` says.
pub(crate) fn list(planter: Option<&Planter>, form: Wanted) -> Result<Outcome, Failure> {
    let list = planter.ok_or_else(unplanted)?.canaries.list();
    if form.print == Print::Json {
        return Outcome::json(&list);
    }
    let mut text = String::new();
    for canary in &list {
        let state = match (canary.retired, canary.entry) {
            (Some(retired), _) => format!("retired {retired}"),
            (None, Some(entry)) => format!("entry {entry}"),
            (None, None) => "watched, not recorded: a crash came between".to_owned(),
        };
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{:<8}  {:<12}  {}  {state}",
            canary.app,
            canary.customer.as_str(),
            canary.planted
        );
    }
    let active = list.iter().filter(|canary| canary.retired.is_none()).count();
    let _ = writeln!(text, "{active} canaries, {} retired", list.len() - active);
    Ok(Outcome::text(text))
}

/// What `canary used` says.
pub(crate) async fn used(
    planter: Option<&Planter>,
    enquiry: &Enquiry,
    what: &str,
    form: Wanted,
) -> Result<Outcome, Failure> {
    let planter = planter.ok_or_else(unplanted)?;
    let led = planter.canaries.lead(enquiry, &Asker::Operator, what).await;
    let led = led.map_err(|e| Failure::Caller(e.to_string()))?;
    if form.print == Print::Json {
        return Outcome::json(&led);
    }
    if led.is_empty() {
        return Ok(Outcome::text("this is of no canary\n".into()));
    }
    let mut text = String::new();
    for led in &led {
        let canary = &led.canary;
        let _ = writeln!(
            text,
            "{} in {}, a canary since {}:",
            canary.customer.as_str(),
            canary.app,
            canary.planted
        );
        text += &incident::text::who_saw(&led.shown, form.width);
    }
    text += "Whoever was shown it is a lead, not a verdict: a record travels further than the screen.\n";
    Ok(Outcome::text(text))
}

/// What the webhook needs.
#[derive(Clone)]
struct Webhook {
    secret: Secret,
    canaries: Canaries,
    enquiry: Enquiry,
}

/// The webhook of use from outside, where there is a secret to sign it with: `POST /.sightline/canary` with
/// `{"value":"…"}`, a mail address, telephone number or name.
pub(crate) fn webhook(
    settings: &CanarySettings,
    canaries: Canaries,
    enquiry: Enquiry,
) -> Result<Router, String> {
    let Some(file) = &settings.webhook_secret_file else { return Ok(Router::new()) };
    let secret = Secret::read(file).map_err(|e| e.to_string())?;
    if secret.is_short() {
        return Err(format!("{}: a secret of at least 16 characters", file.display()));
    }
    let state = Webhook { secret, canaries, enquiry };
    Ok(Router::new().route(PATH, post(heard)).with_state(state))
}

#[derive(Deserialize)]
struct Heard {
    value: String,
}

/// Says only whether it was heard: who was shown what is for those who may ask.
async fn heard(State(webhook): State<Webhook>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !webhook.secret.signed(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(heard) = serde_json::from_slice::<Heard>(&body) else { return StatusCode::BAD_REQUEST };
    match webhook.canaries.used(&webhook.enquiry, &heard.value).await {
        Ok(0) => StatusCode::NO_CONTENT,
        Ok(canaries) => {
            tracing::warn!(
                canaries,
                "something that only a canary has was used from outside; an entry says who saw it"
            );
            StatusCode::NO_CONTENT
        }
        Err(error) => {
            tracing::error!(%error, "something that may be a canary's was used from outside, and nobody can say who saw it");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
