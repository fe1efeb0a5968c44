//! Customers: whose record it is.

use crate::words;

words! {
    /// How much harm a look at this customer can do.
    pub enum Tier as "customer tier" {
        /// Everybody.
        Standard = 0 "standard",
        /// A customer whose exposure is worth a bribe. Unexplained looks are budgeted apart.
        HighValue = 1 "high_value",
        /// A customer under special protection.
        Protected = 2 "protected",
    }
}

impl Tier {
    /// Whether looks at this customer fall under the high-value budget.
    pub fn is_high_value(self) -> bool {
        self != Tier::Standard
    }
}
