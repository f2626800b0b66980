//! Captured output: the pipes, and the logger that empties them.
//!
//! One pipe for each captured stream for as long as it is captured, not one for each start. The
//! daemon only keeps it; bytes never pass through the daemon. Either of daemon, logger and
//! program may end at any moment: what is in the pipe stays there. A logger that ends is
//! started again, and gets all pipes anew.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::logger::{Order, Report, Stream};
use crate::sys::channel::Channel;
use crate::sys::pipe::Pipe;
use crate::sys::poll::Interest;
use crate::sys::spawn::{Failure, Launcher, Mode, Recipe};

/// A stream of a process: program, number, and which of the two.
pub(super) type Key = (Rc<str>, u32, Which);

/// One of a process's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Which {
    Stdout,
    Stderr,
}

/// How a captured stream is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) path: PathBuf,
    pub(super) max_bytes: u64,
    pub(super) keep: u32,
    pub(super) timestamps: bool,
    pub(super) owner: Option<(u32, u32)>,
}

/// All captured streams, and the logger.
#[derive(Debug, Default)]
pub(super) struct Captures {
    pipes: BTreeMap<Key, Captured>,
    keys: HashMap<u64, Key>,
    last_id: u64,
    logger: Option<Logger>,
    /// Those that are captured no more, the last few: should the logger end before it has
    /// emptied them, the next one does.
    leaving: VecDeque<Captured>,
    /// What it has not been told yet.
    orders: VecDeque<Order>,
    /// When one that ended too soon is started again.
    not_before: Option<Instant>,
    /// When orders go on, if no descriptor was free to send with the next.
    held_until: Option<Instant>,
    /// No more output will come: a logger that ends now has done its work.
    is_closing: bool,
}

/// One of them.
#[derive(Debug)]
struct Captured {
    id: u64,
    pipe: Pipe,
    settings: Settings,
    /// Bytes that were lost since the daemon started.
    lost: u64,
    /// Whether they are being lost right now.
    is_losing: bool,
}

#[derive(Debug)]
struct Logger {
    pid: i32,
    /// None: it has been told all, and ends when it has moved all.
    channel: Option<Channel>,
}

/// How long after its end a logger is started again.
const PAUSE: Duration = Duration::from_millis(200);

/// How many of those that are captured no more are kept.
const LEAVING: usize = 16;

/// The longest report, in bytes.
const LONGEST: usize = 64 * 1024;

impl Which {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Captures {
    /// The descriptor for a start: of the pipe there is, or of a new one. From now on it is kept
    /// as `settings` say.
    ///
    /// # Errors
    /// Those of making a pipe, and of giving it away.
    pub(super) fn open(&mut self, key: Key, settings: Settings) -> io::Result<File> {
        if !self.pipes.contains_key(&key) {
            self.add(key.clone(), settings.clone())?;
        }
        self.change(&key, settings);
        let Some(captured) = self.pipes.get(&key) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Some((user, group)) = captured.settings.owner {
            captured.pipe.give(user, group)?;
        }
        captured.pipe.writer()
    }

    fn add(&mut self, key: Key, settings: Settings) -> io::Result<()> {
        let pipe = Pipe::new()?;
        self.last_id += 1;
        let id = self.last_id;
        self.orders.push_back(Order::Add(stream(id, &settings)));
        self.keys.insert(id, key.clone());
        self.pipes.insert(key, Captured { id, pipe, settings, lost: 0, is_losing: false });
        Ok(())
    }

    /// Keeps a stream as `settings` say from its next byte on, if it is captured.
    pub(super) fn change(&mut self, key: &Key, settings: Settings) {
        let Some(captured) = self.pipes.get_mut(key) else { return };
        if captured.settings != settings {
            self.orders.push_back(Order::Change(stream(captured.id, &settings)));
            captured.settings = settings;
        }
    }

    /// A stream is captured no more. What is in its pipe still goes to its file.
    pub(super) fn close(&mut self, key: &Key) {
        if let Some(captured) = self.pipes.remove(key) {
            self.orders.push_back(Order::Remove { id: captured.id });
            self.leaving.push_back(captured);
            if self.leaving.len() > LEAVING {
                let oldest = self.leaving.pop_front();
                self.keys.retain(|id, _| oldest.as_ref().is_none_or(|oldest| oldest.id != *id));
            }
        }
    }

    /// Where a stream goes, if it is captured.
    pub(super) fn settings(&self, key: &Key) -> Option<&Settings> {
        self.pipes.get(key).map(|captured| &captured.settings)
    }

    /// Has the files of a stream emptied. Its number, for the answer.
    ///
    /// # Errors
    /// Those of making a pipe, for one that was not captured yet.
    pub(super) fn clear(&mut self, key: &Key, settings: Settings) -> io::Result<u64> {
        if !self.pipes.contains_key(key) {
            self.add(key.clone(), settings)?;
        }
        let id = self.pipes.get(key).map_or(0, |captured| captured.id);
        self.orders.push_back(Order::Clear { id });
        Ok(id)
    }

    /// Has it done again for those whose answer the last logger owes.
    pub(super) fn clear_again(&mut self, ids: impl Iterator<Item = u64>) {
        for id in ids {
            if !self.orders.contains(&Order::Clear { id }) {
                self.orders.push_back(Order::Clear { id });
            }
        }
    }

    /// Opens all files anew.
    pub(super) fn reopen(&mut self) {
        if self.logger.is_some() {
            self.orders.push_back(Order::Reopen);
        }
    }

    /// The numbers of a process's pipes.
    pub(super) fn pipes_of(&self, program: &Rc<str>, index: u32) -> (Option<u64>, Option<u64>) {
        let of = |which| self.pipes.get(&(program.clone(), index, which))?.pipe.number();
        (of(Which::Stdout), of(Which::Stderr))
    }

    /// Bytes of a process's output that were lost.
    pub(super) fn lost(&self, program: &Rc<str>, index: u32) -> u64 {
        let of = |which| self.pipes.get(&(program.clone(), index, which)).map_or(0, |c| c.lost);
        of(Which::Stdout) + of(Which::Stderr)
    }

    /// Counts what was lost. The stream, and whether this is news.
    pub(super) fn count_lost(&mut self, id: u64, bytes: u64) -> Option<(Key, bool)> {
        let key = self.keys.get(&id)?.clone();
        let captured = self.pipes.get_mut(&key)?;
        captured.lost += bytes;
        let is_news = !std::mem::replace(&mut captured.is_losing, true);
        Some((key, is_news))
    }

    /// A stream is recorded again. The stream, and what it lost in all.
    pub(super) fn recovered(&mut self, id: u64) -> Option<(Key, u64)> {
        let key = self.keys.get(&id)?.clone();
        let captured = self.pipes.get_mut(&key)?;
        captured.is_losing = false;
        Some((key, captured.lost))
    }

    /// Whether a logger has to be started now.
    pub(super) fn wants_logger(&self, now: Instant) -> bool {
        let has_work = !self.pipes.is_empty() || !self.orders.is_empty();
        let may_start = self.not_before.is_none_or(|at| at <= now) && !self.is_closing;
        has_work && self.logger.is_none() && may_start
    }

    /// When one has to be started.
    pub(super) fn due(&self) -> Option<Instant> {
        let has_work = !self.pipes.is_empty() || !self.orders.is_empty();
        let waits = has_work && self.logger.is_none() && !self.is_closing;
        let start = self.not_before.filter(|_| waits);
        [start, self.held_until].into_iter().flatten().min()
    }

    /// Starts the logger and has it told of all pipes.
    ///
    /// # Errors
    /// Why not. It is tried again in a while.
    pub(super) fn start_logger(
        &mut self,
        launcher: &mut Launcher,
        null: BorrowedFd<'_>,
        now: Instant,
    ) -> Result<i32, Failure> {
        self.not_before = Some(now + PAUSE);
        let launching = |cause| Failure { step: crate::sys::spawn::Step::Launching, cause };
        let (ours, theirs) = Channel::pair().map_err(launching)?;
        let time_zone =
            std::env::var("TZ").ok().and_then(|tz| CString::new(format!("TZ={tz}")).ok());
        let recipe = Recipe {
            argv: vec![c"taskmaster".to_owned(), c"logger".to_owned()],
            envp: time_zone.into_iter().collect(),
            // The file of this very process, whatever has become of its name.
            files: vec![c"/proc/self/exe".to_owned()],
            stdio: [theirs.as_fd().as_raw_fd(), null.as_raw_fd(), null.as_raw_fd()],
            folder: Some(c"/".to_owned()),
            umask: Some(0o022),
            ids: None,
            limits: Vec::new(),
            nice: None,
            oom_score_adj: None,
            no_new_privs: true,
            record: None,
        };
        let child = launcher.launch(&recipe, Mode::Together)?;
        let all = self.pipes.values().chain(&self.leaving);
        let adds: Vec<Order> = all.map(|c| Order::Add(stream(c.id, &c.settings))).collect();
        let removes = self.leaving.iter().map(|c| Order::Remove { id: c.id });
        let removes: Vec<Order> = removes.collect();
        // Of what the last one was not told any more, only what concerns files is still to be done.
        let clears = self.orders.drain(..).filter(|order| matches!(order, Order::Clear { .. }));
        let clears: Vec<Order> = clears.collect();
        self.orders = adds.into_iter().chain(removes).chain(clears).collect();
        self.logger = Some(Logger { pid: child.pid, channel: Some(ours) });
        Ok(child.pid)
    }

    /// Whether this is the logger's pid.
    pub(super) fn is_logger(&self, pid: i32) -> bool {
        self.logger.as_ref().is_some_and(|logger| logger.pid == pid)
    }

    /// The logger has ended.
    pub(super) fn logger_ended(&mut self) {
        self.logger = None;
    }

    /// No more output will come: the logger moves what there is, and ends. True: it has.
    pub(super) fn is_closed(&mut self) -> bool {
        self.is_closing = true;
        let Some(logger) = &mut self.logger else { return true };
        if self.orders.is_empty() {
            logger.channel = None;
        }
        false
    }

    /// Sends orders, as many as the channel takes.
    pub(super) fn flush(&mut self, now: Instant) {
        if self.held_until.is_some_and(|until| until > now) {
            return;
        }
        self.held_until = None;
        let Some(channel) = self.logger.as_ref().and_then(|logger| logger.channel.as_ref()) else {
            return;
        };
        while let Some(order) = self.orders.front() {
            let reader = match order {
                Order::Add(stream) => {
                    let key = self.keys.get(&stream.id);
                    let captured = key.and_then(|key| self.pipes.get(key));
                    let captured = captured.filter(|captured| captured.id == stream.id);
                    let leaving = || self.leaving.iter().find(|left| left.id == stream.id);
                    captured.or_else(leaving).map(|captured| captured.pipe.reader())
                }
                _ => None,
            };
            let reader = match (order, reader) {
                // Removed before it could be told of.
                (Order::Add(_), None) => {
                    self.orders.pop_front();
                    continue;
                }
                (_, Some(Err(_))) => {
                    self.held_until = Some(now + PAUSE);
                    return;
                }
                (_, Some(Ok(reader))) => Some(reader),
                (_, None) => None,
            };
            let Ok(message) = order.encode() else {
                self.orders.pop_front();
                continue;
            };
            match channel.send(&message, reader.as_ref().map(AsFd::as_fd)) {
                Ok(()) => {
                    self.orders.pop_front();
                }
                // It takes no more for now, or is gone: then its end is seen.
                Err(_) => return,
            }
        }
    }

    /// What the logger has to tell.
    pub(super) fn reports(&mut self) -> Vec<Report> {
        let Some(channel) = self.logger.as_ref().and_then(|logger| logger.channel.as_ref()) else {
            return Vec::new();
        };
        let mut buffer = vec![0; LONGEST];
        let mut reports = Vec::new();
        while let Ok((length @ 1.., _)) = channel.recv(&mut buffer) {
            reports.extend(Report::decode(buffer.get(..length).unwrap_or_default()));
        }
        reports
    }

    /// The channel, and what to poll it for.
    pub(super) fn channel(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        let channel = self.logger.as_ref()?.channel.as_ref()?;
        let sends = !self.orders.is_empty() && self.held_until.is_none();
        Some((channel.as_fd(), if sends { Interest::Both } else { Interest::Read }))
    }
}

fn stream(id: u64, settings: &Settings) -> Stream {
    let Settings { path, max_bytes, keep, timestamps, owner } = settings.clone();
    Stream { id, path, max_bytes, keep, timestamps, owner }
}
