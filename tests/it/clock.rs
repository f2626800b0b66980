//! The wall clock set back and forth under a daemon: it is for people, and nothing
//! that is measured changes with it.
//!
//! A library that is loaded first shifts CLOCK_REALTIME for it alone, where there is a C compiler.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::bench::{Bench, signal};

const SHIFT: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long failed = syscall(SYS_clock_gettime, clock, now);
    const char *path = getenv("SHIFT");
    int fd = clock == CLOCK_REALTIME && path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        char text[32] = "";
        if (read(fd, text, sizeof text - 1) > 0)
            now->tv_sec += atol(text);
        close(fd);
    }
    return failed;
}
"#;

const PROGRAMS: &str = "\
a: {cmd: sleep 1000, starttime: 0.2, autorestart: always, backoff: 0.05}
failing: {cmd: [sh, -c, 'sleep 0.05; exit 3'], autostart: false, starttime: 1, startretries: 4, backoff: 0.1}
stubborn: {cmd: [sh, -c, 'trap \"\" TERM; while :; do sleep 0.05; done'], starttime: 0, stoptime: 0.4}
other: {cmd: sleep 1000, starttime: 0}
";

const YEAR: i64 = 366 * 24 * 3600;

/// The library; none where it cannot be made.
fn library(bench: &Bench) -> Option<PathBuf> {
    let (source, library) = (bench.write("shift.c", SHIFT), bench.path("shift.so"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    let is_made = cc.status().is_ok_and(|status| status.success());
    if !is_made {
        eprintln!("skipped: there is no C compiler");
    }
    is_made.then_some(library)
}

fn start(bench: &mut Bench, library: &PathBuf) {
    let mut command = bench.daemon_command();
    command.env("LD_PRELOAD", library).env("SHIFT", bench.path("shift"));
    bench.start_as(command);
}

fn set(bench: &Bench, seconds: i64) {
    bench.write("shift.new", &seconds.to_string());
    fs::rename(bench.path("shift.new"), bench.path("shift")).unwrap();
}

/// What this year is called `years` further on.
fn year_in(years: i64) -> String {
    let mut date = Command::new("date");
    let then = format!(
        "@{}",
        Command::new("date")
            .arg("+%s")
            .output()
            .map(|said| {
                String::from_utf8_lossy(&said.stdout).trim().parse::<i64>().unwrap() + years * YEAR
            })
            .unwrap()
    );
    let said = date.args(["-d", &then, "+%Y-"]).output().unwrap();
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

fn uptime(bench: &Bench, name: &str) -> f64 {
    bench.row(name)["uptime"].as_f64().unwrap()
}

#[test]
fn a_clock_that_is_set_back_and_forth_changes_nothing_that_is_measured() {
    let mut bench = Bench::new(PROGRAMS);
    let Some(library) = library(&bench) else { return };
    set(&bench, 0);
    start(&mut bench, &library);
    bench.until("all run", |bench| {
        ["a", "stubborn", "other"].iter().all(|name| bench.state(name) == "RUNNING")
    });
    let (oldest, old) = (bench.pid_of("other"), bench.pid_of("a"));
    for years in [10, -20, 0, 30, -1] {
        assert_eq!(bench.ctl("start --no-wait failing").status, 0);
        bench.until_state("failing", "BACKOFF");
        set(&bench, years * YEAR);
        assert!(bench.ctl("status").out.contains("failing"));
        bench.until_state("failing", "FATAL");
        assert_eq!(bench.ctl("stop stubborn").status, 0);
        assert_eq!(bench.row("stubborn")["exit"]["signal"], "KILL");
        let dead = bench.pid_of("a");
        signal(dead, libc::SIGKILL);
        bench.until("it is new", |bench| bench.has_new_pid("a", dead));
        bench.until_state("a", "RUNNING");
        assert_eq!(bench.ctl("start stubborn").status, 0);
        for name in ["a", "stubborn", "other"] {
            assert!((0.0..600.0).contains(&uptime(&bench, name)), "{}", bench.row(name));
        }
        assert_eq!(bench.ctl("status a").status, 0);
        // It is what the clock shows all the same.
        let year = year_in(years);
        let dead = format!("pid={dead}");
        let log = bench.log();
        let of_it = log.lines().rfind(|line| line.contains(&dead)).unwrap();
        assert!(of_it.starts_with(&year), "{year}: {of_it}");
    }
    assert!(bench.has_new_pid("a", old));
    assert_eq!(bench.pid_of("other"), oldest);
    bench.stop();
}

#[test]
fn a_clock_that_is_set_between_two_daemons_costs_no_process_its_age() {
    let mut bench = Bench::new(PROGRAMS);
    let Some(library) = library(&bench) else { return };
    set(&bench, 0);
    start(&mut bench, &library);
    bench.until_state("a", "RUNNING");
    let pids = ["a", "other"].map(|name| bench.pid_of(name));
    assert_eq!(bench.ctl("start --no-wait failing").status, 0);
    bench.until_state("failing", "BACKOFF");
    for years in [5, -5] {
        set(&bench, years * YEAR);
        assert_eq!(bench.ctl("upgrade").status, 0);
        bench.kill();
        set(&bench, -years * YEAR);
        start(&mut bench, &library);
        assert_eq!(["a", "other"].map(|name| bench.pid_of(name)), pids);
        for name in ["a", "other"] {
            assert!((0.0..600.0).contains(&uptime(&bench, name)), "{}", bench.row(name));
        }
    }
    bench.until_state("failing", "FATAL");
    bench.stop();
}
