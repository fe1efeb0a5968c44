//! Shifts, and how much of their budgets is used.

use model::entry::Why;
use model::{Budgets, Mode, Tier, Timestamp};

/// A person's shift: it starts with their first look after the last one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub(super) struct Shift {
    #[n(0)]
    pub(super) ends: Timestamp,
    /// What counts against the budgets.
    #[n(1)]
    pub(super) enforced: Used,
    /// What would have counted, had the app not been in `observe`.
    #[n(2)]
    pub(super) observed: Used,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub(super) struct Used {
    #[n(0)]
    weak: u32,
    #[n(1)]
    weak_high_value: u32,
    #[n(2)]
    listed: u32,
}

impl Shift {
    pub(super) fn starting(now: Timestamp, budgets: &Budgets) -> Self {
        Self { ends: now.plus(budgets.shift()), enforced: Used::default(), observed: Used::default() }
    }

    pub(super) fn used(&mut self, mode: Mode) -> &mut Used {
        match mode {
            Mode::Enforce => &mut self.enforced,
            Mode::Observe => &mut self.observed,
        }
    }
}

impl Used {
    pub(super) fn charge(&mut self, tier: Tier) {
        self.weak = self.weak.saturating_add(1);
        if tier.is_high_value() {
            self.weak_high_value = self.weak_high_value.saturating_add(1);
        }
    }

    pub(super) fn list(&mut self, rows: u32) {
        self.listed = self.listed.saturating_add(rows);
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            weak: self.weak.saturating_add(other.weak),
            weak_high_value: self.weak_high_value.saturating_add(other.weak_high_value),
            listed: self.listed.saturating_add(other.listed),
        }
    }
}

/// What is left of a shift's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Remaining {
    /// The budgets in force.
    pub settings: Budgets,
    /// Customers looked at with evidence F or G.
    pub weak_used: u32,
    /// Of these, customers of high value.
    pub weak_high_value_used: u32,
    /// Rows seen in lists and search results.
    pub listed_used: u32,
    /// When the shift ends and the budgets are whole again; none if no shift is on.
    pub shift_ends: Option<Timestamp>,
}

impl Remaining {
    pub(super) fn of(settings: Budgets, shift: Option<&Shift>, count: impl FnOnce(&Shift) -> Used) -> Self {
        let used = shift.map(count).unwrap_or_default();
        Self {
            settings,
            weak_used: used.weak,
            weak_high_value_used: used.weak_high_value,
            listed_used: used.listed,
            shift_ends: shift.map(|shift| shift.ends),
        }
    }

    /// How many more customers may be looked at with evidence F or G.
    pub fn weak_left(&self) -> u32 {
        self.settings.weak_per_shift.saturating_sub(self.weak_used)
    }

    /// How many more customers of high value may be looked at with evidence F or G.
    pub fn weak_high_value_left(&self) -> u32 {
        self.settings
            .weak_high_value_per_shift
            .saturating_sub(self.weak_high_value_used)
            .min(self.weak_left())
    }

    /// How many more rows may be seen in lists and search results.
    pub fn listed_left(&self) -> u32 {
        self.settings.listed_per_shift.saturating_sub(self.listed_used)
    }

    /// The budget that one more weak look at a customer of this tier would overdraw.
    pub fn over_with_weak(&self, tier: Tier) -> Option<Why> {
        if self.weak_left() == 0 {
            Some(Why::WeakBudget)
        } else if tier.is_high_value() && self.weak_high_value_left() == 0 {
            Some(Why::HighValueBudget)
        } else {
            None
        }
    }

    /// The budget that a list of so many rows would overdraw.
    pub fn over_with_rows(&self, rows: u32) -> Option<Why> {
        (rows > self.listed_left()).then_some(Why::ListingBudget)
    }
}
