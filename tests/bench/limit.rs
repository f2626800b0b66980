//! The machine's limit: the least that a supervisor can do. A loop of posix_spawn(3), and a
//! restart for each end; no states, no log, no control, nothing that could be left out.
//!
//! ```text
//! limit FILE      a command line a row, words apart by spaces
//! ```

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::doing::{Doing, Result};

/// Starts them all, starts again what ends, and on SIGTERM stops them all.
pub(crate) fn play(words: &[String]) -> Result<()> {
    let [file] = words else { return Err("limit: FILE".to_owned()) };
    let mut limit = Limit::read(file)?;
    let awaited: SigSet = [Signal::SIGCHLD, Signal::SIGTERM].into_iter().collect();
    awaited.thread_block().doing("blocking signals")?;
    for program in 0..limit.programs.len() {
        limit.spawn(program)?;
    }
    loop {
        match awaited.wait().doing("waiting for a signal")? {
            Signal::SIGTERM => return limit.stop(),
            _ => limit.reap()?,
        }
    }
}

struct Limit {
    programs: Vec<Vec<CString>>,
    pids: HashMap<Pid, usize>,
    environment: Vec<CString>,
    attributes: PosixSpawnAttr,
    actions: PosixSpawnFileActions,
}

impl Limit {
    fn read(file: &str) -> Result<Self> {
        let text = fs::read_to_string(file).doing(format!("reading {file}"))?;
        let words = |line: &str| line.split(' ').map(CString::new).collect();
        let programs: std::result::Result<_, _> = text.lines().map(words).collect();
        let mut attributes = PosixSpawnAttr::init().doing("posix_spawnattr_init")?;
        attributes.set_sigmask(&SigSet::empty()).doing("the children's signal mask")?;
        attributes
            .set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)
            .doing("posix_spawn's flags")?;
        Ok(Self {
            programs: programs.doing(format!("the words in {file}"))?,
            pids: HashMap::new(),
            environment: vec![CString::from(c"PATH=/usr/bin:/bin")],
            attributes,
            actions: PosixSpawnFileActions::init().doing("posix_spawn's file actions")?,
        })
    }

    fn spawn(&mut self, program: usize) -> Result<()> {
        let Some(words @ [path, ..]) = self.programs.get(program).map(Vec::as_slice) else {
            return Ok(());
        };
        let environment = &self.environment;
        let pid = posix_spawn(path.as_c_str(), &self.actions, &self.attributes, words, environment);
        self.pids.insert(pid.doing("posix_spawn")?, program);
        Ok(())
    }

    fn reap(&mut self) -> Result<()> {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
            if let Some(program) = status.pid().and_then(|pid| self.pids.remove(&pid)) {
                self.spawn(program)?;
            }
        }
        Ok(())
    }

    fn stop(self) -> Result<()> {
        for pid in self.pids.keys() {
            let _ = kill(*pid, Signal::SIGTERM);
        }
        // Not for every child: one may wait for the end of what we print.
        for pid in self.pids.keys() {
            waitpid(*pid, None).doing("waiting for a child")?;
        }
        Ok(())
    }
}
