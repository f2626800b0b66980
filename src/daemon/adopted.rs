//! Processes that are another daemon's children: taken over, watched and signalled by descriptor.
//!
//! All descriptors are in one epoll(7) set, whose own is in the set that the loop polls. One has
//! ended when its descriptor is readable. How it ended the kernel may tell a moment later, when
//! its parent has waited for it; one that is not waited for in time has ended in a way that nobody
//! can tell.
//!
//! One that is yet to be executed is asked now and then whether it has been: what it tells of that
//! goes to the daemon that launched it.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use super::Daemon;
use super::ends::exit_of;
use crate::supervisor::{Event, Exit, Pid};
use crate::sys::epoll::Epoll;
use crate::sys::pidfd::PidFd;
use crate::sys::poll::Interest;
use crate::sys::{identity, signals};

/// How long its parent may take to wait for one that has ended.
const PATIENCE: Duration = Duration::from_millis(500);

/// So many ends are seen at once.
const MOST: usize = 256;

/// Between two looks whether the kernel can tell.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two looks whether one has been executed.
const EXEC_PAUSE: Duration = Duration::from_millis(100);

/// Those that live.
#[derive(Debug)]
pub(super) struct Adopted {
    set: Epoll,
    held: HashMap<Pid, PidFd>,
    /// Those that have ended, and when that was seen.
    ending: HashMap<Pid, Instant>,
    look_at: Option<Instant>,
    /// Those that are yet to be executed, and when to look at them.
    unexecuted: BTreeSet<Pid>,
    exec_at: Option<Instant>,
}

impl Adopted {
    /// Nobody yet.
    ///
    /// # Errors
    /// Those of epoll_create1(2).
    pub(super) fn new() -> io::Result<Self> {
        let (held, ending) = (HashMap::new(), HashMap::new());
        let (unexecuted, set) = (BTreeSet::new(), Epoll::new()?);
        Ok(Self { set, held, ending, look_at: None, unexecuted, exec_at: None })
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

    /// Looks out for the exec of one that nobody knows to be executed.
    pub(super) fn await_exec(&mut self, pid: Pid, now: Instant) {
        self.unexecuted.insert(pid);
        self.exec_at = Some(now);
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

    /// When to look again at those that have ended, or are yet to be executed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.look_at.into_iter().chain(self.exec_at).min()
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

    /// Those that have been executed by now. Of one that has ended nobody can tell any more.
    fn executed(&mut self, now: Instant) -> Vec<Pid> {
        if self.exec_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let is_executed = |pid: &&Pid| {
            let process = self.held.get(*pid).filter(|_| !self.ending.contains_key(*pid));
            let known = process.map(PidFd::identity);
            known.and_then(|(pid, seen)| identity::has_executed(pid, seen)) == Some(true)
        };
        let executed: Vec<Pid> = self.unexecuted.iter().filter(is_executed).copied().collect();
        self.unexecuted.retain(|pid| !executed.contains(pid));
        self.exec_at = (!self.unexecuted.is_empty()).then_some(now + EXEC_PAUSE);
        executed
    }

    /// It is no more.
    fn let_go(&mut self, pid: Pid) -> Option<PidFd> {
        self.unexecuted.remove(&pid);
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
    /// Sees the ends of those that are not its children, and which of them were executed.
    pub(super) fn see_adopted_ends(&mut self) {
        for (pid, exit) in self.adopted.ended(self.now.at) {
            self.adopted_ended(pid, exit);
        }
        for pid in self.adopted.executed(self.now.at) {
            if let Some(id) = self.supervisor.by_pid(pid) {
                self.executed(id, pid);
            }
        }
    }

    /// Looks out for the exec of this one, should it be yet to come.
    pub(super) fn await_adopted_exec(&mut self, pid: Pid) {
        let process = self.supervisor.by_pid(pid).and_then(|id| self.supervisor.get(id));
        if process.is_some_and(|process| process.state.awaits_exec()) {
            self.adopted.await_exec(pid, self.now.at);
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
        self.lingering.forget(pid);
        if let Some(id) = self.supervisor.by_pid(pid) {
            self.supervisor.event(id, Event::Ended(pid, exit), self.now);
        }
    }
}
