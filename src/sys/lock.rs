//! The lock that keeps a state folder to one daemon.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use nix::fcntl::{Flock, FlockArg};

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
/// flock(2) and not fcntl(2): the latter would be lost with any other descriptor of the file.
///
/// # Errors
/// See [`LockError`].
pub fn take(file: File) -> Result<Lock, LockError> {
    let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Lock(lock),
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Err(LockError::Held(text.trim().parse().ok()));
        }
        Err((_, error)) => return Err(LockError::Io(error.into())),
    };
    lock.write_pid().map_err(LockError::Io)?;
    Ok(lock)
}

impl Lock {
    fn write_pid(&mut self) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(*self.0, "{}", std::process::id())
    }
}
