//! Connections as plain data: what each has said, was told and waits for.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::protocol::GoneRow;

/// Where they are to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Goal {
    Start,
    Stop,
    Restart,
    /// To be replaced, in the rolling restart of this number.
    Roll(u64),
}

/// A connection.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptClient {
    pub(super) stream: RawFd,
    pub(super) peer: String,
    pub(super) since: u64,
    pub(super) said: Vec<u8>,
    pub(super) untold: Vec<u8>,
    /// The nonce that it was greeted with; none: it has proved the secret.
    pub(super) greeted: Option<String>,
    pub(super) task: KeptTask,
    pub(super) closing: bool,
    pub(super) finished: bool,
}

/// What it waits for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum KeptTask {
    None,
    Wait { goal: Goal, pending: Vec<(String, u32, String)>, until: Option<u64>, failed: bool },
    Follow,
    Watch { selectors: Vec<String>, gone: Vec<GoneRow> },
    Tail { logs: Vec<KeptLog> },
    Clear { pending: BTreeMap<u64, String>, failed: bool },
    Upgrade,
}

/// A log that it reads.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptLog {
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) of: Option<(String, u32)>,
    #[serde(default)]
    pub(super) gone: Option<String>,
    pub(super) path: PathBuf,
    pub(super) file: Option<RawFd>,
    pub(super) at: u64,
}
