//! Probes in flight: when they begin, how they go on, and what their answers amount to.

use std::time::Instant;

use super::attempt::{Answer, Attempt, NoProbe};
use super::schedule::{Schedule, Verdict};
use super::watch::{Flight, Question, Watch};
use super::{Budget, LATER, Part, Probes, Wanted, What};
use crate::supervisor::{Exit, Id, Pid};
use crate::sys::poll::Ready;

impl Probes {
    /// The descriptor of a probe is ready.
    pub(super) fn go_on(&mut self, id: Id, ready: Ready, now: Instant) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let Some(flight) = &mut watch.flight else { return };
        let Some(answer) = flight.attempt.go_on(ready) else {
            let (fd, interest) = flight.attempt.descriptor();
            if matches!(&flight.attempt, Attempt::Command(command) if command.is_silent) {
                self.set.remove(fd, flight.token);
            } else {
                let _ = self.set.epoll.change(fd, flight.token, interest);
            }
            return;
        };
        if let Some(flight) = watch.flight.take() {
            self.land(flight);
        }
        self.answered(id, &answer, now);
    }

    pub(super) fn answered(&mut self, id: Id, answer: &Answer, now: Instant) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let before = watch.note();
        let verdict = watch.answered(answer, now);
        if watch.note() != before {
            self.note(id);
        }
        match verdict {
            Some(Verdict::Ready) => self.tell(id, What::Ready),
            Some(Verdict::Healthy) => self.tell(id, What::Healthy),
            Some(Verdict::Unhealthy) => self.tell(id, What::Unhealthy),
            None => {}
        }
        self.arm(id);
    }

    /// Time has passed: what is due happens, as far as the budget of this turn goes. A command that
    /// is due comes out, and goes back in by [`Probes::begun`].
    pub(super) fn next_due(&mut self, budget: &mut Budget, now: Instant) -> Option<Wanted> {
        while budget.connections > 0 {
            let &(at, id) = self.due.first()?;
            if at > now {
                return None;
            }
            self.pass_time(id, now);
            let watch = self.watches.get(&id)?;
            let is_asked = |schedule: &Schedule| schedule.next() <= now;
            let asks = watch.flight.is_none() && watch.schedule.as_ref().is_some_and(is_asked);
            match watch.question().filter(|_| asks) {
                Some(Question::Connect(address, url)) => {
                    budget.connections -= 1;
                    self.begun(id, Attempt::connect(address, url), now);
                }
                Some(Question::Command(cmd)) => {
                    budget.commands = budget.commands.checked_sub(1)?;
                    return Some(Wanted { id, cmd });
                }
                None => self.arm(id),
            }
        }
        None
    }

    /// A probe has begun, or could not.
    pub(super) fn begun(&mut self, id: Id, attempt: Result<Attempt, NoProbe>, now: Instant) {
        let attempt = match attempt {
            Ok(attempt) => attempt,
            Err(NoProbe::Answer(why)) => return self.answered(id, &Err(why), now),
            Err(NoProbe::Later) => return self.put_off(id, now),
        };
        let (fd, interest) = attempt.descriptor();
        let token = self.set.add(fd, id, Part::Flight, interest);
        if let Attempt::Command(command) = &attempt {
            self.commands.insert(command.pid, Some(id));
        }
        let limit = self.watches.get(&id).and_then(Watch::limit);
        let flight = Flight {
            attempt,
            token: *token.as_ref().unwrap_or(&0),
            until: limit.map(|limit| now + limit),
            limit: limit.unwrap_or_default(),
            is_over: false,
        };
        match (token, self.watches.get_mut(&id)) {
            (Ok(_), Some(watch)) => {
                watch.flight = Some(flight);
                self.arm(id);
            }
            (_, _) => {
                self.land(flight);
                self.put_off(id, now);
            }
        }
    }

    fn put_off(&mut self, id: Id, now: Instant) {
        if let Some(schedule) = self.watches.get_mut(&id).and_then(|w| w.schedule.as_mut()) {
            schedule.put_off(now + LATER);
        }
        self.arm(id);
    }

    /// Whether a child is a command of a probe.
    pub(in crate::daemon) fn is_command(&self, pid: Pid) -> bool {
        self.commands.contains_key(&pid)
    }

    /// A command has ended and was reaped.
    pub(super) fn ended(&mut self, pid: Pid, exit: Exit, now: Instant) {
        let Some(Some(id)) = self.commands.remove(&pid) else { return };
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let Some(flight) = watch.flight.take() else { return };
        self.set.remove(flight.attempt.descriptor().0, flight.token);
        if let Attempt::Command(command) = flight.attempt
            && !flight.is_over
        {
            let answer = command.ended(exit);
            self.answered(id, &answer, now);
        }
        self.arm(id);
    }
}
