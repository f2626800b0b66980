//! This logger takes the place of another, as after an upgrade. Both hold the pipes for a while, so
//! that there is always one that does; and never do two read from them.
//!
//! It waits for the other's end itself: there may be no daemon by then.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use super::mover::Feed;
use super::{BEFORE, Logger};
use crate::sys::poll::{Interest, Poller};

impl Logger {
    /// Nothing is moved until this process has ended.
    pub(super) fn hold_back(&mut self, before: Option<OwnedFd>) {
        let Some(before) = before else { return };
        self.let_before_go();
        // A process that cannot be waited for is not: somebody has to move what there is.
        if self.epoll.add(before.as_fd(), BEFORE, Interest::Read).is_ok() {
            self.feeds.values().for_each(|feed| self.epoll.remove(feed.pipe()));
            self.before = Some(before);
        }
    }

    /// It has ended: the pipes are this one's alone.
    pub(super) fn begin(&mut self, now: Instant) {
        self.let_before_go();
        let add = |(id, feed): (&u64, &Feed)| {
            let added = self.epoll.add(feed.pipe(), *id, Interest::Read);
            Some((*id, added.err()?))
        };
        let failed: Vec<_> = self.feeds.iter().filter_map(add).collect();
        failed.iter().for_each(|(id, error)| self.give_up(*id, error, now));
    }

    /// What the daemon wants now is nothing for one that holds back: it has seen the other's end, or
    /// brings it about.
    pub(super) fn outlast(&mut self, now: Instant) {
        while let Some(before) = &self.before {
            let mut poller = Poller::new();
            let slot = poller.add(before.as_fd(), Interest::Read);
            if poller.wait(None).is_err() || poller.ready(slot).read {
                self.begin(now);
            }
        }
    }

    fn let_before_go(&mut self) {
        if let Some(before) = self.before.take() {
            self.epoll.remove(before.as_fd());
        }
    }
}
