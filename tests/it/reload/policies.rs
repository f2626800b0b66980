//! What changes in place counts from the next time that it matters, with the same pid.

use serde_json::Value;

use crate::bench::{Bench, Wire, exists, signal, until};
use crate::facts::{exit, pid, reload, row, until_state};

/// A daemon with program `a`, in this state.
fn up(program: &str, state: &str) -> (Bench, Wire) {
    let bench = Bench::up(&format!("a: {{{program}, stdout: discard, stderr: discard}}"));
    let mut wire = bench.client();
    until_state(&mut wire, "a", state);
    (bench, wire)
}

/// Changes `a` in place: its pid, which must stay.
fn change(bench: &Bench, wire: &mut Wire, program: &str, key: &str) -> Value {
    let before = row(wire, "a")["pid"].clone();
    bench.configure(&format!("a: {{{program}, stdout: discard, stderr: discard}}"));
    assert_eq!(reload(wire), [format!("a: change in place ({key})")]);
    assert_eq!(row(wire, "a")["pid"], before, "{key}");
    before
}

#[test]
fn a_new_stopsignal_is_what_the_next_stop_sends() {
    let (bench, mut wire) = up("cmd: sleep 1000, starttime: 0", "RUNNING");
    change(&bench, &mut wire, "cmd: sleep 1000, starttime: 0, stopsignal: USR1", "stopsignal");
    assert_eq!(exit(&wire.ask("stop a")), 0);
    assert_eq!(row(&mut wire, "a")["exit"]["signal"], "USR1");
}

/// Ignores TERM, and says when it does.
const STUBBORN: &str = "cmd: [sh, -c, 'trap \"\" TERM; echo > deaf; exec sleep 1000']";

#[test]
fn a_new_stoptime_bounds_the_next_stop() {
    let (bench, mut wire) = up(&format!("{STUBBORN}, starttime: 0, stoptime: 1000"), "RUNNING");
    until("it ignores TERM", || exists(&bench.path("deaf")));
    change(&bench, &mut wire, &format!("{STUBBORN}, starttime: 0, stoptime: 0.1"), "stoptime");
    assert_eq!(exit(&wire.ask("stop a")), 0);
    assert_eq!(row(&mut wire, "a")["exit"]["signal"], "KILL");
}

#[test]
fn a_new_stoptime_counts_for_a_stop_under_way() {
    let (bench, mut wire) = up(&format!("{STUBBORN}, starttime: 0, stoptime: 1000"), "RUNNING");
    until("it ignores TERM", || exists(&bench.path("deaf")));
    let mut other = bench.client();
    other.send("stop a");
    until_state(&mut wire, "a", "STOPPING");
    change(&bench, &mut wire, &format!("{STUBBORN}, starttime: 0, stoptime: 0.1"), "stoptime");
    assert_eq!(exit(&other.answer()), 0);
    assert_eq!(row(&mut wire, "a")["exit"]["signal"], "KILL");
}

#[test]
fn a_new_stopasgroup_counts_at_the_next_stop() {
    let program = "cmd: sh group.sh, starttime: 0, stoptime: 20";
    let bench = Bench::new(&format!("a: {{{program}, stdout: discard, stderr: discard}}"));
    // The leader goes once its child has, and the child only if it is told itself.
    bench.write("group.sh", "sh child.sh &\ntrap 'trap \"\" TERM; wait; exit 5' TERM\nwait\n");
    bench.write(
        "child.sh",
        "trap 'echo > told; exit' TERM\necho > up\nwhile :; do sleep 0.02; done\n",
    );
    let mut bench = bench;
    bench.start();
    let mut wire = bench.client();
    until("the child is up", || exists(&bench.path("up")));
    change(&bench, &mut wire, &format!("{program}, stopasgroup: true"), "stopasgroup");
    assert_eq!(exit(&wire.ask("stop a")), 0);
    assert!(exists(&bench.path("told")));
    assert_eq!(row(&mut wire, "a")["exit"]["code"], 5);
}

#[test]
fn a_new_autorestart_decides_the_next_death() {
    let program = "cmd: sleep 1000, starttime: 0, backoff: 0.05";
    let (bench, mut wire) = up(&format!("{program}, autorestart: always"), "RUNNING");
    change(&bench, &mut wire, &format!("{program}, autorestart: never"), "autorestart");
    signal(pid(&mut wire, "a"), libc::SIGKILL);
    until_state(&mut wire, "a", "EXITED");
    change(&bench, &mut wire, &format!("{program}, autorestart: always"), "autorestart");
    assert_eq!(row(&mut wire, "a")["state"], "EXITED", "one that ended before is left");
    assert_eq!(exit(&wire.ask("start a")), 0);
    let second = pid(&mut wire, "a");
    signal(second, libc::SIGKILL);
    until("it is back", || {
        let row = row(&mut wire, "a");
        row["state"] == "RUNNING" && row["pid"] != second
    });
}

#[test]
fn new_exitcodes_judge_the_next_death() {
    let program = "cmd: sleep 1000, starttime: 0, backoff: 0.05";
    let (bench, mut wire) = up(program, "RUNNING");
    change(&bench, &mut wire, &format!("{program}, exitcodes: [0, KILL]"), "exitcodes");
    signal(pid(&mut wire, "a"), libc::SIGKILL);
    until_state(&mut wire, "a", "EXITED");
    assert_eq!(row(&mut wire, "a")["expected"], true);
}

#[test]
fn a_shorter_starttime_counts_for_a_start_under_way() {
    let (bench, mut wire) = up("cmd: sleep 1000, starttime: 1000", "STARTING");
    let mut other = bench.client();
    other.send("start a");
    let pid = change(&bench, &mut wire, "cmd: sleep 1000, starttime: 0.05", "starttime");
    assert_eq!(exit(&other.answer()), 0);
    assert_eq!(row(&mut wire, "a")["pid"], pid);
}

#[test]
fn new_startretries_count_at_the_next_failed_start() {
    let program = "cmd: ./missing, backoff: 0.02";
    let (bench, mut wire) = up(&format!("{program}, startretries: unlimited"), "BACKOFF");
    bench.configure(&format!("a: {{{program}, startretries: 1}}"));
    let answer = wire.ask("reload");
    assert_eq!(exit(&answer), 0, "{answer:?}");
    until_state(&mut wire, "a", "FATAL");
}

#[test]
fn a_new_backoff_counts_from_the_next_failed_start() {
    let program = "cmd: ./missing, startretries: unlimited, stdout: discard, stderr: discard";
    let (bench, mut wire) = up("cmd: ./missing, startretries: unlimited, backoff: 0.02", "BACKOFF");
    bench.configure(&format!("a: {{{program}, backoff: 1h}}"));
    assert_eq!(exit(&wire.ask("reload")), 0);
    until("it waits long", || {
        let description = row(&mut wire, "a")["description"].as_str().unwrap().to_owned();
        description.contains("59m") || description.contains("1h00m")
    });
}

#[test]
fn a_new_autostart_starts_nobody_and_stops_nobody() {
    let bench =
        Bench::up("up: {cmd: sleep 1000, starttime: 0}\ndown: {cmd: sleep 1000, autostart: false}");
    let mut wire = bench.client();
    until_state(&mut wire, "up", "RUNNING");
    let before = pid(&mut wire, "up");
    bench.configure(
        "up: {cmd: sleep 1000, starttime: 0, autostart: false}\ndown: {cmd: sleep 1000}",
    );
    let plan = reload(&mut wire);
    assert_eq!(plan, ["down: change in place (autostart)", "up: change in place (autostart)"]);
    assert_eq!(pid(&mut wire, "up"), before);
    assert_eq!(row(&mut wire, "down")["state"], "STOPPED");
}
