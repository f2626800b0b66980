//! One supervisor with its programs, in a folder of its own, and what can be asked of the pair.

use std::fs::File;
use std::path::Path;
use std::process::{Child as Running, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::child::Child;
use crate::clock::{now, pause, since};
use crate::doing::{Doing, Result};
use crate::processes::{self, Used};
use crate::stamps::{Kind, Stamp, Stamps};
use crate::supervisors::{Program, Supervisor};

/// How long anything may take before it counts as failed, in seconds.
const PATIENCE: f64 = 120.0;

/// A supervisor at work. Dropped, it and everything below it is killed.
pub(crate) struct Session<'a> {
    supervisor: &'a dyn Supervisor,
    child: &'a Child,
    folder: TempDir,
    running: Option<Running>,
    /// What the programs stamp.
    pub(crate) stamps: Stamps,
    /// The programs.
    pub(crate) programs: Vec<Program>,
}

impl<'a> Session<'a> {
    /// A folder for it; nothing runs yet.
    pub(crate) fn new(supervisor: &'a dyn Supervisor, child: &'a Child) -> Result<Self> {
        let folder = crate::folder::new()?;
        let stamps = Stamps::new(folder.path())?;
        Ok(Self { supervisor, child, folder, running: None, stamps, programs: Vec::new() })
    }

    /// Where everything of it lies.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A program that stamps the FIFO and waits.
    pub(crate) fn idle(&self, id: u64) -> Program {
        let command = self.child.command("idle", self.stamps.path(), id);
        Program { name: format!("p{id:05}"), id, command, captured: false }
    }

    /// So many of them.
    pub(crate) fn idlers(&self, count: u64) -> Vec<Program> {
        (0..count).map(|id| self.idle(id)).collect()
    }

    /// Configures and starts it with these programs; returns at once, with the moment.
    pub(crate) fn launch(&mut self, programs: Vec<Program>) -> Result<u64> {
        self.programs = programs;
        self.configure()?;
        let output = File::create(self.folder().join("printed")).doing("making a file")?;
        let mut command = self.supervisor.command(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let start = now();
        self.running = Some(command.spawn().doing(format!("starting {}", self.supervisor.name()))?);
        Ok(start)
    }

    /// The same, and waits for the first stamp of each; the seconds till the last one's.
    pub(crate) fn boot(&mut self, programs: Vec<Program>) -> Result<f64> {
        let count = programs.len();
        let start = self.launch(programs)?;
        let mut stamps = Vec::new();
        while stamps.len() < count {
            // Looked at seldom: who looks takes time from those who start.
            pause(4.0);
            stamps.extend(self.stamps.take());
            self.has_not_ended()?;
            if since(start) > PATIENCE {
                let name = self.supervisor.name();
                return Err(format!("{name} started only {} of {count}", stamps.len()));
            }
        }
        Ok(seconds_until(start, stamps.iter().map(|stamp| stamp.at).max().unwrap_or(start)))
    }

    /// Writes the configuration for the programs as they now are.
    pub(crate) fn configure(&self) -> Result<()> {
        self.supervisor.configure(self.folder.path(), &self.programs)
    }

    fn has_not_ended(&mut self) -> Result<()> {
        let name = self.supervisor.name();
        let running = self.running.as_mut().doing("nothing was started")?;
        match running.try_wait().doing(format!("waiting for {name}"))? {
            None => Ok(()),
            Some(status) => {
                let printed = std::fs::read_to_string(self.folder.path().join("printed"));
                let last = printed.unwrap_or_default();
                let last = last.lines().last().unwrap_or_default();
                Err(format!("{name} ended by itself, {status}: {last}"))
            }
        }
    }

    /// The processes of the supervisor itself.
    pub(crate) fn own(&self) -> Vec<i32> {
        processes::other_than(&self.child.path)
    }

    /// The supervisor's first process.
    pub(crate) fn pid(&self) -> Result<i32> {
        let running = self.running.as_ref().doing("nothing was started")?;
        i32::try_from(running.id()).doing("a pid")
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn memory(&self) -> Result<f64> {
        let bytes = processes::memory(&self.own())?;
        Ok(bytes as f64)
    }

    /// Context switches a second while nothing happens, and CPU seconds a second.
    pub(crate) fn idleness(&self, seconds: f64) -> (f64, f64) {
        let own = self.own();
        let (before, start) = (Used::by(&own), now());
        pause(seconds * 1e3);
        let spent = Used::by(&own).since(&before);
        let time = since(start);
        (spent.switches as f64 / time, spent.cpu / time)
    }

    /// Kills one child; the seconds until the next one has started.
    pub(crate) fn restart(&mut self, id: u64) -> Result<f64> {
        let old = self.stamps.pid(id)?;
        let start = now();
        kill(Pid::from_raw(old), Signal::SIGKILL).doing(format!("killing child {id}"))?;
        let stamp = self.stamps.wait(Kind::Start, id, 20)?;
        Ok(seconds_until(start, stamp.at))
    }

    /// Runs a command that says nothing; the seconds it took.
    pub(crate) fn time(mut command: Command) -> Result<f64> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = now();
        let status = command.status().doing("running a command")?;
        let time = since(start);
        // 3: status shows something that is not RUNNING, here in a storm.
        match status.code() {
            Some(0 | 3) => Ok(time),
            _ => Err(format!("{command:?}: {status}")),
        }
    }

    /// Seconds of the `status` of one program, or of all of them.
    pub(crate) fn status(&self, name: Option<&str>) -> Option<Result<f64>> {
        self.supervisor.status(self.folder.path(), name).map(Self::time)
    }

    /// Seconds of a reload.
    pub(crate) fn reload(&self) -> Option<Result<f64>> {
        self.supervisor.reload(self.folder.path()).map(Self::time)
    }

    /// Seconds of reading and checking the configuration.
    pub(crate) fn check(&self) -> Option<Result<f64>> {
        self.supervisor.check(self.folder.path()).map(Self::time)
    }

    /// A connection that asks after the first program.
    pub(crate) fn connect(&self) -> Option<Result<Box<dyn crate::supervisors::Requests>>> {
        let first = self.programs.first()?;
        self.supervisor.connect(self.folder.path(), &first.name)
    }

    /// Ten programs are taken out, ten get another argument, ten are new. The seconds from the
    /// command until the last of the twenty has started and the last of the ten is gone; none if it
    /// cannot reload.
    pub(crate) fn change_ten(&mut self, round: u64) -> Result<Option<f64>> {
        const TEN: usize = 10;
        if self.supervisor.reload(self.folder.path()).is_none() {
            return Ok(None);
        }
        let removed: Vec<Program> = self.programs.drain(..TEN).collect();
        let mut gone = Vec::new();
        for program in &removed {
            gone.push(self.stamps.pid(program.id)?);
        }
        let mut awaited = Vec::new();
        for program in self.programs.iter_mut().take(TEN) {
            program.command.push(format!("round{round}"));
            awaited.push(program.id);
        }
        let first_new = 1_000_000 + round * 100;
        let new: Vec<Program> = (first_new..first_new + 10).map(|id| self.idle(id)).collect();
        awaited.extend(new.iter().map(|program| program.id));
        self.programs.extend(new);
        self.configure()?;
        let start = now();
        self.reload().transpose()?;
        let mut last = now();
        while !(awaited.is_empty() && gone.is_empty()) {
            for stamp in self.stamps.take() {
                self.expect(&stamp, &mut awaited)?;
                last = last.max(stamp.at);
            }
            if gone.iter().any(|pid| !processes::lives(*pid)) {
                gone.retain(|pid| processes::lives(*pid));
                last = last.max(now());
            }
            if since(start) > PATIENCE {
                return Err(format!(
                    "reload: {} not started, {} not gone",
                    awaited.len(),
                    gone.len()
                ));
            }
            pause(0.5);
        }
        Ok(Some(seconds_until(start, last)))
    }

    fn expect(&self, stamp: &Stamp, awaited: &mut Vec<u64>) -> Result<()> {
        let before = awaited.len();
        awaited.retain(|id| *id != stamp.id);
        if awaited.len() == before {
            let name = self.supervisor.name();
            return Err(format!(
                "{name}: a reload touched child {}, which it had not to",
                stamp.id
            ));
        }
        Ok(())
    }

    /// Asks it to stop everything; the seconds until it has ended.
    pub(crate) fn stop(mut self) -> Result<f64> {
        let pid = Pid::from_raw(self.pid()?);
        let name = self.supervisor.name();
        let mut running = self.running.take().doing("nothing was started")?;
        let start = now();
        kill(pid, Signal::SIGTERM).doing(format!("stopping {name}"))?;
        while running.try_wait().doing(format!("waiting for {name}"))?.is_none() {
            if since(start) > PATIENCE {
                return Err(format!("{name} did not stop"));
            }
            pause(0.2);
        }
        let time = since(start);
        let left = processes::below(Pid::this().as_raw());
        if left.iter().any(|pid| processes::lives(*pid)) {
            return Err(format!("{name} left {} processes", left.len()));
        }
        Ok(time)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        processes::end_all_below();
    }
}

fn seconds_until(start: u64, end: u64) -> f64 {
    crate::clock::seconds(end.saturating_sub(start))
}
