//! What is watched, handed over to the next version of the daemon and taken up by it.
//!
//! A notify socket and a pipe go on with what waits in them. So does a command in flight: it is the
//! same child, with the time that it has left. A connection in flight does not: it counts for
//! nothing, and is begun anew at once. What was asked and answered before counts on.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::attempt::{Attempt, Command};
use super::kept::{KeptCommand, KeptProbes, KeptWatch};
use super::line::Line;
use super::mailbox::Post;
use super::watch::{Flight, Polled, Watch, Watchdog};
use super::{Part, Probes, What};
use crate::supervisor::{Base, Id, Process, Supervisor};
use crate::sys::handover::inherited;
use crate::sys::notify::Mailbox;
use crate::sys::poll::Interest;

impl Watch {
    fn keep(&self, process: &Process, base: Base) -> KeptWatch {
        let post = |Polled { it, .. }: &Polled<Post>| {
            (it.mailbox.as_fd().as_raw_fd(), it.number, it.user())
        };
        KeptWatch {
            program: process.program.name.to_string(),
            index: process.index,
            pid: self.pid,
            stage: self.stage,
            post: self.post.as_ref().map(post),
            line: self.line.as_ref().map(|line| line.it.pipe.as_raw_fd()),
            watchdog: self.watchdog.as_ref().map(|dog| (dog.time, base.nanos(dog.fed))),
            own_watchdog: self.own_watchdog,
            schedule: self.schedule.as_ref().map(|schedule| schedule.keep(base)),
            command: self.flight.as_ref().and_then(|flight| flight.keep(base)),
            status: self.status.clone(),
            complaint: self.complaint.clone(),
        }
    }

    /// Its descriptors that are handed over.
    fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let post = self.post.as_ref().map(|post| post.it.mailbox.as_fd());
        let line = self.line.as_ref().map(|line| line.it.pipe.as_fd());
        let command = match self.flight.as_ref().map(|flight| &flight.attempt) {
            Some(Attempt::Command(command)) => Some(command),
            Some(Attempt::Connection(_)) | None => None,
        };
        let output = command.map(|command| command.output.as_fd());
        let report = command.and_then(|command| Some(command.report.as_ref()?.as_fd()));
        [post, line, output, report].into_iter().flatten()
    }
}

impl Flight {
    fn keep(&self, base: Base) -> Option<KeptCommand> {
        let Attempt::Command(command) = &self.attempt else { return None };
        Some(KeptCommand {
            pid: command.pid,
            output: command.output.as_raw_fd(),
            report: command.report.as_ref().map(AsRawFd::as_raw_fd),
            said: command.said.clone(),
            is_silent: command.is_silent,
            until: self.until.map(|at| base.nanos(at)),
            limit: self.limit,
            is_over: self.is_over,
        })
    }
}

/// The descriptors of one watch, had back.
struct HadBack {
    post: Option<OwnedFd>,
    line: Option<OwnedFd>,
    output: Option<OwnedFd>,
    report: Option<OwnedFd>,
}

impl HadBack {
    fn of(kept: &KeptWatch) -> io::Result<Self> {
        let command = kept.command.as_ref();
        let take = |fd: Option<RawFd>| fd.map(inherited).transpose();
        Ok(Self {
            post: take(kept.post.map(|(fd, ..)| fd))?,
            line: take(kept.line)?,
            output: take(command.map(|command| command.output))?,
            report: take(command.and_then(|command| command.report))?,
        })
    }
}

impl Probes {
    /// All that is watched.
    pub(in crate::daemon) fn keep(&self, supervisor: &Supervisor, base: Base) -> KeptProbes {
        let launched = self.watches.iter().filter(|(_, watch)| watch.pid != 0);
        let keep = |(id, watch): (&Id, &Watch)| Some(watch.keep(supervisor.get(*id)?, base));
        let forgotten = self.commands.iter().filter(|(_, of)| of.is_none());
        KeptProbes {
            watches: launched.filter_map(keep).collect(),
            forgotten: forgotten.map(|(pid, _)| *pid).collect(),
        }
    }

    /// The descriptors of all that.
    pub(in crate::daemon) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watches.values().flat_map(Watch::descriptors)
    }

    /// What the version before this one kept.
    ///
    /// # Errors
    /// That a descriptor is not there; those of epoll_ctl(2).
    pub(in crate::daemon) fn take_up(
        &mut self,
        kept: KeptProbes,
        supervisor: &Supervisor,
        base: Base,
    ) -> io::Result<()> {
        self.commands.extend(kept.forgotten.into_iter().map(|pid| (pid, None)));
        for kept in kept.watches {
            let had = HadBack::of(&kept)?;
            let id = supervisor.id_of(&kept.program, kept.index);
            match id.and_then(|id| Some((id, supervisor.get(id)?))) {
                Some((id, process)) => self.take_up_watch(id, process, kept, had, base)?,
                // It is of no interest any more, but is reaped as what it is.
                None => self.commands.extend(kept.command.map(|command| (command.pid, None))),
            }
        }
        Ok(())
    }

    fn watch_line(&mut self, id: Id, watch: &mut Watch, fd: OwnedFd) -> io::Result<()> {
        let token = self.set.add(fd.as_fd(), id, Part::Line, Interest::Read)?;
        watch.line = Some(Polled { it: Line::new(fd.into()), token });
        Ok(())
    }

    fn take_up_watch(
        &mut self,
        id: Id,
        process: &Process,
        kept: KeptWatch,
        had: HadBack,
        base: Base,
    ) -> io::Result<()> {
        let mut watch = Watch::new(kept.pid, process.program.clone());
        watch.stage = kept.stage;
        if let Some((fd, (_, number, user))) = had.post.zip(kept.post) {
            let token = self.set.add(fd.as_fd(), id, Part::Post, Interest::Read)?;
            watch.post = Some(Polled { it: Post::of(Mailbox::from(fd), number, user), token });
        }
        if let Some(fd) = had.line {
            self.watch_line(id, &mut watch, fd)?;
        }
        let dog = |(time, fed)| Watchdog { time, fed: base.instant(fed) };
        watch.watchdog = kept.watchdog.map(dog);
        watch.own_watchdog = kept.own_watchdog;
        watch.schedule = kept.schedule.map(|schedule| schedule.taken_up(base));
        (watch.status, watch.complaint) = (kept.status, kept.complaint);
        if let Some((command, output)) = kept.command.zip(had.output) {
            watch.flight = Some(self.take_up_command(id, command, output, had.report, base)?);
        }
        let note = watch.note();
        let is_well = watch.schedule.as_ref().is_some_and(|schedule| schedule.is_healthy());
        self.watches.insert(id, watch);
        self.tell(id, What::Note(note));
        if is_well {
            self.tell(id, What::Healthy);
        }
        self.arm(id);
        Ok(())
    }

    fn take_up_command(
        &mut self,
        id: Id,
        kept: KeptCommand,
        output: OwnedFd,
        report: Option<OwnedFd>,
        base: Base,
    ) -> io::Result<Flight> {
        // What is printed may be over: then nothing is polled any more.
        let token = match kept.is_silent {
            true => 0,
            false => self.set.add(output.as_fd(), id, Part::Flight, Interest::Read)?,
        };
        self.commands.insert(kept.pid, Some(id));
        let (pid, said, is_silent) = (kept.pid, kept.said, kept.is_silent);
        let command = Command { pid, output: File::from(output), report, said, is_silent };
        Ok(Flight {
            attempt: Attempt::Command(command),
            token,
            until: kept.until.map(|at| base.instant(at)),
            limit: kept.limit,
            is_over: kept.is_over,
        })
    }
}
