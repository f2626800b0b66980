//! What the daemon and its clients say to each other, as values.
//!
//! A connection is lines of UTF-8, each ended by a newline. The server greets,
//! the client proves that it knows the secret, the server proves it back
//! ([`hello`]). From then on each line of the client is a [`Request`] in the
//! shell's own grammar, and the server answers it with [`Reply`] objects, one a
//! line, of which the last is [`Reply::End`]. Requests are answered one after the
//! other; an empty line ends a reply that waits or follows. The whole of it is
//! told in taskmaster-protocol(7).
#![forbid(unsafe_code)]

mod commands;
pub mod hello;
mod lines;
mod reply;
mod request;

pub use crate::config::EventName;
pub use commands::{COMMANDS, Command, Opt, Takes, find as find_command};
pub use lines::{LineError, Lines};
pub use reply::{
    DetailRow, End, EventRow, ExitRow, GoneRow, OutputRow, PidRow, PlanRow, ProblemRow, Reply,
    ResultRow, Row,
};
pub use request::{Request, Stream, Wait, split};

/// The number of this protocol. It changes when a client of the old one would go wrong.
pub const PROTOCOL: u32 = 1;

/// The longest line that the server takes, in bytes without its newline.
pub const LINE_LIMIT: usize = 64 * 1024;

/// The longest line that a client takes, in bytes without its newline. The server cuts what may grow
/// beyond it, as a command.
pub const REPLY_LIMIT: usize = 1024 * 1024;
