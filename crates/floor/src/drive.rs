//! People at work, over HTTP.

use std::time::Duration;

/// So many seconds of a real floor, at this speed.
pub(crate) fn scaled(seconds: f64, speed: f64) -> Duration {
    Duration::try_from_secs_f64(seconds / speed.max(f64::MIN_POSITIVE)).unwrap_or(Duration::MAX)
}
