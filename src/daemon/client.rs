//! One connection: its bytes in and out, and how far the hello has come.
//!
//! Nothing of it can hold up the loop: the socket does not block, a line has a limit, and while what
//! was answered has not been read no further request is taken.

mod kept;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

pub(super) use super::kept::Goal;
use super::tail::Tail;
use super::watch::Watching;
use crate::protocol::hello::{ClientHello, Greeting, Identity, Secret, Side, Welcome, is_nonce};
use crate::protocol::{LINE_LIMIT, LineError, Lines, PROTOCOL, Reply};
use crate::supervisor::Id;
use crate::sys::poll::Interest;

/// How long the hello may take.
pub(super) const HELLO_TIME: Duration = Duration::from_secs(10);

/// With so much unread, in bytes, no further request is taken.
const ENOUGH: usize = 64 * 1024;

/// With so much unread, in bytes, one that follows events is cut off.
const TOO_MUCH: usize = 4 * 1024 * 1024;

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    /// Who it is, for the log.
    pub(super) peer: String,
    /// When it came.
    pub(super) since: Instant,
    lines: Lines,
    out: Vec<u8>,
    sent: usize,
    hello: Hello,
    /// What its last request still waits for.
    pub(super) task: Task,
    /// It has ended, or is to be ended: nothing more is read.
    closing: bool,
    /// Until then it waits for the answer to its hello, which is a refusal.
    held_until: Option<Instant>,
    /// It says nothing more, but may still listen.
    finished: bool,
    /// The connection is broken.
    gone: bool,
}

/// How far the hello has come.
#[derive(Debug)]
enum Hello {
    /// It was greeted with this nonce.
    Greeted(String),
    /// It proved the secret.
    Done,
}

/// What a request still waits for.
#[derive(Debug)]
pub(super) enum Task {
    /// Nothing: the next request may come.
    None,
    /// Processes to get where they were asked to.
    Wait(Waiting),
    /// Every event, until it says otherwise.
    Follow,
    /// Rows that change, until it says otherwise.
    Watch(Watching),
    /// What is added to logs.
    Tail(Tail),
    /// Captured logs to be emptied.
    Clear(Clearing),
    /// The daemon's end.
    Shutdown,
    /// The next version of the daemon.
    Upgrade,
}

/// Captured logs on their way to be empty.
#[derive(Debug)]
pub(super) struct Clearing {
    /// The streams whose answer is out, with the names of their processes.
    pub(super) pending: BTreeMap<u64, String>,
    /// Whether one of them failed.
    pub(super) failed: bool,
}

/// A start, stop or restart under way.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) goal: Goal,
    /// Whose answer is out.
    pub(super) pending: BTreeMap<Id, String>,
    /// How many changes of state there were when it asked: those are not the answer.
    pub(super) since: u64,
    /// When it gives up waiting.
    pub(super) until: Option<Instant>,
    /// Whether one of them failed.
    pub(super) failed: bool,
}

/// What a line of a client's is.
pub(super) enum Incoming {
    /// A request.
    Request(String),
    /// No more of what its last request waits for.
    Interrupt,
    /// It proved the secret just now.
    Proved,
    /// It failed to, for this reason.
    Refused(&'static str),
}

impl Client {
    /// Greets it.
    pub(super) fn new(stream: TcpStream, peer: String, nonce: [u8; 32], now: Instant) -> Self {
        let greeting = Greeting::new(nonce);
        let mut client = Self {
            stream,
            peer,
            since: now,
            lines: Lines::new(LINE_LIMIT),
            out: Vec::new(),
            sent: 0,
            hello: Hello::Greeted(greeting.nonce.clone()),
            task: Task::None,
            closing: false,
            held_until: None,
            finished: false,
            gone: false,
        };
        client.send_json(&greeting);
        client
    }

    /// Whether it has proved the secret.
    pub(super) fn is_proved(&self) -> bool {
        matches!(self.hello, Hello::Done)
    }

    /// Whether nothing is left to do for it. One that only shut its sending side still gets the
    /// answers to what it asked.
    pub(super) fn is_over(&self) -> bool {
        let heard = self.finished && !self.has_more();
        self.gone || ((self.closing || heard) && self.unread() == 0)
    }

    /// Whether there is something of it that can be taken up now.
    pub(super) fn has_more(&self) -> bool {
        self.takes_lines()
            && match self.task {
                Task::None => self.lines.has_line(),
                Task::Follow
                | Task::Watch(_)
                | Task::Wait(_)
                | Task::Tail(_)
                | Task::Clear(_)
                | Task::Shutdown
                | Task::Upgrade => self.interrupts(),
            }
    }

    /// Whether it wants no more of what its last request waits for: it says an empty line, or
    /// nothing any more, and of what would never end, it asks for something else.
    fn interrupts(&self) -> bool {
        let follows = matches!(self.task, Task::Follow | Task::Watch(_) | Task::Tail(_));
        self.finished || self.lines.starts_with_newline() || (follows && self.lines.has_line())
    }

    fn unread(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Whether it has read nearly all that it was sent.
    pub(super) fn has_room(&self) -> bool {
        self.unread() < ENOUGH
    }

    /// What to poll its socket for.
    pub(super) fn interest(&self) -> Interest {
        // One that waits is listened to as well: an empty line ends the wait, and its end is seen.
        let room = self.unread() < ENOUGH && self.lines.len() <= LINE_LIMIT;
        let reads = room && !self.closing && !self.finished;
        match (reads, self.unread() > 0) {
            (true, true) => Interest::Both,
            (true, false) => Interest::Read,
            (false, true) if !self.is_held() => Interest::Write,
            (false, _) => Interest::None,
        }
    }

    /// Reads what has arrived: once, so that one who talks without end takes turns with the others.
    pub(super) fn receive(&mut self) {
        let mut bytes = [0u8; 4 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.finished = true,
            Ok(count) => self.lines.push(bytes.get(..count).unwrap_or_default()),
            Err(error) if is_passing(&error) => {}
            Err(_) => self.gone = true,
        }
    }

    /// The other side is gone for good.
    pub(super) fn lost(&mut self) {
        self.gone = true;
    }

    /// Whether a line may be taken now.
    fn takes_lines(&self) -> bool {
        !self.closing && !self.gone && self.unread() < ENOUGH
    }

    /// The next thing it says, if it may say something now.
    pub(super) fn next_incoming(
        &mut self,
        secret: &Secret,
        identity: impl Fn(String) -> Identity,
    ) -> Option<Incoming> {
        while self.takes_lines() {
            if !matches!(self.task, Task::None) {
                if !self.interrupts() {
                    return None;
                }
                if self.lines.starts_with_newline() {
                    let _ = self.lines.next_line();
                }
                return Some(Incoming::Interrupt);
            }
            let line = match self.lines.next_line()? {
                Ok(line) => line,
                Err(LineError::NotUtf8) if self.is_proved() => {
                    self.send(&Reply::failed(2, "that line is not UTF-8"));
                    continue;
                }
                Err(LineError::NotUtf8) => return Some(self.refuse("its hello is not UTF-8")),
                Err(LineError::TooLong) => return Some(self.refuse("a line is too long")),
            };
            match &self.hello {
                Hello::Done => return Some(Incoming::Request(line)),
                Hello::Greeted(nonce) => {
                    let nonce = nonce.clone();
                    return Some(self.judge_hello(&line, &nonce, secret, identity));
                }
            }
        }
        None
    }

    fn judge_hello(
        &mut self,
        line: &str,
        nonce: &str,
        secret: &Secret,
        identity: impl Fn(String) -> Identity,
    ) -> Incoming {
        let Ok(hello) = serde_json::from_str::<ClientHello>(line) else {
            return self.refuse("its hello is not one; see taskmaster-protocol(7)");
        };
        if hello.protocol != PROTOCOL {
            return self.refuse("it speaks another version of the protocol");
        }
        if !is_nonce(&hello.nonce)
            || !secret.verify(Side::Client, nonce, &hello.nonce, &hello.proof)
        {
            return self.refuse("it does not know the secret");
        }
        let proof = secret.proof(Side::Server, nonce, &hello.nonce);
        self.send_json(&Welcome::In(identity(proof)));
        self.hello = Hello::Done;
        Incoming::Proved
    }

    /// Tells why, and ends the connection.
    fn refuse(&mut self, why: &'static str) -> Incoming {
        if self.is_proved() {
            self.send(&Reply::failed(2, why));
        } else {
            self.send_json(&Welcome::Refused { error: why.to_owned() });
        }
        self.closing = true;
        Incoming::Refused(why)
    }

    /// Queues a reply. One that does not read what it follows is cut off.
    pub(super) fn send(&mut self, reply: &Reply) {
        self.send_line(&reply.to_line());
    }

    /// Queues a finished line.
    pub(super) fn send_line(&mut self, line: &str) {
        if matches!(self.task, Task::Follow) && self.unread() > TOO_MUCH {
            self.gone = true;
        }
        if !self.closing && !self.gone {
            self.out.extend_from_slice(line.as_bytes());
        }
    }

    fn send_json(&mut self, value: &impl serde::Serialize) {
        let line = serde_json::to_string(value).unwrap_or_default();
        self.send_line(&(line + "\n"));
    }

    /// Nothing is sent to it before this time.
    pub(super) fn hold(&mut self, until: Instant) {
        self.held_until = Some(until);
    }

    /// Whether it was refused.
    pub(super) fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    /// Lets what waits be sent if it is time. False: it does not wait.
    pub(super) fn release(&mut self, now: Instant) -> bool {
        self.held_until.take_if(|at| *at <= now).is_some()
    }

    /// Ends the connection once what is queued has been read.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) {
        if self.is_held() {
            return;
        }
        while let Some(rest @ [_, ..]) = self.out.get(self.sent..) {
            match self.stream.write(rest) {
                Ok(0) => break,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_passing(&error) => break,
                Err(_) => {
                    self.gone = true;
                    break;
                }
            }
        }
        if self.sent > ENOUGH {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        if self.unread() == 0 {
            self.out.clear();
            self.out.shrink_to(ENOUGH);
            self.sent = 0;
        }
    }

    /// When something is due for it: the hello's deadline, or the end of a wait.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if !self.is_proved() {
            return self.held_until.or(Some(self.since + HELLO_TIME));
        }
        match &self.task {
            Task::Wait(waiting) => waiting.until,
            // Who does not read is not served.
            Task::Tail(tail) => (self.unread() < ENOUGH).then_some(tail.due),
            Task::None
            | Task::Follow
            | Task::Watch(_)
            | Task::Clear(_)
            | Task::Shutdown
            | Task::Upgrade => None,
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
