//! Programs that take a while to be executed, as from a file system over a network: what they are
//! until then, and what they become.

use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, Wire, children, copy, is_root, signal, status_of};
use crate::facts::{exit, words};
use crate::lease::Lease;

/// A program of another user, which is launched apart and takes as long to execute as a lease lasts.
/// None: only root can have one.
fn held_up(content: &[u8], keys: &str) -> Option<(Bench, Lease)> {
    if !is_root() {
        return None;
    }
    let mut bench = Bench::new("");
    std::fs::set_permissions(bench.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(bench.path("content"), content).unwrap();
    copy(&bench.path("content"), &bench.path("slow"));
    std::fs::set_permissions(bench.path("slow"), PermissionsExt::from_mode(0o755)).unwrap();
    let lease = Lease::on(&bench, "slow");
    bench.configure(&format!(
        "a: {{cmd: [./slow, 1000], user: nobody, autostart: no, stdout: discard, {keys}}}\n\
         b: {{cmd: sleep 1000, starttime: 0, depends_on: {{a: started}}}}\n\
         c: {{cmd: sleep 1000, starttime: 0.5, autostart: no}}"
    ));
    bench.start();
    Some((bench, lease))
}

/// One that sleeps once it is executed.
fn sleeper(keys: &str) -> Option<(Bench, Lease)> {
    held_up(&std::fs::read("/bin/sleep").unwrap(), keys)
}

/// What is told of a process, up to this.
fn told_of(events: &mut Wire, name: &str, last: &str) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    while told.last().is_none_or(|event| event != last) {
        told.push(events.event_of(name)["event"].as_str().unwrap().to_owned());
    }
    told
}

/// It is started, and waits for its exec. Who waits for its start, and its pid.
fn at_its_exec(bench: &Bench) -> (Wire, i32) {
    let mut client = bench.client();
    client.send("start a");
    bench.until("it is on its way", |bench| bench.row("a")["pid"].is_i64());
    let pid = bench.pid_of("a");
    bench.until("it is at its exec", |_| status_of(pid, "Uid").starts_with("65534"));
    (client, pid)
}

/// The same of one whose launch may not be over: the daemon waits a moment for what becomes of it.
fn child_of(bench: &Bench) -> Option<i32> {
    let is_other = |pid: &i32| status_of(*pid, "Uid").starts_with("65534");
    children(bench.pid()).into_iter().find(is_other)
}

#[test]
fn one_that_cannot_be_executed_after_a_while_has_failed_to_start() {
    let keys = "starttime: 0, startretries: 0";
    let Some((bench, lease)) = held_up(b"this is no program", keys) else { return };
    let mut events = bench.follower();
    let (mut client, _) = at_its_exec(&bench);
    let row = bench.row("a");
    assert_eq!(
        (&row["state"], &row["description"]),
        (&"STARTING".into(), &"being executed".into())
    );
    assert_eq!(bench.state("b"), "WAITING");
    drop(lease);
    let why = "executing ./slow: Exec format error";
    let answer = client.answer();
    assert_eq!((exit(&answer), words(&answer)), (1, vec![format!("a: FATAL: {why}")]));
    assert_eq!(told_of(&mut events, "a", "fatal"), ["starting", "fatal"]);
    assert_eq!(bench.state("b"), "WAITING");
}

#[test]
fn one_that_is_killed_before_it_is_executed_has_failed_to_start() {
    let Some((bench, _lease)) = sleeper("starttime: 0, startretries: 0") else { return };
    let mut events = bench.follower();
    let (mut client, pid) = at_its_exec(&bench);
    bench.until("the launch is over", |bench| bench.row("a")["description"] == "being executed");
    signal(pid, libc::SIGKILL);
    let answer = client.answer();
    assert_eq!((exit(&answer), words(&answer)), (1, vec!["a: FATAL: killed by KILL".into()]));
    assert_eq!(told_of(&mut events, "a", "fatal"), ["starting", "fatal"]);
    assert_eq!(bench.state("b"), "WAITING");
}

#[test]
fn one_that_is_killed_as_it_is_launched_has_failed_to_start() {
    let Some((bench, _lease)) = sleeper("starttime: 0, startretries: 0") else { return };
    let mut events = bench.follower();
    let mut client = bench.client();
    client.send("start a");
    bench.until("it is at its exec", |bench| child_of(bench).is_some());
    signal(child_of(&bench).unwrap(), libc::SIGKILL);
    let answer = client.answer();
    assert_eq!((exit(&answer), words(&answer)), (1, vec!["a: FATAL: killed by KILL".into()]));
    assert_eq!(told_of(&mut events, "a", "fatal"), ["starting", "fatal"]);
}

#[test]
fn one_that_is_executed_after_a_while_runs_from_then_on() {
    let Some((bench, lease)) = sleeper("starttime: 0") else { return };
    let mut events = bench.follower();
    let (mut client, pid) = at_its_exec(&bench);
    assert_eq!(bench.state("a"), "STARTING");
    // It goes on with another version.
    assert_eq!(bench.ctl("upgrade").status, 0);
    assert_eq!(bench.state("a"), "STARTING");
    drop(lease);
    let answer = client.answer();
    assert_eq!((exit(&answer), words(&answer)), (0, vec!["a: started".into()]));
    assert_eq!(bench.pid_of("a"), pid);
    bench.until_state("b", "RUNNING");
    assert_eq!(told_of(&mut events, "a", "running"), ["starting", "running"]);
}

#[test]
fn one_whose_port_another_answers_is_not_ready_before_it_is_executed() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ready = format!("starttime: 0, ready: {{tcp: '{}'}}", other.local_addr().unwrap());
    let Some((bench, lease)) = sleeper(&ready) else { return };
    let mut events = bench.follower();
    let (mut client, pid) = at_its_exec(&bench);
    // As long as this takes, the other would have answered.
    assert_eq!(bench.ctl("start c").status, 0);
    let row = bench.row("a");
    assert_eq!(
        (&row["state"], &row["description"]),
        (&"STARTING".into(), &"being executed".into())
    );
    assert_eq!((bench.state("b"), bench.ctl("upgrade").status), ("WAITING".into(), 0));
    drop(lease);
    let answer = client.answer();
    assert_eq!((exit(&answer), words(&answer)), (0, vec!["a: started".into()]));
    assert_eq!(bench.pid_of("a"), pid);
    assert_eq!(told_of(&mut events, "a", "running"), ["starting", "running"]);
}

#[test]
fn one_that_is_taken_over_before_it_is_executed_runs_when_it_is() {
    let Some((mut bench, lease)) = sleeper("starttime: 0") else { return };
    let (_, pid) = at_its_exec(&bench);
    bench.until("the launch is over", |bench| bench.row("a")["description"] == "being executed");
    bench.kill();
    bench.start();
    // As long as this takes, it would have been taken for executed.
    assert_eq!(bench.ctl("start c").status, 0);
    let row = bench.row("a");
    assert_eq!(
        (&row["state"], &row["description"], &row["pid"]),
        (&"STARTING".into(), &"being executed".into(), &pid.into())
    );
    assert_eq!((bench.state("b"), bench.ctl("upgrade").status), ("WAITING".into(), 0));
    drop(lease);
    bench.until_state("a", "RUNNING");
    assert_eq!(bench.pid_of("a"), pid);
    bench.until_state("b", "RUNNING");
}

#[test]
fn one_that_is_taken_over_and_killed_before_it_is_executed_has_failed_to_start() {
    let Some((mut bench, _lease)) = sleeper("starttime: 0, startretries: 0") else { return };
    let (_, pid) = at_its_exec(&bench);
    bench.until("the launch is over", |bench| bench.row("a")["description"] == "being executed");
    bench.kill();
    bench.start();
    signal(pid, libc::SIGKILL);
    bench.until_state("a", "FATAL");
    assert_eq!(bench.state("b"), "WAITING");
}

#[test]
fn one_whose_launch_the_last_daemon_did_not_outlive_runs_when_it_is_executed() {
    let Some((mut bench, lease)) = sleeper("starttime: 0") else { return };
    let mut client = bench.client();
    client.send("start a");
    bench.until("it is at its exec", |bench| child_of(bench).is_some());
    let pid = child_of(&bench).unwrap();
    bench.kill();
    bench.start();
    let row = bench.row("a");
    assert_eq!((&row["state"], &row["pid"]), (&"STARTING".into(), &pid.into()));
    assert_eq!(row["description"], "being executed");
    drop(lease);
    bench.until_state("a", "RUNNING");
    assert_eq!(bench.pid_of("a"), pid);
}
