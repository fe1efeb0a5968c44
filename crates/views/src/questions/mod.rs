//! The questions.
use crate::*;
use model::{SessionId, StaffId, Timestamp};

impl Views {
    /// The overview page.
    pub async fn overview(&self, _span: Span) -> Result<Overview, ViewsError> {
        todo!()
    }
    /// Staff and what they did in the span.
    pub async fn staff_list(
        &self,
        _filter: StaffFilter,
        _span: Span,
        _page: Page,
    ) -> Result<Paged<StaffRow>, ViewsError> {
        todo!()
    }
    /// A staff member at a glance; none if the ledger never named them.
    pub async fn staff_summary(
        &self,
        _staff: StaffId,
        _span: Span,
    ) -> Result<Option<StaffSummary>, ViewsError> {
        todo!()
    }
    /// What a staff member did and what was done about them, the newest first.
    pub async fn staff_timeline(
        &self,
        _staff: StaffId,
        _span: Span,
        _page: Page,
    ) -> Result<Paged<Happening>, ViewsError> {
        todo!()
    }
    /// The customer behind a reference.
    pub async fn customer(&self, _reference: CustomerRef) -> Result<Customer, ViewsError> {
        todo!()
    }
    /// How often the customer was before somebody's eyes.
    pub async fn customer_summary(&self, _whom: Whom, _span: Span) -> Result<CustomerSummary, ViewsError> {
        todo!()
    }
    /// Before whose eyes the customer was, the newest first.
    pub async fn who_saw(
        &self,
        _whom: Whom,
        _span: Span,
        _page: Page,
    ) -> Result<Paged<Exposure>, ViewsError> {
        todo!()
    }
    /// What somebody's looks could have shown, in figures.
    pub async fn reach(&self, _whose: Whose, _span: Span) -> Result<Reach, ViewsError> {
        todo!()
    }
    /// The customers seen, in the order of their first look.
    pub async fn reached(
        &self,
        _whose: Whose,
        _span: Span,
        _page: Page,
    ) -> Result<Paged<Reached>, ViewsError> {
        todo!()
    }
    /// The customers in lists, in the order of their first listing.
    pub async fn reached_in_lists(
        &self,
        _whose: Whose,
        _span: Span,
        _page: Page,
    ) -> Result<Paged<Reached>, ViewsError> {
        todo!()
    }
    /// A blast radius as a whole.
    pub async fn blast_radius(&self, _whose: Whose, _span: Span) -> Result<BlastRadius, ViewsError> {
        todo!()
    }
    /// The first-look report.
    pub async fn first_look(&self, _span: Span) -> Result<FirstLook, ViewsError> {
        todo!()
    }
    /// Sessions, the newest first; only those open at `now`, or all.
    pub async fn sessions(
        &self,
        _open_only: bool,
        _now: Timestamp,
        _page: Page,
    ) -> Result<Paged<SessionRow>, ViewsError> {
        todo!()
    }
    /// Whose session this is, if it is known.
    pub async fn staff_of_session(&self, _session: SessionId) -> Result<Option<StaffId>, ViewsError> {
        todo!()
    }
}
