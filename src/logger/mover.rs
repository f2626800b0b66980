//! Moves what waits in a stream's pipe to its file, and rotates that.
//!
//! Bytes go from the pipe to the file within the kernel; where line ends matter they are looked
//! at, not taken out. All that is known of a stream is in its pipe and in its file: the process
//! may be killed between any two instructions, and another goes on.
//!
//! With time stamps, lines are copied: looked at, written behind their stamps, and only then taken
//! out of the pipe. A kill between the two writes some of them twice, and loses none. A line that
//! is not finished yet is written as far as it has come.
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
use super::step::{self, Done, Place, Source, Stamper};
use crate::sys::cause;
use crate::sys::splice::{self, Peek};

/// One stream gets so much of a turn, in bytes: a flood does not hold up the others.
const TURN: u64 = 1024 * 1024;

/// What a step counts at least, in bytes, so that one does not take a turn's time with little ones.
const STEP: u64 = 4096;

/// Time between two tries of a file that could not be written to.
const RETRY: Duration = Duration::from_millis(100);

/// A pipe, and where what comes out of it goes.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) stream: Stream,
    pipe: OwnedFd,
    trouble: Option<Trouble>,
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
        Self { stream, pipe, trouble: None }
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

/// What all streams share.
#[derive(Debug)]
pub(super) struct Mover {
    pub(super) logs: Logs,
    peek: Peek,
    null: File,
    stamper: Stamper,
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
            stamper: Stamper::default(),
        })
    }

    /// Moves what is in the pipe, but not more than is one stream's share. Says how many bytes
    /// have left the pipe.
    ///
    /// # Errors
    /// The pipe is of no use: nothing can be taken out of it.
    pub(super) fn turn(
        &mut self,
        feed: &mut Feed,
        now: Instant,
        reports: &mut Reports,
    ) -> io::Result<u64> {
        let (mut gone, mut left) = (0, TURN);
        while left > 0 {
            let pending = splice::pending(feed.pipe())?.min(left);
            if pending == 0 {
                break;
            }
            let step = self.try_step(feed, pending, now, reports)?;
            gone += step;
            left = left.saturating_sub(step.max(STEP));
        }
        Ok(gone)
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
            match self.turn(feed, now, reports)? {
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
    ) -> io::Result<u64> {
        if feed.trouble.as_ref().is_none_or(|trouble| trouble.retry_at <= now) {
            match self.step(feed, pending, now) {
                Ok(moved) => {
                    if moved > 0 && feed.trouble.take().is_some() {
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
        Ok(lost)
    }

    /// Moves some of what waits, or rotates. Says how many bytes have left the pipe; on an error,
    /// the act, the object and the cause.
    fn step(&mut self, feed: &Feed, pending: u64, now: Instant) -> Result<u64, String> {
        let stream = &feed.stream;
        let failed = |act: &'static str| {
            move |error| format!("{act} {}: {}", stream.path.display(), cause(&error))
        };
        let (log, size) = self.logs.of(stream, now).map_err(failed("opening"))?;
        let source = Source { pipe: feed.pipe(), pending, peek: &mut self.peek };
        let place = Place { log, size, max: stream.max_bytes };
        let done = if stream.timestamps {
            self.stamper.stamped(source, &place)
        } else {
            step::plain(source, &place)
        };
        match done.map_err(failed("writing"))? {
            Done::Moved(len) => Ok(len),
            Done::Copied(len) => {
                splice::discard(feed.pipe(), self.null.as_fd(), len).map_err(failed("writing"))
            }
            Done::Full => {
                // Even where it fails halfway: by then the name may be another file's.
                self.logs.close_path(&stream.path);
                rotate::rotate(&stream.path, stream.keep).map_err(failed("rotating"))?;
                Ok(0)
            }
        }
    }
}
