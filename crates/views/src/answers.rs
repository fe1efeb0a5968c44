//! The larger answers: the overview, the blast radius, the first-look report.

use model::entry::Why;
use model::{ClassSet, Evidence, FieldClass, StaffId, Timestamp};

use crate::page::Span;
use crate::words::{ByEvidence, Customer, Happening, StaffRow, Whose, WhyCount};

/// The overview page.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Overview {
    /// The span that the figures are of: as asked, with open ends closed at the first and last entry.
    pub span: Span,
    /// The figures.
    pub totals: Totals,
    /// Refusals, the most frequent first.
    pub refusals: Vec<WhyCount>,
    /// How wide a bucket is, in milliseconds.
    pub bucket_ms: u64,
    /// Looks over time; every bucket of the span is there, also the empty ones.
    pub buckets: Vec<Bucket>,
    /// Revocations, the newest first (at most 100).
    pub revocations: Vec<Happening>,
    /// Staff by hour of the day, UTC: those with the most looks (at most 40).
    pub heat: Vec<HeatRow>,
    /// Staff with the most unexplained looks (at most 10); only those with any.
    pub unexplained: Vec<StaffRow>,
    /// The newest entries (at most 25), without the questions of the console itself.
    pub recent: Vec<Happening>,
}

/// Figures of a span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Looks by evidence class.
    pub looks: ByEvidence,
    /// Customers seen who are not erased.
    pub customers: u64,
    /// Looks at customers who were erased since.
    pub looks_at_erased: u64,
    /// Exposures of listing.
    pub listed: u64,
    /// Staff members who looked.
    pub staff: u64,
    /// Requests refused.
    pub refused: u64,
    /// Revocations.
    pub revoked: u64,
    /// Sessions opened.
    pub sessions: u64,
    /// Questions asked.
    pub questions: u64,
}

/// Looks in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Bucket {
    /// Its beginning.
    pub start: Timestamp,
    /// Looks by evidence class.
    pub looks: ByEvidence,
    /// Requests refused.
    pub refused: u64,
    /// Revocations.
    pub revoked: u64,
}

/// A staff member's looks by hour of the day, UTC.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HeatRow {
    /// Who.
    pub staff: StaffId,
    /// Looks in each hour.
    pub looks: [u64; 24],
    /// Of these, with evidence F or G.
    pub weak: [u64; 24],
}

/// What somebody's looks could have shown, in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reach {
    /// Looks.
    pub looks: u64,
    /// Of these, with evidence F or G.
    pub weak: u64,
    /// Customers seen who are not erased.
    pub customers: u64,
    /// Looks at customers who were erased since: how many customers, nobody can say any more.
    pub looks_at_erased: u64,
    /// Customers who were only listed.
    pub only_listed: u64,
    /// Exposures of listing.
    pub listed: u64,
    /// Of these, of customers who were erased since.
    pub listed_erased: u64,
    /// Every class that was shown in a look.
    pub classes: ClassSet,
    /// First exposure.
    pub first: Option<Timestamp>,
    /// Last exposure.
    pub last: Option<Timestamp>,
}

/// One customer within somebody's reach.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reached {
    /// The customer.
    pub customer: Customer,
    /// Every class that was shown.
    pub classes: ClassSet,
    /// The first time.
    pub first: Timestamp,
    /// The last time.
    pub last: Timestamp,
    /// The weakest evidence among the looks; none in lists.
    pub weakest: Option<Evidence>,
    /// The entries that prove it, in order.
    pub entries: Vec<u64>,
}

/// A blast radius as a whole, of one moment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BlastRadius {
    /// Whose.
    pub whose: Whose,
    /// When.
    pub span: Span,
    /// The ledger's size at that moment: entries from here on are not in it.
    pub as_of: u64,
    /// The figures.
    pub reach: Reach,
    /// Customers seen, in the order of their first look.
    pub seen: Vec<Reached>,
    /// Customers in lists (seen or not), in the order of their first listing.
    pub listed: Vec<Reached>,
    /// Looks at customers who were erased since: the entries are there, the names are not.
    pub erased: Vec<u64>,
}

/// The first-look report: who looks at whom without a reason, and what enforcement would change.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FirstLook {
    /// The span: as asked, with open ends closed at the first and last entry.
    pub span: Span,
    /// The figures.
    pub totals: Totals,
    /// Looks made in `observe`; the others were made in `enforce`.
    pub observed: u64,
    /// Unexplained looks: the highest tier first, then no reason before a weak one, then the most
    /// classes, then the newest (at most 20).
    pub unexplained: Vec<Happening>,
    /// By staff member (at most 20; only those with unexplained looks).
    pub by_staff: Vec<StaffRow>,
    /// By team, as of the time of the look.
    pub by_team: Vec<GroupRow>,
    /// By employer, as of the time of the look.
    pub by_employer: Vec<GroupRow>,
    /// What enforcement would have masked (`observe`), by class.
    pub masked: Vec<ClassCount>,
    /// What enforcement would have stopped, and what was refused, by reason.
    pub stopped: Vec<StopCount>,
}

/// A team or an employer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GroupRow {
    /// Its name; none for looks of staff without a record.
    pub name: Option<String>,
    /// Staff members who looked.
    pub staff: u64,
    /// Looks by evidence class.
    pub looks: ByEvidence,
    /// Customers seen who are not erased.
    pub customers: u64,
}

/// How often a class would have been masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ClassCount {
    /// The class.
    pub class: FieldClass,
    /// Looks in which enforcement would have masked it.
    pub looks: u64,
    /// Lists in which enforcement would have masked it.
    pub lists: u64,
}

/// How often something would have been stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct StopCount {
    /// The reason.
    pub why: Why,
    /// Looks that enforcement would have stopped (`observe`).
    pub would_looks: u64,
    /// Lists that enforcement would have stopped (`observe`).
    pub would_lists: u64,
    /// Requests that were refused.
    pub refused: u64,
}
