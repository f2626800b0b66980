//! What follows an end: the part of the machine of [`super::process`] that decides whether a
//! process is started again, and when.

use std::time::{Duration, Instant};

use super::StateName;
use super::process::{Next, Step};
use super::state::{Action, Enough, Exit, Pid, State, Then};
use crate::config::{Autorestart, Backoff, Expected, Policy};

/// Whether this end is one that `exitcodes` lists.
fn is_expected(policy: &Policy, exit: Exit) -> bool {
    policy.exitcodes.iter().any(|expected| match (expected, exit) {
        (Expected::Code(code), Exit::Code(with)) => i32::from(*code) == with,
        (Expected::Signal(signal), Exit::Signal(by)) => signal.number() == by,
        (Expected::Code(_), Exit::Signal(_) | Exit::Unknown)
        | (Expected::Signal(_), Exit::Code(_) | Exit::Unknown) => false,
    })
}

impl Step<'_> {
    pub(super) fn ended(&self, state: State, ended: Pid, exit: Exit) -> Next {
        match state {
            State::Starting { pid, .. } if pid == ended && self.is_late(state) => {
                let (running, mut actions) = self.tick(state);
                let after = Step { from: StateName::Running, ..*self };
                let (to, more) = after.ended(running, ended, exit);
                actions.extend(more);
                (to, actions)
            }
            State::Starting { pid, retries, .. } if pid == ended => {
                self.fail(retries, Some(pid), Some((exit, false)))
            }
            State::Running { pid, started } if pid == ended => {
                let expected = is_expected(self.policy, exit);
                self.exited(pid, started, exit, expected)
            }
            State::Stopping { pid, started, then, .. } if pid == ended => {
                self.gone(pid, started, exit, then)
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Stopping { .. }
            | State::Exited { .. }
            | State::Fatal { .. } => (state, vec![]),
        }
    }

    /// Whether it has been up long enough to be RUNNING, and nobody has come round to saying so:
    /// the loop hears of deaths before it looks at the clock's dues.
    fn is_late(&self, state: State) -> bool {
        matches!(self.tick(state).0, State::Running { .. })
    }

    /// An end from STOPPING.
    fn gone(&self, pid: Pid, started: Instant, exit: Exit, then: Then) -> Next {
        let tell = self.change(State::Stopped, Some(pid), Some((exit, true)));
        match then {
            Then::Stop => (State::Stopped, vec![tell]),
            Then::Forget => (State::Stopped, vec![tell, Action::Forget]),
            Then::Start | Then::Follow => {
                let after = Step { from: StateName::Stopped, ..*self };
                let (to, more) = after.spawn(0, then == Then::Start);
                (to, std::iter::once(tell).chain(more).collect())
            }
            Then::Fail { retries } => self.fail(retries, Some(pid), Some((exit, false))),
            Then::End => self.exited(pid, started, exit, false),
        }
    }

    /// An end from RUNNING.
    fn exited(&self, pid: Pid, started: Instant, exit: Exit, expected: bool) -> Next {
        let end = Some((exit, expected));
        let rest = State::Exited { expected };
        let tell = self.change(rest, Some(pid), end);
        let restart = match self.policy.autorestart {
            Autorestart::Always => true,
            Autorestart::Never => false,
            Autorestart::Unexpected => !expected,
        };
        if !restart {
            return (rest, vec![tell]);
        }
        let after = Step { from: StateName::Exited, ..*self };
        let next_start = started + self.policy.backoff.initial;
        let (to, more) = if self.is_spent(next_start) {
            let to = State::Fatal { after: Enough::Restarts };
            (to, vec![after.change(to, None, end)])
        } else if self.now() >= next_start {
            after.spawn(0, false)
        } else {
            let to = State::Backoff { until: next_start, retries: 0 };
            (to, vec![after.change(to, None, end)])
        };
        (to, std::iter::once(tell).chain(more).collect())
    }

    /// A failed start, the `retries`-th retry (0: the first try).
    pub(super) fn fail(&self, retries: u32, pid: Option<Pid>, end: Option<(Exit, bool)>) -> Next {
        let wait = delay(&self.policy.backoff, retries, self.around.now.dice);
        let until = self.now() + wait;
        let to = if self.policy.startretries.is_some_and(|most| retries >= most) {
            State::Fatal { after: Enough::Retries(retries) }
        } else if self.is_spent(until) {
            State::Fatal { after: Enough::Restarts }
        } else {
            State::Backoff { until, retries: retries.saturating_add(1) }
        };
        (to, vec![self.change(to, pid, end)])
    }

    /// Whether a start then, for which nobody asks, is one too many.
    fn is_spent(&self, start: Instant) -> bool {
        self.around.spent.is_some_and(|spent| start.max(self.now()) < spent)
    }
}

/// The delay before retry number `retries` + 1: grown, bounded, and spread by chance.
fn delay(backoff: &Backoff, retries: u32, dice: f64) -> Duration {
    if backoff.initial.is_zero() {
        return Duration::ZERO;
    }
    // powf, and nothing else here, would have every process of taskmaster load libm.
    let growth = backoff.factor.powi(i32::try_from(retries).unwrap_or(i32::MAX));
    let grown = backoff.initial.as_secs_f64() * growth;
    let bounded = grown.min(backoff.max.as_secs_f64());
    Duration::try_from_secs_f64(bounded * (1.0 + backoff.jitter * dice)).unwrap_or(backoff.max)
}
