//! What a bench of the gateway runs: nginx as the app, nginx as the peer, Sightline twice over one ledger.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::http::{self, Answer, free_port, send};
use super::service::Service;
use crate::sh::Outcome;

/// What the requests go through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// nginx, passing on.
    ProxyPass,
    /// nginx, asking the app first whether it may, and passing on.
    AuthRequest,
    /// Sightline in `observe`: recorded, nothing masked.
    Observe,
    /// Sightline in `enforce`: recorded, and masked by the policy that ships.
    Enforce,
}

impl Peer {
    pub(crate) const ALL: &[Self] = &[Self::ProxyPass, Self::AuthRequest, Self::Observe, Self::Enforce];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ProxyPass => "nginx proxy_pass",
            Self::AuthRequest => "nginx auth_request",
            Self::Observe => "sightline observe",
            Self::Enforce => "sightline enforce",
        }
    }
}

/// How large the app's answer is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    kib: usize,
    customer: &'static str,
}

pub(crate) const SIZES: &[Size] =
    &[Size { kib: 1, customer: "c-00001" }, Size { kib: 20, customer: "c-00020" }];

impl Size {
    pub(crate) fn name(self) -> String {
        format!("{} KiB", self.kib)
    }

    fn path(self) -> String {
        format!("/api/customers/{}", self.customer)
    }
}

/// A door of Sightline, with the session that the load uses.
struct Door {
    address: SocketAddr,
    cookie: String,
}

/// Everything that runs. Dropping it ends it.
pub(crate) struct Stage {
    dir: PathBuf,
    sightline: PathBuf,
    peer: SocketAddr,
    observe: Door,
    enforce: Door,
    // In the order in which they end: nobody asks an app that has ended.
    serve: Service,
    nginx: Service,
    _app: Service,
}

impl Stage {
    /// Writes what is to be served and how, starts everything, and makes the first look through each door.
    pub(crate) fn set(dir: &Path, sightline: &Path) -> Outcome<Self> {
        let [app, peer, console, observe, enforce] = free_ports()?;
        write_app(dir)?;
        let app = start_nginx(dir, "app", app, &app_conf(dir, app))?;
        let nginx = start_nginx(dir, "peer", peer, &peer_conf(app.0, peer))?;
        write(dir, "adapter.toml", ADAPTER)?;
        write(dir, "feed-token", "of no importance here\n")?;
        write(dir, "sightline.toml", &configuration(console, app.0, observe, enforce))?;
        let mut command = Command::new(sightline);
        command.args(["serve", "--config"]).arg(dir.join("sightline.toml"));
        command.env("RUST_LOG", "warn").stderr(log_file(dir, "sightline.log")?);
        let serve = Service::start("sightline", &mut command, enforce)?;
        let door = |name, address| {
            let cookie = log_in(name, address)?;
            SIZES.iter().try_for_each(|size| first_look(address, &cookie, *size))?;
            Ok::<_, String>(Door { address, cookie })
        };
        let (observe, enforce) = (door("observe", observe)?, door("enforce", enforce)?);
        let (dir, sightline) = (dir.to_owned(), sightline.to_owned());
        Ok(Self { dir, sightline, peer, observe, enforce, serve, nginx: nginx.1, _app: app.1 })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn url(&self, peer: Peer, size: Size) -> String {
        let path = size.path();
        match peer {
            Peer::ProxyPass => format!("http://{}{path}", self.peer),
            Peer::AuthRequest => format!("http://{}/asked{path}", self.peer),
            Peer::Observe => format!("http://{}{path}", self.observe.address),
            Peer::Enforce => format!("http://{}{path}", self.enforce.address),
        }
    }

    pub(crate) fn cookie(&self, peer: Peer) -> &str {
        // nginx gets one too: both sides read the same heads.
        if peer == Peer::Observe { &self.observe.cookie } else { &self.enforce.cookie }
    }

    /// Seconds of CPU that the peer has used, the app's not counted.
    pub(crate) fn cpu_seconds(&self, peer: Peer) -> f64 {
        match peer {
            Peer::ProxyPass | Peer::AuthRequest => self.nginx.cpu_seconds(),
            Peer::Observe | Peer::Enforce => self.serve.cpu_seconds(),
        }
    }

    /// How many looks at the customers are in the ledger.
    pub(crate) fn looks(&self) -> Outcome<u64> {
        let config = self.dir.join("sightline.toml");
        SIZES
            .iter()
            .map(|size| {
                let mut ask = Command::new(&self.sightline);
                ask.args(["who-saw", size.customer, "--json", "--config"]).arg(&config);
                number(&answer(&mut ask)?, "looks")
            })
            .sum()
    }

    /// Ends everything, and has the ledger checked. Says how many entries it holds, in how many batches: each
    /// batch was one sync.
    pub(crate) fn end_and_verify(self) -> Outcome<(u64, u64)> {
        let Self { dir, sightline, serve, .. } = self;
        drop(serve);
        let mut verify = Command::new(sightline);
        verify.args(["verify", "--quiet", "--json", "--no-state"]).arg(dir.join("data"));
        let verdict = answer(&mut verify)?;
        Ok((number(&verdict, "entries")?, number(&verdict, "batches")?))
    }
}

/// Different ones: each is only given back when all are known.
fn free_ports() -> Outcome<[SocketAddr; 5]> {
    let held = [free_port()?, free_port()?, free_port()?, free_port()?, free_port()?];
    Ok(held.map(|(address, _)| address))
}

fn write(dir: &Path, name: &str, text: &str) -> Outcome {
    let path = dir.join(name);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&path, text))
        .map_err(|e| format!("{}: {e}", path.display()))
}

fn log_file(dir: &Path, name: &str) -> Outcome<File> {
    File::create(dir.join(name)).map_err(|e| format!("{name}: {e}"))
}

/// Standard output of a command that must succeed.
fn answer(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "{command:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first number of this name in a JSON text.
fn number(json: &str, name: &str) -> Outcome<u64> {
    let (_, rest) = json.split_once(&format!("\"{name}\":")).ok_or(format!("no {name:?} in {json}"))?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| format!("{name:?} is no number in {json}"))
}

// --- the app ---

/// What the app serves: customers, and the ticket by which a router gave each of them to the agent.
fn write_app(dir: &Path) -> Outcome {
    for size in SIZES {
        write(dir, &format!("www{}", size.path()), &customer(*size))?;
    }
    let now = answer(Command::new("date").args(["--utc", "+%Y-%m-%dT%H:%M:%SZ"]))?;
    let events: Vec<String> = SIZES.iter().flat_map(|Size { customer, .. }| {
        [("opened", "customer", "null"), ("assigned", "router", "\"bench\"")].map(|(event, by, to)| format!(
            r#"{{"kind":"ticket","time":"{}","event":"{event}","ticket":"k-{customer}","customer":"{customer}","by":"{by}","to":{to}}}"#,
            now.trim()
        ))
    }).collect();
    write(dir, "www/feed/tickets", &format!(r#"{{"events":[{}],"cursor":"1"}}"#, events.join(",")))?;
    write(dir, "www/feed/tickets1", r#"{"events":[],"cursor":"1"}"#)?;
    write(dir, "www/feed/customers", r#"{"customers":[],"cursor":"1"}"#)
}

/// A record in the shape of the desk's, with as much activity and conversation as the size asks for. In
/// `enforce` an agent sees name, account and conversation of it; contact, balance and activity are masked.
fn customer(size: Size) -> String {
    let mut text = format!(
        r#"{{"id":"{}","name":"Petra Sandqvist","email":"petra.sandqvist@mail.example","phone":"+44 1632 960417","address":"Lindenhof 14, 4411 Nordhaven","account":"XX68 0000 4821 0098 7341","balance":"€8,214.77","tier":"standard","since":"2021-04-09","events":["#,
        size.customer
    );
    for n in 0.. {
        let event = format!(
            r#"{{"time":"2026-01-{:02}T10:{:02}:00Z","activity":{{"what":"Transfer to Holm & Partner, reference {}","amount":"−€{}.20"}},"message":{{"from":"Customer","text":"I do not recognise transfer number {n}. Could you please tell me what it was for?"}}}}"#,
            n % 28 + 1,
            n % 60,
            1000 + n * 7,
            20 + n
        );
        if n > 0 {
            text.push(',');
        }
        text.push_str(&event);
        if text.len() + event.len() > size.kib * 1024 {
            break;
        }
    }
    text + "]}"
}

const ADAPTER: &str = r#"# Written by `cargo xtask bench gateway`: the desk's customer, with what happened.
[app]
name = "bench"

[[fields]]
name = "customer object"
public = ["id", "tier", "since", "$.events[*].time", "$.events[*].message.from"]
json = [
    { path = "$.name", class = "identity.name" },
    { path = "$.email", class = "contact.email" },
    { path = "$.phone", class = "contact.phone" },
    { path = "$.address", class = "contact.address" },
    { path = "$.account", class = "account.id" },
    { path = "$.balance", class = "account.balance" },
    { path = "$.events[*].activity", class = "account.activity" },
    { path = "$.events[*].message.text", class = "support.history" },
]
[[fields.record]]
customer = { json = "$.id" }

[[route]]
name = "api customer"
kind = "record"
path = "/api/customers/{customer}"
fields = ["customer object"]
"#;

// --- nginx ---

/// nginx in the foreground, everything it writes below `dir`, one worker for each core.
fn start_nginx(
    dir: &Path,
    name: &'static str,
    listen: SocketAddr,
    http: &str,
) -> Outcome<(SocketAddr, Service)> {
    let prefix = dir.join(name);
    let conf = format!(
        "daemon off;\nworker_processes auto;\npid nginx.pid;\nerror_log error.log warn;\nevents {{ worker_connections 1024; }}\n\
         http {{\naccess_log off;\nkeepalive_requests 100000000;\n\
         client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n\
         {http}\n}}\n"
    );
    write(dir, &format!("{name}/nginx.conf"), &conf)?;
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-p")
        .arg(&prefix)
        .args(["-c", "nginx.conf", "-e", "error.log"])
        .stderr(log_file(dir, &format!("{name}/stderr.log"))?);
    Ok((listen, Service::start(name, &mut command, listen)?))
}

fn app_conf(dir: &Path, listen: SocketAddr) -> String {
    format!(
        "default_type application/json;\nopen_file_cache max=16;\nserver {{\nlisten {listen};\nroot {}/www;\n\
         location /api/ {{ }}\nlocation = /auth {{ return 204; }}\n\
         location = /feed/tickets {{ try_files /feed/tickets$arg_after =404; }}\nlocation = /feed/customers {{ }}\n}}",
        dir.display()
    )
}

fn peer_conf(app: SocketAddr, listen: SocketAddr) -> String {
    format!(
        "upstream app {{ server {app}; keepalive 64; }}\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\n\
         server {{\nlisten {listen};\n\
         location /api/ {{ proxy_pass http://app; }}\n\
         location /asked/ {{ auth_request /auth; proxy_pass http://app/; }}\n\
         location = /auth {{ internal; proxy_pass http://app/auth; proxy_pass_request_body off; proxy_set_header Content-Length \"\"; proxy_set_header Connection \"\"; }}\n}}"
    )
}

// --- Sightline ---

fn configuration(console: SocketAddr, app: SocketAddr, observe: SocketAddr, enforce: SocketAddr) -> String {
    let mut text = format!(
        "data = \"data\"\n\n[log]\norigin = \"bench.sightline.invalid/ledger\"\n\n\
         [console]\nlisten = \"{console}\"\npublic_url = \"http://{console}\"\n\n\
         [[login.personas.staff]]\nstaff = \"s-bench\"\nname = \"Bench\"\nlogin = \"bench\"\nrole = \"agent\"\nteam = \"t-1\"\n"
    );
    for (mode, listen) in [("observe", observe), ("enforce", enforce)] {
        text += &format!(
            "\n[[app]]\nname = \"{mode}\"\nlisten = \"{listen}\"\npublic_url = \"http://{listen}\"\n\
             upstream = \"http://{app}\"\nadapter = \"adapter.toml\"\nmode = \"{mode}\"\n\n\
             [app.feed]\nkind = \"sightline\"\ntoken_file = \"feed-token\"\nevery_seconds = 1\n"
        );
    }
    text
}

/// Logs in as the persona, as a browser does. Gives the session's cookie.
fn log_in(door: &str, at: SocketAddr) -> Outcome<String> {
    let page = send(at, "GET", "/.sightline/login", "", "")?;
    let attempt = cookie(&page, &format!("__Host-sightline-login-{door}"))?;
    let token = page.body.split_once("name=\"token\" value=\"").and_then(|(_, rest)| rest.split('"').next());
    let token = token.ok_or_else(|| format!("no form at http://{at}/.sightline/login: {}", page.head))?;
    let headers = format!("Cookie: {attempt}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let seated =
        send(at, "POST", "/.sightline/login", &headers, &format!("token={token}&staff=s-bench&next=/"))?;
    cookie(&seated, &format!("__Host-sightline-{door}"))
}

fn cookie(answer: &Answer, name: &str) -> Outcome<String> {
    let pair = answer.all("Set-Cookie").find_map(|line| {
        let pair = line.split(';').next()?;
        (pair.split_once('=')?.0 == name).then(|| pair.to_owned())
    });
    pair.ok_or_else(|| format!("no cookie {name}: {}\n{}", answer.head, answer.body))
}

/// Looks until the look rests on the ticket: the feed is read in the background.
fn first_look(at: SocketAddr, cookie: &str, size: Size) -> Outcome {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let http::Answer { head, body } =
            send(at, "GET", &size.path(), &format!("Cookie: {cookie}\r\n"), "")?;
        if head.starts_with("HTTP/1.1 200") {
            return match body.contains("I do not recognise transfer") {
                true => Ok(()),
                false => Err(format!("what the policy shows is not shown: {head}\n{body}")),
            };
        }
        if Instant::now() > patience {
            return Err(format!("the first look is refused: {head}\n{body}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
