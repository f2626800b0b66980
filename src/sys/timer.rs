//! A timerfd(2) on the monotonic clock: the loop's one alarm.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// A value of zero would disarm it: what is due rings at once.
const AT_ONCE: Duration = Duration::from_nanos(1);

/// It may ring too early, but a number of seconds must fit wherever they have 32 bits.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// An alarm that makes its descriptor readable.
#[derive(Debug)]
pub struct Timer {
    fd: TimerFd,
    armed: Option<Instant>,
}

impl Timer {
    /// A timer that is not armed.
    ///
    /// # Errors
    /// Those of timerfd_create(2).
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        Ok(Self { fd: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?, armed: None })
    }

    /// Rings at this time, or not at all. Without a system call where nothing changes.
    ///
    /// # Errors
    /// Those of timerfd_settime(2).
    pub fn arm(&mut self, at: Option<Instant>, now: Instant) -> io::Result<()> {
        if self.armed == at {
            return Ok(());
        }
        match at {
            None => self.fd.unset()?,
            Some(at) => {
                let wait = at.saturating_duration_since(now).clamp(AT_ONCE, LONGEST);
                let once = Expiration::OneShot(TimeSpec::from_duration(wait));
                self.fd.set(once, TimerSetTimeFlags::empty())?;
            }
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
