//! epoll(7), level-triggered: for thousands of descriptors of which few are ready at a time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::epoll::{Epoll as Set, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::poll::{Interest, Ready};

/// A set of descriptors, each under a number of the caller's.
#[derive(Debug)]
pub struct Epoll {
    set: Set,
    events: Vec<EpollEvent>,
    found: usize,
}

/// How many descriptors one wait tells of. The kernel takes turns with the others.
const EVENTS: usize = 256;

impl Epoll {
    /// An empty set.
    ///
    /// # Errors
    /// Those of epoll_create1(2).
    pub fn new() -> io::Result<Self> {
        let set = Set::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { set, events: vec![EpollEvent::empty(); EVENTS], found: 0 })
    }

    /// Adds a descriptor. It is to be removed before it is closed: another process may hold a
    /// copy, which would keep it in the set.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn add(&self, fd: BorrowedFd<'_>, number: u64, interest: Interest) -> io::Result<()> {
        self.set.add(fd, EpollEvent::new(flags(interest), number)).map_err(Into::into)
    }

    /// Waits for something else on a descriptor of the set.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn change(&self, fd: BorrowedFd<'_>, number: u64, interest: Interest) -> io::Result<()> {
        self.set.modify(fd, &mut EpollEvent::new(flags(interest), number)).map_err(Into::into)
    }

    /// Removes a descriptor; one that is not in the set is no error.
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = self.set.delete(fd);
    }

    /// Waits until something is ready. A signal ends the wait with nothing ready.
    ///
    /// # Errors
    /// Those of epoll_wait(2).
    pub fn wait(&mut self) -> io::Result<()> {
        self.find(EVENTS, EpollTimeout::NONE)
    }

    /// The same without waiting, for a set whose own descriptor is polled: at most so many.
    ///
    /// # Errors
    /// Those of epoll_wait(2).
    pub fn look(&mut self, most: usize) -> io::Result<()> {
        self.find(most.min(EVENTS), EpollTimeout::ZERO)
    }

    fn find(&mut self, most: usize, timeout: EpollTimeout) -> io::Result<()> {
        self.found = 0;
        let events = self.events.get_mut(..most).unwrap_or_default();
        self.found = match self.set.wait(events, timeout) {
            Err(nix::errno::Errno::EINTR) => 0,
            found => found?,
        };
        Ok(())
    }

    /// What the last wait found, by its place from 0 on.
    pub fn event(&self, place: usize) -> Option<(u64, Ready)> {
        let event = self.events.get(..self.found)?.get(place)?;
        let any = |flags| event.events().intersects(flags);
        let ready = Ready {
            read: any(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP),
            write: any(EpollFlags::EPOLLOUT),
            gone: any(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR),
        };
        Some((event.data(), ready))
    }
}

/// Polls readable while something in the set is ready.
impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.0.as_fd()
    }
}

fn flags(interest: Interest) -> EpollFlags {
    match interest {
        Interest::Read => EpollFlags::EPOLLIN,
        Interest::Write => EpollFlags::EPOLLOUT,
        Interest::Both => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        Interest::None => EpollFlags::empty(),
    }
}
