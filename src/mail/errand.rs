//! What a sender is given on its standard input: where to, and the message but for the last lines
//! of output, which it looks up itself.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Server;

/// The exit status of a sender whose message was taken, but not for everybody.
pub const UNREACHED: u8 = 3;

/// One message to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Errand {
    /// By which way; with it, the password.
    pub server: Server,
    /// The address it comes from.
    pub from: String,
    /// The addresses it goes to.
    pub to: Vec<String>,
    /// The name of this machine.
    pub host: String,
    /// One line.
    pub subject: String,
    /// The text, up to the output.
    pub text: String,
    /// Logs whose last lines belong to it.
    pub outputs: Vec<Output>,
    /// What stands below them.
    pub signature: String,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// The log of a stream of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The process.
    pub process: String,
    /// Its stream, `stdout` or `stderr`.
    pub stream: String,
    /// Where it is recorded.
    pub path: PathBuf,
}
