//! The descriptors of its parent's that a child closes before anybody else has a say in it.
//!
//! Called in a child that may share its parent's memory: system calls and arithmetic, nothing else.
#![allow(unsafe_code)] // close_range(2)

use std::os::fd::RawFd;

/// Closes all descriptors but the standard ones and these two. They would be closed at the exec;
/// but that may be long in coming, and the lock of the state folder is among them: the user that
/// this process becomes could keep it from the next daemon. Before Linux 5.9 they stay.
pub(super) fn close(but: [Option<RawFd>; 2]) {
    for (first, last) in ranges(but) {
        if first <= last {
            // SAFETY: no pointers. What the parent owns stays open there: this process has a table
            // of descriptors of its own, and uses none of these any more.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

/// From where to where they go. The standard ones are never among them, even where no number was
/// left for the report and it is -1.
fn ranges(but: [Option<RawFd>; 2]) -> [(RawFd, RawFd); 3] {
    let low = but.into_iter().flatten().min().unwrap_or(-1);
    let high = but.into_iter().flatten().max().unwrap_or(-1);
    let ranges = [(3, low - 1), (low + 1, high - 1), (high + 1, RawFd::MAX)];
    ranges.map(|(first, last)| (first.max(3), last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_standard_descriptors_nor_those_in_use_are_closed() {
        let one = [None, Some(-1), Some(3), Some(4), Some(9)];
        for but in one.into_iter().flat_map(|first| one.map(|second| [first, second])) {
            let is_closed = |fd| ranges(but).iter().any(|(a, b)| (*a..=*b).contains(&fd));
            for fd in 0..12 {
                let stays = fd < 3 || but.contains(&Some(fd));
                assert_eq!(is_closed(fd), !stays, "{fd} of {but:?}");
            }
        }
    }
}
