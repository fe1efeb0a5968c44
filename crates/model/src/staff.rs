//! Staff: whoever looks.

use crate::{StaffId, Timestamp, words};

words! {
    /// What a staff member is there to do.
    pub enum Role as "role" {
        /// Answers customers.
        Agent = 0 "agent",
        /// Leads a team of agents; assigns tickets.
        Lead = 1 "lead",
        /// Reviews colleagues' work.
        Qa = 2 "qa",
        /// Investigates fraud.
        Fraud = 3 "fraud",
        /// Approves requests of others.
        Approver = 4 "approver",
        /// Works on findings.
        Analyst = 5 "analyst",
        /// Reads everything, changes nothing.
        Auditor = 6 "auditor",
        /// Runs Sightline.
        Admin = 7 "admin",
    }
}

impl Role {
    /// Whether the role may open the console at all.
    pub fn uses_console(self) -> bool {
        matches!(self, Role::Lead | Role::Analyst | Role::Auditor | Role::Admin)
    }

    /// Whether the role may take access away (revoke, suspend).
    pub fn may_revoke(self) -> bool {
        matches!(self, Role::Analyst | Role::Admin)
    }
}

words! {
    /// Whether the staff member may work.
    pub enum StaffStatus as "staff status" {
        /// May work.
        Active = 0 "active",
        /// May not work for now.
        Suspended = 1 "suspended",
        /// Is no longer staff.
        Left = 2 "left",
    }
}

/// What the ledger knows of a staff member. Names and addresses are kept in the staff directory,
/// outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct StaffRecord {
    /// Who; a pseudonym.
    #[n(0)]
    pub staff: StaffId,
    /// What they are there to do.
    #[n(1)]
    pub role: Role,
    /// Which team.
    #[n(2)]
    pub team: String,
    /// `in-house`, or the vendor's name.
    #[n(3)]
    pub employer: String,
    /// Which site, if known.
    #[n(4)]
    pub site: Option<String>,
    /// Whether they may work.
    #[n(5)]
    pub status: StaffStatus,
    /// Training and screening are valid until then; none means that it is not tracked.
    #[n(6)]
    pub cleared_until: Option<Timestamp>,
}
