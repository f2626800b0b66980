//! The keeper: outlives the one that measures, and ends whatever that has left.
//!
//! It is the subreaper of everything below it, so nothing can get away; it ends only what is
//! below it, by pid; and a Ctrl-C comes to it as a signal that it waits for.

use std::process::{Command, ExitCode};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};

use crate::doing::{Doing, Result};
use crate::{part, processes};

/// Runs the measuring with these words, and cleans up after it.
pub(crate) fn keep(words: &[String]) -> ExitCode {
    let status = run(words);
    processes::end_all_below();
    match status {
        Ok(0) => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status),
        Err(reason) => {
            eprintln!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<u8> {
    set_child_subreaper(true).doing("becoming a subreaper")?;
    let awaited: SigSet =
        [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    awaited.thread_block().doing("blocking signals")?;
    let myself = std::env::current_exe().doing("finding this program")?;
    let mut measuring =
        Command::new(myself).arg(part::MEASURE).args(words).spawn().doing("starting to measure")?;
    loop {
        if awaited.wait().doing("waiting for a signal")? != Signal::SIGCHLD {
            return Ok(130);
        }
        if let Some(status) = measuring.try_wait().doing("waiting for the measuring")? {
            return Ok(u8::from(!status.success()));
        }
    }
}
