//! From a leak to whoever was shown the same: the marks that were issued, and whose looks cover the customers in it.
//! Asking is an entry, like every question about people.

mod report;

use std::collections::BTreeSet;

use model::entry::Question;
use model::{CustomerId, SessionId, StaffId, Timestamp};
use trace::records::{Look, Ranking, match_ids, rank};
use views::{Exposed, Span, ViewsError};

pub use report::{Evidence, Report, html};

use crate::enquiry::Asked;
use crate::{Answer, Asker, Enquiry, EnquiryError};

/// The most ids of a leak that are compared with the ledger.
pub const MOST_IDS: usize = 20_000;

/// Whose looks cover the customers of a leak.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Covers {
    /// Ids that were misread and put right, because exactly one known id fits.
    pub corrected: usize,
    /// Ids that fit two known ones or more: left out.
    pub ambiguous: Vec<String>,
    /// Ids that nobody was shown: left out.
    pub unknown: Vec<String>,
    /// Staff, ranked.
    pub staff: Ranking<StaffId>,
    /// Sessions, ranked; none where the looks do not say in which session they were.
    pub sessions: Option<Ranking<SessionId>>,
}

/// One exposure of a customer, from the ledger or from a foreign log.
#[derive(Debug, Clone)]
pub struct Shown {
    /// To whom.
    pub staff: StaffId,
    /// In which session, if that is known.
    pub session: Option<SessionId>,
    /// Whom.
    pub customer: CustomerId,
    /// When.
    pub time: Timestamp,
}

impl From<Exposed> for Shown {
    fn from(e: Exposed) -> Self {
        Self { staff: e.staff, session: Some(e.session), customer: e.customer, time: e.first }
    }
}

/// Ranks everybody by how well what they were shown covers `ids`, as read and in the leak's order.
pub fn covers(ids: &[String], shown: &[Shown]) -> Covers {
    let known: BTreeSet<CustomerId> = shown.iter().map(|s| s.customer.clone()).collect();
    let matched = match_ids(ids, &known);
    let by_staff = |s: &Shown| Look { who: s.staff.clone(), customer: s.customer.clone(), time: s.time };
    let staff = rank(&matched.customers, &shown.iter().map(by_staff).collect::<Vec<_>>());
    let by_session = |s: &Shown| {
        s.session.map(|session| Look { who: session, customer: s.customer.clone(), time: s.time })
    };
    let by_session: Vec<Look<SessionId>> = shown.iter().filter_map(by_session).collect();
    let sessions = (!by_session.is_empty()).then(|| rank(&matched.customers, &by_session));
    let (corrected, ambiguous, unknown) = (matched.corrected, matched.ambiguous, matched.unknown);
    Covers { corrected, ambiguous, unknown, staff, sessions }
}

impl Enquiry {
    /// Whose looks cover these customers? `ids` in the leak's order, as somebody or some program read them; at most
    /// [`MOST_IDS`] count.
    pub async fn covers(
        &self,
        asker: &Asker,
        mut ids: Vec<String>,
        span: Span,
    ) -> Result<Answer<Covers>, EnquiryError> {
        ids.truncate(MOST_IDS);
        self.answer(asker, Asked::generally(Question::Leak), |views| async move {
            let shown = views.exposed(span).await?.into_iter().map(Shown::from).collect::<Vec<_>>();
            // Minutes of arithmetic on a large ledger must not hold up looks.
            let ranked = tokio::task::spawn_blocking(move || covers(&ids, &shown)).await;
            ranked.map_err(|_| ViewsError::Stopped)
        })
        .await
    }
}
