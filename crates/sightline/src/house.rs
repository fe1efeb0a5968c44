//! The house: every room opened and wired as a configuration says.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use access::{Access, Policy, SharedState, Tickets};
use adapter::Adapter;
use axum::Router;
use export::Exports;
use gateway::{AppSettings, Gateway, GatewayParts, TokenKey};
use incident::{Canaries, Enquiry, Erasure, Retention, Watcher, WatcherParts};
use ledger::disk::OsDisk;
use ledger::note::VerifierKey;
use ledger::{Draft, Ledger};
use model::entry::{Actor, AppMode, Event, PolicyInForce, SettingsInForce, Started};
use model::{AppId, Clock, Entropy, OsEntropy, SystemClock, WatchInForce};
use people::{Directory, LoginMethod, People, PeopleParts};
use rules::Rules;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use trace::MarkKey;
use url::Url;
use witness::Standing;

use crate::canaries::Planter;
use crate::config::Config;
use crate::journal::LogSettings;
use crate::{init, listen, serve, witnesses};

/// Name and version, as entries say it.
const SOFTWARE: &str = concat!("sightline ", env!("CARGO_PKG_VERSION"));

/// Where everything lies below the data directory.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The ledger itself: journal, tiles, keys.
    pub(crate) ledger: PathBuf,
    /// The views; may be deleted.
    pub(crate) views: PathBuf,
    /// The staff directory: names, outside the ledger.
    pub(crate) people: PathBuf,
    /// Tickets and tiers, as the apps report them.
    pub(crate) tickets: PathBuf,
    /// The gateway's key, for what goes out to browsers and must come back.
    pub(crate) gateway_key: PathBuf,
    /// What the marks over pages are derived from. Whoever has it can forge a mark; it is the same on every node.
    pub(crate) mark_key: PathBuf,
    /// The trust policy for auditors, as the configuration makes it.
    pub(crate) trust_policy: PathBuf,
    /// How far each export has come.
    pub(crate) exports: PathBuf,
    /// What the watch knows; may be deleted.
    pub(crate) watch: PathBuf,
    /// Which customers are decoys.
    pub(crate) canaries: PathBuf,
    /// How far the rules have come.
    pub(crate) rules: PathBuf,
    /// Where the running process takes commands.
    pub(crate) socket: PathBuf,
}

impl Layout {
    /// The layout below `data`.
    pub(crate) fn of(data: &Path) -> Self {
        Self {
            ledger: data.join("ledger"),
            views: data.join("views"),
            people: data.join("people"),
            tickets: data.join("tickets.db"),
            gateway_key: data.join("gateway.key"),
            mark_key: data.join("mark.key"),
            trust_policy: data.join("trust-policy"),
            exports: data.join("exports"),
            watch: data.join("watch.state"),
            canaries: data.join("canaries.json"),
            rules: data.join("rules"),
            socket: data.join("control.sock"),
        }
    }

    /// Whether everything is there that [`create`](Self::create) makes.
    fn is_complete(&self) -> bool {
        self.ledger.join("format").exists()
            && self.people.join("directory.db").exists()
            && self.gateway_key.exists()
            && self.mark_key.exists()
    }

    /// Makes ledger, staff directory and keys, as far as they are not there; says the ledger's verification key.
    pub(crate) fn create(&self, settings: &LogSettings) -> Result<String, String> {
        self.check_shared(settings)?;
        if !self.ledger.join("format").exists() {
            let options = settings.options(self)?;
            Ledger::create(&self.ledger, &settings.origin, &options).map_err(|e| e.to_string())?;
        }
        if !self.people.join("directory.db").exists() {
            Directory::create(&self.people, &OsEntropy).map_err(|e| e.to_string())?;
        }
        if !self.gateway_key.exists() {
            init::private_file(&self.gateway_key, &init::secret(&OsEntropy))?;
        }
        if !self.mark_key.exists() {
            init::private_file(&self.mark_key, &init::secret(&OsEntropy))?;
        }
        let vkey = self.ledger.join("log.vkey");
        std::fs::read_to_string(&vkey)
            .map(|key| key.trim().to_owned())
            .map_err(|e| format!("{}: {e}", vkey.display()))
    }

    /// A gateway that joins others has their secrets: one that made its own would lay marks over pages that nobody can
    /// trace, and send forms that no other takes.
    fn check_shared(&self, settings: &LogSettings) -> Result<(), String> {
        let joins = settings.is_shared() && self.ledger.join("log.key").exists();
        if !joins || self.ledger.join("format").exists() {
            return Ok(());
        }
        let shared = [self.people.join("key"), self.gateway_key.clone(), self.mark_key.clone()];
        match shared.iter().find(|file| !file.exists()) {
            None => Ok(()),
            Some(missing) => Err(format!(
                "{} is missing: this gateway joins a log that others write, so copy it from one of them",
                missing.display()
            )),
        }
    }

    /// What the ledger is opened with.
    pub(crate) fn ledger_options(&self) -> ledger::Options {
        ledger::Options { witnessed: witnesses::are_asked(self), ..ledger::Options::default() }
    }

    fn token_key(&self) -> Result<TokenKey, String> {
        key(&self.gateway_key).map(|key| TokenKey::from_bytes(&key))
    }

    /// What the marks over pages are derived from.
    pub(crate) fn mark_key(&self) -> Result<MarkKey, String> {
        key(&self.mark_key).map(MarkKey::new)
    }
}

/// A key of 256 bits, as `sightline init` writes it.
pub(crate) fn key(file: &Path) -> Result<[u8; 32], String> {
    use base64::Engine;
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("{}: not a key of 256 bits as `sightline init` writes it", file.display()))
}

type Worker = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What commands and pages ask: everything behind the listeners.
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    pub(crate) ledger: Ledger,
    pub(crate) state: SharedState,
    pub(crate) tickets: Tickets,
    pub(crate) enquiry: Enquiry,
    /// Where the log's trust policy is, once a gateway has written it.
    pub(crate) trust_policy: PathBuf,
    /// How the ledger stands with its witnesses, where this process asks them.
    pub(crate) witnesses: Standing,
    /// Empty where nothing is served.
    pub(crate) exports: Exports,
    /// None where no rules are evaluated.
    pub(crate) rules: Option<Rules>,
    /// None where nothing is served, or none are configured.
    pub(crate) canaries: Option<Planter>,
}

impl Rooms {
    /// Opens what lies below `data`; the worker keeps the views up with the ledger.
    pub(crate) fn open(data: &Path, options: &ledger::Options) -> Result<(Self, Worker), String> {
        let layout = Layout::of(data);
        let state = SharedState::default();
        let ledger = Ledger::open(&layout.ledger, options, state.clone()).map_err(|e| e.to_string())?;
        let tickets = Tickets::open(&layout.tickets).map_err(|e| e.to_string())?;
        let (fold, views) = views::open(&layout.views, &ledger).map_err(|e| e.to_string())?;
        let enquiry = Enquiry::new(ledger.clone(), views, Arc::new(SystemClock), Arc::new(OsEntropy));
        let follow = {
            let ledger = ledger.clone();
            async move {
                if let Err(error) = fold.follow(ledger).await {
                    tracing::error!(%error, "the views stand still; `sightline rebuild` makes them anew");
                }
            }
        };
        let witnesses = Standing::without_witnesses();
        let (trust_policy, exports) = (layout.trust_policy, Exports::default());
        let (rules, canaries) = (None, None);
        let rooms =
            Self { ledger, state, tickets, enquiry, trust_policy, witnesses, exports, rules, canaries };
        Ok((rooms, Box::pin(follow)))
    }
}

impl Rooms {
    /// Erasures in this house.
    pub(crate) fn erasure(&self, retention: Retention) -> Erasure {
        Erasure {
            ledger: self.ledger.clone(),
            state: self.state.clone(),
            tickets: self.tickets.clone(),
            retention,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
        }
    }
}

/// What a configuration names, read and checked, with nothing opened.
pub(crate) struct Parts {
    pub(crate) policy: Policy,
    pub(crate) login: LoginMethod,
    pub(crate) apps: Vec<(AppSettings, Adapter)>,
}

/// Reads policy, adapters, secrets and certificates.
pub(crate) fn read(config: &Config) -> Result<Parts, String> {
    let policy = match &config.settings.policy {
        None => Policy::shipped(),
        Some(own) => {
            let files: Vec<&Path> = own.policies.iter().map(PathBuf::as_path).collect();
            Policy::load(&own.schema, &files).map_err(|e| e.to_string())?
        }
    };
    let login = LoginMethod::open(&config.settings.login, &config.doors()?).map_err(|e| e.to_string())?;
    serve::acceptor(config.settings.console.tls.as_ref())?;
    for export in &config.settings.exports {
        export::check(export).map_err(|e| e.to_string())?;
    }
    if let Some(rules) = &config.settings.rules {
        rules::check(rules).map_err(|e| e.to_string())?;
    }
    let mut apps = Vec::new();
    for app in &config.settings.apps {
        serve::acceptor(app.tls.as_ref())?;
        app.check().map_err(|e| format!("the app {}: {e}", app.name))?;
        apps.push((app.clone(), crate::adapters::load(&app.adapter, &config.base)?));
    }
    Ok(Parts { policy, login, apps })
}

/// A listener, bound, with what answers on it.
pub(crate) struct Door {
    pub(crate) name: AppId,
    pub(crate) url: String,
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
}

/// Everything opened and bound.
pub(crate) struct House {
    pub(crate) layout: Layout,
    pub(crate) rooms: Rooms,
    pub(crate) doors: Vec<Door>,
    /// What works beside the listeners: views that follow the ledger, feeds that ask for tickets.
    pub(crate) workers: Vec<Worker>,
}

impl House {
    /// Opens every room, puts settings and policy in force by entries, and binds every listener.
    pub(crate) async fn open(config: &Config) -> Result<Self, String> {
        let parts = read(config)?;
        let settings = &config.settings;
        let layout = Layout::of(&settings.data);
        // First, so that a port that is taken leaves nothing written.
        let bound = bind_all(config).await?;
        if !layout.is_complete() {
            init::private_dir(&settings.data)?;
            layout.create(&settings.log)?;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let vkey = layout.ledger.join("log.vkey");
        let vkey = std::fs::read_to_string(&vkey).map_err(|e| format!("{}: {e}", vkey.display()))?;
        let trust = witnesses::policy(config, VerifierKey::parse(&vkey).map_err(|e| e.to_string())?)?;
        witnesses::write_policy(&layout, &trust)?;
        let (mut rooms, follow_views) = Rooms::open(&settings.data, &settings.log.options(&layout)?)?;
        let (standing, asker) = witnesses::asking(config, &rooms.ledger, &trust)?;
        rooms.witnesses = standing.clone();
        let (ledger, state) = (rooms.ledger.clone(), rooms.state.clone());
        put_in_force(&ledger, &state, config, &parts).await?;
        let erasure = rooms.erasure(settings.retention);
        // Before anybody looks: what a crash interrupted is done now.
        erasure.carry_out().await.map_err(|e| e.to_string())?;

        let people = People::new(PeopleParts {
            ledger: ledger.clone(),
            registered: Arc::new(state.clone()),
            directory: Directory::open(&layout.people).map_err(|e| e.to_string())?,
            login: parts.login,
            limits: settings.sessions,
            clock: clock.clone(),
            entropy: entropy.clone(),
        })
        .map_err(|e| e.to_string())?;
        let access = Access::new(state, parts.policy, rooms.tickets.clone(), entropy.clone());

        let console = console::router(console::Console {
            door: AppId::new(AppId::CONSOLE),
            ledger: ledger.clone(),
            access: access.clone(),
            people: people.clone(),
            enquiry: rooms.enquiry.clone(),
            erasure: erasure.clone(),
            witnesses: standing.clone(),
            trust_policy: trust.to_text(),
            clock: clock.clone(),
            entropy: entropy.clone(),
        });
        let canaries = Canaries::open(
            &layout.canaries,
            ledger.clone(),
            Arc::new(OsDisk),
            clock.clone(),
            entropy.clone(),
        )
        .map_err(|e| e.to_string())?;
        let console = match &settings.canaries {
            None => console,
            Some(set) => {
                rooms.canaries = Some(Planter::open(config, set, &parts.apps, canaries.clone())?);
                console.merge(crate::canaries::webhook(set, canaries.clone(), rooms.enquiry.clone())?)
            }
        };
        let mut routers = vec![console];
        let watcher = Watcher::open(WatcherParts {
            ledger: ledger.clone(),
            state: rooms.state.clone(),
            tickets: rooms.tickets.clone(),
            settings: settings.watch.clone(),
            weak_per_shift: settings.budgets.weak_per_shift,
            file: layout.watch.clone(),
            disk: Arc::new(OsDisk),
            clock: clock.clone(),
            entropy: entropy.clone(),
        });
        let mut workers: Vec<Worker> =
            vec![follow_views, Box::pin(erasure.follow()), Box::pin(watcher.follow())];
        if let Some((asker, findings)) = asker {
            workers.push(Box::pin(asker.run()));
            workers.push(Box::pin(witnesses::record(findings, ledger.clone(), rooms.state.clone())));
        }
        for (app, adapter) in parts.apps {
            let gateway = Gateway::new(GatewayParts {
                settings: app,
                adapter,
                access: access.clone(),
                people: people.clone(),
                ledger: ledger.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
                tokens: layout.token_key()?,
                marks: layout.mark_key()?,
                witnesses: standing.clone(),
            })
            .map_err(|e| e.to_string())?;
            routers.push(gateway.router());
            let watching = gateway.clone();
            workers.push(Box::pin(async move { watching.watch_marks().await }));
            workers.push(Box::pin(async move { gateway.follow_feed().await }));
        }
        let known = crate::rules::Known { state: rooms.state.clone(), canaries };
        if let Some((rules, follower)) = crate::rules::open(settings.rules.as_ref(), &layout, &ledger, known)?
        {
            rooms.rules = Some(rules);
            workers.push(Box::pin(follower.run()));
        }
        let (exports, exporters) = crate::exports::open(config, &layout, &ledger)?;
        rooms.exports = exports;
        workers.extend(exporters.into_iter().map(|exporter| -> Worker { Box::pin(exporter.run()) }));
        let doors = bound.into_iter().zip(routers).map(|(bound, router)| bound.with(router)).collect();
        Ok(Self { layout, rooms, doors, workers })
    }
}

/// Records the start, and settings and policy where they are not those in force (P8).
async fn put_in_force(
    ledger: &Ledger,
    state: &SharedState,
    config: &Config,
    parts: &Parts,
) -> Result<(), String> {
    let apps = parts.apps.iter().map(|(app, _)| AppMode { app: app.name.clone(), mode: app.mode }).collect();
    let settings = SettingsInForce {
        configuration: config.digest,
        budgets: config.settings.budgets,
        apps,
        by: Actor::Operator,
    };
    let policy = PolicyInForce { policy: parts.policy.digest(), by: Actor::Operator };
    let mut drafts = vec![Draft::plain(Event::Started(Started { software: SOFTWARE.into() }))];
    {
        let state = state.read();
        if state.configuration() != Some(settings.configuration) {
            drafts.push(Draft::plain(Event::SettingsInForce(settings)));
        }
        let watch = &config.settings.watch;
        let (mode, throttle_minutes, by) = (watch.mode, watch.throttle_minutes, Actor::Operator);
        if (state.watch_mode(), state.throttle_minutes()) != (mode, throttle_minutes) {
            drafts.push(Draft::plain(Event::WatchInForce(WatchInForce { mode, throttle_minutes, by })));
        }
        if state.policy() != Some(policy.policy) {
            drafts.push(Draft::plain(Event::PolicyInForce(policy)));
        }
    }
    ledger.append_all(drafts).await.map(drop).map_err(|e| e.to_string())
}

/// A bound listener that nothing answers on yet.
struct Bound {
    name: AppId,
    url: String,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Bound {
    fn with(self, router: Router) -> Door {
        Door { name: self.name, url: self.url, listener: self.listener, tls: self.tls, router }
    }
}

/// Binds the console and then each app, in the order of the configuration.
async fn bind_all(config: &Config) -> Result<Vec<Bound>, String> {
    let console = &config.settings.console;
    let mut wanted =
        vec![(AppId::new(AppId::CONSOLE), &console.public_url, console.listen, console.tls.as_ref())];
    let apps = config.settings.apps.iter();
    wanted.extend(apps.map(|app| (app.name.clone(), &app.public_url, app.listen, app.tls.as_ref())));
    let mut bound = Vec::new();
    for (name, url, address, tls) in wanted {
        let instead = format!("end it, or give the door {name:?} another `listen` address");
        let listener = listen::bind(address, &instead).await.map_err(|e| e.to_string())?;
        bound.push(Bound { name, url: url.to_string(), listener, tls: serve::acceptor(tls)? });
    }
    Ok(bound)
}

impl Config {
    /// Every door, as the login must know it.
    fn doors(&self) -> Result<Vec<people::Door>, String> {
        let console = &self.settings.console;
        let apps = self.settings.apps.iter();
        std::iter::once((AppId::new(AppId::CONSOLE), console.listen, &console.public_url))
            .chain(apps.map(|app| (app.name.clone(), app.listen, &app.public_url)))
            .map(|(name, listen, url)| {
                let public_url = Url::parse(url.as_str()).map_err(|e| format!("{url}: {e}"))?;
                Ok(people::Door { name, listen, public_url })
            })
            .collect()
    }
}
