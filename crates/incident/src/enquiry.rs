//! Asking is itself an entry: every question to the ledger about people is recorded here before it
//! is answered, whoever asks.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::{AppendError, Draft, Ledger, LedgerError, Record};
use model::entry::{Actor, Event, Question, Questioned};
use model::{Clock, CustomerId, Entropy, Opening, SessionId, StaffId, Subject, Timestamp};
use views::{
    BlastRadius, CustomerSummary, Exposure, FirstLook, Happening, Overview, Page, Paged, Reach, Reached,
    SessionRow, Span, StaffFilter, StaffRow, StaffSummary, Views, ViewsError, Whom, Whose,
};

/// A page that stays open asks again and again; within this time, the same question of the same
/// session is the same question and is recorded once.
pub const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// How long an answer may wait for the view to catch up with the ledger.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A staff member in the console.
    Console {
        /// Who.
        staff: StaffId,
        /// In which session.
        session: SessionId,
    },
    /// Somebody with a shell on the machine. Each of their questions is recorded.
    Operator,
    /// Sightline itself, when something that only a decoy has was used. Each question is recorded.
    System,
}

impl Asker {
    fn actor(&self) -> Actor {
        match self {
            Asker::Console { staff, .. } => Actor::Staff(staff.clone()),
            Asker::Operator => Actor::Operator,
            Asker::System => Actor::System,
        }
    }
}

/// An answer, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Answer<T> {
    /// When it was given.
    pub at: Timestamp,
    /// The entry that records the question.
    pub asked_as: u64,
    /// It rests on at least so many entries of the ledger.
    pub as_of: u64,
    /// The log that these entries are in, as the `vkey` that receipts verify with.
    pub log: String,
    /// The answer.
    pub answer: T,
}

/// Who saw a customer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CustomerTimeline {
    /// The span.
    pub span: Span,
    /// The figures.
    pub summary: CustomerSummary,
    /// Each exposure, the newest first.
    pub exposures: Paged<Exposure>,
}

/// What a staff member did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StaffTimeline {
    /// The span.
    pub span: Span,
    /// The figures; none if the ledger never named them.
    pub summary: Option<StaffSummary>,
    /// What happened, the newest first.
    pub happenings: Paged<Happening>,
}

/// A blast radius as a whole.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Blast {
    /// The blast radius.
    #[serde(flatten)]
    pub radius: BlastRadius,
    /// How many customers there are in all, if known.
    pub known_customers: Option<u64>,
    /// How many in a hundred of all customers were seen in looks.
    pub percent_seen: Option<f64>,
}

/// A blast radius, page by page.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct BlastPage {
    /// Whose.
    pub whose: Whose,
    /// When.
    pub span: Span,
    /// The figures.
    pub reach: Reach,
    /// How many in a hundred of all customers were seen in looks.
    pub percent_seen: Option<f64>,
    /// Customers seen.
    pub seen: Paged<Reached>,
    /// Customers in lists.
    pub listed: Paged<Reached>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum EnquiryError {
    /// The question could not be recorded, so it is not answered.
    #[error("the question could not be recorded, so it is not answered: {0}")]
    NotRecorded(#[from] AppendError),
    /// The view is still folding the ledger.
    #[error("the view is still catching up with the ledger ({done} of {of} entries); ask again shortly")]
    CatchingUp {
        /// Entries folded.
        done: u64,
        /// Entries in the ledger.
        of: u64,
    },
    /// The view has no answer.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Where questions about people are asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Enquiry {
    ledger: Ledger,
    views: Views,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    remembered: Arc<Mutex<HashMap<(SessionId, Asked), Remembered>>>,
}

/// A question, as far as it is recorded.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    question: Question,
    staff: Option<StaffId>,
    customer: Option<CustomerId>,
}

/// Does not print the customer.
impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("question", &self.question).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    at: Timestamp,
    index: u64,
}

impl Asked {
    pub(crate) fn generally(question: Question) -> Self {
        Self { question, staff: None, customer: None }
    }
    fn of_staff(question: Question, staff: Option<StaffId>) -> Self {
        Self { question, staff, customer: None }
    }
}

impl Enquiry {
    /// Questions over this ledger and its view.
    pub fn new(ledger: Ledger, views: Views, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { ledger, views, clock, entropy, remembered: Arc::default() }
    }

    /// The overview page.
    pub async fn overview(&self, asker: &Asker, span: Span) -> Result<Answer<Overview>, EnquiryError> {
        let asked = Asked::generally(Question::Overview);
        self.answer(asker, asked, |views| async move { views.overview(span).await }).await
    }

    /// Staff and what they did in the span. Recorded as the overview that it is.
    pub async fn staff_list(
        &self,
        asker: &Asker,
        filter: StaffFilter,
        span: Span,
        page: Page,
    ) -> Result<Answer<Paged<StaffRow>>, EnquiryError> {
        let asked = Asked::generally(Question::Overview);
        self.answer(asker, asked, |views| async move { views.staff_list(filter, span, page).await }).await
    }

    /// What a staff member did and what was done about them.
    pub async fn staff_timeline(
        &self,
        asker: &Asker,
        staff: StaffId,
        span: Span,
        page: Page,
    ) -> Result<Answer<StaffTimeline>, EnquiryError> {
        let asked = Asked::of_staff(Question::StaffTimeline, Some(staff.clone()));
        self.answer(asker, asked, |views| async move {
            let summary = views.staff_summary(staff.clone(), span).await?;
            let happenings = views.staff_timeline(staff, span, page).await?;
            Ok(StaffTimeline { span, summary, happenings })
        })
        .await
    }

    /// Who saw this customer?
    pub async fn who_saw(
        &self,
        asker: &Asker,
        whom: Whom,
        span: Span,
        page: Page,
    ) -> Result<Answer<CustomerTimeline>, EnquiryError> {
        let customer = match &whom {
            Whom::Named { customer, .. } => customer.clone(),
            // Only to name the customer in the entry; nothing of it is answered before that.
            Whom::Referred(reference) => self.views.customer(*reference).await?.customer,
        };
        let asked = Asked { question: Question::WhoSaw, staff: None, customer: Some(customer) };
        self.answer(asker, asked, |views| async move {
            let summary = views.customer_summary(whom.clone(), span).await?;
            let exposures = views.who_saw(whom, span, page).await?;
            Ok(CustomerTimeline { span, summary, exposures })
        })
        .await
    }

    /// Whom could this person have shown? The whole answer, to take away. `known_customers` is how many
    /// customers there are in all.
    pub async fn blast_radius(
        &self,
        asker: &Asker,
        whose: Whose,
        span: Span,
        known_customers: Option<u64>,
    ) -> Result<Answer<Blast>, EnquiryError> {
        let asked = Asked::of_staff(Question::BlastRadius, self.staff_of(&whose).await?);
        self.answer(asker, asked, |views| async move {
            let radius = views.blast_radius(whose, span).await?;
            let percent_seen = percent(radius.reach.customers, known_customers);
            Ok(Blast { radius, known_customers, percent_seen })
        })
        .await
    }

    /// The same, page by page.
    pub async fn blast_radius_page(
        &self,
        asker: &Asker,
        whose: Whose,
        span: Span,
        known_customers: Option<u64>,
        seen: Page,
        listed: Page,
    ) -> Result<Answer<BlastPage>, EnquiryError> {
        let asked = Asked::of_staff(Question::BlastRadius, self.staff_of(&whose).await?);
        self.answer(asker, asked, |views| async move {
            let reach = views.reach(whose.clone(), span).await?;
            let seen = views.reached(whose.clone(), span, seen).await?;
            let listed = views.reached_in_lists(whose.clone(), span, listed).await?;
            let percent_seen = percent(reach.customers, known_customers);
            Ok(BlastPage { whose, span, reach, percent_seen, seen, listed })
        })
        .await
    }

    /// The first-look report.
    pub async fn first_look(&self, asker: &Asker, span: Span) -> Result<Answer<FirstLook>, EnquiryError> {
        let asked = Asked::generally(Question::FirstLook);
        self.answer(asker, asked, |views| async move { views.first_look(span).await }).await
    }

    /// Sessions: only the open ones, or all.
    pub async fn sessions(
        &self,
        asker: &Asker,
        open_only: bool,
        page: Page,
    ) -> Result<Answer<Paged<SessionRow>>, EnquiryError> {
        let (asked, now) = (Asked::generally(Question::Sessions), self.clock.now());
        self.answer(asker, asked, |views| async move { views.sessions(open_only, now, page).await }).await
    }

    /// The entries themselves: up to `limit` from number `from` on.
    pub async fn entries(
        &self,
        asker: &Asker,
        from: u64,
        limit: usize,
    ) -> Result<Answer<Vec<Record>>, EnquiryError> {
        let asked_as = self.record(asker, Asked::generally(Question::Ledger)).await?;
        let records = self.ledger.read(from, limit)?;
        Ok(self.stamp(asked_as, self.ledger.size(), records))
    }

    /// Records that somebody reads findings: all of them, or one about a staff member. What they say is in the state and
    /// the ledger.
    pub async fn findings(&self, asker: &Asker, about: Option<StaffId>) -> Result<u64, EnquiryError> {
        self.record(asker, Asked { staff: about, ..Asked::generally(Question::Findings) }).await
    }

    /// The receipt of an entry: the text of a `.tlog-proof`.
    pub async fn receipt(&self, asker: &Asker, index: u64) -> Result<Answer<String>, EnquiryError> {
        let asked_as = self.record(asker, Asked::generally(Question::Ledger)).await?;
        let receipt = self.ledger.prove(index)?.to_tlog_proof();
        Ok(self.stamp(asked_as, self.ledger.size(), receipt))
    }

    /// Records the question, waits until the view has seen everything up to it, and answers.
    pub(crate) async fn answer<T, F>(
        &self,
        asker: &Asker,
        asked: Asked,
        answer: impl FnOnce(Views) -> F,
    ) -> Result<Answer<T>, EnquiryError>
    where
        F: Future<Output = Result<T, ViewsError>>,
    {
        let asked_as = self.record(asker, asked).await?;
        let size = self.ledger.size().max(asked_as + 1);
        self.keep_up(size).await?;
        let answer = answer(self.views.clone()).await?;
        Ok(self.stamp(asked_as, size, answer))
    }

    /// Waits until the view has seen the first `size` entries.
    async fn keep_up(&self, size: u64) -> Result<(), EnquiryError> {
        match tokio::time::timeout(PATIENCE, self.views.wait_for(size)).await {
            Ok(waited) => Ok(waited?),
            Err(_) => Err(EnquiryError::CatchingUp { done: self.views.caught_up_to(), of: size }),
        }
    }

    fn stamp<T>(&self, asked_as: u64, as_of: u64, answer: T) -> Answer<T> {
        Answer { at: self.clock.now(), asked_as, as_of, log: self.ledger.verifier().vkey(), answer }
    }

    /// The number of the entry that records this question: a new one, unless the same session asked
    /// the same within [`REMEMBERED`].
    async fn record(&self, asker: &Asker, asked: Asked) -> Result<u64, EnquiryError> {
        let now = self.clock.now();
        let key = match asker {
            Asker::Console { session, .. } => Some((*session, asked.clone())),
            Asker::Operator | Asker::System => None,
        };
        if let Some(known) = key.as_ref().and_then(|key| self.recall(key, now)) {
            return Ok(known.index);
        }
        let opening = asked.customer.map(|c| Opening::fresh(&*self.entropy, Subject::of(c)));
        let event = Event::Questioned(Questioned {
            by: asker.actor(),
            question: asked.question,
            staff: asked.staff,
            subject: opening.as_ref().map(Opening::commitment),
        });
        let receipt = self.ledger.append(Draft { event, openings: opening.into_iter().collect() }).await?;
        let index = receipt.index();
        if let Some(key) = key {
            self.memory().insert(key, Remembered { at: now, index });
        }
        Ok(index)
    }

    /// The same question, if it was asked a short while ago. Forgets what was asked longer ago.
    fn recall(&self, key: &(SessionId, Asked), now: Timestamp) -> Option<Remembered> {
        let mut memory = self.memory();
        // A clock that was set back must not lengthen the time.
        memory.retain(|_, known| known.at <= now && now.since(known.at) < REMEMBERED);
        memory.get(key).copied()
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<(SessionId, Asked), Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only to name them in the entry; nothing of it is answered before that.
    async fn staff_of(&self, whose: &Whose) -> Result<Option<StaffId>, EnquiryError> {
        Ok(match whose {
            Whose::Staff(staff) => Some(staff.clone()),
            Whose::Session(session) => {
                self.keep_up(self.ledger.size()).await?;
                self.views.staff_of_session(*session).await?
            }
        })
    }
}

fn percent(part: u64, of: Option<u64>) -> Option<f64> {
    of.filter(|of| *of > 0).map(|of| 100.0 * part as f64 / of as f64)
}
