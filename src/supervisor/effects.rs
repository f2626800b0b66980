//! What is to be done: how the actions of a step become effects, and what comes of those.
//!
//! They stand in a queue, first in first out, but for launches, which have one of their own and
//! come when nothing else is to be done: there may be thousands of them, each takes its time, and
//! neither a signal nor news of another process is to wait for that. Nothing is the worse for it. A
//! signal goes to a pid, which only a launch that has been can have brought; what is told of a
//! process that is to be launched happened before; and one that was forgotten is let go of before
//! another of its name is launched. Whoever performs them takes one after the other, and reports
//! back how a launch went. Which actions a step has is told in [`super::process`].

use std::rc::Rc;

use super::state::Action;
use super::{Change, Event, Failure, Id, Moment, Pid, Rolled, State, Supervisor};

/// Room that is kept for effects when there are none.
const EFFECTS_KEPT: usize = 64;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Launch it, if it still waits for that: see [`Supervisor::wants_spawn`].
    Spawn(Id),
    /// Send a signal to a live process, or to its whole group.
    Signal {
        /// Whose it is.
        id: Id,
        /// Its process id.
        pid: Pid,
        /// The signal.
        signal: i32,
        /// To its group.
        group: bool,
    },
    /// A rolling restart has come further.
    Rolled {
        /// Which of them.
        roll: u64,
        /// The process.
        id: Id,
        /// What it means for it.
        what: Rolled,
    },
    /// The process with this pid is not well: tell those who listen.
    Unhealthy(Id, Pid),
    /// A state changed: tell those who listen.
    Told {
        /// Whose.
        id: Id,
        /// How.
        change: Change,
        /// Its number among all changes, see [`Supervisor::changes`].
        number: u64,
    },
    /// The entry has gone.
    Forgotten {
        /// Its number.
        id: Id,
        /// Its name.
        name: String,
        /// Its program.
        program: Rc<str>,
        /// Its number among the program's processes.
        index: u32,
    },
}

impl Supervisor {
    /// The next thing to do.
    pub fn next_effect(&mut self) -> Option<Effect> {
        let effect = self.effects.pop_front().or_else(|| self.next_launch());
        if effect.is_none() {
            // A thousand starts have been, and need not be for a while.
            self.effects.shrink_to(EFFECTS_KEPT);
            self.launches.shrink_to(EFFECTS_KEPT);
        }
        if let Some(Effect::Forgotten { id, .. }) = effect {
            // All that was to be told of it has been: its number is free.
            if let Some(slot) = self.slots.get_mut(id.0) {
                *slot = None;
                self.free.push(id.0);
            }
        }
        effect
    }

    /// How many changes of state there were. Those that are told of and have a higher number came
    /// after this was asked, however long others have waited to be told of.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The next that still waits to be launched. One that was stopped meanwhile has left its
    /// number in the queue: should another have that by now, or it itself wait again, it is
    /// launched in this place, and what stands behind is left over in turn.
    fn next_launch(&mut self) -> Option<Effect> {
        while let Some(id) = self.launches.pop_front() {
            let state = self.get(id).map(|process| process.state);
            if let Some(State::Spawning { .. }) = state {
                return Some(Effect::Spawn(id));
            }
        }
        None
    }

    /// Whether there is nothing to do but to launch.
    pub fn is_launch_next(&self) -> bool {
        self.effects.is_empty() && !self.launches.is_empty()
    }

    /// Whether there is something to do.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty() || !self.launches.is_empty()
    }

    /// Its turn to be launched has come: whether it still waits for that. An [`Effect::Spawn`]
    /// may have been overtaken by the end of what it depends on.
    pub fn wants_spawn(&mut self, id: Id, now: Moment) -> bool {
        self.event(id, Event::Look, now);
        let Some(process) = self.slot(id) else { return false };
        let State::Spawning { asked, .. } = process.state else { return false };
        if asked {
            process.restarts = 0;
            process.restarted.clear();
        } else {
            process.restarts = process.restarts.saturating_add(1);
            process.restarted.add(now.at, process.program.policy.max_restarts.as_ref());
        }
        true
    }

    /// A launch failed, for this reason.
    pub fn spawn_failed(&mut self, id: Id, reason: String, now: Moment) {
        if let Some(process) = self.slot(id) {
            process.failure = Some(Box::new(Failure::Launch(reason)));
        }
        self.event(id, Event::SpawnFailed, now);
    }

    /// A live process could not be executed after all, for this reason. Its end follows.
    pub fn exec_failed(&mut self, id: Id, reason: String) {
        if let Some(process) = self.slot(id) {
            process.failure = Some(Box::new(Failure::Launch(reason)));
        }
    }

    /// What an action of a step means: for what is remembered of the process, and to be done.
    pub(super) fn act(&mut self, id: Id, action: Action, now: Moment) {
        match action {
            Action::Spawn => {
                if let Some(process) = self.slot(id) {
                    process.since = Some(now.wall);
                    process.ever = true;
                }
                self.launches.push_back(id);
            }
            Action::Signal { pid, signal, group } => {
                self.effects.push_back(Effect::Signal { id, pid, signal, group });
            }
            Action::Unhealthy(pid) => {
                if let Some(process) = self.slot(id) {
                    process.failure = Some(Box::new(Failure::Unhealthy(process.note.clone())));
                }
                self.effects.push_back(Effect::Unhealthy(id, pid));
            }
            Action::Tell(change) => {
                if let Some(process) = self.slot(id) {
                    process.told(&change, now);
                }
                self.changes += 1;
                let number = self.changes;
                self.effects.push_back(Effect::Told { id, change, number });
            }
            Action::Forget => self.forget(id, now),
        }
    }

    /// Its name is free at once; its entry stays until the effects before this one are performed.
    fn forget(&mut self, id: Id, now: Moment) {
        let Some(process) = self.get(id) else { return };
        let name = process.name();
        let (program, index) = (process.program.name.clone(), process.index);
        self.names.remove(&(program.clone(), index));
        self.touched.insert(id);
        let bereft = self.leave_rolls(id);
        self.effects.push_back(Effect::Forgotten { id, name, program, index });
        if self.critical == Some(id) {
            self.critical = None;
        }
        bereft.into_iter().for_each(|roll| self.next_turn(roll, now));
    }
}
