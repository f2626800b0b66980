//! Probes: whether processes are ready and whether they are well, by what they say of
//! themselves ([`mailbox`], [`line`]), by what is asked of them ([`flight`], [`attempt`],
//! [`schedule`]), and by what does not come in time ([`late`]).
//!
//! What is watched of a process follows from its state: of one that is STARTING, and was executed,
//! whether it is ready, of one that is RUNNING whether it is well. With its end all of it is dropped at once.
//! At most one probe of a process is in flight. All descriptors are in one epoll(7) set whose own
//! is in the loop's poll set, all deadlines in one ordered set: a turn costs what has happened,
//! and how many probes begin in a turn is bounded.
//!
//! Nothing is decided here: what was heard comes out as [`News`], and [`tend`] hands it on. An
//! upgrade hands all of it over ([`keep`]).

mod attempt;
mod flight;
mod http;
mod keep;
pub(super) mod kept;
mod late;
mod line;
mod mailbox;
mod notice;
mod post;
mod schedule;
mod stage;
mod tend;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use attempt::Attempt;
use line::Line;
use notice::{Notice, Watchdog};
use stage::Stage;
use watch::{Flight, Polled, Watch};

use crate::config::{ReadyHow, Template};
use crate::supervisor::{Id, Pid, Process};
use crate::sys::epoll::Epoll;
use crate::sys::pipe::Pipe;
use crate::sys::poll::Interest;
use crate::sys::{cause, pipe, signals};

/// Descriptors that are dealt with in a turn of the loop.
const DESCRIPTORS_A_TURN: usize = 32;

/// What begins in a turn: a connection takes some ten microseconds, a launch some hundred.
const A_TURN: Budget = Budget { connections: 4, commands: 1 };

/// When a probe is tried again for which the daemon lacked what it takes.
const LATER: Duration = Duration::from_millis(200);

/// All that is watched.
#[derive(Debug)]
pub(super) struct Probes {
    set: Descriptors,
    watches: HashMap<Id, Watch>,
    due: BTreeSet<(Instant, Id)>,
    /// Commands that run, by pid; none: whose process is of no interest any more.
    commands: HashMap<Pid, Option<Id>>,
    news: VecDeque<News>,
    /// What the names of this daemon's notify sockets begin with.
    prefix: String,
}

/// Something was heard of the process with this pid.
#[derive(Debug)]
pub(super) struct News {
    id: Id,
    pid: Pid,
    what: What,
}

#[derive(Debug)]
enum What {
    Ready,
    Healthy,
    Unhealthy,
    /// What is known of it, in words.
    Note(Option<String>),
    /// Somebody's word was not heard.
    Unheard(String),
}

/// What a start needs so that the program can tell that it is ready.
#[derive(Debug, Default)]
pub(super) struct Voice {
    /// Variables of its environment.
    pub(super) env: Vec<(&'static str, String)>,
    /// Whether WATCHDOG_PID is to hold its pid.
    pub(super) has_watchdog: bool,
    /// A descriptor, and its number in the program.
    pub(super) line: Option<(OwnedFd, i32)>,
}

/// What may still begin in this turn.
#[derive(Debug)]
struct Budget {
    connections: usize,
    commands: usize,
}

/// A command to be launched.
#[derive(Debug)]
struct Wanted {
    id: Id,
    cmd: Vec<Template>,
}

/// The descriptors that are polled, and whose they are.
#[derive(Debug)]
struct Descriptors {
    epoll: Epoll,
    owners: HashMap<u64, (Id, Part)>,
    last: u64,
}

/// Which descriptor of a watch.
#[derive(Debug, Clone, Copy)]
enum Part {
    Post,
    Line,
    Flight,
}

impl Descriptors {
    fn add(&mut self, fd: BorrowedFd<'_>, id: Id, part: Part, what: Interest) -> io::Result<u64> {
        self.last += 1;
        self.epoll.add(fd, self.last, what)?;
        self.owners.insert(self.last, (id, part));
        Ok(self.last)
    }

    fn remove(&mut self, fd: BorrowedFd<'_>, token: u64) {
        self.epoll.remove(fd);
        self.owners.remove(&token);
    }
}

impl Probes {
    /// None yet. `prefix` tells this daemon's notify sockets from those of others.
    ///
    /// # Errors
    /// Those of epoll_create1(2).
    pub(super) fn new(prefix: String) -> io::Result<Self> {
        let set = Descriptors { epoll: Epoll::new()?, owners: HashMap::new(), last: 0 };
        Ok(Self {
            set,
            watches: HashMap::new(),
            due: BTreeSet::new(),
            commands: HashMap::new(),
            news: VecDeque::new(),
            prefix,
        })
    }

    /// A process is about to be launched: what it needs to tell that it is ready.
    ///
    /// # Errors
    /// What could not be had, and why.
    pub(super) fn prepare(
        &mut self,
        id: Id,
        process: &Process,
        user: u32,
    ) -> Result<Voice, String> {
        self.drop(id);
        let mut voice = Voice::default();
        let Some(ready) = &process.program.policy.ready else { return Ok(voice) };
        let mut watch = Watch::new(0, process.program.clone());
        match ready.how {
            ReadyHow::Notify => {
                let name = self.open_new_post(id, &mut watch, process, user)?;
                voice.env.push(("NOTIFY_SOCKET", format!("@{name}")));
                if let Some(time) = ready.watchdog {
                    voice.env.push(("WATCHDOG_USEC", time.as_micros().to_string()));
                    voice.has_watchdog = true;
                }
            }
            ReadyHow::Fd(number) => {
                let failed = |error: io::Error| format!("making a pipe: {}", cause(&error));
                let (read, write) = pipe::one_way().map_err(failed)?;
                // Open both ways it outlives a daemon that is killed, and costs no SIGPIPE then.
                let both = Pipe::of(&write).and_then(|pipe| pipe.writer());
                let write = both.map_or(write, OwnedFd::from);
                let token = self.set.add(read.as_fd(), id, Part::Line, Interest::Read);
                let it = Line::new(read.into());
                watch.line = Some(Polled { it, token: token.map_err(failed)? });
                voice.line = Some((write, number));
            }
            ReadyHow::Tcp(_) | ReadyHow::Exec(_) => return Ok(voice),
        }
        self.watches.insert(id, watch);
        Ok(voice)
    }

    /// It has this pid now.
    pub(super) fn launched(&mut self, id: Id, pid: Pid) {
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.pid = pid;
        }
    }

    /// The state of a process, or its configuration, may have changed: it is watched accordingly.
    /// `user` is whom it runs as, and `post` the number of its notify socket.
    pub(super) fn follow(
        &mut self,
        id: Id,
        process: Option<&Process>,
        (user, post): (u32, u64),
        now: Instant,
    ) {
        let up = process.and_then(|process| Some((process, process.state.process()?.0)));
        let Some((process, pid)) = up else { return self.drop(id) };
        let (program, stage) = (&process.program, Stage::of(process.state));
        if self.watches.get(&id).is_some_and(|watch| watch.pid != pid) {
            // With its descriptors and its deadline, or those would be left to nobody.
            self.drop(id);
        }
        let policy = &program.policy;
        let mut watch = match self.watches.remove(&id) {
            Some(watch) => watch,
            None if policy.ready.is_none() && policy.health.is_none() => return,
            None => Watch::new(pid, program.clone()),
        };
        let old = &watch.program.policy;
        let is_same = watch.stage == stage
            && (Rc::ptr_eq(&watch.program, program)
                || (&old.ready, &old.health) == (&policy.ready, &policy.health));
        watch.program = program.clone();
        if watch.is_notified() && watch.post.is_none() {
            // One that was launched by an earlier daemon, or before a reload. Without the socket
            // it cannot tell, which shows soon enough.
            watch.post = self.open_post(id, process, post, user).ok();
        }
        let before = watch.note();
        if !is_same {
            if let Some(flight) = watch.flight.take() {
                self.land(flight);
            }
            watch.enter(stage, now);
        }
        let is_news = watch.note() != before;
        self.watches.insert(id, watch);
        self.arm(id);
        if is_news {
            self.note(id);
        }
    }

    /// Of no interest any more.
    pub(super) fn drop(&mut self, id: Id) {
        let Some(mut watch) = self.watches.remove(&id) else { return };
        if let Some(at) = watch.armed {
            self.due.remove(&(at, id));
        }
        if let Some(post) = &watch.post {
            self.set.remove(post.it.mailbox.as_fd(), post.token);
        }
        if let Some(line) = &watch.line {
            self.set.remove(line.it.pipe.as_fd(), line.token);
        }
        if let Some(flight) = watch.flight.take() {
            self.land(flight);
        }
    }

    /// A probe that nobody waits for any more.
    fn land(&mut self, flight: Flight) {
        self.set.remove(flight.attempt.descriptor().0, flight.token);
        if let Attempt::Command(command) = flight.attempt {
            let _ = signals::send(command.pid, signals::KILL, true);
            self.commands.insert(command.pid, None);
        }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Keeps the set of deadlines true for this watch.
    fn arm(&mut self, id: Id) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let due = watch.deadline();
        let armed = std::mem::replace(&mut watch.armed, due);
        if armed != due {
            armed.map(|at| self.due.remove(&(at, id)));
            due.map(|at| self.due.insert((at, id)));
        }
    }

    /// What is said of it from now on is this.
    fn complain(&mut self, id: Id, why: String) {
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.complaint = Some(why);
        }
        self.note(id);
    }

    fn note(&mut self, id: Id) {
        if let Some(note) = self.watches.get(&id).map(Watch::note) {
            self.tell(id, What::Note(note));
        }
    }

    fn tell(&mut self, id: Id, what: What) {
        if let Some(watch) = self.watches.get(&id) {
            self.news.push_back(News { id, pid: watch.pid, what });
        }
    }

    /// What has arrived at the descriptors.
    fn hear(&mut self, now: Instant) {
        if self.set.epoll.look(DESCRIPTORS_A_TURN).is_err() {
            return;
        }
        let found = (0..DESCRIPTORS_A_TURN).map_while(|place| self.set.epoll.event(place));
        for (token, ready) in found.collect::<Vec<_>>() {
            match self.set.owners.get(&token).copied() {
                Some((id, Part::Post)) => {
                    self.read_post(id, now);
                }
                Some((id, Part::Line)) => self.read_line(id),
                Some((id, Part::Flight)) => self.go_on(id, ready, now),
                // It went with what an earlier one of these has brought.
                None => {}
            }
        }
    }

    fn notified(&mut self, id: Id, notice: Notice, now: Instant) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if let Some(status) = notice.status {
            watch.status = status;
            self.note(id);
        }
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if let Some(time) = notice.watchdog_time {
            watch.set_watchdog(time, now);
        }
        let triggers = notice.watchdog == Some(Watchdog::Trigger) && watch.is_running();
        if notice.watchdog == Some(Watchdog::Alive) {
            watch.feed(now);
        }
        // It was told to say so when it was launched, whatever a reload has put in its place.
        if notice.is_ready {
            self.tell(id, What::Ready);
        }
        if triggers {
            self.complain(id, "WATCHDOG=trigger".to_owned());
            self.tell(id, What::Unhealthy);
        }
    }

    fn read_line(&mut self, id: Id) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let Some(line) = &mut watch.line else { return };
        let news = line.it.read();
        match news {
            line::News::Ready => self.tell(id, What::Ready),
            line::News::Nothing => {}
            line::News::Over => {
                self.set.remove(line.it.pipe.as_fd(), line.token);
                if watch.stage == Stage::Starting {
                    self.complain(id, "no line came from its descriptor".to_owned());
                }
            }
        }
    }
}

/// Polls readable while something has arrived for one of them.
impl AsFd for Probes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.epoll.as_fd()
    }
}
