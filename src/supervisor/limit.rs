//! `max_restarts`: how often a process may be started without anybody asking.

use std::time::{Duration, Instant};

use crate::config::MaxRestarts;

/// The latest starts that nobody asked for: as many as the limit allows, and no more.
#[derive(Debug, Default)]
pub(super) struct Restarts(Vec<Instant>);

impl FromIterator<Instant> for Restarts {
    fn from_iter<T: IntoIterator<Item = Instant>>(times: T) -> Self {
        Self(times.into_iter().collect())
    }
}

impl Restarts {
    /// There was one more.
    pub(super) fn add(&mut self, at: Instant, limit: Option<&MaxRestarts>) {
        let most = limit.map_or(0, |limit| usize::try_from(limit.count).unwrap_or(usize::MAX));
        if most == 0 {
            return self.0.clear();
        }
        self.0.push(at);
        let surplus = self.0.len().saturating_sub(most);
        self.0.drain(..surplus);
    }

    /// When they were, oldest first.
    pub(super) fn times(&self) -> impl Iterator<Item = Instant> + '_ {
        self.0.iter().copied()
    }

    /// Somebody asked for a start: what was before is forgiven.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Until when one more is too many.
    pub(super) fn spent(&self, limit: Option<&MaxRestarts>, now: Instant) -> Option<Instant> {
        /// With none allowed there is no such time.
        const EVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
        let limit = limit?;
        let Some(most) = usize::try_from(limit.count).ok()?.checked_sub(1) else {
            return now.checked_add(EVER);
        };
        // After a reload there may be more of them than are allowed now.
        let oldest = self.0.iter().rev().nth(most)?;
        Some(*oldest + limit.within)
    }
}
