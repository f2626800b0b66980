//! `taskmaster logger`: the one process that moves what programs print from pipes to files.
//!
//! The daemon starts it with one end of a [`Channel`] as standard input, and sends it [`Order`]s
//! and, with them, the read sides of pipes. [`Report`]s go the other way. Told to finish, it
//! moves all that can be read by then and ends.
//!
//! A daemon that is killed does not tell. Then it goes on, and waits at its [`Door`], which it was
//! started with as standard output, for the next one; that is told of every stream and gets the pipes.
//! Without a door, or when there is nothing left to capture, it ends.
//!
//! One that is to take the place of another holds the pipes, and moves nothing until that has ended.
//!
//! A turn, in order: wait; read the clock once; obey orders, or else give each pipe that is ready its
//! share; close idle files; send reports; rest, where turns follow each other closely. Orders come
//! first, so that what is printed after one was sent is treated as it says; and no pipe is served in
//! the same turn, since what was ready may be no more. Orders are read only while reports go out: a
//! daemon that does not listen is not answered more and more.
//!
//! The daemon holds each pipe open both ways, so none of them ends. One that does has lost all
//! who could write to it, and is dropped.

mod awaiting;
mod greeting;
mod logs;
mod message;
mod mover;
mod pace;
mod plan;
mod reports;
mod rotate;
mod stamp;
mod step;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use greeting::Greeting;
pub use message::{Order, Report, Stream};
use mover::{Feed, Mover, Turned};
use pace::Pace;
use reports::Reports;
pub use rotate::{numbered, rotate};

use crate::sys::channel::Channel;
use crate::sys::door::Door;
use crate::sys::epoll::Epoll;
use crate::sys::poll::{Interest, Poller};
use crate::sys::timer::Timer;
use crate::sys::{cause, clock, files, limits, process, signals};

/// The numbers of the four descriptors that are no stream's.
const DAEMON: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
const DOOR: u64 = u64::MAX - 2;
const BEFORE: u64 = u64::MAX - 3;

/// So many descriptors are no pipe's, however many streams there are.
const SPARE: u64 = 8;

/// So many pipes are made larger than they come. Each takes 1 MB of what a user may have in pipes, as
/// a rule 64 MB (/proc/sys/fs/pipe-user-pages-soft): once that is used up, every new pipe of the same
/// user's, in any process, is a tiny one.
const LARGE: usize = 16;

/// So long the daemon may take to hear the last reports.
const LAST: Duration = Duration::from_secs(1);

/// As long as an order may be, in bytes: it holds a path, each byte of which may be escaped.
const LONGEST: usize = 64 * 1024;

/// The applet. Its exit status: 0; 1 if the system refuses what it needs; 2 if standard input is
/// not the daemon's.
pub fn run() -> u8 {
    signals::ignore();
    limits::raise_open_files();
    process::set_name(c"taskmaster-log");
    let failed = |what: &str, error: &io::Error| {
        let _ = writeln!(io::stderr(), "taskmaster logger: {what}: {}", cause(error));
    };
    let daemon = match files::fill_stdio().and_then(|()| Channel::from_stdin()) {
        Ok(daemon) => daemon,
        Err(error) => {
            failed("standard input is not a socket of the daemon's", &error);
            return 2;
        }
    };
    match Logger::new(daemon, Door::from_stdout()).and_then(|mut logger| logger.work()) {
        Ok(()) => 0,
        Err(error) => {
            failed("waiting for output", &error);
            1
        }
    }
}

struct Logger {
    epoll: Epoll,
    timer: Timer,
    /// None while there is no daemon.
    daemon: Option<Channel>,
    door: Option<Door>,
    /// The streams that a new daemon is still to be told of.
    greeting: Option<Greeting>,
    /// The logger whose place this one takes, while that lives.
    before: Option<OwnedFd>,
    is_finished: bool,
    feeds: BTreeMap<u64, Feed>,
    mover: Mover,
    reports: Reports,
    /// Whether reports wait for room in the channel.
    is_held_up: bool,
    message: Vec<u8>,
    /// Whether this turn moved something, and no program has to wait for the next.
    may_rest: bool,
}

impl Logger {
    fn new(daemon: Channel, door: Option<Door>) -> io::Result<Self> {
        let (epoll, timer) = (Epoll::new()?, Timer::new()?);
        epoll.add(daemon.as_fd(), DAEMON, Interest::Read)?;
        epoll.add(timer.as_fd(), TIMER, Interest::Read)?;
        if let Some(door) = &door {
            epoll.add(door.as_fd(), DOOR, Interest::Read)?;
        }
        Ok(Self {
            epoll,
            timer,
            daemon: Some(daemon),
            door,
            greeting: None,
            before: None,
            is_finished: false,
            feeds: BTreeMap::new(),
            mover: Mover::new()?,
            reports: Reports::default(),
            is_held_up: false,
            message: vec![0; LONGEST],
            may_rest: false,
        })
    }

    /// Until it is to finish. What is in the pipes is moved then, even after an error.
    fn work(&mut self) -> io::Result<()> {
        let ended = self.turns();
        let now = clock::now();
        let feeds = self.feeds.values_mut().filter(|_| self.before.is_none());
        for feed in feeds {
            feed.hope(now);
            let _ = self.mover.drain(feed, now, &mut self.reports);
        }
        self.say_the_last();
        ended
    }

    /// What was lost to the end is counted, too. A daemon that does not listen is not waited for; its
    /// time begins here, however long a slow disk took until now.
    fn say_the_last(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        let now = clock::now();
        let until = now + LAST;
        self.reports.hurry(now);
        let mut poller = Poller::new();
        while !self.reports.send(daemon, now) {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            poller.clear();
            poller.add(daemon.as_fd(), Interest::Write);
            let _ = poller.wait(Some(left));
        }
    }

    fn turns(&mut self) -> io::Result<()> {
        let mut now = clock::now();
        let mut pace = Pace::new(now);
        loop {
            self.timer.arm(self.deadline(), now)?;
            self.epoll.wait()?;
            now = clock::now();
            self.may_rest = false;
            if !self.turn(now)? {
                return Ok(());
            }
            if pace.is_busy(now) && self.may_rest {
                clock::rest(pace::REST);
            }
        }
    }

    /// Whether there is another.
    fn turn(&mut self, now: Instant) -> io::Result<bool> {
        let is_ready =
            |number| (0..).map_while(|place| self.epoll.event(place)).any(|(id, _)| id == number);
        let (is_called, is_entered) = (is_ready(DAEMON), is_ready(DOOR));
        if is_ready(BEFORE) {
            self.begin(now);
        }
        if is_called && !self.listen(now)? {
            self.let_go();
        }
        if is_entered {
            self.welcome()?;
        }
        if !is_called && !is_entered {
            self.serve_all(now);
        }
        self.mover.logs.sweep(now);
        self.tell(now)?;
        // Alone, it goes on as long as a daemon may come and finds something here.
        let is_alone = self.daemon.is_none() && (self.door.is_none() || self.feeds.is_empty());
        Ok(!self.is_finished && !is_alone)
    }

    /// Obeys all orders that are there. Whether the daemon is.
    fn listen(&mut self, now: Instant) -> io::Result<bool> {
        // There may be room for reports: they come first.
        self.tell(now)?;
        while !self.is_held_up && !self.is_finished {
            let Some(daemon) = &self.daemon else { return Ok(false) };
            match daemon.recv(&mut self.message) {
                Ok((0, _)) => return Ok(false),
                Ok((len, pipe)) => self.heed(len, pipe, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) => return Err(error),
            }
            self.tell(now)?;
        }
        Ok(true)
    }

    fn serve_all(&mut self, now: Instant) {
        let (mut gone, mut was_crowded) = (0, false);
        for place in 0.. {
            match self.epoll.event(place) {
                None => break,
                Some((TIMER, _)) => self.timer.drain(),
                Some((DAEMON | DOOR | BEFORE, _)) => {}
                Some((id, ready)) => {
                    let turned = self.serve(id, ready.gone, now);
                    gone += turned.gone;
                    was_crowded |= turned.was_crowded;
                }
            }
        }
        self.may_rest = gone > 0 && !was_crowded;
    }

    /// Reports that are due count only while the channel takes them.
    fn deadline(&self) -> Option<Instant> {
        let is_heard = self.daemon.is_some() && !self.is_held_up;
        let reports = self.reports.deadline().filter(|_| is_heard);
        self.mover.logs.deadline().into_iter().chain(reports).min()
    }

    /// Sends reports. If not all go out, it waits for room, and for nothing else of the daemon's.
    fn tell(&mut self, now: Instant) -> io::Result<()> {
        let Some(daemon) = &self.daemon else { return Ok(()) };
        let greeted = match &mut self.greeting {
            Some(greeting) => greeting.send(daemon, &self.feeds, &self.reports),
            None => true,
        };
        if greeted {
            self.greeting = None;
        }
        let is_held_up = !(greeted && self.reports.send(daemon, now));
        if is_held_up != self.is_held_up {
            self.is_held_up = is_held_up;
            let interest = if is_held_up { Interest::Write } else { Interest::Read };
            self.epoll.change(daemon.as_fd(), DAEMON, interest)?;
        }
        Ok(())
    }

    /// A stream's share of the turn.
    fn serve(&mut self, id: u64, is_gone: bool, now: Instant) -> Turned {
        let nothing = Turned { gone: 0, was_crowded: false };
        let Some(feed) = self.feeds.get_mut(&id) else { return nothing };
        match self.mover.turn(feed, now, &mut self.reports) {
            Ok(turned) => {
                if turned.gone == 0 && is_gone {
                    self.forget(id);
                } else if turned.was_crowded && feed.may_grow() {
                    self.grow(id);
                }
                turned
            }
            Err(error) => {
                self.give_up(id, &error, now);
                nothing
            }
        }
    }

    /// Its program prints faster than is moved: its pipe gets larger, unless many are.
    fn grow(&mut self, id: u64) {
        let large = self.feeds.values().filter(|feed| feed.is_large()).count();
        if let Some(feed) = self.feeds.get_mut(&id).filter(|_| large < LARGE) {
            feed.grow();
        }
    }

    /// An order of another version's, which is none of ours, is left aside.
    fn heed(&mut self, len: usize, pipe: Option<OwnedFd>, now: Instant) {
        let message = self.message.get(..len).unwrap_or_default();
        if let Ok(order) = Order::decode(message) {
            self.obey(order, pipe, now);
        }
    }

    fn obey(&mut self, order: Order, pipe: Option<OwnedFd>, now: Instant) {
        if !matches!(order, Order::Await | Order::Add(_)) {
            self.outlast(now);
        }
        match order {
            Order::Await => self.hold_back(pipe),
            Order::Add(stream) => self.add(stream, pipe, now),
            Order::Change(stream) => self.change(stream, now),
            Order::Remove { id } => {
                // Its file gets a last try, however short ago one failed.
                if let Some(feed) = self.feeds.get_mut(&id) {
                    feed.hope(now);
                }
                self.drain(id, now);
                self.forget(id);
                self.reports.removed(id);
            }
            Order::Clear { id } => self.clear(id, now),
            Order::Finish => self.is_finished = true,
            Order::Reopen => {
                self.mover.logs.close_all();
                self.feeds.values_mut().for_each(|feed| feed.hope(now));
            }
        }
    }

    fn add(&mut self, stream: Stream, pipe: Option<OwnedFd>, now: Instant) {
        let id = stream.id;
        self.drain(id, now);
        self.forget(id);
        if id >= BEFORE {
            return;
        }
        // The system leaves a descriptor out that would be one too many; and the last ones are for
        // logs, or else no stream could be written.
        let few = |pipe: &OwnedFd| {
            u64::try_from(pipe.as_raw_fd())
                .is_ok_and(|fd| fd < limits::open_files().0.saturating_sub(SPARE))
        };
        let Some(pipe) = pipe.filter(few) else {
            let cause = "receiving its pipe: Too many open files";
            self.reports.lost(id, 0, cause, now);
            return;
        };
        if self.before.is_none()
            && let Err(error) = self.epoll.add(pipe.as_fd(), id, Interest::Read)
        {
            return self.give_up(id, &error, now);
        }
        let was_losing = stream.is_losing;
        let mut feed = Feed::new(stream, pipe);
        if was_losing {
            feed.has_lost(now);
            self.reports.are_known(id, now);
        }
        self.feeds.insert(id, feed);
    }

    fn change(&mut self, stream: Stream, now: Instant) {
        let Some(feed) = self.feeds.get_mut(&stream.id) else { return };
        self.mover.logs.close(stream.id);
        if feed.stream.path == stream.path && stream.keep < feed.stream.keep {
            // Those that it cannot remove are in nobody's way.
            let _ = rotate::remove_beyond(&stream.path, stream.keep);
        }
        feed.stream = stream;
        feed.hope(now);
    }

    fn clear(&mut self, id: u64, now: Instant) {
        // What was printed before goes as well.
        self.drain(id, now);
        let error = match self.feeds.get_mut(&id) {
            None => Some("nothing is captured under this number".to_owned()),
            Some(feed) => {
                feed.hope(now);
                let (path, owner) = (&feed.stream.path, feed.stream.owner);
                let failed = |error| format!("clearing {}: {}", path.display(), cause(&error));
                rotate::clear(path, owner).map_err(failed).err()
            }
        };
        self.reports.cleared(id, error);
    }

    fn drain(&mut self, id: u64, now: Instant) {
        if self.before.is_none()
            && let Some(feed) = self.feeds.get_mut(&id)
            && let Err(error) = self.mover.drain(feed, now, &mut self.reports)
        {
            self.give_up(id, &error, now);
        }
    }

    /// Nothing can be taken out of its pipe: to wait for it again would never end.
    fn give_up(&mut self, id: u64, error: &io::Error, now: Instant) {
        self.forget(id);
        self.reports.lost(id, 0, &format!("reading its pipe: {}", cause(error)), now);
    }

    fn forget(&mut self, id: u64) {
        if let Some(feed) = self.feeds.remove(&id) {
            self.epoll.remove(feed.pipe());
            self.mover.logs.close(id);
        }
        self.reports.ended(id);
    }
}
