//! Who needs whom: the programs as a graph, and how far the processes of each have got.
//!
//! Of each program it is counted how many of its processes have got how far, so that a condition
//! on all of them is two numbers compared. What a change of one means for those beside it stands
//! in [`super::neighbours`].

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use super::{Awaits, Id, Process, Stage, State, Then};
use crate::config::{Condition, Dependency, Policy};

/// What programs need, by name.
type Needs = BTreeMap<Rc<str>, Dependency>;

/// The graph.
#[derive(Debug, Default)]
pub(super) struct Order {
    programs: BTreeMap<Rc<str>, Standing>,
    /// Processes that were ever started and are not over.
    busy: usize,
    /// Processes that are EXITED or FATAL.
    over: usize,
    /// Processes that are STOPPING.
    stopping: usize,
}

/// How a program stands: its edges, and how far its processes have got.
#[derive(Debug, Default)]
struct Standing {
    /// None: nothing needs it and it needs nothing, as with most.
    edges: Option<Box<Edges>>,
    /// Its processes, but for those that are to be forgotten.
    members: u32,
    started: u32,
    ready: u32,
    completed: u32,
    stopping: u32,
    /// Those of which nothing comes unless somebody does something.
    resting: u32,
}

/// What a program has to do with others.
#[derive(Debug, Default)]
struct Edges {
    needs: Needs,
    needed_by: Needs,
    /// Its processes in WAITING.
    waiting: BTreeSet<Id>,
    /// Those that are to stop when nothing needs them any more.
    held: BTreeSet<Id>,
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

/// What a change of one process has tipped in its program.
#[derive(Debug)]
pub(super) struct Tipped {
    /// Conditions that have come true.
    pub(super) came: Vec<Condition>,
    /// The last that was on its way to an end is gone.
    pub(super) calm: bool,
}

impl Share {
    pub(super) fn of(process: &Process) -> Self {
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

    /// Whether it is as a condition asks.
    pub(super) fn fulfils(self, on: Condition) -> bool {
        match on {
            Condition::Started => self.started,
            Condition::Ready => self.ready,
            Condition::Completed => self.completed,
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
        if self.edges.is_none() && !new.waiting && !new.held {
            return;
        }
        let edges = self.edges_mut();
        for (set, is_in) in [(&mut edges.waiting, new.waiting), (&mut edges.held, new.held)] {
            if is_in {
                set.insert(id);
            } else {
                set.remove(&id);
            }
        }
    }

    fn edges(&self) -> impl Iterator<Item = &Edges> {
        self.edges.iter().map(|edges| &**edges)
    }

    fn edges_mut(&mut self) -> &mut Edges {
        self.edges.get_or_insert_default()
    }

    /// A condition of `completed` wants nothing of it that is up.
    fn held_by(&self) -> impl Iterator<Item = &Rc<str>> {
        let needed_by = self.edges().flat_map(|edges| &edges.needed_by);
        let up = needed_by.filter(|(_, need)| need.on != Condition::Completed);
        up.map(|(name, _)| name)
    }
}

impl Order {
    /// A process of a program counts for something else.
    pub(super) fn count(&mut self, id: Id, program: &Rc<str>, old: Share, new: Share) -> Tipped {
        self.busy = (self.busy + usize::from(new.busy)).saturating_sub(usize::from(old.busy));
        self.over = (self.over + usize::from(new.over)).saturating_sub(usize::from(old.over));
        let (was, is) = (usize::from(old.stopping), usize::from(new.stopping));
        self.stopping = (self.stopping + is).saturating_sub(was);
        let standing = self.programs.entry(program.clone()).or_default();
        let conditions = [Condition::Started, Condition::Ready, Condition::Completed];
        let before = conditions.map(|on| standing.meets(on));
        let was_calm = standing.stopping == 0;
        standing.count(id, old, new);
        let came = conditions.into_iter().zip(before);
        let came = came.filter(|(on, met)| !met && standing.meets(*on)).map(|(on, _)| on).collect();
        Tipped { came, calm: !was_calm && standing.stopping == 0 }
    }

    fn edges(&self, program: &str) -> impl Iterator<Item = &Edges> {
        self.programs.get(program).into_iter().flat_map(Standing::edges)
    }

    /// The processes of a program in WAITING.
    pub(super) fn waiting(&self, program: &str) -> Vec<Id> {
        self.edges(program).flat_map(|edges| &edges.waiting).copied().collect()
    }

    /// The processes of a program whose stop is held.
    pub(super) fn held(&self, program: &str) -> Vec<Id> {
        self.edges(program).flat_map(|edges| &edges.held).copied().collect()
    }

    /// The programs that have any of those.
    pub(super) fn holding(&self) -> Vec<Rc<str>> {
        let holds = |standing: &Standing| standing.edges().any(|edges| !edges.held.is_empty());
        let holding = self.programs.iter().filter(|(_, standing)| holds(standing));
        holding.map(|(name, _)| name.clone()).collect()
    }

    /// What a program needs.
    pub(super) fn needs(&self, program: &str) -> Vec<(Rc<str>, Dependency)> {
        let needs = self.edges(program).flat_map(|edges| &edges.needs);
        needs.map(|(name, need)| (name.clone(), *need)).collect()
    }

    /// What needs a program.
    pub(super) fn needed_by(&self, program: &str) -> Vec<(Rc<str>, Dependency)> {
        let needs = self.edges(program).flat_map(|edges| &edges.needed_by);
        needs.map(|(name, need)| (name.clone(), *need)).collect()
    }

    /// What a program's stop waits for, where it is on its way to an end.
    pub(super) fn held_by(&self, program: &str) -> impl Iterator<Item = &Rc<str>> {
        self.programs.get(program).into_iter().flat_map(Standing::held_by)
    }

    /// The name of a program, shared.
    pub(super) fn name(&self, program: &str) -> Option<&Rc<str>> {
        self.programs.get_key_value(program).map(|(name, _)| name)
    }

    /// Whether all processes of a program are as a condition asks.
    pub(super) fn meets(&self, name: &str, on: Condition) -> bool {
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
    pub(super) fn drop_program(&mut self, program: &Rc<str>) {
        self.set_needs(program, &Needs::new());
        if self.edges(program).all(|edges| edges.needed_by.is_empty()) {
            self.programs.remove(program);
        }
    }

    /// What a program needs from now on.
    pub(super) fn set_needs(&mut self, program: &Rc<str>, needs: &Needs) {
        let standing = self.programs.entry(program.clone()).or_default();
        if standing.edges.is_none() && needs.is_empty() {
            return;
        }
        let old = std::mem::replace(&mut standing.edges_mut().needs, needs.clone());
        for name in old.keys() {
            if let Some(other) = self.programs.get_mut(name) {
                other.edges_mut().needed_by.remove(program);
            }
        }
        for (name, need) in needs {
            let other = self.programs.entry(name.clone()).or_default();
            other.edges_mut().needed_by.insert(program.clone(), *need);
        }
    }

    /// Many were added.
    pub(super) fn pack(&mut self) {
        pack(&mut self.programs);
    }

    /// How many of a program's processes are at rest.
    pub(super) fn resting(&self, program: &str) -> u32 {
        self.programs.get(program).map_or(0, |standing| standing.resting)
    }

    /// Whether one of a program's processes is up, or is to be.
    pub(super) fn is_active(&self, program: &str) -> bool {
        self.programs.get(program).is_some_and(|standing| standing.resting < standing.members)
    }

    /// Whether any process is STOPPING.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping > 0
    }

    /// Whether something was started, and all that ever was is over.
    pub(super) fn is_over(&self) -> bool {
        self.busy == 0 && self.over > 0
    }

    /// These programs and all that need one of them up, each before what it needs.
    pub(super) fn dependents_first(&self, roots: impl Iterator<Item = Rc<str>>) -> Vec<Rc<str>> {
        farthest_first(roots, |name| {
            let standing = self.programs.get(name);
            standing.map(|s| s.held_by().cloned().collect()).unwrap_or_default()
        })
    }

    /// This program and all that it waits for, each after what it waits for itself.
    pub(super) fn needs_first(&self, root: &Rc<str>) -> Vec<Rc<str>> {
        farthest_first(std::iter::once(root.clone()), |name| {
            let standing =
                self.programs.get(name).filter(|s| *name == *root || s.started < s.members);
            let Some(standing) = standing else { return Vec::new() };
            let needs = standing.edges().flat_map(|edges| &edges.needs);
            let unmet = needs.filter(|(name, need)| !self.meets(name, need.on));
            unmet.map(|(name, _)| name.clone()).collect()
        })
    }
}

/// Filled in order, a tree is little more than half full; built anew from what it holds, it is full.
pub(super) fn pack<K: Ord, V>(tree: &mut BTreeMap<K, V>) {
    *tree = std::mem::take(tree).into_iter().collect();
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

/// Whether nothing will come of it unless somebody does something.
pub(super) fn is_at_rest(process: &Process) -> bool {
    process.state.is_over()
        || matches!(process.state, State::Stopped | State::Stopping { then: Then::Stop, .. })
}
