//! Signals as bytes in a pipe: the handler only marks which came and wakes the loop.
#![allow(unsafe_code)] // sigaction(2), and a handler

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use nix::fcntl::OFlag;

/// Those that came and were not taken yet: bit N - 1 for signal N, as there are 64.
static PENDING: AtomicU64 = AtomicU64::new(0);
/// Whether the pipe has been written to and not drained since: once is enough to wake the loop.
static AWAKE: AtomicBool = AtomicBool::new(false);
/// The end of the pipe that the handler writes to.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Children of whose end the kernel has told lately. Hints, and not all: of ends that come at once
/// it tells one.
static ENDED: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];
/// Where the next one goes.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Sent to the daemon when a child ends.
pub const CHLD: i32 = libc::SIGCHLD;
/// Asks for a reload.
pub const HUP: i32 = libc::SIGHUP;
/// Asks for the end, from a keyboard.
pub const INT: i32 = libc::SIGINT;
/// Asks for the end, from a keyboard.
pub const QUIT: i32 = libc::SIGQUIT;
/// Asks for the end.
pub const TERM: i32 = libc::SIGTERM;
/// Asks to open logs again.
pub const USR1: i32 = libc::SIGUSR1;
/// Asks for an upgrade.
pub const USR2: i32 = libc::SIGUSR2;
/// Cannot be refused.
pub const KILL: i32 = libc::SIGKILL;

/// The end of the pipe that the loop polls.
#[derive(Debug)]
pub struct Signals {
    read: OwnedFd,
    _write: OwnedFd,
}

/// Signals that end a process unless handled, and are no fault of its own code. Real-time
/// signals come on top.
const HANDLED: [i32; 16] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCHLD,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGSTKFLT,
    libc::SIGPIPE,
];

/// The process that catches them.
static CATCHER: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: i32, about: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: getpid(2) cannot fail.
    if unsafe { libc::getpid() } != CATCHER.load(Ordering::SeqCst) {
        // In a child before its exec, which may share the memory that the rest writes to: it gets
        // what it would without this handler, as soon as that returns. To take all handlers away
        // in each child would cost fifty system calls a start.
        forget(signal);
        return send_to_self(signal);
    }
    if signal == CHLD
        && let Some(place) = ENDED.get(NEXT.fetch_add(1, Ordering::SeqCst) % ENDED.len())
    {
        // SAFETY: with SA_SIGINFO the kernel passes a siginfo_t that lives through the call; of a
        // SIGCHLD it has a pid, whoever sent it.
        place.store(unsafe { (*about).si_pid() }, Ordering::SeqCst);
    }
    PENDING.fetch_or(1 << ((signal - 1) & 63), Ordering::SeqCst);
    if AWAKE.load(Ordering::SeqCst) {
        return;
    }
    let fd = WAKE.load(Ordering::SeqCst);
    // SAFETY: errno is this thread's own, and write(2) is async-signal-safe. A full pipe is
    // fine: it wakes as well as a fuller one.
    unsafe {
        let errno = *libc::__errno_location();
        let written = libc::write(fd, [0u8].as_ptr().cast(), 1);
        AWAKE.store(written == 1, Ordering::SeqCst);
        *libc::__errno_location() = errno;
    }
}

impl Signals {
    /// Catches every signal that would end the daemon, ignores SIGPIPE, unblocks all. Faults
    /// (SEGV, ...) keep their default, whatever was inherited. This process catches them, not one
    /// that it forks.
    ///
    /// # Errors
    /// Those of pipe2(2).
    pub fn catch() -> io::Result<Self> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        WAKE.store(write.as_raw_fd(), Ordering::SeqCst);
        // SAFETY: getpid(2) cannot fail.
        CATCHER.store(unsafe { libc::getpid() }, Ordering::SeqCst);
        for signal in all() {
            let handler = if signal == libc::SIGPIPE {
                libc::SIG_IGN
            } else if is_handled(signal) {
                note as *const () as libc::sighandler_t
            } else {
                libc::SIG_DFL
            };
            set(signal, handler);
        }
        set_threads();
        set_mask(&empty());
        Ok(Self { read, _write: write })
    }

    /// Empties the pipe, so that it polls as readable only for those that come from now on. What
    /// has come is taken after that.
    pub fn drain(&self) {
        let mut bytes = [0u8; 64];
        while matches!(nix::unistd::read(&self.read, &mut bytes), Ok(64)) {}
        // A handler that ran before this wrote nothing, and is seen without. If this stood before
        // the read, what one wrote would be drained, and no other would write again.
        AWAKE.store(false, Ordering::SeqCst);
    }

    /// Takes those that have come since, each once. It needs no word from the pipe, which a
    /// handler may have failed to write to.
    pub fn take(&self) -> impl Iterator<Item = i32> + use<> {
        let pending = PENDING.swap(0, Ordering::SeqCst);
        (1..=64).filter(move |signal| pending & (1 << (signal - 1)) != 0)
    }
}

/// The children of whose end the kernel has told since this was last asked, as far as it did.
pub fn ended() -> impl Iterator<Item = i32> {
    ENDED.iter().map(|place| place.swap(0, Ordering::SeqCst)).filter(|pid| *pid > 0)
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

/// Every signal there is, but KILL and STOP and those of [`set_threads`].
fn all() -> impl Iterator<Item = i32> {
    (1..32).filter(|s| ![libc::SIGKILL, libc::SIGSTOP].contains(s)).chain(real_time())
}

fn real_time() -> std::ops::RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX().min(64)
}

fn is_handled(signal: i32) -> bool {
    HANDLED.contains(&signal) || real_time().contains(&signal)
}

/// Ignores every signal that would end this process and is no fault of its own code, and
/// unblocks all: for a helper whose end is told by a descriptor.
pub fn ignore() {
    for signal in all().filter(|signal| is_handled(*signal)) {
        set(signal, libc::SIG_IGN);
    }
    set_threads();
    set_mask(&empty());
}

fn set(signal: i32, handler: libc::sighandler_t) {
    // SAFETY: an all-zero sigaction is a valid one, and it lives through the call. The callers
    // give SIG_DFL, SIG_IGN or `note`, which takes what SA_SIGINFO has passed and does only what a
    // handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
        // One at a time. Else all that are pending when a child unblocks them pile up on its stack,
        // 3 KiB or more each, and beyond its end is the heap that it shares.
        libc::sigfillset(&mut action.sa_mask);
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

/// Has the real-time signals that the C library keeps for its threads, below its SIGRTMIN, do what
/// that one does. Here are no threads, and any of these would end the process; but sigaction(3)
/// refuses them.
fn set_threads() {
    let mut action = [0; KERNEL_ACTION];
    let none = std::ptr::null_mut::<usize>();
    // SAFETY: the kernel reads and writes no more than its struct, which is smaller than `action`.
    unsafe {
        let (call, place) = (libc::SYS_rt_sigaction, action.as_mut_ptr());
        if libc::syscall(call, libc::SIGRTMIN(), none, place, MASK_BYTES) == 0 {
            for signal in 32..libc::SIGRTMIN() {
                libc::syscall(call, signal, place, none, MASK_BYTES);
            }
        }
    }
}

/// The kernel's `struct sigaction` in words. It is not the library's and differs between machines, by
/// what a handler returns to: it is copied whole. Mostly it has four.
const KERNEL_ACTION: usize = 16;

/// The size of the set in it.
const MASK_BYTES: usize = 8;

/// Gives a signal its default again, one of the C library's own too.
fn forget(signal: i32) {
    let action = [0_usize; KERNEL_ACTION];
    // SAFETY: as above; all zeros are SIG_DFL, no flags and no mask.
    unsafe {
        let none = std::ptr::null_mut::<usize>();
        libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), none, MASK_BYTES);
    }
}

/// Has the ends of children waited for, whatever was inherited.
pub fn default_child() {
    set(libc::SIGCHLD, libc::SIG_DFL);
}

/// In a child, before exec: the one signal that is ignored here is not there. Those that are caught
/// go back to their defaults with the exec.
pub(super) fn reset() {
    set(libc::SIGPIPE, libc::SIG_DFL);
}

/// A set without any signal.
pub(super) fn empty() -> libc::sigset_t {
    // SAFETY: sigemptyset(3) makes the set valid.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        set
    }
}

/// A set of all signals.
pub(super) fn full() -> libc::sigset_t {
    // SAFETY: sigfillset(3) makes the set valid.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        set
    }
}

/// Makes this the mask, and returns the one before.
pub(super) fn set_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    let mut old = empty();
    // SAFETY: both sets live through the call. The process has one thread.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, &mut old) };
    old
}

/// Sends one to this process, where it may be blocked.
pub(super) fn send_to_self(signal: i32) {
    // SAFETY: no pointers.
    unsafe { libc::kill(libc::getpid(), signal) };
}

/// Sends a signal to a process, or to a group where `group`.
///
/// # Errors
/// Those of kill(2); a process that is gone is none.
pub fn send(pid: i32, signal: i32, group: bool) -> io::Result<()> {
    // Neither 0 nor 1 nor a negative number is ever a child's: such a call would hit others.
    if pid <= 1 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: no pointers.
    if unsafe { libc::kill(if group { -pid } else { pid }, signal) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{ForkResult, fork};

    #[test]
    fn no_handler_is_interrupted_by_another() {
        set(libc::SIGURG, note as *const () as libc::sighandler_t);
        // SAFETY: an all-zero sigaction is a valid one, and it lives through the calls.
        let action = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGURG, std::ptr::null(), &mut action);
            action
        };
        set(libc::SIGURG, libc::SIG_DFL);
        for signal in [libc::SIGHUP, libc::SIGTERM, libc::SIGCHLD, libc::SIGRTMIN(), 64] {
            // SAFETY: the set is one that the system has filled in.
            assert_eq!(unsafe { libc::sigismember(&action.sa_mask, signal) }, 1, "{signal}");
        }
    }

    #[test]
    fn a_child_gets_what_it_would_without_a_handler() {
        for signal in [libc::SIGTERM, libc::SIGPIPE, 32, 33, libc::SIGRTMAX()] {
            // SAFETY: the child makes system calls and nothing else.
            match unsafe { fork() }.unwrap() {
                ForkResult::Child => {
                    set(libc::SIGRTMIN(), note as *const () as libc::sighandler_t);
                    set(signal, note as *const () as libc::sighandler_t);
                    set_threads();
                    send_to_self(signal);
                    // SAFETY: it runs nothing of the parent's.
                    unsafe { libc::_exit(0) }
                }
                ForkResult::Parent { child } => {
                    let mut status = 0;
                    // SAFETY: `status` lives through the call.
                    unsafe { libc::waitpid(child.as_raw(), &mut status, 0) };
                    assert!(libc::WIFSIGNALED(status), "{signal}: {status:x}");
                    assert_eq!(libc::WTERMSIG(status), signal);
                }
            }
        }
    }
}
