//! Descendants that left their program's group for a session of their own.
//!
//! When their parent ends they become the daemon's children. They are logged soon after, once two
//! looks have seen them, live on while the daemon does, and are killed with it.
//!
//! Those that did not leave the group are killed with that, and their ends are no news: many hooks
//! that are killed at their deadline would push out of the log what matters.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::Daemon;
use crate::config::Level;
use crate::supervisor::Exit;
use crate::sys::{children, signals};

/// How soon after a death they are looked for.
const SOON: Duration = Duration::from_millis(100);

/// How often at most.
const SELDOM: Duration = Duration::from_secs(1);

/// How much more seldom for each child there is: a look walks over all of them.
const FOR_EACH: Duration = Duration::from_millis(1);

/// So long a group that was killed is remembered. Then the rest of it has ended, and its number may
/// be another's.
const RECENT: Duration = Duration::from_secs(5);

/// So many at most.
const KILLED: usize = 4096;

/// How long the daemon's end waits for those that do not die of SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Strays {
    known: BTreeSet<i32>,
    /// Seen by the last look for the first time. Those that were killed with their group, and have
    /// not ended yet, are gone by the next.
    doubtful: BTreeSet<i32>,
    due: Option<Instant>,
    /// Not before that.
    earliest: Option<Instant>,
    /// Since when the daemon waits for them to end.
    ending: Option<Instant>,
    /// The groups that were killed last, and when.
    killed: VecDeque<(i32, Instant)>,
}

impl Strays {
    /// When the next look is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A process has ended: its descendants may be ours now.
    pub(super) fn look_soon(&mut self, now: Instant) {
        let soon = now + SOON;
        self.due = self.due.or(Some(self.earliest.map_or(soon, |earliest| earliest.max(soon))));
    }

    /// Those that are known.
    pub(super) fn known(&self) -> impl Iterator<Item = i32> {
        self.known.iter().copied()
    }

    /// Those that the version before this one knew.
    pub(super) fn take_up(&mut self, known: Vec<i32>) {
        self.known.extend(known);
    }

    /// A group was killed, or what was left of it.
    pub(super) fn group_killed(&mut self, group: i32, now: Instant) {
        let is_old = |(_, at): &(i32, Instant)| now >= *at + RECENT;
        while self.killed.len() == KILLED || self.killed.front().is_some_and(is_old) {
            self.killed.pop_front();
        }
        self.killed.push_back((group, now));
    }

    fn was_killed(&self, group: i32, now: Instant) -> bool {
        self.killed.iter().any(|(killed, at)| *killed == group && now < *at + RECENT)
    }

    /// One has been reaped.
    pub(super) fn reaped(&mut self, pid: i32) {
        self.known.remove(&pid);
    }
}

impl Daemon {
    /// Looks for children that are no program's, and logs the new ones.
    pub(super) fn look_for_strays(&mut self) {
        self.strays.due = None;
        let doubtful = std::mem::take(&mut self.strays.doubtful);
        let children = children::list();
        let count = u32::try_from(children.len()).unwrap_or(u32::MAX);
        self.strays.earliest = Some(self.now.at + SELDOM + FOR_EACH.saturating_mul(count));
        for pid in children {
            if self.supervisor.by_pid(pid).is_some()
                || self.captures.is_logger(pid)
                || self.probes.is_command(pid)
                || self.reporting.helpers.has(pid)
                || self.is_upgrade_check(pid)
                || self.strays.known.contains(&pid)
            {
                continue;
            }
            // It lost its parent, but not its program: it goes with that.
            let is_known = |group| {
                self.supervisor.by_pid(group).is_some()
                    || self.probes.is_command(group)
                    || self.reporting.helpers.has(group)
            };
            if children::group(pid).is_none_or(is_known) {
                continue;
            }
            // A zombie is reaped in a moment.
            if children::is_zombie(pid) {
                continue;
            }
            if !doubtful.contains(&pid) {
                self.strays.doubtful.insert(pid);
                continue;
            }
            let command = children::command(pid);
            self.strays.known.insert(pid);
            let pid = pid.to_string();
            let facts = [("pid", pid.as_str()), ("command", command.as_str())];
            self.log(Level::Warning, "left its program, now a child of the daemon", &facts);
        }
        if !self.strays.doubtful.is_empty() {
            self.strays.look_soon(self.now.at);
        }
    }

    /// Whether a zombie that was no program, and ended like this, was killed with its group.
    pub(super) fn went_with_its_group(&self, pid: i32, exit: Exit) -> bool {
        let is_killed = |group| {
            self.strays.was_killed(group, self.now.at)
                || self.probes.is_command(group)
                || self.reporting.helpers.has(group)
        };
        exit == Exit::Signal(signals::KILL) && children::group(pid).is_some_and(is_killed)
    }

    /// At the end: kills them all, and theirs as they become ours. True when none is left, or
    /// when they have had time enough.
    pub(super) fn strays_are_gone(&mut self) -> bool {
        let left = children::list();
        if left.is_empty() {
            return true;
        }
        let since = *self.strays.ending.get_or_insert(self.now.at);
        for pid in left {
            let _ = signals::send(pid, signals::KILL, false);
        }
        self.strays.due = Some(self.now.at + SOON);
        if self.now.at < since + PATIENCE {
            return false;
        }
        self.warn("some descendants did not end after SIGKILL");
        true
    }
}
