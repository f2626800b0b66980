//! Descendants: those of the group go with the process, those that left it are not lost.

use crate::bench::{Bench, lives, proc, programs_of, signal};

/// A program with a child in its group, whose pid it writes; this is what it does then.
fn with_child(then: &str, keys: &str) -> Bench {
    let mut bench = Bench::new("");
    bench.write("run.sh", &format!("sleep 1000 &\necho $! > child\n{then}\n"));
    bench.configure(&format!("a: {{cmd: sh run.sh, {keys}}}"));
    bench.start();
    bench
}

fn is_gone(bench: &Bench, pid: i32) {
    bench.until(&format!("{pid} is gone"), |_| !lives(pid));
}

#[test]
fn what_it_started_goes_when_it_is_stopped() {
    let bench = with_child("wait", "starttime: 0");
    let child = bench.number("child");
    assert!(lives(child));
    assert_eq!(bench.ctl("stop a").status, 0);
    is_gone(&bench, child);
}

#[test]
fn what_it_started_goes_when_it_is_killed_by_another_hand() {
    let bench = with_child("wait", "starttime: 0, autorestart: never");
    let child = bench.number("child");
    signal(bench.pid_of("a"), libc::SIGKILL);
    bench.until_state("a", "EXITED");
    is_gone(&bench, child);
}

#[test]
fn what_it_started_goes_when_it_ends_by_itself() {
    let bench = with_child("exit 0", "starttime: 0");
    let child = bench.number("child");
    bench.until_state("a", "EXITED");
    is_gone(&bench, child);
}

#[test]
fn what_it_started_goes_when_its_start_fails() {
    let bench = with_child("exit 1", "startretries: 0, starttime: 1");
    let child = bench.number("child");
    bench.until_state("a", "FATAL");
    is_gone(&bench, child);
}

#[test]
fn what_it_started_goes_with_the_sigkill_that_comes_after_stoptime() {
    let bench = with_child("trap '' TERM\ntouch deaf\nwait", "starttime: 0, stoptime: 0.2");
    let child = bench.number("child");
    bench.until("it ignores TERM", |bench| bench.path("deaf").exists());
    assert_eq!(bench.ctl("stop a").status, 0);
    is_gone(&bench, child);
}

/// A leader that goes only after its child, which notes that it was asked to.
fn family(keys: &str) -> Bench {
    let mut bench = Bench::new("");
    bench.write(
        "child.sh",
        "trap 'echo got > heard; exit' TERM\ntouch ready\nwhile :; do sleep 0.02; done\n",
    );
    bench.write(
        "run.sh",
        "trap : TERM\nsh child.sh &\nwhile kill -0 $! 2> gone; do wait $!; done\nexit 0\n",
    );
    bench.configure(&format!("a: {{cmd: sh run.sh, starttime: 0, stoptime: 1, {keys}}}"));
    bench.start();
    bench.until("both listen", |bench| bench.path("ready").exists());
    bench
}

#[test]
fn the_stop_signal_goes_to_the_process_alone() {
    let bench = family("");
    assert_eq!(bench.ctl("stop a").status, 0);
    assert_eq!(bench.row("a")["exit"]["signal"], "KILL", "it waited for its child");
    assert_eq!(bench.read("heard"), "");
}

#[test]
fn with_stopasgroup_the_stop_signal_goes_to_the_group() {
    let bench = family("stopasgroup: true");
    assert_eq!(bench.ctl("stop a").status, 0);
    assert_eq!(bench.read("heard"), "got\n");
    assert_eq!(bench.row("a")["exit"]["code"], 0);
}

/// A program with a grandchild in a session of its own, and the daemon once it is known there.
fn with_stray() -> (Bench, i32) {
    let mut bench = Bench::new("");
    bench.write("run.sh", "setsid sleep 1234 &\necho $! > child\nwait\n");
    bench.configure("a: {cmd: sh run.sh, starttime: 0}");
    bench.start();
    let stray = bench.number("child");
    bench.until("it leads a session", |_| {
        proc(stray, "stat").contains("(sleep)") && proc(stray, "cmdline").contains("1234")
    });
    assert_eq!(bench.ctl("stop a").status, 0);
    assert!(lives(stray), "a stop does not look for it");
    let line = format!("pid={stray} command=sleep");
    bench.until("it is logged", |bench| bench.log().contains(&line));
    (bench, stray)
}

#[test]
fn one_that_left_the_group_outlives_a_stop_and_goes_at_shutdown() {
    let (mut bench, stray) = with_stray();
    assert_eq!(programs_of(bench.pid()), [stray]);
    bench.stop();
    assert!(!lives(stray));
}

#[test]
fn one_that_left_the_group_is_reaped_and_logged_when_it_ends() {
    let (bench, stray) = with_stray();
    signal(stray, libc::SIGKILL);
    bench.until("it is reaped", |bench| programs_of(bench.pid()).is_empty());
    let line = format!("pid={stray} reason=\"killed by KILL\"");
    bench.until("its end is logged", |bench| bench.log().contains(&line));
    assert_eq!(bench.ctl("version").status, 0);
}

#[test]
fn one_that_left_the_group_without_a_name_is_logged_too() {
    let mut bench = Bench::new("");
    bench.write("child.sh", "printf '\\0' > /proc/$$/comm\ntouch nameless\nread line < never\n");
    bench.write("run.sh", "mkfifo never\nsetsid sh child.sh &\necho $! > child\nwait\n");
    bench.configure("a: {cmd: sh run.sh, starttime: 0}");
    bench.start();
    let stray = bench.number("child");
    bench.until("it has no name", |bench| bench.path("nameless").exists());
    assert_eq!(bench.ctl("stop a").status, 0);
    let line = format!("now a child of the daemon pid={stray} command=");
    bench.until("it is logged", |bench| bench.log().contains(&line));
    bench.stop();
    assert!(!lives(stray));
}
