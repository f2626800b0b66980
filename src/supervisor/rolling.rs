//! Rolling restarts: processes replaced one after the other, each well before the next.
//!
//! A roll belongs to the supervisor and not to who asked for it: it goes on when that client
//! leaves. At any time one process is being replaced, the *current* one; what becomes of it is
//! read from its state alone, so whatever else happens to it meanwhile (somebody stops it, a
//! reload changes it) is simply what became of it. The first that fails ends the roll, and those
//! that were to come are left as they are.
//!
//! A stop wins over a roll that was asked for before it: of those to come, one that somebody has
//! stopped since is left so, on its way out or gone, and no other's turn starts it.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use super::{Effect, Event, Id, Moment, Pid, State, StateName, Supervisor, Then};

/// A rolling restart under way.
#[derive(Debug)]
pub(super) struct Roll {
    /// Which of them.
    number: u64,
    /// Those to come.
    queue: VecDeque<Id>,
    /// The one that is being replaced.
    current: Option<Turn>,
    /// The programs of all of them: what is to be restarted with one, is when the roll is over.
    programs: BTreeSet<Rc<str>>,
}

/// A process whose turn has come.
#[derive(Debug, Clone, Copy)]
struct Turn {
    id: Id,
    /// The process that is to be replaced.
    old: Option<Pid>,
}

/// What a rolling restart means for one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rolled {
    /// It was replaced, and is well.
    Replaced,
    /// It was not to be had: what it is now.
    Failed(StateName),
    /// It was left as it is, because another failed.
    Untouched,
    /// Somebody stopped it before its turn came, and it was left so.
    LeftStopped,
    /// It was disabled before its turn came, and nothing but enabling starts it.
    Disabled,
    /// A reload took it out of the configuration, and it is gone.
    Removed,
}

impl Supervisor {
    /// Begins to replace these, in this order. Its number, or one that is in a roll already.
    ///
    /// # Errors
    /// The first that is.
    pub fn roll(&mut self, ids: &[Id], now: Moment) -> Result<u64, Id> {
        if let Some(id) = ids.iter().find(|id| self.is_in_roll(**id)) {
            return Err(*id);
        }
        self.rolled += 1;
        let program = |id: &Id| Some(self.get(*id)?.program.name.clone());
        let queue = ids.iter().copied().collect();
        let programs = ids.iter().filter_map(program).collect();
        self.rolls.push(Roll { number: self.rolled, queue, current: None, programs });
        self.next_turn(self.rolled, now);
        Ok(self.rolled)
    }

    /// Whether a rolling restart is under way.
    pub fn has_rolls(&self) -> bool {
        !self.rolls.is_empty()
    }

    /// The health check of the process with this pid has passed.
    pub fn healthy(&mut self, id: Id, pid: Pid, now: Moment) {
        if let Some(process) = self.slot(id) {
            process.healthy = Some(pid);
        }
        self.look_at_rolls(id, now);
    }

    /// The current one of each roll.
    #[cfg(test)]
    pub(super) fn rolling(&self) -> Vec<Option<Id>> {
        self.rolls.iter().map(|roll| roll.current.map(|turn| turn.id)).collect()
    }

    fn is_in_roll(&self, id: Id) -> bool {
        let is_in = |roll: &Roll| {
            roll.current.is_some_and(|turn| turn.id == id) || roll.queue.contains(&id)
        };
        self.rolls.iter().any(is_in)
    }

    fn roll_mut(&mut self, number: u64) -> Option<&mut Roll> {
        self.rolls.iter_mut().find(|roll| roll.number == number)
    }

    /// The next process of a roll; when there is none, the roll is over.
    pub(super) fn next_turn(&mut self, number: u64, now: Moment) {
        loop {
            let Some(roll) = self.roll_mut(number) else { return };
            let Some(id) = roll.queue.pop_front() else {
                return self.end_roll(number, now);
            };
            let Some(process) = self.get(id) else { continue };
            let old = process.state.process().map(|(pid, _)| pid);
            let passed_over = if process.is_disabled() {
                Some(Rolled::Disabled)
            } else {
                self.is_left_stopped(number, id).then_some(Rolled::LeftStopped)
            };
            if let Some(what) = passed_over {
                self.rolled(number, id, what);
                continue;
            }
            let mut others = self.starts_with(id, Event::Restart);
            others.retain(|other| !self.is_left_stopped(number, *other));
            others.into_iter().for_each(|other| self.event(other, Event::Start, now));
            self.event(id, Event::Restart, now);
            if let Some(roll) = self.roll_mut(number) {
                roll.current = Some(Turn { id, old });
            }
            return self.look_at_rolls(id, now);
        }
    }

    /// Somebody wants this of a process.
    pub(super) fn heed(&mut self, id: Id, event: Event) {
        let rolled = self.rolled;
        if let Some(process) = self.slot(id) {
            process.stop_asked = (event == Event::Stop).then_some(rolled);
        }
    }

    /// Whether somebody has stopped it since this roll began, and nothing has started it again.
    fn is_left_stopped(&self, number: u64, id: Id) -> bool {
        let Some(process) = self.get(id) else { return false };
        let since = process.stop_asked.is_some_and(|rolled| rolled >= number);
        since && matches!(process.state, State::Stopped | State::Stopping { then: Then::Stop, .. })
    }

    /// A process may have changed: whether that ends a turn.
    pub(super) fn look_at_rolls(&mut self, id: Id, now: Moment) {
        // One that is WAITING may have come to wait in vain by what happened to another.
        let waits = |id: Id| {
            self.get(id).is_some_and(|process| matches!(process.state, State::Waiting { .. }))
        };
        let concerned = |turn: &Turn| turn.id == id || waits(turn.id);
        let rolls = self.rolls.iter().filter_map(|roll| Some((roll.number, roll.current?)));
        let rolls: Vec<_> = rolls.filter(|(_, turn)| concerned(turn)).collect();
        for (number, turn) in rolls {
            match self.became(&turn) {
                None => {}
                Some(Rolled::Replaced) => {
                    self.end_turn(number);
                    self.rolled(number, turn.id, Rolled::Replaced);
                    self.next_turn(number, now);
                }
                Some(failed) => {
                    self.rolled(number, turn.id, failed);
                    self.end_roll(number, now);
                }
            }
        }
    }

    /// What is asked of the current ones may have changed: whether that ends a turn.
    pub(super) fn look_at_all_rolls(&mut self, now: Moment) {
        let current = |roll: &Roll| roll.current.map(|turn| turn.id);
        let current: Vec<Id> = self.rolls.iter().filter_map(current).collect();
        current.into_iter().for_each(|id| self.look_at_rolls(id, now));
    }

    fn end_turn(&mut self, number: u64) {
        if let Some(roll) = self.roll_mut(number) {
            roll.current = None;
        }
    }

    /// What became of the current one; none: that is not settled.
    fn became(&self, turn: &Turn) -> Option<Rolled> {
        let process = self.get(turn.id)?;
        let policy = &process.program.policy;
        let failed = Some(Rolled::Failed(process.state.name()));
        match process.state {
            State::Running { pid, .. } => {
                let is_well = policy.health.is_none() || process.healthy == Some(pid);
                (Some(pid) != turn.old && is_well).then_some(Rolled::Replaced)
            }
            State::Stopped
            | State::Exited { .. }
            | State::Fatal { .. }
            | State::Stopping { then: Then::End, .. } => failed,
            State::Backoff { retries, .. } if retries > 0 && policy.startretries.is_none() => {
                failed
            }
            State::Waiting { .. } if self.stuck_at(&process.program).is_some() => failed,
            State::Waiting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Backoff { .. }
            | State::Stopping { .. } => None,
        }
    }

    /// A roll is over, perhaps before its time.
    fn end_roll(&mut self, number: u64, now: Moment) {
        let is_it = |roll: &mut Roll| roll.number == number;
        for roll in self.rolls.extract_if(.., is_it).collect::<Vec<_>>() {
            roll.queue.iter().for_each(|id| self.rolled(number, *id, Rolled::Untouched));
            roll.programs.iter().for_each(|program| self.follow(program, now));
        }
    }

    /// Whether processes of this program are being replaced one by one.
    pub(super) fn is_rolling(&self, program: &Rc<str>) -> bool {
        self.rolls.iter().any(|roll| roll.programs.contains(program))
    }

    /// Nothing is replaced any more.
    pub(super) fn end_rolls(&mut self, now: Moment) {
        let numbers: Vec<u64> = self.rolls.iter().map(|roll| roll.number).collect();
        for number in numbers {
            let current = self.roll_mut(number).and_then(|roll| roll.current);
            if let Some(process) = current.and_then(|turn| self.get(turn.id))
                && let Some(turn) = current
            {
                let state = process.state.name();
                self.rolled(number, turn.id, Rolled::Failed(state));
            }
            self.end_roll(number, now);
        }
    }

    /// A process leaves: its number may soon be another's. The rolls that it was the current one of:
    /// their next turn is due.
    pub(super) fn leave_rolls(&mut self, id: Id) -> Vec<u64> {
        let (mut left, mut bereft) = (Vec::new(), Vec::new());
        for roll in &mut self.rolls {
            if roll.queue.contains(&id) {
                roll.queue.retain(|other| *other != id);
                left.push(roll.number);
            }
            if roll.current.take_if(|turn| turn.id == id).is_some() {
                bereft.push(roll.number);
            }
        }
        for number in left.iter().chain(&bereft) {
            self.rolled(*number, id, Rolled::Removed);
        }
        bereft
    }

    fn rolled(&mut self, roll: u64, id: Id, what: Rolled) {
        self.effects.push_back(Effect::Rolled { roll, id, what });
    }
}
