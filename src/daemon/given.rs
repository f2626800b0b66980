//! What whoever started the daemon gave it, and it changes for itself alone.

use serde::{Deserialize, Serialize};

use crate::sys::limits;

/// The limits that the daemon was started with, of those it may change: each soft and hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) open_files: (u64, u64),
    pub(super) core: (u64, u64),
}

impl Given {
    /// As they are now.
    pub(super) fn now() -> Self {
        Self { open_files: limits::open_files(), core: limits::core() }
    }
}
