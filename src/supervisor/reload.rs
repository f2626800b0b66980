//! A new configuration, applied as one step: what it means for each process.
//!
//! Removed programs and surplus processes are stopped and forgotten, added ones are started if
//! `autostart` says so. Where what a start depends on has changed, processes that are up are
//! restarted and those that try are tried afresh; everything else changes in place.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::order::pack;
use super::{Event, Id, Moment, Process, State, StateName, Supervisor};
use crate::config::{Changes, Config, Program, ProgramChange};

/// What a reload does, process by process.
#[derive(Debug, PartialEq)]
pub struct Plan(pub Vec<PlanStep>);

/// What it does with one.
#[derive(Debug, PartialEq)]
pub struct PlanStep {
    /// The process, by the name it will have; of a removed one, the name it has.
    pub name: String,
    /// In words.
    pub action: String,
    target: (Rc<str>, u32),
    event: Option<Event>,
}

impl Supervisor {
    /// What [`Supervisor::apply`] would do, for `status`-like display.
    pub fn plan(&self, new: &Config, changes: &Changes) -> Plan {
        let mut steps = Vec::new();
        for name in &changes.removed {
            steps.extend(self.of_program(name).map(|process| leave(process, process.name())));
        }
        for change in &changes.changed {
            if let Some(program) = new.programs.get(&*change.name) {
                self.plan_change(program, change, &mut steps);
            }
        }
        for name in &changes.added {
            if let Some(program) = new.programs.get(&**name) {
                steps.extend((0..program.numprocs).map(|index| self.plan_new(program, index)));
            }
        }
        Plan(steps)
    }

    /// Makes `new` the configuration, as `plan` says.
    pub fn apply(&mut self, plan: Plan, new: &Config, changes: &Changes, now: Moment) {
        let touched = changes.changed.iter().map(|change| &change.name).chain(&changes.added);
        for name in touched.clone() {
            if let Some(program) = new.programs.get(&**name) {
                self.adopt_program(program);
                self.order.set_needs(name, &program.policy.depends_on);
            }
        }
        // All that are new are there before the first of them looks for what it depends on.
        let mut steps = Vec::with_capacity(plan.0.len());
        for step in plan.0 {
            let (name, index) = step.target;
            let known = self.find(&name, index);
            let id = match (known, new.programs.get(&*name)) {
                (Some(id), _) => id,
                (None, Some(program)) => self.insert(program, index, now),
                (None, None) => continue,
            };
            steps.extend(step.event.map(|event| (id, event)));
        }
        if !changes.added.is_empty() {
            pack(&mut self.names);
            self.order.pack();
        }
        // Those that go, go before what they depend on.
        let going = |step: &&(Id, Event)| step.1 == Event::Remove;
        let program = |(id, _): &(Id, Event)| Some(self.get(*id)?.program.name.clone());
        let names: BTreeSet<Rc<str>> = steps.iter().filter(going).filter_map(program).collect();
        let order = self.order.dependents_first(names.into_iter());
        let ranks: HashMap<Rc<str>, usize> = order.into_iter().zip(0..).collect();
        steps.sort_by_cached_key(|step| match step.1 {
            Event::Remove => program(step).and_then(|name| ranks.get(&name).copied()),
            _ => Some(usize::MAX),
        });
        for (id, event) in steps {
            self.event(id, event, now);
        }
        // What was waited for may not be asked for any more.
        for name in touched {
            self.look_at_waiting(name, now);
        }
        self.release_all(now);
        self.look_at_all_rolls(now);
    }

    /// Processes that there are take up the program's new policy and way to start.
    fn adopt_program(&mut self, program: &Rc<Program>) {
        let ids: Vec<Id> = self.ids_of(&program.name).collect();
        for id in ids {
            if let Some(process) = self.slot(id) {
                process.program = program.clone();
            }
            self.arm(id);
        }
    }

    fn plan_change(
        &self,
        program: &Rc<Program>,
        change: &ProgramChange,
        steps: &mut Vec<PlanStep>,
    ) {
        // That there are more or fewer of them concerns the others.
        let keys: Vec<&str> = change.keys.iter().copied().filter(|k| *k != "numprocs").collect();
        let keys = keys.join(", ");
        for index in 0..program.numprocs {
            match self.find(&program.name, index).and_then(|id| self.get(id)) {
                Some(process) if !process.is_leaving() => {
                    steps.extend(update(process, program, change, &keys));
                }
                _ => steps.push(self.plan_new(program, index)),
            }
        }
        let surplus = self.of_program(&program.name).filter(|p| p.index >= program.numprocs);
        steps.extend(surplus.map(|process| leave(process, process.name())));
    }

    fn plan_new(&self, program: &Rc<Program>, index: u32) -> PlanStep {
        let disabled = self.is_disabled(&program.name, index);
        let start = program.policy.autostart && !disabled;
        let leaving = self.find(&program.name, index).is_some();
        let (event, action) = match (leaving, start) {
            (false, true) => (Some(Event::Start), "add and start"),
            (false, false) if disabled => (None, "add, disabled"),
            (false, false) => (None, "add"),
            (true, true) => (Some(Event::Keep { start }), "start again once it is gone"),
            (true, false) => (Some(Event::Keep { start }), "keep, stopped"),
        };
        step(program.process_name(index), action, (program.name.clone(), index), event)
    }

    pub(super) fn ids_of(&self, program: &Rc<str>) -> impl Iterator<Item = Id> + '_ {
        let range = (program.clone(), 0)..=(program.clone(), u32::MAX);
        self.names.range(range).map(|(_, id)| *id)
    }

    pub(super) fn of_program(&self, program: &Rc<str>) -> impl Iterator<Item = &Process> + '_ {
        self.ids_of(program).filter_map(|id| self.get(id))
    }
}

/// What happens to a process that stays; nothing, where all is as before.
fn update(
    process: &Process,
    new: &Program,
    change: &ProgramChange,
    keys: &str,
) -> Option<PlanStep> {
    let renamed = (process.name() != new.process_name(process.index))
        .then(|| format!("renamed from {}", process.name()));
    let event = change.restarts.then_some(Event::Relaunch);
    let verb = match process.state.name() {
        StateName::Starting | StateName::Running if change.restarts => "restart",
        StateName::Backoff if change.restarts => "try afresh",
        StateName::Fatal if change.restarts && new.policy.autostart => "try afresh",
        StateName::Stopped
        | StateName::Waiting
        | StateName::Starting
        | StateName::Running
        | StateName::Backoff
        | StateName::Stopping
        | StateName::Exited
        | StateName::Fatal => "change in place",
    };
    let action = match (keys, renamed) {
        ("", None) => return None,
        ("", Some(renamed)) => format!("keep, {renamed}"),
        (keys, Some(renamed)) => format!("{verb} ({keys}; {renamed})"),
        (keys, None) => format!("{verb} ({keys})"),
    };
    Some(step(new.process_name(process.index), &action, target(process), event))
}

fn leave(process: &Process, name: String) -> PlanStep {
    let action = match process.state {
        State::Stopping { .. } => "remove once it is gone",
        State::Starting { .. } | State::Running { .. } => "stop and remove",
        State::Stopped
        | State::Waiting { .. }
        | State::Spawning { .. }
        | State::Backoff { .. }
        | State::Exited { .. }
        | State::Fatal { .. } => "remove",
    };
    step(name, action, target(process), Some(Event::Remove))
}

fn target(process: &Process) -> (Rc<str>, u32) {
    (process.program.name.clone(), process.index)
}

fn step(name: String, action: &str, target: (Rc<str>, u32), event: Option<Event>) -> PlanStep {
    PlanStep { name, action: action.to_owned(), target, event }
}
