//! Those who were refused: answered slowly, and told of once in a while.
//!
//! Anybody on this machine may connect and fail, as often as they like. The log tells of the first
//! at once and of the others by their number, so that nobody can push what matters out of it; and
//! who goes on failing waits for each answer.

use std::time::{Duration, Instant};

use super::Daemon;
use crate::config::Level;

/// After one that was told of, so long none is.
const WINDOW: Duration = Duration::from_secs(60);

/// So many within that time are answered at once: mistakes of people.
const AT_ONCE: u64 = 10;

/// As long the others wait for their answer.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// When the last one was told of; none: it is long ago.
    told: Option<Instant>,
    /// How many came since, and who was the last, and why.
    more: Option<(u64, String, &'static str)>,
}

impl Refusals {
    /// Notes one. Whether it is to be told of now.
    fn note(&mut self, peer: &str, why: &'static str, now: Instant) -> bool {
        if self.told.is_none() {
            self.told = Some(now);
            return true;
        }
        let count = self.more.as_ref().map_or(0, |(count, ..)| *count);
        self.more = Some((count.saturating_add(1), peer.to_owned(), why));
        false
    }

    /// When the others are to be told of.
    pub(super) fn due(&self) -> Option<Instant> {
        self.told.map(|at| at + WINDOW)
    }

    /// How long the one that was just noted waits for its answer.
    pub(super) fn pause(&self) -> Duration {
        let count = self.more.as_ref().map_or(0, |(count, ..)| *count);
        if count < AT_ONCE { Duration::ZERO } else { PAUSE }
    }

    /// The window is over: what came in it, and a new one if there was something.
    fn take(&mut self, now: Instant) -> Option<(u64, String, &'static str)> {
        let more = self.more.take();
        self.told = more.as_ref().map(|_| now);
        more
    }
}

impl Daemon {
    /// One that did not get in, for this reason.
    pub(super) fn refused(&mut self, peer: &str, why: &'static str) {
        if self.refusals.note(peer, why, self.now.at) {
            self.log(Level::Warning, "client refused", &[("peer", peer), ("reason", why)]);
        }
    }

    /// Tells of those that were not told of.
    pub(super) fn tell_of_refusals(&mut self) {
        let Some((count, peer, why)) = self.refusals.take(self.now.at) else { return };
        let count = count.to_string();
        let facts = [("count", count.as_str()), ("last", peer.as_str()), ("reason", why)];
        self.log(Level::Warning, "more clients were refused", &facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn the_first_is_told_of_and_of_the_others_their_number() {
        let (mut refusals, start) = (Refusals::default(), clock::now());
        assert!(refusals.note("a", "why", start));
        for _ in 0..1000 {
            assert!(!refusals.note("b", "why", start));
        }
        assert!(!refusals.note("c", "else", start));
        assert_eq!(refusals.due(), Some(start + WINDOW));
        let later = start + WINDOW;
        assert_eq!(refusals.take(later), Some((1001, "c".to_owned(), "else")));
        assert!(!refusals.note("d", "why", later), "it goes on");
        assert_eq!(refusals.take(later + WINDOW), Some((1, "d".to_owned(), "why")));
        assert_eq!(refusals.take(later + 2 * WINDOW), None);
        assert_eq!(refusals.due(), None);
        assert!(refusals.note("e", "why", later + 3 * WINDOW));
    }

    #[test]
    fn a_few_are_answered_at_once_and_the_others_wait() {
        let (mut refusals, start) = (Refusals::default(), clock::now());
        let pauses: Vec<Duration> = (0..20)
            .map(|_| {
                refusals.note("a", "why", start);
                refusals.pause()
            })
            .collect();
        assert!(pauses[..10].iter().all(Duration::is_zero));
        assert!(pauses[10..].iter().all(|pause| *pause == PAUSE));
        refusals.take(start + WINDOW);
        refusals.note("a", "why", start + WINDOW);
        assert!(refusals.pause().is_zero());
    }
}
