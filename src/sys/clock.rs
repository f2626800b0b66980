//! The one place that reads the clocks. The loop does so once a turn.
#![allow(clippy::disallowed_methods)] // this is the place

use std::time::{Duration, Instant, SystemTime};

/// The monotonic clock.
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for people.
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Does nothing for so long, or until a signal comes. Never in the daemon.
pub fn rest(time: Duration) {
    let _ = nix::time::clock_nanosleep(
        nix::time::ClockId::CLOCK_MONOTONIC,
        nix::time::ClockNanosleepFlags::empty(),
        &time.into(),
    );
}

/// The monotonic clock, and what the kernel shows for it: nanoseconds since the boot, which are
/// the same for all processes.
pub fn monotonic() -> (Instant, u64) {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    let nanos = now.map_or(0, |now| Duration::from(now).as_nanos());
    (Instant::now(), u64::try_from(nanos).unwrap_or(0))
}
