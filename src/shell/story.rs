//! What `status NAME` shows below the row: each detail behind what it is about.

use super::paint::{Colour, Paint};
use super::text::{clean_line, pad, width, wrap};
use crate::protocol::DetailRow;

/// Room for a line is never less than this.
const LEAST: usize = 20;

/// All details. `columns` is the width of the terminal, if it is one.
pub(super) fn text(details: &[DetailRow], paint: Paint, columns: Option<usize>) -> String {
    let widest = details.iter().map(|detail| width(&clean_line(&detail.about))).max().unwrap_or(0);
    let indent = widest + 4;
    let room = columns.map(|columns| columns.saturating_sub(indent).max(LEAST));
    let mut text = String::new();
    for detail in details {
        let mut about = paint.paint(Colour::Bold, &pad(&clean_line(&detail.about), widest));
        for line in &detail.lines {
            for part in in_lines(&clean_line(line), room) {
                text += format!("  {about}  {part}").trim_end();
                text.push('\n');
                about = " ".repeat(widest);
            }
        }
    }
    text
}

/// A line within this many columns; what does not fit is moved in below it.
fn in_lines(line: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room.filter(|room| width(line) > *room) else { return vec![line.to_owned()] };
    let parts = wrap(line, room.saturating_sub(2));
    let moved = |(at, part): (usize, String)| if at == 0 { part } else { format!("  {part}") };
    parts.into_iter().enumerate().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn detail(about: &str, lines: &[&str]) -> DetailRow {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        DetailRow { about: about.to_owned(), lines }
    }

    #[test]
    fn lines_stand_below_each_other_behind_what_they_are_about() {
        let plain = Paint::new(false, &BTreeMap::new());
        let details = [detail("command", &["sleep 1"]), detail("last", &["a", "", "b\u{1b}[2J"])];
        let expected = "  command  sleep 1\n  last     a\n\n           b\\x1b[2J\n";
        assert_eq!(text(&details, plain, None), expected);
        let details = [detail("command", &["run one two three four five six"])];
        let expected = "  command  run one two three\n             four five six\n";
        assert_eq!(text(&details, plain, Some(32)), expected);
    }
}
