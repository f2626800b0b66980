//! The kernel runs out of memory for a group of processes and kills one: for the daemon that is a
//! death like another, also where it shares the memory with what it supervises, as in a container.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::bench::{Bench, signal, until};

/// A program that takes more memory than a group has.
const HOG: &str = "exec perl -e '$x = \"x\" x (1 << 30); sleep 1000'";

/// A control group whose processes share so much memory. It is removed in the end.
struct Group {
    folder: PathBuf,
    /// Where the kernel counts whom it killed.
    events: &'static str,
}

impl Group {
    /// None: only root can make one, where the system lets it.
    fn of(megabytes: u64) -> Option<Self> {
        let first = (
            "/sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            "memory.memsw.limit_in_bytes",
            "memory.oom_control",
        );
        let second = ("/sys/fs/cgroup", "memory.max", "memory.swap.max", "memory.events");
        let is_second = fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control")
            .is_ok_and(|controllers| controllers.contains("memory"));
        let (root, limit, swap, events) = if is_second { second } else { first };
        let made = tempfile::Builder::new().prefix("taskmaster-").tempdir_in(root).ok()?;
        let group = Self { folder: made.keep(), events };
        let bytes = (megabytes << 20).to_string();
        fs::write(group.folder.join(limit), &bytes).ok()?;
        // Of both in the first version, of what is swapped alone in the second. There may be no swap.
        let _ = fs::write(group.folder.join(swap), if is_second { "0" } else { &bytes });
        Some(group)
    }

    /// The file through which a process joins it.
    fn door(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    fn kills(&self) -> u64 {
        let events = fs::read_to_string(self.folder.join(self.events)).unwrap();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.expect("a count").parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that was killed leaves it a moment after it is reaped.
        until("the group is empty", || fs::remove_dir(&self.folder).is_ok());
    }
}

#[test]
fn who_is_killed_for_its_memory_has_ended_by_a_signal() {
    let Some(group) = Group::of(64) else { return };
    let script = format!("echo $$ > {}; {HOG}", group.door().display());
    let mut bench = Bench::new("");
    bench.write("hog", &script);
    bench.configure("a: {cmd: sh hog, starttime: 0, autorestart: never, stdout: discard}");
    bench.start();
    bench.until_state("a", "EXITED");
    let row = bench.row("a");
    assert_eq!((&row["exit"], &row["expected"]), (&json!({"signal": "KILL"}), &json!(false)));
    assert!(row["description"].as_str().unwrap().starts_with("killed by KILL"), "{row}");
    assert_eq!(group.kills(), 1);
}

#[test]
fn a_daemon_in_the_same_memory_outlives_whoever_takes_it_all() {
    let Some(group) = Group::of(160) else { return };
    let mut bench = Bench::new("");
    bench.write("hog", HOG);
    bench.configure(
        "a: {cmd: sleep 1000, starttime: 0, numprocs: 3}\n\
         hog: {cmd: sh hog, starttime: 0, backoff: 0.05, autostart: no}",
    );
    let join = format!("echo $$ > {}; exec \"$@\"", group.door().display());
    bench.start_as(bench.daemon_through(&["sh", "-c", &join, "sh"]));
    let pids = |bench: &Bench| [0, 1, 2].map(|n| bench.pid_of(&format!("a:{n}")));
    let before = pids(&bench);
    assert_eq!(bench.ctl("start hog").status, 0);
    bench.until("it was killed and started again", |_| group.kills() > 3);
    assert_eq!(bench.ctl("stop hog").status, 0);
    assert_eq!(pids(&bench), before);
    let row = bench.row("hog");
    assert!(row["restarts"].as_u64().unwrap() >= 3, "{row}");
    // Its next start goes as any other.
    assert_eq!(bench.ctl("restart a").status, 0);
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
}
