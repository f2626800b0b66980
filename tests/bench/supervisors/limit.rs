//! The limit as a supervisor: see `limit.rs` beside this folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Program, Supervisor};
use crate::doing::{Doing, Result};
use crate::part;

/// The loop of posix_spawn(3). What it captures goes through a pipe to `cat > file`.
pub(crate) struct Limit;

impl Supervisor for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn configure(&self, folder: &Path, programs: &[Program]) -> Result<()> {
        let lines: String = programs.iter().map(|p| p.command.join(" ") + "\n").collect();
        fs::write(folder.join("programs"), lines).doing("writing the limit's programs")
    }

    fn command(&self, folder: &Path) -> Command {
        let myself = std::env::current_exe().unwrap_or_default();
        let mut command = Command::new("sh");
        // The pipe is there for who prints. The shell is the limit's parent only until the exec.
        let script = "if grep -q ' flood ' programs; then mkfifo pipe; \
                      cat <pipe >captured & exec \"$@\" >pipe; fi; exec \"$@\"";
        command.args(["-c", script, "limit"]).arg(myself).args([part::LIMIT, "programs"]);
        command.current_dir(folder);
        command
    }
}
