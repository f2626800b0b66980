//! `events` for people: one line a change.

use super::paint::{Colour, Paint, of_state};
use super::text::{clean_line, pad};
use crate::protocol::{EventName, EventRow};

/// Names up to this width keep the columns straight.
const NAME: usize = 16;

/// The widest word of the second column but the daemon's own.
const WHAT: usize = 8;

/// The line for one event: the time of day, whom it concerns, what, and why.
pub(super) fn line(event: &EventRow, paint: Paint) -> String {
    let name = clean_line(event.name.as_deref().unwrap_or("taskmaster"));
    let (what, colour) = what(event);
    let pid = match event.pid {
        Some(pid) => format!("pid {pid}  "),
        None => String::new(),
    };
    let line = format!(
        "{}  {}  {}  {pid}{}",
        time_of_day(&event.time),
        pad(&name, NAME),
        paint.paint(colour, &pad(&what, WHAT)),
        clean_line(&event.message),
    );
    line.trim_end().to_owned() + "\n"
}

/// Events of a process are told by the state that it has reached.
fn what(event: &EventRow) -> (String, Colour) {
    if let Some(state) = event.to {
        return (state.to_string(), of_state(state, event.expected));
    }
    let (what, colour) = match event.event {
        EventName::Starting => ("STARTING", Colour::Yellow),
        EventName::Running => ("RUNNING", Colour::Green),
        EventName::Backoff => ("BACKOFF", Colour::Yellow),
        EventName::Stopping => ("STOPPING", Colour::Yellow),
        EventName::Stopped => ("STOPPED", Colour::Dim),
        EventName::Exited => ("EXITED", Colour::Plain),
        EventName::Fatal => ("FATAL", Colour::Red),
        EventName::LostBytes => ("output", Colour::Red),
        EventName::Reloaded => ("reloaded", Colour::Green),
        EventName::ReloadFailed => ("reload failed", Colour::Red),
        EventName::DaemonStarted => ("started", Colour::Green),
        EventName::DaemonStopping => ("stopping", Colour::Yellow),
    };
    (what.to_owned(), colour)
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
        assert_eq!(
            line(&event, plain),
            "12:03:11  web:1             RUNNING   pid 123  up for 1s\n"
        );
        event = EventRow { event: EventName::Reloaded, name: None, to: None, pid: None, ..event };
        event.message = "two\nlines\u{7}".to_owned();
        assert_eq!(line(&event, plain), "12:03:11  taskmaster        reloaded  two\\nlines\\x07\n");
    }
}
