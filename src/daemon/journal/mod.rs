//! The journal: what the next daemon has to know should this one be killed.
//!
//! A file in the state folder, one JSON object a line with a checksum behind it, appended to at
//! every change: each line is written before what it tells of is acted upon, but for the one that
//! the stop signal was sent, which comes at the end of the turn. A start is told by
//! the child itself, before it is the program or its user ([`Up`]); the lock of the state folder is
//! shared with it until then. So whoever gets the lock finds every child on record, or
//! dead. What a process is and what is wanted of it is told by the daemon ([`Is`]).
//!
//! Only the last line of each kind counts for a process ([`Past::read`]): so the file is written
//! anew at the daemon's start, after a reload and when it has doubled, under another name that then
//! replaces the old one. A kill at any point of that leaves the old file or the new. A child
//! that still writes to the old one is on record in the new: the daemon knows its pid by then.
//!
//! A line that is torn or was changed is not believed, and counted. Numbers are believed only
//! together with the boot, and a process is touched only when it is the one on record;
//! see [`crate::sys::identity`].

pub(super) mod entry;
mod file;
pub(super) mod past;

pub(super) use entry::{Entry, Up};
use entry::{Helper, Is};
pub(super) use file::Journal;
pub(super) use past::{Left, Past};

use super::Daemon;
use crate::config::{Level, Program};
use crate::supervisor::{Awaits, Base, Id, Process};
use crate::sys::{cause, clock};

/// The monotonic clock in both forms.
pub(super) fn base() -> Base {
    let (at, nanos) = clock::monotonic();
    Base { at, nanos }
}

impl Daemon {
    /// What is to be written down about a start of this process.
    pub(super) fn launch_record(&self, process: &Process, retries: u32) -> Up {
        let program: &Program = &process.program;
        let policy = &program.policy;
        Up {
            program: program.name.clone(),
            index: process.index,
            of: program.numprocs,
            digest: program.launch.digest(),
            retries,
            awaits: match policy.ready {
                None => Awaits::Time,
                Some(_) => Awaits::Ready { up: false },
            },
            restarts: process.restarts,
            at: base().nanos,
            stop: (policy.stopsignal.number(), policy.stopasgroup, policy.stoptime),
            pipes: self.captures.pipes_of(&program.name, process.index),
            post: 0,
            boot: self.journal.boot(),
            pid: 0,
            seen: 0,
        }
    }

    /// Writes down what has changed, before it is acted upon.
    pub(super) fn write_journal(&mut self) {
        let touched = self.supervisor.take_touched();
        if self.journal.wants_rewrite(self.now.at) {
            return self.rewrite_journal();
        }
        let base = base();
        let gone = |process: &Process| Entry::Gone {
            program: process.program.name.clone(),
            index: process.index,
        };
        let is = |process| Entry::Is(Is::of(process, self.journal.up_of(process), base));
        // Those that are gone first: their names may be others' already.
        let (old, kept): (Vec<Id>, Vec<Id>) =
            touched.into_iter().partition(|id| self.supervisor.is_forgotten(*id));
        let of = |ids: Vec<Id>| ids.into_iter().filter_map(|id| self.supervisor.get(id));
        let entries = of(old).map(gone).chain(of(kept).map(is)).collect::<Vec<Entry>>();
        self.note(&entries);
    }

    /// Writes these down.
    pub(super) fn note(&mut self, entries: &[Entry]) {
        if !entries.is_empty() && self.state_dir.is_there() {
            let written = self.journal.append(entries, self.now.at);
            self.tell_of_journal(written);
        }
    }

    /// Writes all of it anew.
    pub(super) fn rewrite_journal(&mut self) {
        if !self.state_dir.is_there() {
            self.supervisor.take_touched();
            return;
        }
        let base = base();
        let loggers = self.captures.before.iter().chain(&self.captures.logger);
        let loggers = loggers.filter_map(|logger| logger.known);
        let boot = self.journal.boot();
        let mut entries: Vec<Entry> =
            loggers.map(|(pid, seen)| Entry::Logger(Helper { boot, pid, seen })).collect();
        if self.supervisor.is_shutting_down() {
            entries.push(Entry::Shutdown);
        }
        for process in self.supervisor.ids().filter_map(|id| self.supervisor.get(id)) {
            let up = self.up_as_now(process);
            // One that was never started is as good as new.
            if up.is_some() || process.since.is_some() {
                let is = Is::of(process, self.journal.up_of(process), base);
                entries.extend(Entry::all_of(up, is, self.journal.has_been_asked(process)));
            }
        }
        self.supervisor.take_touched();
        let written = match self.keep_folder() {
            Ok(()) => self.journal.rewrite(&entries, self.now.at),
            Err(why) => self.journal.put_off(why, self.now.at),
        };
        self.tell_of_journal(written);
    }

    /// The state folder, and the address in it, made anew if they are gone.
    pub(super) fn keep_folder(&mut self) -> Result<(), String> {
        if !self.state_dir.is_in_place() {
            self.state_dir.make_anew((&self.config.daemon.secret_file, &self.secret))?;
            self.warn("the state folder was gone: made anew");
        }
        let address = self.listener.as_ref().and_then(|listener| listener.local_addr().ok());
        if let Some(address) = address.filter(|_| !self.state_dir.has_address()) {
            // What fails now is tried again the next time.
            let _ = self.state_dir.write_address(address);
        }
        Ok(())
    }

    fn tell_of_journal(&mut self, written: std::io::Result<()>) {
        match (written, self.journal.in_trouble()) {
            (Ok(()), true) => {
                self.journal.set_trouble(false);
                self.log(Level::Info, "the journal is written again", &[]);
            }
            (Err(error), false) => {
                self.journal.set_trouble(true);
                let message = format!(
                    "writing {}: {}; until that is mended, a daemon that is killed leaves processes \
                     behind that the next one does not know",
                    self.journal.path().display(),
                    cause(&error)
                );
                self.log(Level::Error, &message, &[]);
            }
            (Ok(()), false) | (Err(_), true) => {}
        }
    }
}
