//! A line of a file with a caret under a column, fit for any terminal.

use super::width::char_width;
use std::fmt::Write;

/// Columns that an excerpt takes at most, the dots of what is cut off included.
const WIDTH: usize = 76;
/// Columns that are shown before the caret at least, when a line is cut.
const BEFORE: usize = 40;
const DOTS: &str = "...";

/// The excerpt for a line and column, both from 1; none if the text has no such line.
pub(super) fn excerpt(text: &str, line: usize, column: usize) -> Option<String> {
    let line = &without_credentials(nth_line(text, line.checked_sub(1)?)?);
    let column = column.saturating_sub(1);
    let room = WIDTH - 2 * DOTS.len();
    let start = if column > room { column - BEFORE } else { 0 };
    let mut shown = if start > 0 { DOTS.to_owned() } else { String::new() };
    let mut width = shown.len();
    let mut caret = width;
    let mut letters = line.chars().enumerate().skip(start);
    for (number, letter) in letters.by_ref() {
        if number == column {
            caret = width;
        }
        let letter = if is_harmless(letter) { letter } else { replacement(letter) };
        shown.push(letter);
        width += char_width(letter);
        if number < column {
            caret = width;
        }
        if width > room {
            break;
        }
    }
    if letters.next().is_some() {
        shown.push_str(DOTS);
    }
    let mut excerpt = String::new();
    write!(excerpt, "  {}\n  {:caret$}^", shown.trim_end(), "").ok()?;
    Some(excerpt)
}

/// The line with what may be a password in the URL of a mail server made unreadable, and every
/// column where it was.
fn without_credentials(line: &str) -> String {
    let url = ["smtp://", "smtps://"].iter().find_map(|scheme| Some((line.find(scheme)?, *scheme)));
    let Some((at, scheme)) = url else { return line.to_owned() };
    let (before, rest) = line.split_at(at + scheme.len());
    let (credentials, after) = rest.rsplit_once('@').unwrap_or(("", rest));
    if credentials.is_empty() {
        return line.to_owned();
    }
    format!("{before}{}@{after}", "*".repeat(credentials.chars().count()))
}

/// Whether a terminal shows this letter where it stands and does nothing else.
pub(super) fn is_harmless(letter: char) -> bool {
    let reorders = matches!(letter,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    !letter.is_control() && !reorders
}

fn replacement(letter: char) -> char {
    if letter == '\t' { ' ' } else { '\u{fffd}' }
}

/// A line by its number from 0, lines ending where YAML ends them.
fn nth_line(text: &str, number: usize) -> Option<&str> {
    let is_end = |letter| matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut rest = text;
    for _ in 0..number {
        let (_, below) = rest.split_once(is_end)?;
        let returned =
            rest.len() > below.len() && rest.get(..rest.len() - below.len())?.ends_with('\r');
        rest = if returned { below.strip_prefix('\n').unwrap_or(below) } else { below };
    }
    rest.split(is_end).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let line = "mail: {server: 'smtp://me:hunter2@h', x: 1}";
        let shown = excerpt(line, 1, 39).unwrap();
        assert!(shown.starts_with("  mail: {server: 'smtp://**********@h', x: 1}\n"), "{shown}");
    }

    #[test]
    fn the_caret_stands_under_the_column() {
        let text = "programs:\n  api:\n    numprocs: 0\n";
        assert_eq!(excerpt(text, 3, 15).unwrap(), "      numprocs: 0\n                ^");
        assert_eq!(excerpt(text, 1, 1).unwrap(), "  programs:\n  ^");
        assert_eq!(excerpt("", 1, 1).unwrap(), "  \n  ^");
        assert_eq!(excerpt(text, 9, 1), None);
    }

    #[test]
    fn a_column_past_the_end_is_just_behind_it() {
        assert_eq!(excerpt("a: ", 1, 4).unwrap(), "  a:\n     ^");
    }

    #[test]
    fn tabs_and_wide_letters_keep_the_caret_in_place() {
        assert_eq!(excerpt("a\tb: x", 1, 6).unwrap(), "  a b: x\n       ^");
        assert_eq!(excerpt("日本: x", 1, 5).unwrap(), "  日本: x\n        ^");
        assert_eq!(excerpt("e\u{301}: x", 1, 5).unwrap(), "  e\u{301}: x\n     ^");
    }

    #[test]
    fn what_would_move_a_terminal_is_replaced() {
        let shown = excerpt("a: \u{1b}[31m\u{202e}x", 1, 4).unwrap();
        assert_eq!(shown, "  a: \u{fffd}[31m\u{fffd}x\n     ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let line = format!("{}X{}", "a".repeat(1000), "b".repeat(1000));
        let shown = excerpt(&line, 1, 1001).unwrap();
        let (above, below) = shown.split_once('\n').unwrap();
        assert!(above.len() < 80, "{above}");
        assert_eq!(above.chars().nth(below.len() - 1), Some('X'));
        assert!(above.trim().starts_with("...a") && above.ends_with("b..."));
    }

    #[test]
    fn lines_end_as_yaml_ends_them() {
        for text in ["a\nb\nc", "a\r\nb\r\nc", "a\rb\rc", "a\u{85}b\u{2028}c"] {
            assert_eq!(nth_line(text, 2), Some("c"), "{text:?}");
        }
        assert_eq!(nth_line("a\n\nc", 1), Some(""));
    }
}
