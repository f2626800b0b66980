//! Clients that mean harm, or are broken: none of them disturbs another, a program or the daemon.

mod crowd;
mod lines;
mod silence;

use std::collections::BTreeMap;
use std::fs;

use crate::bench::{Bench, Wire, proc, until};
use crate::facts::{exit, pids, until_all_run};

/// A daemon with programs that must live on, and a client that must be answered.
struct Town {
    bench: Bench,
    watcher: Wire,
    pids: BTreeMap<String, i64>,
    descriptors: usize,
    memory: u64,
}

/// How much the daemon may grow, in KiB. What it may owe to one follower is less.
const GROWTH: u64 = 24 * 1024;

impl Town {
    fn new() -> Self {
        Self::with("")
    }

    /// With more programs, which are all left alone until they are asked for.
    fn with(more: &str) -> Self {
        Self::of(Bench::up(&silent(&format!("{PROGRAMS}{more}"))))
    }

    fn of(bench: Bench) -> Self {
        let mut watcher = bench.client();
        until("all run", || exit(&watcher.ask("status a b")) == 0);
        let pids = pids(&mut watcher);
        // Who asked whether the daemon is up has been let go of.
        until("one client is left", || sockets(&bench) == 2);
        let (descriptors, memory) = (descriptors(&bench), memory(&bench));
        Self { bench, watcher, pids, descriptors, memory }
    }

    /// The others are answered, and all programs are as they were.
    fn goes_on(&mut self) {
        assert_eq!(exit(&self.watcher.ask("version")), 0);
        assert_eq!(exit(&self.bench.client().ask("version")), 0);
        assert_eq!(pids(&mut self.watcher), self.pids);
    }

    /// All that, and the daemon holds no more than before.
    fn is_unharmed(&mut self) {
        self.goes_on();
        let (bench, wanted) = (&self.bench, self.descriptors);
        until("the descriptors are as they were", || descriptors(bench) == wanted);
        let grown = memory(bench).saturating_sub(self.memory);
        assert!(grown < GROWTH, "the daemon has grown by {grown} KiB");
    }
}

/// Programs without pipes and a logger: what the daemon holds is counted.
fn silent(programs: &str) -> String {
    programs.replace("{cmd:", "{stdout: discard, stderr: discard, cmd:")
}

const PROGRAMS: &str = "\
a: {cmd: sleep 1000, starttime: 0}
b: {cmd: sleep 1000, starttime: 0, numprocs: 2}
";

/// How many descriptors the daemon has open.
fn descriptors(bench: &Bench) -> usize {
    fs::read_dir(format!("/proc/{}/fd", bench.pid())).unwrap().count()
}

/// How many of them are sockets: the one that listens, and a client each.
fn sockets(bench: &Bench) -> usize {
    let entries = fs::read_dir(format!("/proc/{}/fd", bench.pid())).unwrap();
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// The daemon's memory, in KiB.
fn memory(bench: &Bench) -> u64 {
    let status = proc(bench.pid(), "status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_restart_of_all_goes_on_when_who_asked_is_gone() {
    let bench = Bench::up("p: {cmd: sleep 1000, starttime: 0, numprocs: 30}");
    let mut watcher = bench.client();
    until_all_run(&mut watcher);
    let before = pids(&mut watcher);
    let mut client = bench.client();
    client.send("restart all");
    drop(client);
    until("all are new", || {
        let now = pids(&mut watcher);
        now.len() == before.len() && now.iter().all(|(name, pid)| before[name] != *pid)
    });
    until_all_run(&mut watcher);
}
