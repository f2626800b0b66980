//! Processes as the kernel shows them: who is below us, what they hold and what they have used.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::clock::pause;
use crate::doing::{Doing, Result};

/// What processes have used so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Used(HashMap<i32, Usage>);

#[derive(Debug, Default, Clone, Copy)]
struct Usage {
    cpu_ns: u64,
    switches: u64,
}

/// What was used between two looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Seconds on a CPU.
    pub(crate) cpu: f64,
    /// Context switches, voluntary or not.
    pub(crate) switches: u64,
}

/// The children of a process.
fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")));
    let lists: Vec<String> = lists.map(std::result::Result::unwrap_or_default).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).flat_map(str::parse).collect()
}

/// Everything below a process, parents first.
pub(crate) fn below(pid: i32) -> Vec<i32> {
    let mut found = children(pid);
    let mut at = 0;
    while let Some(next) = found.get(at) {
        found.extend(children(*next));
        at += 1;
    }
    found
}

/// Everything below us that is not this program.
pub(crate) fn other_than(program: &Path) -> Vec<i32> {
    let is_it = |pid: &i32| {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.starts_with(program))
    };
    below(me()).into_iter().filter(|pid| !is_it(pid) && lives(*pid)).collect()
}

/// Whether a process exists and has not ended.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Their proportional share of memory, in bytes.
pub(crate) fn memory(pids: &[i32]) -> Result<u64> {
    pids.iter().map(|pid| memory_of(*pid)).sum()
}

fn memory_of(pid: i32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).doing(format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).doing(format!("no Pss in {path}"))
}

impl Used {
    /// What they have used until now. One that is gone has used nothing.
    pub(crate) fn by(pids: &[i32]) -> Self {
        Self(pids.iter().map(|pid| (*pid, usage(*pid))).collect())
    }

    /// What has been used since, by those that were there then.
    pub(crate) fn since(&self, before: &Self) -> Spent {
        let pairs = || self.0.iter().filter_map(|(pid, now)| Some((now, before.0.get(pid)?)));
        let cpu: u64 = pairs().map(|(now, then)| now.cpu_ns.saturating_sub(then.cpu_ns)).sum();
        let switches = pairs().map(|(now, then)| now.switches.saturating_sub(then.switches)).sum();
        Spent { cpu: crate::clock::seconds(cpu), switches }
    }
}

fn usage(pid: i32) -> Usage {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    tasks.into_iter().flatten().flatten().fold(Usage::default(), |sum, task| {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let schedstat = read("schedstat");
        let cpu_ns = schedstat.split_whitespace().next().and_then(|word| word.parse().ok());
        let status = read("status");
        let switches = status.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.ends_with("ctxt_switches").then(|| value.trim().parse::<u64>().ok())?
        });
        Usage {
            cpu_ns: sum.cpu_ns + cpu_ns.unwrap_or(0),
            switches: sum.switches + switches.sum::<u64>(),
        }
    })
}

/// Kills everything below us, by pid, until nothing is left, and reaps it.
pub(crate) fn end_all_below() {
    for _ in 0..1000 {
        let left = below(me());
        for pid in &left {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        reap();
        if left.is_empty() {
            return;
        }
        pause(5.0);
    }
    eprintln!("bench: processes that cannot be killed: {:?}", below(me()));
}

fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}

fn me() -> i32 {
    Pid::this().as_raw()
}
