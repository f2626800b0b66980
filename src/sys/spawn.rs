//! Launching a child.
//!
//! All that can fail in a way of its own or needs memory has been done before: a
//! [`Recipe`] holds finished strings, numbers and open descriptors. The child shares the
//! parent's memory until exec(2) (as vfork(2) does, whose cost does not grow with the parent). What
//! it does with it stands in `newborn.rs`; what fails it leaves there, as the step and the error
//! number.
//!
//! With [`Mode::Apart`] the child gets a copy of the memory and the parent does not wait for
//! it for long: for programs on file systems that may hang, and for those of another user, who may
//! stop the child with a signal as soon as it is that user's. What became of it comes through a pipe
//! then, and may be read later.
#![allow(unsafe_code)] // clone(2)

use std::ffi::{CString, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::fcntl::OFlag;

use super::identity;
use super::newborn::{DIGITS, Orders, Report, child};
use super::poll::{Interest, Poller};
use super::record::Record;
use super::signals;

/// What a child is to be.
#[derive(Debug)]
pub struct Recipe {
    /// The arguments, the command's name first.
    pub argv: Vec<CString>,
    /// The environment, `KEY=value`.
    pub envp: Vec<CString>,
    /// The files to execute: the first that can be.
    pub files: Vec<CString>,
    /// Standard input, output and error. They are above 2, or where they belong.
    pub stdio: [RawFd; 3],
    /// The working directory.
    pub folder: Option<CString>,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// User and groups, where they are to change.
    pub ids: Option<(u32, u32, Vec<u32>)>,
    /// Resource limits: which, soft, hard.
    pub limits: Vec<(u32, u64, u64)>,
    /// Nice value.
    pub nice: Option<i32>,
    /// What goes to /proc/self/oom_score_adj.
    pub oom_score_adj: Option<CString>,
    /// Whether execve(2) may still grant privileges.
    pub no_new_privs: bool,
    /// The line that tells the next daemon of it.
    pub record: Option<Record>,
    /// What it gets besides.
    pub extras: Extras,
}

/// What few children get.
#[derive(Debug, Default)]
pub struct Extras {
    /// An open descriptor, and the number above 2 that it has in the child.
    pub descriptor: Option<(RawFd, RawFd)>,
    /// The name of a variable that holds the child's own process id.
    pub pid_variable: Option<CString>,
}

/// Whether the parent waits for the exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It does, and shares its memory meanwhile.
    Together,
    /// It does not.
    Apart,
}

/// A child that was launched.
#[derive(Debug)]
pub struct Child {
    /// Its process id.
    pub pid: i32,
    /// Of [`Mode::Apart`]: where [`told_in`] reads what became of it.
    pub report: Option<OwnedFd>,
}

/// What a child does before it is the program, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// pipe2(2) or clone(2), in the parent.
    Launching,
    /// setsid(2).
    NewSession,
    /// dup2(2).
    Stdio,
    /// /proc/self/oom_score_adj.
    OomScore,
    /// setrlimit(2).
    Limits,
    /// setpriority(2).
    Nice,
    /// setgroups(2), setresgid(2), setresuid(2), capset(2).
    Ids,
    /// prctl(2) PR_SET_NO_NEW_PRIVS.
    NoNewPrivs,
    /// chdir(2).
    Folder,
    /// dup2(2) of [`Extras::descriptor`].
    Descriptor,
    /// execve(2).
    Exec,
}

/// The step that failed, and why.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub step: Step,
    /// Why.
    pub cause: io::Error,
}

const STEPS: [Step; 11] = [
    Step::Launching,
    Step::NewSession,
    Step::Stdio,
    Step::OomScore,
    Step::Limits,
    Step::Nice,
    Step::Ids,
    Step::NoNewPrivs,
    Step::Folder,
    Step::Descriptor,
    Step::Exec,
];

/// Launches children, one after the other, on a stack that is used again.
#[derive(Debug)]
pub struct Launcher {
    /// Of which only what is used takes memory.
    stack: Box<[MaybeUninit<u128>]>,
}

/// Enough for the few frames of [`child`], in 16-byte units.
const STACK: usize = 64 * 1024 / 16;

impl Launcher {
    /// With a stack of its own.
    pub fn new() -> Self {
        Self { stack: Box::new_uninit_slice(STACK) }
    }

    /// Launches a child.
    ///
    /// # Errors
    /// The step that failed. The child, if there was one, has been reaped.
    pub fn launch(&mut self, recipe: &Recipe, mode: Mode) -> Result<Child, Failure> {
        let launching = |cause: io::Error| Failure { step: Step::Launching, cause };
        let pipe = match mode {
            Mode::Together => None,
            Mode::Apart => Some(nix::unistd::pipe2(OFlag::O_CLOEXEC)),
        };
        let pipe = pipe.transpose().map_err(|error| launching(error.into()))?;
        let memory = AtomicU64::new(0);
        let argv = pointers(&recipe.argv);
        let mut own_pid = recipe.extras.pid_variable.as_ref().map(|name| {
            let mut pair = [name.to_bytes(), b"="].concat();
            pair.resize(pair.len() + DIGITS, 0);
            pair
        });
        let own_pid = own_pid.as_mut().map(|pair| pair.as_mut_ptr_range());
        let mut envp = pointers(&recipe.envp);
        if let Some(pair) = &own_pid {
            envp.insert(0, pair.start.cast_const().cast());
        }
        let orders = Orders {
            recipe,
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            report: match &pipe {
                None => Report::Memory(&memory),
                Some((_, write)) => Report::Pipe(write.as_raw_fd()),
            },
            digits: own_pid.map_or(null_mut(), |pair| pair.end.wrapping_sub(DIGITS)),
        };
        let flags = match mode {
            Mode::Together => libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            Mode::Apart => libc::SIGCHLD,
        };
        // Nothing ends the child before its session and its record stand.
        let mask = signals::set_mask(&signals::full());
        // SAFETY: the stack is ours, aligned, and grows down from its end; `orders` and all it
        // points to outlive the child's use of them: with CLONE_VFORK the parent sleeps until exec
        // or exit, without CLONE_VM the child has a copy.
        let pid = unsafe {
            let top = self.stack.as_mut_ptr().add(self.stack.len());
            let orders = std::ptr::from_ref(&orders).cast_mut();
            libc::clone(child, top.cast(), flags, orders.cast())
        };
        let error = io::Error::last_os_error();
        signals::set_mask(&mask);
        let read = pipe.map(|(read, _)| read);
        if pid < 0 {
            return Err(launching(error));
        }
        let failure = match read {
            None => failure_of(memory.load(Ordering::SeqCst).to_ne_bytes()),
            Some(read) if comes_soon(&read) => match told_in(&read, pid) {
                Told::Executed => None,
                Told::Failed(failure) => Some(failure),
                // Its end follows.
                Told::Nothing => return Ok(Child { pid, report: Some(read) }),
            },
            Some(read) => return Ok(Child { pid, report: Some(read) }),
        };
        match failure {
            None => Ok(Child { pid, report: None }),
            Some(failure) => {
                // It has said its last word; should somebody have stopped it right after, this goes on.
                let _ = signals::send(pid, libc::SIGKILL, false);
                super::wait::reap_now(pid);
                Err(failure)
            }
        }
    }
}

/// What a child that was launched apart has told.
#[derive(Debug)]
pub enum Told {
    /// It was executed, or there is nothing to tell that by.
    Executed,
    /// It could not be, and ends.
    Failed(Failure),
    /// Nothing: it ends before it was executed, of a signal.
    Nothing,
}

/// Whether a report is there within what a launch takes on a machine that is busy.
fn comes_soon(report: &OwnedFd) -> bool {
    const SOON: Duration = Duration::from_millis(50);
    let mut poller = Poller::new();
    let slot = poller.add(report.as_fd(), Interest::Read);
    poller.wait(Some(SOON)).is_ok() && poller.ready(slot).read
}

/// What this child has told in its report. Blocks until it was executed or ends: its death closes the
/// pipe just as its exec does. It must not have been reaped.
pub fn told_in(report: &OwnedFd, pid: i32) -> Told {
    match failure_in(report) {
        Some(failure) => Told::Failed(failure),
        None if identity::child_has_executed(pid) == Some(false) => Told::Nothing,
        None => Told::Executed,
    }
}

/// What stands in a child's report: nothing if it was executed. Blocks until it was, or ended.
pub fn failure_in(report: &OwnedFd) -> Option<Failure> {
    let mut bytes = [0u8; 8];
    let got = loop {
        match nix::unistd::read(report, &mut bytes) {
            Err(nix::errno::Errno::EINTR) => {}
            got => break got,
        }
    };
    if got == Ok(8) { failure_of(bytes) } else { None }
}

fn failure_of(report: [u8; 8]) -> Option<Failure> {
    if report == [0; 8] {
        return None;
    }
    let [a, b, c, d, w, x, y, z] = report;
    let step = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(0);
    let cause = io::Error::from_raw_os_error(i32::from_ne_bytes([w, x, y, z]));
    Some(Failure { step: STEPS.get(step).copied().unwrap_or(Step::Launching), cause })
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([null()]).collect()
}
