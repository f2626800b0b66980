//! Probes, as the daemon tends them: what it hears of a process is handed to the supervisor, and
//! commands are launched as the program itself is.

use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::rc::Rc;

use super::attempt::{Attempt, Command, NoProbe};
use super::{A_TURN, Budget, News, Wanted, What};
use crate::config::{Level, Program};
use crate::daemon::Daemon;
use crate::daemon::recipe::cause_of;
use crate::supervisor::{Event, Exit, Id, Process};
use crate::sys::spawn::Step;
use crate::sys::{is_shortage, pipe, users};

impl Daemon {
    /// What has arrived at the probes' descriptors.
    pub(in crate::daemon) fn hear_probes(&mut self) {
        self.probes.hear(self.now.at);
        self.pass_on_news();
    }

    /// Before any is found not to be ready in time, what it has said so far is heard.
    pub(in crate::daemon) fn hear_the_late(&mut self) {
        for id in self.supervisor.late(self.now) {
            self.probes.catch_up(id, self.now.at);
        }
        self.pass_on_news();
    }

    /// Time has passed: probes that are due begin, and those that take too long are over.
    pub(in crate::daemon) fn tick_probes(&mut self) {
        let mut budget = Budget { ..A_TURN };
        while let Some(wanted) = self.probes.next_due(&mut budget, self.now.at) {
            let attempt = self.launch_probe(&wanted);
            self.probes.begun(wanted.id, attempt, self.now.at);
        }
        self.pass_on_news();
    }

    /// A child that was a probe's command has ended.
    pub(in crate::daemon) fn probe_ended(&mut self, pid: i32, exit: Exit) {
        self.probes.ended(pid, exit, self.now.at);
        self.pass_on_news();
    }

    /// The state of a process, or how it is configured, may have changed.
    pub(in crate::daemon) fn follow_probes(&mut self, id: Id) {
        let process = self.supervisor.get(id);
        let speaker = process.map_or((0, 0), |process| self.speaker(process));
        self.probes.follow(id, process, speaker, self.now.at);
        // What was wrong with it in another state, or was asked no more, is not said of it now.
        self.pass_on_news();
    }

    /// The user that a process runs as, and the number of its notify socket.
    pub(in crate::daemon) fn speaker(&self, process: &Process) -> (u32, u64) {
        let number = self.journal.up_of(process).map_or(0, |up| up.post);
        (self.user_of(&process.program, process.index), number)
    }

    /// Processes that were taken up are watched as those that were launched.
    pub(in crate::daemon) fn watch_all(&mut self) {
        let ids: Vec<Id> = self.supervisor.ids().collect();
        ids.into_iter().for_each(|id| self.follow_probes(id));
    }

    /// What is asked of these programs has changed.
    pub(in crate::daemon) fn change_probes(&mut self, programs: &[Rc<str>]) {
        if programs.is_empty() {
            return;
        }
        let of =
            |id: &Id| self.supervisor.get(*id).is_some_and(|p| programs.contains(&p.program.name));
        let ids: Vec<Id> = self.supervisor.ids().filter(of).collect();
        ids.into_iter().for_each(|id| self.follow_probes(id));
    }

    /// The user that a process runs as.
    pub(in crate::daemon) fn user_of(&self, program: &Program, index: u32) -> u32 {
        let ids = self.kitchen.ids(program, index).ok().flatten();
        ids.map_or_else(users::me, |ids| ids.uid)
    }

    fn pass_on_news(&mut self) {
        while let Some(News { id, pid, what }) = self.probes.news.pop_front() {
            let name = self.supervisor.get(id).map(|process| process.name()).unwrap_or_default();
            match what {
                What::Ready => self.supervisor.event(id, Event::Ready(pid), self.now),
                What::Healthy => self.supervisor.healthy(id, pid, self.now),
                What::Unhealthy => self.supervisor.event(id, Event::Unhealthy(pid), self.now),
                What::Note(note) => self.supervisor.note(id, note),
                What::Unheard(who) => self.log(Level::Warning, &who, &[("name", &name)]),
            }
        }
    }

    fn launch_probe(&mut self, wanted: &Wanted) -> Result<Attempt, NoProbe> {
        let answer = |why: String| NoProbe::Answer(format!("exec: {why}"));
        let process = self.supervisor.get(wanted.id).ok_or(NoProbe::Later)?;
        let (read, write) = pipe::one_way().map_err(|_| NoProbe::Later)?;
        let stdio = [self.kitchen.null_number(), write.as_raw_fd(), write.as_raw_fd()];
        let prepared = self.kitchen.prepare_probe(process, &wanted.cmd, stdio).map_err(answer)?;
        let (recipe, mode) = &prepared;
        let launched = self.launcher.launch(recipe, *mode);
        self.read_clock();
        match launched {
            Ok(child) => Ok(Attempt::Command(Command {
                pid: child.pid,
                output: read.into(),
                report: child.report,
                said: Vec::new(),
                is_silent: false,
            })),
            Err(failure) if failure.step == Step::Launching && is_shortage(&failure.cause) => {
                Err(NoProbe::Later)
            }
            Err(failure) => {
                let command = recipe.argv.first().map(|word| word.to_bytes()).unwrap_or_default();
                let command = Path::new(std::ffi::OsStr::from_bytes(command));
                Err(answer(format!("executing {}: {}", command.display(), cause_of(&failure))))
            }
        }
    }
}
