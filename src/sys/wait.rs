//! The ends of children, in two steps: seen first, reaped after.
//!
//! Between the two the zombie keeps its number, so the rest of its process group can be
//! killed without any doubt whose it is.
#![allow(unsafe_code)] // waitid(2)

use std::io;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By exit(2) with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A child that has ended and waits to be reaped, if there is one. The kernel walks over all
/// children to find it: ask [`has_ended`] first where a pid is known.
pub fn next_ended() -> Option<(i32, End)> {
    wait(libc::P_ALL, 0, libc::WNOHANG | libc::WNOWAIT)
}

/// This child, if it has ended and waits to be reaped.
pub fn has_ended(pid: i32) -> Option<(i32, End)> {
    wait(libc::P_PID, libc::id_t::try_from(pid).ok()?, libc::WNOHANG | libc::WNOWAIT)
}

/// Reaps it: its number is free from now on.
pub fn reap(pid: i32) {
    if let Ok(id) = libc::id_t::try_from(pid) {
        wait(libc::P_PID, id, libc::WNOHANG);
    }
}

/// Reaps one that is about to end: it has said its last word.
pub(super) fn reap_now(pid: i32) {
    if let Ok(id) = libc::id_t::try_from(pid) {
        wait(libc::P_PID, id, 0);
    }
}

fn wait(kind: libc::idtype_t, id: libc::id_t, flags: i32) -> Option<(i32, End)> {
    loop {
        // SAFETY: an all-zero siginfo_t is valid, and it lives through the call.
        let (done, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (libc::waitid(kind, id, &mut info, flags | libc::WEXITED), info)
        };
        if done < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        // SAFETY: for waitid(2) the kernel has filled in the fields of SIGCHLD, or left zeros.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if done < 0 || pid == 0 {
            return None;
        }
        let end =
            if info.si_code == libc::CLD_EXITED { End::Code(status) } else { End::Signal(status) };
        return Some((pid, end));
    }
}
