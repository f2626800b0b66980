//! What processes do, in words: the description of `status`, the message of an event.

use std::time::{Instant, SystemTime};

use super::when;
use crate::config::{Level, Signal};
use crate::protocol::{EventName, EventRow, ExitRow, Row};
use crate::supervisor::{Change, Exit, Moment, Process, State, StateName, Then};

/// How a process ended: `exit 3`, `killed by SEGV`.
pub(super) fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => format!("killed by {}", signal_name(signal)),
        Exit::Unknown => "ended, status unknown".to_owned(),
    }
}

/// The name of a signal number.
pub(super) fn signal_name(signal: i32) -> String {
    Signal(signal).name()
}

/// An end as it is sent; none: nobody can tell.
pub(super) fn exit_row(exit: Exit) -> Option<ExitRow> {
    match exit {
        Exit::Code(code) => Some(ExitRow::Code(code)),
        Exit::Signal(signal) => Some(ExitRow::Signal(signal_name(signal))),
        Exit::Unknown => None,
    }
}

/// The row of `status`.
pub(super) fn row(process: &Process, now: Instant) -> Row {
    let up = process.state.process();
    Row {
        name: process.name(),
        program: process.program.name.to_string(),
        index: process.index,
        state: process.state.name(),
        pid: up.map(|(pid, _)| pid),
        since: process.since.map(when::rfc3339),
        uptime: up.map(|(_, started)| now.saturating_duration_since(started).as_secs()),
        restarts: process.restarts,
        exit: process.last_end.and_then(|(exit, _)| exit_row(exit)),
        expected: process.last_end.map(|(_, expected)| expected),
        description: description(process, now),
        lost_bytes: 0,
    }
}

/// The state in words: of one that is not up, why and since when.
fn description(process: &Process, now: Instant) -> String {
    describe(process, |until| format!("in {}", when::span(until.saturating_duration_since(now))))
}

/// The same in words that stay true while the state lasts: what is to come stands there by the
/// clock.
pub(super) fn lasting_description(process: &Process, now: Moment) -> String {
    describe(process, |until| {
        let wait = until.saturating_duration_since(now.at);
        format!("at {}", now.wall.checked_add(wait).map(when::clock).unwrap_or_default())
    })
}

fn describe(process: &Process, due: impl Fn(Instant) -> String) -> String {
    let at = process.since.map(when::short).unwrap_or_default();
    match process.state {
        State::Stopped if process.is_disabled() => format!("disabled {at}").trim_end().to_owned(),
        State::Stopped if process.since.is_none() => "not started".to_owned(),
        State::Stopped => format!("stopped {at}"),
        State::Spawning { .. } | State::Starting { .. } => {
            let time = when::span(process.program.policy.starttime);
            format!("RUNNING once up for {time}")
        }
        State::Running { .. } => match process.last_end {
            Some((exit, _)) if process.restarts > 0 => {
                format!("restarted {at}: {}", ended(exit))
            }
            _ => String::new(),
        },
        State::Backoff { until, retries } => {
            format!("{}; {} {}", reason(process), retry(process, retries), due(until))
        }
        State::Stopping { killed, then, .. } => {
            let how = if killed.is_some() { "SIGKILL sent" } else { "asked to stop" };
            match then {
                Then::Stop => format!("{how} {at}"),
                Then::Start => format!("{how} {at}, starts again"),
                Then::Forget => format!("{how} {at}, removed from the configuration"),
            }
        }
        State::Exited => format!("{}, {at}", reason(process)),
        State::Fatal { retries } => format!("{}, {at}; {}", reason(process), gave_up(retries)),
    }
}

/// Why a process is not up.
pub(super) fn reason(process: &Process) -> String {
    match (&process.failure, process.last_end) {
        (Some(failure), _) => failure.clone(),
        (None, Some((exit, _))) => ended(exit),
        (None, None) => "never ended".to_owned(),
    }
}

fn retry(process: &Process, retries: u32) -> String {
    match process.program.policy.startretries {
        _ if retries == 0 => "restart".to_owned(),
        Some(most) => format!("retry {retries} of {most}"),
        None => format!("retry {retries}"),
    }
}

fn gave_up(retries: u32) -> String {
    match retries {
        0 => "not retried".to_owned(),
        1 => "gave up after 1 retry".to_owned(),
        _ => format!("gave up after {retries} retries"),
    }
}

/// The event of a change of state.
pub(super) fn event(
    process: &Process,
    change: &Change,
    now: Instant,
    wall: SystemTime,
) -> EventRow {
    EventRow {
        time: when::rfc3339(wall),
        event: event_name(change.to.name()),
        name: Some(process.name()),
        from: Some(change.from),
        to: Some(change.to.name()),
        pid: change.pid,
        exit: change.end.and_then(|(exit, _)| exit_row(exit)),
        expected: change.end.map(|(_, expected)| expected),
        message: message(process, change, now),
    }
}

fn event_name(state: StateName) -> EventName {
    match state {
        StateName::Stopped => EventName::Stopped,
        StateName::Starting => EventName::Starting,
        StateName::Running => EventName::Running,
        StateName::Backoff => EventName::Backoff,
        StateName::Stopping => EventName::Stopping,
        StateName::Exited => EventName::Exited,
        StateName::Fatal => EventName::Fatal,
    }
}

fn message(process: &Process, change: &Change, now: Instant) -> String {
    let why = || change.end.map_or_else(|| reason(process), |(exit, _)| ended(exit));
    // A launch that failed has a reason of its own, which says more than its exit code.
    let failed = || process.failure.clone().unwrap_or_else(why);
    match change.to {
        State::Stopped => change.end.map_or_else(|| "stopped".to_owned(), |(exit, _)| ended(exit)),
        State::Spawning { .. } => "launching".to_owned(),
        State::Starting { .. } => "launched".to_owned(),
        State::Running { .. } => {
            format!("up for {}", when::span(process.program.policy.starttime))
        }
        State::Backoff { until, retries } => {
            let wait = when::span(until.saturating_duration_since(now));
            format!("{}; {} in {wait}", failed(), retry(process, retries))
        }
        State::Stopping { killed: Some(_), .. } => "SIGKILL".to_owned(),
        State::Stopping { .. } => {
            format!("{} sent", process.program.policy.stopsignal.name())
        }
        State::Exited => {
            let expected = change.end.is_some_and(|(_, expected)| expected);
            format!("{} ({})", failed(), if expected { "expected" } else { "unexpected" })
        }
        State::Fatal { retries } => format!("{}; {}", failed(), gave_up(retries)),
    }
}

/// How much a change matters.
pub(super) fn level(change: &Change) -> Level {
    let unexpected = change.end.is_some_and(|(_, expected)| !expected);
    match change.to {
        State::Fatal { .. } => Level::Error,
        State::Exited if unexpected => Level::Warning,
        State::Backoff { .. } => Level::Warning,
        State::Stopped
        | State::Spawning { .. }
        | State::Starting { .. }
        | State::Running { .. }
        | State::Stopping { .. }
        | State::Exited => Level::Info,
    }
}
