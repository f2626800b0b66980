//! What a process is, what may happen to it, and what is to be done: the words that
//! [`super::process`] thinks in. All of it is plain data.

use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::StateName;

/// A process id of the kernel's.
pub type Pid = i32;

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
    /// Wanted, and held back by what it depends on.
    Waiting {
        /// Failed starts before this one.
        retries: u32,
        /// Whether somebody asked for the start.
        asked: bool,
    },
    /// Waits to be launched; shown as STARTING.
    Spawning {
        /// What it was before.
        from: StateName,
        /// Failed starts before this one.
        retries: u32,
        /// Whether somebody asked for the start.
        asked: bool,
    },
    /// Launched, not yet up for `starttime` or not yet ready.
    Starting {
        /// Its process id.
        pid: Pid,
        /// When it was launched, or, where the launch did not wait for that, executed.
        started: Instant,
        /// Failed starts before this one.
        retries: u32,
        /// What makes it RUNNING.
        awaits: Awaits,
    },
    /// Up.
    Running {
        /// Its process id.
        pid: Pid,
        /// The same.
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
        /// The same.
        started: Instant,
        /// How far that has come.
        stage: Stage,
        /// What comes when it is gone.
        then: Then,
    },
    /// Ended by itself, not to be restarted.
    Exited {
        /// Whether that was expected.
        expected: bool,
    },
    /// Given up.
    Fatal {
        /// What was enough.
        after: Enough,
    },
}

/// Why a process is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enough {
    /// So many retries, as `startretries` says.
    Retries(u32),
    /// As many restarts as `max_restarts` allows.
    Restarts,
}

/// What makes a process that is STARTING RUNNING. It stands as it was configured at the launch:
/// one that was not given a way to say that it is ready cannot be held to it by a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaits {
    /// To be executed, and then to be up for `starttime`.
    Exec,
    /// To be executed, within the `timeout` of `ready`, and then to be ready.
    ExecReady,
    /// To be up for `starttime`.
    Time,
    /// To be ready, within the `timeout` of `ready`.
    Ready {
        /// Whether it has been up for `starttime`.
        up: bool,
    },
}

impl Awaits {
    /// The same of one that is yet to be executed.
    pub fn before_exec(self) -> Self {
        match self {
            Self::Exec | Self::Time => Self::Exec,
            Self::ExecReady | Self::Ready { .. } => Self::ExecReady,
        }
    }
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It gets the stop signal once what depends on it is gone.
    Held,
    /// It got the stop signal, then.
    Asked(Instant),
    /// It got SIGKILL, the last time then.
    Killed(Instant),
}

/// What follows a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// STOPPED.
    Stop,
    /// Another start.
    Start,
    /// Another start, for which nobody asked: what it depends on was started anew.
    Follow,
    /// A failed start: it was not ready in time.
    Fail {
        /// Failed starts before this one.
        retries: u32,
    },
    /// What follows an unexpected end: it was unhealthy.
    End,
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
    /// What it depends on was started anew, and `restart: with` asks for the same of it.
    Follow,
    /// What it waits for may have come about.
    Look,
    /// A reload took it out of the configuration.
    Remove,
    /// A reload brought it back before it was gone; whether it is to be started again.
    Keep {
        /// Whether it is to be started again.
        start: bool,
    },
    /// Time is up for all: SIGKILL now.
    Kill,
    /// It was launched, was executed and has this pid.
    Spawned(Pid),
    /// It was launched and has this pid; whether it can be executed is yet to be heard: an
    /// [`Event::Executed`] follows, or an end.
    Forked(Pid),
    /// The process with this pid was executed.
    Executed(Pid),
    /// It could not be launched.
    SpawnFailed,
    /// The process with this pid is ready, as `ready` has it.
    Ready(Pid),
    /// The process with this pid is not well: its checks failed `retries` times in a row, or its
    /// watchdog was not heard of in time.
    Unhealthy(Pid),
    /// The process with this pid ended and was reaped.
    Ended(Pid, Exit),
    /// Time has passed.
    Tick,
}

/// What shall be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Launch it when its turn comes.
    Spawn,
    /// Send a signal.
    Signal {
        /// To this process,
        pid: Pid,
        /// this signal,
        signal: i32,
        /// and to its whole group.
        group: bool,
    },
    /// Say that this process of it is not well.
    Unhealthy(Pid),
    /// Say that its state changed.
    Tell(Change),
    /// Its entry goes.
    Forget,
}

/// What a step needs to know besides the state of the process itself.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// The time.
    pub now: Moment,
    /// Whether all that it depends on is as it asks: else it is not started.
    pub open: bool,
    /// Whether nothing that depends on it is on its way to an end: else its own stop waits.
    pub free: bool,
    /// Until when a start that nobody asks for is one too many.
    pub spent: Option<Instant>,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The state before, as it was told. The same as the one after: a start was taken back before
    /// anybody heard of it.
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
            Self::Waiting { .. } => StateName::Waiting,
            Self::Spawning { .. } | Self::Starting { .. } => StateName::Starting,
            Self::Running { .. } => StateName::Running,
            Self::Backoff { .. } => StateName::Backoff,
            Self::Stopping { .. } => StateName::Stopping,
            Self::Exited { .. } => StateName::Exited,
            Self::Fatal { .. } => StateName::Fatal,
        }
    }

    /// Whether nobody has heard yet that it was executed.
    pub fn awaits_exec(self) -> bool {
        matches!(self, Self::Starting { awaits: Awaits::Exec | Awaits::ExecReady, .. })
    }

    /// Whether it ended by itself, or could not be started, and nothing is to follow.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Exited { .. } | Self::Fatal { .. })
    }

    /// The live process, and when it was launched or executed.
    pub fn process(self) -> Option<(Pid, Instant)> {
        match self {
            Self::Starting { pid, started, .. }
            | Self::Running { pid, started }
            | Self::Stopping { pid, started, .. } => Some((pid, started)),
            Self::Stopped
            | Self::Waiting { .. }
            | Self::Spawning { .. }
            | Self::Backoff { .. }
            | Self::Exited { .. }
            | Self::Fatal { .. } => None,
        }
    }
}
