//! Why an access is explained.

use crate::words;

words! {
    /// The evidence class: how far the viewer could have made up the reason alone.
    pub enum Evidence as "evidence class" {
        /// Routed to the viewer by the router, and opened by the customer.
        Routed = 0 "A",
        /// Assigned by another person.
        Assigned = 1 "B",
        /// An account linked to an open case.
        Linked = 2 "C",
        /// Picked by the viewer from the queue; the customer opened the ticket.
        Picked = 3 "D",
        /// Created by the viewer, with a verified contact (call, chat, one-time code).
        Contact = 4 "E",
        /// Created by the viewer without contact, or a stale or reopened ticket.
        SelfMade = 5 "F",
        /// None.
        None = 6 "G",
    }
}

impl Evidence {
    /// F and G: reasons that the viewer could have written alone. They are budgeted.
    pub fn is_weak(self) -> bool {
        matches!(self, Evidence::SelfMade | Evidence::None)
    }

    /// One line for people, for example "routed to the viewer".
    pub fn sentence(self) -> &'static str {
        match self {
            Evidence::Routed => "opened by the customer and routed to the viewer",
            Evidence::Assigned => "assigned to the viewer by another person",
            Evidence::Linked => "account linked to an open case of the viewer",
            Evidence::Picked => "picked from the queue by the viewer",
            Evidence::Contact => "created by the viewer, with a verified contact",
            Evidence::SelfMade => "created by the viewer without contact, or stale or reopened",
            Evidence::None => "no ticket links the viewer to this customer",
        }
    }
}

words! {
    /// What the look is for, as the viewer says. A free note may accompany it and never counts.
    pub enum Purpose as "purpose" {
        /// Helping the customer with what they asked.
        CustomerSupport = 0 "customer_support",
        /// Taking over from a colleague.
        Escalation = 1 "escalation",
        /// Reviewing a colleague's work.
        QualityReview = 2 "quality_review",
        /// Looking into suspected fraud.
        FraudInvestigation = 3 "fraud_investigation",
        /// Answering a court or an authority.
        LegalRequest = 4 "legal_request",
        /// Handling an incident.
        IncidentResponse = 5 "incident_response",
        /// An emergency, reviewed afterwards.
        BreakGlass = 6 "break_glass",
    }
}
