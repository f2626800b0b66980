//! Hooks: commands that are told of events.

use std::path::Path;

use serde_json::Value;

use super::{FAILS, configure_more};
use crate::bench::{Bench, exists, lives, signal};

fn up(hooks: &str, programs: &str) -> Bench {
    let mut bench = Bench::new("");
    configure_more(&bench, &format!("hooks: [{hooks}]"), programs);
    bench.start();
    bench
}

#[test]
fn a_hook_reads_the_event_and_its_status_is_logged() {
    let bench =
        up("{on: [fatal], cmd: \"sh -c 'cat >event; echo one; echo paged >&2; exit 4'\"}", FAILS);
    bench.until("its end is logged", |bench| bench.log().contains("hook ended"));
    let event: Value = serde_json::from_str(&bench.read("event")).unwrap();
    assert_eq!((&event["event"], &event["name"]), (&"fatal".into(), &"web".into()));
    assert_eq!(event["exit"]["code"], 3);
    let log = bench.log();
    let line = log.lines().find(|line| line.contains("hook ended")).unwrap();
    assert!(line.contains(" warning ") && line.contains("command=sh"), "{line}");
    assert!(line.contains("reason=\"exit 4\" said=paged"), "{line}");
}

#[test]
fn one_for_the_start_runs_before_anybody_wakes_the_daemon() {
    let mut bench = Bench::new("");
    let hook = "hooks: [{on: [daemon_started], cmd: \"sh -c 'cat >event'\"}]";
    configure_more(&bench, hook, "a: {cmd: sleep 1000, autostart: no}");
    bench.launch(bench.daemon_command());
    bench.until("it has run", |bench| bench.path("event").exists());
}

#[test]
fn what_is_taken_over_from_a_daemon_that_was_killed_is_told() {
    let mut bench = Bench::new("");
    let hook = "hooks: [{on: [adopted], cmd: \"sh -c 'cat >event'\"}]";
    configure_more(&bench, hook, "a: {cmd: sleep 1000, starttime: 0}");
    bench.start();
    let pid = bench.pid_of("a");
    bench.kill();
    bench.launch(bench.daemon_command());
    bench.until("it has run", |bench| bench.log().contains("hook ended"));
    let event: Value = serde_json::from_str(&bench.read("event")).unwrap();
    assert_eq!((&event["event"], &event["name"]), (&"adopted".into(), &"a".into()));
    assert_eq!((event["pid"].as_i64(), &event["to"]), (Some(pid.into()), &"RUNNING".into()));
}

#[test]
fn it_has_nothing_of_the_daemons_but_its_environment() {
    let hook = "ls /proc/self/fd >fds; grep -E 'Sig(Blk|Ign)' /proc/self/status >signals; \
                echo $HELLO >hello; ps -o pid=,sid= -p $$ >session; mv session done";
    let mut bench = Bench::new("");
    bench.write("hook", hook);
    configure_more(&bench, "hooks: [{on: [fatal], cmd: sh hook}]", FAILS);
    let mut command = bench.daemon_command();
    command.env("HELLO", "hello");
    bench.start_as(command);
    bench.until("it is done", |bench| !bench.read("done").is_empty());
    // The fourth is the folder itself, which ls has open.
    assert_eq!(bench.read("fds"), "0\n1\n2\n3\n");
    for line in bench.read("signals").lines() {
        let (name, mask) = line.split_once(":\t").unwrap();
        // Those two are the C library's own.
        let mask = u64::from_str_radix(mask, 16).unwrap() & !(3 << 31);
        assert_eq!(mask, 0, "{name}");
    }
    assert_eq!(bench.read("hello"), "hello\n");
    let ids = bench.read("done");
    let ids: Vec<&str> = ids.split_whitespace().collect();
    assert_eq!(ids[0], ids[1], "it leads a session of its own");
}

#[test]
fn one_that_does_not_end_is_killed_with_its_group() {
    let hook = "{on: [fatal], timeout: 5, cmd: \"sh -c 'sleep 1000 & echo $! >child; wait'\"}";
    let bench = up(hook, FAILS);
    let child = bench.number("child");
    bench.until("its end is logged", |bench| bench.log().contains("hook ended"));
    assert!(bench.log().contains("reason=\"no end within 5s\""), "{}", bench.log());
    bench.until("its child is gone", |_| !lives(child));
}

#[test]
fn what_is_killed_with_its_group_is_not_told_and_what_was_killed_alone_is() {
    // The second child is the daemon's once its parent has ended, and lives when the group is killed.
    let cmd = "sleep 1000 & (sleep 1000 & echo $! >child); wait";
    let bench = up(&format!("{{on: [fatal], timeout: 3, cmd: \"sh -c '{cmd}'\"}}"), FAILS);
    let child = bench.number("child");
    bench.until("its end is logged", |bench| bench.log().contains("hook ended"));
    bench.until("none is left", |_| !exists(Path::new(&format!("/proc/{child}"))));
    let leaves = "sh -c 'echo $$ >alone; exec sleep 1000'";
    bench.write("run", &format!("setsid {leaves} &\nexec sleep 1000\n"));
    configure_more(&bench, "", "more: {cmd: sh run, starttime: 0}");
    assert_eq!(bench.ctl("reload").status, 0);
    let alone = bench.number("alone");
    assert_eq!(bench.ctl("stop more").status, 0);
    bench.until("it has left", |bench| bench.log().contains(&format!("pid={alone} command")));
    signal(alone, libc::SIGKILL);
    let told = format!("pid={alone} reason=\"killed by KILL\"");
    bench.until("it is told", |bench| bench.log().contains(&told));
    assert_eq!(bench.log().matches("reaped a child").count(), 1, "{}", bench.log());
}

#[test]
fn one_that_floods_is_read_and_not_kept() {
    let hook = "{on: [fatal], cmd: \"sh -c 'head -c 10000000 /dev/zero; echo; echo the end'\"}";
    let bench = up(hook, FAILS);
    bench.until("its end is logged", |bench| bench.log().contains("hook ended"));
    assert!(bench.log().contains("reason=\"exit 0\" said=\"the end\""), "{}", bench.log());
}

#[test]
fn one_that_cannot_be_run_is_told() {
    let bench = up("{on: [fatal], cmd: /nonexistent/page}", FAILS);
    bench.until("it is logged", |bench| bench.log().contains("hook could not be run"));
    assert!(
        bench.log().contains("command=/nonexistent/page reason=\"No such file or directory\""),
        "{}",
        bench.log()
    );
}

#[test]
fn a_thousand_events_run_a_few_at_a_time_and_none_is_lost_silently() {
    let mut bench = Bench::new("");
    // Each leaves a file while it runs, and notes how many there are.
    bench.write(
        "hook",
        "name=$(mktemp running.XXXXXX); ls running.* | wc -l >>seen; cat >>events; rm $name",
    );
    let programs = "many: {cmd: /nonexistent, numprocs: 300, startretries: 0, stdout: discard, stderr: discard}";
    configure_more(&bench, "hooks: [{on: [fatal], cmd: sh hook}]", programs);
    bench.start();
    let ended = |bench: &Bench| bench.log().matches("hook ended").count() as u64;
    let dropped = |bench: &Bench| {
        let log = bench.log();
        let runs =
            log.lines().filter_map(|line| line.split_once("hooks were not run for all runs="));
        runs.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>()
    };
    bench.until("all are accounted for", |bench| ended(bench) + dropped(bench) == 300);
    assert_eq!(bench.read("events").lines().count() as u64, ended(&bench));
    let most = bench.read("seen").lines().map(|n| n.trim().parse::<u32>().unwrap()).max();
    assert!(most.unwrap() <= 8, "{most:?}");
}

#[test]
fn a_hook_is_no_stray_and_dies_with_the_daemon() {
    let mut bench = up("{on: [daemon_stopping], cmd: \"sh -c 'echo $$ >pid; sleep 1000'\"}", "");
    bench.ctl("version");
    crate::bench::signal(bench.pid(), libc::SIGTERM);
    let pid = bench.number("pid");
    crate::bench::signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
    assert!(!lives(pid));
    let log = bench.log();
    assert!(log.contains("hooks not run events=0 runs=1"), "{log}");
    assert!(!log.contains("left its program"), "{log}");
}

#[test]
fn what_a_hook_leaves_behind_is_logged_before_anything_else_ends() {
    let hook = "setsid sh -c 'echo $$ >left; exec sleep 1000' & until test -s left; do :; done";
    let mut bench = Bench::new("");
    bench.write("hook", hook);
    let gone = "gone: {cmd: /nowhere/to/be/found, startretries: 0}";
    configure_more(&bench, "hooks: [{on: [fatal], cmd: sh hook}]", gone);
    bench.start();
    bench.until("it is logged", |bench| bench.log().contains("left its program"));
    let left = bench.number("left");
    assert!(
        bench.log().contains(&format!("left its program, now a child of the daemon pid={left}"))
    );
    bench.stop();
    assert!(!lives(left));
}
