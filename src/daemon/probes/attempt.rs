//! One probe in flight: a connection, a request or a command, and the reason if it fails.
//!
//! Nothing in it waits. It is told when its descriptor is ready, its child has ended or its time is
//! over; the answer is there as soon as it can be known.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::http::{self, Response, Status};
use super::notice;
use crate::config::Url;
use crate::daemon::when::span;
use crate::daemon::words::signal_name;
use crate::supervisor::Exit;
use crate::sys::poll::{Interest, Ready};
use crate::sys::spawn::failure_in;
use crate::sys::{cause, connect, is_shortage};

/// What came of a probe: well, or why not.
pub(super) type Answer = Result<(), String>;

/// How often one that sends much is read from before others have their turn.
const READS_A_TURN: usize = 8;

/// How much is read at once, in bytes.
const PIECE: usize = 4096;

/// How much of what a command prints is kept for the reason, in bytes.
const LINE_LIMIT: usize = 200;

/// One probe.
#[derive(Debug)]
pub(super) enum Attempt {
    /// A connection, and perhaps a request over it.
    Connection(Connection),
    /// A command.
    Command(Command),
}

/// A connection that is being made; with a URL, something is asked over it then.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    url: Option<Url>,
    /// A request that is being answered.
    request: Option<Request>,
}

/// What is asked over a connection.
#[derive(Debug)]
struct Request {
    unsent: Vec<u8>,
    response: Response,
}

/// A command that runs.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) pid: i32,
    /// Where what it prints can be read.
    pub(super) output: File,
    /// Of a child launched apart: whether it could be executed.
    pub(super) report: Option<OwnedFd>,
    /// The beginning of what it printed.
    pub(super) said: Vec<u8>,
    /// No more of that will come.
    pub(super) is_silent: bool,
}

/// Why a probe could not even begin.
#[derive(Debug)]
pub(super) enum NoProbe {
    /// This is the answer.
    Answer(String),
    /// The daemon lacks what it takes: that says nothing of the process.
    Later,
}

impl Attempt {
    /// Begins to connect.
    ///
    /// # Errors
    /// The answer, where it is known at once; that there is no descriptor or port to be had.
    pub(super) fn connect(address: SocketAddr, url: Option<Url>) -> Result<Self, NoProbe> {
        match connect::begin(address) {
            Ok(stream) => Ok(Self::Connection(Connection { stream, address, url, request: None })),
            Err(error) if is_shortage(&error) => Err(NoProbe::Later),
            Err(error) => {
                let what = of(address, url.as_ref());
                Err(NoProbe::Answer(format!("{what}: {}", cause(&error))))
            }
        }
    }

    /// Its descriptor, and what to wait for on it.
    pub(super) fn descriptor(&self) -> (BorrowedFd<'_>, Interest) {
        match self {
            Self::Connection(connection) => (connection.stream.as_fd(), connection.interest()),
            Self::Command(command) => (command.output.as_fd(), Interest::Read),
        }
    }

    /// Whether it is a connection over which something can be asked, or is asked already.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self, Self::Connection(Connection { request: Some(_), .. }))
    }

    /// Its descriptor is ready. The answer, if it is known by now.
    pub(super) fn go_on(&mut self, ready: Ready) -> Option<Answer> {
        match self {
            Self::Connection(connection) => connection.go_on(ready),
            Self::Command(command) => {
                command.is_silent = !command.listen();
                None
            }
        }
    }

    /// Its time is over: why it is not well.
    pub(super) fn too_late(&self, limit: Duration) -> String {
        let what = match self {
            Self::Connection(connection) => connection.what(),
            Self::Command(_) => "exec".to_owned(),
        };
        format!("{what}: no answer within {}", span(limit))
    }
}

/// What is probed, for people.
fn of(address: SocketAddr, url: Option<&Url>) -> String {
    match url {
        Some(url) => format!("http {address}{}", url.path),
        None => format!("connect {address}"),
    }
}

impl Connection {
    fn what(&self) -> String {
        of(self.address, self.url.as_ref())
    }

    fn interest(&self) -> Interest {
        match &self.request {
            None => Interest::Write,
            Some(request) if request.unsent.is_empty() => Interest::Read,
            Some(_) => Interest::Both,
        }
    }

    fn go_on(&mut self, ready: Ready) -> Option<Answer> {
        if self.request.is_none() {
            if !(ready.write || ready.gone) {
                return None;
            }
            if let Err(error) = connect::finish(&self.stream) {
                return Some(self.failed(&error));
            }
            let Some(url) = &self.url else { return Some(Ok(())) };
            let unsent = http::request(&url.host, &url.path).into_bytes();
            self.request = Some(Request { unsent, response: Response::default() });
        }
        self.send();
        self.read()
    }

    fn failed(&self, error: &io::Error) -> Answer {
        Err(format!("{}: {}", self.what(), cause(error)))
    }

    /// Sends what is still to be sent.
    fn send(&mut self) {
        let Some(Request { unsent, .. }) = &mut self.request else { return };
        while !unsent.is_empty() {
            match self.stream.write(unsent) {
                Ok(sent) => drop(unsent.drain(..sent)),
                Err(error) if waits(&error) => break,
                // Who answers before the question is out may well have closed: read first.
                Err(_) => unsent.clear(),
            }
        }
    }

    /// Reads as far as there is something.
    fn read(&mut self) -> Option<Answer> {
        let mut piece = [0; PIECE];
        for _ in 0..READS_A_TURN {
            let length = match self.stream.read(&mut piece) {
                Ok(0) => return Some(Err(format!("{}: closed without an answer", self.what()))),
                Ok(length) => length,
                Err(error) if waits(&error) => break,
                Err(error) => return Some(self.failed(&error)),
            };
            let response = &mut self.request.as_mut()?.response;
            match response.take(piece.get(..length).unwrap_or_default()) {
                Status::Unknown => {}
                Status::Code(200..=299) => return Some(Ok(())),
                Status::Code(code) => return Some(Err(format!("{} answered {code}", self.what()))),
                Status::Other => {
                    return Some(Err(format!("{} did not answer in HTTP", self.what())));
                }
            }
        }
        None
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl Command {
    /// Reads what it printed: all is read, so that it need not wait, and the beginning kept.
    /// False: no more will come.
    fn listen(&mut self) -> bool {
        let mut piece = [0; PIECE];
        for _ in 0..READS_A_TURN {
            match self.output.read(&mut piece) {
                Ok(0) => return false,
                Ok(length) => {
                    let room = LINE_LIMIT.saturating_sub(self.said.len());
                    self.said.extend(piece.iter().take(length.min(room)));
                }
                Err(_) => return true,
            }
        }
        true
    }

    /// It has ended so.
    pub(super) fn ended(mut self, exit: Exit) -> Answer {
        if exit == Exit::Code(0) {
            return Ok(());
        }
        self.listen();
        if let Some(failure) = self.report.as_ref().and_then(failure_in) {
            return Err(format!("exec: {}", cause(&failure.cause)));
        }
        let how = match exit {
            Exit::Code(code) => format!("exec exited {code}"),
            Exit::Signal(signal) => format!("exec killed by {}", signal_name(signal)),
            Exit::Unknown => "exec ended, status unknown".to_owned(),
        };
        let lines = self.said.split(|byte| *byte == b'\n').map(notice::clean);
        let said = lines.into_iter().find(|line| !line.is_empty());
        Err(said.map_or(how.clone(), |said| format!("{how}: {said}")))
    }
}
