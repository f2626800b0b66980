//! What a reload that changes how a program starts does to it in each state.

use crate::bench::{Bench, exists, signal, until};
use crate::facts::{exit, pid, reload, row, state, until_state};

/// The same command, started in another way: a change that starts again.
const CHANGE: &str = ", nice: 3";

fn up(program: &str, wanted: &str) -> (Bench, crate::bench::Wire) {
    let bench = Bench::up(&format!("a: {{{program}}}"));
    let mut wire = bench.client();
    until_state(&mut wire, "a", wanted);
    (bench, wire)
}

fn change(bench: &Bench, wire: &mut crate::bench::Wire, program: &str) -> String {
    bench.configure(&format!("a: {{{program}}}"));
    let plan = reload(wire);
    plan.last().unwrap().clone()
}

#[test]
fn one_that_is_starting_is_started_again() {
    let (bench, mut wire) = up("cmd: sleep 1000, starttime: 1000", "STARTING");
    let first = pid(&mut wire, "a");
    let plan = change(&bench, &mut wire, "cmd: sleep 2000, starttime: 1000");
    assert_eq!(plan, "a: restart (cmd)");
    until("a new pid", || {
        let row = row(&mut wire, "a");
        row["state"] == "STARTING" && row["pid"].is_i64() && row["pid"] != first
    });
}

#[test]
fn one_in_backoff_is_tried_afresh() {
    let missing = "cmd: ./missing, starttime: 0, backoff: 1h";
    let (bench, mut wire) = up(missing, "BACKOFF");
    let plan = change(&bench, &mut wire, "cmd: sleep 1000, starttime: 0, backoff: 1h");
    assert_eq!(plan, "a: try afresh (cmd)");
    until_state(&mut wire, "a", "RUNNING");
    assert_eq!(row(&mut wire, "a")["restarts"], 0);
}

#[test]
fn one_in_backoff_has_all_its_retries_before_it_again() {
    let missing = "cmd: ./missing, startretries: 1, backoff: 1h";
    let (bench, mut wire) = up(missing, "BACKOFF");
    let mut events = bench.client();
    events.send("events");
    wire.ask("version");
    let plan = change(&bench, &mut wire, &format!("{missing}{CHANGE}"));
    assert!(plan.ends_with("a: try afresh (nice)"), "{plan}");
    // Without that it would be FATAL: the one retry would be used up.
    events.until_event("backoff", "a");
    assert_eq!(state(&mut wire, "a"), "BACKOFF");
}

#[test]
fn one_that_was_given_up_is_tried_afresh_if_autostart() {
    let missing = "cmd: ./missing, starttime: 0, startretries: 0";
    let (bench, mut wire) = up(missing, "FATAL");
    let plan = change(&bench, &mut wire, "cmd: sleep 1000, starttime: 0, startretries: 0");
    assert_eq!(plan, "a: try afresh (cmd)");
    until_state(&mut wire, "a", "RUNNING");
}

#[test]
fn one_that_was_given_up_is_left_if_it_is_not_autostart() {
    let missing = "cmd: ./missing, startretries: 0, autostart: false";
    let (bench, mut wire) = up(missing, "STOPPED");
    assert_eq!(exit(&wire.ask("start a")), 1);
    assert_eq!(state(&mut wire, "a"), "FATAL");
    let plan = change(&bench, &mut wire, "cmd: sleep 1000, startretries: 0, autostart: false");
    assert_eq!(plan, "a: change in place (cmd)");
    assert_eq!(state(&mut wire, "a"), "FATAL");
}

#[test]
fn one_that_was_given_up_is_left_where_only_its_policy_changed() {
    let (bench, mut wire) = up("cmd: ./missing, startretries: 0", "FATAL");
    let plan = change(&bench, &mut wire, "cmd: ./missing, startretries: 2");
    assert!(plan.ends_with("a: change in place (startretries)"), "{plan}");
    assert_eq!(state(&mut wire, "a"), "FATAL");
}

#[test]
fn one_that_ended_is_left() {
    let (bench, mut wire) = up("cmd: 'true', starttime: 0, backoff: 0", "EXITED");
    let since = row(&mut wire, "a")["since"].clone();
    let plan = change(&bench, &mut wire, "cmd: sleep 1000, starttime: 0, backoff: 0");
    assert_eq!(plan, "a: change in place (cmd)");
    let row = row(&mut wire, "a");
    assert_eq!((&row["state"], &row["since"]), (&"EXITED".into(), &since));
    // Its next start is of the new command.
    assert_eq!(exit(&wire.ask("start a")), 0);
    assert_eq!(state(&mut wire, "a"), "RUNNING");
}

#[test]
fn what_a_person_stopped_stays_stopped() {
    let program = "cmd: sleep 1000, starttime: 0, autorestart: always";
    let (bench, mut wire) = up(program, "RUNNING");
    assert_eq!(exit(&wire.ask("stop a")), 0);
    let plan = change(&bench, &mut wire, &format!("{program}{CHANGE}"));
    assert_eq!(plan, "a: change in place (nice)");
    assert_eq!(state(&mut wire, "a"), "STOPPED");
}

#[test]
fn what_a_person_started_though_it_is_not_autostart_goes_on() {
    let program = "cmd: sleep 1000, starttime: 0, autostart: false";
    let (bench, mut wire) = up(program, "STOPPED");
    assert_eq!(exit(&wire.ask("start a")), 0);
    let first = pid(&mut wire, "a");
    let plan = change(&bench, &mut wire, &format!("{program}{CHANGE}"));
    assert_eq!(plan, "a: restart (nice)");
    until("a new one runs", || {
        let row = row(&mut wire, "a");
        row["state"] == "RUNNING" && row["pid"] != first
    });
}

#[test]
fn one_that_is_being_stopped_is_left_to_it() {
    let program = "cmd: [sh, -c, 'trap \"\" TERM; echo > deaf; exec sleep 1000'], starttime: 0, \
                   stoptime: 1000";
    let (bench, mut wire) = up(program, "RUNNING");
    until("it ignores TERM", || exists(&bench.path("deaf")));
    let first = pid(&mut wire, "a");
    assert_eq!(exit(&wire.ask("stop --no-wait a")), 0);
    let plan = change(&bench, &mut wire, &format!("{program}{CHANGE}"));
    assert_eq!(plan, "a: change in place (nice)");
    assert_eq!(state(&mut wire, "a"), "STOPPING");
    signal(first, libc::SIGKILL);
    until_state(&mut wire, "a", "STOPPED");
}
