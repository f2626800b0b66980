//! What is asked of processes, and what they say of themselves, goes on through an upgrade; and
//! what is heard of them after a daemon was killed.

use std::fs;
use std::process::Command;

use super::upgrade::{replace, start_replaceable, upgrade};
use crate::bench::{Bench, Wire, copy, lives, until};
use crate::facts::exit;

/// What a program in Perl says to its notify socket with.
const SAY: &str = r#"
use Socket;
sub say {
    my $name = "\0" . substr($ENV{NOTIFY_SOCKET}, 1);
    socket(S, PF_UNIX, SOCK_DGRAM, 0) && send(S, $_[0], 0, pack_sockaddr_un($name)) || die $!;
}
sub done { open(F, ">", $_[0]); print F "1\n"; close F }
sub pause { select(undef, undef, undef, 0.02) }
"#;

#[test]
fn who_told_by_a_line_that_it_is_ready_may_write_more_while_no_daemon_lives() {
    let mut bench = Bench::up(
        "a: {cmd: [bash, -c, 'echo >&7; until [ -e go ]; do sleep 0.02; done; echo >&7; \
         echo > wrote; exec sleep 1000'], ready: {fd: 7}, autorestart: never}",
    );
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    bench.kill();
    bench.write("go", "");
    until("it has written", || bench.read("wrote") == "\n");
    bench.start();
    assert_eq!((bench.state("a").as_str(), bench.pid_of("a")), ("RUNNING", pid));
}

/// A probe that tells its pid, without the brace that ends it.
fn probe(script: &str) -> String {
    format!("{{exec: [sh, -c, 'echo $$ >> probes; {script}']")
}

/// The pids of the probes that were begun.
fn probes(bench: &Bench) -> Vec<i32> {
    bench.read("probes").lines().map(|line| line.parse().unwrap()).collect()
}

fn one_probe(bench: &Bench) -> i32 {
    bench.until("it is asked", |bench| !probes(bench).is_empty());
    assert_eq!(probes(bench).len(), 1);
    probes(bench)[0]
}

/// Between two versions: the daemon has gone, and the next one begins when it is let go.
struct Between<'a> {
    bench: &'a Bench,
    asks: Wire,
    binary: Vec<u8>,
}

impl<'a> Between<'a> {
    fn new(bench: &'a Bench) -> Self {
        let made = Command::new("mkfifo").arg(bench.path("door")).status();
        assert!(made.unwrap().success());
        let binary = fs::read(bench.path("taskmaster")).unwrap();
        copy(&bench.path("taskmaster"), &bench.path("next"));
        let here = bench.path("").display().to_string();
        let script = format!(
            "#!/bin/sh\n\
             [ $1 = resume-check ] || {{ echo > {here}/between; read go < {here}/door; }}\n\
             exec {here}/next \"$@\"\n"
        );
        replace(bench, script.as_bytes());
        let mut asks = bench.client();
        asks.send("upgrade");
        bench.until("it is gone", |bench| bench.path("between").exists());
        Self { bench, asks, binary }
    }

    fn end(mut self) {
        replace(self.bench, &self.binary);
        fs::write(self.bench.path("door"), "go\n").unwrap();
        let answer = self.asks.answer();
        assert_eq!(exit(&answer), 0, "{answer:?}\n{}", self.bench.log());
    }
}

#[test]
fn a_command_in_flight_goes_on_and_its_answer_counts() {
    let bench = Bench::up(&format!(
        "a: {{cmd: sleep 1000, ready: {}}}}}",
        probe("echo not yet; until [ -e go ]; do sleep 0.02; done")
    ));
    let pid = one_probe(&bench);
    upgrade(&bench);
    upgrade(&bench);
    assert!(lives(pid));
    assert_eq!(bench.state("a"), "STARTING");
    bench.write("go", "");
    bench.until_state("a", "RUNNING");
    assert_eq!(probes(&bench), [pid], "it was not asked again");
    assert!(!bench.log().contains("no program's"), "{}", bench.log());
}

#[test]
fn a_command_has_the_time_that_it_had_and_fails_once() {
    let bench = Bench::up(&format!(
        "a: {{cmd: sleep 1000, starttime: 0, autorestart: never, \
             health: {}, timeout: 1.5, interval: 0.2, retries: 2}}}}",
        probe("exec sleep 1000")
    ));
    let mut events = bench.follower();
    let first = one_probe(&bench);
    upgrade(&bench);
    bench.until("it was given up", |bench| probes(bench).len() == 2);
    assert!(!lives(first));
    upgrade(&bench);
    let unhealthy = events.until_event("unhealthy", "a");
    assert_eq!(unhealthy["message"], "unhealthy: exec: no answer within 1.5s");
    assert_eq!(probes(&bench).len(), 2, "each failure counts once");
    bench.until_state("a", "EXITED");
    assert!(probes(&bench).iter().all(|pid| !lives(*pid)));
    assert!(!bench.log().contains("no program's"), "{}", bench.log());
}

#[test]
fn what_is_said_between_two_versions_is_heard_by_the_next() {
    let mut bench = Bench::new("");
    let wait = "pause() until -e 'between';";
    bench.write(
        "notify",
        &format!("{SAY} {wait} say(\"READY=1\\nSTATUS=late\"); done('said'); sleep 1000"),
    );
    bench.configure(&format!(
        "notify: {{cmd: perl notify, ready: notify}}\n\
         line: {{cmd: [sh, -c, 'until [ -e between ]; do sleep 0.02; done; echo >&7; echo > wrote; \
                 exec sleep 1000'], ready: {{fd: 7}}}}\n\
         exec: {{cmd: sleep 1000, ready: {}}}}}",
        probe("until [ -e between ]; do sleep 0.02; done; echo > answered")
    ));
    start_replaceable(&mut bench);
    let pid = one_probe(&bench);
    let between = Between::new(&bench);
    bench.until("all have spoken", |bench| {
        ["said", "wrote", "answered"].iter().all(|name| bench.path(name).exists()) && !lives(pid)
    });
    between.end();
    for name in ["notify", "line", "exec"] {
        bench.until_state(name, "RUNNING");
        assert_eq!(bench.row(name)["restarts"], 0);
    }
    assert_eq!(bench.row("notify")["description"], "late");
    assert_eq!(probes(&bench), [pid]);
}

#[test]
fn a_watchdog_and_a_status_go_on() {
    let mut bench = Bench::new("");
    let text = "say(\"READY=1\\nSTATUS=serving\\nWATCHDOG_USEC=2000000\"); \
                until (-e 'stop') { say('WATCHDOG=1'); pause() } sleep 1000";
    bench.write("dog", &format!("{SAY} {text}"));
    bench.configure("a: {cmd: perl dog, ready: notify, autorestart: never}");
    bench.start();
    bench.until("it serves", |bench| bench.row("a")["description"] == "serving");
    let mut events = bench.follower();
    upgrade(&bench);
    assert_eq!(bench.row("a")["description"], "serving");
    bench.write("stop", "");
    // The time is the one that it set itself, which nobody else knows.
    upgrade(&bench);
    let unhealthy = events.until_event("unhealthy", "a");
    assert_eq!(unhealthy["message"], "unhealthy: no WATCHDOG=1 within 2s");
}

#[test]
fn after_a_daemon_was_killed_the_next_one_is_told_what_was_not_said_between() {
    let mut bench = Bench::new("");
    let wait = |file| format!("pause() until -e '{file}';");
    let tries = "eval { say('READY=1') }; done('said'); sleep 1000";
    bench.write("late", &format!("{SAY} {} say('READY=1'); sleep 1000", wait("next")));
    bench.write("missed", &format!("{SAY} {} {tries}", wait("alone")));
    let keys = "startretries: 0, ready: {notify: yes, timeout: 8}";
    bench.configure(&format!(
        "late: {{cmd: perl late, {keys}}}\nmissed: {{cmd: perl missed, {keys}}}"
    ));
    bench.start();
    let [late, missed] = ["late", "missed"].map(|name| bench.pid_of(name));
    bench.kill();
    bench.write("alone", "");
    until("it has tried", || bench.path("said").exists());
    bench.start();
    assert_eq!(bench.state("missed"), "STARTING");
    bench.write("next", "");
    bench.until_state("late", "RUNNING");
    assert_eq!(bench.pid_of("late"), late);
    bench.until_state("missed", "FATAL");
    assert!(!lives(missed));
    let why = bench.row("missed")["description"].as_str().unwrap().to_owned();
    assert!(why.starts_with("not ready within 8s"), "{why}");
}
