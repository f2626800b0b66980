//! What clients ask for, and the answers.

use super::client::{Goal, Incoming, Task, Waiting};
use super::{Daemon, words};
use crate::config::{Level, Signal};
use crate::protocol::hello::Identity;
use crate::protocol::{End, PidRow, Reply, Request, ResultRow, Row, Wait};
use crate::supervisor::{Event, Id, Pid, Process, State};
use crate::sys::cause;

/// The exit statuses that replies end with, as taskmasterctl(1) lists them.
pub(super) mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(super) const NOT_RUNNING: u8 = 3;
    pub(super) const NO_SUCH_PROCESS: u8 = 4;
    pub(crate) const OTHER_PROTOCOL: u8 = 6;
}

/// The answer for one that is not started because it is disabled.
pub(super) const DISABLED: &str = "disabled; enable starts it";

/// The answer for one that a reload has taken out.
pub(super) const REMOVED: &str = "removed from the configuration";

/// Everything that is answered at once.
pub(super) type Answer = Vec<Reply>;

impl Daemon {
    /// Hears what this client has said, and answers as far as it lets us.
    pub(super) fn obey(&mut self, index: usize) {
        loop {
            let file = &self.file;
            let identity = |proof| {
                let (pid, config) = (std::process::id(), file.display().to_string());
                Identity { proof, pid, config }
            };
            let Some(client) = self.clients.get_mut(index) else { return };
            let Some(incoming) = client.next_incoming(&self.secret, identity) else { return };
            let peer = client.peer.clone();
            match incoming {
                Incoming::Request(line) => self.answer(index, &line),
                Incoming::Interrupt => self.interrupt(index),
                Incoming::Proved => self.log(Level::Info, "client came", &[("peer", &peer)]),
                Incoming::Refused(why) => {
                    self.refused(&peer, why);
                    let pause = self.refusals.pause();
                    if let Some(client) = self.clients.get_mut(index)
                        && !client.is_proved()
                        && !pause.is_zero()
                    {
                        client.hold(self.now.at + pause);
                    }
                }
            }
        }
    }

    fn answer(&mut self, index: usize, line: &str) {
        match Request::parse(line) {
            Err(error) => self.reply(index, vec![Reply::failed(exit::USAGE, error)]),
            Ok(None) => {}
            Ok(Some(request)) => self.act(index, request),
        }
    }

    /// Ends what waits or follows.
    fn interrupt(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        match std::mem::replace(&mut client.task, Task::None) {
            Task::None => {}
            Task::Follow | Task::Watch(_) | Task::Tail(_) => client.send(&Reply::DONE),
            Task::Wait(_) | Task::Clear(_) | Task::Shutdown | Task::Upgrade => {
                client.send(&Reply::failed(exit::FAILED, "not waited for; what was asked goes on"));
            }
        }
    }

    fn act(&mut self, index: usize, request: Request) {
        match request {
            Request::Start { selectors, wait } => self.ask(index, &selectors, Goal::Start, wait),
            Request::Stop { selectors, wait } => self.ask(index, &selectors, Goal::Stop, wait),
            Request::Restart { selectors, rolling: true, wait } => {
                self.roll(index, &selectors, wait);
            }
            Request::Restart { selectors, rolling: false, wait } => {
                self.ask(index, &selectors, Goal::Restart, wait);
            }
            Request::Enable { selectors } => self.set_enabled(index, &selectors, true),
            Request::Disable { selectors } => self.set_enabled(index, &selectors, false),
            Request::Events { .. } => {
                if let Some(client) = self.clients.get_mut(index) {
                    client.task = Task::Follow;
                }
            }
            Request::Upgrade => self.ask_for_upgrade(index),
            Request::Shutdown => {
                let count = self.supervisor.alive();
                let plural = if count == 1 { "process" } else { "processes" };
                self.reply(index, vec![Reply::Text(format!("stopping {count} {plural}"))]);
                self.follow_shutdown(index);
                self.shut_down("shutdown was asked for");
            }
            Request::Tail { selector, stream, follow, lines, .. } => {
                let logs = self.logs_of(&selector, stream);
                self.tail(index, logs, lines, follow);
            }
            Request::Log { follow, lines } => {
                let logs = self.own_log();
                self.tail(index, logs, lines, follow);
            }
            Request::Clear { selectors } => self.clear(index, &selectors),
            Request::Status { selectors, watch: true, .. } => self.watch(index, selectors),
            Request::Status { selectors, json, .. } => {
                self.reply_to(index, |daemon| daemon.status(&selectors, json));
            }
            Request::Signal { signal, selectors } => {
                self.reply_to(index, |d| d.send_signal(signal, &selectors));
            }
            Request::Reload { dry_run } => self.reply_to(index, |d| d.reload(dry_run)),
            Request::Check => self.reply_to(index, |d| d.check_file()),
            Request::Pid { selectors } => self.reply_to(index, |d| d.pids(&selectors)),
            Request::Version => {
                let version = format!("taskmaster {}", env!("CARGO_PKG_VERSION"));
                self.reply(index, vec![Reply::Text(version), Reply::DONE]);
            }
            Request::Help { .. } => {
                self.reply(index, vec![Reply::failed(exit::USAGE, "help is the client's own")]);
            }
            Request::Quit => {
                self.reply(index, vec![Reply::DONE]);
                if let Some(client) = self.clients.get_mut(index) {
                    client.close();
                }
            }
        }
    }

    fn reply_to(&mut self, index: usize, answer: impl FnOnce(&mut Self) -> Answer) {
        let answer = answer(self);
        self.reply(index, answer);
    }

    pub(super) fn reply(&mut self, index: usize, answer: Answer) {
        if let Some(client) = self.clients.get_mut(index) {
            answer.iter().for_each(|reply| client.send(reply));
        }
    }

    pub(super) fn select(&self, selectors: &[String]) -> Result<Vec<Id>, Answer> {
        let unknown = |error: crate::supervisor::Unknown| {
            vec![Reply::failed(exit::NO_SUCH_PROCESS, error.to_string())]
        };
        match selectors {
            [] => Ok(self.supervisor.ids().collect()),
            some => self.supervisor.select(some).map_err(unknown),
        }
    }

    fn status(&mut self, selectors: &[String], json: bool) -> Answer {
        let ids = match self.select(selectors) {
            Ok(ids) => ids,
            Err(answer) => return answer,
        };
        let mut down = false;
        let mut answer: Answer = Vec::with_capacity(ids.len() + 1);
        let one = ids.first().filter(|_| !json && names_one(selectors, &ids)).copied();
        for process in ids.into_iter().filter_map(|id| self.supervisor.get(id)) {
            down |= !matches!(process.state, State::Running { .. });
            answer.push(Reply::Status(self.row(process)));
        }
        if let Some(process) = one.and_then(|id| self.supervisor.get(id)) {
            answer.extend(self.story(process));
        }
        let exit = if down { exit::NOT_RUNNING } else { 0 };
        answer.push(Reply::End(End { exit, error: None }));
        answer
    }

    pub(super) fn row(&self, process: &Process) -> Row {
        let lost = self.captures.lost(&process.program.name, process.index);
        Row { lost_bytes: lost, ..words::row(&self.supervisor, process, self.now.at) }
    }

    fn pids(&mut self, selectors: &[String]) -> Answer {
        if selectors.is_empty() {
            let pid = i32::try_from(std::process::id()).ok();
            return vec![Reply::Pid(PidRow { name: None, pid }), Reply::DONE];
        }
        let ids = match self.select(selectors) {
            Ok(ids) => ids,
            Err(answer) => return answer,
        };
        let mut exit = 0;
        let mut answer = Vec::with_capacity(ids.len() + 1);
        for process in ids.into_iter().filter_map(|id| self.supervisor.get(id)) {
            let pid = process.state.process().map(|(pid, _)| pid);
            exit = if pid.is_none() { exit::FAILED } else { exit };
            answer.push(Reply::Pid(PidRow { name: Some(process.name()), pid }));
        }
        answer.push(Reply::End(End { exit, error: None }));
        answer
    }

    fn send_signal(&mut self, signal: Signal, selectors: &[String]) -> Answer {
        let ids = match self.select(selectors) {
            Ok(ids) => ids,
            Err(answer) => return answer,
        };
        let mut exit = 0;
        let mut answer = Vec::with_capacity(ids.len() + 1);
        for id in ids {
            let Some(process) = self.supervisor.get(id) else { continue };
            let (name, state) = (process.name(), process.state);
            let (ok, message) = match state.process() {
                Some((pid, _)) => self.send_now(&name, pid, signal),
                None => (false, format!("{}: no process to take it", state.name())),
            };
            exit = if ok { exit } else { exit::FAILED };
            answer.push(Reply::Result(ResultRow { name, ok, message }));
        }
        answer.push(Reply::End(End { exit, error: None }));
        answer
    }

    /// Sends a signal, and says whether that went well. It has no turn among what is to be done:
    /// no state hangs on it, and the answer tells what came of it.
    fn send_now(&mut self, name: &str, pid: Pid, signal: Signal) -> (bool, String) {
        match self.send(pid, signal.number(), false) {
            Ok(()) => (true, format!("{} sent", signal.name())),
            Err(error) => {
                let message = format!("sending {}: {}", signal.name(), cause(&error));
                self.log(Level::Error, &message, &[("name", name)]);
                (false, message)
            }
        }
    }

    /// Start, stop or restart: asks all at once, and answers for each as it comes.
    fn ask(&mut self, index: usize, selectors: &[String], goal: Goal, wait: Wait) {
        let ids = match self.select(selectors) {
            Ok(ids) => ids,
            Err(answer) => return self.reply(index, answer),
        };
        if goal != Goal::Stop && self.supervisor.is_shutting_down() {
            let error = "the daemon is shutting down: nothing is started any more";
            return self.reply(index, vec![Reply::failed(exit::FAILED, error)]);
        }
        self.ask_for(index, ids, goal, wait);
    }

    /// The same of these.
    pub(super) fn ask_for(&mut self, index: usize, ids: Vec<Id>, goal: Goal, wait: Wait) {
        let mut pending = std::collections::BTreeMap::new();
        let mut answer = Vec::new();
        let mut failed = false;
        let since = self.supervisor.changes();
        for id in ids.iter().copied() {
            let (others, told) = self.others(id, goal, &ids);
            answer.extend(told.map(Reply::Text));
            if goal == Goal::Stop && wait != Wait::No {
                let named = |id: Id| Some((id, self.supervisor.get(id)?.name()));
                pending.extend(others.into_iter().filter_map(named));
            }
            let Some((name, done)) = self.ask_one(id, goal) else { continue };
            match (done, wait) {
                (Some((ok, message)), _) => {
                    failed |= !ok;
                    answer.push(Reply::Result(ResultRow { name, ok, message }));
                }
                (None, Wait::No) => {
                    let message = match goal {
                        Goal::Start => "start asked for",
                        Goal::Stop => "stop asked for",
                        Goal::Restart | Goal::Roll(_) => "restart asked for",
                    };
                    let message = message.to_owned();
                    answer.push(Reply::Result(ResultRow { name, ok: true, message }));
                }
                (None, Wait::Forever | Wait::AtMost(_)) => {
                    pending.insert(id, name);
                }
            }
        }
        self.reply(index, answer);
        let until = match wait {
            Wait::AtMost(time) => Some(self.now.at + time),
            Wait::Forever | Wait::No => None,
        };
        if let Some(client) = self.clients.get_mut(index) {
            client.wait_for(Waiting { goal, pending, since, until, failed });
        }
        self.answer_in_vain(index);
    }

    /// Asks one. Its name, and the answer where there is nothing to wait for.
    fn ask_one(&mut self, id: Id, goal: Goal) -> Option<(String, Option<(bool, String)>)> {
        let process = self.supervisor.get(id)?;
        let name = process.name();
        let refused = refusal(process).filter(|_| goal != Goal::Stop).map(|why| (false, why));
        let answer = refused.or(match (goal, process.state) {
            (Goal::Stop, State::Stopped) if process.is_disabled() => Some((true, "disabled")),
            (Goal::Start, State::Running { .. }) => Some((true, "already running")),
            (Goal::Stop, State::Stopped) => Some((true, "already stopped")),
            _ => None,
        });
        let answer = answer.map(|(ok, message)| (ok, message.to_owned()));
        let event = match goal {
            Goal::Start => Event::Start,
            Goal::Stop => Event::Stop,
            Goal::Restart | Goal::Roll(_) => Event::Restart,
        };
        self.supervisor.ask(id, event, self.now);
        // Not all that may have changed is a change of state.
        self.row_changed(id);
        Some((name, answer))
    }
}

/// Why nobody who asks has it started.
pub(super) fn refusal(process: &Process) -> Option<&'static str> {
    match (process.is_leaving(), process.is_disabled()) {
        (true, _) => Some(REMOVED),
        (false, true) => Some(DISABLED),
        (false, false) => None,
    }
}

/// Whether the selectors name one process: then there is more to tell of it.
fn names_one(selectors: &[String], ids: &[Id]) -> bool {
    match (selectors, ids) {
        ([selector], [_]) => selector != "all" && !selector.contains(['*', '?']),
        _ => false,
    }
}
