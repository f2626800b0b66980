//! One process: what it is, what is wanted of it, and every step between.
//!
//! The machine is Supervisor's, and its states carry what belongs to them, so
//! that nothing stale can be left behind: there is no timer to cancel and no flag
//! that says "being killed".
//!
//! * **STOPPED** ([`State::Stopped`]): not up, not wanted. A start makes it STARTING.
//! * **STARTING**, in two parts. First ([`State::Spawning`]) it waits for its turn to be
//!   launched: it has no pid, so a stop makes it STOPPED at once. A launch that fails, for
//!   whatever step of it, is a *failed start*. One that succeeds ([`State::Starting`]) has a
//!   pid and becomes RUNNING once it has been up for `starttime`, or, where `ready` is set, is
//!   ready. An end before that is a failed start too, whatever the exit code. One that is not
//!   ready in time is stopped, as if somebody had asked, and has failed when it is gone.
//! * A **failed start** goes to BACKOFF and is tried again after the next delay, whatever
//!   `autorestart` says; after `startretries` retries it is FATAL.
//! * **RUNNING**: up. When it ends it is EXITED, and `autorestart` decides what follows. A
//!   restart is immediate, but two starts lie at least the first back-off delay apart: one that
//!   ended sooner waits out the rest in BACKOFF, so that no setting makes a hot loop. One that
//!   is *unhealthy* is stopped, and when it is gone that was an unexpected end.
//! * **BACKOFF**: waits until a time, then STARTING. It has no process: a stop makes it STOPPED
//!   at once, a start by a person tries at once with all retries before it.
//! * **STOPPING**: the stop signal is sent. After `stoptime` the whole group gets SIGKILL, and
//!   again every second until the process has been reaped. What comes next stands in
//!   [`Then`]: STOPPED, another start (a restart, or a start that came meanwhile), a failed start
//!   (it was not ready), an unexpected end (it was unhealthy), or being forgotten (a reload took
//!   it out of the configuration). A later stop overwrites whatever was to come; nothing but
//!   [`Event::Keep`] overwrites being forgotten.
//! * **EXITED**: it ended by itself and is not to be restarted. A stop makes it STOPPED.
//! * **FATAL**: given up. Only a person, or a reload that changes how it starts, tries again.
//!
//! Time enters as [`Moment`]; deadlines are derived from state and policy, so that a reload
//! that changes `starttime` or `stoptime` counts at once. A [`Event::Tick`] that comes early
//! or late is harmless, and so is what is said of a process that is another by now.

use std::time::{Duration, Instant};

use super::StateName;
use super::state::{Action, Awaits, Change, Event, Exit, Moment, Pid, Stage, State, Then};
use crate::config::{Autorestart, Backoff, Expected, Policy, Program, Signal};

/// How long after a SIGKILL the next one follows, should the process still be there.
pub const KILL_AGAIN: Duration = Duration::from_secs(1);

/// When the next [`Event::Tick`] is due.
pub fn deadline(policy: &Policy, state: State) -> Option<Instant> {
    match state {
        State::Starting { started, awaits, .. } => Some(started + patience(policy, awaits)),
        State::Backoff { until, .. } => Some(until),
        State::Stopping { stage: Stage::Killed(at), .. } => Some(at + KILL_AGAIN),
        State::Stopping { stage: Stage::Asked(at), .. } => Some(at + policy.stoptime),
        State::Stopped
        | State::Spawning { .. }
        | State::Running { .. }
        | State::Exited { .. }
        | State::Fatal { .. } => None,
    }
}

/// How long after its launch something is due for one that is STARTING.
fn patience(policy: &Policy, awaits: Awaits) -> Duration {
    match (awaits, &policy.ready) {
        (Awaits::Ready { up: true }, Some(ready)) => ready.timeout,
        (Awaits::Ready { up: false }, Some(ready)) => policy.starttime.min(ready.timeout),
        // A reload may have taken away what it was to become.
        (Awaits::Time, _) | (Awaits::Ready { .. }, None) => policy.starttime,
    }
}

/// Whether this end is one that `exitcodes` lists.
pub fn is_expected(policy: &Policy, exit: Exit) -> bool {
    policy.exitcodes.iter().any(|expected| match (expected, exit) {
        (Expected::Code(code), Exit::Code(with)) => i32::from(*code) == with,
        (Expected::Signal(signal), Exit::Signal(by)) => signal.number() == by,
        (Expected::Code(_), Exit::Signal(_)) | (Expected::Signal(_), Exit::Code(_)) => false,
    })
}

/// The step from one state to the next, and what is to be done.
pub fn on_event(
    program: &Program,
    state: State,
    event: Event,
    now: Moment,
) -> (State, Vec<Action>) {
    let step = Step { policy: &program.policy, from: state.name(), now };
    match event {
        Event::Start => step.start(state),
        Event::Stop => step.stop(state),
        Event::Restart => step.restart(state),
        Event::Relaunch => step.relaunch(state),
        Event::Remove => step.remove(state),
        Event::Keep { start } => step.keep(state, start),
        Event::Kill => step.kill(state),
        Event::Spawned(pid) => step.spawned(state, pid),
        Event::SpawnFailed => step.spawn_failed(state),
        Event::Ready(pid) => step.ready(state, pid),
        Event::Unhealthy(pid) => step.unhealthy(state, pid),
        Event::Ended(pid, exit) => step.ended(state, pid, exit),
        Event::Tick => step.tick(state),
    }
}

type Next = (State, Vec<Action>);

/// What every step needs to know besides the state's own data.
struct Step<'a> {
    policy: &'a Policy,
    from: StateName,
    now: Moment,
}

impl Step<'_> {
    fn start(&self, state: State) -> Next {
        match state {
            State::Stopped | State::Backoff { .. } | State::Exited { .. } | State::Fatal { .. } => {
                self.spawn(0, true)
            }
            State::Spawning { from, .. } => (State::Spawning { from, retries: 0 }, vec![]),
            State::Starting { pid, started, awaits, .. } => {
                (State::Starting { pid, started, retries: 0, awaits }, vec![])
            }
            State::Stopping {
                pid,
                started,
                stage,
                then: Then::Stop | Then::Fail { .. } | Then::End,
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
            State::Spawning { .. }
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
                then: Then::Start | Then::Fail { .. } | Then::End,
            } => (State::Stopping { pid, started, stage, then: Then::Stop }, vec![]),
        }
    }

    fn restart(&self, state: State) -> Next {
        match state {
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                self.ask(pid, started, Then::Start)
            }
            State::Stopped
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
            | State::Stopping { then: Then::Fail { .. } | Then::End, .. }
            | State::Fatal { .. } => self.restart(state),
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
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping {
                then: Then::Stop | Then::Start | Then::Fail { .. } | Then::End,
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
                let stage = Stage::Killed(self.now.at);
                let to = State::Stopping { pid, started, stage, then: Then::Stop };
                (to, vec![self.tell_of(to, pid), sigkill(pid)])
            }
            State::Stopping { pid, started, then, .. } => {
                let then = match then {
                    Then::Stop | Then::Start | Then::Fail { .. } | Then::End => Then::Stop,
                    Then::Forget => Then::Forget,
                };
                self.sigkill(pid, started, then)
            }
            State::Stopped
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => self.stop(state),
        }
    }

    fn sigkill(&self, pid: Pid, started: Instant, then: Then) -> Next {
        let stage = Stage::Killed(self.now.at);
        (State::Stopping { pid, started, stage, then }, vec![sigkill(pid)])
    }

    fn spawned(&self, state: State, pid: Pid) -> Next {
        match state {
            State::Spawning { from, retries } => {
                let awaits = match self.policy.ready {
                    Some(_) => Awaits::Ready { up: false },
                    None => Awaits::Time,
                };
                let to = State::Starting { pid, started: self.now.at, retries, awaits };
                let tell = Action::Tell(Change { from, to, pid: Some(pid), end: None });
                let after = Step { from: StateName::Starting, ..*self };
                let (to, more) = after.tick(to);
                (to, std::iter::once(tell).chain(more).collect())
            }
            // Nobody asked for this one: it must not live on beside what is wanted.
            State::Stopped
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![sigkill(pid)]),
        }
    }

    fn spawn_failed(&self, state: State) -> Next {
        match state {
            State::Spawning { from, retries } => {
                let tell = Action::Tell(Change { from, to: state, pid: None, end: None });
                let (to, more) = self.fail(retries, None, None);
                (to, std::iter::once(tell).chain(more).collect())
            }
            State::Stopped
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    fn ready(&self, state: State, which: Pid) -> Next {
        match state {
            State::Starting { pid, started, awaits: Awaits::Ready { .. }, .. } if pid == which => {
                self.running(pid, started)
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

    fn unhealthy(&self, state: State, which: Pid) -> Next {
        match state {
            State::Running { pid, started } if pid == which => {
                let (to, asks) = self.ask(pid, started, Then::End);
                (to, std::iter::once(Action::Unhealthy(pid)).chain(asks).collect())
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

    fn ended(&self, state: State, ended: Pid, exit: Exit) -> Next {
        match state {
            State::Starting { pid, retries, .. } if pid == ended => {
                self.fail(retries, Some(pid), Some((exit, false)))
            }
            State::Running { pid, started } if pid == ended => {
                let expected = is_expected(self.policy, exit);
                self.exited(pid, started, exit, expected)
            }
            State::Stopping { pid, started, then, .. } if pid == ended => {
                self.gone(pid, started, exit, then)
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

    /// An end from STOPPING.
    fn gone(&self, pid: Pid, started: Instant, exit: Exit, then: Then) -> Next {
        let tell = self.change(State::Stopped, Some(pid), Some((exit, true)));
        match then {
            Then::Stop => (State::Stopped, vec![tell]),
            Then::Forget => (State::Stopped, vec![tell, Action::Forget]),
            Then::Start => {
                let after = Step { from: StateName::Stopped, ..*self };
                let (to, more) = after.spawn(0, true);
                (to, std::iter::once(tell).chain(more).collect())
            }
            Then::Fail { retries } => self.fail(retries, Some(pid), Some((exit, false))),
            Then::End => self.exited(pid, started, exit, false),
        }
    }

    fn tick(&self, state: State) -> Next {
        if deadline(self.policy, state).is_none_or(|at| self.now.at < at) {
            return (state, vec![]);
        }
        match state {
            State::Starting { pid, started, retries, awaits } => {
                self.waited(pid, started, retries, awaits)
            }
            State::Backoff { retries, .. } => self.spawn(retries, false),
            State::Stopping { pid, started, then, .. } => self.sigkill(pid, started, then),
            State::Stopped
            | State::Spawning { .. }
            | State::Running { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    /// What one that is STARTING waited for is due.
    fn waited(&self, pid: Pid, started: Instant, retries: u32, awaits: Awaits) -> Next {
        match (awaits, &self.policy.ready) {
            (Awaits::Time, _) | (Awaits::Ready { .. }, None) => self.running(pid, started),
            (Awaits::Ready { .. }, Some(ready)) if self.now.at >= started + ready.timeout => {
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

    /// An end from RUNNING.
    fn exited(&self, pid: Pid, started: Instant, exit: Exit, expected: bool) -> Next {
        let rest = State::Exited { expected };
        let tell = self.change(rest, Some(pid), Some((exit, expected)));
        let restart = match self.policy.autorestart {
            Autorestart::Always => true,
            Autorestart::Never => false,
            Autorestart::Unexpected => !expected,
        };
        if !restart {
            return (rest, vec![tell]);
        }
        let after = Step { from: StateName::Exited, ..*self };
        let next_start = started + self.policy.backoff.initial;
        let (to, more) = if self.now.at >= next_start {
            after.spawn(0, false)
        } else {
            let to = State::Backoff { until: next_start, retries: 0 };
            (to, vec![after.change(to, None, Some((exit, expected)))])
        };
        (to, std::iter::once(tell).chain(more).collect())
    }

    /// A failed start, the `retries`-th retry (0: the first try).
    fn fail(&self, retries: u32, pid: Option<Pid>, end: Option<(Exit, bool)>) -> Next {
        let to = if self.policy.startretries.is_some_and(|most| retries >= most) {
            State::Fatal { retries }
        } else {
            let wait = delay(&self.policy.backoff, retries, self.now.dice);
            State::Backoff { until: self.now.at + wait, retries: retries.saturating_add(1) }
        };
        (to, vec![self.change(to, pid, end)])
    }

    fn spawn(&self, retries: u32, asked: bool) -> Next {
        (State::Spawning { from: self.from, retries }, vec![Action::Spawn { asked }])
    }

    fn ask(&self, pid: Pid, started: Instant, then: Then) -> Next {
        let to = State::Stopping { pid, started, stage: Stage::Asked(self.now.at), then };
        let signal = self.policy.stopsignal.number();
        let group = self.policy.stopasgroup;
        (to, vec![self.tell_of(to, pid), Action::Signal { pid, signal, group }])
    }

    fn tell(&self, to: State) -> Action {
        self.change(to, None, None)
    }

    fn tell_of(&self, to: State, pid: Pid) -> Action {
        self.change(to, Some(pid), None)
    }

    fn change(&self, to: State, pid: Option<Pid>, end: Option<(Exit, bool)>) -> Action {
        Action::Tell(Change { from: self.from, to, pid, end })
    }
}

fn sigkill(pid: Pid) -> Action {
    Action::Signal { pid, signal: Signal::KILL.number(), group: true }
}

/// The delay before retry number `retries` + 1: grown, bounded, and spread by chance.
fn delay(backoff: &Backoff, retries: u32, dice: f64) -> Duration {
    if backoff.initial.is_zero() {
        return Duration::ZERO;
    }
    let grown = backoff.initial.as_secs_f64() * backoff.factor.powf(f64::from(retries));
    let bounded = grown.min(backoff.max.as_secs_f64());
    Duration::try_from_secs_f64(bounded * (1.0 + backoff.jitter * dice)).unwrap_or(backoff.max)
}
