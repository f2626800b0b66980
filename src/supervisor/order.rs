//! Who waits for whom: the programs as a graph, and what each change of a process means for
//! others.
//!
//! Of each program it is counted how many of its processes have got how far, so that a condition
//! on all of them is two numbers compared. A change looks at the programs beside its own in the
//! graph, and only where it tips the balance:
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

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::time::Instant;

use super::{Awaits, Event, Id, Moment, Process, Stage, State, Supervisor, Then};
use crate::config::{Condition, Dependency, Policy, Program};

/// What programs need, by name.
type Needs = BTreeMap<Rc<str>, Dependency>;

/// The graph.
#[derive(Debug, Default)]
pub(super) struct Order {
    programs: HashMap<Rc<str>, Standing>,
    /// Processes that were ever started and are not over.
    busy: usize,
    /// Processes that are EXITED or FATAL.
    over: usize,
}

/// How a program stands: its edges, and how far its processes have got.
#[derive(Debug, Default)]
struct Standing {
    needs: Needs,
    needed_by: Needs,
    /// Its processes, but for those that are to be forgotten.
    members: u32,
    started: u32,
    ready: u32,
    completed: u32,
    stopping: u32,
    /// Those of which nothing comes unless somebody does something.
    resting: u32,
    /// Those in WAITING.
    waiting: BTreeSet<Id>,
    /// Those that are to stop when nothing needs them any more.
    held: BTreeSet<Id>,
    /// When the latest of them was launched.
    launched: Option<Instant>,
}

/// What one process counts for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a number of `Standing`
pub(super) struct Share {
    member: bool,
    started: bool,
    ready: bool,
    completed: bool,
    stopping: bool,
    resting: bool,
    waiting: bool,
    held: bool,
    busy: bool,
    over: bool,
}

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

impl Share {
    fn of(process: &Process) -> Self {
        let state = process.state;
        let leaving = process.is_leaving();
        let is_up = matches!(
            state,
            State::Running { .. } | State::Starting { awaits: Awaits::Ready { up: true }, .. }
        );
        let idle = matches!(state, State::Stopped | State::Waiting { .. });
        Self {
            member: !leaving,
            started: is_up,
            ready: matches!(state, State::Running { .. }),
            completed: matches!(state, State::Exited { expected: true }),
            stopping: matches!(state, State::Stopping { .. }),
            resting: !leaving && is_at_rest(process),
            waiting: matches!(state, State::Waiting { .. }),
            held: matches!(state, State::Stopping { stage: Stage::Held, .. }),
            busy: !state.is_over() && (!idle || process.ever),
            over: state.is_over(),
        }
    }
}

impl Standing {
    fn meets(&self, on: Condition) -> bool {
        let so_far = match on {
            Condition::Started => self.started,
            Condition::Ready => self.ready,
            Condition::Completed => self.completed,
        };
        self.members > 0 && so_far >= self.members
    }

    fn count(&mut self, id: Id, old: Share, new: Share) {
        let change = |number: &mut u32, old: bool, new: bool| {
            *number = number.saturating_add(u32::from(new)).saturating_sub(u32::from(old));
        };
        change(&mut self.members, old.member, new.member);
        change(&mut self.started, old.started, new.started);
        change(&mut self.ready, old.ready, new.ready);
        change(&mut self.completed, old.completed, new.completed);
        change(&mut self.stopping, old.stopping, new.stopping);
        change(&mut self.resting, old.resting, new.resting);
        for (set, is_in) in [(&mut self.waiting, new.waiting), (&mut self.held, new.held)] {
            if is_in {
                set.insert(id);
            } else {
                set.remove(&id);
            }
        }
    }

    /// A condition of `completed` wants nothing of it that is up.
    fn held_by(&self) -> impl Iterator<Item = &Rc<str>> {
        needs_it_up(&self.needed_by)
    }
}

fn needs_it_up(needs: &Needs) -> impl Iterator<Item = &Rc<str>> {
    needs.iter().filter(|(_, need)| need.on != Condition::Completed).map(|(name, _)| name)
}

impl Order {
    fn meets(&self, name: &str, on: Condition) -> bool {
        self.programs.get(name).is_some_and(|standing| standing.meets(on))
    }

    /// Whether all that a program depends on is as it asks.
    pub(super) fn is_open(&self, policy: &Policy) -> bool {
        policy.depends_on.iter().all(|(name, dependency)| self.meets(name, dependency.on))
    }

    /// Whether nothing that needs this program is on its way to an end.
    pub(super) fn is_free(&self, program: &str) -> bool {
        let Some(standing) = self.programs.get(program) else { return true };
        let stops =
            |name: &Rc<str>| self.programs.get(name).is_some_and(|other| other.stopping > 0);
        !standing.held_by().any(stops)
    }

    /// Whether there is no program in it.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }

    /// A program has gone, and with it what it needed.
    fn drop_program(&mut self, program: &Rc<str>) {
        self.set_needs(program, &Needs::new());
        if self.programs.get(program).is_some_and(|standing| standing.needed_by.is_empty()) {
            self.programs.remove(program);
        }
    }

    /// What a program needs from now on.
    pub(super) fn set_needs(&mut self, program: &Rc<str>, needs: &Needs) {
        let standing = self.programs.entry(program.clone()).or_default();
        let old = std::mem::replace(&mut standing.needs, needs.clone());
        for name in old.keys() {
            if let Some(other) = self.programs.get_mut(name) {
                other.needed_by.remove(program);
            }
        }
        for (name, need) in needs {
            let other = self.programs.entry(name.clone()).or_default();
            other.needed_by.insert(program.clone(), *need);
        }
    }

    /// How many of a program's processes are at rest.
    fn resting(&self, program: &str) -> u32 {
        self.programs.get(program).map_or(0, |standing| standing.resting)
    }

    /// Whether one of a program's processes is up, or is to be.
    fn is_active(&self, program: &str) -> bool {
        self.programs.get(program).is_some_and(|standing| standing.resting < standing.members)
    }

    /// Whether something was started, and all that ever was is over.
    pub(super) fn is_over(&self) -> bool {
        self.busy == 0 && self.over > 0
    }

    pub(super) fn launched(&mut self, program: &Rc<str>, at: Instant) {
        if let Some(standing) = self.programs.get_mut(program) {
            standing.launched = Some(at);
        }
    }

    /// These programs and all that need one of them up, each before what it needs.
    pub(super) fn dependents_first(&self, roots: impl Iterator<Item = Rc<str>>) -> Vec<Rc<str>> {
        farthest_first(roots, |name| {
            let standing = self.programs.get(name);
            standing.map(|s| s.held_by().cloned().collect()).unwrap_or_default()
        })
    }

    /// This program and all that it waits for, each after what it waits for itself.
    fn needs_first(&self, root: &Rc<str>) -> Vec<Rc<str>> {
        farthest_first(std::iter::once(root.clone()), |name| {
            let standing =
                self.programs.get(name).filter(|s| *name == *root || s.started < s.members);
            let Some(standing) = standing else { return Vec::new() };
            let unmet = standing.needs.iter().filter(|(name, need)| !self.meets(name, need.on));
            unmet.map(|(name, _)| name.clone()).collect()
        })
    }
}

/// All that can be reached, each after all that can be reached from it.
fn farthest_first(
    roots: impl Iterator<Item = Rc<str>>,
    next: impl Fn(&Rc<str>) -> Vec<Rc<str>>,
) -> Vec<Rc<str>> {
    let (mut order, mut seen) = (Vec::new(), HashSet::new());
    for root in roots {
        if !seen.insert(root.clone()) {
            continue;
        }
        let below = next(&root);
        let mut path = vec![(root, below)];
        while let Some((_, below)) = path.last_mut() {
            match below.pop() {
                Some(name) if seen.insert(name.clone()) => {
                    let below = next(&name);
                    path.push((name, below));
                }
                Some(_) => {}
                None => order.extend(path.pop().map(|(name, _)| name)),
            }
        }
    }
    order
}

/// Whether a process is as a condition asks.
fn fulfils(process: &Process, on: Condition) -> bool {
    let share = Share::of(process);
    match on {
        Condition::Started => share.started,
        Condition::Ready => share.ready,
        Condition::Completed => share.completed,
    }
}

/// Whether nothing will come of it unless somebody does something.
fn is_at_rest(process: &Process) -> bool {
    process.state.is_over()
        || matches!(process.state, State::Stopped | State::Stopping { then: Then::Stop, .. })
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
        let order = &mut self.order;
        order.busy = (order.busy + usize::from(new.busy)).saturating_sub(usize::from(old.busy));
        order.over = (order.over + usize::from(new.over)).saturating_sub(usize::from(old.over));
        let standing = order.programs.entry(program.clone()).or_default();
        let conditions = [Condition::Started, Condition::Ready, Condition::Completed];
        let before = conditions.map(|on| standing.meets(on));
        let was_calm = standing.stopping == 0;
        standing.count(id, old, new);
        let came = conditions.into_iter().zip(before);
        let came: Vec<Condition> =
            came.filter(|(on, met)| !met && standing.meets(*on)).map(|(on, _)| on).collect();
        if !was_calm && standing.stopping == 0 {
            self.release_needs(&program, now);
        }
        if !came.is_empty() {
            self.wake(&program, &came, now);
        }
        if !is_known && self.ids_of(&program).next().is_none() {
            self.order.drop_program(&program);
        }
    }

    /// Conditions on this program have come true.
    fn wake(&mut self, program: &Rc<str>, came: &[Condition], now: Moment) {
        let Some(standing) = self.order.programs.get(program) else { return };
        let launched = standing.launched;
        let needed_by: Vec<(Rc<str>, Dependency)> =
            standing.needed_by.iter().map(|(name, need)| (name.clone(), *need)).collect();
        for (name, need) in needed_by.into_iter().filter(|(_, need)| came.contains(&need.on)) {
            self.look_at_waiting(&name, now);
            if need.restart_with && !self.is_shutting_down() {
                let is_older = |process: &Process| {
                    let up = process.state.process();
                    up.zip(launched).is_some_and(|((_, started), launched)| started < launched)
                };
                let all: Vec<Id> = self.ids_of(&name).collect();
                let older = all.into_iter().filter(|id| self.get(*id).is_some_and(is_older));
                for id in older.collect::<Vec<_>>() {
                    self.event(id, Event::Follow, now);
                }
            }
        }
    }

    /// Those of a program that are WAITING look whether they still have to.
    pub(super) fn look_at_waiting(&mut self, program: &Rc<str>, now: Moment) {
        let Some(standing) = self.order.programs.get(program) else { return };
        for id in standing.waiting.iter().copied().collect::<Vec<_>>() {
            self.event(id, Event::Look, now);
        }
    }

    /// Nothing of this program is on its way to an end any more: what it needs may go.
    pub(super) fn release_needs(&mut self, program: &Rc<str>, now: Moment) {
        let Some(standing) = self.order.programs.get(program) else { return };
        let needs: Vec<Rc<str>> = standing.needs.keys().cloned().collect();
        needs.iter().for_each(|name| self.release(name, now));
    }

    /// Those of a program whose stop is held look whether it still has to be.
    fn release(&mut self, program: &Rc<str>, now: Moment) {
        if !self.order.is_free(program) {
            return;
        }
        let Some(standing) = self.order.programs.get(program) else { return };
        for id in standing.held.iter().copied().collect::<Vec<_>>() {
            self.event(id, Event::Look, now);
        }
    }

    /// Edges may have gone: whatever stop is held looks whether it still has to be.
    pub(super) fn release_all(&mut self, now: Moment) {
        let holding = self.order.programs.iter().filter(|(_, standing)| !standing.held.is_empty());
        let holding: Vec<Rc<str>> = holding.map(|(name, _)| name.clone()).collect();
        holding.iter().for_each(|name| self.release(name, now));
    }

    /// All processes, those that depend on others before them.
    pub(super) fn all_dependents_first(&self) -> Vec<Id> {
        let programs: BTreeSet<Rc<str>> = self.names.keys().map(|(name, _)| name.clone()).collect();
        let programs = self.order.dependents_first(programs.into_iter());
        programs.iter().flat_map(|name| self.ids_of(name)).collect()
    }

    /// What has to be started for a process to start, in that order: all that it waits for and
    /// that does not come by itself.
    pub fn starts_with(&self, id: Id) -> Vec<Id> {
        let Some(process) = self.get(id) else { return Vec::new() };
        let root = &process.program.name;
        let mut wanted: HashMap<Rc<str>, Vec<Condition>> = HashMap::new();
        let programs = self.order.needs_first(root);
        for name in &programs {
            for (other, need) in self.order.programs.get(name).iter().flat_map(|s| &s.needs) {
                if !self.order.meets(other, need.on) {
                    wanted.entry(other.clone()).or_default().push(need.on);
                }
            }
        }
        let lacks = |process: &Process| {
            let asked = wanted.get(&process.program.name);
            let lacks = asked.is_some_and(|on| on.iter().any(|on| !fulfils(process, *on)));
            lacks && is_at_rest(process) && !process.is_leaving()
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

    /// What a program waits for.
    pub fn unmet(&self, program: &Program) -> Vec<Unmet<'_>> {
        let unmet = program.policy.depends_on.iter();
        let unmet = unmet.filter(|(name, need)| !self.order.meets(name, need.on));
        let unmet = unmet.filter_map(|(name, need)| {
            let (program, _) = self.order.programs.get_key_value(name)?;
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
        let waits = |name: &Rc<str>| {
            *name == program.name
                || self.order.programs.get(name).is_some_and(|s| !s.waiting.is_empty())
        };
        let unmet = programs.iter().filter(|name| waits(name));
        let unmet = unmet.filter_map(|name| self.of_program(name).next());
        let mut unmet = unmet.flat_map(|process| self.unmet(&process.program));
        unmet.find(|unmet| unmet.process.is_some_and(is_hopeless))
    }

    /// Those on their way to an end that a process of this program lets go first.
    pub fn lets_go_first(&self, program: &Program) -> Vec<&Process> {
        let standing = self.order.programs.get(&program.name);
        let names = standing.into_iter().flat_map(Standing::held_by);
        let all = names.flat_map(|name| self.of_program(name));
        all.filter(|process| matches!(process.state, State::Stopping { .. })).collect()
    }
}
