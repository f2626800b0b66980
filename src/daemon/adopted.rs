//! Processes that are another daemon's children: taken over, watched and signalled by descriptor.
//!
//! All descriptors are in one epoll(7) set, whose own is in the set that the loop polls. One has
//! ended when its descriptor is readable. How it ended the kernel may tell a moment later, when
//! its parent has waited for it; one that is not waited for in time has ended in a way that nobody
//! can tell.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use super::Daemon;
use super::ends::exit_of;
use crate::supervisor::{Event, Exit, Pid};
use crate::sys::epoll::Epoll;
use crate::sys::pidfd::PidFd;
use crate::sys::poll::Interest;
use crate::sys::signals;

/// How long its parent may take to wait for one that has ended.
const PATIENCE: Duration = Duration::from_millis(500);

/// So many ends are seen at once.
const MOST: usize = 256;

/// Between two looks whether the kernel can tell.
const PAUSE: Duration = Duration::from_millis(20);

/// Those that live.
#[derive(Debug)]
pub(super) struct Adopted {
    set: Epoll,
    held: HashMap<Pid, PidFd>,
    /// Those that have ended, and when that was seen.
    ending: HashMap<Pid, Instant>,
    look_at: Option<Instant>,
}

impl Adopted {
    /// Nobody yet.
    ///
    /// # Errors
    /// Those of epoll_create1(2).
    pub(super) fn new() -> io::Result<Self> {
        let (held, ending) = (HashMap::new(), HashMap::new());
        Ok(Self { set: Epoll::new()?, held, ending, look_at: None })
    }

    /// Watches one.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub(super) fn add(&mut self, process: PidFd) -> io::Result<()> {
        let (pid, _) = process.identity();
        self.set.add(process.as_fd(), number(pid), Interest::Read)?;
        self.held.insert(pid, process);
        Ok(())
    }

    /// The descriptor of one of them.
    pub(super) fn get(&self, pid: Pid) -> Option<&PidFd> {
        self.held.get(&pid)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &PidFd> {
        self.held.values()
    }

    /// Them by the numbers of their descriptors, for the next version.
    pub(super) fn keep(&self) -> Vec<(RawFd, Pid, u64)> {
        let keep = |process: &PidFd| {
            let (pid, seen) = process.identity();
            (process.as_fd().as_raw_fd(), pid, seen)
        };
        self.all().map(keep).collect()
    }

    /// When to look again at those that have ended.
    pub(super) fn due(&self) -> Option<Instant> {
        self.look_at
    }

    /// Those of whom the end is known by now, and how they ended.
    fn ended(&mut self, now: Instant) -> Vec<(Pid, Exit)> {
        if self.set.look(MOST).is_ok() {
            let found = (0..).map_while(|place| self.set.event(place));
            for pid in found.filter_map(|(pid, _)| Pid::try_from(pid).ok()).collect::<Vec<_>>() {
                self.ending.entry(pid).or_insert(now);
                // That it has ended will be so from now on: it is not to be told again.
                if let Some(process) = self.held.get(&pid) {
                    self.set.remove(process.as_fd());
                }
            }
        }
        let mut known = Vec::new();
        for (pid, since) in &self.ending {
            let end = self.held.get(pid).and_then(PidFd::end).map(exit_of);
            let end = end.or((now >= *since + PATIENCE).then_some(Exit::Unknown));
            known.extend(end.map(|end| (*pid, end)));
        }
        for (pid, _) in &known {
            self.ending.remove(pid);
        }
        self.look_at = (!self.ending.is_empty()).then_some(now + PAUSE);
        known
    }

    /// It is no more.
    fn let_go(&mut self, pid: Pid) -> Option<PidFd> {
        self.ending.remove(&pid);
        let process = self.held.remove(&pid)?;
        self.set.remove(process.as_fd());
        Some(process)
    }
}

impl AsFd for Adopted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

fn number(pid: Pid) -> u64 {
    u64::try_from(pid).unwrap_or(0)
}

impl Daemon {
    /// Sees the ends of those that are not its children.
    pub(super) fn see_adopted_ends(&mut self) {
        for (pid, exit) in self.adopted.ended(self.now.at) {
            self.adopted_ended(pid, exit);
        }
    }

    /// A number that was just given to a new child is no other process's any more.
    pub(super) fn number_was_given_away(&mut self, pid: Pid) {
        if let Some(process) = self.adopted.get(pid) {
            let exit = process.end().map_or(Exit::Unknown, exit_of);
            self.adopted_ended(pid, exit);
        }
    }

    fn adopted_ended(&mut self, pid: Pid, exit: Exit) {
        let Some(process) = self.adopted.let_go(pid) else { return };
        let _ = process.send(signals::KILL, true);
        self.journal.forget(pid);
        if let Some(id) = self.supervisor.by_pid(pid) {
            self.supervisor.event(id, Event::Ended(pid, exit), self.now);
        }
    }
}
