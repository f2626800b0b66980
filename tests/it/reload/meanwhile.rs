//! A reload while something else is under way.

use crate::bench::{Bench, exists, signal, until};
use crate::facts::{configure, exit, names, pid, reload, row, state, until_state, words};

const DEAF: &str = "cmd: [sh, -c, 'trap \"\" TERM; echo > deaf; exec sleep 1000'], starttime: 0, \
                    stoptime: 1000";

/// A daemon with program `a` that does not hear TERM.
fn deaf() -> (Bench, crate::bench::Wire) {
    let bench = Bench::up(&format!("a: {{{DEAF}}}"));
    until("it ignores TERM", || exists(&bench.path("deaf")));
    let wire = bench.client();
    (bench, wire)
}

#[test]
fn a_stop_that_waits_is_done_when_its_program_is_removed_and_gone() {
    let (bench, mut wire) = deaf();
    let mut other = bench.client();
    other.send("stop a");
    until_state(&mut wire, "a", "STOPPING");
    bench.configure("{}");
    assert_eq!(reload(&mut wire).last().unwrap(), "a: remove once it is gone");
    signal(pid(&mut wire, "a"), libc::SIGKILL);
    let answer = other.answer();
    assert_eq!((exit(&answer), answer.len()), (0, 2), "{answer:?}");
    until("it is forgotten", || names(&mut wire).is_empty());
}

#[test]
fn a_stop_asked_for_while_it_is_removed_waits_for_its_end() {
    let (bench, mut wire) = deaf();
    bench.configure("{}");
    reload(&mut wire);
    let mut other = bench.client();
    other.send("stop a");
    // What was sent before has been heard when what is sent later is answered.
    assert_eq!(state(&mut wire, "a"), "STOPPING");
    signal(pid(&mut wire, "a"), libc::SIGKILL);
    let answer = other.answer();
    assert_eq!((answer.len(), answer[1]["end"]["exit"].is_i64()), (2, true), "{answer:?}");
}

#[test]
fn a_start_that_waits_fails_when_its_program_is_removed() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 1000}");
    let mut wire = bench.client();
    until_state(&mut wire, "a", "STARTING");
    let mut other = bench.client();
    other.send("start a");
    // What was sent before has been heard when what is sent later is answered.
    assert_eq!(state(&mut wire, "a"), "STARTING");
    bench.configure("{}");
    reload(&mut wire);
    let answer = other.answer();
    assert_eq!((exit(&answer), answer.len()), (1, 2), "{answer:?}");
    assert!(words(&answer)[0].starts_with("a: "), "{answer:?}");
}

#[test]
fn a_start_that_waits_is_answered_by_the_start_that_the_reload_makes_of_it() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 1000}");
    let mut wire = bench.client();
    until_state(&mut wire, "a", "STARTING");
    let mut other = bench.client();
    other.send("start a");
    let first = pid(&mut wire, "a");
    bench.configure("a: {cmd: sleep 2000, starttime: 0.05}");
    assert_eq!(reload(&mut wire).last().unwrap(), "a: restart (cmd, starttime)");
    let answer = other.answer();
    assert_eq!(exit(&answer), 0, "{answer:?}");
    assert_ne!(pid(&mut wire, "a"), first);
}

#[test]
fn a_restart_that_waits_ends_in_the_new_command() {
    let (bench, mut wire) = deaf();
    let mut other = bench.client();
    other.send("restart a");
    until_state(&mut wire, "a", "STOPPING");
    let first = pid(&mut wire, "a");
    bench.configure("a: {cmd: sleep 2000, starttime: 0}");
    reload(&mut wire);
    signal(first, libc::SIGKILL);
    assert_eq!(exit(&other.answer()), 0);
    let new = pid(&mut wire, "a");
    assert_eq!(crate::bench::executed(new, "cmdline"), "sleep\x002000\0");
}

#[test]
fn a_stop_wins_over_the_restart_of_a_reload() {
    let (bench, mut wire) = deaf();
    bench.configure(&format!("a: {{{DEAF}, nice: 4}}"));
    assert_eq!(reload(&mut wire), ["a: restart (nice)"]);
    let mut other = bench.client();
    assert_eq!(exit(&other.ask("stop --no-wait a")), 0);
    signal(pid(&mut wire, "a"), libc::SIGKILL);
    until_state(&mut wire, "a", "STOPPED");
    assert!(row(&mut wire, "a")["pid"].is_null());
}

#[test]
fn two_reloads_on_the_heels_of_each_other_end_in_the_second() {
    let (bench, mut wire) = deaf();
    let first = pid(&mut wire, "a");
    bench.configure("a: {cmd: sleep 2000, starttime: 0}");
    reload(&mut wire);
    bench.configure("a: {cmd: sleep 3000, starttime: 0}");
    assert_eq!(reload(&mut wire), ["a: change in place (cmd)"]);
    signal(first, libc::SIGKILL);
    until_state(&mut wire, "a", "RUNNING");
    assert_eq!(crate::bench::executed(pid(&mut wire, "a"), "cmdline"), "sleep\x003000\0");
}

#[test]
fn a_reload_answers_without_waiting_for_processes() {
    let (bench, mut wire) = deaf();
    configure(&bench, "", "programs: {a: {cmd: sleep 2000}}\n");
    assert_eq!(bench.ctl("reload").status, 0);
    assert_eq!(state(&mut wire, "a"), "STOPPING");
    signal(pid(&mut wire, "a"), libc::SIGKILL);
    until("the new one is launched", || row(&mut wire, "a")["pid"].is_i64());
}

#[test]
fn a_reload_during_the_shutdown_starts_nothing() {
    let (bench, mut wire) = deaf();
    let mut bench = bench;
    let mut other = bench.client();
    other.send("shutdown");
    until_state(&mut wire, "a", "STOPPING");
    let deaf = pid(&mut wire, "a");
    bench.configure(&format!("a: {{{DEAF}, nice: 2}}\nb: {{cmd: sh -c 'echo > born'}}"));
    wire.ask("reload");
    wire.ask("version");
    signal(deaf, libc::SIGKILL);
    assert_eq!(bench.ended(), 0);
    assert!(!exists(&bench.path("born")));
}
