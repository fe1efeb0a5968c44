//! Canaries: decoy customers, and the way from what only they have back to whoever was shown it.
//!
//! Which customers are canaries stands in a file of its own (0600), not in the ledger: entries hold commitments to them,
//! whose openings are sealed like every customer's. The file is written before the entry, so that a crash between them
//! leaves a canary that is watched and not yet recorded, and never one that nobody knows of.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ledger::disk::{Disk, Readers, replace};
use ledger::{AppendError, Draft, Ledger};
use model::entry::{Actor, Event};
use model::{
    AppId, CanariesPlanted, CanaryChange, Clock, CustomerId, Digest, Entropy, Opening, RuleLevel,
    RuleMatched, StaffId, Subject, Timestamp,
};
use serde::{Deserialize, Serialize};
use views::{Exposure, Page, Span, Whom};

use crate::enquiry::{Answer, Asker, CustomerTimeline, Enquiry, EnquiryError};

/// Digits of a telephone number that are compared, from the end: how a country writes the rest differs.
const DIGITS: usize = 9;
/// The most looks that an entry names.
const NAMED: usize = 256;

/// What a decoy is known by outside. Does not print: it is to look like a person's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
    /// The telephone number.
    pub phone: String,
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Data(..)")
    }
}

/// A decoy customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// In which app.
    pub app: AppId,
    /// What the app calls them.
    pub customer: CustomerId,
    /// What they are known by outside.
    pub data: Data,
    /// Since when.
    pub planted: Timestamp,
    /// The entry that says so; none if a crash came between.
    pub entry: Option<u64>,
    /// Since when it is one no more for anybody new.
    pub retired: Option<Timestamp>,
}

/// Why canaries cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// The file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{0}: not the list of canaries; put the right one back, from the backup")]
    Malformed(PathBuf),
    /// The ledger.
    #[error("kept, and not recorded: {0}")]
    NotRecorded(#[from] AppendError),
    /// The question.
    #[error(transparent)]
    Enquiry(#[from] EnquiryError),
}

/// Where something of a canary leads.
#[derive(Debug, Clone, Serialize)]
pub struct Led {
    /// The canary.
    pub canary: Canary,
    /// Whoever was shown it.
    pub shown: Answer<CustomerTimeline>,
}

/// The decoys of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Canaries {
    list: Arc<RwLock<Vec<Canary>>>,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Canaries {
    /// Reads the list; where there is none, there are no canaries.
    pub fn open(
        path: &Path,
        ledger: Ledger,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, CanaryError> {
        let list = match disk.read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| CanaryError::Malformed(path.to_owned()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(CanaryError::File { path: path.to_owned(), source }),
        };
        Ok(Self { list: Arc::new(RwLock::new(list)), path: path.to_owned(), disk, ledger, clock, entropy })
    }

    /// Whether a customer is or was one: also of a retired one, nobody has a reason to look.
    pub fn is_one(&self, customer: &CustomerId) -> bool {
        self.read().iter().any(|canary| canary.customer == *customer)
    }

    /// Every one, the oldest first.
    pub fn list(&self) -> Vec<Canary> {
        self.read().clone()
    }

    /// Keeps customers that an app took in as canaries, and records that there are so many; the entry's number.
    pub async fn plant(
        &self,
        app: &AppId,
        new: Vec<(CustomerId, Data)>,
        by: Actor,
    ) -> Result<u64, CanaryError> {
        let planted = self.clock.now();
        let customers: Vec<CustomerId> = new.iter().map(|(customer, _)| customer.clone()).collect();
        self.change(|list| {
            list.extend(new.into_iter().map(|(customer, data)| Canary {
                app: app.clone(),
                customer,
                data,
                planted,
                entry: None,
                retired: None,
            }));
        })?;
        let entry = self.record(app, CanaryChange::Planted, &customers, by).await?;
        self.change(|list| {
            let new = list.iter_mut().filter(|canary| customers.contains(&canary.customer));
            new.for_each(|canary| canary.entry = Some(entry));
        })?;
        Ok(entry)
    }

    /// Retires canaries of an app, and records how many; the entry's number.
    pub async fn retire(&self, app: &AppId, customers: &[CustomerId], by: Actor) -> Result<u64, CanaryError> {
        let now = self.clock.now();
        self.change(|list| {
            let old = list.iter_mut().filter(|canary| customers.contains(&canary.customer));
            old.for_each(|canary| canary.retired = canary.retired.or(Some(now)));
        })?;
        self.record(app, CanaryChange::Retired, customers, by).await
    }

    /// The canaries that a mail address, a telephone number or a name is of.
    pub fn known_by(&self, what: &str) -> Vec<Canary> {
        let list = self.read();
        list.iter().filter(|canary| is_of(&canary.data, what)).cloned().collect()
    }

    /// Leads from a mail address, a telephone number or a name to whoever was shown it. Asking is recorded.
    pub async fn lead(&self, enquiry: &Enquiry, asker: &Asker, what: &str) -> Result<Vec<Led>, CanaryError> {
        let mut led = Vec::new();
        for canary in self.known_by(what) {
            let whom = Whom::Named { app: Some(canary.app.clone()), customer: canary.customer.clone() };
            let shown = enquiry.who_saw(asker, whom, Span::ALWAYS, Page::all()).await?;
            led.push(Led { canary, shown });
        }
        Ok(led)
    }

    /// The same, for what came from outside: an entry says which looks and whose they were. How many canaries it was of.
    pub async fn used(&self, enquiry: &Enquiry, what: &str) -> Result<usize, CanaryError> {
        let led = self.lead(enquiry, &Asker::System, what).await?;
        for led in &led {
            let matched = found(&led.shown.answer.exposures.rows);
            self.ledger.append(Draft::plain(Event::RuleMatched(matched))).await?;
        }
        Ok(led.len())
    }

    async fn record(
        &self,
        app: &AppId,
        what: CanaryChange,
        customers: &[CustomerId],
        by: Actor,
    ) -> Result<u64, CanaryError> {
        let opening = |customer: &CustomerId| Opening::fresh(&*self.entropy, Subject::of(customer.clone()));
        let openings: Vec<Opening> = customers.iter().map(opening).collect();
        let commitments: Vec<_> = openings.iter().map(Opening::commitment).collect();
        let event = Event::CanariesPlanted(CanariesPlanted {
            app: app.clone(),
            what,
            count: customers.len() as u32,
            subjects: Digest::over(&commitments),
            by,
        });
        Ok(self.ledger.append(Draft { event, openings }).await?.index())
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Canary>)) -> Result<(), CanaryError> {
        let mut list = self.write();
        let mut new = list.clone();
        change(&mut new);
        let bytes = serde_json::to_vec_pretty(&new).unwrap_or_default();
        replace(&*self.disk, &self.path, &bytes, Readers::Owner)
            .map_err(|source| CanaryError::File { path: self.path.clone(), source })?;
        *list = new;
        Ok(())
    }

    // Every change is whole before it takes the place of the list, so what a panicked holder left is whole.
    fn read(&self) -> RwLockReadGuard<'_, Vec<Canary>> {
        self.list.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Canary>> {
        self.list.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What says that something of a canary was used, by the looks that showed it.
fn found(exposures: &[Exposure]) -> RuleMatched {
    let mut entries: Vec<u64> = exposures.iter().map(|exposure| exposure.index).collect();
    entries.sort_unstable();
    entries.dedup();
    let entries = entries.split_off(entries.len().saturating_sub(NAMED));
    let mut seen = HashSet::new();
    let staff: Vec<StaffId> = exposures
        .iter()
        .map(|e| e.staff.clone())
        .filter(|staff| seen.insert(staff.clone()))
        .take(NAMED)
        .collect();
    RuleMatched {
        rule: RuleMatched::CANARY_USED.to_owned(),
        text: Digest::of(RuleMatched::CANARY_USED.as_bytes()),
        level: RuleLevel::Critical,
        entries,
        staff,
        unrecorded: 0,
    }
}

/// Whether this is how a decoy is known: a mail address in any case, the end of a telephone number, a whole name.
fn is_of(data: &Data, what: &str) -> bool {
    let what = what.trim();
    let same = |known: &str| !what.is_empty() && known.trim().to_lowercase() == what.to_lowercase();
    if what.contains('@') {
        return same(&data.email);
    }
    let (known, asked) = (digits(&data.phone), digits(what));
    let end = |digits: &str| digits[digits.len().saturating_sub(DIGITS)..].to_owned();
    let is_number = !what.chars().any(char::is_alphabetic);
    (is_number && asked.len() >= 7 && end(&known) == end(&asked)) || same(&data.name)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

impl std::fmt::Debug for Canaries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canaries").field("count", &self.read().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoy_is_known_by_what_outsiders_have_however_they_write_it() {
        let data = Data {
            name: "Ada Löwe".into(),
            email: "ada.loewe@mail.example".into(),
            phone: "+44 20 7946 0123".into(),
        };
        for what in
            ["ADA.Loewe@mail.example ", "020 7946 0123", "00442079460123", "+44-20-7946-0123", "ada löwe"]
        {
            assert!(is_of(&data, what), "{what}");
        }
        for what in ["", " ", "loewe@mail.example", "0123", "020 7946 0124", "Ada", "ada.loewe", "@"] {
            assert!(!is_of(&data, what), "{what}");
        }
        assert_eq!(format!("{data:?}"), "Data(..)");
    }
}
