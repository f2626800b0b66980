//! Stops, restarts and starts that a person asks for, and what they answer.

use serde_json::json;

use crate::bench::{Bench, lives, signal};
use crate::lease::Tracer;

const SLEEPER: &str = "a: {cmd: sleep 1000, starttime: 0.05}";

/// One that does not go on TERM, and has written `ready` once it does not.
fn stubborn(keys: &str) -> Bench {
    let script = "'trap \"\" TERM; touch ready; exec sleep 1000'";
    let bench = Bench::up(&format!("a: {{cmd: [sh, -c, {script}], starttime: 0, {keys}}}"));
    bench.until("it ignores TERM", |bench| bench.path("ready").exists());
    bench
}

#[test]
fn a_stop_ends_it_and_is_no_unexpected_end() {
    let bench = Bench::up(SLEEPER);
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    let mut events = bench.follower();
    let said = bench.ctl("stop a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: stopped\n"));
    assert!(!lives(pid));
    let stopping = events.event_of("a");
    assert_eq!((&stopping["event"], &stopping["pid"]), (&json!("stopping"), &json!(pid)));
    assert_eq!((&stopping["exit"], &stopping["expected"]), (&json!(null), &json!(null)));
    let stopped = events.event_of("a");
    assert_eq!((&stopped["event"], &stopped["pid"]), (&json!("stopped"), &json!(pid)));
    assert_eq!(
        (&stopped["exit"], &stopped["expected"]),
        (&json!({"signal": "TERM"}), &json!(true))
    );
    let row = bench.row("a");
    assert_eq!((&row["state"], &row["expected"]), (&json!("STOPPED"), &json!(true)));
}

#[test]
fn one_that_does_not_go_in_time_is_killed() {
    let bench = stubborn("stoptime: 0.2");
    let pid = bench.pid_of("a");
    let said = bench.ctl("stop a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: stopped\n"));
    assert!(!lives(pid));
    let row = bench.row("a");
    assert_eq!(
        (&row["state"], &row["exit"], &row["expected"]),
        (&json!("STOPPED"), &json!({"signal": "KILL"}), &json!(true))
    );
}

#[test]
fn the_code_of_a_stop_is_told_and_counts_as_expected() {
    let script = "'trap \"exit 9\" TERM; touch ready; while :; do sleep 0.02; done'";
    let bench = Bench::up(&format!("a: {{cmd: [sh, -c, {script}], starttime: 0}}"));
    bench.until("it listens", |bench| bench.path("ready").exists());
    assert_eq!(bench.ctl("stop a").status, 0);
    let row = bench.row("a");
    assert_eq!(
        (&row["state"], &row["exit"], &row["expected"]),
        (&json!("STOPPED"), &json!({"code": 9}), &json!(true))
    );
}

#[test]
fn a_stop_wins_in_every_state() {
    let bench = Bench::up(
        "starting: {cmd: sleep 1000, starttime: 1000}\n\
         running: {cmd: sleep 1000, starttime: 0, autorestart: always}\n\
         backoff: {cmd: 'false', backoff: 1000, autorestart: always}\n\
         waiting: {cmd: 'true', starttime: 0, backoff: 1000, autorestart: always}\n\
         exited: {cmd: 'true', starttime: 0}\n\
         fatal: {cmd: 'false', startretries: 0}\n\
         stopped: {cmd: sleep 1000, autostart: false}",
    );
    let states = [
        ("starting", "STARTING"),
        ("running", "RUNNING"),
        ("backoff", "BACKOFF"),
        ("waiting", "BACKOFF"),
        ("exited", "EXITED"),
        ("fatal", "FATAL"),
        ("stopped", "STOPPED"),
    ];
    for (name, state) in states {
        bench.until_state(name, state);
    }
    let said = bench.ctl("stop all");
    assert_eq!(said.status, 0, "{said:?}");
    for (name, _) in states {
        let word = if name == "stopped" { "already stopped" } else { "stopped" };
        assert!(said.out.lines().any(|line| line == format!("{name}: {word}")), "{said:?}");
        let row = bench.row(name);
        assert_eq!((&row["state"], &row["pid"]), (&json!("STOPPED"), &json!(null)), "{name}");
    }
}

#[test]
fn a_second_stop_waits_for_the_same_end() {
    let bench = stubborn("stoptime: 0.5");
    let mut first = bench.client();
    first.send("stop a");
    bench.until_state("a", "STOPPING");
    let said = bench.ctl("stop a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: stopped\n"));
    assert_eq!(first.answer().last().unwrap()["end"]["exit"], 0);
    assert_eq!(bench.state("a"), "STOPPED");
}

#[test]
fn a_stop_wins_over_a_restart_under_way() {
    let bench = stubborn("stoptime: 0.5");
    let mut restart = bench.client();
    restart.send("restart a");
    bench.until_state("a", "STOPPING");
    let mut events = bench.follower();
    assert_eq!(bench.ctl("stop a").status, 0);
    let answer = restart.answer();
    assert_eq!(answer[0]["result"]["message"], "stopped meanwhile");
    assert_eq!(answer[1]["end"]["exit"], 1);
    // What comes after its end is asked for here: it did not start by itself before that.
    assert_eq!(events.event_of("a")["event"], "stopped");
    assert_eq!(bench.ctl("start --no-wait a").status, 0);
    assert_eq!(events.event_of("a")["from"], "STOPPED");
    assert_eq!(bench.row("a")["restarts"], 0);
}

#[test]
fn a_start_during_a_stop_starts_it_again_once_it_is_gone() {
    let bench = stubborn("stoptime: 0.3");
    let first = bench.pid_of("a");
    assert_eq!(bench.ctl("stop --no-wait a").status, 0);
    assert_eq!(bench.state("a"), "STOPPING");
    let said = bench.ctl("start a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: started\n"));
    assert!(!lives(first));
    let row = bench.row("a");
    assert_ne!(row["pid"], first);
    assert_eq!((&row["state"], &row["restarts"]), (&json!("RUNNING"), &json!(0)));
}

#[test]
fn a_restart_makes_a_new_process_of_what_runs_and_of_what_does_not() {
    let bench = Bench::up(SLEEPER);
    bench.until_state("a", "RUNNING");
    let first = bench.pid_of("a");
    let said = bench.ctl("restart a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: restarted\n"));
    assert_ne!(bench.pid_of("a"), first);
    assert!(!lives(first));
    assert_eq!(bench.row("a")["restarts"], 0, "a person asked for it");
    bench.ctl("stop a");
    assert_eq!(bench.ctl("restart a").status, 0);
    assert_eq!(bench.state("a"), "RUNNING");
}

#[test]
fn what_is_so_already_succeeds_and_is_said() {
    let bench = Bench::up(SLEEPER);
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    let said = bench.ctl("start a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: already running\n"));
    assert_eq!(bench.pid_of("a"), pid);
    bench.ctl("stop a");
    let said = bench.ctl("stop a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: already stopped\n"));
}

#[test]
fn a_start_takes_up_what_is_in_backoff_or_given_up() {
    let bench = Bench::up(
        "b: {cmd: [sh, -c, '[ -e up ] && exec sleep 1000'], starttime: 0.05, backoff: 1000}\n\
         f: {cmd: [sh, -c, '[ -e up ] && exec sleep 1000'], starttime: 0.05, startretries: 0}\n\
         e: {cmd: [sh, -c, '[ -e up ] && exec sleep 1000'], starttime: 0, autorestart: never}",
    );
    for (name, state) in [("b", "BACKOFF"), ("f", "FATAL"), ("e", "EXITED")] {
        bench.until_state(name, state);
    }
    bench.write("up", "");
    let said = bench.ctl("start all");
    assert_eq!(said.status, 0, "{said:?}");
    assert!(bench.rows().iter().all(|row| row["state"] == "RUNNING" && row["restarts"] == 0));
}

#[test]
fn without_waiting_the_answer_comes_at_once() {
    let bench = stubborn("stoptime: 1000");
    assert_eq!(bench.ctl("stop --no-wait a").status, 0);
    assert_eq!(bench.state("a"), "STOPPING");
    signal(bench.pid_of("a"), libc::SIGKILL);
    bench.until_state("a", "STOPPED");
}

#[test]
fn a_wait_that_takes_too_long_fails_and_what_was_asked_goes_on() {
    let bench = stubborn("stoptime: 1000");
    let said = bench.ctl("stop --timeout 0.1 a");
    assert_eq!((said.status, said.out.as_str()), (1, "a: still STOPPING\n"));
    signal(bench.pid_of("a"), libc::SIGKILL);
    bench.until_state("a", "STOPPED");
}

#[test]
fn with_unlimited_retries_the_first_failed_start_is_the_answer() {
    let bench =
        Bench::up("a: {cmd: 'false', startretries: unlimited, backoff: 0.1, autostart: false}");
    let said = bench.ctl("start a");
    assert_eq!(said.status, 1);
    assert_eq!(said.out, "a: BACKOFF: exit 1; it goes on trying\n");
    bench.until("the trying goes on", |bench| bench.row("a")["restarts"].as_i64() > Some(3));
}

#[test]
fn one_that_ends_at_once_has_not_been_started() {
    let bench = Bench::up(
        "a: {cmd: [sh, -c, exit 4], starttime: 0.5, autostart: false, startretries: 1, \
         backoff: 0.02}",
    );
    let said = bench.ctl("start a");
    assert_eq!((said.status, said.out.as_str()), (1, "a: FATAL: exit 4\n"));
    let said = bench.ctl("restart a");
    assert_eq!((said.status, said.out.as_str()), (1, "a: FATAL: exit 4\n"));
}

#[test]
fn names_that_nobody_has_stop_nothing() {
    let bench = Bench::up(SLEEPER);
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    for command in ["stop", "start", "restart", "signal TERM", "status", "pid"] {
        let said = bench.ctl(&format!("{command} a nobody"));
        assert_eq!(said.status, 4, "{command}: {said:?}");
        assert!(said.err.contains("nobody"), "{command}: {said:?}");
    }
    assert_eq!(bench.pid_of("a"), pid);
}

#[test]
fn the_stop_signal_is_the_one_that_is_configured() {
    let signals = ["HUP", "int", "SIGUSR1", "15", "RTMIN+1", "KILL"];
    let program = |(n, signal): (usize, &&str)| {
        format!("p{n}: {{cmd: sleep 1000, starttime: 0, stopsignal: {signal}}}\n")
    };
    let bench = Bench::up(&signals.iter().enumerate().map(program).collect::<String>());
    assert_eq!(bench.ctl("stop all").status, 0);
    for (n, name) in ["HUP", "INT", "USR1", "TERM", "RTMIN+1", "KILL"].iter().enumerate() {
        assert_eq!(bench.row(&format!("p{n}"))["exit"], json!({"signal": name}));
    }
}

#[test]
fn a_signal_reaches_the_process_and_nobody_where_there_is_none() {
    let script = "'trap \"echo got >> heard\" USR1; touch ready; while :; do sleep 0.02; done'";
    let bench = Bench::up(&format!(
        "a: {{cmd: [sh, -c, {script}], starttime: 0}}\nb: {{cmd: sleep 1, autostart: false}}"
    ));
    bench.until("it listens", |bench| bench.path("ready").exists());
    let pid = bench.pid_of("a");
    let said = bench.ctl("signal usr1 a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: USR1 sent\n"));
    bench.until("it is heard", |bench| bench.read("heard") == "got\n");
    assert_eq!(bench.pid_of("a"), pid);
    let said = bench.ctl("signal USR1 all");
    assert_eq!(said.status, 1);
    assert_eq!(said.out, "a: USR1 sent\nb: STOPPED: no process to take it\n");
    assert_eq!(bench.ctl("signal NOSUCH a").status, 2);
}

#[test]
fn the_daemons_pid_and_those_of_processes_can_be_asked_for() {
    let bench = Bench::up(SLEEPER);
    bench.until_state("a", "RUNNING");
    assert_eq!(bench.ctl("pid").out, format!("{}\n", bench.pid()));
    assert_eq!(bench.ctl("pid a").out, format!("{}\n", bench.pid_of("a")));
    bench.ctl("stop a");
    assert_eq!(bench.ctl("pid a").status, 1);
}

#[test]
fn a_stop_does_not_wait_for_launches_that_were_asked_for_before() {
    let bench = Bench::up(&format!(
        "{SLEEPER}\n\
         many: {{cmd: sleep 1000, numprocs: 300, autostart: false, stdout: discard, stderr: discard}}"
    ));
    bench.until_state("a", "RUNNING");
    let mut events = bench.follower();
    // One after the other, as fast as they can be heard.
    let mut client = bench.client();
    client.send("start --no-wait many\nstop a");
    let mut started = 0;
    loop {
        let event = events.line().expect("it ends")["event"].take();
        match event["event"].as_str().unwrap() {
            "starting" => started += 1,
            "stopping" => break assert_eq!(event["name"], "a"),
            other => panic!("{other}"),
        }
    }
    assert!(started < 100, "{started} were launched first");
    assert_eq!(events.until_event("stopped", "a")["exit"], json!({"signal": "TERM"}));
}

#[test]
fn one_that_sigkill_does_not_end_is_named_and_waited_for() {
    let mut bench = Bench::up(&format!("{SLEEPER}\nb: {{cmd: sleep 1000, stoptime: 0.1}}"));
    let pid = bench.pid_of("b");
    let Some(tracer) = Tracer::of(pid) else { return };
    let mut client = bench.client();
    client.send("stop b");
    let words = format!(
        "SIGKILL does not end it: it hangs in the kernel, as on a disk that does not \
                         answer, or somebody traces it name=b pid={pid}"
    );
    bench.until("the log names it", |bench| bench.log().contains(&words));
    assert_eq!(bench.row("b")["state"], "STOPPING");
    assert_eq!(bench.ctl("stop a").out, "a: stopped\n");
    signal(bench.pid(), libc::SIGTERM);
    bench
        .until("it stops everything", |bench| bench.log().contains("SIGTERM: stopping everything"));
    drop(tracer);
    assert_eq!(bench.ended(), 0);
    assert_eq!(bench.log().matches("SIGKILL does not end it").count(), 1);
}

#[test]
fn a_start_that_is_taken_back_before_its_launch_is_not_told() {
    let bench =
        Bench::up(&format!("{}, autostart: no, numprocs: 200}}", SLEEPER.trim_end_matches('}')));
    let mut events = bench.follower();
    let mut client = bench.client();
    client.send("start all --no-wait\nstop all --no-wait\nstop all");
    bench.until("all is over", |bench| bench.rows().iter().all(|row| row["state"] == "STOPPED"));
    assert_eq!(bench.ctl("start a:199").status, 0);
    let mut states = std::collections::BTreeMap::new();
    loop {
        let event = events.line().unwrap()["event"].take();
        let name = event["name"].as_str().unwrap().to_owned();
        let before = states.insert(name.clone(), event["to"].clone());
        assert_eq!(event["from"], before.unwrap_or(json!("STOPPED")), "{event}");
        if name == "a:199" && event["event"] == "running" {
            break;
        }
    }
}
