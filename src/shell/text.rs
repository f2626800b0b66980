//! Text as people see it: without control characters, measured in columns, and
//! times in units of a handy size.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::config::char_width;

/// The text with control characters made visible, so that no program's name or
/// message can play with the terminal. A newline stays.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            _ if is_unsafe(char) => {
                let _ = match u32::from(char) {
                    byte @ 0..=0xff => write!(shown, "\\x{byte:02x}"),
                    other => write!(shown, "\\u{{{other:x}}}"),
                };
            }
            _ => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

/// The same for what a program printed: there a tab is a tab.
pub(super) fn clean_output(text: &str) -> String {
    let parts: Vec<_> = text.split('\t').map(clean).collect();
    parts.join("\t")
}

/// The same for what has to stay on one line.
pub(super) fn clean_line(text: &str) -> Cow<'_, str> {
    match clean(text) {
        clean if clean.contains('\n') => Cow::Owned(clean.replace('\n', "\\n")),
        clean => clean,
    }
}

/// Control characters, and the marks that turn the direction of writing around, with
/// which one name can be made to look like another.
fn is_unsafe(char: char) -> bool {
    (char.is_control() && char != '\n')
        || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many columns the text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The text, filled with blanks to this many columns.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{text}{:blanks$}", "")
}

/// The text, cut with … to at most this many columns.
pub(super) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut left = columns.saturating_sub(1);
    let mut short: String = text
        .chars()
        .take_while(|&char| {
            let fits = char_width(char) <= left;
            left = left.saturating_sub(char_width(char));
            fits
        })
        .collect();
    if columns > 0 {
        short.push('…');
    }
    Cow::Owned(short)
}

/// The text in lines of at most this many columns, broken at blanks, and within words that are
/// longer than a line.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for (at, word) in text.split(' ').enumerate() {
        let needed = usize::from(at > 0) + width(word);
        if used > 0 && used + needed > columns {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            used = 0;
        } else if at > 0 {
            line.push(' ');
            used += 1;
        }
        for char in word.chars() {
            if used + char_width(char) > columns {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(char);
            used += char_width(char);
        }
    }
    lines.push(line);
    lines
}

/// Seconds in the two units that say most: `3s`, `4m12s`, `2h05m`, `3d04h`.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(clean("web\u{1b}[31m\u{7f}\u{9b}\t\r"), "web\\x1b[31m\\x7f\\x9b\\t\\r");
        assert_eq!(clean("two\nlines"), "two\nlines");
        assert_eq!(clean_line("two\nlines"), "two\\nlines");
        assert_eq!(clean("\u{202e}gnp"), "\\u{202e}gnp");
        assert!(matches!(clean("Wörter"), Cow::Borrowed("Wörter")));
    }

    #[test]
    fn width_counts_columns() {
        assert_eq!(width("web"), 3);
        assert_eq!(width("日本"), 4);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad("long", 2), "long");
    }

    #[test]
    fn a_cut_never_takes_more_than_its_columns() {
        assert_eq!(cut("exit 3", 6), "exit 3");
        assert_eq!(cut("exit 3", 5), "exit…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("exit", 1), "…");
        assert_eq!(cut("exit", 0), "");
    }

    #[test]
    fn lines_are_broken_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap("exit 3; retry 2 of 3", 8), ["exit 3;", "retry 2", "of 3"]);
        assert_eq!(wrap("a  b", 10), ["a  b"]);
        assert_eq!(wrap("/no/such/file x", 6), ["/no/su", "ch/fil", "e x"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn durations_have_two_units() {
        let shown = [0, 59, 60, 252, 7500, 86399, 86400, 273_600].map(duration);
        assert_eq!(shown, ["0s", "59s", "1m00s", "4m12s", "2h05m", "23h59m", "1d00h", "3d04h"]);
    }
}
