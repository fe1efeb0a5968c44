//! The insider: works like everybody for a while, and then goes through customers whom no ticket
//! leads to, as in the cases that became known: the richest first, by every way there is.

use std::collections::BTreeSet;

use model::StaffId;
use tokio::sync::watch;

use super::browser::NoAnswer;
use super::happening::{Happening, Way};
use super::page::{Page, is_legible};
use super::worker::{Look, Progress, Worker};

/// Refusals after which the analyst on duty hears of it, each time.
const ALARM_EVERY: u32 = 3;
/// Refusals after which the insider gives up.
const MOST_REFUSALS: u32 = 60;
/// Pages of the list that the insider goes through before opening customers.
const PAGES: u32 = 20;

/// The insider's day.
pub(super) async fn harvest(
    mut worker: Worker,
    tickets_before: u32,
    wanted: usize,
    alarm: watch::Sender<Option<StaffId>>,
) {
    let staff = worker.staff().clone();
    worker.pace.take(30.0).await;
    if !work_honestly(&mut worker, tickets_before).await {
        worker.reports.tell(Happening::LockedOut(staff)).await;
        return;
    }
    worker.reports.tell(Happening::HarvestBegins(staff.clone())).await;
    let mut insider =
        Insider { worker, alarm, wanted, listed: BTreeSet::new(), seen: BTreeSet::new(), refused: 0 };
    let last = match insider.go_through_customers().await {
        Stop::LockedOut => Happening::LockedOut(staff),
        Stop::Enough | Stop::Discouraged => Happening::HarvestEnds(staff),
    };
    insider.worker.reports.tell(last).await;
}

/// Answers so many tickets. False: was not let in.
async fn work_honestly(worker: &mut Worker, tickets: u32) -> bool {
    let mut is_in = worker.come_to_work().await;
    let mut answered = 0;
    while is_in && answered < tickets {
        match worker.answer_next().await {
            Progress::Answered => answered += 1,
            Progress::Nothing => {}
            Progress::SignedOut => is_in = worker.come_to_work().await,
        }
    }
    is_in
}

struct Insider {
    worker: Worker,
    alarm: watch::Sender<Option<StaffId>>,
    wanted: usize,
    listed: BTreeSet<String>,
    seen: BTreeSet<String>,
    refused: u32,
}

/// Why the harvest is over.
enum Stop {
    /// Has seen as many as wanted, or all that could be found.
    Enough,
    /// Was refused too often.
    Discouraged,
    /// The session is over and there is no other.
    LockedOut,
}

impl Insider {
    async fn go_through_customers(&mut self) -> Stop {
        let mut targets = Vec::new();
        for page in 1..=PAGES {
            match self.list(page).await {
                Ok(Some(found)) => targets.extend(found),
                Ok(None) => break,
                Err(stop) => return stop,
            }
        }
        if targets.is_empty() {
            // Without a list there are still the numbers.
            targets.extend((1..=self.wanted).map(|n| format!("c-{n:05}")));
        }
        for customer in targets {
            let before = self.refused;
            if let Err(stop) = self.open(&customer).await {
                return stop;
            }
            if self.refused > before
                && let Err(stop) = self.try_another_way(&customer).await
            {
                return stop;
            }
            if self.seen.len() >= self.wanted {
                break;
            }
        }
        Stop::Enough
    }

    /// A page of the list, the richest first. None: there is nothing more to be had by this way.
    async fn list(&mut self, page: u32) -> Result<Option<Vec<String>>, Stop> {
        self.worker.pace.take(12.0).await;
        let path = format!("/customers?sort=balance&page={page}");
        let looked = self.worker.look(&path, None).await;
        let Some(page) = self.outcome(looked, Way::List).await? else { return Ok(None) };
        let found: Vec<String> = page.customers.clone();
        if found.is_empty() {
            return Ok(None);
        }
        self.listed.extend(found.iter().cloned());
        let rows = self.listed.len();
        self.worker.reports.count().harvest.listed = rows;
        self.worker.reports.tell(Happening::Listed { staff: self.worker.staff().clone(), rows }).await;
        Ok(Some(found))
    }

    async fn open(&mut self, customer: &str) -> Result<(), Stop> {
        self.worker.pace.take(20.0).await;
        let looked = self.worker.look(&format!("/customers/{customer}"), None).await;
        if let Some(page) = self.outcome(looked, Way::Record).await? {
            let record = page.record.filter(|record| record.is_legible);
            self.saw(record.map(|record| record.customer)).await;
        }
        Ok(())
    }

    /// After a refusal, now and then something else than the next page.
    async fn try_another_way(&mut self, customer: &str) -> Result<(), Stop> {
        match self.refused {
            2 => self.open_by_api(customer).await,
            4 => self.export().await,
            6 => self.open_own_ticket(customer).await,
            _ => Ok(()),
        }
    }

    async fn open_by_api(&mut self, customer: &str) -> Result<(), Stop> {
        self.worker.pace.take(30.0).await;
        let looked = self.worker.look(&format!("/api/customers/{customer}"), None).await;
        if let Some(page) = self.outcome(looked, Way::Api).await? {
            let record: serde_json::Value = serde_json::from_str(&page.body).unwrap_or_default();
            let can_be_read = record["email"].as_str().is_some_and(is_legible);
            self.saw(can_be_read.then(|| customer.to_owned())).await;
        }
        Ok(())
    }

    async fn export(&mut self) -> Result<(), Stop> {
        self.worker.pace.take(30.0).await;
        let looked = self.worker.look("/export/customers.csv", None).await;
        if let Some(page) = self.outcome(looked, Way::Export).await? {
            let lines = page.body.lines().filter(|line| line.contains('@') && is_legible(line));
            let customers: Vec<_> =
                lines.filter_map(|line| line.split(',').next()).map(str::to_owned).collect();
            self.saw(customers).await;
        }
        Ok(())
    }

    async fn open_own_ticket(&mut self, customer: &str) -> Result<(), Stop> {
        self.worker.pace.take(30.0).await;
        let values =
            [("customer", customer), ("subject", "Call back"), ("text", "Customer asked for a call.")];
        let looked = match self.worker.browser.post("/tickets", &values).await {
            Ok(page) => self.worker.settle(page, None).await,
            Err(trouble) => Err(trouble),
        };
        if let Some(page) = self.outcome(looked, Way::OwnTicket).await? {
            let record = page.record.filter(|record| record.is_legible);
            self.saw(record.map(|record| record.customer)).await;
        }
        Ok(())
    }

    /// The page, if there is one. Counts refusals, tells of trouble, and comes in again if put out.
    async fn outcome(&mut self, looked: Result<Look, NoAnswer>, way: Way) -> Result<Option<Page>, Stop> {
        match looked {
            Ok(Look::Shown(page) | Look::Nothing(page)) => Ok(Some(page)),
            Ok(Look::Refused) => {
                self.was_refused(way).await;
                if self.is_shut_out().await {
                    return Err(Stop::LockedOut);
                }
                if self.refused >= MOST_REFUSALS { Err(Stop::Discouraged) } else { Ok(None) }
            }
            Ok(Look::SignedOut) if self.worker.come_to_work().await => Ok(None),
            Ok(Look::SignedOut) => Err(Stop::LockedOut),
            Err(trouble) => {
                self.worker.reports.trouble(self.worker.staff(), trouble).await;
                self.worker.pace.take(60.0).await;
                Ok(None)
            }
        }
    }

    /// Whether it is not this customer but everything that is refused, and no login helps.
    async fn is_shut_out(&mut self) -> bool {
        match self.worker.browser.get("/tickets?status=none").await {
            Ok(page) if page.shuts_out() => !self.worker.come_to_work().await,
            Ok(_) | Err(_) => false,
        }
    }

    async fn was_refused(&mut self, way: Way) {
        self.refused += 1;
        let (staff, times) = (self.worker.staff().clone(), self.refused);
        self.worker.reports.count().harvest.refused = times;
        if times.is_multiple_of(ALARM_EVERY) {
            self.alarm.send_replace(Some(staff.clone()));
        }
        self.worker.reports.tell(Happening::Refused { staff, way, times }).await;
    }

    async fn saw(&mut self, customers: impl IntoIterator<Item = String>) {
        let before = self.seen.len();
        let met = &self.worker.met_at_work;
        self.seen.extend(customers.into_iter().filter(|customer| !met.contains(customer)));
        let now = self.seen.len();
        self.worker.reports.count().harvest.seen = now;
        // The first ones by one, and then as milestones.
        if now > before && (now <= 5 || now / 50 > before / 50) {
            let staff = self.worker.staff().clone();
            self.worker.reports.tell(Happening::Harvested { staff, customers: now }).await;
        }
    }
}
