//! The logger process: started, found again after a crash, heard, and told to finish.
//!
//! One that this daemon started is its child; one that an earlier daemon started has ended when
//! its channel is closed. The next daemon finds it by the door in the state folder, and gets the
//! pipes back from it. Where it has ended too, those of programs that live are had from them.
//! After an upgrade another takes its place: see [`succession`].

mod attempts;
mod found;
mod succession;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

pub(super) use attempts::Attempts;

use super::capture::{Captured, Captures, Key, Known, Settings, Which, stream};
use super::handover::{KeptLogger, KeptStream};
use crate::logger::{Order, Report, Stream};
use crate::supervisor::Pid;
use crate::sys::channel::Channel;
use crate::sys::door::Door;
use crate::sys::handover::inherited;
use crate::sys::identity;
use crate::sys::pipe::Pipe;
use crate::sys::record::Record;
use crate::sys::spawn::{Extras, Failure, Launcher, Mode, Recipe, Step};

/// The longest report, in bytes.
const LONGEST: usize = 64 * 1024;

/// A logger at work.
#[derive(Debug)]
pub(super) struct Logger {
    /// Its number, and a moment at which it had that; none: it is no child, and nothing more is known of it.
    pub(super) known: Option<(Pid, u64)>,
    /// Whether it is a child of this daemon's.
    pub(super) is_child: bool,
    pub(super) channel: Channel,
    /// Whether it is of the version before, and another is to take its place.
    pub(super) is_outdated: bool,
    /// Whether it has been told to finish.
    pub(super) is_finishing: bool,
    /// And has been sent that.
    pub(super) has_its_last: bool,
    /// Whether it did not, and was killed.
    pub(super) is_killed: bool,
}

impl Logger {
    fn new(known: Option<(Pid, u64)>, is_child: bool, channel: Channel) -> Self {
        Self {
            known,
            is_child,
            channel,
            is_outdated: false,
            is_finishing: false,
            has_its_last: false,
            is_killed: false,
        }
    }

    /// Whether it is the child of this number.
    fn is(&self, pid: Pid) -> bool {
        self.is_child && self.known.is_some_and(|(known, _)| known == pid)
    }

    /// Adds what it has to tell. Whether it is no child and has ended.
    fn tell(&self, reports: &mut Vec<Report>) -> bool {
        let mut buffer = vec![0; LONGEST];
        loop {
            match hear(&self.channel, &mut buffer) {
                Heard::Report(report, _) => reports.push(report),
                Heard::Nothing => return false,
                Heard::End => return !self.is_child,
            }
        }
    }
}

/// What a start of it needs.
pub(super) struct Ground<'a> {
    pub(super) launcher: &'a mut Launcher,
    pub(super) null: BorrowedFd<'a>,
    /// Where its door is to be, and where it is while another logger has that.
    pub(super) doors: [PathBuf; 2],
    /// What it leaves behind about itself.
    pub(super) record: Option<Record>,
}

/// What came over a channel.
enum Heard {
    Report(Report, Option<std::os::fd::OwnedFd>),
    Nothing,
    End,
}

fn hear(channel: &Channel, buffer: &mut [u8]) -> Heard {
    loop {
        match channel.recv(buffer) {
            Ok((0, _)) => return Heard::End,
            Ok((length, with)) => {
                if let Ok(report) = Report::decode(buffer.get(..length).unwrap_or_default()) {
                    return Heard::Report(report, with);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            Err(_) => return Heard::Nothing,
        }
    }
}

impl Captures {
    /// Starts the logger and has it told of all pipes. It takes the place of one that is outdated, and
    /// waits for the end of that.
    ///
    /// # Errors
    /// Why not. It is tried again in a while, see [`Attempts`].
    pub(super) fn start_logger(&mut self, on: Ground<'_>, now: Instant) -> Result<Pid, Failure> {
        self.attempts.start(now);
        let launching = |cause| Failure { step: Step::Launching, cause };
        let (ours, theirs) = Channel::pair().map_err(launching)?;
        let takes_a_place = self.before.is_some() || self.logger.is_some();
        // Without a door it does its work as well, but not beyond this daemon.
        let [in_place, meanwhile] = &on.doors;
        let door = Door::open(if takes_a_place { meanwhile } else { in_place }).ok();
        let door = door.as_ref().map_or(on.null, AsFd::as_fd).as_raw_fd();
        let time_zone =
            std::env::var("TZ").ok().and_then(|tz| CString::new(format!("TZ={tz}")).ok());
        let recipe = Recipe {
            argv: vec![c"taskmaster".to_owned(), c"logger".to_owned()],
            envp: time_zone.into_iter().collect(),
            // The file of this very process, whatever has become of its name.
            files: vec![c"/proc/self/exe".to_owned()],
            stdio: [theirs.as_fd().as_raw_fd(), door, on.null.as_raw_fd()],
            folder: Some(c"/".to_owned()),
            umask: Some(0o022),
            ids: None,
            limits: Vec::new(),
            nice: None,
            oom_score_adj: None,
            no_new_privs: true,
            extras: Extras::default(),
            record: on.record,
        };
        let pid = on.launcher.launch(&recipe, Mode::Together)?.pid;
        self.tell_all();
        if takes_a_place {
            self.before = self.before.take().or_else(|| self.logger.take());
            self.orders.push_front(Order::Await);
        }
        let known = Some((pid, identity::moment().unwrap_or(0)));
        self.logger = Some(Logger::new(known, true, ours));
        Ok(pid)
    }

    /// A new logger knows of nothing, not even that the one before it lost what came: it is told, so
    /// that somebody says when that is over. Of what the last one was not told any more, only what concerns
    /// files is still to be done.
    fn tell_all(&mut self) {
        let all = self.pipes.values().chain(&self.leaving);
        let adds: Vec<Order> = all.filter_map(|captured| self.add_of(captured)).collect();
        // Those whose pipes are not here any more, too: so each is answered for, and its end is told.
        let left = self.known.iter().filter(|(_, known)| known.is_leaving);
        let removes: Vec<Order> = left.map(|(id, _)| Order::Remove { id: *id }).collect();
        let clears = self.orders.drain(..).filter(|order| matches!(order, Order::Clear { .. }));
        let clears: Vec<Order> = clears.collect();
        self.orders = adds.into_iter().chain(removes).chain(clears).collect();
    }

    /// The order to capture it.
    fn add_of(&self, captured: &Captured) -> Option<Order> {
        let known = self.known.get(&captured.id)?;
        let stream = stream(captured.id, &known.key, &captured.settings);
        Some(Order::Add(Stream { is_losing: known.is_losing, ..stream }))
    }

    /// Takes up a stream that an earlier daemon has begun.
    pub(super) fn put(&mut self, key: Key, id: u64, pipe: Pipe, settings: Settings) {
        self.known.insert(id, Known::new(key.clone()));
        self.pipes.insert(key, Captured { id, pipe, settings });
    }

    /// The streams by the numbers of their descriptors, for the next version.
    pub(super) fn keep(&self) -> Vec<KeptStream> {
        let keep = |captured: &Captured| {
            let known = self.known.get(&captured.id)?;
            let (program, index, which) = known.key.clone();
            let Settings { path, max_bytes, keep, timestamps, owner } = captured.settings.clone();
            Some(KeptStream {
                id: captured.id,
                of: (program.to_string(), index, which.name().to_owned()),
                pipe: captured.pipe.as_fd().as_raw_fd(),
                path,
                max_bytes,
                keep,
                timestamps,
                owner,
                lost: known.lost,
                is_losing: known.is_losing,
                is_leaving: known.is_leaving,
                was_of: known.was_of.clone(),
            })
        };
        self.pipes.values().chain(&self.leaving).filter_map(keep).collect()
    }

    /// The logger, in the same way. There is one alone: an upgrade waits for the end of one before it.
    pub(super) fn keep_logger(&self) -> Option<KeptLogger> {
        let Logger { known, is_child, channel, .. } = self.logger.as_ref()?;
        let channel = channel.as_fd().as_raw_fd();
        Some(KeptLogger { known: *known, is_child: *is_child, channel })
    }

    /// The descriptors of all that.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let pipes = self.pipes.values().chain(&self.leaving).map(|captured| captured.pipe.as_fd());
        pipes.chain(self.logger.iter().map(|logger| logger.channel.as_fd())).collect()
    }

    /// What the version before this one kept.
    ///
    /// # Errors
    /// That a descriptor is not there.
    pub(super) fn take_up(
        &mut self,
        streams: Vec<KeptStream>,
        last_id: u64,
        logger: Option<KeptLogger>,
    ) -> io::Result<()> {
        self.last_id = last_id;
        for kept in streams {
            let pipe = Pipe::from(inherited(kept.pipe)?);
            let KeptStream {
                id,
                path,
                max_bytes,
                keep,
                timestamps,
                owner,
                lost,
                is_losing,
                is_leaving,
                was_of,
                ..
            } = kept;
            let settings = Settings { path, max_bytes, keep, timestamps, owner };
            let (program, index, which) = kept.of;
            let Some(which) = Which::parse(&which) else { continue };
            let key: Key = (Rc::from(program), index, which);
            let known = Known { key: key.clone(), lost, is_losing, is_leaving, was_of };
            self.known.insert(id, known);
            let captured = Captured { id, pipe, settings };
            if is_leaving {
                self.leaving.push_back(captured);
            } else {
                self.pipes.insert(key, captured);
            }
        }
        let take = |KeptLogger { known, is_child, channel }| {
            inherited(channel).map(|fd| Logger::new(known, is_child, Channel::from(fd)))
        };
        self.logger = logger.map(take).transpose()?;
        Ok(())
    }

    /// Whether this is the pid of a child that is the logger, or the one before it.
    pub(super) fn is_logger(&self, pid: Pid) -> bool {
        self.logger.as_ref().is_some_and(|logger| logger.is(pid)) || self.is_before(pid)
    }

    /// Whether it is that of a child that is the one before it.
    pub(super) fn is_before(&self, pid: Pid) -> bool {
        self.before.as_ref().is_some_and(|before| before.is(pid))
    }

    /// The logger has ended.
    pub(super) fn logger_ended(&mut self) {
        self.logger = None;
    }

    /// No more output will come: the logger moves what there is, and ends. True: it has.
    pub(super) fn is_closed(&mut self) -> bool {
        if !self.is_closing {
            // The one in its place has not begun yet.
            if self.before.is_some() {
                return false;
            }
            let is_at_work = self.logger.as_ref().is_some_and(|logger| !logger.is_finishing);
            // One that was told to finish before has not seen the last of it: the next one has to.
            if !is_at_work && (self.logger.is_some() || !self.pipes.is_empty()) {
                return false;
            }
            self.is_closing = true;
            self.finish_logger();
        }
        self.logger.is_none()
    }

    /// Has the logger move what there is, and end.
    pub(super) fn finish_logger(&mut self) {
        if let Some(logger) = self.logger.as_mut().filter(|logger| !logger.is_finishing) {
            logger.is_finishing = true;
            self.orders.push_back(Order::Finish);
        }
    }

    /// Whether it ends because it was told to.
    pub(super) fn is_finishing(&self) -> bool {
        self.logger.as_ref().is_some_and(|logger| logger.is_finishing)
    }

    /// What the logger before this one and this one have to tell; and of each, whether it is no child
    /// and has ended.
    pub(super) fn reports(&mut self) -> (Vec<Report>, [bool; 2]) {
        let mut reports = Vec::new();
        let ended = [&self.before, &self.logger]
            .map(|logger| logger.as_ref().is_some_and(|logger| logger.tell(&mut reports)));
        (reports, ended)
    }
}
