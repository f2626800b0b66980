//! The journal read back: what an earlier daemon left. Pure.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::entry::{Entry, Helper, Is, Up};
use crate::supervisor::{Phase, Snapshot};

/// What an earlier daemon left.
#[derive(Debug, Default, PartialEq)]
pub(in crate::daemon) struct Past {
    /// Its boot of the machine.
    pub(in crate::daemon) boot: Option<u64>,
    /// Its processes, by program and number.
    pub(in crate::daemon) processes: BTreeMap<(Rc<str>, u32), Left>,
    /// Its loggers, the last one at the end.
    pub(in crate::daemon) loggers: Vec<Helper>,
    /// It was stopping everything.
    pub(in crate::daemon) was_shutting_down: bool,
    /// Lines that cannot be believed.
    pub(in crate::daemon) damaged: usize,
}

/// One of its processes.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::daemon) struct Left {
    /// What it was.
    pub(in crate::daemon) process: Snapshot,
    /// As it was launched, if it was up.
    pub(in crate::daemon) up: Option<Up>,
    /// What it would have been launched with next.
    pub(in crate::daemon) digest: u64,
    /// Whether the stop signal has been sent.
    pub(in crate::daemon) was_asked: bool,
}

impl Past {
    /// Reads a journal, whatever has become of it.
    pub(in crate::daemon) fn read(bytes: &[u8]) -> Self {
        let mut past = Self::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match std::str::from_utf8(line).ok().and_then(Entry::from_line) {
                Some(entry) => past.take(entry),
                None => past.damaged += 1,
            }
        }
        past
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Anew => *self = Self { damaged: self.damaged, ..Self::default() },
            Entry::Boot(boot) => self.boot = Some(boot),
            Entry::Logger(logger) => {
                self.boot = self.boot.or(Some(logger.boot));
                self.loggers.push(logger);
            }
            Entry::Shutdown => self.was_shutting_down = true,
            Entry::Gone { program, index } => {
                self.processes.remove(&(program, index));
            }
            Entry::Asked { program, index, pid } => {
                if let Some(left) = self.processes.get_mut(&(program, index)) {
                    left.was_asked |= left.process.state.pid() == Some(pid);
                }
            }
            Entry::Up(up) => self.launched(up),
            Entry::Is(is) => self.changed(is),
        }
    }

    /// The child's word may come before or after the daemon's.
    fn launched(&mut self, up: Up) {
        self.boot = self.boot.or(Some(up.boot));
        let key = (up.program.clone(), up.index);
        let known = self.processes.remove(&key);
        let left = match known {
            Some(left) if left.process.state.pid() == Some(up.pid) => Left { up: Some(up), ..left },
            known => {
                let last = known.map(|left| left.process);
                let process = Snapshot {
                    program: up.program.clone(),
                    index: up.index,
                    state: Phase::Starting {
                        pid: up.pid,
                        started: up.at,
                        retries: up.retries,
                        awaits: up.awaits,
                    },
                    since: last.as_ref().and_then(|last| last.since),
                    restarts: up.restarts,
                    last_end: last.as_ref().and_then(|last| last.last_end),
                    failure: None,
                    failed_at: None,
                    restarted: last.map(|last| last.restarted).unwrap_or_default(),
                    untried: false,
                };
                Left { process, digest: up.digest, up: Some(up), was_asked: false }
            }
        };
        self.processes.insert(key, left);
    }

    fn changed(&mut self, is: Is) {
        let Is { digest, seen, process } = is;
        let key = (process.program.clone(), process.index);
        let known = self.processes.remove(&key);
        let is_same = |pid: &i32| process.state.pid() == Some(*pid);
        let was_asked = known.as_ref().is_some_and(|left| {
            let (was, is) = (left.process.state, process.state);
            let same_stop = was.is_stopping() && is.is_stopping() && was.pid() == is.pid();
            left.was_asked && same_stop
        });
        let up = known.and_then(|left| left.up).filter(|up| is_same(&up.pid));
        let alone = || Some(Up::unheard(&process, process.state.pid()?, seen?, digest, self.boot?));
        let up = up.or_else(alone);
        self.processes.insert(key, Left { process, up, digest, was_asked });
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::{example, up};
    use super::*;
    use crate::supervisor::Then;

    fn read(entries: &[Entry]) -> Past {
        Past::read(&Entry::lines(entries))
    }

    fn is(state: Phase) -> Entry {
        let process = Snapshot { state, ..example() };
        Entry::Is(Is { digest: 5, seen: None, process })
    }

    fn only(past: &Past) -> &Left {
        assert_eq!((past.processes.len(), past.damaged), (1, 0));
        past.processes.values().next().unwrap()
    }

    #[test]
    fn a_child_that_the_daemon_did_not_hear_of_is_starting() {
        let waiting = Phase::Spawning {
            from: crate::supervisor::StateName::Exited,
            retries: 2,
            asked: false,
        };
        let past = read(&[Entry::Boot(1), is(waiting), Entry::Up(Up { retries: 2, ..up(9) })]);
        let left = only(&past);
        let started = left.up.as_ref().unwrap().at;
        assert_eq!(
            left.process.state,
            Phase::Starting {
                pid: 9,
                started,
                retries: 2,
                awaits: crate::supervisor::Awaits::Time
            }
        );
    }

    #[test]
    fn the_childs_word_may_come_late() {
        let running = is(Phase::Running { pid: 9, started: 3 });
        for order in [[Entry::Up(up(9)), running.clone()], [running, Entry::Up(up(9))]] {
            let past = read(&order);
            assert_eq!(only(&past).process.state, Phase::Running { pid: 9, started: 3 });
            assert_eq!(only(&past).up, Some(up(9)));
        }
    }

    #[test]
    fn what_ended_is_not_up_and_what_is_gone_is_not_there() {
        let past = read(&[Entry::Up(up(9)), is(Phase::Exited { expected: true })]);
        assert_eq!(
            (only(&past).process.state, &only(&past).up),
            (Phase::Exited { expected: true }, &None)
        );
        let gone = Entry::Gone { program: "web".into(), index: 1 };
        assert!(read(&[Entry::Up(up(9)), gone]).processes.is_empty());
    }

    #[test]
    fn what_stands_before_a_new_beginning_counts_no_more() {
        let past = read(&[Entry::Boot(1), Entry::Up(up(9)), Entry::Shutdown, Entry::Anew]);
        assert_eq!(past, Past::default());
    }

    #[test]
    fn a_stop_was_heard_of_once_its_signal_is_on_record() {
        let then = Then::Stop;
        let stopping_as = |pid, then| {
            is(Phase::Stopping {
                pid,
                started: 3,
                how_far: crate::supervisor::HowFar::Asked(4),
                then,
            })
        };
        let stopping = |then| stopping_as(9, then);
        let asked = |pid| Entry::Asked { program: "web".into(), index: 1, pid };
        let running = is(Phase::Running { pid: 9, started: 3 });
        let was_asked = |entries: &[Entry]| only(&read(entries)).was_asked;
        assert!(!was_asked(&[Entry::Up(up(9)), stopping(then)]));
        assert!(was_asked(&[Entry::Up(up(9)), stopping(then), asked(9)]));
        assert!(was_asked(&[Entry::Up(up(9)), stopping(then), asked(9), stopping(Then::Start)]));
        assert!(!was_asked(&[Entry::Up(up(9)), stopping(then), asked(8)]));
        let other = stopping_as(8, then);
        assert!(!was_asked(&[Entry::Up(up(9)), stopping(then), asked(9), Entry::Up(up(8)), other]));
        assert!(!was_asked(&[Entry::Up(up(9)), running, asked(9), stopping(then)]));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..Default::default()
        })]

        /// Bytes changed, cut out or put in: each line is believed as it was written, or not at all.
        #[test]
        fn no_damage_makes_up_a_process_or_ends_the_reading(
            at in 0..1000usize,
            cut in 0..300usize,
            noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
        ) {
            let entries = [
                Entry::Boot(1),
                is(Phase::Stopped),
                Entry::Up(up(9)),
                Entry::Logger(Helper { boot: 1, pid: 5, seen: 7 }),
                Entry::Shutdown,
            ];
            let mut bytes = Entry::lines(&entries);
            let at = at % bytes.len();
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, noise);
            let (past, whole) = (Past::read(&bytes), read(&entries));
            proptest::prop_assert!(past.processes.keys().all(|key| whole.processes.contains_key(key)));
            proptest::prop_assert!(past.loggers.is_empty() || past.loggers == whole.loggers);
            let ups = |past: &Past| past.processes.values().filter_map(|l| l.up.clone()).collect::<Vec<_>>();
            proptest::prop_assert!(ups(&past).iter().all(|up| ups(&whole).contains(up)));
        }
    }
}
