//! What became of a process before: its last ends, for people who ask.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Exit, Pid};

/// So many ends are remembered of each process.
pub const KEPT: usize = 5;

/// One end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PastEnd {
    /// When.
    pub at: SystemTime,
    /// The process that ended.
    pub pid: Pid,
    /// How.
    pub exit: Exit,
    /// Whether that was expected.
    pub expected: bool,
    /// How long it had been up.
    pub lasted: Duration,
}

/// The last ends, oldest first. One that never ended takes no room.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Past(Vec<PastEnd>);

impl Past {
    /// Remembers one more, and forgets the oldest if there are too many.
    pub fn add(&mut self, end: PastEnd) {
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.reserve_exact(1);
        self.0.push(end);
    }

    /// Those that are remembered, oldest first.
    pub fn ends(&self) -> impl Iterator<Item = &PastEnd> {
        self.0.iter()
    }
}
