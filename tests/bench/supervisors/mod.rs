//! What is compared, behind one trait: how it is configured, started and asked.

mod limit;
mod supervisord;
pub(crate) mod taskmaster;

use std::path::Path;
use std::process::Command;

pub(crate) use limit::Limit;
pub(crate) use supervisord::Supervisord;
pub(crate) use taskmaster::Taskmaster;

use crate::doing::Result;

/// A program to supervise: always restarted, and at once.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Its name.
    pub(crate) name: String,
    /// Its number, which it stamps with.
    pub(crate) id: u64,
    /// Its arguments, the executable's path first. No word needs quotes.
    pub(crate) command: Vec<String>,
    /// Whether what it prints is captured, to a file that is rotated at 10 MB, 10 of them kept.
    pub(crate) captured: bool,
}

/// One small request on a kept connection.
pub(crate) trait Requests {
    /// Sends it and hears the answer; how many bytes it was.
    fn ask(&mut self) -> Result<usize>;
    /// How many bytes a request is.
    fn request_length(&self) -> usize;
}

/// A supervisor. What one does not have is none.
pub(crate) trait Supervisor {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Writes the configuration for these programs.
    fn configure(&self, folder: &Path, programs: &[Program]) -> Result<()>;

    /// Runs it in the foreground until SIGTERM stops everything.
    fn command(&self, folder: &Path) -> Command;

    /// Shows the state of one program, or of all of them.
    fn status(&self, _folder: &Path, _name: Option<&str>) -> Option<Command> {
        None
    }

    /// Reads the configuration again.
    fn reload(&self, _folder: &Path) -> Option<Command> {
        None
    }

    /// Reads and checks the configuration, and does no more.
    fn check(&self, _folder: &Path) -> Option<Command> {
        None
    }

    /// A connection that asks after one program.
    fn connect(&self, _folder: &Path, _name: &str) -> Option<Result<Box<dyn Requests>>> {
        None
    }

    /// How many programs it is worth asking it for.
    fn most(&self) -> u64 {
        u64::MAX
    }
}
