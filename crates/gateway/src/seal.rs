//! P1 as a type: nothing is shown before it is recorded.
//!
//! A [`Sealed`] holds an answer that is ready for the browser together with what it shows. Its fields
//! are private, it cannot be cloned or borrowed, and it has one way out, [`Sealed::open`], which takes
//! entries that a receipt has proved to be in the ledger, and compares them with what the answer shows.

use axum::body::Body;
use http::Response;
use ledger::Verified;
use model::entry::{Listed, Refused, Revealed, Viewer};
use model::{ClassSet, Commitment, Digest, Event, MarkId, Opening, ResponseId};

/// What an answer shows, and of whom.
#[derive(Debug, Default)]
pub struct Shows {
    /// Customers whose record it shows.
    records: Vec<Shown>,
    /// Customers who are rows in it.
    rows: Vec<Shown>,
    /// Whether something in it could not be read, so that nobody can say whom it shows.
    unread: bool,
    /// The mark that lies over it, or that it is.
    mark: Option<MarkId>,
}

#[derive(Debug)]
struct Shown {
    opening: Opening,
    classes: ClassSet,
}

impl Shows {
    /// Nothing of any customer.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Something that nobody has read: passed on in `observe` only.
    pub fn unread() -> Self {
        Self { unread: true, ..Self::default() }
    }

    /// Also `classes` of the record of the customer whom `opening` names.
    pub fn record(&mut self, opening: Opening, classes: ClassSet) {
        self.records.push(Shown { opening, classes });
    }

    /// Also a row of the customer whom `opening` names.
    pub fn row(&mut self, opening: Opening, classes: ClassSet) {
        self.rows.push(Shown { opening, classes });
    }

    /// Also something that nobody has read.
    pub fn and_unread(&mut self) {
        self.unread = true;
    }

    /// Also this mark.
    pub fn mark(&mut self, mark: MarkId) {
        self.mark = Some(mark);
    }

    /// Whether it shows something of customers, or something that nobody has read.
    pub fn is_something(&self) -> bool {
        self.unread || !self.records.is_empty() || !self.rows.is_empty()
    }

    /// Every class that it shows of somebody.
    pub fn classes(&self) -> ClassSet {
        let all = self.records.iter().chain(&self.rows);
        all.fold(ClassSet::EMPTY, |classes, shown| classes.union(shown.classes))
    }

    /// How many rows there are, the root over the commitments to them, and what they show together.
    pub fn listing(&self) -> Option<Listing> {
        (!self.rows.is_empty()).then(|| {
            let subjects: Vec<Commitment> = self.rows.iter().map(|row| row.opening.commitment()).collect();
            Listing {
                rows: u32::try_from(self.rows.len()).unwrap_or(u32::MAX),
                subjects: Digest::over(&subjects),
                classes: self.rows.iter().fold(ClassSet::EMPTY, |all, row| all.union(row.classes)),
            }
        })
    }

    /// The openings of the rows, in the order in which [`listing`](Self::listing) commits to them.
    pub fn row_openings(&self) -> Vec<Opening> {
        self.rows.iter().map(|row| row.opening.clone()).collect()
    }
}

/// The rows of an answer, as an entry speaks of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// How many.
    pub rows: u32,
    /// The root over the commitments.
    pub subjects: Digest,
    /// Every class that some row shows unmasked.
    pub classes: ClassSet,
}

/// An answer that nobody has seen yet.
#[must_use = "a sealed answer that is not opened is never shown"]
pub struct Sealed {
    response: ResponseId,
    viewer: Viewer,
    shows: Shows,
    answer: Response<Body>,
}

impl Sealed {
    /// Seals `answer`, which shows `shows` to `viewer` and is called `response` in the ledger.
    pub fn new(response: ResponseId, viewer: Viewer, shows: Shows, answer: Response<Body>) -> Self {
        Self { response, viewer, shows, answer }
    }

    /// Opens it with the entries that record it: for each customer whose record it shows a look that
    /// covers the classes shown, for its rows one listing of exactly these rows, and for what nobody
    /// has read an entry that says so; all of them of this response, and by this viewer. For the mark that lies over
    /// it, the entry that issues it to this viewer.
    pub fn open(self, receipts: &[Verified]) -> Result<Response<Body>, NotCovered> {
        let recorded = |covers: &dyn Fn(&Event) -> bool| receipts.iter().any(|r| covers(&r.entry().event));

        for shown in &self.shows.records {
            let subject = shown.opening.commitment();
            if !recorded(&|event| match event {
                Event::Revealed(look) => self.is_look(look, subject, shown.classes),
                _ => false,
            }) {
                return Err(NotCovered::Record(self.response));
            }
        }
        if let Some(listing) = self.shows.listing()
            && !recorded(&|event| matches!(event, Event::Listed(listed) if self.is_listing(listed, &listing)))
        {
            return Err(NotCovered::Rows(self.response));
        }
        if self.shows.unread
            && !recorded(&|event| matches!(event, Event::Refused(refused) if self.is_note(refused)))
        {
            return Err(NotCovered::Unread(self.response));
        }
        if let Some(mark) = self.shows.mark
            && !recorded(
                &|event| matches!(event, Event::MarkIssued(issued) if issued.mark == mark && issued.by == self.viewer),
            )
        {
            return Err(NotCovered::Mark(self.response));
        }
        Ok(self.answer)
    }

    fn is_look(&self, look: &Revealed, subject: Commitment, shown: ClassSet) -> bool {
        look.response == self.response
            && look.by == self.viewer
            && look.subject == subject
            && look.classes.covers(shown)
    }

    fn is_listing(&self, listed: &Listed, listing: &Listing) -> bool {
        listed.response == self.response
            && listed.by == self.viewer
            && listed.rows == listing.rows
            && listed.subjects == listing.subjects
            && listed.classes.covers(listing.classes)
    }

    fn is_note(&self, refused: &Refused) -> bool {
        refused.response == self.response && refused.session == Some(self.viewer.session)
    }
}

/// The entries do not record what the answer shows: it stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCovered {
    /// A customer's record is shown that no entry records, or more of it than the entry says.
    #[error("{0} shows a record that no entry covers")]
    Record(ResponseId),
    /// Rows are shown that no entry records.
    #[error("{0} shows rows that no entry covers")]
    Rows(ResponseId),
    /// It shows what nobody has read, and no entry says so.
    #[error("{0} shows what nobody has read, and no entry says so")]
    Unread(ResponseId),
    /// A mark lies over it that no entry issues.
    #[error("{0} has a mark that no entry issues")]
    Mark(ResponseId),
}
