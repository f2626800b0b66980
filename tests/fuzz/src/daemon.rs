//! Of the daemon's room: what it leaves to the next.

#[path = "../../../src/daemon/journal/entry.rs"]
mod entry;
#[path = "../../../src/daemon/given.rs"]
mod given;
#[path = "../../../src/daemon/handover.rs"]
mod handover;
#[path = "../../../src/daemon/kept.rs"]
mod kept;
#[path = "left.rs"]
pub mod left;
#[path = "../../../src/daemon/journal/past.rs"]
mod past;
#[path = "probes.rs"]
mod probes;
#[path = "../../../src/daemon/disabled/text.rs"]
mod text;
#[path = "../../../src/daemon/texts.rs"]
mod texts;

/// Who is disabled.
mod disabled {
    pub(super) use super::text;
}

/// The journal's lines, and their reader.
mod journal {
    pub(super) use super::entry::{self, Up};
    pub(super) use super::past;
}
