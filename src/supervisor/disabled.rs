//! Processes that are disabled: stopped, and started by nothing until they are enabled.
//!
//! That is said of a program and a number, whether they are configured or not: one that is
//! taken out of the configuration and brought back is still disabled.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Event, Id, Process, Supervisor};

/// Programs and numbers.
pub type Disabled = BTreeSet<(Rc<str>, u32)>;

impl Supervisor {
    /// Those that are disabled.
    pub fn disabled(&self) -> &Disabled {
        &self.disabled
    }

    /// From now on these are disabled, and no others. It is for the caller to ask those that were not
    /// before to stop, and those that are no more to start.
    pub fn set_disabled(&mut self, disabled: Disabled) {
        let old = std::mem::replace(&mut self.disabled, disabled);
        let changed: Vec<_> = old.symmetric_difference(&self.disabled).cloned().collect();
        for (program, index) in changed {
            let Some(id) = self.find(&program, index) else { continue };
            let disabled = self.is_disabled(&program, index);
            if let Some(process) = self.slot(id) {
                process.disabled = disabled;
            }
        }
    }

    /// Whether this one is.
    pub(super) fn is_disabled(&self, program: &Rc<str>, index: u32) -> bool {
        self.disabled.contains(&(program.clone(), index))
    }

    /// What of an event concerns a process, which may be disabled.
    pub(super) fn permitted(&self, id: Id, event: Event) -> Option<Event> {
        match event {
            _ if !self.get(id).is_some_and(Process::is_disabled) => Some(event),
            Event::Start | Event::Restart | Event::Follow => None,
            Event::Keep { .. } => Some(Event::Keep { start: false }),
            Event::Stop
            | Event::Relaunch
            | Event::Remove
            | Event::Kill
            | Event::Spawned(_)
            | Event::Forked(_)
            | Event::Executed(_)
            | Event::SpawnFailed
            | Event::Look
            | Event::Ready(_)
            | Event::Unhealthy(_)
            | Event::Ended(..)
            | Event::Tick => Some(event),
        }
    }
}

impl Process {
    /// Whether nothing but enabling starts it.
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }
}
