//! The next daemon takes over what lives, and goes on with the rest.

use serde_json::json;

use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, copy, is_root, lives, signal, until};
use crate::lease::Lease;

#[test]
fn what_lives_keeps_its_pid_and_its_age() {
    let mut bench = Bench::up("a: {cmd: sleep 1000, numprocs: 3, starttime: 0}");
    let before = bench.rows();
    bench.kill();
    bench.start();
    let log = bench.log();
    for (old, new) in before.iter().zip(bench.rows()) {
        for key in ["name", "state", "pid", "since", "restarts", "exit"] {
            assert_eq!(old[key], new[key]);
        }
        let name = old["name"].as_str().unwrap();
        assert!(log.contains(&format!("adopted name={name} pid={}", old["pid"])), "{log}");
    }
    bench.stop();
    assert!(!bench.path("state/journal").exists(), "it ended in order");
}

#[test]
fn one_that_was_adopted_is_supervised_as_any_other() {
    let mut bench = Bench::up(
        "a: {cmd: \"sh -c 'trap \\\"exit 7\\\" TERM; echo $$ > a.pid; while :; do sleep 0.05; done'\", starttime: 0, backoff: 0}",
    );
    let first = bench.number("a.pid");
    bench.kill();
    bench.start();
    assert_eq!(bench.pid_of("a"), first);
    signal(first, libc::SIGTERM);
    bench.until("it was restarted", |bench| bench.has_new_pid("a", first));
    let row = bench.row("a");
    // Where nobody can tell, nothing is told.
    assert!([json!({"code": 7}), json!(null)].contains(&row["exit"]), "{row}");
    assert_eq!((&row["expected"], &row["restarts"]), (&json!(false), &json!(1)));
    assert_eq!(bench.ctl("stop a").status, 0);
    assert_eq!(bench.state("a"), "STOPPED");
}

#[test]
fn what_is_left_of_the_group_of_one_that_was_adopted_goes_with_it() {
    let mut bench = Bench::up(
        "a: {cmd: [sh, -c, 'sleep 1000 & echo $! > other; exec sleep 1000'], starttime: 0, \
             autorestart: never}",
    );
    let (other, leader) = (bench.number("other"), bench.pid_of("a"));
    bench.kill();
    bench.start();
    signal(leader, libc::SIGKILL);
    bench.until_state("a", "EXITED");
    bench.until("the other is gone", |_| !lives(other));
}

/// A daemon that may become others, but not look into them: what /proc shows of their ends is 0.
#[test]
fn an_end_that_may_not_be_looked_at_is_not_taken_for_a_good_one() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new(
        "a: {cmd: [sh, -c, 'trap \"exit 7\" TERM; echo $$ > a.pid; while :; do sleep 0.05; done'], \
             workingdir: out, user: games, starttime: 0, autorestart: never}",
    );
    std::fs::create_dir(bench.path("out")).unwrap();
    let games = nix::unistd::User::from_name("games").unwrap().unwrap();
    std::os::unix::fs::chown(bench.path("out"), Some(games.uid.as_raw()), None).unwrap();
    let blind = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
    bench.start_as(bench.daemon_through(&blind));
    let pid = bench.number("out/a.pid");
    bench.kill();
    bench.start_as(bench.daemon_through(&blind));
    assert_eq!(bench.pid_of("a"), pid);
    let capabilities = crate::bench::status_of(bench.pid(), "CapEff");
    assert_eq!(u64::from_str_radix(&capabilities, 16).unwrap() & 1 << 19, 0, "{capabilities}");
    signal(pid, libc::SIGTERM);
    bench.until_state("a", "EXITED");
    let row = bench.row("a");
    assert!([json!({"code": 7}), json!(null)].contains(&row["exit"]), "{row}");
    assert_eq!(row["expected"], false);
}

#[test]
fn one_that_died_meanwhile_is_restarted_as_its_policy_says() {
    let mut bench = Bench::up(
        "never: {cmd: sleep 1000, starttime: 0, autorestart: never}\n\
         unexpected: {cmd: sleep 1000, starttime: 0, backoff: 0}",
    );
    let pids = ["never", "unexpected"].map(|name| bench.pid_of(name));
    bench.kill();
    for pid in pids {
        signal(pid, libc::SIGKILL);
        until("it is gone", || !lives(pid));
    }
    bench.start();
    bench.until_state("unexpected", "RUNNING");
    let row = bench.row("never");
    assert_eq!(row["state"], "EXITED");
    // As long as nobody has waited for it, its status can still be had.
    let description = row["description"].as_str().unwrap();
    match row["exit"].is_null() {
        true => assert!(description.starts_with("ended, status unknown"), "{row}"),
        false => assert_eq!(row["exit"], json!({"signal": "KILL"})),
    }
    assert_eq!(row["expected"], false);
    assert_eq!(bench.row("unexpected")["restarts"], 1);
}

#[test]
fn what_a_person_stopped_stays_stopped_until_an_orderly_shutdown() {
    let mut bench = Bench::up(
        "a: {cmd: sleep 1000, starttime: 0}\nb: {cmd: sleep 1000, starttime: 0, autostart: false}",
    );
    assert_eq!(bench.ctl("stop a").status, 0);
    assert_eq!(bench.ctl("start b").status, 0);
    let b = bench.pid_of("b");
    for _ in 0..2 {
        bench.kill();
        bench.start();
        assert_eq!((bench.state("a").as_str(), bench.pid_of("b")), ("STOPPED", b));
    }
    bench.stop();
    bench.start();
    bench.until_state("a", "RUNNING");
    assert_eq!(bench.state("b"), "STOPPED");
}

#[test]
fn one_that_gave_up_and_one_that_was_done_are_not_started_again() {
    let mut bench = Bench::up(
        "fatal: {cmd: /nowhere, startretries: 0}\ndone: {cmd: \"true\", starttime: 0}\n\
         waits: {cmd: \"false\", backoff: 1000}",
    );
    bench.until_state("fatal", "FATAL");
    bench.until_state("done", "EXITED");
    bench.until_state("waits", "BACKOFF");
    let before = bench.rows();
    bench.kill();
    bench.start();
    for (old, new) in before.iter().zip(bench.rows()) {
        assert_eq!((&old["state"], &old["since"]), (&new["state"], &new["since"]));
    }
    assert!(bench.row("waits")["description"].as_str().unwrap().contains("retry 1 of 3 in 16m"));
}

#[test]
fn a_stop_under_way_goes_on_and_is_asked_for_once() {
    let mut bench = Bench::up(
        "a: {cmd: \"sh -c 'trap \\\"echo asked >> asked\\\" TERM; echo up > up; while :; do sleep 0.05; done'\", starttime: 0, stoptime: 2}",
    );
    bench.until("it is up", |bench| bench.path("up").exists());
    let pid = bench.pid_of("a");
    assert_eq!(bench.ctl("stop --no-wait a").status, 0);
    bench.until("it was asked", |bench| bench.read("asked") == "asked\n");
    // Also after the journal was written anew, as by a reload and by the next daemon.
    assert_eq!(bench.ctl("reload").status, 0);
    bench.kill();
    bench.start();
    bench.kill();
    bench.start();
    let mut events = bench.follower();
    if bench.state("a") == "STOPPING" {
        events.until_event("stopped", "a");
    }
    bench.until_state("a", "STOPPED");
    assert!(!lives(pid));
    assert_eq!(bench.read("asked"), "asked\n");
}

#[test]
fn a_program_that_is_configured_otherwise_is_treated_as_by_a_reload() {
    let program = |name, seconds| format!("{name}: {{cmd: sleep {seconds}, starttime: 0}}\n");
    let same = "same: {cmd: sleep 1000, starttime: 0}\n";
    let fewer = |count| format!("fewer: {{cmd: sleep 1000, starttime: 0, numprocs: {count}}}\n");
    let mut bench = Bench::up(
        &[program("changed", 1000), program("removed", 1000), same.into(), fewer(2)].concat(),
    );
    let pid = |bench: &Bench, name| bench.pid_of(name);
    let [changed, removed, kept, first, second] =
        ["changed", "removed", "same", "fewer:0", "fewer:1"].map(|name| pid(&bench, name));
    bench.kill();
    let policy = "same: {cmd: sleep 1000, starttime: 0, stoptime: 3}\n";
    bench.configure(&[program("changed", 2000), policy.into(), fewer(1)].concat());
    bench.start();
    bench.until("the changed one is restarted", |bench| bench.has_new_pid("changed", changed));
    bench.until("the others are gone", |_| !lives(removed) && !lives(second) && !lives(changed));
    bench.until("they are forgotten", |bench| bench.rows().len() == 3);
    assert_eq!((bench.pid_of("same"), bench.pid_of("fewer")), (kept, first));
}

#[test]
fn a_daemon_that_was_killed_while_it_stopped_everything_leaves_no_stops() {
    let mut bench = Bench::up(
        "slow: {cmd: \"sh -c 'trap : TERM; echo up > up; while :; do sleep 0.05; done'\", starttime: 0, backoff: 0, stoptime: 1}\n\
         quick: {cmd: sleep 1000, starttime: 0}",
    );
    bench.until("it is up", |bench| bench.path("up").exists());
    let slow = bench.pid_of("slow");
    let mut events = bench.follower();
    signal(bench.pid(), libc::SIGTERM);
    events.until_event("stopped", "quick");
    bench.kill();
    bench.start();
    bench.until_state("quick", "RUNNING");
    bench.until("it is gone and started again", |bench| bench.has_new_pid("slow", slow));
    bench.until_state("slow", "RUNNING");
}

#[test]
fn who_is_held_up_at_its_exec_keeps_out_no_daemon() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    std::fs::set_permissions(bench.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    copy("/bin/sleep".as_ref(), &bench.path("slow"));
    let lease = Lease::on(&bench, "slow");
    bench.configure("a: {cmd: [./slow, 1000], user: nobody, starttime: 0, stdout: discard}");
    bench.start();
    let pid = bench.pid_of("a");
    let name = || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let its_user = || crate::bench::status_of(pid, "Uid").starts_with("65534");
    bench.until("it is at its exec", |_| its_user());
    assert_ne!(name(), "slow\n");
    bench.kill();
    bench.start();
    assert_ne!(name(), "slow\n", "it waits still");
    assert_eq!(bench.pid_of("a"), pid);
    drop(lease);
    bench.until("it goes on", |_| name() == "slow\n");
    assert_eq!(bench.ctl("stop a").status, 0);
}

#[test]
fn what_somebody_is_told_of_a_start_is_on_record_by_then() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0, autostart: false}");
    let mut client = bench.client();
    for command in ["start a", "restart a"] {
        assert_eq!(client.ask(command).last().unwrap()["end"]["exit"], 0);
        // Nothing has woken the daemon since.
        let journal = bench.read("state/journal");
        let last = journal.lines().rfind(|line| line.starts_with("{\"is\":")).unwrap();
        assert!(last.contains("\"running\""), "{command}: {journal}");
    }
}

#[test]
fn who_has_another_name_by_now_keeps_its_file_until_it_is_next_started() {
    let text = "w: {cmd: [sh, -c, 'while :; do echo $TASKMASTER_PROCESS; sleep 0.02; done'], \
                starttime: 0";
    let mut bench = Bench::up(&format!("{text}}}"));
    let goes_on_in = |bench: &Bench, log: &str| {
        let lines = |bench: &Bench| bench.read(log).lines().count();
        let before = lines(bench);
        bench.until(log, |bench| lines(bench) > before + 5);
    };
    goes_on_in(&bench, "state/log/w.stdout.log");
    let pid = bench.pid_of("w");
    bench.configure(&format!("{text}, numprocs: 2}}"));
    assert_eq!(bench.ctl("reload").status, 0);
    for logger_too in [false, true, true] {
        let logger = bench.logger();
        bench.kill();
        if logger_too {
            signal(logger, libc::SIGKILL);
        }
        bench.start();
        goes_on_in(&bench, "state/log/w.stdout.log");
    }
    assert_eq!(bench.pid_of("w:0"), pid);
    assert!(bench.ctl("tail w:0").out.starts_with("w\n"));
    // Nor does it lose its name when it is captured elsewhere.
    bench.configure(&format!("{text}, numprocs: 2, stdout: {{file: 'new.${{name}}'}}}}"));
    assert_eq!(bench.ctl("reload").status, 0);
    goes_on_in(&bench, "new.w");
    assert_eq!(bench.read("state/log/w:0.stdout.log") + &bench.read("new.w:0"), "");
    assert_eq!(bench.ctl("restart w:0").status, 0);
    bench.until("the next has its own", |bench| bench.read("new.w:0").starts_with("w:0\n"));
}
