//! Processes by their pid: what /proc tells of one, and signals to it. No daemon is asked.

use std::fs;
use std::process::Command;

use super::until;

/// Whether a process exists and has not ended.
pub fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// When a process was started, in ticks since the boot.
pub fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Sends a signal to a process that this test, or its daemon, has started.
pub fn signal(pid: i32, signal: i32) {
    assert!(pid > 1);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::try_from(signal).unwrap(),
    )
    .unwrap();
}

/// The same by number, for those without a name.
pub fn signal_number(pid: i32, number: i32) {
    assert!(pid > 1);
    let words = ["-c", &format!("kill -{number} {pid}")];
    assert!(Command::new("sh").args(words).status().unwrap().success());
}

/// The value of this line of /proc/PID/status.
pub fn status_of(pid: i32, key: &str) -> String {
    let status = proc(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} of {pid}: {status}")).trim().to_owned()
}

/// The file of this name below /proc/PID.
pub fn proc(pid: i32, name: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The same of one that is up: "cmdline" or "environ", which are empty until execve(2) is through.
/// That lets go of the daemon sooner.
pub fn executed(pid: i32, name: &str) -> String {
    let mut text = String::new();
    until("it is executed", || {
        text = proc(pid, name);
        !text.is_empty()
    });
    text
}

/// The children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    proc(pid, &format!("task/{pid}/children"))
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// The children of a daemon, but for its logger, which is to be told by what it executes.
pub fn programs_of(pid: i32) -> Vec<i32> {
    let is_on_its_way = |pid: i32| {
        let stat = proc(pid, "stat");
        proc(pid, "cmdline").is_empty() && !stat.is_empty() && !stat.contains(") Z ")
    };
    let is_logger = |pid: &i32| {
        until("it is executed, or has ended", || !is_on_its_way(*pid));
        proc(*pid, "cmdline") == "taskmaster\0logger\0"
    };
    children(pid).into_iter().filter(|pid| !is_logger(pid)).collect()
}
