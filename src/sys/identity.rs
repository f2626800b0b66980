//! Who a process is. A number alone may be another's by now. Number and moment together are one
//! process's for as long as the machine is up, and the boot's name says since when: who has the
//! number now and was started no later than the moment at which another was seen to have it, is that
//! one. So nobody has to ask for the start of a child, which costs as much as a tenth of a start; the
//! clock is enough.

use std::fs;

use nix::time::{ClockId, clock_gettime};

/// When a process was started, in clock ticks since the boot: field 22 of `/proc/PID/stat`.
/// None: there is no such process, or no /proc that is of this PID namespace.
pub fn start_time(pid: i32) -> Option<u64> {
    Stat::of(pid)?.number(START_TIME)
}

/// This moment as [`start_time`] would show it. None: the clock cannot be read.
///
/// It makes one system call at most, so a child may ask before its exec.
pub fn moment() -> Option<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    let (seconds, nanos) = (u64::try_from(now.tv_sec()).ok()?, u64::try_from(now.tv_nsec()).ok()?);
    Some(seconds * TICKS + nanos / (1_000_000_000 / TICKS))
}

/// Whether the process that had this number at this moment is there, a zombie or not.
pub fn exists(pid: i32, seen: u64) -> bool {
    start_time(pid).is_some_and(|start| start <= seen)
}

/// The status of a process that has ended and was not reaped, as wait(2) would tell it: field 52.
/// None: it lives, is reaped, or the field may not be read, in which case it shows 0.
pub fn status_of_zombie(pid: i32, seen: u64) -> Option<i32> {
    let stat = Stat::of(pid)?;
    let was_there = stat.number(START_TIME).is_some_and(|start| start <= seen);
    let is_it = stat.field(0) == Some("Z") && was_there;
    let status = stat.number(EXIT_CODE).and_then(|status| i32::try_from(status).ok());
    let rights = || Some((Rights::of("self")?, Rights::of(&pid.to_string())?));
    status.filter(|_| is_it && rights().is_some_and(|(me, other)| may_look_into(&me, &other)))
}

/// Whether this child, a zombie or not, has executed anything since it was forked. None: there is
/// nothing to tell that by, as in a /proc of another PID namespace, where the number is another's.
pub fn child_has_executed(pid: i32) -> Option<bool> {
    let stat = Stat::of(pid)?;
    let is_mine = stat.number(PARENT) == Some(u64::from(std::process::id()));
    stat.has_executed().filter(|_| is_mine)
}

/// The same of the process that had this number at this moment.
pub fn has_executed(pid: i32, seen: u64) -> Option<bool> {
    let stat = Stat::of(pid)?;
    let was_there = stat.number(START_TIME).is_some_and(|start| start <= seen);
    stat.has_executed().filter(|_| was_there)
}

/// The name of this boot and PID namespace: what a process was called in another means nothing here.
pub fn boot() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Clock ticks in a second, of which user space sees 100 whatever the kernel counts (USER_HZ).
const TICKS: u64 = 100;

/// Places in `/proc/PID/stat`, counted from the field after the name in parentheses.
const PARENT: usize = 1;
const FLAGS: usize = 6;
const START_TIME: usize = 19;
const EXIT_CODE: usize = 49;

/// What stands there behind the name, which may itself hold anything.
pub(super) struct Stat(String);

impl Stat {
    pub(super) fn of(pid: i32) -> Option<Self> {
        // Not as text: the name may be no such.
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        stat.rsplit_once(") ").map(|(_, rest)| Self(rest.trim_end().to_owned()))
    }

    pub(super) fn field(&self, place: usize) -> Option<&str> {
        self.0.split(' ').nth(place)
    }

    fn number(&self, place: usize) -> Option<u64> {
        self.field(place)?.parse().ok()
    }

    fn has_executed(&self) -> Option<bool> {
        /// PF_FORKNOEXEC of the kernel's sched.h, which process accounting shows as AFORK.
        const NOT_YET: u64 = 0x40;
        self.number(FLAGS).map(|flags| flags & NOT_YET == 0)
    }
}

/// The rule of ptrace(2) for reading: the capability, or the same user and group in every way and
/// nothing that it is allowed and we are not, as a file with capabilities would be.
fn may_look_into(me: &Rights, other: &Rights) -> bool {
    const CAP_SYS_PTRACE: u64 = 1 << 19;
    let all_mine = |mine: &[String], theirs: &[String]| {
        mine.last().is_some_and(|mine| theirs.iter().take(3).filter(|id| *id == mine).count() == 3)
    };
    me.effective & CAP_SYS_PTRACE != 0
        || (all_mine(&me.users, &other.users)
            && all_mine(&me.groups, &other.groups)
            && other.permitted & !me.effective == 0)
}

/// What `/proc/PID/status` says of whom a process acts for.
struct Rights {
    /// Real, effective, saved, and that for files.
    users: Vec<String>,
    groups: Vec<String>,
    /// Sets of capabilities.
    permitted: u64,
    effective: u64,
}

impl Rights {
    fn of(process: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let words = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let set = |key| u64::from_str_radix(words(key)?.first()?, 16).ok();
        Some(Self {
            users: words("Uid:")?,
            groups: words("Gid:")?,
            permitted: set("CapPrm:")?,
            effective: set("CapEff:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn a_process_is_known_by_number_and_start() {
        let start = start_time(me()).unwrap();
        assert!(start > 0 && exists(me(), start) && !exists(me(), start - 1));
        assert!(exists(me(), moment().unwrap()), "it was there at any later moment");
        assert_eq!(start_time(i32::MAX), None);
        assert_eq!(status_of_zombie(me(), start), None, "it lives");
        assert!(boot().unwrap().contains("pid:["));
    }

    #[test]
    fn one_that_was_forked_and_not_executed_is_known_until_it_is_reaped() {
        let now = moment().unwrap();
        assert_eq!(has_executed(me(), now), Some(true));
        assert_eq!(has_executed(me(), 0), None, "somebody else's number");
        assert_eq!(child_has_executed(me()), None, "no child of its own");
        // SAFETY: the child does nothing but end.
        #[allow(unsafe_code)]
        let child = unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(0);
            }
            child
        };
        while super::super::wait::has_ended(child).is_none() {}
        let now = moment().unwrap();
        assert_eq!(
            (has_executed(child, now), child_has_executed(child)),
            (Some(false), Some(false))
        );
        super::super::wait::reap(child);
        assert_eq!((has_executed(child, now), child_has_executed(child)), (None, None));
    }

    #[test]
    fn what_is_allowed_more_cannot_be_looked_into() {
        let rights = |uid: &str, saved: &str, permitted, effective| {
            let users = [uid, uid, saved, uid].map(str::to_owned).to_vec();
            Rights { groups: users.clone(), users, permitted, effective }
        };
        let (plain, root) = (rights("7", "7", 0, 0), rights("0", "0", !0, !0));
        assert!(may_look_into(&plain, &rights("7", "7", 0, 0)));
        assert!(!may_look_into(&plain, &rights("8", "8", 0, 0)), "another user");
        assert!(!may_look_into(&plain, &rights("7", "0", 0, 0)), "setuid");
        assert!(!may_look_into(&plain, &rights("7", "7", 1 << 10, 0)), "setcap");
        assert!(may_look_into(&root, &rights("7", "0", 1 << 10, 0)));
        let me = Rights::of("self").unwrap();
        assert!(may_look_into(&me, &me));
    }
}
