//! How often something happened within the last hour.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::config::EventName;

const HOUR: Duration = Duration::from_secs(3600);

/// Things that are remembered.
const THINGS: usize = 1000;

/// Times that are remembered of each.
const TIMES: usize = 1000;

/// The times of things, as far as they are within the last hour.
#[derive(Debug, Default)]
pub(super) struct Lately {
    times: HashMap<(EventName, Option<String>), VecDeque<Instant>>,
}

impl Lately {
    /// It happened once more. How often within the last hour; none where that is not known, as
    /// there are too many things.
    pub(super) fn count(
        &mut self,
        event: EventName,
        process: Option<&str>,
        now: Instant,
    ) -> Option<u64> {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < HOUR;
        let key = (event, process.map(str::to_owned));
        if self.times.len() >= THINGS && !self.times.contains_key(&key) {
            self.times.retain(|_, times| times.back().is_some_and(is_recent));
            if self.times.len() >= THINGS {
                return None;
            }
        }
        let times = self.times.entry(key).or_default();
        times.push_back(now);
        while times.len() > TIMES || times.front().is_some_and(|at| !is_recent(at)) {
            times.pop_front();
        }
        u64::try_from(times.len()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn what_is_older_than_an_hour_counts_no_more() {
        let (mut lately, start) = (Lately::default(), clock::now());
        let mut count = |minutes: u64| {
            let now = start + Duration::from_secs(minutes * 60);
            lately.count(EventName::Fatal, Some("a"), now)
        };
        assert_eq!([0, 30, 59, 61, 200].map(&mut count), [1, 2, 3, 3, 1].map(Some));
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let (mut lately, now) = (Lately::default(), clock::now());
        for n in 0..THINGS {
            assert_eq!(lately.count(EventName::Fatal, Some(&n.to_string()), now), Some(1));
        }
        assert_eq!(lately.count(EventName::Fatal, Some("new"), now), None);
        assert_eq!(lately.count(EventName::Fatal, Some("new"), now + HOUR), Some(1));
        assert_eq!(lately.times.len(), 1);
    }
}
