//! People at work, over HTTP: each has a browser with a cookie jar, signs in at the gateway, and
//! does what people do. Nobody here knows the desk's store, and only what a page shows is seen.

mod analyst;
mod browser;
mod happening;
mod insider;
mod page;
mod worker;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Role, StaffId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use url::Url;

pub use happening::{Happening, Harvest, Tally, Way};

use crate::Population;
use crate::dice::Dice;
use crate::population::Staff;
use browser::Browser;
use happening::Reports;
use worker::Worker;

/// A floor to run.
#[derive(Debug, Clone)]
pub struct DriveSettings {
    /// Where the desk is reached: the gateway's door.
    pub gateway: Url,
    /// Where the analyst works; none, and nobody revokes.
    pub console: Option<Url>,
    /// Who is at work. Agents and leads answer tickets, an analyst watches; others have nothing to do here.
    pub personas: Vec<Persona>,
    /// Which of them harvests, if any does.
    pub insider: Option<StaffId>,
    /// How many customers the insider wants.
    pub wanted: usize,
    /// How many tickets the insider answers before the harvest begins.
    pub tickets_before_harvest: u32,
    /// How many times faster than life; 60 makes a minute of a second.
    pub speed: f64,
    /// What the dice are thrown from.
    pub seed: u64,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// A member of staff at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persona {
    /// Who.
    pub staff: StaffId,
    /// The name under which they sign in.
    pub login: String,
    /// What they do.
    pub role: Role,
}

impl From<&Staff> for Persona {
    fn from(staff: &Staff) -> Self {
        Self { staff: staff.record.staff.clone(), login: staff.login.clone(), role: staff.record.role }
    }
}

impl DriveSettings {
    /// An ordinary day with one insider. The first agent stays away, for the person at the keyboard to be.
    pub fn for_population(
        population: &Population,
        gateway: Url,
        console: Url,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            gateway,
            console: Some(console),
            personas: population.staff.iter().skip(1).map(Persona::from).collect(),
            insider: Some(population.insider().record.staff.clone()),
            wanted: 1000,
            tickets_before_harvest: 2,
            speed: 60.0,
            seed: population.seed,
            clock,
        }
    }
}

/// Lets everybody work until `shutdown`, and says what came of it. What happens is told as it
/// happens; whoever does not listen any more is not told.
pub async fn run(
    settings: DriveSettings,
    happenings: mpsc::Sender<Happening>,
    shutdown: impl Future<Output = ()>,
) -> Tally {
    let reports = Reports::new(happenings, settings.clock.clone(), settings.wanted);
    let (alarm, alarms) = watch::channel(None);
    let client = browser::client();
    let mut actors = JoinSet::new();
    for (n, persona) in settings.personas.iter().cloned().enumerate() {
        let pace = Pace { speed: settings.speed, dice: Dice::branch(settings.seed, 100 + n as u64) };
        let at_door = |door: &Url| Browser::new(client.clone(), door.clone());
        match persona.role {
            Role::Agent | Role::Lead => {
                let browser = at_door(&settings.gateway);
                let worker = Worker::new(persona, browser, pace, reports.clone());
                if settings.insider.as_ref() == Some(worker.staff()) {
                    let before = settings.tickets_before_harvest;
                    actors.spawn(insider::harvest(worker, before, settings.wanted, alarm.clone()));
                } else {
                    actors.spawn(worker.work());
                }
            }
            Role::Analyst => {
                if let Some(console) = &settings.console {
                    let browser = at_door(console);
                    actors.spawn(analyst::watch(persona, browser, pace, reports.clone(), alarms.clone()));
                }
            }
            Role::Qa | Role::Fraud | Role::Approver | Role::Auditor | Role::Admin => {}
        }
    }
    shutdown.await;
    // Each stops at its next wait; a request under way is simply not read to its end.
    actors.abort_all();
    while let Some(ended) = actors.join_next().await {
        if let Err(e) = ended
            && e.is_panic()
        {
            std::panic::resume_unwind(e.into_panic());
        }
    }
    reports.tally()
}

/// How long people take.
#[derive(Debug, Clone)]
struct Pace {
    speed: f64,
    dice: Dice,
}

impl Pace {
    /// Takes about this many seconds of a real floor.
    async fn take(&mut self, seconds: f64) {
        let about = seconds * (0.5 + self.dice.unit());
        tokio::time::sleep(scaled(about, self.speed)).await;
    }
}

/// So many seconds of a real floor, at this speed.
pub(crate) fn scaled(seconds: f64, speed: f64) -> Duration {
    Duration::try_from_secs_f64(seconds / speed.max(f64::MIN_POSITIVE)).unwrap_or(Duration::MAX)
}
