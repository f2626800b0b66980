//! One process: what it is, what is wanted of it, and every step between.
//!
//! The machine is Supervisor's, and its states carry what belongs to them, so
//! that nothing stale can be left behind: there is no timer to cancel and no flag
//! that says "being killed".
//!
//! * **STOPPED** ([`State::Stopped`]): not up, not wanted. A start makes it STARTING.
//! * **WAITING**: wanted, but something that it depends on is not as it should be. Whatever
//!   starts it, a person or a restart, ends here first where that is so ([`Around::open`]); it
//!   goes on as soon as it is told to look again and finds it well. A stop makes it STOPPED at
//!   once.
//! * **STARTING**, in two parts. First ([`State::Spawning`]) it waits for its turn to be
//!   launched: it has no pid, so a stop makes it STOPPED at once. A launch that fails, for
//!   whatever step of it, is a *failed start*. One that succeeds ([`State::Starting`]) has a
//!   pid and becomes RUNNING once it has been up for `starttime`, or, where `ready` is set, is
//!   ready. One whose launch did not wait for its exec is to be executed first, and all that
//!   counts from then on. An end before RUNNING is a failed start too, whatever the exit code.
//!   One that is not ready in time is stopped, as if somebody had asked, and has failed when it
//!   is gone; so is one that `ready` is set for and that is not executed in that time.
//! * A **failed start** goes to BACKOFF and is tried again after the next delay, whatever
//!   `autorestart` says; after `startretries` retries it is FATAL.
//! * **RUNNING**: up. When it ends it is EXITED, and `autorestart` decides what follows. A
//!   restart is immediate, but two starts lie at least the first back-off delay apart: one that
//!   ended sooner waits out the rest in BACKOFF, so that no setting makes a hot loop. One that
//!   is *unhealthy* is stopped, and when it is gone that was an unexpected end.
//! * **BACKOFF**: waits until a time, then STARTING. It has no process: a stop makes it STOPPED
//!   at once, a start by a person tries at once with all retries before it.
//! * **STOPPING**: the stop signal is sent, once nothing that depends on it is on its way to
//!   an end ([`Stage::Held`] until then). After `stoptime` the whole group gets SIGKILL, and
//!   again every second until the process has been reaped. What comes next stands in
//!   [`Then`]: STOPPED, another start (a restart, or a start that came meanwhile), a failed start
//!   (it was not ready), an unexpected end (it was unhealthy), or being forgotten (a reload took
//!   it out of the configuration). A later stop overwrites whatever was to come; nothing but
//!   [`Event::Keep`] overwrites being forgotten.
//! * **EXITED**: it ended by itself and is not to be restarted. A stop makes it STOPPED.
//! * **FATAL**: given up, after `startretries` retries, or after `max_restarts` starts that
//!   nobody asked for. Only a person, or a reload that changes how it starts, tries again.
//!
//! Time enters as [`Moment`]; deadlines are derived from state and policy, so that a reload
//! that changes `starttime` or `stoptime` counts at once. A [`Event::Tick`] that comes early
//! or late is harmless, and so is what is said of a process that is another by now.

use std::time::{Duration, Instant};

use super::StateName;
use super::state::{Action, Around, Awaits, Change, Event, Exit, Pid, Stage, State, Then};
use crate::config::{Policy, Program, Signal};

/// How long after a SIGKILL the next one follows, should the process still be there.
pub const KILL_AGAIN: Duration = Duration::from_secs(1);

/// When the next [`Event::Tick`] is due.
pub fn deadline(policy: &Policy, state: State) -> Option<Instant> {
    match state {
        State::Starting { started, awaits, .. } => Some(started + patience(policy, awaits)?),
        State::Backoff { until, .. } => Some(until),
        State::Stopping { stage: Stage::Killed(at), .. } => Some(at + KILL_AGAIN),
        State::Stopping { stage: Stage::Asked(at), .. } => Some(at + policy.stoptime),
        State::Stopped
        | State::Waiting { .. }
        | State::Spawning { .. }
        | State::Running { .. }
        | State::Stopping { stage: Stage::Held, .. }
        | State::Exited { .. }
        | State::Fatal { .. } => None,
    }
}

/// How long after its launch something is due for one that is STARTING, if ever.
fn patience(policy: &Policy, awaits: Awaits) -> Option<Duration> {
    match (awaits, &policy.ready) {
        (Awaits::ExecReady | Awaits::Ready { up: true }, Some(ready)) => Some(ready.timeout),
        (Awaits::Ready { up: false }, Some(ready)) => Some(policy.starttime.min(ready.timeout)),
        // A reload may have taken away what it was to become.
        (Awaits::Exec, _) | (Awaits::ExecReady, None) => None,
        (Awaits::Time, _) | (Awaits::Ready { .. }, None) => Some(policy.starttime),
    }
}

/// The step from one state to the next, and what is to be done.
pub fn on_event(
    program: &Program,
    state: State,
    event: Event,
    around: Around,
) -> (State, Vec<Action>) {
    let step = Step { policy: &program.policy, from: state.name(), around };
    match event {
        Event::Start => step.start(state),
        Event::Stop => step.stop(state),
        Event::Restart => step.restart(state),
        Event::Relaunch => step.relaunch(state),
        Event::Follow => step.follow(state),
        Event::Look => step.look(state),
        Event::Remove => step.remove(state),
        Event::Keep { start } => step.keep(state, start),
        Event::Kill => step.kill(state),
        Event::Spawned(pid) => step.spawned(state, pid, true),
        Event::Forked(pid) => step.spawned(state, pid, false),
        Event::Executed(pid) => step.executed(state, pid),
        Event::SpawnFailed => step.spawn_failed(state),
        Event::Ready(pid) => step.ready(state, pid),
        Event::Unhealthy(pid) => step.unhealthy(state, pid),
        Event::Ended(pid, exit) => step.ended(state, pid, exit),
        Event::Tick => step.tick(state),
    }
}

pub(super) type Next = (State, Vec<Action>);

/// What every step needs to know besides the state's own data.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) policy: &'a Policy,
    pub(super) from: StateName,
    pub(super) around: Around,
}

impl Step<'_> {
    fn start(&self, state: State) -> Next {
        match state {
            State::Stopped
            | State::Waiting { .. }
            | State::Backoff { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => self.spawn(0, true),
            State::Spawning { from, .. } => {
                (State::Spawning { from, retries: 0, asked: true }, vec![])
            }
            State::Starting { pid, started, awaits, .. } => {
                (State::Starting { pid, started, retries: 0, awaits }, vec![])
            }
            State::Stopping {
                pid,
                started,
                stage,
                then: Then::Stop | Then::Follow | Then::Fail { .. } | Then::End,
            } => (State::Stopping { pid, started, stage, then: Then::Start }, vec![]),
            State::Running { .. } | State::Stopping { then: Then::Start | Then::Forget, .. } => {
                (state, vec![])
            }
        }
    }

    fn stop(&self, state: State) -> Next {
        match state {
            State::Stopped | State::Stopping { then: Then::Stop | Then::Forget, .. } => {
                (state, vec![])
            }
            // Nobody was told that it starts.
            State::Spawning { from, .. } => {
                (State::Stopped, vec![Step { from, ..*self }.tell(State::Stopped)])
            }
            State::Waiting { .. }
            | State::Backoff { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (State::Stopped, vec![self.tell(State::Stopped)]),
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                self.ask(pid, started, Then::Stop)
            }
            State::Stopping {
                pid,
                started,
                stage,
                then: Then::Start | Then::Follow | Then::Fail { .. } | Then::End,
            } => (State::Stopping { pid, started, stage, then: Then::Stop }, vec![]),
        }
    }

    fn restart(&self, state: State) -> Next {
        match state {
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                self.ask(pid, started, Then::Start)
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => self.start(state),
        }
    }

    fn relaunch(&self, state: State) -> Next {
        match state {
            State::Stopped
            | State::Exited { .. }
            | State::Stopping { then: Then::Stop | Then::Start | Then::Forget, .. } => {
                (state, vec![])
            }
            State::Fatal { .. } if !self.policy.autostart => (state, vec![]),
            State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Waiting { .. }
            | State::Stopping { then: Then::Follow | Then::Fail { .. } | Then::End, .. }
            | State::Fatal { .. } => self.restart(state),
        }
    }

    fn follow(&self, state: State) -> Next {
        match state {
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                self.ask(pid, started, Then::Follow)
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    fn look(&self, state: State) -> Next {
        match state {
            State::Waiting { retries, asked } => self.spawn(retries, asked),
            // Its turn has come, and meanwhile the gate may have been shut again.
            State::Spawning { from, retries, asked } if !self.around.open => {
                Step { from, ..*self }.spawn(retries, asked)
            }
            State::Stopping { pid, started, stage: Stage::Held, then } => {
                self.ask(pid, started, then)
            }
            State::Stopped
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    fn remove(&self, state: State) -> Next {
        match state {
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                self.ask(pid, started, Then::Forget)
            }
            State::Stopping { pid, started, stage, .. } => {
                (State::Stopping { pid, started, stage, then: Then::Forget }, vec![])
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => {
                let (state, mut actions) = self.stop(state);
                actions.push(Action::Forget);
                (state, actions)
            }
        }
    }

    fn keep(&self, state: State, start: bool) -> Next {
        match state {
            State::Stopping { pid, started, stage, then: Then::Forget } => {
                let then = if start { Then::Start } else { Then::Stop };
                (State::Stopping { pid, started, stage, then }, vec![])
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping {
                then: Then::Stop | Then::Start | Then::Follow | Then::Fail { .. } | Then::End,
                ..
            }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    /// Nothing of it is to live on, and nothing is to follow.
    fn kill(&self, state: State) -> Next {
        match state {
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                let stage = Stage::Killed(self.now());
                let to = State::Stopping { pid, started, stage, then: Then::Stop };
                (to, vec![self.tell_of(to, pid), sigkill(pid)])
            }
            State::Stopping { pid, started, then, .. } => {
                let then = match then {
                    Then::Stop | Then::Start | Then::Follow | Then::Fail { .. } | Then::End => {
                        Then::Stop
                    }
                    Then::Forget => Then::Forget,
                };
                self.sigkill(pid, started, then)
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => self.stop(state),
        }
    }

    fn sigkill(&self, pid: Pid, started: Instant, then: Then) -> Next {
        let stage = Stage::Killed(self.now());
        (State::Stopping { pid, started, stage, then }, vec![sigkill(pid)])
    }

    pub(super) fn tick(&self, state: State) -> Next {
        if deadline(self.policy, state).is_none_or(|at| self.now() < at) {
            return (state, vec![]);
        }
        match state {
            State::Starting { pid, started, retries, awaits } => {
                self.waited(pid, started, retries, awaits)
            }
            State::Backoff { retries, .. } => self.spawn(retries, false),
            State::Stopping { pid, started, then, .. } => self.sigkill(pid, started, then),
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Running { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    /// Towards a launch: at once, or when the gate is open.
    pub(super) fn spawn(&self, retries: u32, asked: bool) -> Next {
        if self.around.open {
            let to = State::Spawning { from: self.from, retries, asked };
            return (to, vec![Action::Spawn]);
        }
        let to = State::Waiting { retries, asked };
        let is_news = self.from != StateName::Waiting;
        (to, is_news.then(|| self.tell(to)).into_iter().collect())
    }

    /// Towards an end. What it depends on may yet need it on its own way there: a stop in order
    /// waits for that, a restart does not.
    pub(super) fn ask(&self, pid: Pid, started: Instant, then: Then) -> Next {
        let in_order = matches!(then, Then::Stop | Then::Forget);
        if in_order && !self.around.free {
            let to = State::Stopping { pid, started, stage: Stage::Held, then };
            let is_news = self.from != StateName::Stopping;
            return (to, is_news.then(|| self.tell_of(to, pid)).into_iter().collect());
        }
        let to = State::Stopping { pid, started, stage: Stage::Asked(self.now()), then };
        let signal = self.policy.stopsignal.number();
        let group = self.policy.stopasgroup;
        (to, vec![self.tell_of(to, pid), Action::Signal { pid, signal, group }])
    }

    pub(super) fn now(&self) -> Instant {
        self.around.now.at
    }

    fn tell(&self, to: State) -> Action {
        self.change(to, None, None)
    }

    pub(super) fn tell_of(&self, to: State, pid: Pid) -> Action {
        self.change(to, Some(pid), None)
    }

    pub(super) fn change(&self, to: State, pid: Option<Pid>, end: Option<(Exit, bool)>) -> Action {
        Action::Tell(Change { from: self.from, to, pid, end })
    }
}

pub(super) fn sigkill(pid: Pid) -> Action {
    Action::Signal { pid, signal: Signal::KILL.number(), group: true }
}
