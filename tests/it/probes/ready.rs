//! `ready`: a descriptor, a port, a command; in time, too late and never.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;

use serde_json::json;

use super::free_port;
use crate::bench::{Bench, lives, signal, until};

/// A program whose readiness is told by `ready`, with no retries.
fn one(cmd: &str, ready: &str) -> String {
    format!("a: {{cmd: [sh, -c, '{cmd}'], ready: {ready}, startretries: 0, stoptime: 1}}")
}

#[test]
fn a_line_on_its_descriptor_is_readiness_and_nothing_before_it_is() {
    let bench = Bench::up(&one(
        "printf some >&7; until [ -e go ]; do sleep 0.02; done; echo thing >&7; echo more >&7; \
         echo survived > said; exec sleep 1000",
        "{fd: 7}",
    ));
    bench.until("it is STARTING", |b| b.state("a") == "STARTING" && b.row("a")["pid"].is_i64());
    let mut events = bench.follower();
    assert_eq!(bench.row("a")["description"], "RUNNING once it writes to descriptor 7");
    bench.write("go", "");
    let running = events.event_of("a");
    assert_eq!((&running["event"], &running["message"]), (&json!("running"), &json!("ready")));
    // What it writes after that costs it nothing.
    bench.until("it has written it all", |bench| bench.read("said") == "survived\n");
    assert_eq!(bench.state("a"), "RUNNING");
}

#[test]
fn a_descriptor_of_any_number_is_given_and_no_other() {
    // Numbers that the daemon itself uses meanwhile are among them.
    for number in [3, 4, 9, 14, 200] {
        let bench = Bench::up(
            &one(
                &format!("ls /proc/self/fd > list; eval \"echo >&{number}\"; exec sleep 1000"),
                &format!("{{fd: {number}}}"),
            )
            .replace("sh, -c", "bash, -c"),
        );
        bench.until_state("a", "RUNNING");
        let list = bench.read("list");
        let open: Vec<i32> = list.split_whitespace().map(|word| word.parse().unwrap()).collect();
        // `ls` itself has the folder open.
        let of_the_program = open.iter().filter(|fd| **fd > 2 && **fd != number).count();
        assert!(open.contains(&number) && of_the_program <= 1, "{number}: {list}");
    }
}

#[test]
fn a_descriptor_that_is_closed_without_a_line_is_no_readiness() {
    let bench =
        Bench::up(&one("printf x >&3; exec 3>&-; exec sleep 1000", "{fd: 3, timeout: 0.5}"));
    bench.until_state("a", "FATAL");
    let why = bench.row("a")["description"].as_str().unwrap().to_owned();
    assert!(why.starts_with("not ready within 0.5s: no line came from its descriptor, "), "{why}");
}

#[test]
fn a_program_that_says_nothing_in_time_has_failed_to_start_and_is_gone() {
    let bench = Bench::up(&one("echo $$ > pid; exec sleep 1000", "{fd: 3, timeout: 0.3}"));
    let mut events = bench.client();
    events.send("events");
    bench.until_state("a", "FATAL");
    assert!(!lives(bench.number("pid")));
    assert_eq!(bench.row("a")["pid"], json!(null));
}

#[test]
fn a_port_that_accepts_is_readiness() {
    let port = free_port();
    let bench = Bench::up(&one("exec sleep 1000", &format!("{{tcp: \"127.0.0.1:{port}\"}}")));
    let refused = format!(
        "connect 127.0.0.1:{port}: Connection refused; RUNNING once 127.0.0.1:{port} accepts \
         connections"
    );
    bench.until("it was refused", |bench| bench.row("a")["description"] == refused);
    assert_eq!(bench.state("a"), "STARTING");
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    bench.until_state("a", "RUNNING");
    assert_eq!(bench.row("a")["description"], "");
}

#[test]
fn a_port_that_never_accepts_is_a_failed_start_that_says_why() {
    let port = free_port();
    let bench =
        Bench::up(&one("exec sleep 1000", &format!("{{tcp: \"127.0.0.1:{port}\", timeout: 0.4}}")));
    bench.until_state("a", "FATAL");
    let why = bench.row("a")["description"].as_str().unwrap().to_owned();
    let expected = format!("not ready within 0.4s: connect 127.0.0.1:{port}: Connection refused, ");
    assert!(why.starts_with(&expected), "{why}");
}

#[test]
fn a_command_that_succeeds_is_readiness_and_runs_as_the_program_does() {
    let script = "echo $WHO $TASKMASTER_PROCESS $${NOTIFY_SOCKET-none} $(pwd) $(ulimit -n) > seen; \
                  test -e go || { echo; echo not yet; echo more; exit 3; }";
    let bench = Bench::new("");
    std::fs::create_dir(bench.path("work")).unwrap();
    bench.configure(&format!(
        "a: {{cmd: sleep 1000, workingdir: work, env: {{WHO: me}}, limits: {{nofile: 77}}, \
         ready: {{exec: [sh, -c, '{script}']}}}}"
    ));
    let mut bench = bench;
    bench.start();
    let refused = "exec exited 3: not yet; RUNNING once its ready command succeeds";
    bench.until("it was asked", |bench| bench.row("a")["description"] == refused);
    assert_eq!(bench.state("a"), "STARTING");
    let folder = bench.path("work").canonicalize().unwrap();
    assert_eq!(bench.read("work/seen"), format!("me a none {} 77\n", folder.display()));
    bench.write("work/go", "");
    bench.until_state("a", "RUNNING");
    assert!(!bench.log().contains("no program's"), "{}", bench.log());
}

#[test]
fn a_command_that_hangs_goes_with_the_start_that_waited_for_it() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, startretries: 0, \
             ready: {exec: [sh, -c, 'echo $$ > probe; sleep 1000 & wait'], timeout: 0.5}}",
    );
    let probe = bench.number("probe");
    bench.until_state("a", "FATAL");
    bench.until("the command is gone", |_| !lives(probe));
}

#[test]
fn a_command_that_is_not_there_says_so() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, ready: {exec: /nowhere/at/all}}\n\
         b: {cmd: sleep 1000, ready: {exec: nowhere-at-all}}",
    );
    for (name, command) in [("a", "/nowhere/at/all"), ("b", "nowhere-at-all")] {
        let why = format!("exec: executing {command}: No such file or directory; ");
        bench.until(&format!("{name} says why"), |bench| {
            bench.row(name)["description"].as_str().unwrap_or_default().starts_with(&why)
        });
    }
}

#[test]
fn an_end_while_it_is_not_ready_is_a_failed_start() {
    let bench = Bench::up(&one("exec sleep 1000", "{fd: 3}"));
    bench.until("it has a pid", |bench| bench.row("a")["pid"].is_i64());
    signal(bench.pid_of("a"), libc::SIGKILL);
    bench.until_state("a", "FATAL");
    assert_eq!(bench.row("a")["exit"]["signal"], "KILL");
}

#[test]
fn a_stop_while_it_is_not_ready_takes_its_probe_along() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, ready: {exec: [sh, -c, 'echo $$ > probe; exec sleep 1000']}}",
    );
    let probe = bench.number("probe");
    assert_eq!(bench.ctl("stop a").status, 0);
    bench.until("the command is gone", |_| !lives(probe));
    assert_eq!(bench.state("a"), "STOPPED");
}

#[test]
fn who_was_ready_in_time_is_so_though_the_daemon_was_held_up_until_it_was_over() {
    let mut bench = Bench::new("");
    let made = std::process::Command::new("mkfifo").arg(bench.path("door")).status();
    assert!(made.unwrap().success());
    // More of them than a turn of the daemon's hears.
    let many = |timeout: &str| {
        format!(
            "web: {{cmd: [sh, -c, 'read line < door; echo >&3; echo > said.$${{TASKMASTER_INDEX}}; exec sleep 1000'], \
                    numprocs: 40, ready: {{fd: 3, timeout: {timeout}}}, stdout: discard, stderr: discard}}"
        )
    };
    bench.configure(&many("1000"));
    bench.start();
    let pids = |bench: &Bench| bench.rows().into_iter().map(|row| row["pid"].clone()).collect();
    bench.until("all are launched", |bench| bench.rows().iter().all(|row| row["pid"].is_i64()));
    let before: Vec<serde_json::Value> = pids(&bench);
    signal(bench.pid(), libc::SIGSTOP);
    // Each takes a line, and the door stays open until all have come.
    let mut door = File::options().read(true).write(true).open(bench.path("door")).unwrap();
    door.write_all("\n".repeat(40).as_bytes()).unwrap();
    until("all have said that they are ready", || {
        (0..40).all(|index| bench.path(&format!("said.{index}")).exists())
    });
    // What it finds when it goes on: their time is over.
    bench.configure(&many("0.01"));
    signal(bench.pid(), libc::SIGHUP);
    signal(bench.pid(), libc::SIGCONT);
    bench
        .until("all are RUNNING", |bench| bench.rows().iter().all(|row| row["state"] == "RUNNING"));
    assert_eq!(pids(&bench), before);
    assert!(bench.rows().iter().all(|row| row["restarts"] == 0));
    assert!(bench.log().contains("reloaded"));
}
