//! A pipe that outlives those who write to it and those who read.
//!
//! One descriptor, open both ways, keeps it and what is in it. Everybody else gets an open
//! file of their own through `/proc/self/fd`: so none changes the flags of another's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
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

    /// The pipe that this descriptor is an end of.
    ///
    /// # Errors
    /// Those of opening it again.
    pub fn of(end: &impl AsRawFd) -> io::Result<Self> {
        open(end.as_raw_fd(), OpenOptions::new().read(true).write(true)).map(Self)
    }

    /// The pipe of this number that a process holds, if it does and may be looked into.
    pub fn of_process(pid: i32, number: u64) -> Option<Self> {
        let name = format!("pipe:[{number}]");
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let held = |path: &std::path::PathBuf| {
            fs::read_link(path).is_ok_and(|to| to.as_os_str() == &*name)
        };
        let path = paths.find(held)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits());
        // By now it may be another: what was opened is looked at.
        let pipe = Self(options.open(path).ok()?);
        let is_it = pipe.0.metadata().is_ok_and(|about| about.file_type().is_fifo());
        (is_it && pipe.number() == Some(number)).then_some(pipe)
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

impl From<OwnedFd> for Pipe {
    /// One that was kept open both ways before.
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
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
