//! The logger process, as the daemon tends it: started when there is something to capture,
//! started again when it ends, heard, and waited for at the end.

use std::time::Duration;

use super::capture::{Settings, Which, Whose};
use super::client::Task;
use super::logger::Ground;
use super::{Daemon, recipe, words};
use crate::config::Level;
use crate::logger::Report;
use crate::protocol::EventName;
use crate::supervisor::{Exit, Pid, Process};

/// The logger's door, in the state folder; and that of one which takes the place of another.
pub(super) const DOORS: [&str; 2] = ["logger", "logger.next"];

/// How long the end of the daemon waits for the logger to move what there is.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Daemon {
    /// Has a logger where one is needed, and tells it what it does not know yet.
    pub(super) fn tend_logger(&mut self) {
        if self.captures.wants_logger(self.now.at) {
            let ground = Ground {
                launcher: &mut self.launcher,
                null: self.kitchen.null(),
                doors: self.state_dir.doors(),
                record: self.journal.logger_record(),
            };
            if let Err(failure) = self.captures.start_logger(ground, self.now.at) {
                let cause = format!("starting the logger: {}", recipe::cause_of(&failure));
                self.logger_failed(Level::Error, cause);
            }
            // One that is about to end may yet answer.
            if self.captures.before.is_none() {
                self.clear_again();
            }
        }
        self.captures.flush(self.now.at);
    }

    /// The next logger does what the last one did not say it has done.
    fn clear_again(&mut self) {
        let owed = self.clients.iter().filter_map(|client| match &client.task {
            Task::Clear(clearing) => Some(clearing.pending.keys().copied()),
            _ => None,
        });
        self.captures.clear_again(owed.flatten());
    }

    /// Takes the pipes back after a crash: from the logger if it lives, else from the programs.
    pub(super) fn find_captures(&mut self, loggers: &[(Pid, u64)]) {
        let found = self.captures.find_loggers(&self.state_dir.doors(), loggers);
        if let Err(why) = found {
            self.warn(&format!("the logger of the last daemon does not answer ({why}): ended"));
        }
        let ids: Vec<_> = self.supervisor.ids().collect();
        let mut known = std::collections::BTreeSet::new();
        for process in ids.into_iter().filter_map(|id| self.supervisor.get(id)) {
            let pid = process.state.process().map(|(pid, _)| pid);
            let up = self.journal.up_of(process);
            for which in [Which::Stdout, Which::Stderr] {
                let key = (process.program.name.clone(), process.index, which);
                known.insert(key.clone());
                let Some(settings) = self.capture_as_launched(process, which) else { continue };
                let pipe = up.and_then(|up| match which {
                    Which::Stdout => up.pipes.0,
                    Which::Stderr => up.pipes.1,
                });
                if let Some((pid, number)) = pid.zip(pipe) {
                    self.captures.have_back(key.clone(), settings.clone(), pid, number);
                }
                self.captures.change(&key, settings);
            }
        }
        // Of processes that are no more.
        for key in self.captures.all().iter().filter(|key| !known.contains(*key)) {
            self.captures.close(key, None);
        }
    }

    /// The name that a process was launched by: its log files keep that until it is next started.
    pub(super) fn name_as_launched(&self, process: &Process) -> String {
        let name = self.journal.up_of(process).and_then(|up| up.name(process));
        name.unwrap_or_else(|| process.name())
    }

    /// How a stream is captured, under that name.
    fn capture_as_launched(&self, process: &Process, which: Which) -> Option<Settings> {
        self.kitchen.capture_as(process, which, &self.name_as_launched(process))
    }

    /// Between two captured outputs the logger changes over, and nothing is restarted.
    pub(super) fn change_captures(&mut self, programs: &[std::rc::Rc<str>]) {
        let ids: Vec<_> = self.supervisor.ids().collect();
        for process in ids.into_iter().filter_map(|id| self.supervisor.get(id)) {
            if !programs.contains(&process.program.name) {
                continue;
            }
            for which in [Which::Stdout, Which::Stderr] {
                if let Some(settings) = self.capture_as_launched(process, which) {
                    let key = (process.program.name.clone(), process.index, which);
                    self.captures.change(&key, settings);
                }
            }
        }
    }

    /// What the logger has to tell.
    pub(super) fn hear_logger(&mut self) {
        let (reports, [before_has_ended, has_ended]) = self.captures.reports();
        for report in reports {
            match report {
                Report::Lost { id, bytes, cause } => {
                    if let Some(whose) = self.captures.count_lost(id, bytes) {
                        let message = format!("output is being lost: {cause}");
                        self.tell_of_loss(whose, Level::Error, message);
                    }
                }
                Report::Recovered { id } => {
                    if let Some((whose, lost)) = self.captures.recovered(id) {
                        let message = format!("output is recorded again; {lost} bytes were lost");
                        self.tell_of_loss(whose, Level::Info, message);
                    }
                }
                Report::Removed { id } => {
                    if let Some((whose, lost)) = self.captures.removed(id) {
                        self.tell_of_lost_end(whose, lost);
                    }
                }
                Report::Cleared { id, error } => self.cleared(id, error),
                // One that was found has told before.
                Report::Holds(_) | Report::HoldsNoMore => {}
            }
        }
        if before_has_ended {
            self.before_is_gone();
        }
        if has_ended {
            self.logger_is_gone(Exit::Unknown);
        }
    }

    fn tell_of_lost_end(&mut self, whose: Whose, lost: u64) {
        let message = format!("output was lost to the end; {lost} bytes were lost");
        self.tell_of_loss(whose, Level::Error, message);
    }

    fn tell_of_loss(&mut self, whose: Whose, level: Level, message: String) {
        let ((program, index, which), was_of) = whose;
        let name = was_of.unwrap_or_else(|| self.supervisor.process_name(&program, index));
        let told = format!("{} {message}", which.name());
        self.log(level, &told, &[("name", &name)]);
        let mut event = self.daemon_event(EventName::LostBytes, told);
        event.name = Some(name);
        self.publish(&event);
        if let Some(id) = self.supervisor.find(&program, index) {
            self.row_changed(id);
        }
    }

    /// It has ended, and not because it was asked to: the next one gets all pipes. Or the one before it.
    pub(super) fn logger_ended(&mut self, pid: Pid, exit: Exit) {
        // Its last words may be waiting in the channel.
        self.hear_logger();
        if self.captures.is_before(pid) {
            self.before_is_gone();
        } else {
            self.logger_is_gone(exit);
        }
    }

    /// The logger that another takes the place of has ended, as it was to.
    fn before_is_gone(&mut self) {
        self.captures.before_ended();
        self.state_dir.move_door();
        self.clear_again();
    }

    fn logger_is_gone(&mut self, exit: Exit) {
        let was_told_to = self.captures.is_finishing();
        self.captures.logger_ended();
        if !was_told_to {
            let cause = format!("the logger ended: {}", words::ended(exit));
            self.logger_failed(Level::Warning, cause);
        }
    }

    /// There is none, and why. Who waits for what it was to clear learns of it as soon as there is
    /// no hope that the next one will.
    fn logger_failed(&mut self, level: Level, cause: String) {
        let message = format!("{cause}; it is started again");
        if let Some(untold) = self.captures.attempts.failed(cause, self.now.at) {
            let count = (untold > 0).then(|| untold.to_string());
            let facts = count.as_deref().map(|count| ("before", count));
            self.log(level, &message, facts.as_slice());
        }
        if let Some(why) = self.captures.why_not_clear().map(str::to_owned) {
            self.captures.clear_nothing();
            self.end_clears_in_vain(&why);
        }
    }

    /// At the end: whether everything that was printed is in its file, or had time enough.
    pub(super) fn logger_is_done(&mut self) -> bool {
        if !self.captures.is_closed() {
            let since = *self.logger_ending.get_or_insert(self.now.at);
            if self.now.at < since + PATIENCE {
                return false;
            }
            if self.captures.kill_before() {
                self.logger_ending = Some(self.now.at);
                return false;
            }
            if !std::mem::replace(&mut self.logger_is_late, true) {
                self.warn("the logger did not end: what was printed last may be missing");
            }
        }
        for (whose, lost) in self.captures.lost_to_the_end() {
            self.tell_of_lost_end(whose, lost);
        }
        true
    }
}
