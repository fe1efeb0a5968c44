//! A real support tool: Request Tracker 5 (Debian package), with people and tickets in a database of its
//! own, signed in by header as behind a gateway.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use serde::Deserialize;
use tempfile::TempDir;
use url::Url;

use crate::StartError;
use crate::process::{Process, find};

const SITE_CONFIG: &str = include_str!("../rt/RT_SiteConfig.pm");
const APP: &str = include_str!("../rt/app.psgi");
const SEED: &str = include_str!("../rt/seed.pl");

const SERVER: &str = "/usr/share/request-tracker5/libexec/rt-server";
const REMEDY: &str = "run `cargo xtask test`, which installs it, or `apt-get install --no-install-recommends \
                      request-tracker5 rt5-db-sqlite rt5-standalone`";

/// How many people and tickets an RT is started with.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Customers.
    pub customers: u32,
    /// Tickets, of one customer after the other; every other one is routed to an agent.
    pub tickets: u32,
}

/// Who and what is in RT at first.
#[derive(Debug, Clone, Deserialize)]
pub struct Seeded {
    /// Agents: user ids by login.
    pub agents: BTreeMap<String, u64>,
    /// Customers, in the order of their tickets.
    pub customers: Vec<Customer>,
    /// Tickets.
    pub tickets: Vec<Ticket>,
    /// An auth token of the account `sightline`, for the feed.
    pub token: String,
}

/// A customer in RT.
#[derive(Debug, Clone, Deserialize)]
pub struct Customer {
    /// Their user id.
    pub id: u64,
    /// Their name.
    pub name: String,
    /// Their e-mail address, which is also their login.
    pub email: String,
    /// Their telephone number.
    pub phone: String,
    /// Their street.
    pub address: String,
}

/// A ticket in RT.
#[derive(Debug, Clone, Deserialize)]
pub struct Ticket {
    /// Its number.
    pub id: u64,
    /// Its requestor's user id.
    pub customer: u64,
    /// The login of whom it was routed to.
    pub owner: Option<String>,
}

/// A running Request Tracker. Ends with its database when it is dropped.
#[derive(Debug)]
pub struct Rt {
    /// Where it listens.
    pub url: Url,
    /// What is in it.
    pub seeded: Seeded,
    // Before `dir`: the server ends before its files go.
    _process: Process,
    dir: TempDir,
}

impl Rt {
    /// Starts one that browsers reach at `public`.
    pub fn start(public: (Ipv4Addr, u16), seed: Seed) -> Result<Self, StartError> {
        let place = Place::new(public, free_port()?)?;
        place.run("rt-setup-database-5", |setup| setup.args(["--action", "init", "--skip-create"]))?;
        let counts = [seed.customers, seed.tickets].map(|n| n.to_string());
        let said = place.run("perl", |perl| perl.arg(place.file("seed.pl")).args(counts))?;
        let seeded = serde_json::from_str(&said).map_err(|error| StartError::Failed {
            program: "seed.pl".into(),
            said: format!("{error}: {said}"),
        })?;

        let port = place.port;
        let url = format!("http://127.0.0.1:{port}");
        let mut server = Command::new("plackup");
        server
            // As in development: only then does it say when it is ready.
            .args(["--server", "Starlet", "--env", "development", "--max-workers", "2"])
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(place.file("app.psgi"));
        let ready = format!("Accepting connections at {url}");
        let (process, url) = Process::start(place.equip(server), |line| {
            line.contains(&ready).then(|| url.parse().ok()).flatten()
        })?;
        Ok(Self { url, seeded, _process: process, dir: place.dir })
    }

    /// The file with the secret that proves the gateway.
    pub fn secret_file(&self) -> PathBuf {
        self.dir.path().join("secret")
    }

    /// RT's database: SQLite.
    pub fn database(&self) -> PathBuf {
        self.dir.path().join("rt.sqlite3")
    }
}

/// A folder with everything of one RT.
struct Place {
    dir: TempDir,
    public: String,
    port: u16,
}

impl Place {
    fn new((host, public): (Ipv4Addr, u16), port: u16) -> Result<Self, StartError> {
        let missing = |file: &str| StartError::Missing {
            what: "Request Tracker 5",
            looked_for: file.into(),
            remedy: REMEDY,
        };
        if !Path::new(SERVER).is_file() {
            return Err(missing(SERVER));
        }
        find("rt-setup-database-5").ok_or_else(|| missing("rt-setup-database-5"))?;
        let unwritable = |source| StartError::Spawn { program: "Request Tracker".into(), source };
        let dir = TempDir::with_prefix("sightline-rt-").map_err(unwritable)?;
        let place = Self { dir, public: format!("{host}:{public}"), port };
        for folder in ["mason", "sessions", "site.d", "mail"] {
            std::fs::create_dir(place.file(folder)).map_err(unwritable)?;
        }
        for (name, text) in [
            ("RT_SiteConfig.pm", SITE_CONFIG),
            ("app.psgi", APP),
            ("seed.pl", SEED),
            ("secret", "of this test only\n"),
        ] {
            private_file(&place.file(name), text).map_err(unwritable)?;
        }
        Ok(place)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Tells a program where this RT is. Without both of RT's own variables it would read /etc.
    fn equip(&self, mut command: Command) -> Command {
        command
            .env("RT_TEST_DIR", self.dir.path())
            .env("RT_TEST_PUBLIC", &self.public)
            .env("RT_TEST_OWN", format!("127.0.0.1:{}", self.port))
            .env("RT_SITE_CONFIG", self.file("RT_SiteConfig.pm"))
            .env("RT_SITE_CONFIG_DIR", self.file("site.d"))
            .env("SIGHTLINE_SECRET_FILE", self.file("secret"))
            // RT keeps here what it would have sent by mail.
            .env("TMPDIR", self.file("mail"));
        command
    }

    /// Runs a program to its end; what it wrote.
    fn run(
        &self,
        program: &str,
        with: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<String, StartError> {
        let program = program.to_owned();
        let mut command = self.equip(Command::new(&program));
        let done = with(&mut command)
            .output()
            .map_err(|source| StartError::Spawn { program: program.clone(), source })?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() {
            Ok(said)
        } else {
            let said = format!("{said}{}", String::from_utf8_lossy(&done.stderr));
            Err(StartError::Failed { program, said })
        }
    }
}

fn private_file(file: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    std::io::Write::write_all(&mut file, text.as_bytes())
}

/// A port that was free a moment ago. Some programs cannot be told to choose one themselves.
///
/// Below the ephemeral range (ip(7): from 32768 on), so that no connection and no listener that lets the
/// system choose can take it in between; each process looks from another place on.
pub fn free_port() -> Result<u16, StartError> {
    static ASKED: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 20_000) as u16;
    let mut tries = 0;
    loop {
        let port = first + ASKED.fetch_add(1, Ordering::Relaxed) % 2_000;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(_) if tries < 100 => tries += 1,
            Err(source) => return Err(StartError::Spawn { program: "a listener".into(), source }),
        }
    }
}
