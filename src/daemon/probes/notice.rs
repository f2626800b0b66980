//! What a program says of itself: the text of a datagram of sd_notify(3).
//!
//! Pure. Lines of `KEY=value`, of which four are understood; all others (RELOADING, STOPPING,
//! MAINPID, ERRNO, BARRIER, FDSTORE, ...) are somebody else's, and no error. The last of two
//! that contradict each other counts.
#![forbid(unsafe_code)]

use std::time::Duration;

/// The longest status that is kept, in characters.
const STATUS_LIMIT: usize = 200;

/// What a datagram says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Notice {
    /// `READY=1`: it has started.
    pub(super) is_ready: bool,
    /// `STATUS=`, for people: a line without control characters. Empty: it has none any more.
    pub(super) status: Option<String>,
    /// `WATCHDOG=`.
    pub(super) watchdog: Option<Watchdog>,
    /// `WATCHDOG_USEC=`: how often it will say that it is alive from now on; zero: not at all.
    pub(super) watchdog_time: Option<Duration>,
}

/// What is said to the watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watchdog {
    /// `1`: alive.
    Alive,
    /// `trigger`: in trouble, and not to be waited for.
    Trigger,
}

/// Reads a datagram, whatever is in it.
pub(super) fn parse(datagram: &[u8]) -> Notice {
    let mut notice = Notice::default();
    for line in datagram.split(|byte| *byte == b'\n') {
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = line.split_at(equals);
        let value = value.get(1..).unwrap_or_default();
        match (key, value) {
            (b"READY", b"1") => notice.is_ready = true,
            (b"STATUS", text) => notice.status = Some(clean(text)),
            (b"WATCHDOG", b"1") => notice.watchdog = Some(Watchdog::Alive),
            (b"WATCHDOG", b"trigger") => notice.watchdog = Some(Watchdog::Trigger),
            (b"WATCHDOG_USEC", micros) => {
                notice.watchdog_time = number(micros).or(notice.watchdog_time);
            }
            _ => {}
        }
    }
    notice
}

fn number(digits: &[u8]) -> Option<Duration> {
    let digits = std::str::from_utf8(digits).ok()?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(Duration::from_micros))?
}

/// Text for a table: what is no text, and what would move the cursor, becomes U+FFFD.
pub(super) fn clean(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.trim().chars().take(STATUS_LIMIT).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_known_is_read_and_the_rest_left_alone() {
        let text = b"READY=1\nSTATUS=Serving 3 of 4\nMAINPID=17\nWATCHDOG=1\nFDSTORE=1\n\
                     WATCHDOG_USEC=2500000\n";
        let expected = Notice {
            is_ready: true,
            status: Some("Serving 3 of 4".to_owned()),
            watchdog: Some(Watchdog::Alive),
            watchdog_time: Some(Duration::from_millis(2500)),
        };
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn nothing_else_is_taken_for_one_of_them() {
        for text in [
            "",
            "\n\n",
            "READY",
            "READY=",
            "READY=0",
            "READY=11",
            "READY=1 ",
            " READY=1",
            "ready=1",
            "XREADY=1",
            "=1",
            "RELOADING=1",
            "STOPPING=1",
            "BARRIER=1",
            "WATCHDOG=2",
            "WATCHDOG=TRIGGER",
            "WATCHDOG_USEC=",
            "WATCHDOG_USEC=-1",
            "WATCHDOG_USEC=+1",
            "WATCHDOG_USEC=1s",
            "WATCHDOG_USEC=99999999999999999999999",
            "READY=1\0",
        ] {
            assert_eq!(parse(text.as_bytes()), Notice::default(), "{text:?}");
        }
    }

    #[test]
    fn the_last_word_counts() {
        let notice = parse(b"STATUS=a\nWATCHDOG=1\nSTATUS=\nWATCHDOG=trigger");
        assert_eq!(notice.status.as_deref(), Some(""));
        assert_eq!(notice.watchdog, Some(Watchdog::Trigger));
        assert_eq!(parse(b"WATCHDOG_USEC=0").watchdog_time, Some(Duration::ZERO));
    }

    #[test]
    fn a_status_is_a_short_line_of_plain_text() {
        let status = |text: &[u8]| parse(text).status.unwrap();
        assert_eq!(status(b"STATUS= a\x1b[31m\tb\x07=c "), "a\u{fffd}[31m\u{fffd}b\u{fffd}=c");
        assert_eq!(status(b"STATUS=\xff\xc3"), "\u{fffd}\u{fffd}");
        let long = format!("STATUS={}", "\u{e9}".repeat(5000));
        assert_eq!(status(long.as_bytes()), "\u{e9}".repeat(STATUS_LIMIT));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            let notice = parse(&bytes);
            let status = notice.status.unwrap_or_default();
            prop_assert!(!status.contains(char::is_control));
            prop_assert!(status.chars().count() <= STATUS_LIMIT);
        }

        #[test]
        fn ready_is_heard_among_anything(before: Vec<u8>, after: Vec<u8>) {
            let text = [&*before, b"\nREADY=1\n", &*after].concat();
            prop_assert!(parse(&text).is_ready);
        }
    }
}
