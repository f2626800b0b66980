//! What each request is answered with: kinds, fields and exit statuses.

use serde_json::{Value, json};

use crate::bench::{Bench, Wire, exists, lives};
use crate::facts::{error, exit, pid, state, until_state, words};

/// One that runs, one that was not started, one that cannot be.
const PROGRAMS: &str = "\
api: {cmd: sleep 1000, starttime: 0, numprocs: 2}
idle: {cmd: sleep 1000, starttime: 0, autostart: false}
lost: {cmd: ./missing, startretries: 0}";

fn up() -> (Bench, Wire) {
    let bench = Bench::up(PROGRAMS);
    let mut wire = bench.client();
    until_state(&mut wire, "api:0", "RUNNING");
    until_state(&mut wire, "api:1", "RUNNING");
    until_state(&mut wire, "lost", "FATAL");
    (bench, wire)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// All replies but the end are of this kind; what is in them.
fn all<'a>(answer: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let (end, rest) = answer.split_last().unwrap();
    assert_eq!(keys(end), ["end"], "{answer:?}");
    for reply in rest {
        assert_eq!(keys(reply), [kind], "{answer:?}");
    }
    rest.iter().map(|reply| &reply[kind]).collect()
}

fn result(name: &str, ok: bool, message: &str) -> Value {
    json!({"name": name, "ok": ok, "message": message})
}

#[test]
fn status_has_a_row_for_each_process_in_order() {
    let (_bench, mut wire) = up();
    let answer = wire.ask("status");
    assert_eq!(exit(&answer), 3, "not all are RUNNING");
    let rows = all(&answer, "status");
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["api:0", "api:1", "idle", "lost"]);
    for row in &rows {
        let mut wanted = [
            "name",
            "program",
            "index",
            "state",
            "pid",
            "since",
            "uptime",
            "restarts",
            "exit",
            "expected",
            "description",
            "lost_bytes",
        ];
        wanted.sort_unstable();
        assert_eq!(keys(row), wanted);
    }
    let api = rows[1];
    assert_eq!((&api["program"], &api["index"]), (&json!("api"), &json!(1)));
    assert!(lives(api["pid"].as_i64().unwrap() as i32));
    assert!(api["uptime"].is_u64() && api["exit"].is_null() && api["expected"].is_null());
    let since = api["since"].as_str().unwrap();
    assert_eq!((&since[4..5], &since[10..11], &since[19..20]), ("-", "T", "."), "{since}");
    let idle = rows[2];
    assert!(idle["pid"].is_null() && idle["uptime"].is_null() && idle["since"].is_null());
    assert_eq!(idle["state"], "STOPPED");
    let lost = rows[3];
    assert_eq!(lost["state"], "FATAL");
    assert!(lost["description"].as_str().unwrap().contains("./missing: No such file"), "{lost}");
    // Its options are for the shell: the replies are the same.
    assert_eq!(all(&wire.ask("status --json"), "status").len(), 4);
    let one = wire.ask("status api:1 'api:0'");
    assert_eq!((exit(&one), all(&one, "status").len()), (0, 2));
}

#[test]
fn start_stop_restart_and_signal_have_a_result_for_each_process() {
    let (_bench, mut wire) = up();
    let answer = wire.ask("start idle");
    assert_eq!(
        (all(&answer, "result"), exit(&answer)),
        (vec![&result("idle", true, "started")], 0)
    );
    let answer = wire.ask("start idle");
    assert_eq!(all(&answer, "result"), [&result("idle", true, "already running")]);
    assert_eq!(exit(&answer), 0);
    let answer = wire.ask("restart idle");
    assert_eq!(all(&answer, "result"), [&result("idle", true, "restarted")]);
    let answer = wire.ask("stop idle");
    assert_eq!(
        (all(&answer, "result"), exit(&answer)),
        (vec![&result("idle", true, "stopped")], 0)
    );
    let answer = wire.ask("stop idle");
    assert_eq!(all(&answer, "result"), [&result("idle", true, "already stopped")]);
    assert_eq!(exit(&answer), 0);
    let answer = wire.ask("start --no-wait idle");
    assert_eq!((exit(&answer), all(&answer, "result").len()), (0, 1));

    let answer = wire.ask("start lost api:1");
    assert_eq!(exit(&answer), 1, "one of them failed");
    let results = all(&answer, "result");
    assert!(results.contains(&&result("api:1", true, "already running")), "{answer:?}");
    let lost = results.iter().find(|result| result["name"] == "lost").unwrap();
    assert!(lost["ok"] == false && lost["message"].as_str().unwrap().contains("FATAL"), "{lost}");

    let answer = wire.ask("signal CONT api:0");
    assert_eq!((exit(&answer), all(&answer, "result")[0]["ok"].clone()), (0, json!(true)));
    let answer = wire.ask("signal sigcont api:0 lost");
    assert_eq!(exit(&answer), 1);
    let results = all(&answer, "result");
    assert_eq!((&results[0]["ok"], &results[1]["ok"]), (&json!(true), &json!(false)));
}

#[test]
fn a_wait_that_is_too_long_ends_with_1_and_what_was_asked_goes_on() {
    let bench = Bench::up("slow: {cmd: sleep 1000, starttime: 1000, autostart: false}");
    let mut wire = bench.client();
    let answer = wire.ask("start --timeout 50ms slow");
    assert_eq!(exit(&answer), 1);
    assert_eq!(all(&answer, "result"), [&result("slow", false, "still STARTING")]);
    assert_eq!(state(&mut wire, "slow"), "STARTING");
}

#[test]
fn pid_tells_the_daemons_and_those_of_processes() {
    let (bench, mut wire) = up();
    assert_eq!(wire.ask("pid")[0], json!({"pid": {"name": null, "pid": bench.pid()}}));
    let api = pid(&mut wire, "api:0");
    let answer = wire.ask("pid api:0");
    assert_eq!(
        (all(&answer, "pid"), exit(&answer)),
        (vec![&json!({"name": "api:0", "pid": api})], 0)
    );
    let answer = wire.ask("pid idle");
    assert_eq!(
        (all(&answer, "pid"), exit(&answer)),
        (vec![&json!({"name": "idle", "pid": null})], 1)
    );
}

#[test]
fn version_check_and_reload_say_it_in_words() {
    let (bench, mut wire) = up();
    let answer = wire.ask("version");
    assert_eq!(all(&answer, "text"), [&json!(concat!("taskmaster ", env!("CARGO_PKG_VERSION")))]);
    let answer = wire.ask("reload");
    assert_eq!(
        (exit(&answer), words(&answer).last().unwrap().as_str()),
        (0, "nothing has changed")
    );
    // What is missing is told, as a warning.
    let problem = &answer[0]["problem"];
    assert_eq!(
        (keys(problem), &problem["warning"]),
        (vec!["excerpt", "message", "warning"], &json!(true))
    );
    assert_eq!(exit(&wire.ask("check")), 0);
    bench.configure("api: {cmd: sleep 1000, starttime: 0, numprocs: 2}");
    let answer = wire.ask("reload --dry-run");
    for plan in all(&answer, "plan") {
        assert_eq!(keys(plan), ["action", "name"]);
    }
    assert_eq!(words(&answer), ["idle: remove", "lost: remove"]);
    bench.configure("api: {cmd: sleep 1000, numprocs: x}");
    let answer = wire.ask("reload");
    assert_eq!((exit(&answer), &answer[0]["problem"]["warning"]), (1, &json!(false)));
    assert!(!error(&answer).is_empty());
}

#[test]
fn what_cannot_be_understood_ends_with_2_and_says_how_it_is_used() {
    let (_bench, mut wire) = up();
    for (line, hint) in [
        ("start", "usage: start SEL..."),
        ("stop", "usage"),
        ("restart --no-wait", "usage"),
        ("signal HUP", "usage: signal SIG SEL..."),
        ("signal NOPE api", "NOPE"),
        ("signal 0 api", "0"),
        ("signal 65 api", "65"),
        ("stats", "did you mean status?"),
        ("frobnicate", "frobnicate"),
        ("status --jsno", "--jsno"),
        ("start --timeout", "--timeout"),
        ("start --timeout soon api", "soon"),
        ("start --timeout -1 api", "-1"),
        ("stop --no-wait=yes api", "takes no value"),
        ("version now", "now"),
        ("reload --wet-run", "--wet-run"),
        ("stop 'api", "quote"),
        ("\u{0}", ""),
        ("STATUS", "status"),
        ("help", "client"),
    ] {
        let answer = wire.ask(line);
        assert_eq!((answer.len(), exit(&answer)), (1, 2), "{line}: {answer:?}");
        assert!(error(&answer).contains(hint) && !error(&answer).is_empty(), "{line}: {answer:?}");
    }
    assert_eq!(state(&mut wire, "api:0"), "RUNNING");
}

#[test]
fn a_process_that_there_is_not_ends_with_4_and_nothing_is_done_for_the_others() {
    let (_bench, mut wire) = up();
    let before = pid(&mut wire, "api:0");
    for (line, near) in [
        ("stop api apo", Some("api")),
        ("restart api:0 idel", Some("idle")),
        ("stop api:2 api", None),
        ("stop api: api:0", None),
        ("stop 'x*' api", None),
        ("stop '' api", None),
        ("signal KILL api nobody", None),
        ("status nobody", None),
        ("pid nobody", None),
        ("start all nobody", None),
        ("stop 'api\u{1b}[2J'", None),
    ] {
        let answer = wire.ask(line);
        assert_eq!((answer.len(), exit(&answer)), (1, 4), "{line}: {answer:?}");
        assert!(error(&answer).starts_with("no such process: "), "{line}: {answer:?}");
        if let Some(near) = near {
            let hint = format!("did you mean {near}?");
            assert!(error(&answer).contains(&hint), "{line}: {answer:?}");
        }
    }
    assert_eq!((state(&mut wire, "api:0").as_str(), pid(&mut wire, "api:0")), ("RUNNING", before));
}

#[test]
fn quit_is_answered_and_ends_the_connection() {
    let (bench, mut wire) = up();
    for word in ["quit", "exit"] {
        let mut other = bench.client();
        assert_eq!(other.ask(word), [json!({"end": {"exit": 0}})]);
        assert_eq!(other.line(), None);
    }
    assert_eq!(exit(&wire.ask("version")), 0);
}

#[test]
fn shutdown_says_how_many_it_stops_and_ends_when_they_are_gone() {
    let (mut bench, mut wire) = up();
    let pids = [pid(&mut wire, "api:0"), pid(&mut wire, "api:1")];
    let answer = wire.ask("shutdown");
    assert_eq!((words(&answer), exit(&answer)), (vec!["stopping 2 processes".to_owned()], 0));
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert_eq!(wire.line(), None);
    assert_eq!(bench.ended(), 0);
    assert!(!exists(&bench.path("state/address")));
}
