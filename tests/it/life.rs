//! The life of a process: starts, ends and restarts.

use serde_json::{Value, json};

use crate::bench::{Bench, Wire, lives, programs_of, signal};

const SLEEPER: &str = "a: {cmd: sleep 1000, starttime: 0.1}";

#[test]
fn one_that_is_killed_is_started_again() {
    let bench = Bench::up(SLEEPER);
    bench.until_state("a", "RUNNING");
    let first = bench.pid_of("a");
    signal(first, libc::SIGKILL);
    bench.until("a new pid", |bench| {
        bench.row("a")["pid"].as_i64().is_some_and(|p| p != i64::from(first))
    });
    assert!(!lives(first));
    let row = bench.row("a");
    assert_eq!((row["restarts"].as_i64(), &row["exit"]["signal"]), (Some(1), &"KILL".into()));
}

/// The names of the next events of `a`, up to one of this name.
fn steps_to(wire: &mut Wire, last: &str) -> Vec<String> {
    let mut steps = Vec::new();
    while steps.last().is_none_or(|step| step != last) {
        steps.push(wire.event_of("a")["event"].as_str().unwrap().to_owned());
    }
    steps
}

#[test]
fn a_death_is_told_to_those_who_follow_and_stands_in_the_log() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0.1, backoff: 0}");
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    let mut events = bench.follower();
    signal(pid, libc::SIGKILL);
    let exited = events.event_of("a");
    assert_eq!(exited["event"], "exited");
    assert_eq!((&exited["from"], &exited["to"]), (&json!("RUNNING"), &json!("EXITED")));
    assert_eq!((&exited["pid"], &exited["exit"]), (&json!(pid), &json!({"signal": "KILL"})));
    assert_eq!(exited["expected"], false);
    let starting = events.event_of("a");
    assert_eq!((&starting["event"], &starting["from"]), (&json!("starting"), &json!("EXITED")));
    assert_ne!(starting["pid"], pid);
    let running = events.event_of("a");
    assert_eq!((&running["event"], &running["pid"]), (&json!("running"), &starting["pid"]));
    let log = bench.log();
    let died = format!("name=a pid={pid} reason=\"killed by KILL (unexpected)\"");
    assert!(log.lines().any(|line| line.contains("warning") && line.contains(&died)), "{log}");
}

/// Milliseconds of the day.
fn clock(event: &Value) -> i64 {
    let time = event["time"].as_str().unwrap();
    let number = |from: usize, to: usize| time[from..to].parse::<i64>().unwrap();
    ((number(11, 13) * 60 + number(14, 16)) * 60 + number(17, 19)) * 1000 + number(20, 23)
}

#[test]
fn starts_that_fail_are_tried_again_ever_later_and_then_given_up() {
    let bench = Bench::up(
        "a: {cmd: [sh, -c, exit 3], autostart: false, startretries: 3, \
             backoff: {initial: 0.1, max: 0.3, factor: 2}}",
    );
    let mut events = bench.follower();
    let mut client = bench.client();
    client.send("start a");
    let mut before: Option<(i64, i64)> = None;
    // 0.1, 0.2, and 0.4 is bounded.
    for (retry, least) in [(1, 100), (2, 200), (3, 300), (0, 0)] {
        let starting = events.event_of("a");
        assert_eq!(starting["event"], "starting");
        if let Some((failed, least)) = before {
            let waited = (clock(&starting) - failed).rem_euclid(86_400_000);
            assert!(waited >= least - 2, "{waited} ms before {starting}");
        }
        let failed = events.event_of("a");
        assert_eq!((&failed["exit"], &failed["expected"]), (&json!({"code": 3}), &json!(false)));
        let message = failed["message"].as_str().unwrap();
        if retry > 0 {
            assert_eq!((&failed["event"], &failed["to"]), (&json!("backoff"), &json!("BACKOFF")));
            assert!(message.starts_with(&format!("exit 3; retry {retry} of 3 in ")), "{message}");
        } else {
            assert_eq!((&failed["event"], &failed["to"]), (&json!("fatal"), &json!("FATAL")));
            assert_eq!(message, "exit 3; gave up after 3 retries");
        }
        before = Some((clock(&failed), least));
    }
    assert_eq!(client.answer().last().unwrap()["end"]["exit"], 1);
    let row = bench.row("a");
    assert_eq!((&row["restarts"], &row["pid"]), (&json!(3), &Value::Null));
    let why = row["description"].as_str().unwrap();
    assert!(why.starts_with("exit 3, ") && why.ends_with("gave up after 3 retries"), "{why}");
}

#[test]
fn the_count_of_failed_starts_begins_afresh_with_a_start_by_hand() {
    let bench = Bench::up("a: {cmd: 'false', startretries: 2, backoff: 0.02}");
    bench.until_state("a", "FATAL");
    let mut events = bench.follower();
    let said = bench.ctl("start a");
    assert_eq!((said.status, said.out.as_str()), (1, "a: FATAL: exit 1\n"));
    let steps = steps_to(&mut events, "fatal");
    assert_eq!(steps.iter().filter(|step| *step == "starting").count(), 3, "{steps:?}");
    assert_eq!(bench.row("a")["restarts"], 2);
}

#[test]
fn the_count_of_failed_starts_begins_afresh_with_running() {
    // Fails, comes up once there is a file, and fails again once there is another.
    let bench = Bench::up(
        "a: {cmd: [sh, -c, '[ -e up ] && [ ! -e down ] && exec sleep 1000; exit 1'], \
             starttime: 0.1, startretries: 4, backoff: 0.1}",
    );
    bench.until("a retry", |bench| bench.row("a")["restarts"].as_i64() > Some(1));
    bench.write("up", "");
    bench.until_state("a", "RUNNING");
    let mut events = bench.follower();
    bench.write("down", "");
    signal(bench.pid_of("a"), libc::SIGKILL);
    let steps = steps_to(&mut events, "fatal");
    assert_eq!(steps.iter().filter(|step| *step == "starting").count(), 5, "{steps:?}");
}

#[test]
fn an_end_before_starttime_is_a_failed_start_whatever_the_code() {
    let policies = ["never", "unexpected", "always"];
    let program = |policy| {
        format!("{policy}: {{cmd: 'true', autorestart: {policy}, startretries: 1, backoff: 0.02}}")
    };
    let bench = Bench::up(&policies.map(program).join("\n"));
    for policy in policies {
        bench.until_state(policy, "FATAL");
        let row = bench.row(policy);
        assert_eq!(
            (&row["restarts"], &row["exit"], &row["expected"]),
            (&json!(1), &json!({"code": 0}), &json!(false)),
            "{policy}"
        );
    }
}

#[test]
fn without_starttime_every_end_is_one_from_running() {
    let bench = Bench::up("a: {cmd: 'true', starttime: 0}");
    bench.until_state("a", "EXITED");
    assert_eq!(bench.row("a")["expected"], true);
}

#[test]
fn autorestart_and_exitcodes_decide_what_follows_an_end() {
    // A restart is seen as BACKOFF, as two starts must lie so far apart.
    let ends = [
        ("always", "[0]", "exit 0", "BACKOFF", true),
        ("always", "[0]", "exit 3", "BACKOFF", false),
        ("true", "[0]", "exit 0", "BACKOFF", true),
        ("never", "[0]", "exit 3", "EXITED", false),
        ("false", "[0]", "kill -KILL $$", "EXITED", false),
        ("unexpected", "[0]", "exit 0", "EXITED", true),
        ("unexpected", "[0]", "exit 3", "BACKOFF", false),
        ("unexpected", "[0]", "kill -TERM $$", "BACKOFF", false),
        ("unexpected", "[0, 3]", "exit 3", "EXITED", true),
        ("unexpected", "7", "exit 7", "EXITED", true),
        ("unexpected", "7", "exit 0", "BACKOFF", false),
        ("unexpected", "[0, TERM]", "kill -TERM $$", "EXITED", true),
        ("unexpected", "[0, SIGTERM]", "kill -KILL $$", "BACKOFF", false),
        // 128 + 15 is a code, and no death by a signal.
        ("unexpected", "[143]", "kill -TERM $$", "BACKOFF", false),
        ("unexpected", "[TERM]", "exit 143", "BACKOFF", false),
    ];
    let programs: String = ends
        .iter()
        .enumerate()
        .map(|(n, (autorestart, exitcodes, script, ..))| {
            let cmd = format!("[sh, -c, '{script}']");
            format!(
                "p{n}: {{cmd: {cmd}, autorestart: {autorestart}, exitcodes: {exitcodes}, \
                 starttime: 0, backoff: 1000}}\n"
            )
        })
        .collect();
    let bench = Bench::up(&programs);
    bench.until("all have ended", |b| b.rows().iter().all(|row| !row["exit"].is_null()));
    for (n, (autorestart, exitcodes, script, state, expected)) in ends.iter().enumerate() {
        let row = bench.row(&format!("p{n}"));
        assert_eq!(
            (row["state"].as_str(), row["expected"].as_bool()),
            (Some(*state), Some(*expected)),
            "{autorestart} {exitcodes} {script}: {row}"
        );
    }
}

#[test]
fn one_that_ran_longer_than_the_least_distance_is_restarted_at_once() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0.2, backoff: 0.1}");
    bench.until_state("a", "RUNNING");
    let mut events = bench.follower();
    signal(bench.pid_of("a"), libc::SIGKILL);
    assert_eq!(steps_to(&mut events, "running"), ["exited", "starting", "running"]);
}

#[test]
fn one_that_ended_sooner_waits_out_the_rest_in_backoff() {
    let bench = Bench::up(
        "a: {cmd: 'true', starttime: 0, autorestart: always, backoff: 0.3, autostart: false}",
    );
    let mut events = bench.follower();
    bench.ctl("start --no-wait a");
    let first = events.event_of("a");
    let steps = steps_to(&mut events, "backoff");
    assert_eq!(steps, ["running", "exited", "backoff"]);
    let second = events.event_of("a");
    assert_eq!((&second["event"], &second["from"]), (&json!("starting"), &json!("BACKOFF")));
    let distance = (clock(&second) - clock(&first)).rem_euclid(86_400_000);
    assert!(distance >= 298, "{distance} ms between two starts");
}

#[test]
fn without_backoff_it_loops_and_the_daemon_stays_its_own_master() {
    let bench = Bench::up("a: {cmd: 'true', starttime: 0, autorestart: always, backoff: 0}");
    bench.until("it loops", |bench| bench.row("a")["restarts"].as_i64() > Some(20));
    let said = bench.ctl("stop a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: stopped\n"));
    assert_eq!(bench.state("a"), "STOPPED");
}

#[test]
fn no_end_leaves_a_zombie() {
    let bench = Bench::up("a: {cmd: sleep 1000, numprocs: 10, starttime: 0.05, backoff: 0.05}");
    let all_run = |bench: &Bench| bench.rows().iter().all(|row| row["state"] == "RUNNING");
    bench.until("all run", all_run);
    for row in bench.rows() {
        signal(row["pid"].as_i64().unwrap() as i32, libc::SIGKILL);
    }
    bench.until("all run again", |bench| {
        bench.rows().iter().all(|row| row["restarts"] == 1 && row["state"] == "RUNNING")
    });
    let children = programs_of(bench.pid());
    assert_eq!(children.len(), 10);
    assert!(children.into_iter().all(lives));
}
