//! What follows a launch: the part of the machine of [`super::process`] that leads from STARTING
//! to RUNNING, or not.

use std::time::Instant;

use super::StateName;
use super::process::{Next, Step, sigkill};
use super::state::{Action, Awaits, Change, Pid, State, Then};

impl Step<'_> {
    pub(super) fn spawned(&self, state: State, pid: Pid, is_executed: bool) -> Next {
        match state {
            State::Spawning { from, retries, .. } => {
                let awaits = match self.policy.ready {
                    Some(_) => Awaits::Ready { up: false },
                    None => Awaits::Time,
                };
                let awaits = if is_executed { awaits } else { awaits.before_exec() };
                let to = State::Starting { pid, started: self.now(), retries, awaits };
                let tell = Action::Tell(Change { from, to, pid: Some(pid), end: None });
                let after = Step { from: StateName::Starting, ..*self };
                let (to, more) = after.tick(to);
                (to, std::iter::once(tell).chain(more).collect())
            }
            // Nobody asked for this one: it must not live on beside what is wanted.
            State::Stopped
            | State::Waiting { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![sigkill(pid)]),
        }
    }

    /// What it is waited for counts from now on: its exec may have taken longer than that.
    pub(super) fn executed(&self, state: State, which: Pid) -> Next {
        match state {
            State::Starting { pid, retries, awaits, .. } if pid == which => {
                let awaits = match awaits {
                    Awaits::Exec => Awaits::Time,
                    Awaits::ExecReady => Awaits::Ready { up: false },
                    Awaits::Time | Awaits::Ready { .. } => return (state, vec![]),
                };
                self.tick(State::Starting { pid, started: self.now(), retries, awaits })
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    pub(super) fn spawn_failed(&self, state: State) -> Next {
        match state {
            State::Spawning { from, retries, .. } => {
                let tell = Action::Tell(Change { from, to: state, pid: None, end: None });
                let (to, more) = self.fail(retries, None, None);
                (to, std::iter::once(tell).chain(more).collect())
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    pub(super) fn ready(&self, state: State, which: Pid) -> Next {
        match state {
            State::Starting { pid, started, awaits: Awaits::Ready { .. }, .. } if pid == which => {
                self.running(pid, started)
            }
            // Before its exec it is asked nothing: it says so itself, and that has come first.
            State::Starting { pid, awaits: Awaits::ExecReady, .. } if pid == which => {
                self.running(pid, self.now())
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    pub(super) fn unhealthy(&self, state: State, which: Pid) -> Next {
        match state {
            State::Running { pid, started } if pid == which => {
                let (to, asks) = self.ask(pid, started, Then::End);
                (to, std::iter::once(Action::Unhealthy(pid)).chain(asks).collect())
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    /// What one that is STARTING waited for is due.
    pub(super) fn waited(&self, pid: Pid, started: Instant, retries: u32, awaits: Awaits) -> Next {
        match (awaits, &self.policy.ready) {
            (Awaits::Exec, _) | (Awaits::ExecReady, None) => {
                (State::Starting { pid, started, retries, awaits }, vec![])
            }
            (Awaits::Time, _) | (Awaits::Ready { .. }, None) => self.running(pid, started),
            (Awaits::ExecReady, Some(_)) => self.ask(pid, started, Then::Fail { retries }),
            (Awaits::Ready { .. }, Some(ready)) if self.now() >= started + ready.timeout => {
                self.ask(pid, started, Then::Fail { retries })
            }
            (Awaits::Ready { .. }, Some(_)) => {
                let awaits = Awaits::Ready { up: true };
                (State::Starting { pid, started, retries, awaits }, vec![])
            }
        }
    }

    fn running(&self, pid: Pid, started: Instant) -> Next {
        let to = State::Running { pid, started };
        (to, vec![self.tell_of(to, pid)])
    }
}
