//! A disk that fails or hangs under those who write to it while they run: what is lost is counted,
//! and nobody else waits.
//!
//! strace(1) does that to the process itself, where it may trace.

use std::time::Duration;

use crate::bench::{Bench, lives, now, signal, status_of, until};
use crate::inject::Fault;

/// A program that never stops printing.
const TALKER: &str = "cmd: [sh, -c, 'while echo one line; do sleep 0.02; done'], starttime: 0";

/// Waits until strace holds it in a call.
fn hangs(logger: i32) {
    let mut looks = 0;
    until("it hangs", || {
        looks = if status_of(logger, "State").starts_with('t') { looks + 1 } else { 0 };
        looks > 20
    });
}

fn lost(bench: &Bench) -> u64 {
    bench.row("a")["lost_bytes"].as_u64().unwrap()
}

#[test]
fn a_log_disk_that_fails_costs_bytes_that_are_counted_and_then_is_forgiven() {
    for (fault, capture) in [
        ("splice:error=EIO", "{file: a.log}"),
        ("splice:error=ENOSPC", "{file: a.log}"),
        ("write,pwrite64:error=EIO", "{file: a.log, timestamps: true}"),
        ("write,pwrite64:error=EROFS", "{file: a.log, timestamps: true}"),
        ("fstat,newfstatat,statx:error=EIO", "{file: a.log}"),
    ] {
        let mut bench = Bench::up(&format!("a: {{{TALKER}, stdout: {capture}}}"));
        let pid = bench.pid_of("a");
        bench.until("it is logged", |bench| bench.read("a.log").lines().count() > 2);
        let Some(injected) = Fault::of(bench.logger(), Some(&bench.path("a.log")), fault) else {
            return;
        };
        bench.until("losses are counted", |bench| lost(bench) > 100);
        eprintln!("{fault}: {}", bench.row("a"));
        let named = |bench: &Bench| bench.log().lines().any(|line| line.contains("a.log: "));
        bench.until("the log names the file", named);
        drop(injected);
        let size = bench.read("a.log").len();
        bench.until("it is logged again", |bench| bench.read("a.log").len() > size);
        assert_eq!((bench.pid_of("a"), bench.state("a").as_str()), (pid, "RUNNING"));
        assert!(bench.log().contains("name=a"), "{}", bench.log());
        bench.stop();
    }
}

#[test]
fn a_log_disk_that_knows_no_splice_gets_every_byte_in_order() {
    let mut bench = Bench::up(
        "a: {cmd: [sh, -c, 'echo up; until test -e go; do sleep 0.02; done; seq 1 20000; exec sleep 1000'],\
         starttime: 0, workingdir: '${here}', stdout: {file: a.log, max_bytes: 10KB, keep: 500}}",
    );
    bench.until("it is logged", |bench| bench.read("a.log") == "up\n");
    // Of those that move to the log, not of those that peek.
    let Some(refused) =
        Fault::of(bench.logger(), Some(&bench.path("a.log")), "splice:error=EINVAL")
    else {
        return;
    };
    bench.write("go", "");
    let whole: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    let logged = |bench: &Bench| {
        // The newest last: renamed meanwhile, it would be read twice.
        let old = (1..500).rev().map(|number| bench.read(&format!("a.log.{number}")));
        old.collect::<String>() + &bench.read("a.log")
    };
    bench.until("all is there", |bench| logged(bench).len() >= whole.len() + 3);
    assert!(logged(&bench) == format!("up\n{whole}"));
    for number in 1..5 {
        assert!(bench.read(&format!("a.log.{number}")).ends_with('\n'), "a line is torn");
    }
    assert_eq!(lost(&bench), 0);
    drop(refused);
    bench.stop();
}

#[test]
fn a_log_disk_that_hangs_holds_up_no_answer() {
    let mut bench = Bench::up(&format!("a: {{{TALKER}}}\nb: {{{TALKER}, numprocs: 3}}"));
    bench.until("it is logged", |bench| bench.read("state/log/a.stdout.log").len() > 20);
    let logger = bench.logger();
    let minute = "splice,write,pwrite64,ftruncate,rename:delay_enter=60s";
    let Some(hang) = Fault::of(logger, None, minute) else { return };
    hangs(logger);
    let begun = now();
    let old = bench.pid_of("a");
    for command in
        ["status", "tail a", "restart a", "stop b", "start b", "signal HUP b:1", "reload", "log"]
    {
        assert_eq!(bench.ctl(command).status, 0, "{command}");
    }
    bench.until("what dies is seen", |bench| bench.has_new_pid("a", old));
    signal(bench.pid_of("a"), libc::SIGKILL);
    bench.until_state("a", "RUNNING");
    assert!(begun.elapsed() < Duration::from_secs(50), "it waited for the disk");
    drop(hang);
    let size = bench.read("state/log/a.stdout.log").len();
    bench.until("it is logged again", |bench| bench.read("state/log/a.stdout.log").len() > size);
    assert_eq!(lost(&bench), 0);
    bench.stop();
}

#[test]
fn a_log_disk_that_hangs_holds_up_the_end_for_seconds_and_no_longer() {
    let mut bench = Bench::up(&format!("a: {{{TALKER}}}"));
    bench.until("it is logged", |bench| bench.read("state/log/a.stdout.log").len() > 20);
    let (logger, program) = (bench.logger(), bench.pid_of("a"));
    let Some(hang) = Fault::of(logger, None, "splice:delay_enter=60s") else { return };
    hangs(logger);
    let begun = now();
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
    assert!(begun.elapsed() < Duration::from_secs(50), "it waited for the disk");
    assert!(!lives(program));
    assert!(bench.log().contains("the logger did not end"), "{}", bench.log());
    drop(hang);
    until("the logger is gone", || !lives(logger));
}
