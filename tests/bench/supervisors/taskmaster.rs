//! The binary that this repository makes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Program, Requests, Supervisor};
use crate::doing::{Doing, Result};
use crate::wire::Wire;

/// Where cargo has put it.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_taskmaster");

/// As it is built by `cargo bench`.
pub(crate) struct Taskmaster {
    /// Further keys of every program.
    pub(crate) defaults: &'static str,
}

impl Taskmaster {
    /// Programs count as started at once, and are restarted at once.
    pub(crate) fn new() -> Self {
        Self { defaults: "starttime: 0, backoff: 0" }
    }

    fn run(&self, folder: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(words).args(["-c", "taskmaster.yaml"]).current_dir(folder);
        command
    }

    fn ask(&self, folder: &Path, words: &[&str]) -> Command {
        let mut command = self.run(folder, &["shell"]);
        command.args(words);
        command
    }
}

impl Supervisor for Taskmaster {
    fn name(&self) -> &'static str {
        "taskmaster"
    }

    fn configure(&self, folder: &Path, programs: &[Program]) -> Result<()> {
        let mut text = format!(
            "daemon: {{listen: '127.0.0.1:0', state_dir: state}}\n\
             defaults: {{autorestart: always, startretries: unlimited, {}}}\n\
             programs:\n",
            self.defaults
        );
        for Program { name, command, captured, .. } in programs {
            let (command, stdout) = (
                command.join(" "),
                match captured {
                    true => format!("{{file: {name}.log, max_bytes: 10MB, keep: 10}}"),
                    false => "discard".to_owned(),
                },
            );
            let _ = writeln!(
                text,
                "  {name}:\n    cmd: {command}\n    stdout: {stdout}\n    stderr: discard"
            );
        }
        fs::write(folder.join("taskmaster.yaml"), text).doing("writing taskmaster.yaml")
    }

    fn command(&self, folder: &Path) -> Command {
        self.run(folder, &["daemon"])
    }

    fn status(&self, folder: &Path, name: Option<&str>) -> Option<Command> {
        let mut command = self.ask(folder, &["status"]);
        command.args(name);
        Some(command)
    }

    fn reload(&self, folder: &Path) -> Option<Command> {
        Some(self.ask(folder, &["reload"]))
    }

    fn check(&self, folder: &Path) -> Option<Command> {
        Some(self.run(folder, &["check"]))
    }

    fn connect(&self, folder: &Path, name: &str) -> Option<Result<Box<dyn Requests>>> {
        let wire = Wire::connect(&folder.join("state"), format!("status {name}"));
        Some(wire.map(|wire| Box::new(wire) as Box<dyn Requests>))
    }
}
