//! What there is to hear from a process and to ask of it, by its state.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use crate::supervisor::{State, StateName};

/// What is of interest in a process's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// Whether it is ready.
    Starting,
    /// Whether it is well.
    Running,
    /// Nothing but what it says.
    Other,
}

impl Stage {
    /// In this state.
    pub(super) fn of(state: State) -> Self {
        // Whoever answers in its place is another.
        if state.awaits_exec() {
            return Self::Other;
        }
        match state.name() {
            StateName::Starting => Self::Starting,
            StateName::Running => Self::Running,
            StateName::Stopped
            | StateName::Waiting
            | StateName::Backoff
            | StateName::Stopping
            | StateName::Exited
            | StateName::Fatal => Self::Other,
        }
    }
}
