//! Times for people: local, with the offset where it matters.

use std::time::{Duration, SystemTime};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

const RFC3339: &[BorrowedFormatItem<'_>] = format_description!(
    "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3][offset_hour sign:mandatory]:[offset_minute]"
);
const SHORT: &[BorrowedFormatItem<'_>] =
    format_description!("[month repr:short] [day padding:none] [hour]:[minute]:[second]");
const CLOCK: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]:[second]");
const SYSLOG: &[BorrowedFormatItem<'_>] =
    format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second]");

/// As RFC 3339 has it, to the millisecond.
pub(super) fn rfc3339(wall: SystemTime) -> String {
    local(wall).format(RFC3339).unwrap_or_default()
}

/// Month, day and time.
pub(super) fn short(wall: SystemTime) -> String {
    local(wall).format(SHORT).unwrap_or_default()
}

/// The time of day.
pub(super) fn clock(wall: SystemTime) -> String {
    local(wall).format(CLOCK).unwrap_or_default()
}

/// The time in a frame of syslog(3).
pub(super) fn syslog(wall: SystemTime) -> String {
    local(wall).format(SYSLOG).unwrap_or_default()
}

fn local(wall: SystemTime) -> OffsetDateTime {
    let time = OffsetDateTime::from(wall);
    // An unknown time zone is read as UTC, and the offset says so.
    UtcOffset::local_offset_at(time).map_or(time, |offset| time.to_offset(offset))
}

/// A time span for people: `0.5s`, `12s`, `3m20s`, `2h05m`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 if time.subsec_millis() >= 100 => format!("{:.1}s", time.as_secs_f64()),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (millis, text) in
            [(0, "0s"), (500, "0.5s"), (2000, "2s"), (61_000, "1m01s"), (7_500_000, "2h05m")]
        {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
