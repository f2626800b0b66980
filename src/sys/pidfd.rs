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
    seen: u64,
}

/// PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h, since Linux 6.9.
const GROUP: libc::c_uint = 1 << 2;

impl PidFd {
    /// The process that had this number at this moment; none: it is no more.
    ///
    /// # Errors
    /// Those of pidfd_open(2), such as too many open files.
    pub fn open(pid: i32, seen: u64) -> io::Result<Option<Self>> {
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
        Ok(identity::exists(pid, seen).then_some(Self { fd, pid, seen }))
    }

    /// One that was held before, in another life of this process.
    pub fn from_parts(fd: OwnedFd, pid: i32, seen: u64) -> Self {
        Self { fd, pid, seen }
    }

    /// Its number, and a moment at which it had that.
    pub fn identity(&self) -> (i32, u64) {
        (self.pid, self.seen)
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
            Some(start) if start > self.seen => Ok(()),
            _ => super::signals::send(self.pid, signal, true),
        }
    }

    /// How it ended, if that can be told now. Asked once its descriptor is readable.
    pub fn end(&self) -> Option<End> {
        let status = identity::status_of_zombie(self.pid, self.seen).or_else(|| self.told())?;
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

impl From<PidFd> for OwnedFd {
    fn from(held: PidFd) -> Self {
        held.fd
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
    use std::io::BufRead as _;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command, Stdio};

    #[test]
    fn it_is_never_another_and_tells_how_it_ended() {
        let mut child = Command::new("sh").args(["-c", "kill -STOP $$; exit 3"]).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start = identity::start_time(pid).unwrap();
        assert!(PidFd::open(pid, start - 1).unwrap().is_none(), "another's");
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

    fn held(child: &Child) -> PidFd {
        let pid = i32::try_from(child.id()).unwrap();
        PidFd::open(pid, identity::start_time(pid).unwrap()).unwrap().unwrap()
    }

    /// A process that has a group, and another in that.
    fn group() -> (Child, PidFd, i32) {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo $!; exec sleep 1000"]).process_group(0);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let held = held(&child);
        (child, held, line.trim().parse().unwrap())
    }

    #[test]
    fn what_is_left_of_its_group_is_reached_when_it_is_gone_itself() {
        let by_descriptor = |held: &PidFd| held.send(libc::SIGKILL, true);
        let by_number = |held: &PidFd| held.send_to_number(libc::SIGKILL);
        for send in [by_descriptor as fn(&PidFd) -> io::Result<()>, by_number] {
            let (mut child, held, other) = group();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(Stat::lives(other));
            send(&held).unwrap();
            while Stat::lives(other) {}
        }
    }

    #[test]
    fn a_number_that_is_anothers_by_now_is_sent_nothing() {
        let (mut child, held, other) = group();
        let gone = PidFd { seen: held.seen - 1, ..held };
        gone.send_to_number(libc::SIGKILL).unwrap();
        assert!(Stat::lives(other));
        PidFd { seen: gone.seen + 1, ..gone }.send_to_number(libc::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        while Stat::lives(other) {}
    }

    /// Whether the kernel is at least this one.
    fn is_linux(major: u32, minor: u32) -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map_while(|word| word.parse::<u32>().ok());
        (numbers.next().unwrap(), numbers.next().unwrap()) >= (major, minor)
    }

    #[test]
    fn how_it_ended_is_told_by_its_zombie_then_by_the_kernel_or_by_nobody() {
        for (script, end) in [("exit 3", End::Code(3)), ("kill -KILL $$", End::Signal(9))] {
            let command = format!("read go; {script}");
            let mut command =
                Command::new("sh").args(["-c", &command]).stdin(Stdio::piped()).spawn().unwrap();
            let held = held(&command);
            drop(command.stdin.take());
            while Stat::state(held.pid) != "Z" {}
            assert_eq!(held.told(), None, "its parent is still to hear of it");
            assert_eq!(held.end(), Some(end));
            // Another has the number now, so that its zombie says nothing of this one.
            assert_eq!(identity::status_of_zombie(held.pid, held.seen - 1), None);
            command.wait().unwrap();
            assert_eq!(identity::status_of_zombie(held.pid, held.seen), None);
            assert_eq!(held.end(), is_linux(6, 15).then_some(end));
        }
    }

    struct Stat;

    impl Stat {
        fn lives(pid: i32) -> bool {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
        }

        fn state(pid: i32) -> String {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1[..1].to_owned()
        }
    }
}
