//! Time that is over: whose word did not come, and whose answer.
//!
//! Of the descriptors that have something a turn deals with a few only, and the daemon itself may
//! have been held up for longer than anybody is to be waited for. So nobody is found to be late
//! before what has arrived from them was read; and a connection that the daemon itself was late to
//! go on with has its time from then on.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::watch::Flight;
use super::{Probes, What};
use crate::daemon::when::span;
use crate::supervisor::Id;
use crate::sys::poll::{Interest, Poller};
use crate::sys::signals;

impl Probes {
    /// Reads all that has arrived from one of whom it is about to be said that it is not ready.
    pub(super) fn catch_up(&mut self, id: Id, now: Instant) {
        self.read_all_of_post(id, now);
        self.read_line(id);
        self.look_at_connection(id, now);
    }

    /// What is over by now is over.
    pub(super) fn pass_time(&mut self, id: Id, now: Instant) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if let Some(post) = &mut watch.post
            && post.it.muted_until().is_some_and(|at| at <= now)
        {
            post.it.unmute();
            let _ = self.set.epoll.change(post.it.mailbox.as_fd(), post.token, Interest::Read);
        }
        if watch.is_starved(now) {
            self.read_all_of_post(id, now);
        }
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let starved = watch.is_starved(now);
        let starved = watch.watchdog.take_if(|_| starved).map(|dog| dog.time);
        if let Some(time) = starved {
            self.complain(id, format!("no WATCHDOG=1 within {}", span(time)));
            self.tell(id, What::Unhealthy);
        }
        self.end_flight(id, now);
    }

    /// A probe that takes too long is over.
    fn end_flight(&mut self, id: Id, now: Instant) {
        let is_late = |flight: &Flight| flight.until.is_some_and(|until| until <= now);
        let flight = self.watches.get(&id).and_then(|watch| watch.flight.as_ref());
        if !flight.is_some_and(is_late) {
            return;
        }
        self.look_at_connection(id, now);
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if let Some(flight) = watch.flight.take_if(|flight| is_late(flight)) {
            let answer = Err(flight.attempt.too_late(flight.limit));
            self.give_up(id, flight);
            self.answered(id, &answer, now);
        }
    }

    /// A probe whose time is over. A command is killed, and keeps its place until it is gone: never
    /// is there one on top of another.
    fn give_up(&mut self, id: Id, flight: Flight) {
        let Attempt::Command(command) = &flight.attempt else { return self.land(flight) };
        let _ = signals::send(command.pid, signals::KILL, true);
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.flight = Some(Flight { until: None, is_over: true, ..flight });
        }
    }

    /// Reads a mailbox until it is empty, or its owner has to wait for having said too much.
    fn read_all_of_post(&mut self, id: Id, now: Instant) {
        let post = |probes: &Self| Some(probes.watches.get(&id)?.post.as_ref()?.it.muted_until());
        while post(self) == Some(None) && self.read_post(id, now) {}
    }

    /// A connection goes on if it can. The end of a command is another matter: that is seen before
    /// anything is found to be late.
    fn look_at_connection(&mut self, id: Id, now: Instant) {
        let flight = self.watches.get(&id).and_then(|watch| watch.flight.as_ref());
        let Some(flight) = flight.filter(|flight| !matches!(flight.attempt, Attempt::Command(_)))
        else {
            return;
        };
        let was_asking = flight.attempt.is_asking();
        let (fd, interest) = flight.attempt.descriptor();
        let mut poller = Poller::new();
        let slot = poller.add(fd, interest);
        if poller.wait(Some(Duration::ZERO)).is_err() {
            return;
        }
        let ready = poller.ready(slot);
        if !(ready.read || ready.write || ready.gone) {
            return;
        }
        self.go_on(id, ready, now);
        let flight = self.watches.get_mut(&id).and_then(|watch| watch.flight.as_mut());
        if let Some(flight) = flight
            && !was_asking
            && flight.attempt.is_asking()
        {
            flight.until = flight.until.map(|_| now + flight.limit);
            self.arm(id);
        }
    }
}
