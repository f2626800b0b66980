//! A pipe that outlives those who write to it and those who read.
//!
//! One descriptor, open both ways, keeps it and what is in it. Everybody else gets an open
//! file of their own through `/proc/self/fd`: so none changes the flags of another's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
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
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let path = paths.find(|path| is_pipe(path, number))?;
        // By now it may be another, of a file system that never answers: so it is held, which
        // asks nothing of it, and looked at by its name, which the kernel knows by itself.
        let mut options = OpenOptions::new();
        let held = options.read(true).custom_flags(OFlag::O_PATH.bits()).open(path).ok()?;
        let path = format!("/proc/self/fd/{}", held.as_raw_fd());
        if !is_pipe(path.as_ref(), number) {
            return None;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits());
        options.open(path).ok().map(Self)
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

/// Whether the link of a descriptor in /proc leads to the pipe of this number. No file is
/// called so: what has a path begins with a slash.
fn is_pipe(link: &Path, number: u64) -> bool {
    fs::read_link(link).is_ok_and(|to| to.as_os_str() == &*format!("pipe:[{number}]"))
}

fn open(fd: i32, options: &mut OpenOptions) -> io::Result<File> {
    options.open(format!("/proc/self/fd/{fd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_had_from_who_holds_it_by_its_number_alone() {
        let me = i32::try_from(std::process::id()).unwrap();
        let pipe = Pipe::new().unwrap();
        let number = pipe.number().unwrap();
        let again = Pipe::of_process(me, number).unwrap();
        assert_eq!(again.number(), Some(number));
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join(format!("pipe:[{number}]"))).unwrap();
        assert!(!is_pipe(format!("/proc/self/fd/{}", file.as_raw_fd()).as_ref(), number));
        assert!(!is_pipe(format!("/proc/self/fd/{}", pipe.0.as_raw_fd()).as_ref(), number + 1));
    }
}
