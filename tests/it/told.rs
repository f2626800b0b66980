//! What `status --json` and `events --json` tell: every key, and when it is null.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::bench::{Bench, signal, taskmaster};

const STATUS: [&str; 12] = [
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

const EVENT: [&str; 9] =
    ["time", "event", "name", "from", "to", "pid", "exit", "expected", "message"];

/// These are the keys of an object, as it was written, in this order and no others.
fn has_keys(text: &str, keys: &[&str]) {
    let object: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(object.as_object().unwrap().len(), keys.len(), "{text}");
    let mut rest = text;
    for key in keys {
        let at = rest.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} in {text}"));
        rest = &rest[at + key.len()..];
    }
}

/// A time as RFC 3339 has it, with an offset.
fn is_rfc3339(time: &Value) {
    let shape: String = time
        .as_str()
        .unwrap_or_else(|| panic!("{time} is no time"))
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let (shape, offset) = shape.split_at(23);
    assert_eq!(shape, "0000-00-00T00:00:00.000", "{time}");
    assert!(["+00:00", "-00:00", "Z"].contains(&offset), "{time}");
}

#[test]
fn every_row_has_the_same_keys_in_the_same_order() {
    let bench = Bench::up("a: {cmd: sleep 1000}\nb: {cmd: sleep 1, autostart: false, numprocs: 2}");
    let said = bench.ctl("status --json");
    let rows: Vec<&str> = said.out.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(rows.len(), 3, "{}", said.out);
    for row in rows {
        has_keys(row.trim_end_matches(','), &STATUS);
    }
    assert_eq!(bench.rows().len(), 3, "and all is one array");
}

#[test]
fn of_one_that_was_never_started_nothing_is_known() {
    let bench = Bench::up("a: {cmd: sleep 1000, autostart: false}");
    let row = bench.row("a");
    for key in ["pid", "since", "uptime", "exit", "expected"] {
        assert_eq!(row[key], Value::Null, "{key}");
    }
    assert_eq!((&row["state"], &row["restarts"]), (&json!("STOPPED"), &json!(0)));
    assert_eq!((&row["name"], &row["program"]), (&json!("a"), &json!("a")));
    assert_eq!((&row["index"], &row["lost_bytes"]), (&json!(0), &json!(0)));
}

#[test]
fn of_one_that_runs_there_is_no_end_yet() {
    let bench = Bench::up("web: {cmd: sleep 1000, starttime: 0, numprocs: 2}");
    let row = bench.row("web:1");
    assert_eq!((&row["program"], &row["index"]), (&json!("web"), &json!(1)));
    assert_eq!((&row["state"], &row["exit"]), (&json!("RUNNING"), &Value::Null));
    assert_eq!((&row["expected"], &row["restarts"]), (&Value::Null, &json!(0)));
    assert!(row["pid"].as_i64() > Some(1) && row["uptime"].is_u64(), "{row}");
    is_rfc3339(&row["since"]);
}

#[test]
fn an_end_is_told_of_one_that_runs_again() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0, backoff: 0}");
    for restarts in 1..4 {
        let pid = bench.pid_of("a");
        signal(pid, libc::SIGTERM);
        bench.until("it is up again", |bench| bench.has_new_pid("a", pid));
        let row = bench.row("a");
        assert_eq!((&row["state"], &row["restarts"]), (&json!("RUNNING"), &json!(restarts)));
        assert_eq!((&row["exit"], &row["expected"]), (&json!({"signal": "TERM"}), &json!(false)));
    }
}

#[test]
fn of_one_that_is_down_the_description_says_why_and_when() {
    let bench = Bench::up(
        "code: {cmd: [sh, -c, exit 3], starttime: 0, autorestart: never}\n\
         died: {cmd: [sh, -c, kill -SEGV $$], starttime: 0, autorestart: never, limits: {core: 0}}\n\
         gone: {cmd: /no/such, startretries: 0}",
    );
    let reasons = [
        ("code", "exit 3, ", json!({"code": 3})),
        ("died", "killed by SEGV, ", json!({"signal": "SEGV"})),
        ("gone", "executing /no/such: No such file or directory, ", Value::Null),
    ];
    for (name, reason, exit) in reasons {
        bench.until("it is down", |bench| bench.row(name)["pid"].is_null());
        let row = bench.row(name);
        let description = row["description"].as_str().unwrap();
        let when = description.strip_prefix(reason).unwrap_or_else(|| panic!("{description}"));
        assert!(when.matches(':').count() >= 2, "no time in {description}");
        assert_eq!((&row["exit"], &row["uptime"]), (&exit, &Value::Null));
        is_rfc3339(&row["since"]);
    }
}

#[test]
fn since_changes_with_the_state_and_not_with_the_question() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}");
    let first = bench.row("a")["since"].clone();
    assert_eq!(bench.row("a")["since"], first);
    bench.until("the clock ticks", |bench| {
        bench.ctl("restart a");
        bench.row("a")["since"] != first
    });
}

#[test]
fn status_ends_with_3_where_one_is_not_running() {
    let bench =
        Bench::up("a: {cmd: sleep 1000, starttime: 0}\nb: {cmd: sleep 1000, autostart: false}");
    assert_eq!(bench.ctl("status").status, 3);
    assert_eq!(bench.ctl("status a").status, 0);
    assert_eq!(bench.ctl("status b").status, 3);
    assert_eq!(bench.ctl("status a b --json").status, 3);
}

#[test]
fn events_are_an_object_a_line() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0.05, backoff: 0, autostart: false}");
    let mut command = taskmaster();
    command.current_dir(bench.path("."));
    command.args(["shell", "-c", "taskmaster.yaml", "events", "--json"]).stdout(Stdio::piped());
    let mut follower = command.spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut told: Vec<Value> = Vec::new();
    // Until it follows, it hears nothing: starts and stops are repeated until it does.
    let first = std::thread::scope(|scope| {
        let first = scope.spawn(|| lines.next().unwrap().unwrap());
        bench.until("it follows", |bench| {
            bench.ctl("restart --no-wait a");
            bench.ctl("stop a");
            first.is_finished()
        });
        first.join().unwrap()
    });
    has_keys(&first, &EVENT);
    let mut ours = bench.follower();
    bench.ctl("start a");
    signal(bench.pid_of("a"), libc::SIGKILL);
    // The same is told on the wire: what was told before that is passed over.
    let expected = ours.event_of("a");
    for line in &mut lines {
        let line = line.unwrap();
        has_keys(&line, &EVENT);
        let event: Value = serde_json::from_str(&line).unwrap();
        is_rfc3339(&event["time"]);
        if told.is_empty() && event != expected {
            continue;
        }
        told.push(event);
        if told.len() == 5 {
            break;
        }
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
    let words: Vec<&str> = told.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(words, ["starting", "running", "exited", "starting", "running"]);
    let states = |key: &str| told.iter().map(|e| e[key].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(states("from"), ["STOPPED", "STARTING", "RUNNING", "EXITED", "STARTING"]);
    assert_eq!(states("to"), ["STARTING", "RUNNING", "EXITED", "STARTING", "RUNNING"]);
    assert_eq!(told[0]["pid"], told[2]["pid"]);
    assert_ne!(told[2]["pid"], told[3]["pid"]);
    assert_eq!(
        (&told[2]["exit"], &told[2]["expected"]),
        (&json!({"signal": "KILL"}), &json!(false))
    );
    assert!(told.iter().all(|e| e["event"] == "exited" || e["exit"].is_null()));
}

#[test]
fn events_of_the_daemon_name_no_process() {
    let mut bench = Bench::up("");
    let mut events = bench.follower();
    bench.stop();
    let stopping = events.line().unwrap()["event"].clone();
    assert_eq!(stopping["event"], "daemon_stopping");
    for key in ["name", "from", "to", "pid", "exit", "expected"] {
        assert_eq!(stopping[key], Value::Null, "{key}");
    }
    assert!(events.line().is_none(), "the connection ends with the daemon");
}
