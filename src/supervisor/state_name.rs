//! The states by the names that people see.

use serde::{Deserialize, Serialize};

/// A state of a process, as Supervisor names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StateName {
    /// Not up, and not wanted.
    Stopped,
    /// Wanted, and held back by what it depends on.
    Waiting,
    /// Being started; not up for `starttime` yet.
    Starting,
    /// Up.
    Running,
    /// Between a failed start and the next.
    Backoff,
    /// Asked to stop; not gone yet.
    Stopping,
    /// Ended by itself, and not to be restarted.
    Exited,
    /// Given up.
    Fatal,
}

impl StateName {
    /// Every state.
    #[cfg(test)]
    pub const ALL: [Self; 8] = [
        Self::Stopped,
        Self::Waiting,
        Self::Starting,
        Self::Running,
        Self::Backoff,
        Self::Stopping,
        Self::Exited,
        Self::Fatal,
    ];

    /// The name in capitals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Waiting => "WAITING",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Backoff => "BACKOFF",
            Self::Stopping => "STOPPING",
            Self::Exited => "EXITED",
            Self::Fatal => "FATAL",
        }
    }
}

impl std::fmt::Display for StateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
