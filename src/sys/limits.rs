//! Resource limits by name.
#![allow(unsafe_code)] // getrlimit(2), setrlimit(2)

/// The number of the limit that setrlimit(2) calls RLIMIT_ and this name in capitals.
pub fn number(name: &str) -> Option<u32> {
    Some(match name {
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
    })
}

/// `unlimited`, as setrlimit(2) takes it.
pub const UNLIMITED: u64 = libc::RLIM_INFINITY;

/// How many descriptors this process may have open: the soft limit, and the hard one.
pub fn open_files() -> (u64, u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through the call.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    (limit.rlim_cur, limit.rlim_max)
}

/// The limit of core dumps, soft and hard, in bytes.
pub fn core() -> (u64, u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through the call.
    unsafe { libc::getrlimit(libc::RLIMIT_CORE, &mut limit) };
    (limit.rlim_cur, limit.rlim_max)
}

/// Has this process leave no core dump, as there is a secret in its memory. Children inherit that.
///
/// One byte, not none: with none a dump that goes to a pipe is written all the same, with less
/// than a page neither that nor a file is, see core(5).
pub fn lower_core() {
    let (_, hard) = core();
    let limit = libc::rlimit { rlim_cur: hard.min(1), rlim_max: hard };
    // SAFETY: `limit` lives through the call. Up to the hard limit is always allowed.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
}

/// Makes it as many as the hard limit allows.
pub fn raise_open_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through the calls. Up to the hard limit is always allowed.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
