//! `events` for people: one line a change.

use super::paint::{Colour, Paint, of_state};
use super::text::{clean_line, pad, width};
use crate::protocol::{EventName, EventRow};

/// Names are not given less room than this.
const NAME: usize = 10;

/// The widest word of the third column but the daemon's own.
const WHAT: usize = 8;

/// The widest process id of Linux.
const PID: usize = 7;

/// What the lines so far have in common: the room for names, and on a terminal the day.
#[derive(Debug)]
pub(super) struct Columns {
    terminal: bool,
    name: usize,
    /// Of the last event; none: there was none.
    day: Option<String>,
}

impl Columns {
    /// Nothing has been shown yet.
    pub(super) fn new(terminal: bool) -> Self {
        Self { terminal, name: NAME, day: None }
    }

    /// The line for one event: when, whom it concerns, what, and why. A terminal, where
    /// somebody looks on, is shown the time of day, and the date in a line of its own when it
    /// changes.
    pub(super) fn line(&mut self, event: &EventRow, paint: Paint) -> String {
        let name = clean_line(event.name.as_deref().unwrap_or("taskmaster"));
        self.name = self.name.max(width(&name));
        let (what, colour) = what(event);
        let pid = event.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let line = format!(
            "{}  {}  {}  {pid:>PID$}  {}",
            self.time(&event.time, paint),
            pad(&name, self.name),
            paint.paint(colour, &pad(&what, WHAT)),
            clean_line(&event.message),
        );
        line.trim_end().to_owned() + "\n"
    }

    fn time(&mut self, time: &str, paint: Paint) -> String {
        let (day, clock) = (date(time), time_of_day(time));
        if !self.terminal {
            return format!("{day} {clock}");
        }
        let before = self.day.replace(day.clone());
        match before.is_some_and(|before| before != day) {
            true => format!("{}\n{clock}", paint.paint(Colour::Dim, &day)),
            false => clock,
        }
    }
}

/// Events of a process are told by the state that it has reached.
fn what(event: &EventRow) -> (String, Colour) {
    if let Some(state) = event.to {
        return (state.to_string(), of_state(state, event.expected));
    }
    let (what, colour) = match event.event {
        EventName::Waiting => ("WAITING", Colour::Magenta),
        EventName::Starting => ("STARTING", Colour::Magenta),
        EventName::Running => ("RUNNING", Colour::Green),
        EventName::Backoff => ("BACKOFF", Colour::Magenta),
        EventName::Stopping => ("STOPPING", Colour::Magenta),
        EventName::Stopped => ("STOPPED", Colour::Dim),
        EventName::Exited => ("EXITED", Colour::Plain),
        EventName::Fatal => ("FATAL", Colour::Red),
        EventName::Adopted => ("adopted", Colour::Magenta),
        EventName::Unhealthy => ("unhealthy", Colour::Red),
        EventName::LostBytes => ("output", Colour::Red),
        EventName::Reloaded => ("reloaded", Colour::Green),
        EventName::ReloadFailed => ("reload failed", Colour::Red),
        EventName::Upgraded => ("upgraded", Colour::Green),
        EventName::DaemonStarted => ("started", Colour::Green),
        EventName::DaemonStopping => ("stopping", Colour::Magenta),
        EventName::MailFailed => ("mail failed", Colour::Red),
    };
    (what.to_owned(), colour)
}

/// Year, month and day of an RFC 3339 time.
fn date(time: &str) -> String {
    clean_line(time.get(..10).unwrap_or_default()).into_owned()
}

/// The hours, minutes and seconds of an RFC 3339 time, as the daemon's clock showed them.
fn time_of_day(time: &str) -> String {
    clean_line(time.get(11..19).unwrap_or(time)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::StateName;
    use std::collections::BTreeMap;

    #[test]
    fn an_event_is_one_aligned_line() {
        let mut event = EventRow {
            time: "2026-11-23T12:03:11.250+01:00".to_owned(),
            event: EventName::Running,
            name: Some("web:1".to_owned()),
            from: Some(StateName::Starting),
            to: Some(StateName::Running),
            pid: Some(123),
            exit: None,
            expected: None,
            message: "up for 1s".to_owned(),
        };
        let plain = Paint::new(false, &BTreeMap::new());
        let mut columns = Columns::new(true);
        assert_eq!(
            columns.line(&event, plain),
            "12:03:11  web:1       RUNNING       123  up for 1s\n"
        );
        event = EventRow { event: EventName::Reloaded, name: None, to: None, pid: None, ..event };
        event.message = "two\nlines\u{7}".to_owned();
        event.time = "2026-11-24T00:00:00.001+01:00".to_owned();
        assert_eq!(
            columns.line(&event, plain),
            "2026-11-24\n00:00:00  taskmaster  reloaded        -  two\\nlines\\x07\n"
        );
        event.name = Some("a-long-name:10".to_owned());
        assert_eq!(
            Columns::new(false).line(&event, plain),
            "2026-11-24 00:00:00  a-long-name:10  reloaded        -  two\\nlines\\x07\n"
        );
    }
}
