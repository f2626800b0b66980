//! What is watched, as plain data, for the next version of the daemon.
#![forbid(unsafe_code)]

use std::os::fd::RawFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::schedule::KeptSchedule;
use super::stage::Stage;
use crate::supervisor::Pid;

/// All that is watched.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::daemon) struct KeptProbes {
    pub(super) watches: Vec<KeptWatch>,
    /// Commands that were killed, since nobody waits for their answers, and have not ended yet.
    pub(super) forgotten: Vec<Pid>,
}

/// One process. Descriptors stand here by their numbers, points in time as in [`Base`].
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptWatch {
    pub(super) program: String,
    pub(super) index: u32,
    pub(super) pid: Pid,
    pub(super) stage: Stage,
    /// Its notify socket, the number in its name, and the user whose word counts there.
    pub(super) post: Option<(RawFd, u64, u32)>,
    pub(super) line: Option<RawFd>,
    /// How often it has to say that it is alive, and when it last did.
    pub(super) watchdog: Option<(Duration, u64)>,
    pub(super) own_watchdog: Option<Duration>,
    pub(super) schedule: Option<KeptSchedule>,
    pub(super) command: Option<KeptCommand>,
    pub(super) status: String,
    pub(super) complaint: Option<String>,
}

/// A command in flight.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptCommand {
    pub(super) pid: Pid,
    pub(super) output: RawFd,
    pub(super) report: Option<RawFd>,
    pub(super) said: Vec<u8>,
    pub(super) is_silent: bool,
    pub(super) until: Option<u64>,
    pub(super) limit: Duration,
    pub(super) is_over: bool,
}
