//! A pipe that outlives those who write to it and those who read.
//!
//! One descriptor, open both ways, keeps it and what is in it. Everybody else gets an open
//! file of their own through `/proc/self/fd`: so none changes the flags of another's.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::poll::{Interest, Poller};

/// A pipe, kept open both ways.
#[derive(Debug)]
pub struct Pipe(File);

impl Pipe {
    /// A new one, empty.
    ///
    /// # Errors
    /// Those of pipe2(2), and of opening it again.
    pub fn new() -> io::Result<Self> {
        let (_read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        open(write.as_raw_fd(), OpenOptions::new().read(true).write(true)).map(Self)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let mut poller = Poller::new();
        let slot = poller.add(self.0.as_fd(), Interest::Read);
        poller.wait(Some(Duration::ZERO)).is_err() || !poller.ready(slot).read
    }

    /// Gives it to a user and group, who may then open it by /dev/stdout.
    ///
    /// # Errors
    /// Those of fchown(2).
    pub fn give(&self, user: u32, group: u32) -> io::Result<()> {
        fchown(&self.0, Some(user), Some(group))
    }

    /// For a program: open both ways, so that it never meets SIGPIPE, but waits when it is full.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn writer(&self) -> io::Result<File> {
        open(self.0.as_raw_fd(), OpenOptions::new().read(true).write(true))
    }

    /// For the one who reads, without waiting.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn reader(&self) -> io::Result<OwnedFd> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
        open(self.0.as_raw_fd(), &mut options).map(Into::into)
    }
}

/// A plain pipe: its end to read, which never blocks, and its end to write.
///
/// # Errors
/// Those of pipe2(2) and fcntl(2).
pub fn one_way() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read, write))
}

fn open(fd: i32, options: &mut OpenOptions) -> io::Result<File> {
    options.open(format!("/proc/self/fd/{fd}"))
}
