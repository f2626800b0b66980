//! Programs that come and go, and more or fewer processes of one.

use crate::bench::{Bench, executed, exists, lives, signal, until};
use crate::facts::{
    configure, exit, names, pid, pids, reload, row, rows, state, until_all_run, until_state, up,
};

fn web(numprocs: u32, nice: i32) -> String {
    format!(
        "programs: {{web: {{cmd: sleep 1000, starttime: 0, numprocs: {numprocs}, nice: {nice}}}}}\n"
    )
}

#[test]
fn more_and_fewer_processes_leave_the_survivors_alone() {
    let (bench, mut wire) = up("", &web(1, 0));
    until_all_run(&mut wire);
    let first = pid(&mut wire, "web");

    configure(&bench, "", &web(3, 0));
    let plan = reload(&mut wire);
    assert_eq!(
        plan,
        ["web:0: keep, renamed from web", "web:1: add and start", "web:2: add and start"]
    );
    until_all_run(&mut wire);
    let three = pids(&mut wire);
    assert_eq!(three.keys().collect::<Vec<_>>(), ["web:0", "web:1", "web:2"]);
    assert_eq!(three["web:0"], i64::from(first));

    configure(&bench, "", &web(2, 0));
    assert_eq!(reload(&mut wire), ["web:2: stop and remove"]);
    until("web:2 is gone", || names(&mut wire) == ["web:0", "web:1"]);
    let two = pids(&mut wire);
    assert_eq!((two["web:0"], two["web:1"]), (three["web:0"], three["web:1"]));
    assert!(!lives(three["web:2"] as i32));

    configure(&bench, "", &web(1, 0));
    let plan = reload(&mut wire);
    assert_eq!(plan, ["web: keep, renamed from web:0", "web:1: stop and remove"]);
    until("web:1 is gone", || names(&mut wire) == ["web"]);
    assert_eq!(pid(&mut wire, "web"), first);
}

#[test]
fn a_renamed_process_keeps_the_name_it_was_started_with_until_its_next_start() {
    // It prints, so that it has a log.
    let web =
        |numprocs: u32| web(numprocs, 0).replace("sleep 1000", "[sh, -c, echo x; exec sleep 1000]");
    let (bench, mut wire) = up("", &web(1));
    until_all_run(&mut wire);
    // It executes another program after it has printed, and has no environment meanwhile.
    let name_in = |pid| {
        let environ = executed(pid, "environ");
        let names = environ.split('\0').filter_map(|pair| pair.strip_prefix("TASKMASTER_PROCESS="));
        names.collect::<Vec<_>>().join(" ")
    };
    let pid = pid(&mut wire, "web");
    configure(&bench, "", &web(2));
    reload(&mut wire);
    assert_eq!(name_in(pid), "web");
    bench.until("it prints", |bench| exists(&bench.path("state/log/web.stdout.log")));
    assert!(!exists(&bench.path("state/log/web:0.stdout.log")));
    assert_eq!(exit(&wire.ask("restart web:0")), 0);
    assert_eq!(name_in(crate::facts::pid(&mut wire, "web:0")), "web:0");
    bench.until("it prints", |bench| exists(&bench.path("state/log/web:0.stdout.log")));
}

#[test]
fn a_change_of_number_and_of_more_starts_the_survivors_again() {
    let (bench, mut wire) = up("", &web(2, 0));
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "", &web(3, 4));
    let plan = reload(&mut wire);
    assert_eq!(plan, ["web:0: restart (nice)", "web:1: restart (nice)", "web:2: add and start"]);
    until("all are new", || {
        let now = pids(&mut wire);
        now.len() == 3 && before.iter().all(|(name, pid)| now[name] != *pid)
    });
}

#[test]
fn one_of_several_that_was_stopped_stays_so_under_its_new_name() {
    let (bench, mut wire) = up("", &web(1, 0));
    until_all_run(&mut wire);
    assert_eq!(exit(&wire.ask("stop web")), 0);
    configure(&bench, "", &web(2, 3));
    reload(&mut wire);
    until_state(&mut wire, "web:1", "RUNNING");
    assert_eq!(state(&mut wire, "web:0"), "STOPPED");
}

#[test]
fn removed_programs_are_stopped_and_forgotten_and_added_ones_started_if_autostart() {
    let sleeper = "cmd: sleep 1000, starttime: 0";
    let bench = Bench::up(&format!("keep: {{{sleeper}}}\nold: {{{sleeper}}}\nidle: {{{sleeper}}}"));
    let mut wire = bench.client();
    until_all_run(&mut wire);
    assert_eq!(exit(&wire.ask("stop idle")), 0);
    let before = pids(&mut wire);
    bench.configure(&format!(
        "keep: {{{sleeper}}}\nnew: {{{sleeper}}}\nmanual: {{{sleeper}, autostart: false}}"
    ));
    let plan = reload(&mut wire);
    assert_eq!(plan, ["idle: remove", "old: stop and remove", "manual: add", "new: add and start"]);
    until("old is gone", || names(&mut wire) == ["keep", "manual", "new"]);
    until_state(&mut wire, "new", "RUNNING");
    assert!(!lives(before["old"] as i32));
    assert_eq!(pid(&mut wire, "keep"), before["keep"] as i32);
    let manual = row(&mut wire, "manual");
    assert_eq!((&manual["state"], manual["since"].is_null()), (&"STOPPED".into(), true));
    assert_eq!(exit(&wire.ask("status old")), 4);
}

const STUBBORN: &str = "deaf: {cmd: [sh, -c, 'trap \"\" TERM; echo > deaf; exec sleep 1000'], \
                        starttime: 0, stoptime: 1000}";

#[test]
fn a_removed_program_that_does_not_go_is_stopping_until_it_is_gone() {
    let bench = Bench::up(STUBBORN);
    let mut wire = bench.client();
    until("it ignores TERM", || exists(&bench.path("deaf")));
    let deaf = pid(&mut wire, "deaf");
    bench.configure("{}");
    let plan = reload(&mut wire);
    assert_eq!(plan.last().unwrap(), "deaf: stop and remove", "{plan:?}");
    let row = row(&mut wire, "deaf");
    assert_eq!((&row["state"], &row["pid"]), (&"STOPPING".into(), &deaf.into()));
    assert!(row["description"].as_str().unwrap().contains("removed"), "{row}");
    // Nobody gets it to stay, and it is not told of twice.
    assert_eq!(exit(&wire.ask("start deaf")), 1);
    assert!(!reload(&mut wire).iter().any(|line| line.starts_with("deaf")));
    signal(deaf, libc::SIGKILL);
    until("it is forgotten", || names(&mut wire).is_empty());
}

#[test]
fn a_removed_program_that_ignores_term_is_killed_after_its_own_stoptime() {
    let bench = Bench::up(&STUBBORN.replace("1000}", "0.2}"));
    let mut wire = bench.client();
    until("it ignores TERM", || exists(&bench.path("deaf")));
    let deaf = pid(&mut wire, "deaf");
    bench.configure("{}");
    reload(&mut wire);
    until("it is forgotten", || names(&mut wire).is_empty());
    assert!(!lives(deaf));
}

#[test]
fn one_that_comes_back_while_it_goes_is_started_once_it_is_gone() {
    let bench = Bench::up(STUBBORN);
    let mut wire = bench.client();
    until("it ignores TERM", || exists(&bench.path("deaf")));
    let first = pid(&mut wire, "deaf");
    bench.configure("{}");
    reload(&mut wire);
    bench.configure(STUBBORN);
    assert_eq!(reload(&mut wire), ["deaf: start again once it is gone"]);
    assert_eq!(pid(&mut wire, "deaf"), first);
    signal(first, libc::SIGKILL);
    until("a new one runs", || {
        let row = row(&mut wire, "deaf");
        row["state"] == "RUNNING" && row["pid"] != first
    });
    assert_eq!(rows(&mut wire).len(), 1);
}

#[test]
fn a_renamed_program_is_another_one() {
    let bench = Bench::up("old: {cmd: sleep 1000, starttime: 0}");
    let mut wire = bench.client();
    until_all_run(&mut wire);
    let first = pid(&mut wire, "old");
    bench.configure("new: {cmd: sleep 1000, starttime: 0}");
    assert_eq!(reload(&mut wire), ["old: stop and remove", "new: add and start"]);
    until("only the new one is there", || names(&mut wire) == ["new"]);
    assert_ne!(pid(&mut wire, "new"), first);
}
