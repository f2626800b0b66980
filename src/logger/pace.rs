//! When the logger rests. A program that prints without a pause would wake it for every line: a
//! moment later there is much more to move at once, and nobody misses it before.

use std::time::{Duration, Instant};

/// How long it rests, which is also how much later a line may reach its file.
pub(super) const REST: Duration = Duration::from_micros(200);

/// Turns are counted over so long.
const WINDOW: Duration = Duration::from_millis(10);

/// With so many in that time they are closer together than a rest is long, or nearly.
const BUSY: u32 = 20;

/// Counts turns.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    turns: u32,
    was_busy: bool,
}

impl Pace {
    /// Nothing was done before this.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, turns: 0, was_busy: false }
    }

    /// One more turn. Whether they follow each other closely.
    pub(super) fn is_busy(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            let was_busy = self.turns >= BUSY && passed < WINDOW * 2;
            *self = Self { since: now, turns: 0, was_busy };
        }
        self.turns += 1;
        self.was_busy || self.turns >= BUSY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn it_is_busy_while_turns_follow_each_other_closely() {
        let start = clock::now();
        let mut pace = Pace::new(start);
        let mut turns = |from: u64, count: u64, apart: u64| {
            let at = |turn| start + Duration::from_micros(from + turn * apart);
            let busy: Vec<bool> = (0..count).map(|turn| pace.is_busy(at(turn))).collect();
            (busy.first().copied(), busy.last().copied())
        };
        assert_eq!(turns(0, 19, 10), (Some(false), Some(false)), "a few");
        assert_eq!(turns(50_000, 100, 1000), (Some(false), Some(false)), "now and then");
        assert_eq!(turns(200_000, 100, 300), (Some(false), Some(true)), "a flood");
        assert_eq!(turns(230_000, 100, 250), (Some(true), Some(true)), "it goes on");
        assert_eq!(turns(900_000, 1, 1), (Some(false), Some(false)), "it is over");
    }
}
