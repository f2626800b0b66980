//! Captured output: the pipes, and the logger that empties them.
//!
//! One pipe for each captured stream for as long as it is captured, not one for each start. The
//! daemon only keeps it; bytes never pass through the daemon. Either of daemon, logger and
//! program may end at any moment: what is in the pipe stays there. A logger that ends is
//! started again, and gets all pipes anew.

mod lost;

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::logger::{Attempts, Logger};
use crate::logger::{Order, Stream};
use crate::sys::pipe::Pipe;
use crate::sys::poll::Interest;

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
    pub(super) pipes: BTreeMap<Key, Captured>,
    /// Every stream that the logger may yet tell of, by its number.
    pub(super) known: BTreeMap<u64, Known>,
    pub(super) last_id: u64,
    pub(super) logger: Option<Logger>,
    /// The one whose place it takes, until that has ended: see [`super::logger`].
    pub(super) before: Option<Logger>,
    /// The pipes that are captured no more, until the logger has emptied them, and no more than a
    /// few: should it end before that, the next one does.
    pub(super) leaving: VecDeque<Captured>,
    /// Bytes that were lost of streams that are captured no more, or anew, before that: of processes
    /// that are still configured.
    pub(super) lost_before: BTreeMap<Key, u64>,
    /// What it has not been told yet.
    pub(super) orders: VecDeque<Order>,
    /// How those before it fared.
    pub(super) attempts: Attempts,
    /// When orders go on, if no descriptor was free to send with the next.
    held_until: Option<Instant>,
    /// No more output will come: a logger that ends now has done its work.
    pub(super) is_closing: bool,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) id: u64,
    pub(super) pipe: Pipe,
    pub(super) settings: Settings,
}

/// What is known of one, whether its pipe is still here or not.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) key: Key,
    /// Bytes that were lost since the daemon started, or began to capture it.
    pub(super) lost: u64,
    /// Whether they are being lost right now, as far as was told.
    pub(super) is_losing: bool,
    /// Captured no more: it is known until the logger has emptied it.
    pub(super) is_leaving: bool,
    /// What its process was called, if that is gone.
    pub(super) was_of: Option<String>,
}

/// A stream, and what its process was called, if that is gone.
pub(super) type Whose = (Key, Option<String>);

impl Known {
    /// One of which there is nothing to tell.
    pub(super) fn new(key: Key) -> Self {
        Self { key, lost: 0, is_losing: false, is_leaving: false, was_of: None }
    }

    fn whose(&self) -> Whose {
        (self.key.clone(), self.was_of.clone())
    }
}

/// How long orders wait for a descriptor that is free.
const PAUSE: Duration = Duration::from_millis(200);

/// How many pipes of those that are captured no more are kept.
const LEAVING: usize = 16;

impl Which {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// The one of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Stdout, Self::Stderr].into_iter().find(|which| which.name() == name)
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
        self.orders.push_back(Order::Add(stream(id, &key, &settings)));
        self.put(key, id, pipe, settings);
        Ok(())
    }

    /// Keeps a stream as `settings` say from its next byte on, if it is captured.
    pub(super) fn change(&mut self, key: &Key, settings: Settings) {
        let Some(captured) = self.pipes.get_mut(key) else { return };
        if captured.settings != settings {
            self.orders.push_back(Order::Change(stream(captured.id, key, &settings)));
            captured.settings = settings;
        }
    }

    /// All streams that are captured.
    pub(super) fn all(&self) -> Vec<Key> {
        self.pipes.keys().cloned().collect()
    }

    /// A stream is captured no more, and its process stays: so does the count of what it lost.
    pub(super) fn release(&mut self, key: &Key) {
        if let Some(captured) = self.pipes.get(key) {
            let lost = self.known.get(&captured.id).map_or(0, |known| known.lost);
            *self.lost_before.entry(key.clone()).or_default() += lost;
            self.part(key, None);
        }
    }

    /// A stream of a process that is gone is captured no more. What that was called, if it is known.
    pub(super) fn close(&mut self, key: &Key, was_of: Option<&str>) {
        let before = self.lost_before.remove(key).unwrap_or(0);
        let captured = self.pipes.get(key);
        if let Some(known) = captured.and_then(|captured| self.known.get_mut(&captured.id)) {
            known.lost += before;
        }
        self.part(key, was_of);
    }

    /// What is in its pipe still goes to its file.
    fn part(&mut self, key: &Key, was_of: Option<&str>) {
        if let Some(captured) = self.pipes.remove(key) {
            self.orders.push_back(Order::Remove { id: captured.id });
            if let Some(known) = self.known.get_mut(&captured.id) {
                known.is_leaving = true;
                known.was_of = was_of.map(str::to_owned);
            }
            self.leaving.push_back(captured);
            if self.leaving.len() > LEAVING {
                self.leaving.pop_front();
            }
        }
    }

    /// Where a stream goes, if it is captured.
    pub(super) fn settings(&self, key: &Key) -> Option<&Settings> {
        self.pipes.get(key).map(|captured| &captured.settings)
    }

    /// Whether something of a stream is still to be moved to its file.
    pub(super) fn has_unrecorded(&self, key: &Key) -> bool {
        self.logger.is_some()
            && self.pipes.get(key).is_some_and(|captured| !captured.pipe.is_empty())
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

    /// Why no stream can be cleared now, if so: there is no logger, and none that lives.
    pub(super) fn why_not_clear(&self) -> Option<&str> {
        self.attempts.hopeless().filter(|_| self.logger.is_none())
    }

    /// Whether some of what a process has printed may still be on its way to its log.
    pub(super) fn may_write(&self, program: &str, index: u32) -> bool {
        let is_its = |known: &Known| *known.key.0 == *program && known.key.1 == index;
        self.why_not_clear().is_none() && self.known.values().any(is_its)
    }

    /// What was to be cleared is not: who asked for it was told so.
    pub(super) fn clear_nothing(&mut self) {
        self.orders.retain(|order| !matches!(order, Order::Clear { .. }));
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

    /// Whether there is something to capture, to empty or to do.
    fn has_work(&self) -> bool {
        !self.known.is_empty() || !self.orders.is_empty()
    }

    /// Whether a logger has to be started now.
    pub(super) fn wants_logger(&self, now: Instant) -> bool {
        let may_start = self.attempts.not_before().is_none_or(|at| at <= now) && !self.is_closing;
        self.lacks_logger() && may_start
    }

    fn lacks_logger(&self) -> bool {
        let is_in_place = |logger: &Logger| !logger.is_outdated || self.before.is_some();
        self.has_work() && !self.logger.as_ref().is_some_and(is_in_place)
    }

    /// When one has to be started.
    pub(super) fn due(&self) -> Option<Instant> {
        let waits = self.lacks_logger() && !self.is_closing;
        let start = self.attempts.not_before().filter(|_| waits);
        [start, self.held_until].into_iter().flatten().min()
    }

    /// Sends orders, as many as the channel takes.
    pub(super) fn flush(&mut self, now: Instant) {
        if self.held_until.is_some_and(|until| until > now) {
            return;
        }
        self.held_until = None;
        let Some(logger) = self.logger.as_mut().filter(|logger| !logger.has_its_last) else {
            return;
        };
        while let Some(at) = next(&self.orders, self.before.as_ref())
            && let Some(order) = self.orders.get(at)
        {
            let with = match order {
                Order::Await => self.before.as_ref().map(Logger::hold),
                Order::Add(stream) => {
                    let known = self.known.get(&stream.id);
                    let captured = known.and_then(|known| self.pipes.get(&known.key));
                    let captured = captured.filter(|captured| captured.id == stream.id);
                    let leaving = || self.leaving.iter().find(|left| left.id == stream.id);
                    captured.or_else(leaving).map(|captured| captured.pipe.reader().map(Some))
                }
                _ => None,
            };
            let with = match (order, with) {
                // Removed, or ended, before it could be told of.
                (Order::Add(_) | Order::Await, None | Some(Ok(None))) => {
                    self.orders.remove(at);
                    continue;
                }
                (_, Some(Err(_))) => {
                    self.held_until = Some(now + PAUSE);
                    return;
                }
                (_, Some(Ok(with))) => with,
                (_, None) => None,
            };
            let Ok(message) = order.encode() else {
                self.orders.remove(at);
                continue;
            };
            match logger.channel.send(&message, with.as_ref().map(AsFd::as_fd)) {
                Ok(()) => {
                    // What comes after it is for the next one.
                    logger.has_its_last = matches!(order, Order::Finish);
                    self.orders.remove(at);
                    if logger.has_its_last {
                        return;
                    }
                }
                // It takes no more for now, or is gone: then its end is seen.
                Err(_) => return,
            }
        }
        // It holds every pipe: the one before it may go.
        if let Some(before) = &mut self.before {
            before.finish();
        }
    }

    /// The channels, and what to poll them for.
    pub(super) fn channels(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Interest)> {
        let has_some = next(&self.orders, self.before.as_ref()).is_some();
        let may_send = self.held_until.is_none();
        let logger = self.logger.as_ref();
        let of_logger = logger.map(|logger| (logger, has_some && !logger.has_its_last));
        let is_told_all = logger.is_some() && !has_some;
        let of_before = self
            .before
            .as_ref()
            .map(|before| (before, is_told_all && before.is_finishing && !before.has_its_last));
        of_before.into_iter().chain(of_logger).map(move |(logger, has_some)| {
            let sends = may_send && has_some;
            (logger.channel.as_fd(), if sends { Interest::Both } else { Interest::Read })
        })
    }
}

/// Where the order is that can be sent next. Until the one before has ended, a logger does no more
/// than take pipes, and that of every stream: what else is to be done waits, whatever came first.
fn next(orders: &VecDeque<Order>, before: Option<&Logger>) -> Option<usize> {
    let is_early = |order: &Order| matches!(order, Order::Await | Order::Add(_));
    orders.iter().position(|order| before.is_none() || is_early(order))
}

pub(super) fn stream(id: u64, (program, index, which): &Key, settings: &Settings) -> Stream {
    let Settings { path, max_bytes, keep, timestamps, owner } = settings.clone();
    let name = format!("{program} {index} {}", which.name());
    Stream { id, name, path, max_bytes, keep, timestamps, owner, is_losing: false }
}
