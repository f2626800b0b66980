//! A socket that gives whole lines and never blocks for longer than it is told.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use crate::protocol::{LineError, Lines, REPLY_LIMIT};
use crate::sys::poll::{Interest, Poller};
use crate::sys::{cause, clock};

/// One end of a connection.
pub(super) struct Wire {
    stream: TcpStream,
    poller: Poller,
    lines: Lines,
    /// Why no more will come. Lines that came before are still handed out.
    ended: Option<String>,
}

/// What a wait ended with; neither: the time was up, or a signal came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Woken {
    /// Something has come over the wire, or it has ended.
    pub(super) wire: bool,
    /// The other descriptor has something.
    pub(super) other: bool,
}

impl Wire {
    /// Takes over a connected socket. The error is the cause alone.
    pub(super) fn new(stream: TcpStream) -> Result<Self, String> {
        stream.set_nonblocking(true).map_err(|error| cause(&error))?;
        // Requests are single short lines: each should leave at once.
        let _ = stream.set_nodelay(true);
        Ok(Self { stream, poller: Poller::new(), lines: Lines::new(REPLY_LIMIT), ended: None })
    }

    /// Sends all of it. The error is the cause alone.
    pub(super) fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), String> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err("the connection is closed".to_owned()),
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let Some(left) = left(deadline) else {
                        return Err("it takes no more bytes".to_owned());
                    };
                    self.poller.clear();
                    self.poller.add(self.stream.as_fd(), Interest::Write);
                    self.poller.wait(Some(left)).map_err(|error| cause(&error))?;
                }
                Err(error) => return Err(cause(&error)),
            }
        }
        Ok(())
    }

    /// The next line that has come, if a whole one has. The error is the cause alone.
    pub(super) fn next_line(&mut self) -> Result<Option<String>, String> {
        match self.lines.next_line() {
            Some(Ok(line)) => Ok(Some(line)),
            Some(Err(LineError::TooLong)) => {
                Err(format!("a line of more than {REPLY_LIMIT} bytes"))
            }
            Some(Err(LineError::NotUtf8)) => Err("a line that is not UTF-8".to_owned()),
            None => self.ended.clone().map_or(Ok(None), Err),
        }
    }

    /// Waits for a line until the deadline, which it is `None` for.
    pub(super) fn line_by(&mut self, deadline: Instant) -> Result<Option<String>, String> {
        loop {
            if let Some(line) = self.next_line()? {
                return Ok(Some(line));
            }
            let Some(left) = left(deadline) else { return Ok(None) };
            self.wait(None, Some(left))?;
        }
    }

    /// Waits for bytes here or on the other descriptor, and takes in those that are here.
    pub(super) fn wait(
        &mut self,
        other: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Woken, String> {
        self.poller.clear();
        let here = self.poller.add(self.stream.as_fd(), Interest::Read);
        let there = other.map(|other| self.poller.add(other, Interest::Read));
        self.poller.wait(timeout).map_err(|error| cause(&error))?;
        let [here, there] = [Some(here), there].map(|slot| {
            let ready = slot.map(|slot| self.poller.ready(slot)).unwrap_or_default();
            ready.read || ready.gone
        });
        if here {
            self.fill();
        }
        Ok(Woken { wire: here, other: there })
    }

    fn fill(&mut self) {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.ended = Some("it closed the connection".to_owned()),
            Ok(count) => self.lines.push(bytes.get(..count).unwrap_or_default()),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => self.ended = Some(cause(&error)),
        }
    }
}

/// The time until then; `None`: it is past.
fn left(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(clock::now()).filter(|left| !left.is_zero())
}
