//! Lines of the log on stderr: never waited for.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use super::log::cut;
use crate::sys::poll;

/// What a pipe with any room takes at once, in bytes: see pipe(7).
pub(super) const PIPE_BUF: usize = 4096;

/// Whole lines, as many at a time as a pipe takes at once.
pub(super) fn pieces(mut lines: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let within = cut(lines, PIPE_BUF);
        let end =
            if within.len() < lines.len() { within.rfind('\n').map(|at| at + 1) } else { None };
        let (piece, rest) = lines.split_at(end.unwrap_or(within.len()));
        lines = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Writes to stderr only where that cannot block: a reader that sleeps loses lines instead.
pub(super) fn to_stderr(text: &str) -> io::Result<()> {
    let stderr = io::stderr();
    let mut poller = poll::Poller::new();
    let slot = poller.add(stderr.as_fd(), poll::Interest::Write);
    poller.wait(Some(Duration::ZERO))?;
    if !poller.ready(slot).write {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    // More than a pipe takes at once could block halfway.
    let end = text.len().min(PIPE_BUF);
    stderr.lock().write_all(text.as_bytes().get(..end).unwrap_or_default())
}
