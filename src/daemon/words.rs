//! What processes do, in words: the description of `status`, the message of an event.

use std::time::{Instant, SystemTime};

use super::{order, when};
use crate::config::{Level, ReadyHow, Signal};
use crate::protocol::{EventName, EventRow, ExitRow, Row};
use crate::supervisor::{
    Awaits, Change, Enough, Exit, Failure, Moment, Pid, Process, Stage, State, StateName,
    Supervisor, Then,
};

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
pub(super) fn row(supervisor: &Supervisor, process: &Process, now: Instant) -> Row {
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
        description: description(supervisor, process, now),
        lost_bytes: 0,
    }
}

/// The state in words: of one that is not up, why and since when.
fn description(supervisor: &Supervisor, process: &Process, now: Instant) -> String {
    describe(supervisor, process, |until| {
        format!("in {}", when::span(until.saturating_duration_since(now)))
    })
}

/// The same in words that stay true while the state lasts: what is to come stands there by the
/// clock.
pub(super) fn lasting_description(
    supervisor: &Supervisor,
    process: &Process,
    now: Moment,
) -> String {
    describe(supervisor, process, |until| {
        let wait = until.saturating_duration_since(now.at);
        format!("at {}", now.wall.checked_add(wait).map(when::clock).unwrap_or_default())
    })
}

fn describe(supervisor: &Supervisor, process: &Process, due: impl Fn(Instant) -> String) -> String {
    let at = process.since.map(when::short).unwrap_or_default();
    match process.state {
        State::Stopped if process.is_disabled() => format!("disabled {at}").trim_end().to_owned(),
        State::Stopped if process.since.is_none() => "not started".to_owned(),
        State::Stopped => format!("stopped {at}"),
        State::Waiting { .. } => order::waits(supervisor, &process.program),
        State::Spawning { .. } => starting(process, awaited(process)),
        State::Starting { awaits, .. } => starting(process, awaits),
        State::Running { .. } => running(process, &at),
        State::Backoff { until, retries } => {
            format!("{}; {} {}", reason(process), retry(process, retries), due(until))
        }
        State::Stopping { stage, then, .. } => {
            let how = match stage {
                Stage::Held => &order::after(supervisor, &process.program),
                Stage::Killed(_) => "SIGKILL sent",
                Stage::Asked(_) => "asked to stop",
            };
            match then {
                Then::Stop => format!("{how} {at}"),
                Then::Start | Then::Follow => format!("{how} {at}, starts again"),
                Then::Fail { .. } | Then::End => format!("{}; {how} {at}", reason(process)),
                Then::Forget => format!("{how} {at}, removed from the configuration"),
            }
        }
        State::Exited { .. } => format!("{}, {at}", reason(process)),
        State::Fatal { after } => {
            format!("{}, {at}; {}", reason(process), gave_up(process, after))
        }
    }
}

/// What makes it RUNNING once it is launched.
fn awaited(process: &Process) -> Awaits {
    match process.program.policy.ready {
        Some(_) => Awaits::Ready { up: false },
        None => Awaits::Time,
    }
}

fn starting(process: &Process, awaits: Awaits) -> String {
    let policy = &process.program.policy;
    let what = match (awaits, &policy.ready) {
        (Awaits::Exec | Awaits::ExecReady, _) => return "being executed".to_owned(),
        (Awaits::Time, _) | (Awaits::Ready { .. }, None) => {
            return format!("RUNNING once up for {}", when::span(policy.starttime));
        }
        (Awaits::Ready { .. }, Some(ready)) => match &ready.how {
            ReadyHow::Notify => "it says READY=1".to_owned(),
            ReadyHow::Fd(number) => format!("it writes to descriptor {number}"),
            ReadyHow::Tcp(address) => format!("{address} accepts connections"),
            ReadyHow::Exec(_) => "its ready command succeeds".to_owned(),
        },
    };
    match &process.note {
        Some(note) => format!("{note}; RUNNING once {what}"),
        None => format!("RUNNING once {what}"),
    }
}

fn running(process: &Process, at: &str) -> String {
    let restarted = match (process.last_failure.as_deref(), process.last_end) {
        (Some(why), Some(_)) if process.restarts > 0 => Some(failed(why)),
        (None, Some((exit, _))) if process.restarts > 0 => Some(ended(exit)),
        (_, _) => None,
    };
    let restarted = restarted.map(|why| format!("restarted {at}: {why}"));
    let words: Vec<String> =
        process.note.as_deref().map(str::to_owned).into_iter().chain(restarted).collect();
    words.join("; ")
}

/// What went wrong besides how it ended.
fn failed(failure: &Failure) -> String {
    let noted = |what: String, note: &Option<Box<str>>| match note {
        Some(note) => format!("{what}: {note}"),
        None => what,
    };
    match failure {
        Failure::Launch(reason) => reason.clone(),
        Failure::NotReady(time, note) => {
            noted(format!("not ready within {}", when::span(*time)), note)
        }
        Failure::Unhealthy(note) => noted("unhealthy".to_owned(), note),
    }
}

/// Why a process is not up.
pub(super) fn reason(process: &Process) -> String {
    match (process.failure.as_deref(), process.last_end) {
        (Some(failure), _) => failed(failure),
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

fn gave_up(process: &Process, after: Enough) -> String {
    match (after, process.program.policy.max_restarts) {
        (Enough::Retries(0), _) => "not retried".to_owned(),
        (Enough::Retries(1), _) => "gave up after 1 retry".to_owned(),
        (Enough::Retries(retries), _) => format!("gave up after {retries} retries"),
        (Enough::Restarts, Some(limit)) => {
            let plural = if limit.count == 1 { "" } else { "s" };
            let within = when::span(limit.within);
            format!("gave up after {} restart{plural} within {within}", limit.count)
        }
        (Enough::Restarts, None) => "gave up after too many restarts".to_owned(),
    }
}

/// The event of a change of state.
pub(super) fn event(
    supervisor: &Supervisor,
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
        message: message(supervisor, process, change, now),
    }
}

/// The event of one that is not well.
pub(super) fn unhealthy(process: &Process, pid: Pid, wall: SystemTime) -> EventRow {
    EventRow {
        time: when::rfc3339(wall),
        event: EventName::Unhealthy,
        name: Some(process.name()),
        from: None,
        to: None,
        pid: Some(pid),
        exit: None,
        expected: None,
        message: reason(process),
    }
}

fn event_name(state: StateName) -> EventName {
    match state {
        StateName::Stopped => EventName::Stopped,
        StateName::Waiting => EventName::Waiting,
        StateName::Starting => EventName::Starting,
        StateName::Running => EventName::Running,
        StateName::Backoff => EventName::Backoff,
        StateName::Stopping => EventName::Stopping,
        StateName::Exited => EventName::Exited,
        StateName::Fatal => EventName::Fatal,
    }
}

fn message(supervisor: &Supervisor, process: &Process, change: &Change, now: Instant) -> String {
    let why = || change.end.map_or_else(|| reason(process), |(exit, _)| ended(exit));
    // A launch that failed has a reason of its own, which says more than its exit code.
    let failed = || process.failure.as_deref().map_or_else(why, failed);
    match change.to {
        State::Stopped => change.end.map_or_else(|| "stopped".to_owned(), |(exit, _)| ended(exit)),
        State::Waiting { .. } => order::waits(supervisor, &process.program),
        State::Spawning { .. } => "launching".to_owned(),
        State::Starting { .. } => "launched".to_owned(),
        State::Running { .. } if process.program.policy.ready.is_some() => "ready".to_owned(),
        State::Running { .. } => {
            format!("up for {}", when::span(process.program.policy.starttime))
        }
        State::Backoff { until, retries } => {
            let wait = when::span(until.saturating_duration_since(now));
            format!("{}; {} in {wait}", failed(), retry(process, retries))
        }
        State::Stopping { stage: Stage::Killed(_), .. } => "SIGKILL".to_owned(),
        State::Stopping { stage: Stage::Held, .. } => order::after(supervisor, &process.program),
        State::Stopping { then, stage: Stage::Asked(_), .. } => {
            let sent = format!("{} sent", process.program.policy.stopsignal.name());
            match then {
                Then::Stop | Then::Start | Then::Forget => sent,
                Then::Follow => format!("{sent}, as what it depends on was started anew"),
                Then::Fail { .. } | Then::End => format!("{}; {sent}", reason(process)),
            }
        }
        State::Exited { .. } => {
            let expected = change.end.is_some_and(|(_, expected)| expected);
            format!("{} ({})", failed(), if expected { "expected" } else { "unexpected" })
        }
        State::Fatal { after } => format!("{}; {}", failed(), gave_up(process, after)),
    }
}

/// How much a change matters.
pub(super) fn level(change: &Change) -> Level {
    let unexpected = change.end.is_some_and(|(_, expected)| !expected);
    match change.to {
        State::Fatal { .. } => Level::Error,
        State::Exited { .. } if unexpected => Level::Warning,
        State::Backoff { .. } | State::Stopping { then: Then::Fail { .. }, .. } => Level::Warning,
        State::Stopped
        | State::Waiting { .. }
        | State::Spawning { .. }
        | State::Starting { .. }
        | State::Running { .. }
        | State::Stopping { .. }
        | State::Exited { .. } => Level::Info,
    }
}
