//! `status -w` and `status NAME` on the wire.

use serde_json::Value;

use crate::bench::{Bench, Wire, signal};
use crate::facts::{exit, pid, until_state};

/// Reads until rows are current again: their names and states, who is gone, and how many there are.
fn batch(wire: &mut Wire) -> (Vec<(String, String)>, Vec<String>, u64) {
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    loop {
        let reply = wire.line().expect("the connection ended while watching");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        if let Some(row) = reply.get("status") {
            rows.push((text(&row["name"]), text(&row["state"])));
        } else if let Some(row) = reply.get("gone") {
            gone.push(text(&row["name"]));
        } else {
            return (rows, gone, reply["current"].as_u64().unwrap_or_else(|| panic!("{reply}")));
        }
    }
}

/// Batches until this process is in this state; all that were told before it.
fn until_told(wire: &mut Wire, name: &str, state: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    while !all.contains(&(name.to_owned(), state.to_owned())) {
        all.extend(batch(wire).0);
    }
    all
}

fn row(name: &str, state: &str) -> (String, String) {
    (name.to_owned(), state.to_owned())
}

#[test]
fn who_watches_gets_all_rows_and_then_those_that_change() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, starttime: 0}\n\
         b: {cmd: sleep 1000, starttime: 0, autostart: false}",
    );
    let mut other = bench.client();
    until_state(&mut other, "a", "RUNNING");
    let mut wire = bench.client();
    wire.send("status -w");
    assert_eq!(batch(&mut wire), (vec![row("a", "RUNNING"), row("b", "STOPPED")], vec![], 2));
    other.ask("start b");
    let told = until_told(&mut wire, "b", "RUNNING");
    assert!(told.iter().all(|(name, _)| name == "b"), "only what changed: {told:?}");
    signal(pid(&mut other, "a"), libc::SIGKILL);
    until_told(&mut wire, "a", "RUNNING");
    // An empty line ends it, and the connection goes on.
    wire.send("");
    assert_eq!(exit(&wire.answer()), 0);
    assert_eq!(exit(&wire.ask("version")), 0);
}

#[test]
fn a_reload_shows_who_comes_who_goes_and_who_is_renamed() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}\nb: {cmd: sleep 1000, starttime: 0}");
    let mut other = bench.client();
    until_state(&mut other, "b", "RUNNING");
    let (mut all, mut one) = (bench.client(), bench.client());
    all.send("status -w");
    one.send("status -w a b");
    assert_eq!((batch(&mut all).2, batch(&mut one).2), (2, 2));
    bench.configure("a: {cmd: sleep 1000, starttime: 0, numprocs: 2}\nc: {cmd: sleep 1000}");
    assert_eq!(exit(&other.ask("reload")), 0);
    for wire in [&mut all, &mut one] {
        let (mut names, mut gone, mut count) = (Vec::new(), Vec::new(), 0);
        while gone.is_empty() || !names.contains(&"a:1".to_owned()) {
            let (rows, more, now) = batch(wire);
            names.extend(rows.into_iter().map(|(name, _)| name));
            gone.extend(more);
            count = now;
        }
        assert_eq!(gone, ["b"]);
        assert!(names.contains(&"a:0".to_owned()), "{names:?}");
        let is_all = names.contains(&"c".to_owned());
        assert_eq!(count, if is_all { 3 } else { 2 }, "{names:?}");
    }
}

#[test]
fn one_that_is_told_nothing_more_may_ask_for_something_else() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}");
    let mut wire = bench.client();
    wire.send("status -w nobody");
    assert_eq!(exit(&wire.answer()), 4);
    wire.send("status -w a\nversion");
    let (first, second) = (wire.answer(), wire.answer());
    assert_eq!((exit(&first), exit(&second)), (0, 0));
    assert!(second[0]["text"].as_str().unwrap().starts_with("taskmaster "));
}

#[test]
fn a_wait_of_a_process_that_is_watched_is_told_by_the_clock() {
    let bench = Bench::up("a: {cmd: 'false', backoff: 1h, startretries: 1}");
    let mut wire = bench.client();
    until_state(&mut wire, "a", "BACKOFF");
    let mut described = |line: &str| {
        wire.send(line);
        let reply = wire.line().unwrap();
        wire.send("");
        wire.answer();
        reply["status"]["description"].as_str().unwrap().to_owned()
    };
    let watched = described("status -w");
    let (_, at) = watched.split_once("retry 1 of 1 at ").unwrap_or_else(|| panic!("{watched}"));
    assert_eq!(at.matches(':').count(), 2, "{watched}");
}

#[test]
fn of_one_process_the_whole_story_is_told_unless_it_is_for_scripts() {
    let bench = Bench::up(
        "a: {cmd: [sh, -c, 'echo out; echo err >&2; exit 3'], starttime: 0, autorestart: never, \
         env: {TOKEN: hush}}",
    );
    let mut wire = bench.client();
    until_state(&mut wire, "a", "EXITED");
    let story = |wire: &mut Wire, line: &str| {
        let answer = wire.ask(line);
        assert!(!answer.iter().any(|reply| reply.to_string().contains("hush")), "{answer:?}");
        let details = answer.iter().filter_map(|reply| reply.get("detail"));
        let details = details.map(|detail| {
            let lines = detail["lines"].as_array().unwrap().iter();
            let lines = lines.map(|line| line.as_str().unwrap().to_owned());
            (detail["about"].as_str().unwrap().to_owned(), lines.collect::<Vec<_>>())
        });
        details.collect::<Vec<_>>()
    };
    // The logger may be a little behind.
    let mut told = Vec::new();
    crate::bench::until("its output is there", || {
        told = story(&mut wire, "status a");
        told.last().is_some_and(|(_, lines)| lines.len() == 2)
    });
    let abouts: Vec<&str> = told.iter().map(|(about, _)| about.as_str()).collect();
    assert_eq!(abouts, ["command", "settings", "last ends", "stdout", "stderr"]);
    assert_eq!(told[0].1, ["sh -c 'echo out; echo err >&2; exit 3'"]);
    assert_eq!(told[1].1, ["autorestart: never", "starttime: 0s", "env: TOKEN"]);
    assert!(told[2].1[0].contains("exit 3, unexpected, pid "), "{:?}", told[2]);
    assert_eq!(told[3].1.last().unwrap(), "| out");
    assert_eq!(told[4].1.last().unwrap(), "| err");
    for line in ["status a --json", "status", "status all", "status a*", "status a a"] {
        assert_eq!(story(&mut wire, line), [], "{line}");
    }
}

#[test]
fn a_watcher_that_does_not_read_is_told_less_and_nothing_old() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0, numprocs: 50}");
    let mut other = bench.client();
    crate::facts::until_all_run(&mut other);
    let mut lazy = bench.client();
    lazy.send("status -w");
    for _ in 0..20 {
        other.ask("restart all");
    }
    other.ask("stop all");
    let told = until_told(&mut lazy, "a:49", "STOPPED");
    // What it hears last of each is how it is.
    let mut last = std::collections::BTreeMap::new();
    last.extend(told);
    while last.values().any(|state| state != "STOPPED") {
        last.extend(batch(&mut lazy).0);
    }
    assert_eq!(last.len(), 50);
}

#[test]
fn the_story_of_a_command_as_long_as_can_be_is_one_that_a_client_takes() {
    let bench = Bench::new("");
    let word = "日".repeat(40_000);
    let words = vec![word.as_str(); 14].join(", ");
    bench.configure(&format!("a: {{cmd: [echo, {words}], autostart: false}}"));
    let mut bench = bench;
    bench.start();
    let said = bench.ctl("status a");
    assert_eq!(said.status, 3, "{}", said.err);
    assert!(said.out.contains("echo 日日") && said.out.contains('\u{2026}'));
}
