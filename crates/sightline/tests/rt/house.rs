//! Everything that stands around a test: Request Tracker, an identity provider, a browser, and between them
//! the program as it is installed, with the configuration that `sightline init` writes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use peers::chromium::{Chromium, Window};
use peers::oidc::{self, Provider};
use peers::rt::{Customer, Rt, Seed, Ticket, free_port};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

const SIGHTLINE: &str = env!("CARGO_BIN_EXE_sightline");
const CLIENT_SECRET: &str = "a client secret of this test";
const PATIENCE: Duration = Duration::from_secs(60);

/// Where agents and analysts point their browsers, and what is behind it.
pub(crate) struct House {
    /// Where browsers find Request Tracker: the gateway.
    pub(crate) app: Url,
    pub(crate) rt: Rt,
    serving: Option<Child>,
    config: PathBuf,
    chromium: Chromium,
    _provider: Provider,
    dir: TempDir,
}

impl House {
    /// Starts everything, with Sightline in `mode`.
    pub(crate) fn open(mode: &str) -> Self {
        let [app_port, console_port] = [(); 2].map(|()| started(free_port()));
        let [app, console] =
            [app_port, console_port].map(|port| Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap());
        let rt = started(Rt::start((Ipv4Addr::LOCALHOST, app_port), Seed { customers: 12, tickets: 16 }));
        let provider = started(Provider::start(&oidc::Settings {
            client: ("sightline".to_owned(), CLIENT_SECRET.to_owned()),
            redirects: [&app, &console].map(|door| door.join("/.sightline/login/callback").unwrap()).into(),
            accounts: accounts(),
            claims_in_token: true,
            algorithm: "RS256",
        }));
        let chromium = started(Chromium::start());

        let dir = TempDir::with_prefix("sightline-serve-").unwrap();
        let installed = dir.path().join("installed");
        let said =
            Command::new(SIGHTLINE).arg("init").arg(&installed).args(["--app", "rt5"]).output().unwrap();
        assert!(said.status.success(), "{said:?}");
        let secret = |name: &str, text: &str| fill_in(&installed.join("secrets").join(name), text);
        secret("oidc-client-secret", CLIENT_SECRET);
        secret("rt-token", &rt.seeded.token);
        secret("app-secret", &std::fs::read_to_string(rt.secret_file()).unwrap());
        let config = installed.join("sightline.toml");
        let door = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        edit(
            &config,
            &[
                ("127.0.0.1:8700", &format!("127.0.0.1:{console_port}")),
                (
                    "public_url = \"https://sightline.example.com\"",
                    &format!("public_url = \"{}\"", door(&console)),
                ),
                ("https://id.example.com", &door(&provider.issuer)),
                ("127.0.0.1:8701", &format!("127.0.0.1:{app_port}")),
                ("public_url = \"https://rt.example.com\"", &format!("public_url = \"{}\"", door(&app))),
                ("http://127.0.0.1:8081", &door(&rt.url)),
                ("mode = \"observe\"", &format!("mode = \"{mode}\"")),
                ("kind = \"rt\"", "kind = \"rt\"\nevery_seconds = 1"),
            ],
        );
        let mut house = Self { app, rt, serving: None, config, chromium, _provider: provider, dir };
        house.serve();
        house
    }

    /// Starts `sightline serve` and waits until it answers.
    pub(crate) fn serve(&mut self) {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let child = Command::new(SIGHTLINE)
            .args(["serve", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let child = self.serving.insert(child);
        let deadline = Instant::now() + PATIENCE;
        let address = self.app.socket_addrs(|| None).unwrap()[0];
        while std::net::TcpStream::connect(address).is_err() {
            let ended = child.try_wait().unwrap();
            let said = std::fs::read_to_string(self.dir.path().join("serve.log")).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it as an operator would, and says whether it ended well.
    pub(crate) fn stop(&mut self) -> bool {
        let Some(mut child) = self.serving.take() else { return false };
        let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        asked.success() && child.wait().unwrap().success()
    }

    /// Changes one setting in the configuration.
    pub(crate) fn set(&self, from: &str, to: &str) {
        edit(&self.config, &[(from, to)]);
    }

    /// What the program has written to its error stream.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("serve.log")
    }

    /// Runs an operator's command; its answer as JSON.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        let Output { status, stdout, stderr } = self.command(arguments);
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{arguments:?}: {stderr}");
        serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {stdout:?}"))
    }

    /// Each entry of the ledger, as JSON.
    pub(crate) fn entries(&self) -> Vec<Value> {
        let Output { status, stdout, .. } = self.command(&["log", "tail", "-n", "10000"]);
        assert!(status.success());
        let lines = String::from_utf8(stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events of this kind.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let events = self.entries().into_iter().map(|mut entry| entry["event"].take());
        events.filter(|event| event["event"] == kind).collect()
    }

    fn command(&self, arguments: &[&str]) -> Output {
        Command::new(SIGHTLINE)
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .arg("--json")
            .output()
            .unwrap()
    }

    /// Runs the program with no configuration; what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let said = Command::new(SIGHTLINE)
            .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    }

    /// Where the ledger lies.
    pub(crate) fn data(&self) -> PathBuf {
        self.config.parent().unwrap().join("data")
    }

    pub(crate) fn customer(&self, id: u64) -> &Customer {
        self.rt.seeded.customers.iter().find(|customer| customer.id == id).unwrap()
    }

    /// The tickets that RT routed to this agent.
    pub(crate) fn tickets_of(&self, agent: &str) -> Vec<&Ticket> {
        self.rt.seeded.tickets.iter().filter(|ticket| ticket.owner.as_deref() == Some(agent)).collect()
    }

    /// Customers that have no ticket with this agent.
    pub(crate) fn strangers_to(&self, agent: &str) -> Vec<&Customer> {
        let theirs: Vec<u64> = self.tickets_of(agent).iter().map(|ticket| ticket.customer).collect();
        self.rt.seeded.customers.iter().filter(|customer| !theirs.contains(&customer.id)).collect()
    }

    /// A row of a table in RT's own database.
    pub(crate) fn row(&self, query: &str, id: u64) -> BTreeMap<String, rusqlite::types::Value> {
        let database =
            Connection::open_with_flags(self.rt.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut statement = database.prepare(query).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        statement
            .query_row([id as i64], |row| {
                names.iter().enumerate().map(|(i, name)| Ok((name.clone(), row.get(i)?))).collect()
            })
            .unwrap()
    }

    pub(crate) async fn browser(&self) -> Client {
        started(self.chromium.open(Window { height: 1200, ..Window::default() }).await)
    }

    /// Opens a page as this agent: through the login, with a password, and consent.
    pub(crate) async fn log_in(&self, browser: &Client, agent: &str, door: &Url, page: &str) {
        browser.goto(door.join(page).unwrap().as_str()).await.unwrap();
        find(browser, "input[name=login]").await.send_keys(agent).await.unwrap();
        find(browser, "input[name=password]").await.send_keys("any").await.unwrap();
        find(browser, "button[type=submit]").await.click().await.unwrap();
        let consent = Locator::XPath("//button[contains(., 'Continue')]");
        browser.wait().at_most(PATIENCE).for_element(consent).await.unwrap().click().await.unwrap();
        until(browser, |url, _| url.port() == door.port()).await;
    }

    /// Waits until the ticket opens without a question: until what RT says of it has reached Sightline.
    pub(crate) async fn open_own_ticket(&self, browser: &Client, ticket: u64) {
        let page = self.app.join(&format!("/Ticket/Display.html?id={ticket}")).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            browser.goto(page.as_str()).await.unwrap();
            if browser.current_url().await.unwrap() == page {
                return;
            }
            let text = text(browser).await;
            assert!(Instant::now() < deadline, "{text}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(child) = &mut self.serving {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.log()).unwrap_or_default());
        }
    }
}

/// Who can log in at the identity provider.
fn accounts() -> Vec<(String, Value)> {
    let agents = ["ana", "ben", "cleo"].map(|login| (login, "support"));
    let everybody = agents.into_iter().chain([("olga", "security-analysts")]);
    let claims = |(login, group): (&str, &str)| {
        let name = format!("{}{} Example", login[..1].to_uppercase(), &login[1..]);
        (login.to_owned(), json!({ "name": name, "preferred_username": login, "groups": [group] }))
    };
    everybody.map(claims).collect()
}

fn started<T, E: std::fmt::Display>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

/// Puts a secret into a file that only its owner can read.
fn fill_in(file: &Path, text: &str) {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Replaces each text, which must be there exactly once.
fn edit(file: &Path, changes: &[(&str, &str)]) {
    let mut text = std::fs::read_to_string(file).unwrap();
    for (from, to) in changes {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(file, text).unwrap();
}

/// The element, as soon as it is there.
pub(crate) async fn find(browser: &Client, selector: &str) -> Element {
    match browser.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await {
        Ok(element) => element,
        Err(error) => {
            let at = browser.current_url().await.unwrap();
            panic!("no {selector} at {at}: {error}\n{}", text(browser).await)
        }
    }
}

/// The text in an element, also where the page has folded it away.
pub(crate) async fn shown(browser: &Client, selector: &str) -> String {
    find(browser, selector).await.prop("textContent").await.unwrap().unwrap_or_default()
}

/// The text that the page shows.
pub(crate) async fn text(browser: &Client) -> String {
    find_now(browser, "body").await
}

async fn find_now(browser: &Client, selector: &str) -> String {
    browser.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
}

/// Waits until the browser is where it should be.
pub(crate) async fn until(browser: &Client, there: impl Fn(&Url, &str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (url, source) = (browser.current_url().await.unwrap(), browser.source().await.unwrap());
        if there(&url, &source) {
            return;
        }
        assert!(Instant::now() < deadline, "still at {url}:\n{}", text(browser).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Keeps a picture of the page for somebody to look at, if asked to by SIGHTLINE_PICTURES.
pub(crate) async fn picture(browser: &Client, name: &str) {
    if let Some(dir) = std::env::var_os("SIGHTLINE_PICTURES") {
        std::fs::create_dir_all(&dir).unwrap();
        let file = Path::new(&dir).join(format!("rt-{name}.png"));
        peers::chromium::picture(browser, &file).await.unwrap();
    }
}
