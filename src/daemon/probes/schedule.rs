//! When a process is asked next whether it is ready or well, and what its answers amount to.
//!
//! Pure. Until the first good answer it is asked at once, then ever less often: who waits for
//! it shall not wait longer than need be. From the first good answer on its health is asked for
//! every `interval`. Failures count from then on, or else once `start_period`, and at least one
//! `interval`, is over: so that no process has less time to come up than it would have with a
//! first question after one interval.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::Health;
use crate::supervisor::Base;

/// The first pause between two questions while no answer has been good.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// What an answer changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It is ready.
    Ready,
    /// It is well: for the first time, or again.
    Healthy,
    /// It was not well so often that it counts.
    Unhealthy,
}

/// One process that is asked again and again.
#[derive(Debug)]
pub(super) struct Schedule {
    /// When the next question is due, unless one is being answered.
    next: Instant,
    begun: Instant,
    pause: Duration,
    was_well: bool,
    failures: u32,
    /// What was last told.
    told: Option<Verdict>,
}

/// The same as plain data, for the next version: points in time are those of [`Base`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptSchedule {
    next: u64,
    begun: u64,
    pause: Duration,
    was_well: bool,
    failures: u32,
    told: Option<Verdict>,
}

impl KeptSchedule {
    /// It goes on.
    pub(super) fn taken_up(self, base: Base) -> Schedule {
        let Self { next, begun, pause, was_well, failures, told } = self;
        let (next, begun) = (base.instant(next), base.instant(begun));
        Schedule { next, begun, pause, was_well, failures, told }
    }
}

impl Schedule {
    /// It, as plain data.
    pub(super) fn keep(&self, base: Base) -> KeptSchedule {
        let Self { next, begun, pause, was_well, failures, told } = *self;
        let (next, begun) = (base.nanos(next), base.nanos(begun));
        KeptSchedule { next, begun, pause, was_well, failures, told }
    }

    /// Whether what was told last is that it is well.
    pub(super) fn is_healthy(&self) -> bool {
        self.told == Some(Verdict::Healthy)
    }

    /// From now on, and at once.
    pub(super) fn from(now: Instant) -> Self {
        Self { next: now, begun: now, pause: FIRST_PAUSE, was_well: false, failures: 0, told: None }
    }

    /// When the next question is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// It could not be asked.
    pub(super) fn put_off(&mut self, until: Instant) {
        self.next = until;
    }

    /// Asked whether it is ready, it answered.
    pub(super) fn is_ready(&mut self, well: bool, now: Instant) -> Option<Verdict> {
        if well {
            return self.tell(Verdict::Ready);
        }
        self.next = now + self.grow();
        None
    }

    /// Asked whether it is well, it answered.
    pub(super) fn is_well(&mut self, well: bool, health: &Health, now: Instant) -> Option<Verdict> {
        self.next = now + health.interval;
        if well {
            (self.was_well, self.failures) = (true, 0);
            return self.tell(Verdict::Healthy);
        }
        let counts_from = self.begun + health.start_period.max(health.interval);
        if !self.was_well && now < counts_from {
            // The first that counts is not put off.
            let pause = self.grow().min(health.interval);
            self.next = (now + pause).min(counts_from);
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        (self.failures >= health.retries).then(|| self.tell(Verdict::Unhealthy))?
    }

    fn grow(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LAST_PAUSE);
        pause
    }

    /// What is news.
    fn tell(&mut self, verdict: Verdict) -> Option<Verdict> {
        let is_news = self.told != Some(verdict);
        self.told = Some(verdict);
        is_news.then_some(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HealthHow;
    use crate::sys::clock;

    const fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn health(interval: u64, retries: u32, start_period: u64) -> Health {
        Health {
            how: HealthHow::Tcp(([127, 0, 0, 1], 80).into()),
            interval: millis(interval),
            timeout: millis(1000),
            retries,
            start_period: millis(start_period),
        }
    }

    /// Answers each question at once; what was told at which time after the beginning.
    fn told(health: &Health, answers: &[bool]) -> Vec<(u128, Option<Verdict>)> {
        let begun = clock::now();
        let mut schedule = Schedule::from(begun);
        let answer = |well: &bool| {
            let now = schedule.next();
            ((now - begun).as_millis(), schedule.is_well(*well, health, now))
        };
        answers.iter().map(answer).collect()
    }

    #[test]
    fn readiness_is_asked_for_at_once_and_then_ever_less_often() {
        let begun = clock::now();
        let mut schedule = Schedule::from(begun);
        let mut at = Vec::new();
        for _ in 0..6 {
            let now = schedule.next();
            at.push((now - begun).as_millis());
            assert_eq!(schedule.is_ready(false, now), None);
        }
        assert_eq!(at, [0, 200, 600, 1400, 2400, 3400]);
        assert_eq!(schedule.is_ready(true, schedule.next()), Some(Verdict::Ready));
    }

    #[test]
    fn so_many_failures_in_a_row_are_unhealthy_and_told_once() {
        use Verdict::{Healthy, Unhealthy};
        let told = told(
            &health(10_000, 3, 0),
            &[true, true, false, false, true, false, false, false, false, true],
        );
        let verdicts: Vec<_> = told.iter().map(|(_, verdict)| *verdict).collect();
        assert_eq!(verdicts[0], Some(Healthy));
        assert!(verdicts[1..7].iter().all(Option::is_none), "{verdicts:?}");
        assert_eq!(verdicts[7..], [Some(Unhealthy), None, Some(Healthy)]);
        assert_eq!(told.last().map(|(at, _)| *at), Some(90_000));
    }

    #[test]
    fn failures_do_not_count_within_start_period() {
        let told = told(&health(1000, 1, 2500), &[false; 6]);
        let at: Vec<_> = told.iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [0, 200, 600, 1400, 2400, 2500]);
        assert!(told[..5].iter().all(|(_, verdict)| verdict.is_none()));
        assert_eq!(told[5].1, Some(Verdict::Unhealthy));
    }

    #[test]
    fn a_success_ends_the_start_period() {
        let told = told(&health(1000, 1, 60_000), &[false, true, false]);
        let verdicts = [None, Some(Verdict::Healthy), Some(Verdict::Unhealthy)];
        assert_eq!(told.iter().map(|(_, v)| *v).collect::<Vec<_>>(), verdicts);
    }

    #[test]
    fn without_a_start_period_one_interval_is_left_to_come_up() {
        let told = told(&health(10_000, 1, 0), &[false; 20]);
        let (at, _) = told.iter().find(|(_, verdict)| verdict.is_some()).unwrap();
        assert_eq!(*at, 10_000);
    }
}
