//! A daemon comes after one that was killed: it is told of every stream, and gets the pipes.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsFd;

use super::message::{Report, Stream};
use super::mover::Feed;
use super::reports::Reports;
use super::{DAEMON, Logger};
use crate::sys::channel::Channel;
use crate::sys::poll::Interest;

/// What is still to be told.
#[derive(Debug)]
pub(super) struct Greeting(VecDeque<u64>);

impl Greeting {
    /// Tells as much as the channel takes. Whether that was all.
    pub(super) fn send(
        &mut self,
        daemon: &Channel,
        feeds: &BTreeMap<u64, Feed>,
        reports: &Reports,
    ) -> bool {
        while let Some(id) = self.0.front() {
            if let Some(feed) = feeds.get(id) {
                let is_losing = reports.has_told(*id);
                let stream = Stream { is_losing, ..feed.stream.clone() };
                if !put(daemon, &Report::Holds(stream), Some(feed)) {
                    return false;
                }
            }
            self.0.pop_front();
        }
        put(daemon, &Report::HoldsNoMore, None)
    }
}

/// Whether it has gone out, or never will.
fn put(daemon: &Channel, report: &Report, feed: Option<&Feed>) -> bool {
    let pipe = feed.map(Feed::pipe);
    let sent = report.encode().and_then(|message| daemon.send(&message, pipe));
    !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl Logger {
    /// The daemon has gone without a word.
    pub(super) fn let_go(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            self.epoll.remove(daemon.as_fd());
        }
        (self.greeting, self.is_held_up) = (None, false);
        self.reports.drop_answers();
    }

    /// Who comes is the daemon now: only one at a time has the lock.
    pub(super) fn welcome(&mut self) -> io::Result<()> {
        let Some(Ok(daemon)) = self.door.as_ref().map(|door| door.next()) else { return Ok(()) };
        self.let_go();
        self.epoll.add(daemon.as_fd(), DAEMON, Interest::Read)?;
        self.daemon = Some(daemon);
        self.greeting = Some(Greeting(self.feeds.keys().copied().collect()));
        Ok(())
    }
}
