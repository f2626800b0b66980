//! Captured output: the pipes, and the logger that empties them.
//!
//! One pipe for each captured stream for as long as it is captured, not one for each start. The
//! daemon only keeps it; bytes never pass through the daemon. Either of daemon, logger and
//! program may end at any moment: what is in the pipe stays there. A logger that ends is
//! started again, and gets all pipes anew.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::handover::KeptLoss;
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

    /// What streams lost before they were captured no more, for the next version.
    pub(super) fn keep_lost(&self) -> Vec<KeptLoss> {
        let keep = |((program, index, which), bytes): (&Key, &u64)| KeptLoss {
            of: (program.to_string(), *index, which.name().to_owned()),
            bytes: *bytes,
        };
        self.lost_before.iter().map(keep).collect()
    }

    /// What the version before this one kept of that.
    pub(super) fn take_up_lost(&mut self, lost: Vec<KeptLoss>) {
        for KeptLoss { of: (program, index, which), bytes } in lost {
            if let Some(which) = Which::parse(&which) {
                self.lost_before.insert((Rc::from(program), index, which), bytes);
            }
        }
    }

    /// The numbers of a process's pipes.
    pub(super) fn pipes_of(&self, program: &Rc<str>, index: u32) -> (Option<u64>, Option<u64>) {
        let of = |which| self.pipes.get(&(program.clone(), index, which))?.pipe.number();
        (of(Which::Stdout), of(Which::Stderr))
    }

    /// Bytes of a process's output that were lost.
    pub(super) fn lost(&self, program: &Rc<str>, index: u32) -> u64 {
        let of = |which| {
            let key = (program.clone(), index, which);
            let now = self.pipes.get(&key).and_then(|captured| self.known.get(&captured.id));
            now.map_or(0, |known| known.lost) + self.lost_before.get(&key).unwrap_or(&0)
        };
        of(Which::Stdout) + of(Which::Stderr)
    }

    /// Counts what was lost. The stream, if that is news.
    pub(super) fn count_lost(&mut self, id: u64, bytes: u64) -> Option<Whose> {
        let known = self.known.get_mut(&id)?;
        known.lost += bytes;
        if known.is_leaving
            && known.was_of.is_none()
            && let Some(lost) = self.lost_before.get_mut(&known.key)
        {
            *lost += bytes;
        }
        let is_news = !known.is_losing && (bytes > 0 || !known.is_leaving);
        known.is_losing |= is_news;
        is_news.then(|| known.whose())
    }

    /// A stream is recorded again. The stream, and what it lost in all.
    pub(super) fn recovered(&mut self, id: u64) -> Option<(Whose, u64)> {
        // Two may tell of the same: one that ended, and the one in its place.
        let was_losing = std::mem::take(&mut self.known.get_mut(&id)?.is_losing);
        let known = self.known.get(&id).filter(|_| was_losing)?;
        Some((known.whose(), self.lost_in_all(known)))
    }

    /// What a stream lost since the daemon started, however often it was captured anew.
    fn lost_in_all(&self, known: &Known) -> u64 {
        match self.lost_before.get(&known.key) {
            // In which its own count is, too.
            Some(before) if known.is_leaving && known.was_of.is_none() => *before,
            Some(before) if !known.is_leaving => known.lost + before,
            _ => known.lost,
        }
    }

    /// The logger has emptied a stream that is captured no more. If it lost bytes to the end: the
    /// stream, and what it lost in all.
    pub(super) fn removed(&mut self, id: u64) -> Option<(Whose, u64)> {
        if !self.known.get(&id)?.is_leaving {
            return None;
        }
        self.leaving.retain(|left| left.id != id);
        let known = self.known.remove(&id)?;
        known.is_losing.then(|| (known.whose(), self.lost_in_all(&known)))
    }

    /// Those that lose bytes to the end, with what they lost in all. Once.
    pub(super) fn lost_to_the_end(&mut self) -> Vec<(Whose, u64)> {
        let losing = self.known.values().filter(|known| known.is_losing);
        let all = losing.map(|known| (known.whose(), self.lost_in_all(known))).collect();
        self.known.values_mut().for_each(|known| known.is_losing = false);
        all
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: u32) -> Key {
        (Rc::from("a"), index, Which::Stdout)
    }

    /// The stream of a process that is gone.
    fn gone(index: u32) -> Whose {
        (key(index), Some(format!("a:{index}")))
    }

    /// Captures a stream of each of so many processes. Their numbers.
    fn captured(captures: &mut Captures, count: u32) -> Vec<u64> {
        let path = PathBuf::from("a.log");
        let settings = Settings { path, max_bytes: 0, keep: 0, timestamps: false, owner: None };
        for index in 0..count {
            captures.open(key(index), settings.clone()).unwrap();
        }
        (0..count).map(|index| captures.pipes[&key(index)].id).collect()
    }

    #[test]
    fn a_stream_that_recovers_as_it_leaves_is_not_lost_to_the_end() {
        let mut captures = Captures::default();
        let id = captured(&mut captures, 1)[0];
        assert_eq!(captures.count_lost(id, 5), Some((key(0), None)));
        captures.close(&key(0), Some("a:0"));
        assert_eq!(captures.count_lost(id, 7), None);
        assert_eq!(captures.recovered(id), Some((gone(0), 12)));
        assert_eq!(captures.removed(id), None);
    }

    #[test]
    fn what_a_stream_that_leaves_loses_is_news_once_and_lost_to_the_end_once_it_is_removed() {
        let mut captures = Captures::default();
        let id = captured(&mut captures, 1)[0];
        captures.close(&key(0), Some("a:0"));
        // One that was under way already, and the last.
        assert_eq!(captures.count_lost(id, 5), Some(gone(0)));
        assert_eq!(captures.count_lost(id, 7), None);
        assert_eq!(captures.removed(id), Some((gone(0), 12)));
        assert_eq!(captures.removed(id), None);
        assert_eq!((captures.leaving.len(), captures.known.len()), (0, 0));
    }

    #[test]
    fn what_a_stream_lost_counts_as_long_as_its_process_is_there() {
        let mut captures = Captures::default();
        let lost = |captures: &Captures| captures.lost(&Rc::from("a"), 0);
        let first = captured(&mut captures, 1)[0];
        captures.count_lost(first, 5);
        captures.release(&key(0));
        assert_eq!(lost(&captures), 5);
        let second = captured(&mut captures, 1)[0];
        captures.count_lost(first, 7);
        captures.count_lost(second, 1);
        assert_eq!(lost(&captures), 13);
        assert_eq!(captures.removed(first), Some(((key(0), None), 12)));
        assert_eq!(captures.recovered(second), Some(((key(0), None), 13)));

        captures.close(&key(0), Some("a:0"));
        captures.count_lost(second, 1);
        assert_eq!(captures.removed(second), Some((gone(0), 14)));
        captured(&mut captures, 1);
        assert_eq!(lost(&captures), 0);
    }

    #[test]
    fn two_loggers_that_tell_of_the_same_recovery_make_one() {
        let mut captures = Captures::default();
        let id = captured(&mut captures, 1)[0];
        captures.count_lost(id, 5);
        assert_eq!(captures.recovered(id), Some(((key(0), None), 5)));
        assert_eq!(captures.recovered(id), None);
    }

    #[test]
    fn however_many_leave_at_once_what_each_loses_is_counted() {
        let mut captures = Captures::default();
        let ids = captured(&mut captures, 20);
        (0..20).for_each(|index| captures.close(&key(index), Some(&format!("a:{index}"))));
        assert_eq!(captures.leaving.len(), LEAVING);
        for (index, id) in (0..20).zip(ids) {
            assert_eq!(captures.count_lost(id, 5), Some(gone(index)));
            assert_eq!(captures.removed(id), Some((gone(index), 5)));
        }
        assert_eq!((captures.leaving.len(), captures.known.len()), (0, 0));
    }
}
