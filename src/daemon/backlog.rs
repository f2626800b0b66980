//! Hooks that wait for their turn: a few run at once, some wait, and beyond that they are counted.

use std::collections::VecDeque;

use crate::config::Hook;

/// Hooks that run at once.
pub(super) const AT_ONCE: usize = 8;

/// Runs that may wait.
const WAITING: usize = 200;

/// Runs that wait.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: VecDeque<(Hook, String)>,
    /// Runs that were dropped since that was last told.
    dropped: u64,
}

impl Backlog {
    /// One more run: a hook, and the event that it is told of.
    pub(super) fn add(&mut self, hook: &Hook, event: &str) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back((hook.clone(), event.to_owned()));
        } else {
            self.dropped += 1;
        }
    }

    /// The next, where `running` are at work.
    pub(super) fn next(&mut self, running: usize) -> Option<(Hook, String)> {
        if running < AT_ONCE { self.waiting.pop_front() } else { None }
    }

    /// How many were dropped, told once there is room again.
    pub(super) fn dropped(&mut self) -> Option<u64> {
        let is_time = self.dropped > 0 && self.waiting.is_empty();
        is_time.then(|| std::mem::take(&mut self.dropped))
    }

    /// Gives up all that waits. How many runs those are, with those dropped before.
    pub(super) fn abandon(&mut self) -> u64 {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        self.waiting.clear();
        waiting + std::mem::take(&mut self.dropped)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_does_not_fit_is_counted() {
        let hook =
            Hook { on: [].into(), cmd: vec!["page".to_owned()], timeout: Duration::from_secs(1) };
        let mut backlog = Backlog::default();
        for n in 0..WAITING + 5 {
            backlog.add(&hook, &n.to_string());
        }
        assert_eq!(backlog.dropped(), None, "it is still full");
        assert_eq!(backlog.next(AT_ONCE), None);
        let mut told = 0;
        while let Some((_, event)) = backlog.next(0) {
            assert_eq!(event, told.to_string(), "in the order in which they came");
            told += 1;
        }
        assert_eq!((told, backlog.dropped(), backlog.dropped()), (WAITING, Some(5), None));
        backlog.add(&hook, "");
        assert_eq!((backlog.abandon(), backlog.is_empty()), (1, true));
    }
}
