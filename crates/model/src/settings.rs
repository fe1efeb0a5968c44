//! Settings that admission depends on. They are entries too (P8), so that a replay of the ledger
//! decides as it was decided then.

use std::time::Duration;

use crate::words;

words! {
    /// What Sightline does in front of an app.
    pub enum Mode as "mode" {
        /// Nothing is blocked or masked; everything is recorded, with what enforcement would have done.
        Observe = 0 "observe",
        /// The policy is carried out.
        Enforce = 1 "enforce",
    }
}

/// How much one staff member may see in a shift without a reason that others vouch for (P4).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    minicbor::Encode,
    minicbor::Decode,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// Customers with evidence F or G, a shift.
    #[n(0)]
    pub weak_per_shift: u32,
    /// Of these, customers of high value, a shift.
    #[n(1)]
    pub weak_high_value_per_shift: u32,
    /// Rows in lists and search results of customers to whom no ticket of theirs leads, a shift.
    #[n(2)]
    pub listed_per_shift: u32,
    /// How long a shift is, from its first look.
    #[n(3)]
    pub shift_hours: u32,
    /// How long a grant lasts.
    #[n(4)]
    pub grant_minutes: u32,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            weak_per_shift: 2,
            weak_high_value_per_shift: 1,
            listed_per_shift: 300,
            shift_hours: 10,
            grant_minutes: 120,
        }
    }
}

impl Budgets {
    /// How long a shift is.
    pub fn shift(&self) -> Duration {
        Duration::from_secs(u64::from(self.shift_hours) * 3600)
    }

    /// How long a grant lasts.
    pub fn grant(&self) -> Duration {
        Duration::from_secs(u64::from(self.grant_minutes) * 60)
    }
}
