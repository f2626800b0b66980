//! Signals to the daemon.

use std::fs;

use crate::bench::{Bench, lives, signal, signal_number};

const SLEEPER: &str = "a: {cmd: sleep 1000, starttime: 0}";

/// A daemon with one program that does not go on TERM.
fn stubborn(daemon: &str, keys: &str) -> Bench {
    let mut bench = Bench::new("");
    bench.configure_daemon(
        daemon,
        &format!(
            "a: {{cmd: [sh, -c, 'trap \"\" TERM; touch ready; exec sleep 1000'], starttime: 0, {keys}}}"
        ),
    );
    bench.start();
    bench.until("it ignores TERM", |bench| bench.path("ready").exists());
    bench
}

#[test]
fn hup_reloads() {
    let bench = Bench::up(SLEEPER);
    let pid = bench.pid_of("a");
    bench.configure(&format!("{SLEEPER}\nb: {{cmd: sleep 1000, starttime: 0}}"));
    signal(bench.pid(), libc::SIGHUP);
    bench.until_state("b", "RUNNING");
    assert_eq!(bench.pid_of("a"), pid);
}

#[test]
fn hup_on_a_broken_file_changes_nothing_and_logs_why() {
    let bench = Bench::up(SLEEPER);
    let pid = bench.pid_of("a");
    let mut events = bench.follower();
    bench.configure("a: {cmd: sleep 1000, nice: 99}\nb: {cmd: sleep 1000}");
    signal(bench.pid(), libc::SIGHUP);
    let failed = events.line().unwrap();
    assert_eq!(failed["event"]["event"], "reload_failed");
    assert!(bench.log().contains("programs.a.nice: "), "{}", bench.log());
    assert_eq!((bench.pid_of("a"), bench.rows().len()), (pid, 1));
}

#[test]
fn each_of_three_is_an_orderly_end() {
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT] {
        let mut bench = Bench::up(SLEEPER);
        bench.until_state("a", "RUNNING");
        let pid = bench.pid_of("a");
        signal(bench.pid(), number);
        assert_eq!(bench.ended(), 0);
        assert!(!lives(pid));
        assert!(!bench.path("state/address").exists());
        let log = bench.log();
        assert!(log.contains("stopped name=a") && log.contains("daemon stopped"), "{log}");
    }
}

#[test]
fn the_end_is_orderly_even_if_it_had_to_kill() {
    let mut bench = stubborn("shutdown_time: 1000,", "stoptime: 0.2");
    let pid = bench.pid_of("a");
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
    assert!(!lives(pid));
}

#[test]
fn after_shutdown_time_whatever_lives_is_killed() {
    let mut bench = stubborn("shutdown_time: 0.2,", "stoptime: 1000");
    let pid = bench.pid_of("a");
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
    assert!(!lives(pid));
}

#[test]
fn a_second_one_kills_at_once() {
    let mut bench = stubborn("shutdown_time: 1000,", "stoptime: 1000");
    let pid = bench.pid_of("a");
    signal(bench.pid(), libc::SIGTERM);
    bench.until_state("a", "STOPPING");
    assert!(lives(pid));
    signal(bench.pid(), libc::SIGINT);
    assert_eq!(bench.ended(), 0);
    assert!(!lives(pid));
}

#[test]
fn nothing_is_started_during_a_shutdown() {
    let mut bench = stubborn("shutdown_time: 1000,", "stoptime: 1000");
    signal(bench.pid(), libc::SIGTERM);
    bench.until_state("a", "STOPPING");
    let said = bench.ctl("start a");
    assert_eq!(said.status, 1);
    assert!(said.err.contains("shutting down"), "{said:?}");
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
}

#[test]
fn hup_during_a_shutdown_is_refused_in_the_log() {
    let mut bench = stubborn("shutdown_time: 1000,", "stoptime: 1000");
    signal(bench.pid(), libc::SIGTERM);
    bench.until_state("a", "STOPPING");
    signal(bench.pid(), libc::SIGHUP);
    bench.until("it is told", |bench| {
        let log = bench.log();
        let mut told = log.lines().skip_while(|line| !line.ends_with("SIGHUP: reload"));
        told.any(|line| line.ends_with("nothing was changed: the daemon is shutting down"))
    });
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
}

#[test]
fn usr1_opens_the_log_again() {
    let bench = Bench::up(SLEEPER);
    bench.until_state("a", "RUNNING");
    fs::rename(bench.path("state/taskmaster.log"), bench.path("moved")).unwrap();
    bench.ctl("restart a");
    assert_eq!(bench.log(), "", "nobody has told it");
    assert!(bench.read("moved").contains("stopped name=a"));
    signal(bench.pid(), libc::SIGUSR1);
    bench.until("there is a new one", |bench| bench.log().contains("reopened"));
    let before = bench.read("moved");
    bench.ctl("stop a");
    assert!(bench.log().contains("stopped name=a"));
    assert_eq!(bench.read("moved"), before);
}

#[test]
fn signals_that_mean_nothing_are_logged_and_survived() {
    let bench = Bench::up(SLEEPER);
    let pid = bench.pid_of("a");
    let last = format!("RTMIN+{}", libc::SIGRTMAX() - libc::SIGRTMIN());
    let named = [
        (libc::SIGALRM, "ALRM"),
        (libc::SIGIO, "IO"),
        (libc::SIGPWR, "PWR"),
        (libc::SIGXCPU, "XCPU"),
        (libc::SIGXFSZ, "XFSZ"),
        (libc::SIGVTALRM, "VTALRM"),
        (libc::SIGPROF, "PROF"),
        // The C library keeps these two for itself, but kill(1) sends them as well.
        (32, "32"),
        (33, "33"),
        (libc::SIGRTMIN(), "RTMIN"),
        (libc::SIGRTMIN() + 1, "RTMIN+1"),
        (libc::SIGRTMAX(), last.as_str()),
    ];
    for (number, name) in named {
        signal_number(bench.pid(), number);
        let line = format!("SIG{name} ignored");
        bench.until(&line, |bench| bench.log().lines().any(|l| l.ends_with(&line)));
    }
    signal_number(bench.pid(), libc::SIGPIPE);
    assert_eq!(bench.ctl("version").status, 0);
    assert!(!bench.log().contains("SIGPIPE"));
    assert_eq!(bench.pid_of("a"), pid);
}
