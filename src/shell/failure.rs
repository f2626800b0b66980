//! Why the shell could not do what it was asked to, and its exit status for it.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use super::text;
use crate::sys::{cause, term};

/// What went wrong: a sentence with the act, the object, the cause and what to do next.
#[derive(Debug)]
pub(super) struct Failure {
    /// Of which kind.
    pub(super) kind: Kind,
    /// In words.
    pub(super) message: String,
}

/// The kinds of failure, each with its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whoever reads our output has gone: no reason to complain.
    Unheard,
    /// Something on this side.
    Failed,
    /// It was called in a wrong way.
    Usage,
    /// The secret is wrong, on one side or the other, or cannot be read.
    Refused,
    /// The daemon speaks another protocol.
    OtherVersion,
    /// Nobody listens there.
    Nobody,
    /// Somebody listens there, but is no daemon of ours, or does not answer.
    Stranger,
    /// A daemon greeted, and hung up before it had answered the hello.
    HungUp,
    /// The connection broke, or what came over it was not the protocol.
    Lost,
}

impl Kind {
    /// The exit status, as taskmasterctl(1) lists them.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Unheard => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 5,
            Self::OtherVersion => 6,
            Self::Nobody | Self::Stranger | Self::HungUp | Self::Lost => 7,
        }
    }
}

impl Failure {
    /// A failure of this kind.
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What writing to standard output came to. A pipe that nobody reads any more, as
    /// in `| head`, is a quiet end.
    pub(super) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Kind::Unheard, ""),
            _ => Self::new(
                Kind::Failed,
                format!("cannot write to standard output: {}", cause(error)),
            ),
        }
    }

    /// Prints it on standard error.
    pub(super) fn report(&self) {
        if self.kind != Kind::Unheard {
            complain(&self.message);
        }
    }
}

/// Prints a complaint on standard error, with our name in front. A terminal gets no line that it
/// would break within a word.
pub(super) fn complain(message: impl fmt::Display) {
    let message = format!("taskmaster: {}", text::clean(&message.to_string()));
    let message = match io::stderr().is_terminal() {
        true => in_columns(&message, term::size().0),
        false => message,
    };
    // Where standard error cannot be written to, there is nobody to tell.
    let _ = writeln!(io::stderr(), "{message}");
}

fn in_columns(message: &str, columns: usize) -> String {
    let lines: Vec<String> = message.lines().flat_map(|line| text::wrap(line, columns)).collect();
    lines.join("\n")
}
