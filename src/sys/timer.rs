//! A timerfd(2) on the monotonic clock: the loop's one alarm.
#![allow(unsafe_code)] // timerfd_create(2), timerfd_settime(2)

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// An alarm that makes its descriptor readable.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
    armed: Option<Instant>,
}

impl Timer {
    /// A timer that is not armed.
    ///
    /// # Errors
    /// Those of timerfd_create(2).
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor that comes back is ours alone.
        let fd = unsafe {
            let fd =
                libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self { fd, armed: None })
    }

    /// Rings at this time, or not at all. Without a system call where nothing changes.
    ///
    /// # Errors
    /// Those of timerfd_settime(2).
    pub fn arm(&mut self, at: Option<Instant>, now: Instant) -> io::Result<()> {
        if self.armed == at {
            return Ok(());
        }
        // A value of zero would disarm it: what is due rings at once.
        let wait = at.map_or(Duration::ZERO, |at| {
            at.saturating_duration_since(now).max(Duration::from_nanos(1))
        });
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec {
            tv_sec: libc::time_t::try_from(wait.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(wait.subsec_nanos() as i32),
        };
        let spec = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: `spec` lives through the call; a null old value is allowed.
        let done =
            unsafe { libc::timerfd_settime(self.fd.as_raw_fd(), 0, &spec, std::ptr::null_mut()) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        self.armed = at;
        Ok(())
    }

    /// It rang: makes its descriptor quiet again.
    pub fn drain(&mut self) {
        let mut count = [0u8; 8];
        self.armed = None;
        // What read(2) says does not matter: the descriptor is quiet afterwards either way.
        let _ = nix::unistd::read(&self.fd, &mut count);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Has this process end by SIGALRM after a time, in whole seconds: for one that may hang in
/// calls that know no deadline.
pub fn alarm(after: Duration) {
    let seconds = u32::try_from(after.as_secs().saturating_add(1)).unwrap_or(u32::MAX);
    nix::unistd::alarm::set(seconds);
}
