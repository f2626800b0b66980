//! Moves what waits in a stream's pipe to its file, and rotates that.
//!
//! Bytes go from the pipe to the file within the kernel; where line ends matter they are looked
//! at, not taken out. All that is known of a stream is in its pipe and in its file: the process
//! may be killed between any two instructions, and another goes on.
//!
//! With time stamps, lines are copied: looked at, written behind their stamps, and only then taken
//! out of the pipe. A kill between the two writes some of them twice, and loses none. A line that
//! is not finished yet is written as far as it has come. Into a file that refuses splice(2), bytes
//! are copied in the same way.
//!
//! A file that cannot be written to does not stop the program: what is in the pipe is dropped and
//! counted, and the file is tried again as more comes, ten times a second at most.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::logs::Logs;
use super::message::Stream;
use super::reports::Reports;
use super::rotate;
use super::step::{Done, Place, Source, Stepper};
use crate::sys::cause;
use crate::sys::splice::{self, Peek};

/// One stream gets so much of a turn, in bytes: a flood does not hold up the others.
const TURN: u64 = 1024 * 1024;

/// What a step counts at least, in bytes, so that one does not take a turn's time with little ones;
/// and each file that a rotation renames, of which there may be a thousand.
const STEP: u64 = 4096;

/// Time between two tries of a file that could not be written to.
const RETRY: Duration = Duration::from_millis(100);

/// A pipe, and where what comes out of it goes.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) stream: Stream,
    pipe: OwnedFd,
    trouble: Option<Trouble>,
    /// How much the pipe holds, in bytes.
    capacity: u64,
    /// Whether it may yet be made larger.
    may_grow: bool,
}

/// What a turn did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turned {
    /// So many bytes have left the pipe.
    pub(super) gone: u64,
    /// It was found so full that its program may soon have to wait.
    pub(super) was_crowded: bool,
}

/// Why nothing can be written now.
#[derive(Debug)]
struct Trouble {
    cause: String,
    retry_at: Instant,
}

impl Feed {
    /// What comes out of this pipe goes there.
    pub(super) fn new(stream: Stream, pipe: OwnedFd) -> Self {
        let capacity = splice::capacity(pipe.as_fd());
        let may_grow = capacity < splice::WHOLE_PIPE;
        Self { stream, pipe, trouble: None, capacity, may_grow }
    }

    /// The logger before this one could not write to the file. Here it is worth a try at once, and
    /// the first that succeeds is told.
    pub(super) fn has_lost(&mut self, now: Instant) {
        self.trouble = Some(Trouble { cause: String::new(), retry_at: now });
    }

    /// Whether the pipe is as large as one may be made.
    pub(super) fn is_large(&self) -> bool {
        self.capacity >= splice::WHOLE_PIPE
    }

    /// Whether it is worth a try to make the pipe larger. Once.
    pub(super) fn may_grow(&mut self) -> bool {
        std::mem::take(&mut self.may_grow)
    }

    /// Makes the pipe larger, if the system allows it.
    pub(super) fn grow(&mut self) {
        self.capacity = splice::enlarge(self.pipe.as_fd());
    }

    /// The pipe's read side.
    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Something has changed: the file is worth a try at once.
    pub(super) fn hope(&mut self, now: Instant) {
        if let Some(trouble) = &mut self.trouble {
            trouble.retry_at = now;
        }
    }
}

/// What came of a step.
#[derive(Debug)]
struct Moved {
    /// So many bytes have left the pipe.
    gone: u64,
    /// So many files were renamed for it.
    renamed: u32,
}

/// What all streams share.
#[derive(Debug)]
pub(super) struct Mover {
    pub(super) logs: Logs,
    peek: Peek,
    null: File,
    stepper: Stepper,
}

impl Mover {
    /// With no file open.
    ///
    /// # Errors
    /// Those of pipe2(2), and of opening /dev/null.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            logs: Logs::default(),
            peek: Peek::new()?,
            null: OpenOptions::new().write(true).open("/dev/null")?,
            stepper: Stepper::default(),
        })
    }

    /// Moves what is in the pipe by now, but not more than is one stream's share.
    ///
    /// # Errors
    /// The pipe is of no use: nothing can be taken out of it.
    pub(super) fn turn(
        &mut self,
        feed: &mut Feed,
        now: Instant,
        reports: &mut Reports,
    ) -> io::Result<Turned> {
        let pending = splice::pending(feed.pipe())?;
        let was_crowded = pending > feed.capacity / 2;
        let (mut gone, mut share) = (0, TURN);
        while gone < pending && share > 0 {
            let step = self.try_step(feed, (pending - gone).min(share), now, reports)?;
            if step.gone == 0 {
                break;
            }
            gone += step.gone;
            share = share.saturating_sub(step.gone.max(STEP) + STEP * u64::from(step.renamed));
        }
        Ok(Turned { gone, was_crowded })
    }

    /// Moves all that is in the pipe now.
    ///
    /// # Errors
    /// As [`Mover::turn`].
    pub(super) fn drain(
        &mut self,
        feed: &mut Feed,
        now: Instant,
        reports: &mut Reports,
    ) -> io::Result<()> {
        let mut left = splice::pending(feed.pipe())?;
        while left > 0 {
            match self.turn(feed, now, reports)?.gone {
                0 => break,
                gone => left = left.saturating_sub(gone),
            }
        }
        Ok(())
    }

    /// A step to the file, or to nowhere.
    fn try_step(
        &mut self,
        feed: &mut Feed,
        pending: u64,
        now: Instant,
        reports: &mut Reports,
    ) -> io::Result<Moved> {
        if feed.trouble.as_ref().is_none_or(|trouble| trouble.retry_at <= now) {
            match self.step(feed, pending, now) {
                Ok(moved) => {
                    if moved.gone > 0 && feed.trouble.take().is_some() {
                        reports.recovered(feed.stream.id);
                    }
                    return Ok(moved);
                }
                Err(cause) => {
                    // Next time it is opened anew, by its name.
                    self.logs.close(feed.stream.id);
                    feed.trouble = Some(Trouble { cause, retry_at: now + RETRY });
                }
            }
        }
        let lost = splice::discard(feed.pipe(), self.null.as_fd(), pending)?;
        let cause = feed.trouble.as_ref().map_or("", |trouble| trouble.cause.as_str());
        reports.lost(feed.stream.id, lost, cause, now);
        Ok(Moved { gone: lost, renamed: 0 })
    }

    /// Moves some of what waits, where the file is full after a rotation. On an error, the act,
    /// the object and the cause.
    fn step(&mut self, feed: &Feed, pending: u64, now: Instant) -> Result<Moved, String> {
        let stream = &feed.stream;
        if let Some(gone) = self.move_some(feed, pending, now)? {
            return Ok(Moved { gone, renamed: 0 });
        }
        // Even where it fails halfway: by then the name may be another file's.
        self.logs.close_path(&stream.path);
        let rotated = rotate::rotate(&stream.path, stream.keep);
        let renamed = rotated.map_err(|error| failed("rotating", stream, &error))?;
        match self.move_some(feed, pending, now)? {
            Some(gone) => Ok(Moved { gone, renamed }),
            None => Err(format!("rotating {}: it was filled again", stream.path.display())),
        }
    }

    /// Says how many bytes have left the pipe; none if the file is full.
    fn move_some(
        &mut self,
        feed: &Feed,
        pending: u64,
        now: Instant,
    ) -> Result<Option<u64>, String> {
        let stream = &feed.stream;
        let (log, size) =
            self.logs.of(stream, now).map_err(|error| failed("opening", stream, &error))?;
        let source = Source { pipe: feed.pipe(), pending, peek: &mut self.peek };
        let place = Place { log, size, max: stream.max_bytes };
        let done = if stream.timestamps {
            self.stepper.stamped(source, &place)
        } else {
            self.stepper.plain(source, &place)
        };
        let gone = match done {
            Ok(Done::Full) => return Ok(None),
            Ok(Done::Moved(len)) => Ok(len),
            Ok(Done::Copied(len)) => splice::discard(feed.pipe(), self.null.as_fd(), len),
            Err(error) => Err(error),
        };
        gone.map(Some).map_err(|error| failed("writing", stream, &error))
    }
}

fn failed(act: &str, stream: &Stream, error: &io::Error) -> String {
    format!("{act} {}: {}", stream.path.display(), cause(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;
    use crate::sys::pipe::Pipe;
    use std::io::Write;

    #[test]
    fn files_that_are_renamed_count_in_a_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for number in 1..=300 {
            std::fs::write(rotate::numbered(&path, number), "").unwrap();
        }
        let pipe = Pipe::new().unwrap();
        pipe.writer().unwrap().write_all(b"one\ntwo\nsix\n").unwrap();
        let stream = Stream {
            id: 1,
            name: String::new(),
            path,
            max_bytes: 4,
            keep: 1000,
            timestamps: false,
            owner: None,
            is_losing: false,
        };
        let mut feed = Feed::new(stream, pipe.reader().unwrap());
        let (mut mover, mut reports) = (Mover::new().unwrap(), Reports::default());
        let mut turn = || mover.turn(&mut feed, clock::now(), &mut reports).unwrap().gone;
        assert_eq!([turn(), turn(), turn()], [8, 4, 0]);
    }
}
