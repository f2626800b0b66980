//! The journal: what the next daemon has to know should this one be killed.
//!
//! A file in the state folder, one JSON object a line with a checksum behind it, appended to at
//! every change: each line is written before what it tells of is acted upon. A start is told by
//! the child itself, as its last act before it is the program ([`Up`]); the lock of the state
//! folder is shared with it until then. So whoever gets the lock finds every child on record, or
//! dead. What a process is and what is wanted of it is told by the daemon ([`Is`]).
//!
//! Only the last line of each kind counts for a process ([`Past::read`]): so the file is written
//! anew at the daemon's start, after a reload and when it has doubled, under another name that then
//! replaces the old one. A kill at any point of that leaves the old file or the new. A child
//! that still writes to the old one is on record in the new: the daemon knows its pid by then.
//!
//! A line that is torn or was changed is not believed, and counted. Numbers are believed only
//! together with the boot, and a process is touched only when it was started at the same moment as
//! the one on record; see [`crate::sys::identity`].

mod file;
mod past;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use file::Journal;
pub(super) use past::{Left, Past};

use super::Daemon;
use crate::config::{Level, Program};
use crate::supervisor::{Awaits, Base, Id, Pid, Process, Snapshot};
use crate::sys::record;
use crate::sys::{cause, clock};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// What stands before this counts no more.
    Anew,
    /// In which boot of the machine this was written: the checksum of its name.
    Boot(u64),
    /// A process was launched.
    Up(Up),
    /// What a process is now.
    Is(Is),
    /// The stop signal has been sent.
    Asked { program: String, index: u32, pid: Pid },
    /// It is supervised no more.
    Gone { program: String, index: u32 },
    /// The logger was started; like the beginning of this its end is written by the child.
    Logger(Helper),
    /// Everything is being stopped, by nobody's wish for one of them.
    Shutdown,
}

/// A live process, as it was launched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Up {
    pub(super) program: String,
    pub(super) index: u32,
    /// How many processes the program has.
    pub(super) of: u32,
    /// Of what a reload would restart it for.
    pub(super) digest: u64,
    /// As in [`Snapshot`], for a daemon that dies before it knows of this launch.
    pub(super) retries: u32,
    pub(super) awaits: Awaits,
    pub(super) restarts: u64,
    /// When it was launched, in nanoseconds of the monotonic clock.
    pub(super) at: u64,
    /// How it is stopped once it is configured no more: signal, whether to the group, time.
    pub(super) stop: (i32, bool, Duration),
    /// The numbers of the pipes that its output goes to, if it is captured.
    pub(super) pipes: (Option<u64>, Option<u64>),
    pub(super) boot: u64,
    // The child adds these two, which therefore come last.
    pub(super) pid: Pid,
    /// In clock ticks since the boot.
    pub(super) start: u64,
}

/// A helper of the daemon's, which lives on when the daemon is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Helper {
    pub(super) boot: u64,
    // The child adds these two.
    pub(super) pid: Pid,
    pub(super) start: u64,
}

/// What a process is, and what it would be launched with now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Is {
    pub(super) digest: u64,
    /// Of a live one, as in [`Up`]: should that line be damaged, this one is enough to know it by.
    pub(super) start: Option<u64>,
    pub(super) process: Snapshot,
}

/// The monotonic clock in both forms.
pub(super) fn base() -> Base {
    let (at, nanos) = clock::monotonic();
    Base { at, nanos }
}

impl Entry {
    /// As a line.
    fn to_line(&self) -> String {
        record::sealed(&serde_json::to_string(self).unwrap_or_default())
    }

    /// From a line.
    fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(record::unsealed(line)?).ok()
    }
}

impl Up {
    /// That it has been sent the stop signal.
    fn asked(&self) -> Entry {
        Entry::Asked { program: self.program.clone(), index: self.index, pid: self.pid }
    }

    /// Where the child's own line is damaged: what is known besides.
    fn unheard(process: &Snapshot, pid: Pid, start: u64, digest: u64, boot: u64) -> Self {
        Self {
            program: process.program.clone(),
            index: process.index,
            of: process.index.saturating_add(1),
            digest,
            retries: 0,
            awaits: Awaits::Time,
            restarts: process.restarts,
            at: 0,
            stop: (libc::SIGTERM, false, Duration::from_secs(10)),
            pipes: (None, None),
            boot,
            pid,
            start,
        }
    }

    /// The beginning of its line, which the child ends.
    fn head(&self) -> Option<Vec<u8>> {
        head(&Entry::Up(Self { pid: 0, start: 0, ..self.clone() }))
    }
}

/// The beginning of a line whose last two numbers, 0 here, the child fills in.
fn head(entry: &Entry) -> Option<Vec<u8>> {
    let json = serde_json::to_string(entry).ok()?;
    Some(json.strip_suffix("0,\"start\":0}}")?.as_bytes().to_vec())
}

impl Is {
    fn of(process: &Process, up: Option<&Up>, base: Base) -> Self {
        let (digest, start) = (process.program.launch.digest(), up.map(|up| up.start));
        Self { digest, start, process: process.snapshot(base) }
    }
}

impl Daemon {
    /// What is to be written down about a start of this process.
    pub(super) fn launch_record(&self, process: &Process, retries: u32) -> Up {
        let program: &Program = &process.program;
        let policy = &program.policy;
        Up {
            program: program.name.to_string(),
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
            boot: self.journal.boot(),
            pid: 0,
            start: 0,
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
            program: process.program.name.to_string(),
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
        let logger = self.captures.logger.as_ref().and_then(|logger| logger.known);
        let logger = logger.map(|(pid, start)| Helper { boot: self.journal.boot(), pid, start });
        let mut entries: Vec<Entry> = logger.map(Entry::Logger).into_iter().collect();
        if self.supervisor.is_shutting_down() {
            entries.push(Entry::Shutdown);
        }
        for process in self.supervisor.ids().filter_map(|id| self.supervisor.get(id)) {
            let up = self.up_as_now(process);
            // One that was never started is as good as new.
            if up.is_some() || process.since.is_some() {
                let is = Entry::Is(Is::of(process, up.as_ref(), base));
                let asked = up.as_ref().filter(|_| self.journal.has_been_asked(process));
                let asked = asked.map(Up::asked);
                entries.extend(up.map(Entry::Up).into_iter().chain([is]).chain(asked));
            }
        }
        self.supervisor.take_touched();
        let written = match self.keep_folder() {
            Ok(()) => self.journal.rewrite(&entries, self.now.at),
            Err(why) => self.journal.put_off(why, self.now.at),
        };
        self.tell_of_journal(written);
    }

    /// The state folder, made anew if it is gone.
    fn keep_folder(&mut self) -> Result<(), String> {
        if self.state_dir.is_in_place() {
            return Ok(());
        }
        self.state_dir.make_anew((&self.config.daemon.secret_file, &self.secret))?;
        if let Some(Ok(address)) = self.listener.as_ref().map(std::net::TcpListener::local_addr) {
            self.state_dir.write_address(address)?;
        }
        self.warn("the state folder was gone: made anew");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::{Exit, Phase};

    pub(super) fn example() -> Snapshot {
        Snapshot {
            program: "web".to_owned(),
            index: 1,
            state: Phase::Running { pid: 71, started: 1_000_000_007 },
            since: Some(std::time::SystemTime::UNIX_EPOCH),
            restarts: 2,
            last_end: Some((Exit::Code(3), false)),
            failure: None,
            failed_at: Some(5),
            restarted: vec![3, 4],
        }
    }

    pub(super) fn up(pid: Pid) -> Up {
        Up {
            program: "web".to_owned(),
            index: 1,
            of: 2,
            digest: u64::MAX,
            retries: 0,
            awaits: Awaits::Time,
            restarts: 2,
            at: 1_000_000_000,
            stop: (15, false, Duration::from_secs(10)),
            pipes: (Some(12), None),
            boot: 77,
            pid,
            start: 4711,
        }
    }

    /// A journal as it is written, of processes that are up.
    fn journal(pids: &[Pid]) -> String {
        let one = |pid| {
            let state = Phase::Running { pid, started: 1 };
            let process = Snapshot { index: pid as u32, state, ..example() };
            let up = Up { index: pid as u32, ..up(pid) };
            [Entry::Up(up), Entry::Is(Is { digest: 1, start: Some(4711), process })]
        };
        let entries = [Entry::Boot(77)].into_iter().chain(pids.iter().copied().flat_map(one));
        entries.map(|entry| entry.to_line()).collect()
    }

    /// All that a daemon would touch for what it reads: pid, start and boot, which must be right
    /// together.
    fn touched(past: &Past) -> Vec<(Pid, u64, u64)> {
        past.processes
            .values()
            .filter_map(|left| left.up.as_ref())
            .map(|up| (up.pid, up.start, up.boot))
            .collect()
    }

    #[test]
    fn the_child_writes_the_line_that_the_daemon_would() {
        let head = String::from_utf8(up(9).head().unwrap()).unwrap();
        let json = format!("{head}9,\"start\":4711}}}}");
        assert_eq!(record::sealed(&json), Entry::Up(up(9)).to_line());
        assert_eq!(Entry::from_line(Entry::Up(up(9)).to_line().trim()), Some(Entry::Up(up(9))));
    }

    #[test]
    fn every_prefix_names_only_processes_that_are_on_record() {
        let whole = journal(&[71, 72, 73]);
        let all = touched(&Past::read(whole.as_bytes()));
        assert_eq!(all.len(), 3);
        for end in 0..whole.len() {
            let past = Past::read(&whole.as_bytes()[..end]);
            assert!(touched(&past).iter().all(|one| all.contains(one)), "{end}");
            assert!(past.damaged <= 1, "{end}");
        }
    }

    #[test]
    fn every_change_of_a_byte_loses_nobody_and_invents_nobody() {
        let whole = journal(&[71]);
        let all = touched(&Past::read(whole.as_bytes()));
        let mut bytes = whole.clone().into_bytes();
        for at in 0..bytes.len() {
            let right = bytes[at];
            for wrong in 0..=255 {
                bytes[at] = wrong;
                let past = Past::read(&bytes);
                assert_eq!(touched(&past), all, "{at} {wrong}");
                // A line end in the middle makes two of one.
                assert!(past.damaged <= 2, "{at} {wrong}");
            }
            bytes[at] = right;
        }
    }
}
