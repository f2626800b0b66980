//! A line of the journal, and its two forms. Pure.

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::supervisor::{Awaits, Base, Pid, Process, Snapshot};
use crate::sys::record;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon) enum Entry {
    /// What stands before this counts no more.
    Anew,
    /// In which boot of the machine this was written: the checksum of its name.
    Boot(u64),
    /// A process was launched.
    Up(Up),
    /// What a process is now.
    Is(Is),
    /// The stop signal has been sent.
    Asked { program: Rc<str>, index: u32, pid: Pid },
    /// It is supervised no more.
    Gone { program: Rc<str>, index: u32 },
    /// The logger was started; the child writes this, as it does [`Entry::Up`].
    Logger(Helper),
    /// Everything is being stopped, by nobody's wish for one of them.
    Shutdown,
}

/// A live process, as it was launched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::daemon) struct Up {
    pub(in crate::daemon) program: Rc<str>,
    pub(in crate::daemon) index: u32,
    /// How many processes the program had, which says what this one was called; 0: that is not
    /// known.
    pub(in crate::daemon) of: u32,
    /// Of what a reload would restart it for.
    pub(in crate::daemon) digest: u64,
    /// As in [`Snapshot`], for a daemon that dies before it knows of this launch.
    pub(in crate::daemon) retries: u32,
    pub(in crate::daemon) awaits: Awaits,
    pub(in crate::daemon) restarts: u64,
    /// When it was launched, in nanoseconds of the monotonic clock.
    pub(in crate::daemon) at: u64,
    /// How it is stopped once it is configured no more: signal, whether to the group, time.
    pub(in crate::daemon) stop: (i32, bool, Duration),
    /// The numbers of the pipes that its output goes to, if it is captured.
    pub(in crate::daemon) pipes: (Option<u64>, Option<u64>),
    /// The number of its notify socket; 0: it has none, or one without.
    #[serde(default)]
    pub(in crate::daemon) post: u64,
    pub(in crate::daemon) boot: u64,
    // The child adds these two, which therefore come last.
    pub(in crate::daemon) pid: Pid,
    /// A moment at which it had this pid, as [`crate::sys::identity`] counts.
    pub(in crate::daemon) seen: u64,
}

/// What of an [`Up`] its process does not tell: this much is kept of each that is live.
#[derive(Debug)]
pub(in crate::daemon) struct Launched {
    of: u32,
    digest: u64,
    retries: u32,
    awaits: Awaits,
    restarts: u64,
    at: u64,
    pub(in crate::daemon) pipes: (Option<u64>, Option<u64>),
    pub(in crate::daemon) post: u64,
    pub(in crate::daemon) seen: u64,
}

/// A helper of the daemon's, which lives on when the daemon is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Helper {
    pub(in crate::daemon) boot: u64,
    // The child adds these two.
    pub(in crate::daemon) pid: Pid,
    pub(in crate::daemon) seen: u64,
}

/// What a process is, and what it would be launched with now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::daemon) struct Is {
    pub(in crate::daemon) digest: u64,
    /// Of a live one, as in [`Up`]: should that line be damaged, this one is enough to know it by.
    pub(in crate::daemon) seen: Option<u64>,
    pub(in crate::daemon) process: Snapshot,
}

impl Entry {
    /// All that there is to tell of a process.
    pub(in crate::daemon) fn all_of(
        up: Option<Up>,
        is: Is,
        was_asked: bool,
    ) -> impl Iterator<Item = Self> {
        let asked = up.as_ref().filter(|_| was_asked).map(Up::asked);
        up.map(Self::Up).into_iter().chain([Self::Is(is)]).chain(asked)
    }

    /// As lines, one after the other.
    pub(in crate::daemon) fn lines<'a>(entries: impl IntoIterator<Item = &'a Self>) -> Vec<u8> {
        let mut lines = Vec::new();
        for entry in entries {
            record::seal(&mut lines, |lines| {
                // Nothing that it holds can fail to be JSON, and memory takes any write.
                let _ = serde_json::to_writer(lines, entry);
            });
        }
        lines
    }

    /// From a line.
    pub(in crate::daemon) fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(record::unsealed(line)?).ok()
    }
}

impl Up {
    /// That it has been sent the stop signal.
    pub(super) fn asked(&self) -> Entry {
        Entry::Asked { program: self.program.clone(), index: self.index, pid: self.pid }
    }

    /// Where the child's own line is damaged: what is known besides.
    pub(super) fn unheard(process: &Snapshot, pid: Pid, seen: u64, digest: u64, boot: u64) -> Self {
        Self {
            program: process.program.clone(),
            index: process.index,
            of: 0,
            digest,
            retries: 0,
            awaits: Awaits::Time,
            restarts: process.restarts,
            at: 0,
            stop: (libc::SIGTERM, false, Duration::from_secs(10)),
            pipes: (None, None),
            post: 0,
            boot,
            pid,
            seen,
        }
    }

    /// The beginning of its line, which the child ends.
    pub(super) fn head(&self) -> Option<Vec<u8>> {
        head(&Entry::Up(Self { pid: 0, seen: 0, ..self.clone() }))
    }
}

/// The beginning of a line whose last two numbers, 0 here, the child fills in.
pub(super) fn head(entry: &Entry) -> Option<Vec<u8>> {
    let json = serde_json::to_string(entry).ok()?;
    Some(json.strip_suffix("0,\"seen\":0}}")?.as_bytes().to_vec())
}

impl Launched {
    /// What is to be kept.
    pub(super) fn of(up: Up) -> Self {
        let Up { of, digest, retries, awaits, restarts, at, pipes, post, seen, .. } = up;
        Self { of, digest, retries, awaits, restarts, at, pipes, post, seen }
    }

    /// What its process was called when it was launched, if that is known.
    pub(in crate::daemon) fn name(&self, process: &Process) -> Option<String> {
        (self.of > 0).then(|| process.program.process_name_of(process.index, self.of))
    }

    /// All of it again. `up` is what a launch of the process would say now.
    pub(in crate::daemon) fn as_up(&self, pid: Pid, up: Up) -> Up {
        let Self { of, digest, retries, awaits, restarts, at, pipes, post, seen } = *self;
        Up { of, digest, retries, awaits, restarts, at, pipes, post, pid, seen, ..up }
    }
}

impl Is {
    pub(super) fn of(process: &Process, up: Option<&Launched>, base: Base) -> Self {
        let (digest, seen) = (process.program.launch.digest(), up.map(|up| up.seen));
        Self { digest, seen, process: process.snapshot(base) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Past;
    use super::*;
    use crate::supervisor::{Exit, Phase};

    pub(in crate::daemon::journal) fn example() -> Snapshot {
        Snapshot {
            program: "web".into(),
            index: 1,
            state: Phase::Running { pid: 71, started: 1_000_000_007 },
            since: Some(std::time::SystemTime::UNIX_EPOCH),
            restarts: 2,
            last_end: Some((Exit::Code(3), false)),
            failure: None,
            failed_at: Some(5),
            restarted: vec![3, 4],
            untried: false,
        }
    }

    pub(in crate::daemon::journal) fn up(pid: Pid) -> Up {
        Up {
            program: "web".into(),
            index: 1,
            of: 2,
            digest: u64::MAX,
            retries: 0,
            awaits: Awaits::Time,
            restarts: 2,
            at: 1_000_000_000,
            stop: (15, false, Duration::from_secs(10)),
            pipes: (Some(12), None),
            post: 13,
            boot: 77,
            pid,
            seen: 4711,
        }
    }

    /// A journal as it is written, of processes that are up.
    fn journal(pids: &[Pid]) -> String {
        let one = |pid| {
            let state = Phase::Running { pid, started: 1 };
            let process = Snapshot { index: pid as u32, state, ..example() };
            let up = Up { index: pid as u32, ..up(pid) };
            [Entry::Up(up), Entry::Is(Is { digest: 1, seen: Some(4711), process })]
        };
        let entries = [Entry::Boot(77)].into_iter().chain(pids.iter().copied().flat_map(one));
        String::from_utf8(Entry::lines(&entries.collect::<Vec<Entry>>())).unwrap()
    }

    /// All that a daemon would touch for what it reads: pid, moment and boot, which must be right
    /// together.
    fn touched(past: &Past) -> Vec<(Pid, u64, u64)> {
        past.processes
            .values()
            .filter_map(|left| left.up.as_ref())
            .map(|up| (up.pid, up.seen, up.boot))
            .collect()
    }

    #[test]
    fn the_child_writes_the_line_that_the_daemon_would() {
        let head = String::from_utf8(up(9).head().unwrap()).unwrap();
        let json = format!("{head}9,\"seen\":4711}}}}");
        let line = String::from_utf8(Entry::lines([&Entry::Up(up(9))])).unwrap();
        assert_eq!(record::sealed(&json), line);
        assert_eq!(Entry::from_line(line.trim()), Some(Entry::Up(up(9))));
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
