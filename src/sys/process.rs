//! What this process is: its parentage, its mask, its identity.
#![allow(unsafe_code)] // fork(2), prctl(2)

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Gid, Uid, fork, pipe2, read, setgroups, setresgid, setresuid};

use super::users::Ids;

/// The two lives after [`detach`].
#[derive(Debug)]
pub enum Detached {
    /// The one that was called: ends with this exit status, that of the other's start.
    Caller(u8),
    /// The one that goes on.
    Daemon(Starting),
}

/// The way back to the caller that waits for the daemon's start.
#[derive(Debug)]
pub struct Starting(OwnedFd);

impl Starting {
    /// Tells the caller that all is well.
    pub fn done(self) {
        self.failed(0);
    }

    /// Tells the caller to end with this exit status.
    pub fn failed(self, status: u8) {
        let _ = nix::unistd::write(&self.0, &[status]);
    }
}

/// Splits off a process in a session of its own. To be called before anything is open.
///
/// It forks twice: what is left is no session leader, so that no terminal it opens becomes its own.
///
/// # Errors
/// Those of pipe2(2) and fork(2).
pub fn detach() -> io::Result<Detached> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: there is one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            drop(writer);
            let _ = nix::sys::wait::waitpid(child, None);
            let mut status = [1u8];
            while read(&reader, &mut status) == Err(nix::errno::Errno::EINTR) {}
            let [status] = status;
            Ok(Detached::Caller(status))
        }
        ForkResult::Child => {
            drop(reader);
            nix::unistd::setsid()?;
            // SAFETY: as above.
            match unsafe { fork() }? {
                // SAFETY: the intermediate process has nothing to clean up.
                ForkResult::Parent { .. } => unsafe { libc::_exit(0) },
                ForkResult::Child => Ok(Detached::Daemon(Starting(writer))),
            }
        }
    }
}

/// Becomes the parent of descendants whose parent ends.
///
/// # Errors
/// Those of prctl(2).
pub fn become_subreaper() -> io::Result<()> {
    nix::sys::prctl::set_child_subreaper(true).map_err(Into::into)
}

/// Names this process, for ps(1): 15 bytes at most.
pub fn set_name(name: &std::ffi::CStr) {
    // A name is a convenience: without it all is as well.
    let _ = nix::sys::prctl::set_name(name);
}

/// Keeps this process's memory from core dumps and debuggers.
pub fn be_private() {
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// The name of this machine.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// Sets the file mode creation mask.
pub fn set_umask(mask: u32) {
    nix::sys::stat::umask(Mode::from_bits_truncate(mask));
}

/// The file mode creation mask. It can only be read by setting another for a moment.
pub fn umask() -> u32 {
    let mask = nix::sys::stat::umask(Mode::from_bits_truncate(0o077));
    nix::sys::stat::umask(mask);
    mask.bits()
}

/// Becomes this user, for good: user, group and supplementary groups, and no way back.
///
/// # Errors
/// Those of the system calls; that root could be had back.
pub fn become_user(ids: &Ids) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
    if uid == Uid::effective() && !uid.is_root() {
        return Ok(());
    }
    super::privileges::leave_keys();
    let groups: Vec<Gid> = ids.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups)?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    if !uid.is_root() && !super::privileges::drop_capabilities() {
        return Err(io::Error::last_os_error());
    }
    if !uid.is_root() && setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        return Err(io::Error::other("root could be had back"));
    }
    // Who gave up root is not dumpable, and with that /proc/self is root's: a child could not write its
    // oom_score_adj. That user's processes can read the secret anyway.
    nix::sys::prctl::set_dumpable(true)?;
    Ok(())
}

/// Whether a descriptor is open on a terminal.
pub fn is_terminal(fd: &impl AsRawFd) -> bool {
    // SAFETY: isatty(3) only looks at the number.
    unsafe { libc::isatty(fd.as_raw_fd()) == 1 }
}
