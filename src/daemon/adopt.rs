//! The next daemon after one that was killed: takes over what still runs, and goes on with
//! the rest where it was.
//!
//! A process is taken for the one on record only if [`crate::sys::identity`] knows it for that; it is
//! then held by a descriptor that never means another. One that has ended meanwhile has
//! ended in a way that nobody can tell, and its policy decides. Everything else, a stop that a
//! person asked for or a delay between two starts, goes on. A program that is configured otherwise by
//! now, or not at all, is treated as by a reload.
//!
//! A daemon that was killed while it stopped everything had nobody's wish for it: what it stopped is
//! started again if `autostart` says so, as after a shutdown that came to its end.

use std::rc::Rc;

use super::Daemon;
use super::journal::{Left, Past, Up, base};
use crate::config::{self, Config, Level, Program, Signal};
use crate::protocol::{EventName, EventRow};
use crate::supervisor::{Event, Exit, Id, Phase, Process};
use crate::sys::pidfd::PidFd;
use crate::sys::{cause, identity};

impl Daemon {
    /// Takes over what an earlier daemon has left, if it did not end in order. What is to be
    /// published of it, once the configuration says who hears of that.
    ///
    /// # Errors
    /// That a process cannot be watched: to go on would start a second one.
    pub(super) fn take_over(&mut self, config: &Config) -> Result<Vec<EventRow>, String> {
        if !self.state_dir.is_there() {
            return Ok(Vec::new());
        }
        let past = match self.journal.past() {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(past)) => past,
            Err(why) => {
                self.warn(&format!(
                    "{} is not believed: {why}; what an earlier daemon left running is not taken over",
                    self.journal.path().display()
                ));
                return Ok(Vec::new());
            }
        };
        if past.damaged > 0 {
            let plural = if past.damaged == 1 { "line" } else { "lines" };
            self.warn(&format!(
                "{}: {} damaged {plural}; a process of which nothing else tells is not taken over",
                self.journal.path().display(),
                past.damaged
            ));
        }
        if past.boot != Some(self.journal.boot()) {
            return Ok(Vec::new());
        }
        self.log(Level::Warning, "the last daemon did not end in order", &[]);
        let loggers = past.loggers.iter().filter(|logger| logger.boot == self.journal.boot());
        let loggers: Vec<_> = loggers.map(|logger| (logger.pid, logger.seen)).collect();
        let adoptions = self.take_over_processes(past, config)?;
        self.find_captures(&loggers);
        Ok(adoptions)
    }

    fn take_over_processes(
        &mut self,
        past: Past,
        config: &Config,
    ) -> Result<Vec<EventRow>, String> {
        let mut adoptions = Vec::new();
        for ((name, index), mut left) in past.processes {
            let held = self.hold(&left)?;
            if let Some(process) = &held {
                mind_exec(&mut left, process);
            }
            let program = config.programs.get(&*name);
            let is_wanted = program.is_some_and(|program| index < program.numprocs);
            if held.is_none() && (past.was_shutting_down || !is_wanted) {
                continue;
            }
            let program = match (program, &left.up) {
                (Some(program), _) => program.clone(),
                (None, Some(up)) => departed(up, &config.daemon),
                (None, None) => continue,
            };
            let id = self.supervisor.restore(&program, &left.process, base(), self.now);
            match held {
                Some(process) => {
                    adoptions.extend(self.adopt(id, process, &left)?);
                    if past.was_shutting_down && is_wanted && program.policy.autostart {
                        self.supervisor.event(id, Event::Start, self.now);
                    }
                }
                None => self.died_meanwhile(id, &left),
            }
            if self.supervisor.get(id).is_some_and(Process::is_disabled) {
                self.supervisor.event(id, Event::Stop, self.now);
            }
            if !is_wanted {
                self.supervisor.event(id, Event::Remove, self.now);
            } else if !is_same(&left, &program) {
                self.supervisor.event(id, Event::Relaunch, self.now);
            }
        }
        Ok(adoptions)
    }

    /// The process itself, if it is there.
    fn hold(&self, left: &Left) -> Result<Option<PidFd>, String> {
        let Some(up) = left.up.as_ref().filter(|up| up.boot == self.journal.boot()) else {
            return Ok(None);
        };
        if self.adopted.get(up.pid).is_some() {
            return Ok(None);
        }
        PidFd::open(up.pid, up.seen).map_err(|error| cannot_watch(up, &error))
    }

    fn adopt(&mut self, id: Id, process: PidFd, left: &Left) -> Result<Option<EventRow>, String> {
        let (Some(up), (pid, _)) = (left.up.clone(), process.identity()) else { return Ok(None) };
        self.adopted.add(process).map_err(|error| cannot_watch(&up, &error))?;
        self.journal.remember(up);
        let event = self.tell_of_adoption(id, pid);
        if left.was_asked {
            self.journal.was_asked(pid);
        } else {
            self.supervisor.ask_again(id);
        }
        self.await_adopted_exec(pid);
        Ok(event)
    }

    fn tell_of_adoption(&mut self, id: Id, pid: i32) -> Option<EventRow> {
        let process = self.supervisor.get(id)?;
        let (name, state) = (process.name(), process.state.name());
        let message = format!("taken over from the last daemon, {state}");
        let facts = [("name", name.as_str()), ("pid", &pid.to_string()), ("state", state.as_str())];
        self.log(Level::Info, "adopted", &facts);
        let mut event = self.daemon_event(EventName::Adopted, message);
        (event.name, event.pid, event.to) = (Some(name), Some(pid), Some(state));
        Some(event)
    }

    fn died_meanwhile(&mut self, id: Id, left: &Left) {
        let Some(pid) = left.process.state.pid() else { return };
        self.supervisor.event(id, Event::Ended(pid, Exit::Unknown), self.now);
    }
}

/// What a child wrote of its own start, it wrote before its exec, and it may be all there is.
fn mind_exec(left: &mut Left, process: &PidFd) {
    let (pid, seen) = process.identity();
    if let Phase::Starting { awaits, .. } = &mut left.process.state
        && identity::has_executed(pid, seen) == Some(false)
    {
        *awaits = awaits.before_exec();
    }
}

/// Whether a start now would be the start that it had.
fn is_same(left: &Left, program: &Program) -> bool {
    let had = left.up.as_ref().map_or(left.digest, |up| up.digest);
    had == program.launch.digest()
}

/// The program of a process that is configured no more.
pub(super) fn departed(up: &Up, daemon: &config::Daemon) -> Rc<Program> {
    let (signal, group, time) = up.stop;
    let stop = (Signal(signal), group, time);
    let of = up.of.max(up.index.saturating_add(1));
    Rc::new(Program::departed(Rc::from(&*up.program), of, stop, daemon))
}

fn cannot_watch(up: &Up, error: &std::io::Error) -> String {
    format!(
        "{} of the last daemon lives with pid {}, and cannot be watched: {}; to go on would start a \
         second one",
        up.program,
        up.pid,
        cause(error)
    )
}
