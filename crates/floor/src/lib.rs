//! A simulated support floor: ten thousand customers and thirty staff who do not exist, a small
//! support desk for them to meet at, and the people at work on it.
//!
//! The floor stands beside the house. It imports only the words of `model` and meets the rest as
//! strangers do: the [`desk`] is an app like any other, which knows nothing of Sightline, and
//! [`drive`] works through the gateway over HTTP, with a cookie jar and no other way in. [`history`] makes
//! up a floor's past as an access log, for detection to be measured on.

pub mod desk;
pub mod dice;
pub mod drive;
pub mod history;
pub mod population;

pub use population::Population;
