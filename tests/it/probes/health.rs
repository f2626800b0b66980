//! `health`: answers, wrong answers and none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::json;

use super::free_port;
use crate::bench::{Bench, lives, signal};

const QUICK: &str = "interval: 0.1, timeout: 1, retries: 2";

/// A web server within the test: each request is answered with the status that is set.
fn web(status: &Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let status = Arc::clone(status);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap_or(0);
            assert!(length == 0 || request.starts_with(b"GET /health?deep=1 HTTP/1.1\r\n"));
            let status = status.load(Ordering::SeqCst);
            let _ = write!(stream, "HTTP/1.1 {status} Words\r\nContent-Length: 0\r\n\r\n");
        }
    });
    port
}

#[test]
fn a_wrong_status_is_unhealthy_after_so_many_and_restarts_by_policy() {
    let status = Arc::new(AtomicU16::new(204));
    let port = web(&status);
    let bench = Bench::up(&format!(
        "a: {{cmd: sleep 1000, starttime: 0, backoff: 0.05, \
              health: {{http: 'http://127.0.0.1:{port}/health?deep=1', {QUICK}}}}}"
    ));
    bench.until_state("a", "RUNNING");
    let first = bench.pid_of("a");
    let mut events = bench.follower();
    status.store(503, Ordering::SeqCst);
    let unhealthy = events.until_event("unhealthy", "a");
    assert_eq!(
        unhealthy["message"],
        format!("unhealthy: http 127.0.0.1:{port}/health?deep=1 answered 503")
    );
    assert_eq!((&unhealthy["pid"], &unhealthy["from"]), (&json!(first), &json!(null)));
    status.store(200, Ordering::SeqCst);
    events.until_event("running", "a");
    assert!(!lives(first));
    let row = bench.row("a");
    assert_eq!((&row["state"], &row["restarts"]), (&json!("RUNNING"), &json!(1)));
    assert!(bench.log().contains("unhealthy name=a"), "{}", bench.log());
}

#[test]
fn with_autorestart_never_one_that_is_unhealthy_stays_down_and_says_why() {
    let port = free_port();
    let bench = Bench::up(&format!(
        "a: {{cmd: sleep 1000, starttime: 0, autorestart: never, \
              health: {{tcp: '127.0.0.1:{port}', {QUICK}}}}}"
    ));
    bench.until_state("a", "EXITED");
    let why = bench.row("a")["description"].as_str().unwrap().to_owned();
    let expected = format!("unhealthy: connect 127.0.0.1:{port}: Connection refused, ");
    assert!(why.starts_with(&expected), "{why}");
    assert_eq!(bench.row("a")["expected"], false);
}

#[test]
fn a_server_that_stands_still_does_not_answer_in_time() {
    let port = free_port();
    let bench = Bench::up(&format!(
        "a: {{cmd: python3 -m http.server {port} --bind 127.0.0.1, stdout: discard, \
              stderr: discard, ready: {{tcp: '127.0.0.1:{port}'}}, backoff: 0, stoptime: 0.1, \
              health: {{http: 'http://127.0.0.1:{port}/', interval: 0.1, timeout: 3, retries: 1}}}}"
    ));
    bench.until_state("a", "RUNNING");
    let first = bench.pid_of("a");
    let mut events = bench.follower();
    signal(first, libc::SIGSTOP);
    let unhealthy = events.until_event("unhealthy", "a");
    assert_eq!(
        unhealthy["message"],
        format!("unhealthy: http 127.0.0.1:{port}/: no answer within 3s")
    );
    events.until_event("running", "a");
    assert!(!lives(first) && bench.has_new_pid("a", first));
}

#[test]
fn a_command_answers_by_its_exit_status() {
    let bench = Bench::up(&format!(
        "a: {{cmd: sleep 1000, starttime: 0, backoff: 0.05, \
              health: {{exec: [sh, -c, 'test ! -e bad || {{ echo so bad >&2; exit 1; }}'], {QUICK}}}}}"
    ));
    bench.until_state("a", "RUNNING");
    let mut events = bench.follower();
    bench.write("bad", "");
    let unhealthy = events.until_event("unhealthy", "a");
    assert_eq!(unhealthy["message"], "unhealthy: exec exited 1: so bad");
    std::fs::remove_file(bench.path("bad")).unwrap();
    events.until_event("running", "a");
    assert!(!bench.log().contains("no program's"), "{}", bench.log());
}

#[test]
fn a_command_that_hangs_is_killed_with_all_it_has_started_and_never_run_twice_at_once() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, starttime: 0, autorestart: never, \
             health: {exec: [sh, -c, 'mkdir busy || echo twice > twice; sleep 1000 & echo $! >> children; \
             wait'], interval: 0.05, timeout: 0.3, retries: 1}}",
    );
    bench.until_state("a", "EXITED");
    let why = bench.row("a")["description"].as_str().unwrap().to_owned();
    assert!(why.starts_with("unhealthy: exec: no answer within 0.3s, "), "{why}");
    let child = bench.number("children");
    bench.until("what it has started is gone", |_| !lives(child));
    assert_eq!(bench.read("twice"), "");
}

#[test]
fn a_command_that_prints_without_end_does_not_wait_for_a_reader() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, starttime: 0, health: {interval: 0.1, timeout: 20, \
             exec: [sh, -c, 'head -c 3000000 /dev/zero; echo >> done']}}",
    );
    bench.until("it has come to its end twice", |bench| bench.read("done").len() >= 2);
    assert_eq!(bench.state("a"), "RUNNING");
}

#[test]
fn failures_within_start_period_do_not_count() {
    let bench = Bench::up(&format!(
        "a: {{cmd: sleep 1000, starttime: 0, autorestart: never, \
              health: {{exec: [sh, -c, 'echo >> asked; test -e up'], {QUICK}, start_period: 600}}}}"
    ));
    bench.until("it was asked often", |bench| bench.read("asked").len() > 3);
    assert_eq!(bench.state("a"), "RUNNING");
    bench.write("up", "");
    bench.until("it is well", |bench| bench.row("a")["description"] == "");
    std::fs::remove_file(bench.path("up")).unwrap();
    // A success has ended that time.
    bench.until_state("a", "EXITED");
}

#[test]
fn a_reload_changes_what_is_asked_with_the_same_pid() {
    let program = |keys: &str| format!("a: {{cmd: sleep 1000, starttime: 0, {keys}}}");
    let bench = Bench::up(&program("autorestart: never"));
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    let health = format!("health: {{exec: [sh, -c, 'echo >> asked'], {QUICK}}}");
    bench.configure(&program(&health));
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("it is asked", |bench| !bench.read("asked").is_empty());
    assert_eq!(bench.pid_of("a"), pid);
    bench.configure(&program("autorestart: never"));
    assert_eq!(bench.ctl("reload").status, 0);
    let asked = bench.read("asked").len();
    bench.write("other", "");
    // Another program's probe comes and goes meanwhile: time enough for one of this one's.
    bench.configure(&format!(
        "{}\nb: {{cmd: sleep 1000, starttime: 0, \
             health: {{exec: [sh, -c, 'echo >> b'], {QUICK}}}}}",
        program("autorestart: never")
    ));
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("b was asked often", |bench| bench.read("b").len() > 4);
    assert!(bench.read("asked").len() <= asked + 1);
    assert_eq!(bench.pid_of("a"), pid);
}

#[test]
fn what_a_check_found_is_not_said_of_one_that_is_checked_no_more() {
    let program = |keys: &str| format!("a: {{cmd: sleep 1000, starttime: 0, {keys}}}");
    let (port, mut bench) = (free_port(), Bench::new("{}"));
    let health = format!("health: {{tcp: '127.0.0.1:{port}', {QUICK}, start_period: 600}}");
    bench.configure(&program(&health));
    bench.start();
    let said = |bench: &Bench| bench.row("a")["description"].as_str().unwrap().to_owned();
    let refused = format!("connect 127.0.0.1:{port}: Connection refused");
    bench.until("it is found not to be well", |bench| said(bench) == refused);
    let mut watcher = bench.client();
    watcher.send("status -w");
    bench.configure(&program("autorestart: never"));
    assert_eq!(bench.ctl("reload").status, 0);
    assert_eq!(said(&bench), "");
    let mut rows = std::iter::from_fn(|| watcher.line());
    assert!(rows.any(|reply| reply["status"]["description"] == ""), "who watches is told");
}
