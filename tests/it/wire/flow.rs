//! How requests and answers follow each other, whatever pieces they come in.

use std::io::Write;
use std::net::Shutdown;

use serde_json::{Value, json};

use crate::bench::{Bench, Wire, signal, until};
use crate::facts::{exit, pid, state, until_state};

const PROGRAMS: &str = "\
a: {cmd: sleep 1000, starttime: 0, backoff: 0.05}
slow: {cmd: sleep 1000, starttime: 1000, autostart: false}";

fn up() -> (Bench, Wire) {
    let bench = Bench::up(PROGRAMS);
    let mut wire = bench.client();
    until_state(&mut wire, "a", "RUNNING");
    (bench, wire)
}

#[test]
fn requests_that_come_at_once_are_answered_in_order() {
    let (bench, mut wire) = up();
    let lines =
        "version\nstop a\nstatus a\nstart a\nstatus a\nnonsense\npid\nrestart a\nstatus a\n";
    wire.stream.write_all(lines.as_bytes()).unwrap();
    assert!(wire.answer()[0]["text"].is_string());
    assert_eq!(wire.answer()[0]["result"]["message"], "stopped");
    assert_eq!(wire.answer()[0]["status"]["state"], "STOPPED");
    assert_eq!(wire.answer()[0]["result"]["message"], "started");
    let first = wire.answer()[0]["status"]["pid"].clone();
    assert_eq!(exit(&wire.answer()), 2);
    assert_eq!(wire.answer()[0]["pid"]["pid"], bench.pid());
    assert_eq!(wire.answer()[0]["result"]["message"], "restarted");
    let row = wire.answer()[0]["status"].clone();
    assert!(row["state"] == "RUNNING" && row["pid"] != first, "{row}");
}

#[test]
fn a_hundred_clients_at_once_are_all_answered() {
    let (bench, _wire) = up();
    let mut clients: Vec<Wire> = (0..100).map(|_| bench.client()).collect();
    for client in &mut clients {
        client.send("status a");
    }
    for client in clients.iter_mut().rev() {
        assert_eq!(exit(&client.answer()), 0);
    }
}

#[test]
fn a_byte_at_a_time_is_as_good_as_all_at_once() {
    let (_bench, mut wire) = up();
    for byte in "status 'a' --json\nversion\n".bytes() {
        wire.stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(exit(&wire.answer()), 0);
    assert_eq!(exit(&wire.answer()), 0);
}

#[test]
fn a_line_may_end_in_carriage_return_and_newline() {
    let (_bench, mut wire) = up();
    wire.stream.write_all(b"status a\r\nversion\r\nevents\r\n").unwrap();
    assert_eq!(exit(&wire.answer()), 0);
    assert_eq!(exit(&wire.answer()), 0);
    wire.stream.write_all(b"\r\n").unwrap();
    assert_eq!(exit(&wire.answer()), 0);
}

#[test]
fn an_empty_line_is_nothing_where_nothing_waits() {
    let (_bench, mut wire) = up();
    wire.stream.write_all(b"\n\n   \n\t\r\nversion\n\nversion\n\n").unwrap();
    assert!(wire.answer()[0]["text"].is_string());
    assert!(wire.answer()[0]["text"].is_string());
    assert_eq!(exit(&wire.ask("pid")), 0);
}

#[test]
fn an_empty_line_ends_a_start_that_waits_and_the_start_goes_on() {
    let (bench, mut wire) = up();
    wire.send("start slow");
    let mut other = bench.client();
    until_state(&mut other, "slow", "STARTING");
    let before = pid(&mut other, "slow");
    wire.send("");
    let answer = wire.answer();
    assert_eq!((answer.len(), exit(&answer)), (1, 1), "{answer:?}");
    assert_eq!(exit(&wire.ask("version")), 0);
    assert_eq!((state(&mut other, "slow").as_str(), pid(&mut other, "slow")), ("STARTING", before));
}

#[test]
fn what_is_sent_while_a_start_waits_is_answered_after_it() {
    let (bench, mut wire) = up();
    wire.send("start slow");
    wire.send("version");
    let mut other = bench.client();
    until_state(&mut other, "slow", "STARTING");
    assert_eq!(exit(&other.ask("stop slow")), 0);
    let answer = wire.answer();
    assert_eq!((exit(&answer), &answer[0]["result"]["ok"]), (1, &json!(false)), "{answer:?}");
    assert!(wire.answer()[0]["text"].is_string());
}

#[test]
fn an_empty_line_ends_the_events_and_the_next_request_is_answered() {
    let (bench, mut wire) = up();
    wire.send("events");
    let mut other = bench.client();
    assert_eq!(exit(&other.ask("stop a")), 0);
    wire.until_event("stopped", "a");
    wire.send("");
    assert_eq!(wire.line(), Some(json!({"end": {"exit": 0}})));
    assert_eq!(exit(&other.ask("start a")), 0);
    // No event comes any more: the answer is the next line.
    assert!(wire.ask("version")[0]["text"].is_string());
}

#[test]
fn events_come_in_the_order_in_which_things_happen() {
    let (bench, mut wire) = up();
    let first = pid(&mut wire, "a");
    let mut events = bench.client();
    events.send("events --json");
    // Who asks later is heard later.
    wire.ask("version");
    let mut next = || {
        let event = events.line().unwrap()["event"].clone();
        let mut keys: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let wanted = ["event", "exit", "expected", "from", "message", "name", "pid", "time", "to"];
        assert_eq!(keys, wanted, "{event}");
        event
    };
    let told = |event: &Value| {
        ["event", "from", "to"].map(|key| event[key].as_str().unwrap_or("-").to_owned()).join(" ")
    };

    wire.send("restart a");
    let stopping = next();
    assert_eq!(told(&stopping), "stopping RUNNING STOPPING");
    assert_eq!((&stopping["pid"], &stopping["name"]), (&json!(first), &json!("a")));
    let stopped = next();
    assert_eq!(told(&stopped), "stopped STOPPING STOPPED");
    assert_eq!((&stopped["pid"], &stopped["exit"]), (&json!(first), &json!({"signal": "TERM"})));
    assert_eq!(stopped["expected"], true);
    let starting = next();
    assert_eq!(told(&starting), "starting STOPPED STARTING");
    let second = starting["pid"].as_i64().unwrap() as i32;
    assert!(second != first && starting["exit"].is_null());
    assert_eq!(told(&next()), "running STARTING RUNNING");
    assert_eq!(exit(&wire.answer()), 0);

    signal(second, libc::SIGKILL);
    let exited = next();
    assert_eq!(told(&exited), "exited RUNNING EXITED");
    assert_eq!((&exited["pid"], &exited["exit"]), (&json!(second), &json!({"signal": "KILL"})));
    assert_eq!(exited["expected"], false);
    let mut event = next();
    if event["event"] == "backoff" {
        assert_eq!(told(&event), "backoff EXITED BACKOFF");
        event = next();
    }
    assert_eq!(event["to"], "STARTING");
    assert_eq!(told(&next()), "running STARTING RUNNING");

    wire.ask("reload");
    let reloaded = next();
    assert_eq!(told(&reloaded), "reloaded - -");
    assert!(reloaded["name"].is_null() && reloaded["pid"].is_null());
}

#[test]
fn every_follower_hears_the_same() {
    let (bench, mut wire) = up();
    let mut followers: Vec<Wire> = (0..5).map(|_| bench.client()).collect();
    followers.iter_mut().for_each(|follower| follower.send("events"));
    wire.ask("version");
    wire.ask("restart a");
    let heard: Vec<Vec<Value>> =
        followers.iter_mut().map(|f| (0..4).map(|_| f.line().unwrap()).collect()).collect();
    assert!(heard.iter().all(|events| *events == heard[0]), "{heard:?}");
}

#[test]
fn who_follows_hears_of_the_shutdown_to_its_end() {
    let (mut bench, mut wire) = up();
    let mut events = bench.client();
    events.send("events");
    wire.ask("version");
    wire.send("shutdown");
    let mut heard = Vec::new();
    while let Some(reply) = events.line() {
        heard.push(reply["event"]["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard, ["daemon_stopping", "stopping", "stopped"]);
    assert_eq!(exit(&wire.answer()), 0);
    assert_eq!(bench.ended(), 0);
}

#[test]
fn a_line_that_is_not_utf8_spoils_only_itself() {
    let (_bench, mut wire) = up();
    wire.stream.write_all(b"stop \xc3\nversion\n").unwrap();
    let answer = wire.answer();
    assert_eq!((answer.len(), exit(&answer)), (1, 2), "{answer:?}");
    assert_eq!(exit(&wire.answer()), 0);
}

#[test]
fn who_has_said_all_it_has_to_say_still_gets_its_answers() {
    let (bench, mut wire) = up();
    wire.stream.write_all(b"status a\nversion\nrestart a\nversion\n").unwrap();
    wire.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(exit(&wire.answer()), 0);
    assert_eq!(exit(&wire.answer()), 0);
    let mut other = bench.client();
    until("a runs", || exit(&other.ask("status a")) == 0);
}

#[test]
fn the_kernel_asks_whether_an_idle_client_is_still_there() {
    let (_bench, wire) = up();
    let port = |address: std::io::Result<std::net::SocketAddr>| address.unwrap().port();
    let (daemon, client) = (port(wire.stream.peer_addr()), port(wire.stream.local_addr()));
    let ends = format!("0100007F:{daemon:04X} 0100007F:{client:04X} ");
    // The timer that runs, as proc_pid_net(5) has it: 02 is that of keepalive.
    let timer = || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let line = table.lines().find(|line| line.contains(&ends)).expect("it is connected");
        let words: Vec<&str> = line.split_whitespace().collect();
        words[5].split(':').next().unwrap().to_owned()
    };
    // While an answer is on its way there is another.
    until("nothing but the silence is timed", || timer() == "02");
}
