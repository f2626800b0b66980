//! The table that `status` prints.

use super::paint::{Colour, Paint, of_state};
use super::text::{clean_line, cut, duration, pad, width, wrap};
use crate::protocol::Row;
use crate::supervisor::StateName;

/// A description is not wrapped narrower than this: rather it goes below its line.
const LEAST: usize = 20;

/// There it is moved in by so many columns.
const INDENT: usize = 4;

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

/// How wide the aligned columns are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Widths([usize; 5]);

impl Widths {
    fn of<'l>(lines: impl IntoIterator<Item = &'l Line>) -> Self {
        let mut widths = Self::default();
        lines.into_iter().for_each(|line| widths.make_room(line));
        widths
    }

    fn make_room(&mut self, line: &Line) {
        for (widest, cell) in self.0.iter_mut().zip(line.aligned()) {
            *widest = (*widest).max(width(cell));
        }
    }

    /// The columns before the description.
    fn taken(self) -> usize {
        self.0.iter().sum::<usize>() + 2 * self.0.len()
    }

    /// The cells before the description: words to the left, numbers to the right, two blanks
    /// between.
    fn show(self, line: &Line, paint: Paint) -> String {
        let [name, state, pid, uptime, restarts] = self.0;
        format!(
            "{}  {}  {:>pid$}  {:>uptime$}  {:>restarts$}",
            pad(&line.name, name),
            // Padded before it is painted: the colour's bytes have no width.
            paint.paint(line.colour, &pad(&line.state, state)),
            line.pid,
            line.uptime,
            line.restarts,
        )
    }

    /// The whole line. On a terminal the description is wrapped below itself, or below the line
    /// where there is no room for it.
    fn wrapped(self, line: &Line, columns: Option<usize>, paint: Paint) -> String {
        let cells = self.show(line, paint);
        let Some(columns) = columns else { return format!("{cells}  {}\n", line.description) };
        let left = columns.saturating_sub(self.taken());
        let (indent, first) = match left {
            _ if width(&line.description) <= left => (self.taken(), "  ".to_owned()),
            LEAST.. => (self.taken(), "  ".to_owned()),
            _ => (INDENT, format!("\n{:INDENT$}", "")),
        };
        let parts = wrap(&line.description, columns.saturating_sub(indent).max(LEAST));
        format!("{cells}{first}{}\n", parts.join(&format!("\n{:indent$}", "")))
    }
}

/// The whole table. `columns` is the width of the terminal, if it is one.
pub(super) fn status(rows: &[Row], paint: Paint, columns: Option<usize>) -> String {
    if rows.is_empty() {
        return "no processes\n".to_owned();
    }
    let mut lines = vec![Line::header()];
    lines.extend(rows.iter().map(Line::of));
    let widths = Widths::of(&lines);
    lines.iter().map(|line| widths.wrapped(line, columns, paint)).collect()
}

/// The same for a greeting: where a screen of `height` lines has no room for all, only those
/// that are not RUNNING, as far as there is room for them, and how many there are of each state.
pub(super) fn brief(rows: &[Row], paint: Paint, columns: usize, height: usize) -> String {
    /// What else there is on the first screen.
    const AROUND: usize = 8;
    if rows.len() + AROUND <= height {
        return status(rows, paint, Some(columns));
    }
    let odd = |row: &&Row| row.state != StateName::Running;
    let shown: Vec<Row> = rows.iter().filter(odd).cloned().collect();
    let (room, all) = (height.saturating_sub(AROUND).max(1), shown.len());
    let table = match shown.get(..room).unwrap_or(&shown) {
        [] => String::new(),
        some => status(some, paint, Some(columns)),
    };
    let more = match all.saturating_sub(room) {
        0 => String::new(),
        more => format!("and {more} more that are not RUNNING; status shows all\n"),
    };
    format!("{table}{more}{}\n", counts(rows))
}

/// How many processes there are, and in which states: `12 processes: 10 RUNNING, 2 FATAL`.
pub(super) fn counts<'r>(rows: impl IntoIterator<Item = &'r Row>) -> String {
    let mut states: Vec<(StateName, usize)> = Vec::new();
    for row in rows {
        match states.iter_mut().find(|(state, _)| *state == row.state) {
            Some((_, count)) => *count += 1,
            None => states.push((row.state, 1)),
        }
    }
    states.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let parts: Vec<String> =
        states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    match states.iter().map(|(_, count)| count).sum() {
        0 => "no processes".to_owned(),
        1 => format!("1 process: {}", parts.join(", ")),
        count => format!("{count} processes: {}", parts.join(", ")),
    }
}

/// A table that changes line by line, each as wide as the widest so far.
#[derive(Debug, Default)]
pub(super) struct Growing(Widths);

impl Growing {
    /// The header, and room for these rows.
    pub(super) fn begin(&mut self, rows: &[Row], paint: Paint) -> String {
        let header = Line::header();
        self.0.make_room(&header);
        rows.iter().for_each(|row| self.0.make_room(&Line::of(row)));
        self.0.wrapped(&header, None, paint)
    }

    /// One line, of any length.
    pub(super) fn line(&mut self, row: &Row, paint: Paint) -> String {
        let line = Line::of(row);
        self.0.make_room(&line);
        self.0.wrapped(&line, None, paint)
    }
}

/// The lines of a table for a screen, each on one line, the description cut to `columns`. There
/// is room for names of `name` columns, for every state and for every pid: the columns do not
/// move when other rows come to be seen.
pub(super) fn screen<'r>(
    rows: impl Iterator<Item = &'r Row>,
    name: usize,
    paint: Paint,
    columns: usize,
) -> Vec<String> {
    /// STARTING and STOPPING, the widest pid of Linux, an uptime.
    const LEAST: [usize; 3] = [8, 7, 6];
    let mut lines = vec![Line::header()];
    lines.extend(rows.map(Line::of));
    let [state, pid, uptime] = LEAST;
    let mut widths = Widths([name, state, pid, uptime, 0]);
    lines.iter().for_each(|line| widths.make_room(line));
    let left = columns.saturating_sub(widths.taken());
    let show =
        |line: &Line| format!("{}  {}", widths.show(line, paint), cut(&line.description, left));
    lines.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn a_terminal_wraps_the_description_and_a_pipe_does_not() {
        let whole = status(&rows(), plain(), None);
        assert_eq!(whole.lines().count(), 3);
        for columns in [40, 80, 120, 200] {
            let table = status(&rows(), plain(), Some(columns));
            assert!(table.lines().all(|line| width(line) <= columns), "{table}");
            let words = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(words(&table), words(&whole), "nothing is lost at {columns}");
        }
        let table = status(&rows(), plain(), Some(80));
        let (first, second) = (table.lines().nth(2).unwrap(), table.lines().nth(3).unwrap());
        let column = width(&first[..first.find("exit 3").unwrap()]);
        assert_eq!(second.len() - second.trim_start().len(), column, "below itself: {table}");
        let table = status(&rows(), plain(), Some(40));
        assert!(table.contains("\n    exit 3 again"), "below its line: {table}");
    }

    #[test]
    fn a_screen_has_a_line_for_each() {
        for columns in [1, 40, 80, 200] {
            let lines = screen(rows().iter(), 3, plain(), columns);
            assert_eq!(lines.len(), 3);
            assert!(columns < 80 || lines.iter().all(|line| width(line) <= columns), "{lines:?}");
        }
    }

    #[test]
    fn a_greeting_tells_of_many_only_what_is_odd() {
        let mut rows = vec![row("up", StateName::Running, Some((1, 1)), ""); 30];
        let text = brief(&rows, plain(), 80, 24);
        assert_eq!(text, "30 processes: 30 RUNNING\n");
        rows.push(row("down", StateName::Fatal, None, "exit 1"));
        let text = brief(&rows, plain(), 80, 24);
        assert!(text.starts_with("NAME") && text.contains("\ndown  FATAL"), "{text}");
        assert!(text.ends_with("\n31 processes: 30 RUNNING, 1 FATAL\n"), "{text}");
        rows.extend(vec![row("late", StateName::Starting, None, ""); 100]);
        let text = brief(&rows, plain(), 80, 24);
        assert_eq!(text.lines().count(), 1 + 16 + 2, "{text}");
        assert!(text.contains("and 85 more that are not RUNNING"), "{text}");
        assert_eq!(brief(&rows, plain(), 80, 200), status(&rows, plain(), Some(80)));
    }

    #[test]
    fn a_growing_table_keeps_its_columns() {
        let mut table = Growing::default();
        let mut text = table.begin(&rows(), plain());
        text += &table.line(&rows()[0], plain());
        text += &table.line(&rows()[1], plain());
        assert_eq!(text, status(&rows(), plain(), None));
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
