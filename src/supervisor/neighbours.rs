//! What each change of a process means for others, and what an ask of one asks of others.
//!
//! A change looks at the programs beside its own in the graph of [`super::order`], and only where
//! it tips the balance:
//!
//! * A condition has come true: those that wait for it look again ([`Event::Look`]), and those
//!   that are up and want to be restarted with it are.
//! * The last process of a program that was on its way to an end is gone: what that program
//!   depends on, and is to stop itself, looks again.
//!
//! Starts are gated and stops are held; nothing else. So no state here can be stale: the gate is
//! looked at whenever a start is due, and a process that is up is not touched when what it
//! depends on goes away. The configuration has no circles, and an end that was begun comes
//! ([`super::process`]), so nothing is held for ever.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::order::{Share, is_at_rest};
use super::{Event, Id, Moment, Process, State, Supervisor};
use crate::config::{Condition, Dependency, Program};

/// A condition that is not met, and who is to blame.
#[derive(Debug)]
pub struct Unmet<'a> {
    /// The program that is waited for.
    pub program: &'a Rc<str>,
    /// What is waited for.
    pub on: Condition,
    /// The first process of it that is not so; one that nothing will come of, if there is one.
    pub process: Option<&'a Process>,
}

/// Whether a process is as a condition asks.
fn fulfils(process: &Process, on: Condition) -> bool {
    Share::of(process).fulfils(on)
}

/// Whether it is no use to wait for it: it is at rest, or fails again and again.
pub(super) fn is_hopeless(process: &Process) -> bool {
    let endless = process.program.policy.startretries.is_none();
    let fails = matches!(process.state, State::Backoff { retries, .. } if retries > 0);
    is_at_rest(process) || (endless && fails)
}

impl Supervisor {
    /// A process may have changed: what that means for others.
    pub(super) fn settle(&mut self, id: Id, now: Moment) {
        let Some(process) = self.get(id) else { return };
        let (program, index) = (process.program.name.clone(), process.index);
        let is_known = self.names.get(&(program.clone(), index)) == Some(&id);
        let new = if is_known { Share::of(process) } else { Share::default() };
        let Some(process) = self.slot(id) else { return };
        let old = std::mem::replace(&mut process.share, new);
        if old == new {
            return;
        }
        let tipped = self.order.count(id, &program, old, new);
        if tipped.calm {
            self.release_needs(&program, now);
        }
        if !tipped.came.is_empty() {
            self.wake(&program, &tipped.came, now);
        }
        if !is_known && self.ids_of(&program).next().is_none() {
            self.order.drop_program(&program);
        }
    }

    /// Conditions on this program have come true.
    fn wake(&mut self, program: &Rc<str>, came: &[Condition], now: Moment) {
        for (name, need) in self.order.needed_by(program) {
            if came.contains(&need.on) {
                self.look_at_waiting(&name, now);
            }
        }
        // Those that are replaced one by one are new when the last of them is.
        if !self.is_rolling(program) {
            self.follow(program, now);
        }
    }

    /// Those that want to be restarted with this program are, where it is as they need it and
    /// newer than they are.
    pub(super) fn follow(&mut self, program: &Rc<str>, now: Moment) {
        let needed_by = self.order.needed_by(program);
        if self.is_shutting_down() || !needed_by.iter().any(|(_, need)| need.restart_with) {
            return;
        }
        // Of those that stay: one that leaves is no reason for anything.
        let members = self.of_program(program).filter(|process| !process.is_leaving());
        let launched = members.filter_map(|process| process.launched).max();
        let is_older =
            |process: &Process| process.state.process().is_some() && process.launched < launched;
        let asks = |need: &Dependency| need.restart_with && self.order.meets(program, need.on);
        let names = needed_by.into_iter().filter(|(_, need)| asks(need)).map(|(name, _)| name);
        let older: Vec<Id> = names
            .flat_map(|name| self.ids_of(&name).collect::<Vec<_>>())
            .filter(|id| self.get(*id).is_some_and(is_older))
            .collect();
        older.into_iter().for_each(|id| self.event(id, Event::Follow, now));
    }

    /// Those of a program that are WAITING look whether they still have to.
    pub(super) fn look_at_waiting(&mut self, program: &Rc<str>, now: Moment) {
        for id in self.order.waiting(program) {
            self.event(id, Event::Look, now);
        }
    }

    /// Nothing of this program is on its way to an end any more: what it needs may go.
    pub(super) fn release_needs(&mut self, program: &Rc<str>, now: Moment) {
        let needs = self.order.needs(program);
        needs.iter().for_each(|(name, _)| self.release(name, now));
    }

    /// Those of a program whose stop is held look whether it still has to be.
    fn release(&mut self, program: &Rc<str>, now: Moment) {
        let held = self.order.held(program);
        if held.is_empty() || !self.order.is_free(program) {
            return;
        }
        for id in held {
            self.event(id, Event::Look, now);
        }
    }

    /// Edges may have gone: whatever stop is held looks whether it still has to be.
    pub(super) fn release_all(&mut self, now: Moment) {
        self.order.holding().iter().for_each(|name| self.release(name, now));
    }

    /// All processes, those that depend on others before them.
    pub(super) fn all_dependents_first(&self) -> Vec<Id> {
        let programs: BTreeSet<Rc<str>> = self.names.keys().map(|(name, _)| name.clone()).collect();
        let programs = self.order.dependents_first(programs.into_iter());
        programs.iter().flat_map(|name| self.ids_of(name)).collect()
    }

    /// What has to be started for this start or restart, in that order: all that it waits for and
    /// that does not come by itself. Nothing of it is disabled, nor is there any for one that is.
    pub fn starts_with(&self, id: Id, event: Event) -> Vec<Id> {
        let Some(process) = self.get(id) else { return Vec::new() };
        let is_up = matches!(process.state, State::Starting { .. } | State::Running { .. });
        if process.is_disabled() || is_up && event == Event::Start {
            return Vec::new();
        }
        let root = &process.program.name;
        let mut wanted: HashMap<Rc<str>, Vec<Condition>> = HashMap::new();
        let programs = self.order.needs_first(root);
        for name in &programs {
            for (other, need) in self.order.needs(name) {
                if !self.order.meets(&other, need.on) {
                    wanted.entry(other).or_default().push(need.on);
                }
            }
        }
        let lacks = |process: &Process| {
            let asked = wanted.get(&process.program.name);
            let lacks = asked.is_some_and(|on| on.iter().any(|on| !fulfils(process, *on)));
            lacks && is_at_rest(process) && !process.is_leaving() && !process.is_disabled()
        };
        let rest = |name: &&Rc<str>| *name != root && self.order.resting(name) > 0;
        let all = programs.iter().filter(rest).flat_map(|name| self.ids_of(name));
        all.filter(|id| self.get(*id).is_some_and(lacks)).collect()
    }

    /// What has to be stopped for a process to stop, in that order: all that needs it, and that
    /// is up or is to be.
    pub fn stops_with(&self, id: Id) -> Vec<Id> {
        let Some(process) = self.get(id) else { return Vec::new() };
        if is_at_rest(process) && !process.state.is_over() {
            return Vec::new();
        }
        let root = &process.program.name;
        let programs = self.order.dependents_first(std::iter::once(root.clone()));
        let active = |name: &&Rc<str>| *name != root && self.order.is_active(name);
        let others = programs.iter().filter(active);
        let others = others.flat_map(|name| self.ids_of(name));
        others.filter(|id| self.get(*id).is_some_and(|p| !is_at_rest(p))).collect()
    }

    /// Those that wait for a process of this one's program, to start or to stop.
    pub fn beside(&self, id: Id) -> Vec<Id> {
        let Some(process) = self.get(id) else { return Vec::new() };
        let program = &process.program.name;
        let waiting = self.order.needed_by(program).into_iter();
        let waiting = waiting.flat_map(|(name, _)| self.order.waiting(&name));
        let held = self.order.needs(program).into_iter();
        waiting.chain(held.flat_map(|(name, _)| self.order.held(&name))).collect()
    }

    /// What a program waits for.
    pub fn unmet(&self, program: &Program) -> Vec<Unmet<'_>> {
        let unmet = program.policy.depends_on.iter();
        let unmet = unmet.filter(|(name, need)| !self.order.meets(name, need.on));
        let unmet = unmet.filter_map(|(name, need)| {
            let program = self.order.name(name)?;
            let lacking = || self.of_program(name).filter(|p| !fulfils(p, need.on));
            let rests = self.order.resting(name) > 0;
            let at_rest = rests.then(|| lacking().find(|p| is_at_rest(p))).flatten();
            let process = at_rest.or_else(|| lacking().next());
            Some(Unmet { program, on: need.on, process })
        });
        unmet.collect()
    }

    /// What a program waits for in vain, directly or not, unless somebody does something.
    pub fn stuck_at(&self, program: &Program) -> Option<Unmet<'_>> {
        let mut programs = self.order.needs_first(&program.name);
        // The nearest first.
        programs.reverse();
        let waits = |name: &Rc<str>| *name == program.name || !self.order.waiting(name).is_empty();
        let unmet = programs.iter().filter(|name| waits(name));
        let unmet = unmet.filter_map(|name| self.of_program(name).next());
        let mut unmet = unmet.flat_map(|process| self.unmet(&process.program));
        unmet.find(|unmet| unmet.process.is_some_and(is_hopeless))
    }

    /// Those on their way to an end that a process of this program lets go first.
    pub fn lets_go_first(&self, program: &Program) -> Vec<&Process> {
        let names = self.order.held_by(&program.name);
        let all = names.flat_map(|name| self.of_program(name));
        all.filter(|process| matches!(process.state, State::Stopping { .. })).collect()
    }
}
