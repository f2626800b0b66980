//! The logger of a daemon that was killed is found by its door, and tells of its streams.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::{Captures, Heard, LONGEST, Logger, hear};
use crate::daemon::capture::{Key, Settings, Which, stream};
use crate::logger::{Order, Report, Stream};
use crate::supervisor::Pid;
use crate::sys::channel::Channel;
use crate::sys::pidfd::PidFd;
use crate::sys::pipe::Pipe;
use crate::sys::poll::{Interest, Poller};
use crate::sys::{clock, door, signals};

/// How long one that is found may take to tell what it has.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one may take to end that has closed its door.
const LAST: Duration = Duration::from_millis(100);

/// What was behind a door.
struct Found {
    channel: Channel,
    streams: Vec<(Stream, OwnedFd)>,
}

impl Captures {
    /// Finds the logger of an earlier daemon and takes its pipes; or two, of which one was to take the
    /// place of the other: it still is. Should one be there and not answer, it is ended: two must not
    /// read from one pipe. What is in the pipes stays there.
    ///
    /// # Errors
    /// Why one is ended.
    pub(in crate::daemon) fn find_loggers(
        &mut self,
        doors: &[PathBuf; 2],
        known: &[(Pid, u64)],
    ) -> Result<(), String> {
        let held = known.iter().filter_map(|(pid, seen)| PidFd::open(*pid, *seen).ok().flatten());
        let mut held: Vec<PidFd> = held.filter(|logger| !logger.wait(Duration::ZERO)).collect();
        let last = held.pop();
        let before = held.pop();
        let is_of = |held: &Option<PidFd>| held.as_ref().map(PidFd::identity);
        let [in_place, meanwhile] = doors.each_ref().map(|door| enter(door));
        let why = [&in_place, &meanwhile].map(|found| found.as_ref().err().map(crate::sys::cause));
        let [why_in_place, why_meanwhile] = why;
        let (silent, why) = match (in_place, meanwhile) {
            (Ok(first), Ok(second)) => {
                self.before = Some(Logger::new(is_of(&before), false, first.channel));
                self.logger = Some(Logger::new(is_of(&last), false, second.channel));
                self.orders.push_back(Order::Await);
                self.take_back_both(first.streams, second.streams);
                (Vec::new(), None)
            }
            // The one before lives as long as its door is in place.
            (Ok(found), Err(_)) if before.is_some() => {
                self.go_on_with(found, is_of(&before));
                (vec![last], why_meanwhile)
            }
            (Ok(found), Err(_)) => {
                self.go_on_with(found, is_of(&last));
                (Vec::new(), None)
            }
            (Err(_), Ok(found)) => {
                self.go_on_with(found, is_of(&last));
                let [in_place, meanwhile] = doors;
                let _ = std::fs::rename(meanwhile, in_place);
                (vec![before], why_in_place)
            }
            (Err(_), Err(_)) => (vec![before, last], why_in_place),
        };
        // One that has just come to its end by itself was not silent.
        let silent = silent.into_iter().flatten().filter(|logger| !logger.wait(LAST));
        let silent: Vec<PidFd> = silent.collect();
        for logger in &silent {
            let _ = logger.send(signals::KILL, false);
            logger.wait(PATIENCE);
        }
        match why.filter(|_| !silent.is_empty()) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    fn go_on_with(&mut self, found: Found, known: Option<(Pid, u64)>) {
        self.logger = Some(Logger::new(known, false, found.channel));
        found.streams.into_iter().for_each(|(stream, end)| self.take_back(stream, &end));
    }

    /// What the second does not hold yet, it is given. Whether a stream loses bytes the first knows.
    fn take_back_both(&mut self, first: Vec<(Stream, OwnedFd)>, second: Vec<(Stream, OwnedFd)>) {
        let losing = first.iter().filter(|(stream, _)| stream.is_losing);
        let losing: BTreeSet<u64> = losing.map(|(stream, _)| stream.id).collect();
        let held: BTreeSet<u64> = second.iter().map(|(stream, _)| stream.id).collect();
        let not_held = first.into_iter().filter(|(stream, _)| !held.contains(&stream.id));
        let mut all: Vec<_> = second.into_iter().chain(not_held).collect();
        all.sort_by_key(|(stream, _)| stream.id);
        for (stream, end) in all {
            if !held.contains(&stream.id) {
                self.orders.push_back(Order::Add(stream.clone()));
            }
            let is_losing = losing.contains(&stream.id);
            self.take_back(Stream { is_losing, ..stream }, &end);
        }
    }

    /// Takes a stream up. They come by their numbers: one whose place it takes is captured no more, as
    /// its logger was not told any more.
    fn take_back(&mut self, stream: Stream, end: &OwnedFd) {
        let is_losing = stream.is_losing;
        let (id, key, settings) = read(stream);
        self.last_id = self.last_id.max(id);
        match (key, Pipe::of(end)) {
            (Some(key), Ok(pipe)) => {
                self.release(&key);
                self.put(key, id, pipe, settings);
                if let Some(known) = self.known.get_mut(&id) {
                    known.is_losing = is_losing;
                }
            }
            _ => self.orders.push_back(Order::Remove { id }),
        }
    }

    /// The pipe of this number is had from the process that writes to it, unless it is here.
    pub(in crate::daemon) fn have_back(
        &mut self,
        key: Key,
        settings: Settings,
        pid: Pid,
        number: u64,
    ) {
        if self.pipes.contains_key(&key) {
            return;
        }
        if let Some(pipe) = Pipe::of_process(pid, number) {
            self.last_id += 1;
            self.orders.push_back(Order::Add(stream(self.last_id, &key, &settings)));
            self.put(key, self.last_id, pipe, settings);
        }
    }
}

fn enter(door: &Path) -> io::Result<Found> {
    let channel = door::enter(door)?;
    let until = clock::now() + PATIENCE;
    let mut buffer = vec![0; LONGEST];
    let mut streams = Vec::new();
    let mut poller = Poller::new();
    loop {
        match hear(&channel, &mut buffer) {
            Heard::Report(Report::HoldsNoMore, _) => return Ok(Found { channel, streams }),
            Heard::Report(Report::Holds(stream), Some(end)) => streams.push((stream, end)),
            Heard::Report(..) => {}
            Heard::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Heard::Nothing if clock::now() >= until => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Heard::Nothing => {
                poller.clear();
                poller.add(channel.as_fd(), Interest::Read);
                poller.wait(Some(until.saturating_duration_since(clock::now())))?;
            }
        }
    }
}

/// A stream as the logger keeps it, and whose it is.
fn read(stream: Stream) -> (u64, Option<Key>, Settings) {
    let Stream { id, name, path, max_bytes, keep, timestamps, owner, .. } = stream;
    let mut words = name.split(' ');
    let program = words.next().map(Rc::from);
    let index = words.next().and_then(|index| index.parse().ok());
    let which = words.next().and_then(Which::parse);
    let key =
        program.zip(index).zip(which).map(|((program, index), which)| (program, index, which));
    (id, key, Settings { path, max_bytes, keep, timestamps, owner })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of this key, as a logger that holds it tells of it.
    fn held(id: u64, key: &Key) -> (Stream, OwnedFd) {
        let path = PathBuf::from("a.log");
        let settings = Settings { path, max_bytes: 0, keep: 0, timestamps: false, owner: None };
        (stream(id, key, &settings), Pipe::new().unwrap().reader().unwrap())
    }

    #[test]
    fn of_two_loggers_streams_the_last_one_of_a_process_counts_and_the_one_before_it_leaves() {
        let [a, b] = [0, 1].map(|index| (Rc::from("a"), index, Which::Stdout));
        let mut captures = Captures::default();
        let (losing, end) = held(2, &b);
        let losing = (Stream { is_losing: true, ..losing }, end);
        captures.take_back_both(vec![held(1, &a), losing], vec![held(2, &b), held(3, &a)]);
        assert_eq!([&a, &b].map(|key| captures.pipes[key].id), [3, 2]);
        assert!(captures.known[&1].is_leaving && captures.known[&2].is_losing);
        assert_eq!(captures.leaving.len(), 1);
        let told = captures.orders.make_contiguous();
        let [Order::Add(first), Order::Remove { id: 1 }] = told else { panic!("{told:?}") };
        assert_eq!(first.id, 1);
    }
}
