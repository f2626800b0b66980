//! What processes mean for each other, told to people: what one waits for, what is stopped
//! first, how a rolling restart goes, and when all of it is over.

use super::client::{Goal, Task, Waiting};
use super::commands::{DISABLED, REMOVED, exit, refusal};
use super::wait::Verdict;
use super::{Daemon, words};
use crate::config::{Condition, ExitWhen, Level, Program};
use crate::protocol::{Reply, ResultRow, Wait};
use crate::supervisor::{
    Event, Exit, Failure, Id, Process, Rolled, State, StateName, Supervisor, Unmet,
};

/// Of a list for people, so many are named.
const ENOUGH: usize = 3;

/// What a process of this program waits for: `for db, which is FATAL: exit 1`.
pub(super) fn waits(supervisor: &Supervisor, program: &Program) -> String {
    let all: Vec<String> = supervisor.unmet(program).iter().map(|unmet| one(unmet)).collect();
    match all.as_slice() {
        // It has come about just now.
        [] => "for what it depends on".to_owned(),
        all => few(all, "; "),
    }
}

fn one(unmet: &Unmet<'_>) -> String {
    let Some(process) = unmet.process else { return format!("for {}", unmet.program) };
    let (name, state) = (process.name(), process.state.name());
    match process.state {
        State::Exited { .. } | State::Fatal { .. } => {
            format!("for {name}, which is {state}: {}", words::reason(process))
        }
        State::Stopped if process.is_disabled() => format!("for {name}, which is disabled"),
        State::Stopped => format!("for {name}, which is {state}"),
        State::Waiting { .. }
        | State::Spawning { .. }
        | State::Starting { .. }
        | State::Running { .. }
        | State::Backoff { .. }
        | State::Stopping { .. } => {
            let what = match unmet.on {
                Condition::Started => "to be started",
                Condition::Ready => "to be ready",
                Condition::Completed => "to complete",
            };
            format!("for {name} {what} ({state})")
        }
    }
}

/// What a process of this program lets go first.
pub(super) fn after(supervisor: &Supervisor, program: &Program) -> String {
    let names: Vec<String> =
        supervisor.lets_go_first(program).iter().map(|process| process.name()).collect();
    match names.as_slice() {
        [] => "once what depends on it is gone".to_owned(),
        [name] => format!("once {name} is gone"),
        names => format!("once {} are gone", few(names, ", ")),
    }
}

/// The first of a list, and how many more there are.
fn few(all: &[String], between: &str) -> String {
    let named: Vec<&str> = all.iter().take(ENOUGH).map(String::as_str).collect();
    match all.len().saturating_sub(ENOUGH) {
        0 => named.join(between),
        more => format!("{} and {more} more", named.join(between)),
    }
}

impl Daemon {
    /// Asks to start what this process needs, or to stop what needs it, told before it is done:
    /// the others, and a sentence about them.
    pub(super) fn others(&self, id: Id, goal: Goal, asked: &[Id]) -> (Vec<Id>, Option<String>) {
        let Some(process) = self.supervisor.get(id) else { return (Vec::new(), None) };
        let mut others = match goal {
            Goal::Start => self.supervisor.starts_with(id, Event::Start),
            Goal::Restart => self.supervisor.starts_with(id, Event::Restart),
            Goal::Stop => self.supervisor.stops_with(id),
            Goal::Roll(_) => Vec::new(),
        };
        others.retain(|other| !asked.contains(other));
        let names: Vec<String> =
            others.iter().filter_map(|id| Some(self.supervisor.get(*id)?.name())).collect();
        let (name, named) = (process.name(), few(&names, ", "));
        let told = match (goal, names.len()) {
            (_, 0) => None,
            (Goal::Stop, 1) => Some(format!("{named} depends on {name} and is stopped first")),
            (Goal::Stop, _) => Some(format!("{named} depend on {name} and are stopped first")),
            (_, 1) => Some(format!("{name} needs {named}, which is started too")),
            (_, _) => Some(format!("{name} needs {named}, which are started too")),
        };
        (others, told)
    }

    /// `restart --rolling`: one after the other, whether the client stays or not.
    pub(super) fn roll(&mut self, index: usize, selectors: &[String], wait: Wait) {
        let ids = match self.select(selectors) {
            Ok(ids) => ids,
            Err(answer) => return self.reply(index, answer),
        };
        if self.supervisor.is_shutting_down() {
            let error = "the daemon is shutting down: nothing is started any more";
            return self.reply(index, vec![Reply::failed(exit::FAILED, error)]);
        }
        let (ids, mut answer) = self.refuse(ids);
        let failed = !answer.is_empty();
        let named = |id: &Id| Some((*id, self.supervisor.get(*id)?.name()));
        let pending: std::collections::BTreeMap<Id, String> =
            ids.iter().filter_map(named).collect();
        let since = self.supervisor.changes();
        let number = match self.supervisor.roll(&ids, self.now) {
            Ok(number) => number,
            Err(id) => {
                let name = pending.get(&id).map(String::as_str).unwrap_or_default();
                let error = format!("{name} is in a rolling restart already: wait for its end");
                return self.reply(index, vec![Reply::failed(exit::FAILED, error)]);
            }
        };
        if !ids.is_empty() {
            let names = few(&pending.values().cloned().collect::<Vec<_>>(), ", ");
            self.log(Level::Info, "rolling restart", &[("names", &names)]);
        }
        let until = match wait {
            Wait::AtMost(time) => Some(self.now.at + time),
            Wait::Forever | Wait::No => None,
        };
        let goal = Goal::Roll(number);
        let mut waiting = Waiting { goal, pending, since, until, failed };
        if wait == Wait::No {
            let message = "rolling restart asked for".to_owned();
            let row = |name| Reply::Result(ResultRow { name, ok: true, message: message.clone() });
            answer.extend(std::mem::take(&mut waiting.pending).into_values().map(row));
        }
        self.reply(index, answer);
        if let Some(client) = self.clients.get_mut(index) {
            client.wait_for(waiting);
        }
    }

    /// Of these the ones that are started if somebody asks, and the answers for the others.
    fn refuse(&self, mut ids: Vec<Id>) -> (Vec<Id>, Vec<Reply>) {
        let mut answer = Vec::new();
        ids.retain(|id| {
            let Some(process) = self.supervisor.get(*id) else { return false };
            let Some(why) = refusal(process) else { return true };
            let (name, message) = (process.name(), why.to_owned());
            answer.push(Reply::Result(ResultRow { name, ok: false, message }));
            false
        });
        (ids, answer)
    }

    /// A rolling restart has come further: the log is told, and who waits for it.
    pub(super) fn rolled(&mut self, roll: u64, id: Id, what: &Rolled) {
        let Some(process) = self.supervisor.get(id) else { return };
        let ok = *what == Rolled::Replaced;
        let message = match what {
            Rolled::Replaced => "restarted".to_owned(),
            Rolled::Failed(state) => failed(&self.supervisor, process, *state),
            Rolled::Untouched => "not touched".to_owned(),
            Rolled::LeftStopped => "stopped meanwhile, and left so".to_owned(),
            Rolled::Disabled => DISABLED.to_owned(),
            Rolled::Removed => REMOVED.to_owned(),
        };
        let name = process.name();
        let level = if ok { Level::Info } else { Level::Warning };
        self.log(level, "rolling restart", &[("name", &name), ("result", &message)]);
        for client in &mut self.clients {
            if matches!(&client.task, Task::Wait(waiting) if waiting.goal == Goal::Roll(roll)) {
                client.answer(id, Verdict { ok, message: message.clone() });
            }
        }
    }

    /// Whether the daemon is to end by itself: something critical has, or all there is.
    pub(super) fn mind_the_end(&mut self) {
        if self.supervisor.is_shutting_down() {
            return;
        }
        let all = self.config.daemon.exit_when == ExitWhen::AllExited;
        let why = match self.supervisor.critical_end() {
            Some(process) => {
                let (name, state) = (process.name(), process.state.name());
                format!("{name} is critical, and {state}: {}", words::reason(process))
            }
            None if all && self.supervisor.is_all_over() => "all that was started is over".into(),
            None => return,
        };
        self.status = self.supervisor.culprit().map_or(0, status_of);
        self.shut_down(&why);
    }
}

/// Why a process could not be replaced.
fn failed(supervisor: &Supervisor, process: &Process, state: StateName) -> String {
    match state {
        StateName::Stopped => "stopped meanwhile".to_owned(),
        StateName::Waiting => format!("{state} {}", waits(supervisor, &process.program)),
        StateName::Stopping => words::reason(process),
        // Only a shutdown ends the turn of one of these.
        StateName::Starting | StateName::Running => "the daemon shuts down".to_owned(),
        StateName::Backoff | StateName::Exited | StateName::Fatal => {
            format!("{state}: {}", words::reason(process))
        }
    }
}

/// The exit status of a daemon that ends because of this process. An end that nobody expected is
/// never told as a success.
fn status_of(process: &Process) -> u8 {
    const NOT_EXECUTED: u8 = 127;
    if let Some(Failure::Launch(_)) = process.failure.as_deref() {
        return NOT_EXECUTED;
    }
    let status = match process.last_end {
        Some((Exit::Code(code), _)) => code,
        Some((Exit::Signal(signal), _)) => 128 + signal,
        Some((Exit::Unknown, _)) | None => 1,
    };
    u8::try_from(status).unwrap_or(1).max(1)
}
