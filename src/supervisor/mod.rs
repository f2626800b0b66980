//! Many processes: who they are, what each is doing, what is due and what is to be done.
//!
//! Pure. What has happened comes in as calls ([`Supervisor::event`],
//! [`Supervisor::tick`], [`Supervisor::apply`], ...); what shall be done comes out as
//! [`Effect`]s, first in first out, launches last. Whoever performs them reports back what came of
//! it. How one process steps from state to state is told in [`process`].
//!
//! A turn costs what has happened: processes are found by pid and by name through
//! maps, deadlines stand in an ordered set, and nothing walks over all of them for
//! one that died.
#![forbid(unsafe_code)]

mod disabled;
mod effects;
mod ends;
mod entry;
mod limit;
mod neighbours;
mod order;
mod past;
mod process;
mod reload;
mod rolling;
mod selector;
mod snapshot;
mod starts;
mod state;
mod state_name;
#[cfg(test)]
mod walk;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use disabled::Disabled;
pub use effects::Effect;
pub use entry::{Failure, Process};
pub use neighbours::Unmet;
pub use past::{Past, PastEnd};
pub use reload::Plan;
pub use rolling::Rolled;
pub use selector::Unknown;
#[cfg(test)]
pub use snapshot::HowFar;
pub use snapshot::{Base, Phase, Snapshot};
pub use state::{Awaits, Change, Enough, Event, Exit, Moment, Pid, Stage, State, Then};
pub use state_name::StateName;

use crate::config::Program;
use order::Order;
use process::{deadline, on_event};
use rolling::Roll;
use state::{Action, Around};

/// Which process, for as long as it has an entry. Numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(usize);

/// All processes.
#[derive(Debug, Default)]
pub struct Supervisor {
    slots: Vec<Option<Process>>,
    free: Vec<usize>,
    names: BTreeMap<(Rc<str>, u32), Id>,
    pids: HashMap<Pid, Id>,
    deadlines: BTreeSet<(Instant, Id)>,
    effects: VecDeque<Effect>,
    /// How many changes of state there were.
    changes: u64,
    /// Those that wait to be launched.
    launches: VecDeque<Id>,
    shutdown: Option<Shutdown>,
    /// Those whose state has changed since it was last asked.
    touched: BTreeSet<Id>,
    disabled: Disabled,
    order: Order,
    rolls: Vec<Roll>,
    /// How many rolling restarts there were.
    rolled: u64,
    /// The first that was `critical` and ended for good.
    critical: Option<Id>,
}

/// An orderly shutdown under way.
#[derive(Debug)]
struct Shutdown {
    /// When what still lives is killed; none: it has been.
    kill_at: Option<Instant>,
}

impl Supervisor {
    /// Without any process.
    pub fn new() -> Self {
        Self::default()
    }

    /// The process with this id.
    pub fn get(&self, id: Id) -> Option<&Process> {
        self.slots.get(id.0)?.as_ref()
    }

    /// The process that has this live pid.
    pub fn by_pid(&self, pid: Pid) -> Option<Id> {
        self.pids.get(&pid).copied()
    }

    /// All processes, by program and number.
    pub fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.names.values().copied()
    }

    /// The name of the process with this program and number, whether it is there or not.
    pub fn process_name(&self, program: &Rc<str>, index: u32) -> String {
        let process = self.find(program, index).and_then(|id| self.get(id));
        process.map_or_else(|| format!("{program}:{index}"), Process::name)
    }

    /// How many live processes there are.
    pub fn alive(&self) -> usize {
        self.pids.len()
    }

    /// When [`Supervisor::tick`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let first = self.deadlines.first().map(|(at, _)| *at);
        let kill = self.shutdown.as_ref().and_then(|shutdown| shutdown.kill_at);
        first.into_iter().chain(kill).min()
    }

    /// Those that [`Supervisor::tick`] will find not to be ready in time.
    pub fn late(&self, now: Moment) -> Vec<Id> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now.at).map(|(_, id)| *id);
        let is_late = |id: &Id| {
            let Some(process) = self.get(*id) else { return false };
            let State::Starting { started, awaits, .. } = process.state else { return false };
            let ready = process.program.policy.ready.as_ref();
            matches!(awaits, Awaits::ExecReady | Awaits::Ready { .. })
                && ready.is_some_and(|ready| started + ready.timeout <= now.at)
        };
        due.filter(is_late).collect()
    }

    /// Time has passed: everything that is due happens.
    pub fn tick(&mut self, now: Moment) {
        while let Some(&(at, id)) = self.deadlines.first() {
            if at > now.at {
                break;
            }
            self.event(id, Event::Tick, now);
        }
        let due = |shutdown: &Shutdown| shutdown.kill_at.is_some_and(|at| at <= now.at);
        if self.shutdown.as_ref().is_some_and(due) {
            self.kill_all(now);
        }
    }

    /// What is known of a process from its probes, in words, from now on; none: nothing.
    pub fn note(&mut self, id: Id, note: Option<String>) {
        if let Some(process) = self.slot(id) {
            process.note = note.map(String::into_boxed_str);
        }
    }

    /// Starts, stops or restarts by somebody's wish: with what a start needs, and after what
    /// needs one that stops. Starts are refused during a shutdown.
    pub fn ask(&mut self, id: Id, event: Event, now: Moment) {
        let starts = matches!(event, Event::Start | Event::Restart);
        if starts && self.is_shutting_down() {
            return;
        }
        let (others, what) = match event {
            Event::Stop => (self.stops_with(id), Event::Stop),
            _ if starts => (self.starts_with(id, event), Event::Start),
            _ => (Vec::new(), event),
        };
        for other in others {
            self.heed(other, what);
            self.event(other, what, now);
        }
        self.heed(id, event);
        self.event(id, event, now);
    }

    /// Stops everything, dependents first; after `time` what still lives is killed. Called again: kills now.
    pub fn shut_down(&mut self, time: Duration, now: Moment) {
        if self.is_shutting_down() {
            return self.kill_all(now);
        }
        self.shutdown = Some(Shutdown { kill_at: Some(now.at + time) });
        self.end_rolls(now);
        for id in self.all_dependents_first() {
            self.event(id, Event::Stop, now);
        }
    }

    /// Whether a shutdown is under way.
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Those whose state has changed since this was last asked, and those that were forgotten.
    pub fn take_touched(&mut self) -> BTreeSet<Id> {
        std::mem::take(&mut self.touched)
    }

    /// The process that was `critical` and ended for good.
    pub fn critical_end(&self) -> Option<&Process> {
        self.get(self.critical?)
    }

    /// Whether any process is on its way to an end that was asked for.
    pub fn is_stopping(&self) -> bool {
        self.order.is_stopping()
    }

    /// Whether something was started, and every process that ever was is EXITED or FATAL.
    pub fn is_all_over(&self) -> bool {
        self.order.is_over()
    }

    /// Of the processes that ended for good, the first whose end was unexpected.
    pub fn culprit(&self) -> Option<&Process> {
        let failed = self.ids().filter_map(|id| self.get(id)?.failed_at.map(|at| (at, id)));
        self.get(failed.min()?.1)
    }

    fn kill_all(&mut self, now: Moment) {
        self.shutdown = Some(Shutdown { kill_at: None });
        for id in self.all() {
            self.event(id, Event::Kill, now);
        }
    }

    fn all(&self) -> Vec<Id> {
        self.ids().collect()
    }

    /// One event for one process: its step, and the upkeep of the maps.
    pub fn event(&mut self, id: Id, event: Event, now: Moment) {
        let Some(event) = self.permitted(id, event) else { return };
        let Some(around) = self.around(id, event, now) else { return };
        let Some(process) = self.slots.get_mut(id.0).and_then(Option::as_mut) else { return };
        let before = process.state;
        let (after, actions) = on_event(&process.program, before, event, around);
        process.state = after;
        for action in &actions {
            remember(&mut process.past, before, action, now);
        }
        if before != after {
            self.touched.insert(id);
        }
        if !before.is_over() || !after.is_over() {
            let unexpected = after.is_over() && after != State::Exited { expected: true };
            process.failed_at = unexpected.then_some(now.at);
        }
        if after.is_over() && !before.is_over() && process.program.policy.critical {
            self.critical.get_or_insert(id);
        }
        let old = before.process().map(|(pid, _)| pid);
        let new = after.process().map(|(pid, _)| pid);
        if old != new {
            old.map(|pid| self.pids.remove(&pid));
            new.map(|pid| self.pids.insert(pid, id));
        }
        if let Event::Spawned(_) | Event::Forked(_) = event {
            process.launched = Some(now.at);
        }
        for action in actions {
            self.act(id, action, now);
        }
        self.arm(id);
        self.settle(id, now);
        self.look_at_rolls(id, now);
    }

    /// What a step of this process needs to know.
    fn around(&self, id: Id, event: Event, now: Moment) -> Option<Around> {
        /// The golden ratio's fraction: its multiples lie apart.
        const APART: f64 = 0.618_033_988_749_894_9;
        let process = self.get(id)?;
        let policy = &process.program.policy;
        // What fails in one turn, for one reason, is not to be tried again in one turn.
        #[allow(clippy::cast_precision_loss)] // any number will do
        let dice = (now.dice + id.0 as f64 * APART).fract();
        let asks_to_go = matches!(event, Event::Stop | Event::Remove | Event::Look);
        Some(Around {
            now: Moment { dice, ..now },
            open: self.order.is_open(policy),
            free: !asks_to_go || self.order.is_free(&process.program.name),
            spent: process.restarted.spent(policy.max_restarts.as_ref(), now.at),
        })
    }

    /// Keeps the set of deadlines true for this process.
    fn arm(&mut self, id: Id) {
        let Some(process) = self.slots.get_mut(id.0).and_then(Option::as_mut) else { return };
        let due = deadline(&process.program.policy, process.state);
        let armed = std::mem::replace(&mut process.armed, due);
        if armed == due {
            return;
        }
        armed.map(|at| self.deadlines.remove(&(at, id)));
        due.map(|at| self.deadlines.insert((at, id)));
    }

    fn slot(&mut self, id: Id) -> Option<&mut Process> {
        self.slots.get_mut(id.0)?.as_mut()
    }

    /// The process with this program and number.
    pub fn find(&self, program: &Rc<str>, index: u32) -> Option<Id> {
        self.names.get(&(program.clone(), index)).copied()
    }

    fn insert(&mut self, program: &Rc<Program>, index: u32, now: Moment) -> Id {
        let mut process = Process::new(program.clone(), index);
        process.disabled = self.is_disabled(&program.name, index);
        let at = self.free.pop().unwrap_or(self.slots.len());
        let id = Id(at);
        match self.slots.get_mut(at) {
            Some(slot) => *slot = Some(process),
            None => self.slots.push(Some(process)),
        }
        self.names.insert((program.name.clone(), index), id);
        self.settle(id, now);
        id
    }
}

/// An end that is told of is remembered, with what the state before it knew. What follows it in
/// the same step (BACKOFF, FATAL) tells of it again, but has no pid any more.
fn remember(past: &mut Past, before: State, action: &Action, now: Moment) {
    if let Action::Tell(Change { end: Some((exit, expected)), pid: Some(pid), .. }) = *action
        && let Some((_, started)) = before.process()
    {
        let lasted = now.at.saturating_duration_since(started);
        past.add(PastEnd { at: now.wall, pid, exit, expected, lasted });
    }
}
