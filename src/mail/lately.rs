//! How often something happened within the last hour, to the minute.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::config::EventName;

const HOUR: Duration = Duration::from_secs(3600);

/// What happens within so long after the first is counted with it.
const MINUTE: Duration = Duration::from_secs(60);

/// Things that are remembered.
const THINGS: usize = 1000;

/// When the first of a minute was, and how many there were in it.
type Minute = (Instant, u64);

/// How often things happened, as far as that is within the last hour.
#[derive(Debug, Default)]
pub(super) struct Lately {
    minutes: HashMap<(EventName, Option<String>), VecDeque<Minute>>,
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
        let is_within = |(first, _): &Minute, span| now.saturating_duration_since(*first) < span;
        let key = (event, process.map(str::to_owned));
        if self.minutes.len() >= THINGS && !self.minutes.contains_key(&key) {
            self.minutes
                .retain(|_, minutes| minutes.back().is_some_and(|last| is_within(last, HOUR)));
            if self.minutes.len() >= THINGS {
                return None;
            }
        }
        let minutes = self.minutes.entry(key).or_default();
        match minutes.back_mut().filter(|last| is_within(last, MINUTE)) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => minutes.push_back((now, 1)),
        }
        while minutes.front().is_some_and(|first| !is_within(first, HOUR)) {
            minutes.pop_front();
        }
        Some(minutes.iter().fold(0, |sum, (_, count)| count.saturating_add(sum)))
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
        assert_eq!(lately.minutes.len(), 1);
    }

    #[test]
    fn a_storm_is_counted_to_its_end_and_kept_in_little() {
        let (mut lately, start) = (Lately::default(), clock::now());
        let mut last = None;
        for n in 0..72_000 {
            last =
                lately.count(EventName::Fatal, Some("a"), start + Duration::from_millis(100 * n));
        }
        // Two hours of ten a second: those of one are told.
        assert!(last.is_some_and(|count| (35_400..=36_000).contains(&count)), "{last:?}");
        let kept: usize = lately.minutes.values().map(VecDeque::len).sum();
        assert!(kept <= 61, "{kept}");
    }
}
