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
//!   pid and becomes RUNNING once it has been up for `starttime`. An end before that is a
//!   failed start too, whatever the exit code.
//! * A **failed start** goes to BACKOFF and is tried again after the next delay, whatever
//!   `autorestart` says; after `startretries` retries it is FATAL.
//! * **RUNNING**: up. When it ends it is EXITED, and `autorestart` decides what follows. A
//!   restart is immediate, but two starts lie at least the first back-off delay apart: one that
//!   ended sooner waits out the rest in BACKOFF, so that no setting makes a hot loop.
//! * **BACKOFF**: waits until a time, then STARTING. It has no process: a stop makes it STOPPED
//!   at once, a start by a person tries at once with all retries before it.
//! * **STOPPING**: the stop signal is sent. After `stoptime` the whole group gets SIGKILL, and
//!   again every second until the process has been reaped. What comes next stands in
//!   [`Then`]: STOPPED, another start (a restart, or a start that came meanwhile), or
//!   being forgotten (a reload took it out of the configuration). A later stop overwrites a
//!   pending start; nothing but [`Event::Keep`] overwrites being forgotten.
//! * **EXITED**: it ended by itself and is not to be restarted. A stop makes it STOPPED.
//! * **FATAL**: given up. Only a person, or a reload that changes how it starts, tries again.
//!
//! Time enters as [`Moment`]; deadlines are derived from state and policy, so that a reload
//! that changes `starttime` or `stoptime` counts at once. A [`Event::Tick`] that comes early
//! or late is harmless.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::StateName;
use crate::config::{Autorestart, Backoff, Expected, Policy, Program, Signal};

/// A process id of the kernel's.
pub type Pid = i32;

/// How long after a SIGKILL the next one follows, should the process still be there.
pub const KILL_AGAIN: Duration = Duration::from_secs(1);

/// One reading of the clocks, and one throw of the dice.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Monotonic: all that is measured is measured by it.
    pub at: Instant,
    /// For people only.
    pub wall: SystemTime,
    /// At least 0, less than 1: spreads retries by the `jitter` of `backoff`.
    pub dice: f64,
}

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    /// Not up, not wanted.
    Stopped,
    /// Waits to be launched; shown as STARTING.
    Spawning {
        /// What it was before.
        from: StateName,
        /// Failed starts before this one.
        retries: u32,
    },
    /// Launched, not up for `starttime` yet.
    Starting {
        /// Its process id.
        pid: Pid,
        /// When it was launched.
        started: Instant,
        /// Failed starts before this one.
        retries: u32,
    },
    /// Up.
    Running {
        /// Its process id.
        pid: Pid,
        /// When it was launched.
        started: Instant,
    },
    /// Waits for the next start.
    Backoff {
        /// When that is.
        until: Instant,
        /// Failed starts so far; 0: it only waits out the least time between two starts.
        retries: u32,
    },
    /// Asked to go.
    Stopping {
        /// Its process id.
        pid: Pid,
        /// When it was launched.
        started: Instant,
        /// When it was asked.
        asked: Instant,
        /// When it last got SIGKILL.
        killed: Option<Instant>,
        /// What comes when it is gone.
        then: Then,
    },
    /// Ended by itself, not to be restarted.
    Exited,
    /// Given up.
    Fatal {
        /// After so many retries.
        retries: u32,
    },
}

/// What follows a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// STOPPED.
    Stop,
    /// Another start.
    Start,
    /// Its entry goes.
    Forget,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By exit(2) with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody can tell: it was another daemon's child. Never expected.
    Unknown,
}

/// What happens to a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A start was asked for, by a person, by `autostart` or by a reload.
    Start,
    /// A stop was asked for.
    Stop,
    /// A restart was asked for; starts one that is not up.
    Restart,
    /// A reload changed what its start depends on.
    Relaunch,
    /// A reload took it out of the configuration.
    Remove,
    /// A reload brought it back before it was gone; whether it is to be started again.
    Keep {
        /// Whether it is to be started again.
        start: bool,
    },
    /// Time is up for all: SIGKILL now.
    Kill,
    /// It was launched and has this pid.
    Spawned(Pid),
    /// It could not be launched.
    SpawnFailed,
    /// The process with this pid ended and was reaped.
    Ended(Pid, Exit),
    /// Time has passed.
    Tick,
}

/// What shall be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Launch it when its turn comes.
    Spawn {
        /// Whether somebody asked for it: then its restarts count from 0.
        asked: bool,
    },
    /// Send a signal.
    Signal {
        /// To this process,
        pid: Pid,
        /// this signal,
        signal: i32,
        /// and to its whole group.
        group: bool,
    },
    /// Say that its state changed.
    Tell(Change),
    /// Its entry goes.
    Forget,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The state before.
    pub from: StateName,
    /// The state after, with what belongs to it.
    pub to: State,
    /// The process it concerns; of an end, the one that ended.
    pub pid: Option<Pid>,
    /// How it ended, and whether that was expected.
    pub end: Option<(Exit, bool)>,
}

impl State {
    /// The state as people know it.
    pub fn name(self) -> StateName {
        match self {
            Self::Stopped => StateName::Stopped,
            Self::Spawning { .. } | Self::Starting { .. } => StateName::Starting,
            Self::Running { .. } => StateName::Running,
            Self::Backoff { .. } => StateName::Backoff,
            Self::Stopping { .. } => StateName::Stopping,
            Self::Exited => StateName::Exited,
            Self::Fatal { .. } => StateName::Fatal,
        }
    }

    /// The live process, and when it was launched.
    pub fn process(self) -> Option<(Pid, Instant)> {
        match self {
            Self::Starting { pid, started, .. }
            | Self::Running { pid, started }
            | Self::Stopping { pid, started, .. } => Some((pid, started)),
            Self::Stopped
            | Self::Spawning { .. }
            | Self::Backoff { .. }
            | Self::Exited
            | Self::Fatal { .. } => None,
        }
    }
}

/// When the next [`Event::Tick`] is due.
pub fn deadline(policy: &Policy, state: State) -> Option<Instant> {
    match state {
        State::Starting { started, .. } => Some(started + policy.starttime),
        State::Backoff { until, .. } => Some(until),
        State::Stopping { killed: Some(at), .. } => Some(at + KILL_AGAIN),
        State::Stopping { asked, killed: None, .. } => Some(asked + policy.stoptime),
        State::Stopped
        | State::Spawning { .. }
        | State::Running { .. }
        | State::Exited
        | State::Fatal { .. } => None,
    }
}

/// Whether this end is one that `exitcodes` lists.
pub fn is_expected(policy: &Policy, exit: Exit) -> bool {
    policy.exitcodes.iter().any(|expected| match (expected, exit) {
        (Expected::Code(code), Exit::Code(with)) => i32::from(*code) == with,
        (Expected::Signal(signal), Exit::Signal(by)) => signal.number() == by,
        (Expected::Code(_), Exit::Signal(_) | Exit::Unknown)
        | (Expected::Signal(_), Exit::Code(_) | Exit::Unknown) => false,
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
            State::Stopped | State::Backoff { .. } | State::Exited | State::Fatal { .. } => {
                self.spawn(0, true)
            }
            State::Spawning { from, .. } => (State::Spawning { from, retries: 0 }, vec![]),
            State::Starting { pid, started, .. } => {
                (State::Starting { pid, started, retries: 0 }, vec![])
            }
            State::Stopping { pid, started, asked, killed, then: Then::Stop } => {
                (State::Stopping { pid, started, asked, killed, then: Then::Start }, vec![])
            }
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
            | State::Exited
            | State::Fatal { .. } => (State::Stopped, vec![self.tell(State::Stopped)]),
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                self.ask(pid, started, Then::Stop)
            }
            State::Stopping { pid, started, asked, killed, then: Then::Start } => {
                (State::Stopping { pid, started, asked, killed, then: Then::Stop }, vec![])
            }
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
            | State::Exited
            | State::Fatal { .. } => self.start(state),
        }
    }

    fn relaunch(&self, state: State) -> Next {
        match state {
            State::Stopped | State::Exited | State::Stopping { .. } => (state, vec![]),
            State::Fatal { .. } if !self.policy.autostart => (state, vec![]),
            State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Fatal { .. } => self.restart(state),
        }
    }

    fn remove(&self, state: State) -> Next {
        match state {
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                self.ask(pid, started, Then::Forget)
            }
            State::Stopping { pid, started, asked, killed, .. } => {
                (State::Stopping { pid, started, asked, killed, then: Then::Forget }, vec![])
            }
            State::Stopped
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Exited
            | State::Fatal { .. } => {
                let (state, mut actions) = self.stop(state);
                actions.push(Action::Forget);
                (state, actions)
            }
        }
    }

    fn keep(&self, state: State, start: bool) -> Next {
        match state {
            State::Stopping { pid, started, asked, killed, then: Then::Forget } => {
                let then = if start { Then::Start } else { Then::Stop };
                (State::Stopping { pid, started, asked, killed, then }, vec![])
            }
            State::Stopped
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { then: Then::Stop | Then::Start, .. }
            | State::Exited
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    fn kill(&self, state: State) -> Next {
        match state {
            State::Starting { pid, started, .. } | State::Running { pid, started } => {
                let killed = Some(self.now.at);
                let then = Then::Stop;
                let to = State::Stopping { pid, started, asked: self.now.at, killed, then };
                (to, vec![self.tell_of(to, pid), sigkill(pid)])
            }
            State::Stopping { pid, started, asked, then, .. } => {
                let killed = Some(self.now.at);
                (State::Stopping { pid, started, asked, killed, then }, vec![sigkill(pid)])
            }
            State::Stopped
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Exited
            | State::Fatal { .. } => self.stop(state),
        }
    }

    fn spawned(&self, state: State, pid: Pid) -> Next {
        match state {
            State::Spawning { from, retries } => {
                let to = State::Starting { pid, started: self.now.at, retries };
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
            | State::Exited
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
            | State::Exited
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    fn ended(&self, state: State, ended: Pid, exit: Exit) -> Next {
        let expected = is_expected(self.policy, exit);
        match state {
            State::Starting { pid, retries, .. } if pid == ended => {
                self.fail(retries, Some(pid), Some((exit, false)))
            }
            State::Running { pid, started } if pid == ended => {
                self.exited(pid, started, exit, expected)
            }
            State::Stopping { pid, then, .. } if pid == ended => {
                let end = Some((exit, true));
                let tell = self.change(State::Stopped, Some(pid), end);
                let after = Step { from: StateName::Stopped, ..*self };
                match then {
                    Then::Stop => (State::Stopped, vec![tell]),
                    Then::Forget => (State::Stopped, vec![tell, Action::Forget]),
                    Then::Start => {
                        let (to, more) = after.spawn(0, true);
                        (to, std::iter::once(tell).chain(more).collect())
                    }
                }
            }
            State::Stopped
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    fn tick(&self, state: State) -> Next {
        if deadline(self.policy, state).is_none_or(|at| self.now.at < at) {
            return (state, vec![]);
        }
        match state {
            State::Starting { pid, started, .. } => {
                let to = State::Running { pid, started };
                (to, vec![self.tell_of(to, pid)])
            }
            State::Backoff { retries, .. } => self.spawn(retries, false),
            State::Stopping { .. } => self.kill(state),
            State::Stopped
            | State::Spawning { .. }
            | State::Running { .. }
            | State::Exited
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    /// An end from RUNNING.
    fn exited(&self, pid: Pid, started: Instant, exit: Exit, expected: bool) -> Next {
        let tell = self.change(State::Exited, Some(pid), Some((exit, expected)));
        let restart = match self.policy.autorestart {
            Autorestart::Always => true,
            Autorestart::Never => false,
            Autorestart::Unexpected => !expected,
        };
        if !restart {
            return (State::Exited, vec![tell]);
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
        let to = State::Stopping { pid, started, asked: self.now.at, killed: None, then };
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
