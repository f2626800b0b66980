//! A child's life before it is the program: the steps from clone(2) to execve(2).
//!
//! It shares the parent's memory, or has a copy of what another thread might have held locked: so it
//! makes system calls and nothing else. No allocation, no lock, no panic.
#![allow(unsafe_code)] // the child's system calls

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use super::decimal::Decimal;
use super::spawn::{Recipe, Step};
use super::{limits, others, record, signals};

/// What the child reads. It lives in the parent's frame until the exec.
pub(super) struct Orders<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) argv: *const *const c_char,
    pub(super) envp: *const *const c_char,
    pub(super) report: Report<'a>,
    /// Where the child's own process id goes, in decimal digits, if anywhere.
    pub(super) digits: *mut u8,
}

/// Where the child leaves what failed: the step and the error number, four bytes each. Nothing: it
/// was executed.
#[derive(Clone, Copy)]
pub(super) enum Report<'a> {
    Memory(&'a AtomicU64),
    Pipe(RawFd),
}

/// Room for the digits of a process id, and the NUL after them.
pub(super) const DIGITS: usize = 11;

/// The child's whole life before exec.
pub(super) extern "C" fn child(orders: *mut c_void) -> c_int {
    // SAFETY: `launch` passes its Orders, which outlive this call.
    let orders = unsafe { &*orders.cast_const().cast::<Orders<'_>>() };
    let report = match (orders.report, orders.recipe.extras.descriptor) {
        // Under another number where that of the program's descriptor would hit it.
        (Report::Pipe(fd), Some((_, number))) if number == fd => {
            // SAFETY: no pointers.
            Report::Pipe(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, number + 1) })
        }
        (report, _) => report,
    };
    let step = become_program(orders, report);
    // SAFETY: errno is readable.
    let errno = unsafe { *libc::__errno_location() };
    let [a, b, c, d] = (step as u32).to_ne_bytes();
    let [w, x, y, z] = errno.to_ne_bytes();
    let failure = [a, b, c, d, w, x, y, z];
    match report {
        Report::Memory(memory) => memory.store(u64::from_ne_bytes(failure), Ordering::SeqCst),
        Report::Pipe(fd) => {
            // SAFETY: a buffer with its own length.
            unsafe { libc::write(fd, failure.as_ptr().cast(), failure.len()) };
        }
    }
    // SAFETY: it runs nothing of the parent's.
    unsafe { libc::_exit(127) }
}

/// Goes through the steps. Returns only the one that failed, with errno as it left it.
///
/// The record is left while nobody else has a say in this process: a limit of its own could keep it
/// from writing, and the user that it becomes could stop it.
fn become_program(orders: &Orders<'_>, report: Report<'_>) -> Step {
    let recipe = orders.recipe;
    // SAFETY: system calls on what the recipe holds: valid strings and numbers. None of them
    // touches memory that the parent would miss. The raw calls for user and groups change this task
    // alone, where the C library's would try to reach all threads.
    unsafe {
        if libc::setsid() < 0 {
            return Step::NewSession;
        }
        signals::reset();
        if !stdio(recipe.stdio) {
            return Step::Stdio;
        }
        if let Some(record) = &recipe.record {
            record::leave(record);
        }
        let own = recipe.extras.descriptor.map(|(from, _)| from);
        others::close(match report {
            Report::Memory(_) => [None, own],
            Report::Pipe(fd) => [Some(fd), own],
        });
        if !oom_score(recipe) {
            return Step::OomScore;
        }
        for (which, soft, hard) in &recipe.limits {
            if !limits::set(*which, *soft, *hard) {
                return Step::Limits;
            }
        }
        if let Some(nice) = recipe.nice
            && libc::setpriority(libc::PRIO_PROCESS, 0, nice) < 0
        {
            return Step::Nice;
        }
        if let Some(ids) = &recipe.ids
            && !become_other(ids)
        {
            return Step::Ids;
        }
        if recipe.no_new_privs && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 {
            return Step::NoNewPrivs;
        }
        if let Some(folder) = &recipe.folder
            && libc::chdir(folder.as_ptr()) < 0
        {
            return Step::Folder;
        }
        if let Some(umask) = recipe.umask {
            libc::umask(umask);
        }
        if !descriptor(orders) {
            return Step::Descriptor;
        }
        own_pid(orders.digits);
        libc::sigprocmask(libc::SIG_SETMASK, &signals::empty(), std::ptr::null_mut());
        execute(orders);
    }
    Step::Exec
}

/// The calls whose ids have 32 bits.
#[cfg(not(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k")))]
mod calls {
    pub(super) use libc::{
        SYS_setgroups as SETGROUPS, SYS_setresgid as SETRESGID, SYS_setresuid as SETRESUID,
    };
}

/// The calls whose ids have 32 bits: the plain ones have 16, and would cut them off.
#[cfg(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k"))]
mod calls {
    pub(super) use libc::{
        SYS_setgroups32 as SETGROUPS, SYS_setresgid32 as SETRESGID, SYS_setresuid32 as SETRESUID,
    };
}

/// Becomes this user, with these groups. Of what the daemon may do besides nothing is left.
fn become_other((uid, gid, groups): &(u32, u32, Vec<u32>)) -> bool {
    // SAFETY: no pointers but that of the groups, with their number.
    unsafe {
        let is_another = libc::geteuid() != *uid;
        if is_another {
            super::privileges::leave_keys();
        }
        libc::syscall(calls::SETGROUPS, groups.len(), groups.as_ptr()) == 0
            && libc::syscall(calls::SETRESGID, *gid, *gid, *gid) == 0
            && libc::syscall(calls::SETRESUID, *uid, *uid, *uid) == 0
            && (*uid == 0 || !is_another || super::privileges::drop_capabilities())
    }
}

fn stdio(fds: [RawFd; 3]) -> bool {
    // Input and output never need a number that a later one still stands in: the daemon keeps 0
    // to 2 open, so every other source is above them, and `inherit` is where it belongs.
    fds.into_iter().zip(0..).all(|(from, to)| {
        // SAFETY: no pointers.
        from == to || unsafe { libc::dup2(from, to) } == to
    })
}

/// Gives the program's descriptor its number. Everything else that is open by now closes itself
/// at the exec, so it does not matter what stood there, but the report's pipe, see [`child`].
fn descriptor(orders: &Orders<'_>) -> bool {
    let Some((from, to)) = orders.recipe.extras.descriptor else { return true };
    // SAFETY: no pointers.
    unsafe {
        if from == to { libc::fcntl(to, libc::F_SETFD, 0) == 0 } else { libc::dup2(from, to) == to }
    }
}

/// Writes this process's id in decimal digits.
fn own_pid(digits: *mut u8) {
    if digits.is_null() {
        return;
    }
    // SAFETY: getpid(2) cannot fail. There is room for DIGITS bytes, all NUL so far, and a process id
    // has fewer digits.
    unsafe {
        let pid = Decimal::of(u64::try_from(libc::getpid()).unwrap_or(0));
        let own = pid.digits();
        std::ptr::copy_nonoverlapping(own.as_ptr(), digits, own.len().min(DIGITS - 1));
    }
}

fn oom_score(recipe: &Recipe) -> bool {
    let Some(score) = &recipe.oom_score_adj else { return true };
    let bytes = score.to_bytes();
    // SAFETY: a literal path, and a buffer with its own length.
    unsafe {
        let fd = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        fd >= 0 && libc::write(fd, bytes.as_ptr().cast(), bytes.len()) >= 0
    }
}

/// Tries the files in turn, as execvp(3) does: one that may not be executed does not end the
/// search, but is what is told at its end.
fn execute(orders: &Orders<'_>) {
    let mut denied = false;
    for file in &orders.recipe.files {
        // SAFETY: three arrays that end with null, of strings that outlive the call.
        let errno = unsafe {
            libc::execve(file.as_ptr(), orders.argv, orders.envp);
            *libc::__errno_location()
        };
        match errno {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => denied = true,
            _ => return,
        }
    }
    let errno = if denied { libc::EACCES } else { libc::ENOENT };
    // SAFETY: errno is writable.
    unsafe { *libc::__errno_location() = errno };
}
