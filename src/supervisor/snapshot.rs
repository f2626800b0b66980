//! A process as plain data, for the daemon that comes after this one: written to the journal at
//! every change, and handed over by an upgrade.
//!
//! It stands apart from [`State`], so that what was written by one version can be read by the
//! next: each state is turned into a [`Phase`] and back by a total match, here and nowhere else.
//! Points in time are nanoseconds of the monotonic clock, which goes on whatever daemon looks at it.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{
    Awaits, Effect, Enough, Event, Exit, Failure, Id, Moment, Pid, Process, Stage, State,
    StateName, Supervisor, Then,
};
use crate::config::{Config, Program};

/// A process as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The program.
    pub program: Rc<str>,
    /// Its number among the program's processes.
    pub index: u32,
    /// What it is.
    pub state: Phase,
    /// When it entered this state.
    pub since: Option<SystemTime>,
    /// Starts by taskmaster itself since somebody asked for one.
    pub restarts: u64,
    /// How it last ended, and whether that was expected.
    pub last_end: Option<(Exit, bool)>,
    /// Why the last launch failed.
    pub failure: Option<Failure>,
    /// When it came to rest, if that was by an end that nobody expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<u64>,
    /// When it was started lately without anybody asking: what counts for `max_restarts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarted: Vec<u64>,
    /// It only ever waited: no start of it was tried, though it has entered a state.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untried: bool,
}

/// A [`State`] as it is written down. Never change what a name means: older ones are read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // they are those of State
pub enum Phase {
    Stopped,
    Waiting { retries: u32, asked: bool },
    Spawning { from: StateName, retries: u32, asked: bool },
    Starting { pid: Pid, started: u64, retries: u32, awaits: Awaits },
    Running { pid: Pid, started: u64 },
    Backoff { until: u64, retries: u32 },
    Stopping { pid: Pid, started: u64, how_far: HowFar, then: Then },
    Exited { expected: bool },
    Fatal { after: Enough },
}

/// A [`Stage`] as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // they are those of Stage
pub enum HowFar {
    Held,
    Asked(u64),
    Killed(u64),
}

impl Phase {
    /// The live process.
    pub fn pid(self) -> Option<Pid> {
        match self {
            Self::Starting { pid, .. } | Self::Running { pid, .. } | Self::Stopping { pid, .. } => {
                Some(pid)
            }
            Self::Stopped
            | Self::Waiting { .. }
            | Self::Spawning { .. }
            | Self::Backoff { .. }
            | Self::Exited { .. }
            | Self::Fatal { .. } => None,
        }
    }
}

impl Phase {
    /// Whether it is asked to go.
    pub fn is_stopping(self) -> bool {
        matches!(self, Self::Stopping { .. })
    }

    /// Whether it has been sent the stop signal: one whose stop is held has not.
    pub fn was_asked(self) -> bool {
        match self {
            Self::Stopping { how_far, .. } => how_far != HowFar::Held,
            Self::Stopped
            | Self::Waiting { .. }
            | Self::Spawning { .. }
            | Self::Starting { .. }
            | Self::Running { .. }
            | Self::Backoff { .. }
            | Self::Exited { .. }
            | Self::Fatal { .. } => false,
        }
    }
}

/// One reading of the monotonic clock in both forms, by which one is turned into the other.
#[derive(Debug, Clone, Copy)]
pub struct Base {
    /// For this process.
    pub at: Instant,
    /// For all, in nanoseconds.
    pub nanos: u64,
}

impl Base {
    /// A point in time as all processes know it.
    pub fn nanos(self, at: Instant) -> u64 {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match at.checked_duration_since(self.at) {
            Some(later) => self.nanos.saturating_add(nanos(later)),
            None => self.nanos.saturating_sub(nanos(self.at - at)),
        }
    }

    /// And back.
    pub fn instant(self, nanos: u64) -> Instant {
        let at = match nanos.checked_sub(self.nanos) {
            Some(later) => self.at.checked_add(Duration::from_nanos(later)),
            None => self.at.checked_sub(Duration::from_nanos(self.nanos - nanos)),
        };
        at.unwrap_or(self.at)
    }

    fn phase(self, state: State) -> Phase {
        let nanos = |at| self.nanos(at);
        match state {
            State::Stopped => Phase::Stopped,
            State::Waiting { retries, asked } => Phase::Waiting { retries, asked },
            State::Spawning { from, retries, asked } => Phase::Spawning { from, retries, asked },
            State::Starting { pid, started, retries, awaits } => {
                Phase::Starting { pid, started: nanos(started), retries, awaits }
            }
            State::Running { pid, started } => Phase::Running { pid, started: nanos(started) },
            State::Backoff { until, retries } => Phase::Backoff { until: nanos(until), retries },
            State::Stopping { pid, started, stage, then } => Phase::Stopping {
                pid,
                started: nanos(started),
                how_far: match stage {
                    Stage::Held => HowFar::Held,
                    Stage::Asked(at) => HowFar::Asked(nanos(at)),
                    Stage::Killed(at) => HowFar::Killed(nanos(at)),
                },
                then,
            },
            State::Exited { expected } => Phase::Exited { expected },
            State::Fatal { after } => Phase::Fatal { after },
        }
    }

    fn state(self, phase: Phase) -> State {
        let instant = |nanos| self.instant(nanos);
        match phase {
            Phase::Stopped => State::Stopped,
            Phase::Waiting { retries, asked } => State::Waiting { retries, asked },
            Phase::Spawning { from, retries, asked } => State::Spawning { from, retries, asked },
            Phase::Starting { pid, started, retries, awaits } => {
                State::Starting { pid, started: instant(started), retries, awaits }
            }
            Phase::Running { pid, started } => State::Running { pid, started: instant(started) },
            Phase::Backoff { until, retries } => State::Backoff { until: instant(until), retries },
            Phase::Stopping { pid, started, how_far, then } => State::Stopping {
                pid,
                started: instant(started),
                stage: match how_far {
                    HowFar::Held => Stage::Held,
                    HowFar::Asked(at) => Stage::Asked(instant(at)),
                    HowFar::Killed(at) => Stage::Killed(instant(at)),
                },
                then,
            },
            Phase::Exited { expected } => State::Exited { expected },
            Phase::Fatal { after } => State::Fatal { after },
        }
    }
}

impl Process {
    /// It, as plain data.
    pub fn snapshot(&self, base: Base) -> Snapshot {
        Snapshot {
            program: self.program.name.clone(),
            index: self.index,
            state: base.phase(self.state),
            since: self.since,
            restarts: self.restarts,
            last_end: self.last_end,
            failure: self.failure.as_deref().cloned(),
            failed_at: self.failed_at.map(|at| base.nanos(at)),
            restarted: self.restarted.times().map(|at| base.nanos(at)).collect(),
            untried: self.since.is_some() && !self.ever,
        }
    }
}

impl Supervisor {
    /// The process of this program and number, by the program's name alone.
    pub fn id_of(&self, program: &str, index: u32) -> Option<Id> {
        self.find(&Rc::from(program), index)
    }

    /// What became of it before, for people.
    pub fn recall(&mut self, id: Id, past: super::Past) {
        if let Some(process) = self.slot(id) {
            process.past = past;
        }
    }

    /// Whether its name is its own no more: it is only still here for what is to be told of it.
    pub fn is_forgotten(&self, id: Id) -> bool {
        let found = self.get(id).and_then(|it| self.find(&it.program.name, it.index));
        found != Some(id)
    }

    /// Takes up a process of this program as an earlier daemon left it. One that was to be launched
    /// will be.
    pub fn restore(
        &mut self,
        program: &Rc<Program>,
        left: &Snapshot,
        base: Base,
        now: Moment,
    ) -> Id {
        let id = self.find(&program.name, left.index);
        let id = id.unwrap_or_else(|| self.insert(program, left.index, now));
        let state = base.state(left.state);
        if let Some(process) = self.slot(id) {
            process.state = state;
            process.since = left.since;
            process.restarts = left.restarts;
            process.last_end = left.last_end;
            process.failure = left.failure.clone().map(Box::new);
            process.last_failure.clone_from(&process.failure);
            process.failed_at = left.failed_at.map(|at| base.instant(at));
            process.restarted = left.restarted.iter().map(|at| base.instant(*at)).collect();
            process.ever = left.since.is_some() && !left.untried;
            process.launched = state.process().map(|(_, started)| started);
        }
        if let Some((pid, _)) = state.process() {
            self.pids.insert(pid, id);
        }
        if matches!(state, State::Spawning { .. }) {
            self.launches.push_back(id);
        }
        self.arm(id);
        self.settle(id, now);
        id
    }

    /// Makes the graph that of this configuration, without a change of it being told of.
    pub fn take_up_order(&mut self, config: &Config) {
        for program in config.programs.values() {
            self.order.set_needs(&program.name, &program.policy.depends_on);
        }
    }

    /// Whoever waits looks whether that has come about.
    pub fn look_around(&mut self, now: Moment) {
        for id in self.ids().collect::<Vec<_>>() {
            self.event(id, Event::Look, now);
        }
    }

    /// Sends the stop signal to one that is asked to go and may not have heard of it.
    pub fn ask_again(&mut self, id: Id) {
        let Some(process) = self.get(id) else { return };
        if let State::Stopping { pid, stage: Stage::Asked(_), .. } = process.state {
            let policy = &process.program.policy;
            let (signal, group) = (policy.stopsignal.number(), policy.stopasgroup);
            self.effects.push_back(Effect::Signal { id, pid, signal, group });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::program;
    use super::*;

    /// One of each, at a time that is not the base's.
    fn states(at: Instant) -> Vec<State> {
        let (pid, started, retries, asked) = (7, at, 2, true);
        let later = at + Duration::from_millis(1500);
        let stopping = |stage, then| State::Stopping { pid, started, stage, then };
        let awaits = Awaits::Ready { up: true };
        vec![
            State::Stopped,
            State::Waiting { retries, asked },
            State::Spawning { from: StateName::Backoff, retries, asked },
            State::Starting { pid, started, retries, awaits },
            State::Starting { pid, started, retries, awaits: Awaits::Exec },
            State::Starting { pid, started, retries, awaits: Awaits::ExecReady },
            State::Running { pid, started },
            State::Backoff { until: later, retries },
            stopping(Stage::Held, Then::Follow),
            stopping(Stage::Asked(later), Then::Start),
            stopping(Stage::Killed(later), Then::Fail { retries }),
            stopping(Stage::Asked(at), Then::Forget),
            State::Exited { expected: false },
            State::Fatal { after: Enough::Restarts },
        ]
    }

    #[test]
    fn what_was_to_be_executed_is_read_as_it_was_written_first() {
        assert_eq!(serde_json::from_str::<Awaits>("\"exec\"").unwrap(), Awaits::Exec);
    }

    #[test]
    fn what_one_daemon_writes_the_next_takes_up_as_it_was() {
        #[allow(clippy::disallowed_methods)] // any point in time will do
        let now = Instant::now();
        let (base, later) = (
            Base { at: now, nanos: 10_000_000_000 },
            Base { at: now + Duration::from_secs(3), nanos: 13_000_000_000 },
        );
        let moment = Moment { at: now, wall: SystemTime::UNIX_EPOCH, dice: 0.0 };
        let web = Rc::new(program("web", 1));
        for state in states(now).into_iter().chain(states(now + Duration::from_secs(9))) {
            let mut first = Supervisor::new();
            let id = first.insert(&web, 0, moment);
            let process = first.slot(id).unwrap();
            process.state = state;
            process.restarts = 4;
            process.last_end = Some((Exit::Unknown, false));
            let snapshot = first.get(id).unwrap().snapshot(base);
            let heard = matches!(state, State::Stopping { stage, .. } if stage != Stage::Held);
            assert_eq!(snapshot.state.was_asked(), heard, "{state:?}");
            let written = serde_json::to_string(&snapshot).unwrap();
            let read: Snapshot = serde_json::from_str(&written).unwrap();
            let mut second = Supervisor::new();
            let id = second.restore(&web, &read, later, moment);
            let process = second.get(id).unwrap();
            assert_eq!((process.state, process.restarts), (state, 4), "{written}");
            assert_eq!(process.last_end, Some((Exit::Unknown, false)));
            let pid = state.process().map(|(pid, _)| pid);
            assert_eq!(pid.and_then(|pid| second.by_pid(pid)), pid.map(|_| id));
            assert_eq!(second.next_deadline(), super::super::deadline(&web.policy, state));
            let launches = matches!(state, State::Spawning { .. });
            assert_eq!(second.next_effect(), launches.then_some(Effect::Spawn(id)));
        }
    }
}
