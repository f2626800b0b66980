//! The descriptors of its parent's that a child closes before anybody else has a say in it.
//!
//! Called in a child that may share its parent's memory: system calls and arithmetic, nothing else.
#![allow(unsafe_code)] // close_range(2)

use std::os::fd::RawFd;

/// Closes all descriptors but the standard ones and these two. They would be closed at the exec;
/// but that may be long in coming, and the lock of the state folder is among them: the user that
/// this process becomes could keep it from the next daemon. Before Linux 5.9 they stay.
pub(super) fn close(low: RawFd, high: RawFd) {
    for (first, last) in ranges(low, high) {
        if first <= last {
            // SAFETY: no pointers. What the parent owns stays open there: this process has a table
            // of descriptors of its own, and uses none of these any more.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

/// From where to where they go. The standard ones are never among them, even where no number was
/// left for the report and it is -1.
fn ranges(low: RawFd, high: RawFd) -> [(RawFd, RawFd); 3] {
    let ranges = [(3, low - 1), (low + 1, high - 1), (high + 1, RawFd::MAX)];
    ranges.map(|(first, last)| (first.max(3), last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_standard_descriptors_nor_those_in_use_are_closed() {
        for (low, high) in [(3, 3), (3, 4), (5, 9), (-1, 7), (-1, -1)] {
            let is_closed = |fd| ranges(low, high).iter().any(|(a, b)| (*a..=*b).contains(&fd));
            for fd in 0..12 {
                let stays = fd < 3 || fd == low || fd == high;
                assert_eq!(is_closed(fd), !stays, "{fd} of {low}, {high}");
            }
        }
    }
}
