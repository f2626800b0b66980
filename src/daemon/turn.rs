//! One turn of the loop.
//!
//! In this order, which is part of the promise that a reply tells the newest truth: arm
//! the timer and poll; read the clocks once; signals (drain the pipe, then take the
//! flags), and with them the deaths and a reload; what is due; what clients have
//! sent; newcomers; the effects of all that, first in first out, each of which may queue
//! more, and once none of them is left a launch; then what is to be sent; and out, when a
//! shutdown has nothing left to wait for.
//!
//! Nothing in a turn blocks, and a turn costs what has happened: launches are done a few at
//! a time, so that a thousand starts do not keep a client waiting.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use super::client::{Client, Task};
use super::journal::Entry;
use super::words::signal_name;
use super::{Daemon, until};
use crate::config::Level;
use crate::sys::poll::{Interest, Ready};
use crate::sys::{cause, signals};

/// Effects that a turn performs at most before it listens again.
pub(super) const EFFECTS_A_TURN: usize = 64;

/// Launches among them: one takes a fraction of a millisecond, and a newcomer needs three turns to be
/// let in, to prove itself and to be answered.
pub(super) const LAUNCHES_A_TURN: usize = 1;

/// How long the loop rests after an error of poll(2), which only a lack of memory explains, and
/// newcomers wait where not even one descriptor is left to turn them away with.
const AFTER_ERROR: Duration = Duration::from_millis(100);

impl Daemon {
    /// One turn. True: the shutdown is complete.
    pub(super) fn turn(&mut self) -> bool {
        let slots = self.wait();
        self.read_clock();
        if self.poller.ready(slots.signals).read {
            self.signals.drain();
        }
        for signal in self.signals.take() {
            self.on_signal(signal);
        }
        if self.poller.ready(slots.adopted).read || self.is_due(self.adopted.due()) {
            self.see_adopted_ends();
        }
        self.read_reports(&slots);
        for (_, pid) in slots.helpers.iter().filter(|(slot, _)| self.poller.ready(*slot).read) {
            self.reporting.helpers.hear(*pid);
        }
        if slots.loggers.iter().any(|slot| self.poller.ready(*slot).read) {
            self.hear_logger();
        }
        if self.poller.ready(slots.probes).read {
            self.hear_probes();
        }
        self.tick();
        let has_come = slots.clients.iter().any(|slot| self.poller.ready(*slot).read);
        if has_come || self.clients.iter().any(Client::has_more) {
            self.reap_before_answers();
        }
        self.hear(&slots);
        if slots.listener.is_some_and(|slot| self.poller.ready(slot).read) {
            self.accept();
        }
        self.write_journal();
        self.perform();
        self.mind_the_end();
        self.tend_logger();
        self.tend_reports();
        self.flush();
        self.go_on_as_new();
        self.is_finished()
    }

    /// Waits until something happens or is due.
    fn wait(&mut self) -> Slots {
        let door = self.door();
        self.poller.clear();
        let signals = self.poller.add(self.signals.as_fd(), Interest::Read);
        let timer = self.poller.add(self.timer.as_fd(), Interest::Read);
        let listener = self.listener.as_ref();
        let listener = listener.map(|listener| self.poller.add(listener.as_fd(), door));
        let mut clients = Vec::with_capacity(self.clients.len());
        for client in &self.clients {
            clients.push(self.poller.add(client.as_fd(), client.interest()));
        }
        let reports = self.reports.iter();
        let reports = reports.map(|(pid, fd)| (self.poller.add(fd.as_fd(), Interest::Read), *pid));
        let reports = reports.collect();
        let helpers = self.reporting.helpers.outputs();
        let helpers = helpers.map(|(pid, fd)| (self.poller.add(fd, Interest::Read), pid));
        let helpers = helpers.collect();
        let adopted = self.poller.add(self.adopted.as_fd(), Interest::Read);
        let loggers = self.captures.channels();
        let loggers = loggers.map(|(fd, interest)| self.poller.add(fd, interest)).collect();
        let probes = self.poller.add(self.probes.as_fd(), Interest::Read);
        let due = self.next_deadline();
        let busy = self.supervisor.has_effects() || self.clients.iter().any(Client::has_more);
        let armed = self.timer.arm(due.filter(|_| !busy), self.now.at);
        let timeout = match armed {
            _ if busy => Some(Duration::ZERO),
            Ok(()) => None,
            Err(_) => due.map(|at| until(at, self.now.at)),
        };
        if let Err(error) = self.poller.wait(timeout) {
            self.warn(&format!("poll: {}", cause(&error)));
            self.poller.clear();
            let _ = self.poller.wait(Some(AFTER_ERROR));
        }
        if self.poller.ready(timer).read {
            self.timer.drain();
        }
        Slots { signals, listener, clients, reports, helpers, adopted, loggers, probes }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter_map(Client::deadline);
        // The door is shut: soon it is tried again.
        let door = self.spare.is_none().then(|| self.now.at + AFTER_ERROR);
        // Once the logger was not waited for in vain, its time is over.
        let logger = self.logger_ending.map(|since| since + super::logging::PATIENCE);
        let logger = logger.filter(|at| *at > self.now.at);
        let (captures, reports) = (self.captures.due(), self.reporting.due(self.now.at));
        let kept = [self.adopted.due(), self.journal.due(), self.upgrade_due(), captures, reports];
        let (supervisor, probes) = (self.supervisor.next_deadline(), self.probes.due());
        let (strays, refusals, looks) = (self.strays.due(), self.refusals.due(), self.looks.due());
        let others = [supervisor, probes, strays, refusals, looks, logger, door];
        let others = others.into_iter().chain(kept);
        clients.chain(others.flatten()).min()
    }

    fn is_due(&self, at: Option<Instant>) -> bool {
        at.is_some_and(|at| at <= self.now.at)
    }

    fn on_signal(&mut self, signal: i32) {
        match signal {
            signals::CHLD => self.reap(),
            signals::HUP => {
                self.log(Level::Info, "SIGHUP: reload", &[]);
                // The log is told all that a client would be.
                let _ = self.reload(false);
            }
            signals::TERM | signals::INT | signals::QUIT => {
                self.shut_down(&format!("SIG{}", signal_name(signal)));
            }
            signals::USR2 => self.upgrade_by_signal(),
            signals::USR1 => self.reopen_log(),
            other => {
                let message = format!("SIG{} ignored", signal_name(other));
                self.log(Level::Info, &message, &[]);
            }
        }
    }

    /// Children that were launched apart tell what became of them.
    fn read_reports(&mut self, slots: &Slots) {
        for (slot, pid) in &slots.reports {
            if self.poller.ready(*slot).read {
                self.read_report(*pid);
            }
        }
    }

    /// Begins the shutdown; called again, kills what remains.
    pub(super) fn shut_down(&mut self, why: &str) {
        let again = self.supervisor.is_shutting_down();
        let message = if again {
            format!("{why}: killing what remains")
        } else {
            format!("{why}: stopping everything")
        };
        self.log(Level::Info, &message, &[]);
        if again {
            self.reporting.give_up();
        } else {
            let event = self.daemon_event(crate::protocol::EventName::DaemonStopping, message);
            self.publish(&event);
        }
        self.note(&[Entry::Shutdown]);
        self.supervisor.shut_down(self.config.daemon.shutdown_time, self.now);
    }

    fn tick(&mut self) {
        if self.is_due(self.looks.due()) {
            self.reap();
        }
        if self.is_due(self.supervisor.next_deadline()) {
            self.hear_the_late();
            self.supervisor.tick(self.now);
        }
        self.tick_probes();
        if self.is_due(self.strays.due()) {
            self.look_for_strays();
        }
        self.tick_upgrade();
        if self.is_due(self.refusals.due()) {
            self.tell_of_refusals();
        }
        self.tick_clients();
    }

    /// What clients have sent. New ones are not among them yet.
    fn hear(&mut self, slots: &Slots) {
        for (index, slot) in slots.clients.iter().enumerate() {
            let Ready { read, gone, .. } = self.poller.ready(*slot);
            if let Some(client) = self.clients.get_mut(index) {
                if read {
                    client.receive();
                } else if gone {
                    client.lost();
                }
            }
            self.obey(index);
        }
    }

    /// Sends what there is to send, and lets go of those who are gone.
    pub(super) fn flush(&mut self) {
        // First the log: who is answered may look into it.
        self.log.flush();
        self.clients.iter_mut().for_each(Client::flush);
        self.tell_watchers();
        let over: Vec<String> = self
            .clients
            .extract_if(.., |client| client.is_over())
            .filter(Client::is_proved)
            .map(|client| client.peer)
            .collect();
        for peer in over {
            self.log(Level::Info, "client left", &[("peer", &peer)]);
        }
        // There may be no other turn for days.
        self.log.flush();
    }

    /// Whether a shutdown has nothing left to wait for.
    pub(super) fn is_finished(&mut self) -> bool {
        if !self.supervisor.is_shutting_down()
            || self.supervisor.alive() > 0
            || self.supervisor.has_effects()
        {
            return false;
        }
        // Both have a few seconds, and the same ones. The logger may yet have something to tell.
        let moved = self.logger_is_done();
        let told = self.reports_are_done(moved);
        told && moved && self.strays_are_gone()
    }

    /// Whether somebody waits for the daemon's end.
    pub(super) fn follow_shutdown(&mut self, index: usize) {
        if let Some(client) = self.clients.get_mut(index) {
            client.task = Task::Shutdown;
        }
    }
}

/// Where a turn finds what it polled.
struct Slots {
    signals: usize,
    listener: Option<usize>,
    clients: Vec<usize>,
    /// Of children that were launched apart, with their pids.
    reports: Vec<(usize, i32)>,
    /// What senders and hooks print, with their pids.
    helpers: Vec<(usize, i32)>,
    /// Of the set of those that are not this daemon's children.
    adopted: usize,
    loggers: Vec<usize>,
    probes: usize,
}
