//! Processes that SIGKILL does not end: they hang in the kernel, or are held by who traces them. A stop
//! waits for them, and so does the end of the daemon, as another must not run beside them; somebody
//! has to be told why.

use std::collections::BTreeMap;

use super::Daemon;
use crate::config::Level;
use crate::supervisor::{Id, Pid, Stage, State};

/// It is told at the SIGKILL of this number, the first being 1. They lie a second apart.
const TOLD_AT: u32 = 5;

/// How many SIGKILLs those that are not gone yet have got.
#[derive(Debug, Default)]
pub(super) struct Lingering(BTreeMap<Pid, u32>);

impl Lingering {
    /// It gets one. Whether it is time to tell.
    fn is_news(&mut self, pid: Pid) -> bool {
        let times = self.0.entry(pid).or_default();
        *times = times.saturating_add(1);
        *times == TOLD_AT
    }

    /// It is gone.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.0.remove(&pid);
    }
}

impl Daemon {
    /// A signal was sent to a process: tells of one that it does not end.
    pub(super) fn mind_lingering(&mut self, id: Id) {
        let Some(process) = self.supervisor.get(id) else { return };
        let State::Stopping { pid, stage: Stage::Killed(_), .. } = process.state else { return };
        if !self.lingering.is_news(pid) {
            return;
        }
        let message = "SIGKILL does not end it: it hangs in the kernel, as on a disk that does not \
                       answer, or somebody traces it";
        let (name, pid) = (process.name(), pid.to_string());
        self.log(Level::Error, message, &[("name", &name), ("pid", &pid)]);
    }
}
