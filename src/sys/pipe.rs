//! A pipe that outlives those who write to it and those who read.
//!
//! One descriptor, open both ways, keeps it and what is in it. Everybody else gets an open
//! file of their own through `/proc/self/fd`: so none changes the flags of another's.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};

use nix::fcntl::OFlag;

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

    /// Gives it to a user and group, who may then open it by /dev/stdout.
    ///
    /// # Errors
    /// Those of fchown(2).
    pub fn give(&self, user: u32, group: u32) -> io::Result<()> {
        fchown(&self.0, Some(user), Some(group))
    }

    /// Its number, by which others know it.
    pub fn number(&self) -> Option<u64> {
        self.0.metadata().ok().map(|about| about.ino())
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

fn open(fd: i32, options: &mut OpenOptions) -> io::Result<File> {
    options.open(format!("/proc/self/fd/{fd}"))
}
