//! What happens on the floor, told in plain sentences. Staff go by their pseudonyms; customers are
//! counted and never named.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Clock, StaffId, Timestamp};
use serde::Serialize;
use tokio::sync::mpsc;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Somebody came to work.
    SignedIn(StaffId),
    /// The floor answered this many tickets so far (told every twenty-fifth time).
    Answered(u32),
    /// The insider stops working and starts harvesting.
    HarvestBegins(StaffId),
    /// The insider had a list of customers before them.
    Listed {
        /// Who.
        staff: StaffId,
        /// How many customers they saw in lists so far.
        rows: usize,
    },
    /// The insider saw a customer whom no ticket leads to.
    Harvested {
        /// Who.
        staff: StaffId,
        /// How many they saw so far.
        customers: usize,
    },
    /// The insider was refused.
    Refused {
        /// Who.
        staff: StaffId,
        /// What they tried.
        way: Way,
        /// How many times so far.
        times: u32,
    },
    /// Somebody was asked to log in afresh, and did.
    LoggedInAfresh(StaffId),
    /// Access was taken away.
    Revoked {
        /// Whose.
        staff: StaffId,
        /// By whom.
        by: StaffId,
        /// When the console said that it was done.
        at: Timestamp,
    },
    /// The analyst could not revoke, and why.
    NotRevoked(StaffId, String),
    /// Somebody's session is over, and no other could be had.
    LockedOut(StaffId),
    /// The insider stops: has enough, or has had enough.
    HarvestEnds(StaffId),
    /// Something answered strangely; whoever met it goes on.
    Trouble(StaffId, String),
}

/// How the insider tries to get at customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A list of customers.
    List,
    /// A customer's page.
    Record,
    /// The JSON interface.
    Api,
    /// The export of all customers.
    Export,
    /// A ticket that the insider opened for the purpose.
    OwnTicket,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::List => "the list of customers",
            Way::Record => "a customer's page",
            Way::Api => "the API",
            Way::Export => "the CSV export",
            Way::OwnTicket => "a ticket of their own making",
        })
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::SignedIn(staff) => write!(f, "{staff} came to work"),
            Happening::Answered(n) => write!(f, "the floor has answered {n} tickets"),
            Happening::HarvestBegins(staff) => {
                write!(f, "{staff} stops working and starts to go through customers by balance")
            }
            Happening::Listed { staff, rows } => write!(f, "{staff} has listed {rows} customers"),
            Happening::Harvested { staff, customers: 1 } => {
                write!(f, "{staff} has seen 1 customer whom no ticket leads to")
            }
            Happening::Harvested { staff, customers } => {
                write!(f, "{staff} has seen {customers} customers whom no ticket leads to")
            }
            Happening::Refused { staff, way, times } => {
                write!(f, "{staff} was refused: {way} (refusal {times})")
            }
            Happening::LoggedInAfresh(staff) => write!(f, "{staff} was asked to log in afresh, and did"),
            Happening::Revoked { staff, by, at } => write!(f, "{by} revoked the access of {staff} at {at}"),
            Happening::NotRevoked(staff, why) => write!(f, "the access of {staff} was not revoked: {why}"),
            Happening::LockedOut(staff) => write!(f, "{staff} is locked out"),
            Happening::HarvestEnds(staff) => write!(f, "{staff} stops harvesting"),
            Happening::Trouble(staff, what) => write!(f, "{staff} met with trouble: {what}"),
        }
    }
}

/// What came of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Tickets answered, by everybody.
    pub answered: u32,
    /// Records that pages showed to those who worked on a ticket.
    pub records_shown: u32,
    /// Masked fields that were asked for, one by one.
    pub fields_asked: u32,
    /// Looks that were refused to those who worked on a ticket.
    pub refused_at_work: u32,
    /// Strange answers.
    pub troubles: u32,
    /// What the insider got.
    pub harvest: Harvest,
}

/// What the insider got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Harvest {
    /// How many customers they wanted.
    pub wanted: usize,
    /// Customers whom they saw and no ticket led to.
    pub seen: usize,
    /// Customers who stood in lists before them.
    pub listed: usize,
    /// How often they were refused.
    pub refused: u32,
    /// When their access was revoked.
    pub revoked: Option<Timestamp>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Harvest { wanted, seen, listed, refused, revoked } = &self.harvest;
        writeln!(f, "{} tickets answered, {} records shown", self.answered, self.records_shown)?;
        write!(
            f,
            "the insider wanted {wanted} customers and saw {seen} ({listed} in lists, {refused} refusals"
        )?;
        match revoked {
            Some(at) => write!(f, "; revoked at {at})"),
            None => write!(f, "; not revoked)"),
        }
    }
}

/// Where those at work report to.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    happenings: mpsc::Sender<Happening>,
    tally: Arc<Mutex<Tally>>,
    clock: Arc<dyn Clock>,
}

impl Reports {
    pub(super) fn new(happenings: mpsc::Sender<Happening>, clock: Arc<dyn Clock>, wanted: usize) -> Self {
        let tally = Tally { harvest: Harvest { wanted, ..Harvest::default() }, ..Tally::default() };
        Self { happenings, tally: Arc::new(Mutex::new(tally)), clock }
    }

    /// Tells it, to whoever still listens.
    pub(super) async fn tell(&self, happening: Happening) {
        let _nobody_listens = self.happenings.send(happening).await;
    }

    /// Tells of trouble, and counts it.
    pub(super) async fn trouble(&self, staff: &StaffId, what: impl fmt::Display) {
        self.count().troubles += 1;
        self.tell(Happening::Trouble(staff.clone(), what.to_string())).await;
    }

    /// The tally, to be counted up. Not to be held over a wait.
    pub(super) fn count(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tally(&self) -> Tally {
        self.count().clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
