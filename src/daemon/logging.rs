//! The logger process, as the daemon tends it: started when there is something to capture,
//! started again when it ends, heard, and waited for at the end.

use std::time::Duration;

use super::capture::{Key, Which};
use super::client::Task;
use super::{Daemon, recipe, words};
use crate::config::Level;
use crate::logger::Report;
use crate::protocol::EventName;
use crate::supervisor::Exit;

/// How long the end of the daemon waits for the logger to move what there is.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Daemon {
    /// Has a logger where one is needed, and tells it what it does not know yet.
    pub(super) fn tend_logger(&mut self) {
        if self.captures.wants_logger(self.now.at) {
            let null = self.kitchen.null();
            if let Err(failure) = self.captures.start_logger(&mut self.launcher, null, self.now.at)
            {
                let message = format!("starting the logger: {}", recipe::cause_of(&failure));
                self.log(Level::Error, &message, &[]);
            }
            let owed = self.clients.iter().filter_map(|client| match &client.task {
                Task::Clear(clearing) => Some(clearing.pending.keys().copied()),
                _ => None,
            });
            self.captures.clear_again(owed.flatten());
        }
        self.captures.flush(self.now.at);
    }

    /// Between two captured outputs the logger changes over, and nothing is restarted.
    pub(super) fn change_captures(&mut self, programs: &[std::rc::Rc<str>]) {
        let ids: Vec<_> = self.supervisor.ids().collect();
        for process in ids.into_iter().filter_map(|id| self.supervisor.get(id)) {
            if !programs.contains(&process.program.name) {
                continue;
            }
            for which in [Which::Stdout, Which::Stderr] {
                if let Some(settings) = self.kitchen.capture(process, which) {
                    let key = (process.program.name.clone(), process.index, which);
                    self.captures.change(&key, settings);
                }
            }
        }
    }

    /// What the logger has to tell.
    pub(super) fn hear_logger(&mut self) {
        for report in self.captures.reports() {
            match report {
                Report::Lost { id, bytes, cause } => {
                    if let Some((key, true)) = self.captures.count_lost(id, bytes) {
                        let message = format!("output is being lost: {cause}");
                        self.tell_of_loss(&key, Level::Error, message);
                    }
                }
                Report::Recovered { id } => {
                    if let Some((key, lost)) = self.captures.recovered(id) {
                        let message = format!("output is recorded again; {lost} bytes were lost");
                        self.tell_of_loss(&key, Level::Info, message);
                    }
                }
                Report::Cleared { id, error } => self.cleared(id, error),
            }
        }
    }

    fn tell_of_loss(&mut self, key: &Key, level: Level, message: String) {
        let (program, index, which) = key;
        let name = self.supervisor.process_name(program, *index);
        let message = format!("{} {message}", which.name());
        self.log(level, &message, &[("name", &name)]);
        let mut event = self.daemon_event(EventName::LostBytes, message);
        event.name = Some(name);
        self.publish(&event);
        if let Some(id) = self.supervisor.find(program, *index) {
            self.row_changed(id);
        }
    }

    /// It has ended, and not because it was asked to: the next one gets all pipes.
    pub(super) fn logger_ended(&mut self, exit: Exit) {
        // Its last words may be waiting in the channel.
        self.hear_logger();
        self.captures.logger_ended();
        if !self.supervisor.is_shutting_down() {
            let message = format!("the logger ended: {}; it is started again", words::ended(exit));
            self.warn(&message);
        }
    }

    /// At the end: whether everything that was printed is in its file, or had time enough.
    pub(super) fn logger_is_done(&mut self) -> bool {
        if self.captures.is_closed() {
            return true;
        }
        let since = *self.logger_ending.get_or_insert(self.now.at);
        if self.now.at < since + PATIENCE {
            return false;
        }
        self.warn("the logger did not end: what was printed last may be missing");
        true
    }
}
