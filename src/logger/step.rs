//! One step from a pipe to a file: spliced; copied, where the file's kind refuses that; or copied
//! behind time stamps.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use super::plan::{self, Sight, Step};
use super::stamp;
use crate::sys::clock;
use crate::sys::splice::{self, Peek};

/// Where bytes come from.
pub(super) struct Source<'a> {
    pub(super) pipe: BorrowedFd<'a>,
    /// How many wait there; not 0.
    pub(super) pending: u64,
    pub(super) peek: &'a mut Peek,
}

/// Where they go.
pub(super) struct Place<'a> {
    pub(super) log: &'a File,
    /// Its size as it is, in bytes.
    pub(super) size: u64,
    /// Its size as it may get, in bytes; 0: there is no limit.
    pub(super) max: u64,
}

/// What a step did.
#[derive(Debug)]
pub(super) enum Done {
    /// So many bytes are in the file, and no longer in the pipe.
    Moved(u64),
    /// So many are in the file, and still in the pipe.
    Copied(u64),
    /// None: the file is to be rotated first.
    Full,
}

/// Moves bytes, and keeps what it needs for those that pass through its hands.
#[derive(Debug, Default)]
pub(super) struct Stepper {
    raw: Vec<u8>,
    text: Vec<u8>,
}

/// As much as is copied at once, in bytes; with stamps 31 times that if it is nothing but line ends.
const PIECE: u64 = 32 * 1024;

impl Stepper {
    /// Splices as much as the file may take; copies a piece of that, where its kind refuses splice(2).
    ///
    /// # Errors
    /// Those of the system calls, which then have moved nothing.
    pub(super) fn plain(&mut self, source: Source<'_>, place: &Place<'_>) -> io::Result<Done> {
        let Source { pipe, pending, peek } = source;
        let len = if plan::fits(place.size, place.max, pending) {
            pending
        } else {
            let mut sight = Sight::new(place.size, place.max);
            let horizon = plan::horizon(place.size, place.max);
            peek.look(pipe, pending.min(horizon.max(1)), |bytes| sight.see(bytes))?;
            match sight.step(place.size, place.max, ends_within_line(place)) {
                Step::Move(len) => len,
                Step::Rotate => return Ok(Done::Full),
            }
        };
        match splice::to_file(pipe, place.log.as_fd(), place.size, len) {
            // EINVAL: files of this kind take bytes by write(2) alone.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.raw.clear();
                peek.look(pipe, len.min(PIECE), |bytes| self.raw.extend_from_slice(bytes))?;
                match write_all(place, &self.raw) {
                    (0, Some(error)) => Err(error),
                    (written, _) => Ok(Done::Copied(count(written))),
                }
            }
            done => done.map(Done::Moved),
        }
    }

    /// Copies as much as the file may take.
    ///
    /// # Errors
    /// Those of the system calls, which then have copied nothing.
    pub(super) fn stamped(&mut self, source: Source<'_>, place: &Place<'_>) -> io::Result<Done> {
        let Source { pipe, pending, peek } = source;
        self.raw.clear();
        self.text.clear();
        peek.look(pipe, pending.min(PIECE), |bytes| self.raw.extend_from_slice(bytes))?;
        let raw = if pending > PIECE { stamp::whole(&self.raw) } else { &self.raw };
        let within = ends_within_line(place);
        let stamp = stamp::stamp(clock::wall());
        stamp::lines(raw, within, &stamp, &mut self.text);

        // So that a stamp is never torn, and each file takes some of its line.
        let max = if place.max == 0 { 0 } else { place.max.max(stamp::LEN) };
        let all = count(self.text.len());
        let len = if plan::fits(place.size, max, all) {
            all
        } else {
            let mut sight = Sight::new(place.size, max);
            sight.see(&self.text);
            match sight.step(place.size, max, within) {
                Step::Move(len) => len,
                Step::Rotate => return Ok(Done::Full),
            }
        };
        let text = self.text.get(..usize::try_from(len).unwrap_or(usize::MAX));
        let (written, error) = write_all(place, text.unwrap_or(&self.text));
        let (taken, end) = stamp::taken(raw, within, &stamp, written);
        if end < written {
            place.log.set_len(place.size + count(end))?;
        }
        match error {
            Some(error) if taken == 0 => Err(error),
            _ => Ok(Done::Copied(count(taken))),
        }
    }
}

/// Writes at the file's end. Says how many bytes were, and why not all.
fn write_all(place: &Place<'_>, text: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match place.log.write_at(rest, place.size + count(written)) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

/// Whether what comes next goes on with a line of the file's.
fn ends_within_line(place: &Place<'_>) -> bool {
    let mut last = [b'\n'];
    // A file that may not be read is taken to end with a whole line.
    let _ = place.size.checked_sub(1).map(|end| place.log.read_at(&mut last, end));
    last != [b'\n']
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
