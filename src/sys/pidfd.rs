//! A process that is nobody's child here, held by a descriptor: it never means another,
//! whatever becomes of the number.
#![allow(unsafe_code)] // pidfd_open(2), pidfd_send_signal(2), and an ioctl

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::identity;
use super::poll::{Interest, Poller};
use super::wait::End;

/// A process.
#[derive(Debug)]
pub struct PidFd {
    fd: OwnedFd,
    pid: i32,
    start: u64,
}

/// PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h, since Linux 6.9.
const GROUP: libc::c_uint = 1 << 2;

impl PidFd {
    /// The process with this number and start time; none: it is no more.
    ///
    /// # Errors
    /// Those of pidfd_open(2), such as too many open files.
    pub fn open(pid: i32, start: u64) -> io::Result<Option<Self>> {
        // SAFETY: no pointers. The descriptor that comes back is ours alone, and CLOEXEC.
        let fd = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
            i32::try_from(fd).ok().filter(|fd| *fd >= 0).map(|fd| OwnedFd::from_raw_fd(fd))
        };
        let Some(fd) = fd else {
            let error = io::Error::last_os_error();
            // EINVAL: the number is a thread's.
            return match error.raw_os_error() {
                Some(libc::ESRCH | libc::EINVAL) => Ok(None),
                _ => Err(error),
            };
        };
        // Looked at while the descriptor holds it: what had the number before is another's.
        Ok(identity::exists(pid, start).then_some(Self { fd, pid, start }))
    }

    /// One that was held before, in another life of this process.
    pub fn from_parts(fd: OwnedFd, pid: i32, start: u64) -> Self {
        Self { fd, pid, start }
    }

    /// Its number and start time.
    pub fn identity(&self) -> (i32, u64) {
        (self.pid, self.start)
    }

    /// Waits until it has ended, at most so long. Whether it has.
    pub fn wait(&self, most: Duration) -> bool {
        let mut poller = Poller::new();
        let slot = poller.add(self.fd.as_fd(), Interest::Read);
        poller.wait(Some(most)).is_ok() && poller.ready(slot).read
    }

    /// Sends a signal to it, or to its whole group where `group`.
    ///
    /// # Errors
    /// Those of pidfd_send_signal(2); one that is gone is none.
    pub fn send(&self, signal: i32, group: bool) -> io::Result<()> {
        match self.send_with(signal, if group { GROUP } else { 0 }) {
            Err(error) if group && error.raw_os_error() == Some(libc::EINVAL) => {
                self.send_to_number(signal)
            }
            sent => sent,
        }
    }

    fn send_with(&self, signal: i32, flags: libc::c_uint) -> io::Result<()> {
        let info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null siginfo is allowed.
        let done = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.fd.as_raw_fd(), signal, info, flags)
        };
        match io::Error::last_os_error() {
            _ if done == 0 => Ok(()),
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        }
    }

    /// To the group by its number, before Linux 6.9. While anybody is in the group the number is
    /// nobody else's; and if nobody has it as a pid, what is in the group is of this process.
    fn send_to_number(&self, signal: i32) -> io::Result<()> {
        match identity::start_time(self.pid) {
            Some(start) if start != self.start => Ok(()),
            _ => super::signals::send(self.pid, signal, true),
        }
    }

    /// How it ended, if that can be told now. Asked once its descriptor is readable.
    pub fn end(&self) -> Option<End> {
        let status = identity::status_of_zombie(self.pid, self.start).or_else(|| self.told())?;
        Some(match status & 0x7f {
            0 => End::Code(status >> 8 & 0xff),
            signal => End::Signal(signal),
        })
    }

    /// What the kernel keeps of one that was reaped, since Linux 6.15.
    fn told(&self) -> Option<i32> {
        /// `struct pidfd_info` of linux/pidfd.h in its first size.
        #[repr(C)]
        #[derive(Default)]
        struct Info {
            mask: u64,
            cgroup: u64,
            ids: [u32; 11],
            exit_code: i32,
        }
        const EXIT: u64 = 1 << 3;
        /// _IOWR(0xFF, 11, struct pidfd_info)
        const GET_INFO: u64 = 3 << 30 | (size_of::<Info>() as u64) << 16 | 0xff << 8 | 11;
        let mut info = Info { mask: EXIT, ..Info::default() };
        // SAFETY: the kernel writes as many bytes as the request's number says, which is the size of
        // `info`.
        let done = unsafe {
            let request = GET_INFO as libc::c_ulong;
            libc::ioctl(self.fd.as_raw_fd(), request as _, &raw mut info)
        };
        (done == 0 && info.mask & EXIT != 0).then_some(info.exit_code)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn it_is_never_another_and_tells_how_it_ended() {
        let mut child = Command::new("sh").args(["-c", "kill -STOP $$; exit 3"]).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start = identity::start_time(pid).unwrap();
        assert!(PidFd::open(pid, start + 1).unwrap().is_none(), "another's");
        let held = PidFd::open(pid, start).unwrap().unwrap();
        assert_eq!(held.end(), None, "it lives");
        // Until it has stopped itself, a signal to go on would come too early.
        while Stat::state(pid) != "T" {}
        held.send(libc::SIGCONT, false).unwrap();
        while Stat::state(pid) != "Z" {}
        assert_eq!(held.end(), Some(End::Code(3)));
        child.wait().unwrap();
        held.send(libc::SIGKILL, false).unwrap();
        held.send(libc::SIGKILL, true).unwrap();
        assert!(PidFd::open(pid, start).unwrap().is_none(), "no more");
    }

    struct Stat;

    impl Stat {
        fn state(pid: i32) -> String {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1[..1].to_owned()
        }
    }
}
