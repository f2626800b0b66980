//! Processes that SIGKILL does not end: they hang in the kernel, or are held by who traces them. A stop
//! waits for them, and so does the end of the daemon, as another must not run beside them; somebody
//! has to be told why.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Daemon;
use crate::config::Level;
use crate::supervisor::{Id, Pid, Stage, State};

/// So long after the first SIGKILL it is told: it takes a moment to give back much memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// When those that are not gone yet got their first SIGKILL, and whether that was told.
#[derive(Debug, Default)]
pub(super) struct Lingering(BTreeMap<Pid, (Instant, bool)>);

impl Lingering {
    /// It got one. Whether it is time to tell.
    fn is_news(&mut self, pid: Pid, now: Instant) -> bool {
        let (first, told) = self.0.entry(pid).or_insert((now, false));
        let is_time = now >= *first + PATIENCE;
        is_time && !std::mem::replace(told, true)
    }

    /// It is gone.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.0.remove(&pid);
    }
}

impl Daemon {
    /// A process got a signal: tells of one that SIGKILL does not end.
    pub(super) fn mind_lingering(&mut self, id: Id) {
        let Some(process) = self.supervisor.get(id) else { return };
        let State::Stopping { pid, stage: Stage::Killed(_), .. } = process.state else { return };
        if !self.lingering.is_news(pid, self.now.at) {
            return;
        }
        let message = "SIGKILL does not end it: it hangs in the kernel, as on a disk that does not \
                       answer, or somebody traces it";
        let (name, pid) = (process.name(), pid.to_string());
        self.log(Level::Error, message, &[("name", &name), ("pid", &pid)]);
    }
}
