//! From a leak to whoever was shown the same: the marks that were issued, and whose looks cover the customers in it.
//! Asking is an entry, like every question about people.

mod report;

use std::collections::BTreeSet;

use model::entry::Question;
use model::mark::BUCKET_MS;
use model::{CustomerId, SessionId, StaffId, Timestamp};
use trace::Issued;
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
    /// By a look at the record; otherwise as a row in a list.
    pub opened: bool,
}

impl From<Exposed> for Shown {
    fn from(e: Exposed) -> Self {
        Self {
            staff: e.staff,
            session: Some(e.session),
            customer: e.customer,
            time: e.first,
            opened: e.opened,
        }
    }
}

/// Ranks everybody by how well what they were shown covers `ids`, as read and in the leak's order.
pub fn covers(ids: &[String], shown: &[Shown]) -> Covers {
    let known: BTreeSet<CustomerId> = shown.iter().map(|s| s.customer.clone()).collect();
    let matched = match_ids(ids, &known);
    let staff = ranked(&matched.customers, shown, |s| Some(s.staff.clone()));
    let in_sessions = shown.iter().any(|s| s.session.is_some());
    let sessions = in_sessions.then(|| ranked(&matched.customers, shown, |s| s.session));
    let (corrected, ambiguous, unknown) = (matched.corrected, matched.ambiguous, matched.unknown);
    Covers { corrected, ambiguous, unknown, staff, sessions }
}

/// By the records that were opened, or by these and the rows of lists: whoever scrolled through everybody covers every leak,
/// and a film of opened records is told by the looks. The one that stands out more counts, at the price of two throws.
fn ranked<W: Clone + Ord>(
    leak: &[CustomerId],
    shown: &[Shown],
    who: impl Fn(&Shown) -> Option<W>,
) -> Ranking<W> {
    let looks = |opened_only: bool| -> Vec<Look<W>> {
        let counted = shown.iter().filter(|s| s.opened || !opened_only);
        let look = |s: &Shown| Some(Look { who: who(s)?, customer: s.customer.clone(), time: s.time });
        counted.filter_map(look).collect()
    };
    let all = rank(leak, &looks(false));
    if shown.iter().all(|s| s.opened) {
        return all;
    }
    let opened = rank(leak, &looks(true));
    let best = |r: &Ranking<W>| r.single.iter().chain(&r.groups).map(|s| s.log10_wrong).fold(0.0, f64::min);
    let mut better = if best(&opened) < best(&all) { opened } else { all };
    for row in better.single.iter_mut().chain(&mut better.groups) {
        row.log10_p = (row.log10_p + 2f64.log10()).min(0.0);
        row.log10_wrong = (row.log10_wrong + 2f64.log10()).min(0.0);
    }
    better
}

impl Enquiry {
    /// Every mark that lay over pages in a span, once; also one that was issued up to five minutes before it.
    pub async fn issued_marks(&self, asker: &Asker, span: Span) -> Result<Answer<Vec<Issued>>, EnquiryError> {
        let from = span.from.map(|t| Timestamp(t.0.saturating_sub(BUCKET_MS)));
        self.answer(asker, Asked::generally(Question::Leak), |views| async move {
            let mut seen = BTreeSet::new();
            let marks = views.marks(Span { from, ..span }).await?;
            let fresh = marks.into_iter().filter(|m| seen.insert(m.mark));
            Ok(fresh
                .map(|m| Issued {
                    mark: m.mark,
                    session: Some(m.by.session),
                    staff: Some(m.by.staff),
                    from: Some(m.bucket),
                })
                .collect())
        })
        .await
    }

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
