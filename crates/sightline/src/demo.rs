//! `sightline demo`: a support desk behind the gateway, thirty staff at work, one insider.
//!
//! Nothing here reaches into the house: the demo writes a configuration, opens it as `serve` does,
//! and the floor comes in over HTTP.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use floor::Population;
use floor::desk::{Desk, Secrets};
use floor::drive::{self, DriveSettings, Tally};
use model::{OsEntropy, SystemClock, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use url::Url;

use crate::cli::Demo;
use crate::config::Config;
use crate::house::{House, Layout};
use crate::{init, listen, serve};

/// Runs until Ctrl-C, or SIGTERM.
pub(crate) fn run(options: &Demo) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(demo(options))
}

async fn demo(options: &Demo) -> Result<(), String> {
    let place = Place::choose(options).await?;
    let population = Population::generate(options.seed);
    let secrets = || init::secret(&OsEntropy).trim().to_owned();
    let (sign_in, feed) = (secrets(), secrets());
    place.write_configuration(&population, (&sign_in, &feed), options.contain)?;
    let config = Config::load(&place.file()).map_err(|e| e.to_string())?;

    let (end, ending) = watch::channel(false);
    let desk = Desk::new(population.clone(), Secrets { sign_in, feed }, Arc::new(SystemClock));
    tokio::spawn(listen::serve(place.desk_listener, None, desk.router(), ending.clone()));
    let house = House::open(&config).await?;
    print!("{}", greeting(&population, place.console, place.gateway));

    tokio::spawn(async move {
        serve::signal().await;
        // Nobody listens any more only when everything has ended already.
        let _ = end.send(true);
    });
    let at_work = tokio::spawn(floor_at_work(
        population,
        desk,
        (place.gateway, place.console),
        (options.speed, options.quiet),
        ending.clone(),
    ));
    serve::stand(house, ending).await?;
    let tally = at_work.await.map_err(|e| e.to_string())?;
    print!("{}", farewell(&tally, &place.data));
    Ok(())
}

/// Where the demo happens.
struct Place {
    data: PathBuf,
    console: SocketAddr,
    gateway: SocketAddr,
    desk: SocketAddr,
    desk_listener: TcpListener,
}

impl Place {
    /// Checks ports and directory before anything is written.
    async fn choose(options: &Demo) -> Result<Self, String> {
        let next = options.port.checked_add(1).filter(|_| options.port > 0);
        let next = next.ok_or("--port: from 1 to 65534; the desk takes the next one")?;
        let (console, gateway) = (loopback(options.port), loopback(next));
        for address in [console, gateway] {
            listen::bind(address, "choose others with --port").await.map_err(|e| e.to_string())?;
        }
        let desk_listener = listen::bind(loopback(0), "").await.map_err(|e| e.to_string())?;
        let desk = desk_listener.local_addr().map_err(|e| e.to_string())?;
        let data = match &options.data {
            Some(dir) => dir.clone(),
            None => {
                let stamp = Timestamp::to_string(&model::Clock::now(&SystemClock)).replace([':', '.'], "-");
                std::env::temp_dir().join(format!("sightline-demo-{stamp}"))
            }
        };
        let in_use = std::fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some());
        if in_use || data.is_file() {
            return Err(format!("{} is not an empty directory; nothing was written", data.display()));
        }
        init::private_dir(&data)?;
        Ok(Self { data, console, gateway, desk, desk_listener })
    }

    fn file(&self) -> PathBuf {
        self.data.join("sightline.toml")
    }

    /// The configuration that somebody would write who has personas for staff and the desk for an app.
    fn write_configuration(
        &self,
        population: &Population,
        (sign_in, feed): (&str, &str),
        contain: bool,
    ) -> Result<(), String> {
        let Self { console, gateway, desk, .. } = self;
        let mode = if contain { "contain" } else { "shadow" };
        let mut text = format!(
            "# Written by `sightline demo`.\n\
             data = \"data\"\n\n\
             [log]\norigin = \"demo.sightline.invalid/ledger\"\n\n\
             [watch]\nmode = \"{mode}\"\n\n\
             [console]\nlisten = \"{console}\"\npublic_url = \"http://{console}\"\n\n\
             [[app]]\nname = \"desk\"\nlisten = \"{gateway}\"\npublic_url = \"http://{gateway}\"\n\
             upstream = \"http://{desk}\"\nadapter = \"desk\"\nmode = \"enforce\"\n\n\
             [app.sign_in]\nheader = \"X-Remote-User\"\nsecret_header = \"X-Desk-Secret\"\n\
             secret_file = \"secrets/app-secret\"\n\n\
             # The floor's people are programs: no browser of theirs could prove that the mark is in place.\n\
             [app.mark]\nheartbeat = \"off\"\n\n\
             [app.feed]\nkind = \"sightline\"\ntoken_file = \"secrets/feed-token\"\nevery_seconds = 1\n\n\
             [rules]\n\n\
             [canaries]\napp = \"desk\"\nheaders_file = \"secrets/canary-headers\"\n\
             webhook_secret_file = \"secrets/canary-webhook\"\n"
        );
        for staff in &population.staff {
            let record = &staff.record;
            // Names are made of letters, spaces and apostrophes: a TOML basic string holds them as they are.
            let _ = write!(
                text,
                "\n[[login.personas.staff]]\nstaff = \"{}\"\nname = \"{}\"\nlogin = \"{}\"\nrole = \"{}\"\n\
                 team = \"{}\"\nemployer = \"{}\"\n",
                record.staff, staff.name, staff.login, record.role, record.team, record.employer
            );
        }
        init::private_dir(&self.data.join("secrets"))?;
        init::private_file(&self.data.join("secrets/app-secret"), sign_in)?;
        init::private_file(&self.data.join("secrets/feed-token"), feed)?;
        let login = population.staff.first().map_or("", |staff| staff.login.as_str());
        let headers = format!("X-Desk-Secret: {sign_in}\nX-Remote-User: {login}\n");
        init::private_file(&self.data.join("secrets/canary-headers"), &headers)?;
        init::private_file(&self.data.join("secrets/canary-webhook"), &init::secret(&OsEntropy))?;
        init::private_file(&self.file(), &text)
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn greeting(population: &Population, console: SocketAddr, gateway: SocketAddr) -> String {
    format!(
        "Sightline demo: {customers} customers and {staff} staff who do not exist; one of them is for sale.\n\n    \
         the desk, through the gateway   http://{gateway}/    be an agent: open a ticket, ask for a field\n    \
         the console                     http://{console}/    be the analyst: watch, ask, revoke\n\n\
         Click a persona to log in. Ctrl-C ends it.\n\n",
        customers = population.customers.len(),
        staff = population.staff.len(),
    )
}

/// Customers write, staff answer, and one of them harvests; tells it on standard output.
async fn floor_at_work(
    population: Population,
    desk: Desk,
    (gateway, console): (SocketAddr, SocketAddr),
    (speed, quiet): (f64, bool),
    mut ending: watch::Receiver<bool>,
) -> Tally {
    let (tell, mut told) = mpsc::channel(64);
    let url = |address: SocketAddr| {
        let mut url = Url::parse("http://localhost/").ok()?;
        url.set_ip_host(address.ip()).ok()?;
        url.set_port(Some(address.port())).ok()?;
        Some(url)
    };
    let (Some(gateway), Some(console)) = (url(gateway), url(console)) else { return Tally::default() };
    let mut settings = DriveSettings::for_population(&population, gateway, console, Arc::new(SystemClock));
    settings.speed = speed;
    let arrivals = tokio::spawn(async move { desk.arrivals(speed).await });
    let telling = tokio::spawn(async move {
        while let Some(happening) = told.recv().await {
            if !quiet {
                println!("{}  {happening}", model::Clock::now(&SystemClock));
            }
        }
    });
    let tally = drive::run(settings, tell, listen::over(&mut ending)).await;
    arrivals.abort();
    // Ends by itself: its sender is gone.
    let _ = telling.await;
    tally
}

fn farewell(tally: &Tally, data: &Path) -> String {
    let ledger = Layout::of(&data.join("data")).ledger;
    format!(
        "\n{tally}\n\n\
         The ledger is in {ledger}. Check it, without this process and offline:\n    \
         sightline verify {ledger}\n\
         Ask it:\n    \
         sightline log tail --config {config}\n    \
         sightline report first-look --config {config}\n",
        ledger = ledger.display(),
        config = data.join("sightline.toml").display(),
    )
}
