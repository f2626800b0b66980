//! Who this process is the parent of, as the kernel sees it.

use std::fs;

use super::identity::Stat;

/// Places in `/proc/PID/stat`, as [`Stat`] counts them.
const STATE: usize = 0;
const PARENT: usize = 1;
const GROUP: usize = 2;
const SESSION: usize = 3;

/// The pids of all children, zombies included.
///
/// From `/proc/self/task/TID/children` where the kernel has it, else from every
/// `/proc/PID/stat`. Without /proc: none.
///
/// In a PID namespace whose /proc is that of another, the numbers there mean others: none, too.
pub fn list() -> Vec<i32> {
    let me = std::process::id();
    if fs::read_link("/proc/self").ok().is_none_or(|link| link.as_os_str() != &*me.to_string()) {
        return Vec::new();
    }
    match fs::read_to_string(format!("/proc/self/task/{me}/children")) {
        Ok(text) => text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
        Err(_) => by_stat(me),
    }
}

fn by_stat(parent: u32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let parent = i32::try_from(parent).ok();
    pids.filter(|pid| parent_of(*pid) == parent).collect()
}

fn parent_of(pid: i32) -> Option<i32> {
    number(pid, PARENT)
}

/// Its process group.
pub fn group(pid: i32) -> Option<i32> {
    number(pid, GROUP)
}

/// Whether a process is this leader of a session, or of that session, or descends from it. None:
/// it has gone, or cannot be seen.
pub fn belongs(pid: i32, leader: i32) -> Option<bool> {
    /// Deeper than this nobody nests.
    const DEEPEST: usize = 64;
    if pid == leader {
        return Some(true);
    }
    if number(pid, SESSION)? == leader {
        return Some(true);
    }
    let line = std::iter::successors(Some(pid), |pid| parent_of(*pid).filter(|above| *above > 1));
    Some(line.take(DEEPEST).any(|above| above == leader))
}

/// Whether it has ended and waits to be reaped.
pub fn is_zombie(pid: i32) -> bool {
    state(pid).is_some_and(|state| state == "Z")
}

/// Whether a process of this number is there, and no zombie.
pub fn lives(pid: u32) -> bool {
    i32::try_from(pid).ok().and_then(state).is_some_and(|state| state != "Z")
}

fn state(pid: i32) -> Option<String> {
    Stat::of(pid)?.field(STATE).map(str::to_owned)
}

fn number(pid: i32, place: usize) -> Option<i32> {
    Stat::of(pid)?.field(place)?.parse().ok()
}

/// The name of a process's command, at most 15 bytes of it.
///
/// The whole command line lies in the memory of the process itself, which may have put something
/// there that never comes, such as a page of a file system of its own: a read of it would hang.
pub fn command(pid: i32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn who_has_no_name_or_one_that_is_no_text_is_seen_too() {
        let me = i32::try_from(std::process::id()).unwrap();
        for name in ["\\377", "\\0", "a) Z 1 \\376"] {
            let script = format!("printf '{name}' >/proc/$$/comm; echo; read line");
            let mut command = Command::new("sh");
            command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let said = std::io::Read::read(child.stdout.as_mut().unwrap(), &mut [0; 1]);
            assert_eq!(said.unwrap(), 1, "{name}");
            let pid = i32::try_from(child.id()).unwrap();
            let mine = nix::unistd::getpgid(None).unwrap().as_raw();
            assert_eq!((parent_of(pid), group(pid)), (Some(me), Some(mine)), "{name}");
            assert_eq!(belongs(pid, me), Some(true), "{name}");
            assert!(lives(child.id()) && !is_zombie(pid), "{name}");
            drop(child.stdin.take());
            child.wait().unwrap();
            assert_eq!(belongs(pid, me), None, "{name}");
        }
    }
}
