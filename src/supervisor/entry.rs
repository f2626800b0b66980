//! One process as the supervisor keeps it: its state, and what is remembered of it.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::limit::Restarts;
use super::neighbours;
use super::order::Share;
use super::past::Past;
use super::state::{Change, Exit, Moment, Pid, State, Then};
use crate::config::Program;

/// One process of a program. There may be ten thousand: what few have lies elsewhere.
#[derive(Debug)]
pub struct Process {
    /// The program, as it is configured now.
    pub program: Rc<Program>,
    /// Its number among the program's processes.
    pub index: u32,
    /// What it is.
    pub state: State,
    /// When it entered this state; none: it was never started.
    pub since: Option<SystemTime>,
    /// Starts by taskmaster itself since somebody asked for one.
    pub restarts: u64,
    /// How it last ended, and whether that was expected.
    pub last_end: Option<(Exit, bool)>,
    /// Its last ends.
    pub past: Past,
    /// Why it is not up, if that is more than how it ended.
    pub failure: Option<Box<Failure>>,
    /// The same of the last end.
    pub last_failure: Option<Box<Failure>>,
    /// What is known of it from probes, in words: why the last one failed, or its own STATUS.
    pub note: Option<Box<str>>,
    /// When it was last launched.
    pub launched: Option<Instant>,
    /// Whether nothing but enabling starts it.
    pub(super) disabled: bool,
    /// When it came to rest, if that was by an end that nobody expected.
    pub failed_at: Option<Instant>,
    /// The last that somebody wanted of it was a stop: how many rolling restarts there were by then.
    pub(super) stop_asked: Option<u64>,
    /// The pid whose health was found good.
    pub(super) healthy: Option<Pid>,
    /// Whether a start of it was ever tried.
    pub(super) ever: bool,
    /// When it was started lately without anybody asking.
    pub(super) restarted: Restarts,
    /// What it counts for in its program.
    pub(super) share: Share,
    /// The deadline that stands for it in the set.
    pub(super) armed: Option<Instant>,
}

/// What went wrong with a process besides how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// It could not be launched or executed: the step and the cause.
    Launch(String),
    /// It was not ready within this time; what was known of it then.
    NotReady(Duration, Option<Box<str>>),
    /// It was not well; what was known of it then.
    Unhealthy(Option<Box<str>>),
}

impl Process {
    /// A new one.
    pub(super) fn new(program: Rc<Program>, index: u32) -> Self {
        Self {
            program,
            index,
            state: State::Stopped,
            since: None,
            restarts: 0,
            last_end: None,
            past: Past::default(),
            failure: None,
            last_failure: None,
            note: None,
            launched: None,
            disabled: false,
            failed_at: None,
            stop_asked: None,
            healthy: None,
            ever: false,
            restarted: Restarts::default(),
            share: Share::default(),
            armed: None,
        }
    }

    /// `web`, or `web:0` where the program has several.
    pub fn name(&self) -> String {
        self.program.process_name(self.index)
    }

    /// What a change of state means for what is remembered of it.
    pub(super) fn told(&mut self, change: &Change, now: Moment) {
        self.since = Some(now.wall);
        if change.end.is_some() {
            self.last_end = change.end;
            self.last_failure = self.failure.clone();
        }
        if let State::Starting { .. } = change.to {
            (self.failure, self.note) = (None, None);
        }
        if let State::Stopping { then: Then::Fail { .. }, .. } = change.to
            && let Some(ready) = &self.program.policy.ready
        {
            self.failure = Some(Box::new(Failure::NotReady(ready.timeout, self.note.clone())));
        }
    }

    /// Whether it is no use to wait until it is up: it is at rest, or fails without end.
    pub fn is_hopeless(&self) -> bool {
        neighbours::is_hopeless(self)
    }

    /// Whether it goes for good once it is gone.
    pub fn is_leaving(&self) -> bool {
        matches!(self.state, State::Stopping { then: Then::Forget, .. })
    }
}
