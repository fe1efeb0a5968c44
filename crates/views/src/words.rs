//! What questions and answers speak of.

use std::fmt;
use std::str::FromStr;

use model::entry::{Action, Event, RevokeReason, SessionEnd};
use model::{
    AppId, ClassSet, CustomerId, Evidence, GrantId, Mode, Purpose, ResponseId, Role, SessionId, StaffId,
    StaffStatus, TicketId, Tier, Timestamp,
};

/// A customer's reference: the place where the ledger first named them. It is no personal data, so
/// links may carry it, and neither a rebuild nor the erasure of another customer changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerRef(pub(crate) i64);

impl CustomerRef {
    /// A response lists fewer customers than this.
    const ROWS: i64 = 1 << 20;

    pub(crate) fn named_at(index: u64, row: usize) -> Self {
        debug_assert!((row as i64) < Self::ROWS);
        Self(index as i64 * Self::ROWS + row as i64)
    }
}

impl fmt::Display for CustomerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / Self::ROWS, self.0 % Self::ROWS)
    }
}

/// Text that is not a customer's reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a customer's reference; one looks like 1234.0")]
pub struct NotACustomerRef;

impl FromStr for CustomerRef {
    type Err = NotACustomerRef;
    fn from_str(s: &str) -> Result<Self, NotACustomerRef> {
        let (index, row) = s.split_once('.').ok_or(NotACustomerRef)?;
        let index: i64 = index.parse().map_err(|_| NotACustomerRef)?;
        let row: i64 = row.parse().map_err(|_| NotACustomerRef)?;
        if !(0..Self::ROWS).contains(&row) || index < 0 {
            return Err(NotACustomerRef);
        }
        index.checked_mul(Self::ROWS).map(|first| Self(first + row)).ok_or(NotACustomerRef)
    }
}

impl serde::Serialize for CustomerRef {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for CustomerRef {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A customer whom the ledger has named and who is not erased.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Customer {
    /// For links.
    pub reference: CustomerRef,
    /// In which app; none where the entry did not say (a question over all apps).
    pub app: Option<AppId>,
    /// As the app calls them.
    pub customer: CustomerId,
    /// As last recorded.
    pub tier: Option<Tier>,
}

/// Which customer a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whom {
    /// By the name that the app gives them; without an app, in every app.
    Named {
        /// In which app.
        app: Option<AppId>,
        /// As the app calls them.
        customer: CustomerId,
    },
    /// By reference, from a link.
    Referred(CustomerRef),
}

/// Whose looks a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// All of a staff member's.
    Staff(StaffId),
    /// Those of one session.
    Session(SessionId),
}

/// An entry, with what the view knows of it besides.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Happening {
    /// Its number in the ledger: ask for the receipt with it.
    pub index: u64,
    /// When.
    pub time: Timestamp,
    /// Who did it or whom it is about; for the end of a session or grant, whose it was.
    pub staff: Option<StaffId>,
    /// About whom. None: about no one customer, or the customer was erased.
    pub customer: Option<Customer>,
    /// By which ticket.
    pub ticket: Option<TicketId>,
    /// What for; for a look, that of its grant.
    pub purpose: Option<Purpose>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Happening {
    /// Whether this is about a customer who was erased since.
    pub fn is_of_erased(&self) -> bool {
        let of_one = match &self.event {
            Event::GrantIssued(_) | Event::Revealed(_) => true,
            Event::Written(e) => e.subject.is_some(),
            Event::Refused(e) => e.subject.is_some(),
            Event::Questioned(e) => e.subject.is_some(),
            Event::Proposed(e) => e.act.subject().is_some(),
            _ => false,
        };
        of_one && self.customer.is_none()
    }
}

/// Once that a customer was before somebody's eyes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exposure {
    /// The entry that proves it.
    pub index: u64,
    /// When.
    pub time: Timestamp,
    /// Before whose eyes.
    pub staff: StaffId,
    /// Their team and employer at that time, if recorded.
    pub post: Option<Post>,
    /// In which session.
    pub session: SessionId,
    /// Which response showed it.
    pub response: ResponseId,
    /// In which app.
    pub app: AppId,
    /// As whom; of several customers of that name in several apps, which.
    pub customer: CustomerRef,
    /// View, list, search, export.
    pub action: Action,
    /// Which classes were shown.
    pub classes: ClassSet,
    /// Observe or enforce.
    pub mode: Mode,
    /// As a look or in a list.
    pub how: How,
}

/// How a customer came before somebody's eyes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum How {
    /// A look.
    Look {
        /// How it is explained.
        evidence: Evidence,
        /// What for, if the grant is known.
        purpose: Option<Purpose>,
        /// By which ticket.
        ticket: Option<TicketId>,
        /// Under which grant.
        grant: GrantId,
    },
    /// A row in a list.
    Listing,
}

/// Where somebody worked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Post {
    /// What they were there to do.
    pub role: Role,
    /// Their team.
    pub team: String,
    /// `in-house`, or the vendor's name.
    pub employer: String,
}

/// How often a customer was before somebody's eyes.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct CustomerSummary {
    /// Everyone of that name, app by app. Empty if the ledger never named them, or they were erased.
    pub customers: Vec<Customer>,
    /// Looks.
    pub looks: u64,
    /// Of these, with evidence F or G.
    pub weak: u64,
    /// By how many staff members.
    pub staff: u64,
    /// Times in a list.
    pub listed: u64,
    /// Requests refused.
    pub refused: u64,
    /// Questions asked about them.
    pub questions: u64,
    /// First and last exposure.
    pub first: Option<Timestamp>,
    /// The last exposure.
    pub last: Option<Timestamp>,
}

/// A staff member and what they did in a span.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StaffRow {
    /// Who.
    pub staff: StaffId,
    /// Where they work now, if recorded.
    pub post: Option<Post>,
    /// Whether they may work now, if recorded.
    pub status: Option<StaffStatus>,
    /// Looks.
    pub looks: u64,
    /// At how many customers who are not erased.
    pub customers: u64,
    /// Looks with evidence F or G.
    pub weak: u64,
    /// Rows in lists.
    pub listed: u64,
    /// Requests refused.
    pub refused: u64,
    /// When they last did something; none if nothing in the span.
    pub last_seen: Option<Timestamp>,
}

/// What a list of staff is sorted by. All but `Name` run from the most to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaffSort {
    /// Looks.
    #[default]
    Looks,
    /// Customers seen.
    Customers,
    /// Looks with evidence F or G.
    Weak,
    /// Requests refused.
    Refused,
    /// Rows in lists.
    Listed,
    /// Last seen.
    LastSeen,
    /// The pseudonym, from A to Z.
    Name,
}

/// Which staff, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct StaffFilter {
    /// Only those whose pseudonym, team, employer or role contains this, in either case.
    pub text: String,
    /// The order.
    pub sort: StaffSort,
    /// The other way round.
    pub reversed: bool,
}

/// A staff member's record as it was from some entry on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RecordRow {
    /// The entry.
    pub index: u64,
    /// When.
    pub time: Timestamp,
    /// The record.
    pub record: model::StaffRecord,
}

/// A staff member at a glance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StaffSummary {
    /// The figures of the span.
    pub row: StaffRow,
    /// Their records, the newest first.
    pub records: Vec<RecordRow>,
    /// Looks by evidence class, A to G.
    pub by_evidence: ByEvidence,
    /// Looks by hour of the day, UTC.
    pub by_hour: [u64; 24],
    /// Sessions opened in the span.
    pub sessions: u64,
    /// Refusals in the span, the most frequent first.
    pub refusals: Vec<WhyCount>,
}

/// Looks by evidence class, in the order A to G.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ByEvidence(pub [u64; 7]);

impl ByEvidence {
    /// Looks of this class.
    pub fn of(&self, evidence: Evidence) -> u64 {
        self.0[evidence as usize]
    }

    /// All looks.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Looks with evidence F or G.
    pub fn weak(&self) -> u64 {
        Evidence::ALL.iter().filter(|e| e.is_weak()).map(|e| self.of(*e)).sum()
    }

    /// The share of looks with evidence A to E, between 0 and 1; none if there are no looks.
    pub fn explained(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| (total - self.weak()) as f64 / total as f64)
    }
}

/// A reason for refusal and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct WhyCount {
    /// The reason.
    pub why: model::entry::Why,
    /// How often.
    pub count: u64,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SessionRow {
    /// The session.
    pub session: SessionId,
    /// The entry that opened it.
    pub index: u64,
    /// Whose.
    pub staff: StaffId,
    /// Where they work now, if recorded.
    pub post: Option<Post>,
    /// Which door: an app's name, or `console`.
    pub door: AppId,
    /// Since when.
    pub opened: Timestamp,
    /// It ends then at the latest.
    pub expires: Timestamp,
    /// How it ended before that, if it did.
    pub ended: Option<Ended>,
    /// Whether it is open at the time of the question.
    pub open: bool,
    /// Looks.
    pub looks: u64,
    /// Of these, with evidence F or G.
    pub weak: u64,
    /// Requests refused.
    pub refused: u64,
    /// When something last happened in it.
    pub last_seen: Timestamp,
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Ended {
    /// The entry.
    pub index: u64,
    /// When.
    pub time: Timestamp,
    /// How.
    pub how: EndedHow,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedHow {
    /// By itself or by logout.
    Closed(SessionEnd),
    /// It, or all of the staff member's, was revoked.
    Revoked(RevokeReason),
    /// The staff member's record changed to this.
    Inactive(StaffStatus),
}

impl fmt::Display for EndedHow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndedHow::Closed(end) => end.fmt(f),
            EndedHow::Revoked(reason) => write!(f, "revoked: {reason}"),
            EndedHow::Inactive(status) => write!(f, "staff {status}"),
        }
    }
}
