//! Children that are no programs: senders of mail, and hooks.
//!
//! Each gets its text on standard input, which cannot block anybody, as it is a file in memory. What
//! it prints is read as it comes, and its end kept. It has a deadline, and then is killed with its
//! group. Its end is seen where all ends are, by its pid.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::words;
use crate::supervisor::Exit;
use crate::sys::spawn::{Extras, Failure, Launcher, Mode, Recipe, failure_in};
use crate::sys::{cause, files, pipe, signals};

/// How much of what one prints is kept, in bytes.
const KEPT: usize = 2048;

/// How much of it is read in a turn at most, in bytes.
const AT_ONCE: usize = 16 * 1024;

/// How much of it is read once it has ended: more than a pipe holds, mostly.
const AT_END: usize = 256 * 1024;

/// How much of its last line is told, in letters.
const TOLD: usize = 300;

/// How long after a kill the next one follows.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// Which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// It sends the message that is under way.
    Mail,
    /// A hook: its command.
    Hook(String),
}

/// What one is to be.
pub(super) struct Order {
    pub(super) kind: Kind,
    pub(super) argv: Vec<CString>,
    pub(super) envp: Vec<CString>,
    /// Where its file may lie.
    pub(super) files: Vec<CString>,
    pub(super) mode: Mode,
    pub(super) limits: Vec<(u32, u64, u64)>,
    /// What it is given to read.
    pub(super) input: Vec<u8>,
    pub(super) timeout: Duration,
}

/// One that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) kind: Kind,
    pub(super) exit: Exit,
    /// The last line that it printed; or why it could not be executed.
    pub(super) said: String,
    /// It was killed, since it took longer than this.
    pub(super) timed_out: Option<Duration>,
}

impl Ended {
    /// How it ended, in words.
    pub(super) fn how(&self) -> String {
        match self.timed_out {
            Some(time) => format!("no end within {}", super::when::span(time)),
            None => words::ended(self.exit),
        }
    }
}

#[derive(Debug)]
struct Helper {
    kind: Kind,
    /// What it prints; none once it has closed that.
    output: Option<File>,
    said: Vec<u8>,
    /// Of one that was launched apart: why it could not be executed, if so.
    report: Option<OwnedFd>,
    timeout: Duration,
    /// When it is killed, or killed again.
    kill_at: Instant,
    is_killed: bool,
}

/// All of them, by pid.
#[derive(Debug, Default)]
pub(super) struct Helpers {
    running: HashMap<i32, Helper>,
}

impl Helpers {
    /// Starts one.
    ///
    /// # Errors
    /// The step that failed, and why.
    pub(super) fn start(
        &mut self,
        launcher: &mut Launcher,
        order: Order,
        now: Instant,
    ) -> Result<i32, Failure> {
        let launching = |cause| Failure { step: crate::sys::spawn::Step::Launching, cause };
        let input = files::in_memory(&order.input).map_err(launching)?;
        let (read, write) = pipe::one_way().map_err(launching)?;
        let recipe = Recipe {
            argv: order.argv,
            envp: order.envp,
            files: order.files,
            stdio: [input.as_raw_fd(), write.as_raw_fd(), write.as_raw_fd()],
            folder: None,
            umask: None,
            ids: None,
            limits: order.limits,
            nice: None,
            oom_score_adj: None,
            no_new_privs: false,
            extras: Extras::default(),
            record: None,
        };
        let child = launcher.launch(&recipe, order.mode)?;
        let helper = Helper {
            kind: order.kind,
            output: Some(read.into()),
            said: Vec::new(),
            report: child.report,
            timeout: order.timeout,
            kill_at: now + order.timeout,
            is_killed: false,
        };
        self.running.insert(child.pid, helper);
        Ok(child.pid)
    }

    /// Whether this is one of them.
    pub(super) fn has(&self, pid: i32) -> bool {
        self.running.contains_key(&pid)
    }

    /// How many are at work.
    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    /// How many hooks are.
    pub(super) fn hooks(&self) -> usize {
        self.running.values().filter(|helper| helper.kind != Kind::Mail).count()
    }

    /// Where they print to, with their pids.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (i32, BorrowedFd<'_>)> {
        self.running
            .iter()
            .filter_map(|(pid, helper)| Some((*pid, helper.output.as_ref()?.as_fd())))
    }

    /// One has printed something.
    pub(super) fn hear(&mut self, pid: i32) {
        if let Some(helper) = self.running.get_mut(&pid) {
            helper.hear(AT_ONCE);
        }
    }

    /// When the next deadline is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.running.values().map(|helper| helper.kill_at).min()
    }

    /// Kills those whose time is over.
    pub(super) fn tick(&mut self, now: Instant) {
        for (pid, helper) in &mut self.running {
            if helper.kill_at <= now {
                helper.is_killed = true;
                helper.kill_at = now + KILL_AGAIN;
                let _ = signals::send(*pid, signals::KILL, true);
            }
        }
    }

    /// Kills them all.
    pub(super) fn kill(&mut self) {
        for pid in self.running.keys() {
            let _ = signals::send(*pid, signals::KILL, true);
        }
    }

    /// One has ended, and is to be reaped.
    pub(super) fn ended(&mut self, pid: i32, exit: Exit) -> Option<Ended> {
        let mut helper = self.running.remove(&pid)?;
        helper.hear(AT_END);
        let unexecuted = helper.report.as_ref().and_then(failure_in);
        let said = match unexecuted {
            Some(failure) => cause(&failure.cause),
            None => helper.last_line(),
        };
        let timed_out = helper.is_killed.then_some(helper.timeout);
        Some(Ended { kind: helper.kind, exit, said, timed_out })
    }
}

impl Helper {
    fn hear(&mut self, most: usize) {
        let Some(output) = &mut self.output else { return };
        let mut buffer = [0; 4096];
        for _ in 0..most / buffer.len() {
            match output.read(&mut buffer) {
                Ok(0) => {
                    self.output = None;
                    break;
                }
                Ok(length) => {
                    self.said.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    let excess = self.said.len().saturating_sub(KEPT);
                    self.said.drain(..excess);
                }
                // Nothing more for now.
                Err(_) => break,
            }
        }
    }

    fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.said);
        let line = text.trim_end().rsplit('\n').next().unwrap_or_default().trim();
        line.chars().take(TOLD).collect()
    }
}
