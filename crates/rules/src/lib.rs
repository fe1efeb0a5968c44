//! Sigma 2.1 rules with correlations over the ledger's entries, as OCSF tells them.
//!
//! A [`RuleSet`] is compiled of whole files or not at all, and says what is wrong by file and line. It takes entries in
//! the order of the ledger and says which rules they meet; the same entries give the same hits. What a rule may cost is
//! bounded when it is compiled ([`bounds`](mod@bounds)) and while it counts ([`RuleSet::take_overflows`]): a rule that
//! asks for too much loses its own counts, and nobody else's.
//!
//! Open first: `set.rs` (files become a set), then `count.rs` (what a correlation may keep).

pub mod bounds;
mod count;
mod event;
mod follow;
mod problem;
mod rule;
mod set;
mod settings;
pub mod shipped;
mod source;
pub mod testing;

pub use count::Overflow;
pub use event::Knowledge;
pub use follow::{Follower, Parts, Rules, RulesError, Status, check};
pub use problem::Problem;
pub use rule::{Kind, Rule};
pub use set::{Hit, RuleSet};
pub use settings::RulesSettings;
pub use source::{RuleFile, read};
