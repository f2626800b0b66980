//! How the loggers of late fared: when the next one may start, whether its end is told of, and
//! whether there is any hope in waiting for one.
//!
//! One that ends now and then is replaced at once. Where none lives long, something keeps them from
//! it that another start does not mend: each waits longer than the one before, the log tells of the
//! first and then once in a while of their number, and nobody waits for what only a logger can do.

use std::time::{Duration, Instant};

/// Two starts lie so far apart, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// And at last.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// One that lived so long had nothing that kept it from it.
const STEADY: Duration = Duration::from_secs(5);

/// After one that was told of, so long none is.
const WINDOW: Duration = Duration::from_secs(60);

/// So many in a row that did not live long are no accident.
const HOPELESS: u32 = 3;

/// What is known of them.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Attempts {
    /// When the last one was started; none: an earlier daemon did that.
    started: Option<Instant>,
    /// How many in a row did not live long.
    failed: u32,
    /// When an end was told of last, since one lived long.
    told: Option<Instant>,
    /// How many were not told of since.
    untold: u64,
    /// Why the last one ended.
    why: String,
}

impl Attempts {
    /// One is started now.
    pub(in crate::daemon) fn start(&mut self, now: Instant) {
        self.started = Some(now);
    }

    /// It could not be, or has ended unasked. Whether that is to be told of, and how many were not
    /// told of before it.
    pub(in crate::daemon) fn failed(&mut self, why: String, now: Instant) -> Option<u64> {
        let lived = self.started.map(|at| now.saturating_duration_since(at));
        if lived.is_none_or(|lived| lived >= STEADY) {
            (self.failed, self.told, self.untold) = (0, None, 0);
        }
        self.failed = self.failed.saturating_add(1);
        self.why = why;
        if self.told.is_some_and(|told| now < told + WINDOW) {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    /// From when on the next one may start.
    pub(in crate::daemon) fn not_before(&self) -> Option<Instant> {
        let doublings = self.failed.saturating_sub(1).min(8);
        self.started.map(|at| at + (FIRST_PAUSE * (1 << doublings)).min(LAST_PAUSE))
    }

    /// Why none can be hoped for, if so.
    pub(in crate::daemon) fn hopeless(&self) -> Option<&str> {
        (self.failed >= HOPELESS).then_some(self.why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    /// Starts one as soon as it may be, which ends at once. How long it waited, and whether it is
    /// told of.
    fn again(attempts: &mut Attempts, now: &mut Instant) -> (Duration, Option<u64>) {
        let at = attempts.not_before().unwrap_or(*now).max(*now);
        let waited = at - *now;
        *now = at;
        attempts.start(at);
        (waited, attempts.failed("why".to_owned(), at))
    }

    #[test]
    fn the_pause_grows_until_one_has_lived_long() {
        let (mut attempts, mut now) = (Attempts::default(), clock::now());
        let mut waited = || again(&mut attempts, &mut now).0.as_millis();
        let all: Vec<u128> = (0..9).map(|_| waited()).collect();
        assert_eq!(all, [0, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);

        now += LAST_PAUSE;
        attempts.start(now);
        now += STEADY;
        attempts.failed("killed".to_owned(), now);
        assert_eq!(again(&mut attempts, &mut now).0, Duration::ZERO, "it lived");
        assert_eq!(again(&mut attempts, &mut now).0, FIRST_PAUSE * 2);
    }

    #[test]
    fn the_first_is_told_of_and_then_their_number_once_in_a_while() {
        let (mut attempts, start) = (Attempts::default(), clock::now());
        let mut now = start;
        assert_eq!(again(&mut attempts, &mut now).1, Some(0));
        let mut untold = 0;
        let told = loop {
            match again(&mut attempts, &mut now).1 {
                None => untold += 1,
                Some(before) => break before,
            }
        };
        assert!(untold > 10 && told == untold, "{untold} {told}");
        assert!(now >= start + WINDOW);
        assert_eq!(again(&mut attempts, &mut now).1, None);

        attempts.start(now);
        assert_eq!(attempts.failed("killed".to_owned(), now + STEADY), Some(0), "it lived");
    }

    #[test]
    fn three_that_end_at_once_are_hopeless_and_one_that_lives_long_is_hope() {
        let (mut attempts, mut now) = (Attempts::default(), clock::now());
        for _ in 0..2 {
            again(&mut attempts, &mut now);
            assert_eq!(attempts.hopeless(), None);
        }
        again(&mut attempts, &mut now);
        assert_eq!(attempts.hopeless(), Some("why"));
        attempts.start(now);
        attempts.failed("killed".to_owned(), now + STEADY);
        assert_eq!(attempts.hopeless(), None);
    }

    #[test]
    fn one_of_an_earlier_daemon_is_replaced_at_once() {
        let (mut attempts, now) = (Attempts::default(), clock::now());
        assert_eq!(attempts.failed("killed".to_owned(), now), Some(0));
        assert_eq!(attempts.not_before(), None);
    }
}
