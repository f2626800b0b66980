//! The lock that keeps a state folder to one daemon; and one that lets a few take turns.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::clock;

/// A lock that is held until this is dropped, or the process dies.
#[derive(Debug)]
pub struct Lock(Flock<File>);

/// Why there is no lock.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it; its pid, where that can be read.
    Held(Option<u32>),
    /// The system refused.
    Io(io::Error),
}

/// Takes the lock on an open file and leaves this process's pid in it.
///
/// flock(2) and not fcntl(2): the latter would be lost with any other descriptor of the file, and
/// not be shared with a child until that closes its copy.
///
/// # Errors
/// See [`LockError`]; and the file, to try again with.
pub fn take(file: File) -> Result<Lock, (LockError, File)> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => {
            let mut lock = Lock(lock);
            // For people: on a full disk it is left out.
            let _ = lock.write_pid();
            Ok(lock)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
            Err((LockError::Held(text.trim().parse().ok()), file))
        }
        Err((file, error)) => Err((LockError::Io(error.into()), file)),
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Lock {
    fn write_pid(&mut self) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(*self.0, "{}", std::process::id())
    }
}

/// A turn, which ends when this is dropped.
#[derive(Debug)]
pub struct Turn(#[allow(dead_code)] Flock<File>);

/// Waits for a turn in a folder, but no longer than this. None: somebody else keeps it, or there
/// is no such folder.
///
/// The lock is on the folder itself, so that nothing is left behind in it.
pub fn take_turn(folder: &Path, patience: Duration) -> Option<Turn> {
    /// Turns are short.
    const LOOK_AGAIN: u8 = 2;
    let end = clock::now() + patience;
    let mut file = File::open(folder).ok()?;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(Turn(lock)),
            Err((back, Errno::EWOULDBLOCK)) if clock::now() < end => file = back,
            Err(_) => return None,
        }
        let _ = nix::poll::poll(&mut [], LOOK_AGAIN);
    }
}
