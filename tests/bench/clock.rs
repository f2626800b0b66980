//! The one clock: CLOCK_MONOTONIC in nanoseconds, as the children stamp it.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Now, in nanoseconds since some fixed moment; the same for every process.
pub(crate) fn now() -> u64 {
    // The clock is always there.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        u64::try_from(time.tv_sec()).unwrap_or(0) * SECOND
            + u64::try_from(time.tv_nsec()).unwrap_or(0)
    })
}

/// Seconds since then.
pub(crate) fn since(then: u64) -> f64 {
    seconds(now().saturating_sub(then))
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// Lets time pass: here it is what is measured.
#[allow(clippy::disallowed_methods)]
pub(crate) fn pause(milliseconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(milliseconds / 1e3));
}
