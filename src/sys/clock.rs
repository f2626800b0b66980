//! The one place that reads the clocks. The loop does so once a turn.
#![allow(clippy::disallowed_methods)] // this is the place

use std::time::{Instant, SystemTime};

/// The monotonic clock.
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for people.
pub fn wall() -> SystemTime {
    SystemTime::now()
}
