//! What stands outside the programs, and reaches into them: `daemon:`, `defaults:`, expansions.

use std::collections::BTreeMap;

use crate::bench::{Bench, Wire, executed, is_root, proc, until};
use crate::facts::{configure, exit, pids, reload, until_all_run, until_state, up, words};

/// Waits until exactly these of the processes have new pids, and tells all.
fn until_new(
    wire: &mut Wire,
    before: &BTreeMap<String, i64>,
    new: &[&str],
) -> BTreeMap<String, i64> {
    until(&format!("{new:?} are new"), || {
        let now = pids(wire);
        now.len() == before.len() && new.iter().all(|name| now[*name] != before[*name])
    });
    until_all_run(wire);
    let now = pids(wire);
    for (name, pid) in before {
        assert_eq!(now[name] != *pid, new.contains(&name.as_str()), "{name}");
    }
    now
}

const THREE: &str = "\
defaults: {cmd: sleep 1000, starttime: 0}
programs:
  plain: {}
  own: {env: {COLOUR: mine}, umask: 027}
  bare: {inherit_env: false}
";

#[test]
fn a_change_of_daemon_env_starts_again_all_but_those_that_say_it_themselves() {
    let (bench, mut wire) = up("env: {COLOUR: red}", THREE);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "env: {COLOUR: blue}", THREE);
    let plan = reload(&mut wire);
    assert_eq!(plan, ["bare: restart (env)", "plain: restart (env)"]);
    let now = until_new(&mut wire, &before, &["bare", "plain"]);
    for (name, colour) in [("plain", "blue"), ("bare", "blue"), ("own", "mine")] {
        let environ = executed(now[name] as i32, "environ");
        assert!(environ.contains(&format!("COLOUR={colour}\0")), "{name}");
    }
}

#[test]
fn a_change_of_daemon_umask_starts_again_all_but_those_that_have_their_own() {
    let (bench, mut wire) = up("umask: 022", THREE);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "umask: 077", THREE);
    let plan = reload(&mut wire);
    let expected =
        ["bare: restart (umask)", "plain: restart (umask)", "taskmaster: daemon.umask changed"];
    assert_eq!(plan, expected);
    let now = until_new(&mut wire, &before, &["bare", "plain"]);
    assert!(proc(now["plain"] as i32, "status").contains("Umask:\t0077"));
    assert!(proc(now["own"] as i32, "status").contains("Umask:\t0027"));
    assert!(proc(bench.pid(), "status").contains("Umask:\t0077"));
}

#[test]
fn a_change_of_defaults_concerns_those_that_do_not_say_otherwise() {
    let programs = "programs:\n  a: {}\n  b: {nice: 5}\n  c: {env: {SIZE: small}}\n";
    let file = |defaults: &str| {
        format!("defaults: {{cmd: sleep 1000, starttime: 0, {defaults}}}\n{programs}")
    };
    let (bench, mut wire) = up("", &file("nice: 3, env: {SIZE: big}"));
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "", &file("nice: 4, env: {SIZE: big}"));
    assert_eq!(reload(&mut wire), ["a: restart (nice)", "c: restart (nice)"]);
    let before = until_new(&mut wire, &before, &["a", "c"]);
    configure(&bench, "", &file("nice: 4, env: {SIZE: huge}"));
    assert_eq!(reload(&mut wire), ["a: restart (env)", "b: restart (env)"]);
    let before = until_new(&mut wire, &before, &["a", "b"]);
    configure(&bench, "", &file("nice: 4, env: {SIZE: huge}, stoptime: 3"));
    let plan = reload(&mut wire);
    assert_eq!(plan, ["a", "b", "c"].map(|name| format!("{name}: change in place (stoptime)")));
    assert_eq!(pids(&mut wire), before);
}

#[test]
fn an_expansion_whose_outcome_changes_is_a_change() {
    let file = "defaults: {starttime: 0, inherit_env: false}\n\
                programs: {a: {cmd: 'sleep ${TIME}', env: {TIME: 3000}}, \
                b: {cmd: 'sleep ${TIME}'}, c: {cmd: sleep 1000, env: {TIME: '${TIME}'}}}\n";
    let (bench, mut wire) = up("env: {TIME: 1000}", file);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "env: {TIME: 2000}", file);
    assert_eq!(reload(&mut wire), ["b: restart (cmd, env)", "c: restart (env)"]);
    let now = until_new(&mut wire, &before, &["b", "c"]);
    assert_eq!(executed(now["b"] as i32, "cmdline"), "sleep\x002000\0");
    assert!(executed(now["c"] as i32, "environ").contains("TIME=2000\0"));
}

#[test]
fn the_contents_of_an_env_file_are_not_compared_and_count_at_the_next_start() {
    let file = "programs: {a: {cmd: sleep 1000, starttime: 0, env_file: a.env}}\n";
    let bench = Bench::new("{}");
    bench.write("a.env", "COLOUR=red\n");
    configure(&bench, "", file);
    let mut bench = bench;
    bench.start();
    let mut wire = bench.client();
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    bench.write("a.env", "COLOUR=blue\n");
    assert_eq!(reload(&mut wire), ["nothing has changed"]);
    assert_eq!(pids(&mut wire), before);
    assert_eq!(exit(&wire.ask("restart a")), 0);
    assert!(executed(pids(&mut wire)["a"] as i32, "environ").contains("COLOUR=blue\0"));
}

#[test]
fn what_counts_from_the_daemon_s_next_start_is_told_each_time_and_the_rest_applied() {
    let programs = |time| format!("programs: {{a: {{cmd: sleep {time}, starttime: 0}}}}\n");
    let (bench, mut wire) = up("", &programs(1000));
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    let address = bench.read("state/address");
    let user = if is_root() { ", user: nobody" } else { ", user: root" };
    let daemon =
        format!("daemon: {{listen: '127.0.0.1:1', state_dir: other, secret_file: hush{user}}}\n");
    bench.write("taskmaster.yaml", &(daemon.clone() + &programs(2000)));
    let later = ["listen", "state_dir", "secret_file", "user"].map(|key| {
        format!("taskmaster: daemon.{key} takes effect when the daemon is next started")
    });
    let mut expected = vec!["a: restart (cmd)".to_owned()];
    expected.extend(later.clone());
    let without_warnings = |answer: &[serde_json::Value]| {
        let mut told = words(answer);
        told.retain(|line| !line.starts_with("warning: "));
        told
    };
    for expected in [&expected[..], &later[..]] {
        let answer = wire.ask("reload");
        assert_eq!((exit(&answer), without_warnings(&answer)), (0, expected.to_vec()));
        until_all_run(&mut wire);
    }
    assert_ne!(pids(&mut wire), before);
    // All is where it was, and those who come now find it there.
    assert_eq!(bench.read("state/address"), address);
    assert_eq!(exit(&bench.client().ask("version")), 0);
    assert!(!crate::bench::exists(&bench.path("other")));
}

#[test]
fn a_change_of_shutdown_time_and_of_the_log_counts_at_once() {
    let file = "programs: {a: {cmd: sleep 1000, starttime: 0}}\n";
    let (bench, mut wire) = up("shutdown_time: 20", file);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "shutdown_time: 10, log: {file: second.log, format: json}", file);
    let plan = reload(&mut wire);
    let expected = ["log", "shutdown_time"].map(|key| format!("taskmaster: daemon.{key} changed"));
    assert_eq!(plan, expected);
    assert_eq!(exit(&wire.ask("restart a")), 0);
    let log = bench.read("second.log");
    assert!(log.lines().count() >= 2, "{log}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_ne!(pids(&mut wire), before);
}

#[test]
fn a_trial_tells_the_plan_and_does_nothing() {
    let (bench, mut wire) =
        up("", "programs: {a: {cmd: sleep 1000, starttime: 0}, b: {cmd: sleep 1000}}\n");
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "", "programs: {a: {cmd: sleep 2000, starttime: 0}, c: {cmd: sleep 1000}}\n");
    let plan = "b: stop and remove\na: restart (cmd)\nc: add and start\n";
    for word in ["reload --dry-run", "update --dry-run", "reread --dry-run"] {
        let said = bench.ctl(word);
        assert_eq!((said.status, said.out.as_str()), (0, plan), "{word}: {said:?}");
        assert_eq!(pids(&mut wire), before, "{word}");
    }
    let said = bench.ctl("reload");
    assert_eq!((said.status, said.out.as_str()), (0, plan), "{said:?}");
    until_state(&mut wire, "b", "none");
    until_all_run(&mut wire);
    let now = pids(&mut wire);
    assert_ne!(now["a"], before["a"]);
    assert!(now.contains_key("c"));
}

#[test]
fn a_file_without_programs_is_fine_with_a_warning() {
    let (bench, mut wire) = up("", "programs: {a: {cmd: sleep 1000, starttime: 0}}\n");
    until_all_run(&mut wire);
    configure(&bench, "", "");
    let told = reload(&mut wire);
    assert!(told[0].starts_with("warning: "), "{told:?}");
    assert_eq!(told[1], "a: stop and remove");
    until_state(&mut wire, "a", "none");
}
