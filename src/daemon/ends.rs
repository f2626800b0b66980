//! The ends of children: seen, reaped, and told to whomever they concern.
//!
//! The kernel tells of each end by a signal with a pid, but of several that come at once it may
//! tell one. So all children are looked at where that may have been, and now and then anyway. That
//! costs what there are of them, and is not done for each of many that end one after the other.

use std::time::{Duration, Instant};

use super::{Daemon, words};
use crate::config::Level;
use crate::supervisor::{Event, Exit, Id, Pid};
use crate::sys::spawn::Told;
use crate::sys::{signals, spawn, wait};

/// How far apart two looks at all children are, where none seems to be needed. As late may an end be
/// seen that came together with another.
const APART: Duration = Duration::from_millis(10);

/// How much farther for each child there is: fifty times of what a look at it takes.
const FOR_EACH: Duration = Duration::from_micros(10);

/// When all children are looked at.
#[derive(Debug, Default)]
pub(super) struct Looks {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Looks {
    /// When the next one is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Of so many children some have ended. Whether to look at once: else it is due in a moment.
    fn is_time(&mut self, children: usize, now: Instant) -> bool {
        let apart = APART + FOR_EACH * u32::try_from(children).unwrap_or(u32::MAX);
        let next = self.last.map_or(now, |last| last + apart);
        if now < next {
            self.due = Some(next);
        }
        now >= next
    }
}

impl Daemon {
    /// Sees the ends that the kernel has told of by pid, and soon all that there are.
    pub(super) fn reap(&mut self) {
        // Those that are stopped together end together.
        let is_likely = self.supervisor.is_stopping();
        let is_one = self.see_told() == 1;
        let is_time = self.looks.is_time(self.supervisor.alive(), self.now.at);
        if is_time || is_likely || !is_one {
            self.see_all();
        }
    }

    /// Sees now what [`Daemon::reap`] would see soon: who asks is told the newest truth.
    pub(super) fn reap_before_answers(&mut self) {
        if self.looks.due.is_some() {
            self.see_all();
        }
    }

    fn see_all(&mut self) {
        self.looks = Looks { last: Some(self.now.at), due: None };
        while let Some((pid, end)) = wait::next_ended() {
            self.see_end(pid, exit_of(end));
            self.see_told();
        }
    }

    /// Says how many ends it saw.
    fn see_told(&mut self) -> usize {
        let mut seen = 0;
        for (pid, end) in signals::ended().filter_map(wait::has_ended) {
            self.see_end(pid, exit_of(end));
            seen += 1;
        }
        seen
    }

    /// A child has ended. What is left of a process's group is killed while the zombie still keeps
    /// its number.
    fn see_end(&mut self, pid: Pid, exit: Exit) {
        // What it leaves behind is the daemon's now, whatever it was itself.
        self.strays.look_soon(self.now.at);
        match self.supervisor.by_pid(pid) {
            Some(id) => {
                self.kill_rest(pid);
                self.read_report(pid);
                wait::reap(pid);
                self.journal.forget(pid);
                self.lingering.forget(pid);
                self.supervisor.event(id, Event::Ended(pid, exit), self.now);
            }
            None if self.is_upgrade_check(pid) => {
                self.kill_rest(pid);
                wait::reap(pid);
                self.upgrade_check_ended(exit);
            }
            None if self.captures.is_logger(pid) => {
                wait::reap(pid);
                self.logger_ended(pid, exit);
            }
            None if self.probes.is_command(pid) => {
                self.kill_rest(pid);
                wait::reap(pid);
                self.probe_ended(pid, exit);
            }
            None if self.reporting.helpers.has(pid) => {
                self.kill_rest(pid);
                wait::reap(pid);
                self.helper_ended(pid, exit);
            }
            None if self.went_with_its_group(pid, exit) => {
                wait::reap(pid);
                self.strays.reaped(pid);
            }
            None => {
                wait::reap(pid);
                let (pid_text, how) = (pid.to_string(), words::ended(exit));
                self.strays.reaped(pid);
                let facts = [("pid", pid_text.as_str()), ("reason", how.as_str())];
                self.log(Level::Info, "reaped a child that is no program's", &facts);
            }
        }
    }

    /// Kills what is left of the group of one that has ended and keeps its number.
    fn kill_rest(&mut self, pid: Pid) {
        let _ = signals::send(pid, signals::KILL, true);
        self.strays.group_killed(pid, self.now.at);
    }

    /// One that was launched apart was executed. That is no change that is told of.
    pub(super) fn executed(&mut self, id: Id, pid: Pid) {
        self.supervisor.event(id, Event::Executed(pid), self.now);
        self.follow_probes(id);
        self.row_changed(id);
    }

    /// What a child that was launched apart has told, if it was one: that it was executed, or why it
    /// could not be. One that tells neither has ended, which is heard of as any other end.
    pub(super) fn read_report(&mut self, pid: i32) {
        let Some(report) = self.reports.remove(&pid) else { return };
        let Some(id) = self.supervisor.by_pid(pid) else { return };
        let Some(process) = self.supervisor.get(id) else { return };
        match spawn::told_in(&report, pid) {
            Told::Failed(failure) => {
                let reason = super::recipe::explain(&failure, process);
                self.supervisor.exec_failed(id, reason);
            }
            Told::Executed => {
                self.executed(id, pid);
            }
            Told::Nothing => {}
        }
    }
}

/// How a process ended, as the supervisor is told.
pub(super) fn exit_of(end: wait::End) -> Exit {
    match end {
        wait::End::Code(code) => Exit::Code(code),
        wait::End::Signal(signal) => Exit::Signal(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn of_many_ends_the_last_is_looked_for_too() {
        let start = clock::now();
        let apart = APART + 100 * FOR_EACH;
        assert!(Looks::default().is_time(100, start), "one alone is not kept waiting");
        let mut looks = Looks { last: Some(start), due: None };
        assert!(!looks.is_time(100, start + apart / 2));
        assert_eq!(looks.due(), Some(start + apart));
        assert!(looks.is_time(100, start + apart));
    }
}
