//! An upgrade has the logger replaced: at any moment somebody holds the pipes, and one alone reads.

use serde_json::json;

use super::output::{COUNTER, check_counted, whole_log};
use super::upgrade::upgrade;
use crate::bench::{Bench, Wire, children, lives, proc, signal, until};

fn lines(bench: &Bench) -> usize {
    whole_log(bench, "a.log").lines().count()
}

/// A program that prints a number each millisecond, and one that prints as it ends, once it may.
fn up(more: &str) -> Bench {
    let mut bench = Bench::new("");
    bench.write("counter", &COUNTER.replace("PAUSE", "0.001"));
    bench.configure(&format!("{COUNTS}{LATE}{more}"));
    bench.start();
    bench.until("it counts", |bench| lines(bench) > 0);
    bench
}

const COUNTS: &str = "a: {cmd: perl counter, starttime: 0, stopsignal: TERM, stdout: {file: a.log, max_bytes: 4KB, keep: 1000}}\n";
const LATE: &str = "late: {cmd: \"sh -c 'until test -e go; do sleep 0.01; done; echo late'\", starttime: 0, autorestart: never, stdout: {file: late.log}}\n";

/// Upgrades a daemon whose logger is held, and kills it then. That logger.
fn upgrade_and_kill(bench: &mut Bench) -> i32 {
    let old = bench.logger();
    signal(old, libc::SIGSTOP);
    upgrade(bench);
    // The turn in which it was answered is over.
    bench.rows();
    bench.kill();
    old
}

/// While there is no daemon: one program ends with its last words.
fn print_late(bench: &Bench, pid: i32) {
    bench.write("go", "");
    until("it has printed, and ended", || !lives(pid));
}

/// Nothing was lost, nothing doubled.
fn check(bench: &mut Bench) {
    let more = lines(bench) + 20;
    bench.until("it counts on", |bench| lines(bench) >= more);
    bench.until("the last words are there", |bench| bench.read("late.log") == "late\n");
    bench.stop();
    check_counted(&whole_log(bench, "a.log"));
    assert_eq!(bench.read("late.log"), "late\n");
    for door in ["state/logger", "state/logger.next"] {
        assert!(!bench.path(door).exists(), "{door}");
    }
}

#[test]
fn once_the_old_logger_has_finished_there_is_one_that_holds_the_pipes() {
    let mut bench = up("");
    let late = bench.pid_of("late");
    let old = upgrade_and_kill(&mut bench);
    signal(old, libc::SIGCONT);
    until("it has finished", || !lives(old));
    print_late(&bench, late);
    let more = lines(&bench) + 20;
    until("the new one moves what comes", || lines(&bench) >= more);
    bench.start();
    assert!(!bench.log().contains("does not answer"), "{}", bench.log());
    check(&mut bench);
}

#[test]
fn an_old_logger_that_is_killed_in_the_change_leaves_one_that_holds_the_pipes() {
    let mut bench = up("");
    let late = bench.pid_of("late");
    let old = upgrade_and_kill(&mut bench);
    signal(old, libc::SIGKILL);
    until("it is gone", || !lives(old));
    print_late(&bench, late);
    bench.start();
    check(&mut bench);
}

#[test]
fn what_is_started_in_the_change_is_held_by_the_new_logger_whatever_is_to_be_done_besides() {
    let asleep = LATE.replace("autorestart", "autostart: false, autorestart");
    let mut bench = up(&["m", "n"].map(|name| asleep.replace("late", name)).concat());
    let old = bench.logger();
    signal(old, libc::SIGSTOP);
    upgrade(&bench);
    assert_eq!(bench.ctl("start m").status, 0);
    signal(bench.pid(), libc::SIGUSR1);
    bench.until("the files are to be opened anew", |bench| bench.log().contains("logs reopened"));
    assert_eq!(bench.ctl("start n").status, 0);
    let all = ["late", "m", "n"].map(|name| bench.pid_of(name));
    bench.kill();
    all.into_iter().for_each(|pid| print_late(&bench, pid));
    signal(old, libc::SIGCONT);
    bench.start();
    for name in ["m", "n"] {
        let words = |bench: &Bench| bench.read(&format!("{name}.log")) == format!("{name}\n");
        bench.until("its last words are there", words);
    }
    check(&mut bench);
}

#[test]
fn an_old_logger_that_hangs_in_the_change_is_ended_by_the_next_daemon() {
    let mut bench = up("");
    let late = bench.pid_of("late");
    let old = upgrade_and_kill(&mut bench);
    print_late(&bench, late);
    bench.start();
    assert!(bench.log().contains("the logger of the last daemon does not answer"));
    until("it is gone", || !lives(old));
    check(&mut bench);
}

#[test]
fn nor_does_a_shutdown_leave_what_an_old_logger_that_hangs_has_not_moved() {
    let mut bench = up("");
    let old = bench.logger();
    signal(old, libc::SIGSTOP);
    upgrade(&bench);
    bench.stop();
    assert!(!lives(old));
    assert!(!bench.log().contains("may be missing"), "{}", bench.log());
    check_counted(&whole_log(&bench, "a.log"));
}

#[test]
fn a_daemon_that_finds_both_loggers_goes_on_with_the_change() {
    let sleepers = |keep: u32| {
        format!(
            "s: {{cmd: sleep 1000, numprocs: 20, starttime: 0, stdout: {{file: '${{name}}.1', keep: {keep}}}, stderr: {{file: '${{name}}.2', keep: {keep}}}}}"
        )
    };
    let mut bench = up(&sleepers(1));
    let (late, old) = (bench.pid_of("late"), bench.logger());
    // It is told so much that it cannot be told to finish before it goes on.
    signal(old, libc::SIGSTOP);
    let mut client = bench.client();
    for round in 0..40 {
        bench.configure(&format!("{COUNTS}{LATE}{}", sleepers(2 + round % 2)));
        let answer = client.ask("reload");
        assert_eq!(answer.last().unwrap()["end"]["exit"], json!(0), "{answer:?}");
    }
    upgrade_and_kill(&mut bench);
    let more = lines(&bench) + 20;
    signal(old, libc::SIGCONT);
    until("the old one goes on", || lines(&bench) >= more);
    assert!(lives(old));
    print_late(&bench, late);
    bench.start();
    until("it has finished", || !lives(old));
    let logger = bench.logger();
    assert!(!bench.log().contains("does not answer"), "{}", bench.log());
    // The new one is found where the old one was.
    bench.until("its door is in place", |bench| !bench.path("state/logger.next").exists());
    bench.kill();
    bench.start();
    assert_eq!(bench.logger(), logger);
    check(&mut bench);
}

/// A client that has asked for an upgrade, which waits: the logger of the version before is held.
fn ask_for_another(bench: &Bench) -> Wire {
    let mut client = bench.client();
    client.send("upgrade");
    bench.until("it waits", |bench| {
        bench.log().contains("the upgrade waits for the last version's logger")
    });
    client
}

fn loggers(bench: &Bench) -> Vec<i32> {
    let is_logger = |pid: &i32| proc(*pid, "cmdline") == "taskmaster\0logger\0";
    children(bench.pid()).into_iter().filter(is_logger).collect()
}

#[test]
fn another_upgrade_in_the_change_waits_for_its_end() {
    let mut bench = up("");
    let (late, old) = (bench.pid_of("late"), bench.logger());
    signal(old, libc::SIGSTOP);
    upgrade(&bench);
    let mut second = ask_for_another(&bench);
    let both = loggers(&bench);
    assert_eq!(both.len(), 2, "{both:?}");
    let mut client = bench.client();
    client.send("clear a");
    signal(old, libc::SIGCONT);
    let answer = second.answer();
    assert_eq!(answer.last().unwrap()["end"]["exit"], json!(0), "{answer:?}");
    let answer = client.answer();
    assert_eq!(answer[0]["result"]["message"], "cleared", "{answer:?}");
    bench.until("a third is in the place of both", |bench| {
        let now = loggers(bench);
        now.len() == 1 && !both.contains(&now[0])
    });
    print_late(&bench, late);
    bench.until("the last words are there", |bench| bench.read("late.log") == "late\n");
    assert!(!bench.log().contains("the logger ended"), "{}", bench.log());
    bench.stop();
}

#[test]
fn another_upgrade_is_refused_if_the_change_does_not_end_and_possible_once_it_has() {
    let mut bench = up("");
    let (late, old) = (bench.pid_of("late"), bench.logger());
    signal(old, libc::SIGSTOP);
    upgrade(&bench);
    let answer = ask_for_another(&bench).answer();
    let why =
        "upgrade refused, nothing was changed: the last version's logger did not end within 5 s";
    assert!(answer.iter().any(|line| line.to_string().contains(why)), "{answer:?}");
    assert!(bench.log().contains(why), "{}", bench.log());
    assert_eq!(loggers(&bench).len(), 2);
    signal(old, libc::SIGCONT);
    upgrade(&bench);
    print_late(&bench, late);
    check(&mut bench);
}
