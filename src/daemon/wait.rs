//! Clients that wait for processes to get where they were asked to.
//!
//! A start or restart is done with RUNNING and has failed with FATAL or EXITED, or when
//! somebody stopped it meanwhile; where retries are unlimited the first failed start is the
//! answer, and the trying goes on; so it is where it waits for another of which nothing will come.
//! A stop is done with STOPPED.
//!
//! What is told of may have been waiting for that: only changes after the ask answer it.

use std::rc::Rc;

use super::client::{Goal, Task, Waiting};
use super::commands::{REMOVED, exit};
use super::{Daemon, words};
use crate::protocol::{Reply, ResultRow};
use crate::supervisor::{Change, Id, Process, State, Supervisor};

/// The answer for one process.
pub(super) struct Verdict {
    pub(super) ok: bool,
    pub(super) message: String,
}

impl Daemon {
    /// A process changed its state: whoever waits for that gets an answer.
    pub(super) fn told(&mut self, id: Id, change: &Change, number: u64) {
        let Some(process) = self.supervisor.get(id) else { return };
        // Others may wait for it, and in vain from now on.
        let ends_hope = process.is_hopeless();
        for client in &mut self.clients {
            let Task::Wait(waiting) = &client.task else { continue };
            let mut verdicts = Vec::new();
            if number > waiting.since && waiting.pending.contains_key(&id) {
                verdicts.extend(judge(waiting.goal, process, change).map(|verdict| (id, verdict)));
            }
            verdicts.extend(in_vain(&self.supervisor, waiting, |other| ends_hope || other == id));
            for (id, verdict) in verdicts {
                client.answer(id, verdict);
            }
        }
    }

    /// Answers this client for those that wait in vain, where no change of state tells of it: they
    /// were WAITING already, and were asked for again or have come to wait for something else.
    pub(super) fn answer_in_vain(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let Task::Wait(waiting) = &client.task else { return };
        for (id, verdict) in in_vain(&self.supervisor, waiting, |_| true) {
            client.answer(id, verdict);
        }
    }

    /// A process has gone for good. Who follows its output goes on with that of another that has
    /// come in its place.
    pub(super) fn gone(&mut self, id: Id, name: &str, program: &Rc<str>, index: u32) {
        let is_replaced = self.supervisor.find(program, index).is_some();
        for client in &mut self.clients {
            if let Task::Tail(tail) = &mut client.task
                && !is_replaced
            {
                tail.lose(program, index, name);
            }
            let Task::Wait(waiting) = &client.task else { continue };
            let ok = waiting.goal == Goal::Stop;
            let message = REMOVED.to_owned();
            client.answer(id, Verdict { ok, message });
        }
    }

    /// What is due for clients: hellos that did not come, waits that end.
    pub(super) fn tick_clients(&mut self) {
        let mut silent = Vec::new();
        for client in &mut self.clients {
            if client.deadline().is_none_or(|at| at > self.now.at) {
                continue;
            }
            if client.release(self.now.at) {
                continue;
            }
            if !client.is_proved() {
                client.lost();
                silent.push(client.peer.clone());
                continue;
            }
            if let Task::Tail(tail) = &mut client.task {
                let is_written = |program: &str, index| self.captures.may_write(program, index);
                let (replies, last) = tail.more(self.now.at, is_written);
                replies.iter().for_each(|reply| client.send(reply));
                if let Some(name) = last {
                    client.task = Task::None;
                    let error = format!("{name}: {REMOVED}: nothing is left to follow");
                    client.send(&Reply::failed(exit::FAILED, error));
                }
                continue;
            }
            client.give_up(|id| {
                let state = self.supervisor.get(id).map(|process| process.state.name());
                state.map_or_else(String::new, |state| format!("still {state}"))
            });
        }
        for peer in silent {
            self.refused(&peer, "its hello did not come");
        }
    }
}

impl super::client::Client {
    /// Waits for `waiting`, or is done if nothing is pending.
    pub(super) fn wait_for(&mut self, waiting: Waiting) {
        self.task = Task::Wait(waiting);
        self.finish_wait();
    }

    pub(super) fn answer(&mut self, id: Id, verdict: Verdict) {
        let Task::Wait(waiting) = &mut self.task else { return };
        let Some(name) = waiting.pending.remove(&id) else { return };
        waiting.failed |= !verdict.ok;
        self.send(&Reply::Result(ResultRow { name, ok: verdict.ok, message: verdict.message }));
        self.finish_wait();
    }

    fn finish_wait(&mut self) {
        if let Task::Wait(waiting) = &self.task
            && waiting.pending.is_empty()
        {
            let exit = u8::from(waiting.failed);
            self.task = Task::None;
            self.send(&Reply::End(crate::protocol::End { exit, error: None }));
        }
    }

    /// Its time is over: says of each that is pending how it is.
    pub(super) fn give_up(&mut self, how: impl Fn(Id) -> String) {
        let Task::Wait(waiting) = &self.task else { return };
        let pending: Vec<Id> = waiting.pending.keys().copied().collect();
        for id in pending {
            self.answer(id, Verdict { ok: false, message: how(id) });
        }
    }
}

fn judge(goal: Goal, process: &Process, change: &Change) -> Option<Verdict> {
    match goal {
        Goal::Stop => matches!(change.to, State::Stopped)
            .then(|| Verdict { ok: true, message: "stopped".to_owned() }),
        Goal::Start | Goal::Restart => judge_start(goal, process, change),
        // That is not told by one state.
        Goal::Roll(_) => None,
    }
}

/// The answers for those among these that are to be started and wait for others in vain.
fn in_vain(
    supervisor: &Supervisor,
    waiting: &Waiting,
    among: impl Fn(Id) -> bool,
) -> Vec<(Id, Verdict)> {
    if !matches!(waiting.goal, Goal::Start | Goal::Restart) {
        return Vec::new();
    }
    let ids = waiting.pending.keys().copied().filter(|id| among(*id));
    ids.filter_map(|id| Some((id, stuck(supervisor, id)?))).collect()
}

/// The answer for one that waits for another, if nothing will come of that.
fn stuck(supervisor: &Supervisor, id: Id) -> Option<Verdict> {
    let process = supervisor.get(id)?;
    let State::Waiting { .. } = process.state else { return None };
    supervisor.stuck_at(&process.program)?;
    let message = format!(
        "{} {}; it goes on waiting",
        process.state.name(),
        super::order::waits(supervisor, &process.program)
    );
    Some(Verdict { ok: false, message })
}

fn judge_start(goal: Goal, process: &Process, change: &Change) -> Option<Verdict> {
    let failed = |message: String| Some(Verdict { ok: false, message });
    let state = change.to.name();
    match change.to {
        State::Running { .. } => {
            let word = if goal == Goal::Restart { "restarted" } else { "started" };
            Some(Verdict { ok: true, message: word.to_owned() })
        }
        State::Fatal { .. } => failed(format!("{state}: {}", words::reason(process))),
        State::Exited { .. } if process.state.name() == state => {
            failed(format!("{state}: {}", words::reason(process)))
        }
        State::Stopped if process.state == State::Stopped => failed("stopped meanwhile".to_owned()),
        State::Backoff { retries, .. }
            if retries > 0 && process.program.policy.startretries.is_none() =>
        {
            failed(format!("{state}: {}; it goes on trying", words::reason(process)))
        }
        State::Stopped
        | State::Waiting { .. }
        | State::Exited { .. }
        | State::Spawning { .. }
        | State::Starting { .. }
        | State::Backoff { .. }
        | State::Stopping { .. } => None,
    }
}
