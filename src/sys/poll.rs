//! poll(2) with a set that is kept between turns.
#![allow(unsafe_code)] // poll(2)

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What to wait for on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
    /// Only that it is gone.
    None,
}

/// What poll(2) found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or the end of it.
    pub read: bool,
    /// There is room to write.
    pub write: bool,
    /// The other side is gone, or the descriptor is in error.
    pub gone: bool,
}

/// The set of descriptors to wait for.
#[derive(Debug, Default)]
pub struct Poller {
    fds: Vec<libc::pollfd>,
}

impl Poller {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.fds.clear();
    }

    /// Adds a descriptor, which must stay open until the wait. Its slot is for [`Poller::ready`].
    pub fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> usize {
        let events = match interest {
            Interest::Read => libc::POLLIN,
            Interest::Write => libc::POLLOUT,
            Interest::Both => libc::POLLIN | libc::POLLOUT,
            Interest::None => 0,
        };
        self.fds.push(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
        self.fds.len() - 1
    }

    /// Waits until something is ready, or the time is over; none: for ever.
    ///
    /// # Errors
    /// Those of poll(2). A signal ends the wait with nothing ready.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        // Rounded up: waking early would only mean to wait again.
        let millis = timeout.map_or(-1, |time| {
            i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        let count = libc::nfds_t::try_from(self.fds.len()).unwrap_or(libc::nfds_t::MAX);
        // SAFETY: the pointer and the count are those of a vector that is ours.
        if unsafe { libc::poll(self.fds.as_mut_ptr(), count, millis) } >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        self.fds.iter_mut().for_each(|fd| fd.revents = 0);
        if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
    }

    /// What the last wait found in this slot.
    pub fn ready(&self, slot: usize) -> Ready {
        let revents = self.fds.get(slot).map_or(0, |fd| fd.revents);
        let any = |bits| revents & bits != 0;
        Ready {
            read: any(libc::POLLIN | libc::POLLHUP),
            write: any(libc::POLLOUT),
            gone: any(libc::POLLHUP | libc::POLLERR | libc::POLLNVAL),
        }
    }
}
