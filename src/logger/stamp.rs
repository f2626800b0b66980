//! Lines behind the time at which they came. Pure but for the local time zone.
//!
//! Whether a line goes on or begins is told by the file that it goes to, so nothing is kept
//! between two pieces of it.

use std::time::SystemTime;

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

const FORMAT: &[BorrowedFormatItem<'_>] = format_description!(
    "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3][offset_hour sign:mandatory]:[offset_minute] "
);

/// How long a stamp is, in bytes.
pub(super) const LEN: u64 = 30;

/// What a line begins with that comes at this time: as RFC 3339 has it, local, to the
/// millisecond, and a blank.
pub(super) fn stamp(wall: SystemTime) -> String {
    let time = OffsetDateTime::from(wall);
    // An unknown time zone is read as UTC, and the offset says so.
    let local = UtcOffset::local_offset_at(time).map_or(time, |offset| time.to_offset(offset));
    local.format(FORMAT).unwrap_or_default()
}

/// Appends these bytes to `text`, each line that begins in them behind the stamp. `within`: the
/// first of them goes on with a line.
pub(super) fn lines(raw: &[u8], within: bool, stamp: &str, text: &mut Vec<u8>) {
    for (line, stamp) in pieces(raw, within, stamp) {
        text.extend_from_slice(stamp.as_bytes());
        text.extend_from_slice(line);
    }
}

/// How many of the bytes given to [`lines`] stand in the first `len` that came out, and at which
/// length these end without a stamp that is cut or has nothing of its line behind it.
pub(super) fn taken(raw: &[u8], within: bool, stamp: &str, len: usize) -> (usize, usize) {
    let (mut from, mut to) = (0, 0);
    for (line, stamp) in pieces(raw, within, stamp) {
        let part = len.saturating_sub(to + stamp.len()).min(line.len());
        if part > 0 {
            from += part;
            to += stamp.len() + part;
        }
        if part < line.len() {
            break;
        }
    }
    (from, to)
}

/// Each line, or the part of it that is there, with what goes before it.
fn pieces<'a>(
    raw: &'a [u8],
    within: bool,
    stamp: &'a str,
) -> impl Iterator<Item = (&'a [u8], &'a str)> {
    let goes_on = std::iter::once(within).chain(std::iter::repeat(false));
    let lines = raw.split_inclusive(|byte| *byte == b'\n');
    lines.zip(goes_on).map(move |(line, goes_on)| (line, if goes_on { "" } else { stamp }))
}

/// As many of these bytes as are whole lines; all, if there is no line end.
pub(super) fn whole(raw: &[u8]) -> &[u8] {
    let end = raw.iter().rposition(|byte| *byte == b'\n').map_or(raw.len(), |place| place + 1);
    raw.get(..end).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(raw: &str, within: bool) -> String {
        let mut text = Vec::new();
        lines(raw.as_bytes(), within, "T ", &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_line_that_begins_has_a_stamp() {
        assert_eq!(stamped("a\n\nb", false), "T a\nT \nT b");
        assert_eq!(stamped("a\nb\n", true), "a\nT b\n");
        assert_eq!(stamped("\n", true), "\n");
        assert_eq!(stamped("", false), "");
    }

    #[test]
    fn what_was_taken_is_told_from_what_was_written() {
        // T _ a a \n T _ b
        let told = |len| taken(b"aa\nb", false, "T ", len);
        assert_eq!([0, 1, 2].map(told), [(0, 0); 3]);
        assert_eq!([3, 4, 5].map(told), [(1, 3), (2, 4), (3, 5)]);
        assert_eq!([6, 7].map(told), [(3, 5); 2]);
        assert_eq!(told(8), (4, 8));
        assert_eq!(taken(b"aa\nb", true, "T ", 4), (3, 3));
    }

    #[test]
    fn a_stamp_is_always_as_long() {
        let text =
            stamp(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_431_601_123));
        assert_eq!(u64::try_from(text.len()).unwrap(), LEN, "{text:?}");
        assert!(text.starts_with("2026-11-2") && text.contains(".123") && text.ends_with("00 "));
    }
}
