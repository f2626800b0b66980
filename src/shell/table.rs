//! The table that `status` prints.

use super::paint::{Colour, Paint, of_state};
use super::text::{clean_line, cut, duration, pad, width};
use crate::protocol::Row;

/// A description is not cut shorter than this: rather let the terminal wrap the line.
const LEAST: usize = 12;

/// The cells of one line.
struct Line {
    name: String,
    state: String,
    colour: Colour,
    pid: String,
    uptime: String,
    restarts: String,
    description: String,
}

impl Line {
    fn header() -> Self {
        Self {
            name: "NAME".to_owned(),
            state: "STATE".to_owned(),
            colour: Colour::Plain,
            pid: "PID".to_owned(),
            uptime: "UPTIME".to_owned(),
            restarts: "RESTARTS".to_owned(),
            description: "DESCRIPTION".to_owned(),
        }
    }

    fn of(row: &Row) -> Self {
        let mut description = clean_line(&row.description).into_owned();
        if row.lost_bytes > 0 {
            let gap = if description.is_empty() { "" } else { "; " };
            description += &format!("{gap}{} bytes of output lost", row.lost_bytes);
        }
        if description.is_empty() {
            description.push('-');
        }
        Self {
            name: clean_line(&row.name).into_owned(),
            state: row.state.to_string(),
            colour: of_state(row.state, row.expected),
            pid: row.pid.map_or("-".to_owned(), |pid| pid.to_string()),
            uptime: row.uptime.map_or("-".to_owned(), duration),
            restarts: row.restarts.to_string(),
            description,
        }
    }

    /// The cells that are aligned; the description runs free.
    fn aligned(&self) -> [&str; 5] {
        [&self.name, &self.state, &self.pid, &self.uptime, &self.restarts]
    }
}

/// The whole table. `columns` is the width of the terminal, if it is one.
pub(super) fn status(rows: &[Row], paint: Paint, columns: Option<usize>) -> String {
    if rows.is_empty() {
        return "no processes\n".to_owned();
    }
    let mut lines = vec![Line::header()];
    lines.extend(rows.iter().map(Line::of));
    let mut widths = [0; 5];
    for line in &lines {
        for (widest, cell) in widths.iter_mut().zip(line.aligned()) {
            *widest = (*widest).max(width(cell));
        }
    }
    let taken = widths.iter().sum::<usize>() + 2 * widths.len();
    let left = columns.map(|columns| columns.saturating_sub(taken).max(LEAST));
    lines.iter().map(|line| show(line, widths, left, paint)).collect()
}

/// One line: words to the left, numbers to the right, two blanks between.
fn show(line: &Line, widths: [usize; 5], left: Option<usize>, paint: Paint) -> String {
    let [name, state, pid, uptime, restarts] = widths;
    let description = match left {
        Some(left) => cut(&line.description, left),
        None => line.description.as_str().into(),
    };
    format!(
        "{}  {}  {:>pid$}  {:>uptime$}  {:>restarts$}  {description}\n",
        pad(&line.name, name),
        // Padded before it is painted: the colour's bytes have no width.
        paint.paint(line.colour, &pad(&line.state, state)),
        line.pid,
        line.uptime,
        line.restarts,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::StateName;
    use std::collections::BTreeMap;

    fn row(name: &str, state: StateName, up: Option<(i32, u64)>, description: &str) -> Row {
        Row {
            name: name.to_owned(),
            program: name.to_owned(),
            index: 0,
            state,
            pid: up.map(|(pid, _)| pid),
            since: None,
            uptime: up.map(|(_, uptime)| uptime),
            restarts: 2,
            exit: None,
            expected: None,
            description: description.to_owned(),
            lost_bytes: 0,
        }
    }

    fn plain() -> Paint {
        Paint::new(false, &BTreeMap::new())
    }

    fn rows() -> Vec<Row> {
        vec![
            row("web:0", StateName::Running, Some((4711, 7500)), "ready"),
            row("日本語", StateName::Fatal, None, &format!("exit 3 {}", "again ".repeat(20))),
        ]
    }

    #[test]
    fn columns_are_aligned_by_width() {
        let table = status(&rows()[..1], plain(), None);
        let expected = "NAME   STATE     PID  UPTIME  RESTARTS  DESCRIPTION\n\
                        web:0  RUNNING  4711   2h05m         2  ready\n";
        assert_eq!(table, expected);
        for line in status(&rows(), plain(), None).lines() {
            let state = line.find("STATE").or(line.find("RUNNING")).or(line.find("FATAL")).unwrap();
            assert_eq!(width(&line[..state]), 8, "{line}");
        }
    }

    #[test]
    fn a_terminal_cuts_the_description_and_a_pipe_does_not() {
        for (columns, cut) in [(80, true), (200, false)] {
            let table = status(&rows(), plain(), Some(columns));
            assert!(table.lines().all(|line| width(line) <= columns), "{table}");
            assert_eq!(table.contains('…'), cut, "{table}");
        }
        assert!(!status(&rows(), plain(), None).contains('…'));
        assert!(status(&rows(), plain(), Some(10)).contains("exit 3 agai…"));
    }

    #[test]
    fn what_a_program_says_stays_in_its_cell() {
        let table = status(&[row("web", StateName::Exited, None, "a\nb\u{1b}[2J")], plain(), None);
        assert!(table.ends_with("a\\nb\\x1b[2J\n"), "{table}");
    }

    #[test]
    fn no_processes_are_said_in_words() {
        assert_eq!(status(&[], plain(), None), "no processes\n");
    }
}
