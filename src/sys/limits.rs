//! Resource limits by name.
//!
//! They are 64 bits wide on every machine, which the C library's calls are not.
#![allow(unsafe_code)] // prlimit64(2)

use std::ptr;

/// The number of the limit that setrlimit(2) calls RLIMIT_ and this name in capitals.
pub fn number(name: &str) -> Option<u32> {
    #[allow(clippy::unnecessary_cast)] // their type differs between C libraries
    let number = match name {
        "as" => libc::RLIMIT_AS,
        "core" => libc::RLIMIT_CORE,
        "cpu" => libc::RLIMIT_CPU,
        "data" => libc::RLIMIT_DATA,
        "fsize" => libc::RLIMIT_FSIZE,
        "locks" => libc::RLIMIT_LOCKS,
        "memlock" => libc::RLIMIT_MEMLOCK,
        "msgqueue" => libc::RLIMIT_MSGQUEUE,
        "nice" => libc::RLIMIT_NICE,
        "nofile" => libc::RLIMIT_NOFILE,
        "nproc" => libc::RLIMIT_NPROC,
        "rss" => libc::RLIMIT_RSS,
        "rtprio" => libc::RLIMIT_RTPRIO,
        "rttime" => libc::RLIMIT_RTTIME,
        "sigpending" => libc::RLIMIT_SIGPENDING,
        "stack" => libc::RLIMIT_STACK,
        _ => return None,
    } as u32;
    Some(number)
}

/// `unlimited`, as prlimit64(2) takes it.
pub const UNLIMITED: u64 = u64::MAX;

/// A limit as prlimit64(2) takes it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Pair {
    soft: u64,
    hard: u64,
}

/// Sets a limit of this process. On failure errno says why.
///
/// It makes one system call and nothing else, so a child may use it before its exec.
pub(super) fn set(which: u32, soft: u64, hard: u64) -> bool {
    let pair = Pair { soft, hard };
    let no_old = ptr::null_mut::<Pair>();
    // SAFETY: `pair` lives through the call.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, which, &raw const pair, no_old) == 0 }
}

/// A limit of this process, soft and hard. None: the kernel does not tell.
fn get(name: &str) -> Option<(u64, u64)> {
    let mut pair = Pair { soft: 0, hard: 0 };
    let no_new = ptr::null::<Pair>();
    let which = number(name)?;
    // SAFETY: `pair` lives through the call.
    let done = unsafe { libc::syscall(libc::SYS_prlimit64, 0, which, no_new, &raw mut pair) };
    (done == 0).then_some((pair.soft, pair.hard))
}

/// How many descriptors this process may have open: the soft limit, and the hard one.
pub fn open_files() -> (u64, u64) {
    get("nofile").unwrap_or((0, 0))
}

/// The limit of core dumps, soft and hard, in bytes.
pub fn core() -> (u64, u64) {
    get("core").unwrap_or((0, 0))
}

/// Has this process leave no core dump, as there is a secret in its memory. Children inherit that.
///
/// One byte, not none: with none a dump that goes to a pipe is written all the same, with less
/// than a page neither that nor a file is, see core(5).
pub fn lower_core() {
    change("core", |hard| hard.min(1));
}

/// Makes it as many as the hard limit allows.
pub fn raise_open_files() {
    change("nofile", |hard| hard);
}

/// Sets a soft limit, given the hard one, up to which that is always allowed.
fn change(name: &str, soft: impl Fn(u64) -> u64) {
    if let (Some(which), Some((_, hard))) = (number(name), get(name)) {
        set(which, soft(hard), hard);
    }
}
