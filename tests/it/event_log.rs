//! The event log: where it goes, what a line looks like, rotation.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, signal};

const SLEEPER: &str = "a: {cmd: sleep 1000, starttime: 0}";

fn with_log(log: &str) -> Bench {
    let mut bench = Bench::new("");
    bench.configure_daemon(&format!("log: {{{log}}},"), SLEEPER);
    bench.start();
    bench
}

#[test]
fn it_names_the_file_it_runs_on_first() {
    let bench = Bench::up(SLEEPER);
    let log = bench.log();
    let first = log.lines().next().unwrap();
    let file = bench.path("taskmaster.yaml");
    assert!(first.contains(&format!("config={}", file.display())), "{first}");
    assert!(first.contains(&format!("pid={}", bench.pid())), "{first}");
}

#[test]
fn a_start_that_launches_nothing_is_logged_before_anybody_wakes_the_daemon() {
    let mut bench = Bench::new("a: {cmd: sleep 1000, autostart: no}");
    bench.launch(bench.daemon_command());
    bench.until("it says so", |bench| bench.log().contains("daemon started"));
}

#[test]
fn the_last_client_that_leaves_is_logged_before_anything_else_happens() {
    let bench = Bench::up("a: {cmd: sleep 1000, autostart: no}");
    drop(bench.client());
    bench.until("both have left", |bench| bench.log().matches("client left").count() >= 2);
}

#[test]
fn a_line_has_a_time_a_level_and_the_facts() {
    let bench = Bench::up(SLEEPER);
    bench.ctl("stop a");
    let log = bench.log();
    let stopped = log.lines().find(|line| line.contains("stopped name=a")).unwrap();
    let shape: String =
        stopped.chars().take(23).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000");
    assert!(
        stopped.contains(" info ") && stopped.contains("reason=\"killed by TERM\""),
        "{stopped}"
    );
}

#[test]
fn json_is_an_object_a_line() {
    let bench = with_log("format: json");
    bench.ctl("stop a");
    let lines: Vec<Value> =
        bench.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|l| l["time"].is_string() && l["level"].is_string()), "{lines:?}");
    let stopped = lines.iter().find(|l| l["message"] == "stopped").unwrap();
    assert_eq!((&stopped["name"], &stopped["level"]), (&"a".into(), &"info".into()));
}

/// What stands behind this macro in the entries of taskmaster(1) on the log, as far as it is the same
/// in every line.
fn in_the_manual(word: &str) -> Vec<String> {
    let page = include_str!("../../man/taskmaster.1");
    let (_, section) = page.split_once(".Sh THE EVENT LOG").unwrap();
    let (section, _) = section.split_once(".Sh LIMITS").unwrap();
    let entries = section.lines().filter_map(|line| line.strip_prefix(&format!(".It {word} ")));
    let words = entries.flat_map(|entry| entry.split(" , "));
    let is_same = |word: &&str| !["WHO", "FILE:", "SIGNAL:", "CAUSE", "CAUSE;", "N"].contains(word);
    let fixed = words.map(|text| {
        let words = text.trim_matches('"').split(' ').take_while(is_same);
        words.collect::<Vec<_>>().join(" ")
    });
    fixed.filter(|text| !text.is_empty()).collect()
}

#[test]
fn every_line_has_the_same_keys_and_stands_in_the_manual() {
    const HEAD: [&str; 6] = ["time", "level", "message", "name", "pid", "reason"];
    let mut bench = Bench::new("");
    let programs = "a: {cmd: sleep 1000, starttime: 0}\n\
        b: {cmd: 'false', startretries: 1, backoff: 0.1}\n\
        c: {cmd: sh leaver, starttime: 0, autorestart: never}\n\
        d: {cmd: 'true', starttime: 0, autorestart: never}\n\
        e: {cmd: /nonexistent, startretries: 0}";
    bench.configure_daemon("log: {format: json, level: debug},", programs);
    let text = bench.read("taskmaster.yaml");
    let reports = "mail: {server: 'sendmail:/nonexistent', from: a@b.example, to: c@d.example}\n\
        hooks: [{on: [fatal], cmd: sh -c 'echo hello; exit 1'}, {on: [fatal], cmd: /nonexistent}]\n";
    bench.write("taskmaster.yaml", &format!("{reports}{text}"));
    let leaver =
        "setsid sh -c 'echo >left; exec sleep 1000' & until test -e left; do :; done; exit 3";
    bench.write("leaver", leaver);
    bench.start();
    bench.until_state("b", "FATAL");
    let mut stranger = bench.stranger();
    stranger.send("{}");
    stranger.line();
    bench.until("it left its program", |bench| bench.log().contains("left its program"));
    bench.until("a hook and a sender ended", |bench| {
        bench.log().contains("hook ended") && bench.log().contains("mail failed")
    });
    bench.ctl("restart a");
    for number in [libc::SIGHUP, libc::SIGUSR1, libc::SIGALRM] {
        signal(bench.pid(), number);
    }
    bench.until("the signals are logged", |bench| {
        ["SIGHUP", "SIGUSR1", "SIGALRM"].iter().all(|word| bench.log().contains(word))
    });
    bench.write("taskmaster.yaml", &format!("{reports}{}", text.replace("  a:", "  z:")));
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("a is gone", |bench| bench.log().contains("\"removed\""));
    bench.write("taskmaster.yaml", &text.replace("cmd: sleep 1000", "cmd: sleep 1000, x: y"));
    assert_eq!(bench.ctl("reload").status, 1);
    bench.stop();

    let (keys, messages) = (in_the_manual("Va"), in_the_manual("Li"));
    let log = bench.log();
    let mut seen = std::collections::BTreeSet::new();
    for line in log.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        let object = object.as_object().unwrap();
        let places = HEAD.map(|key| line.find(&format!("\"{key}\":")).expect(line));
        assert!(places.is_sorted() && places[0] == 1, "{line}");
        let others: Vec<&String> =
            object.keys().filter(|key| !HEAD.contains(&key.as_str())).collect();
        assert!(others.iter().all(|key| keys.contains(key)), "{line}");
        assert!(object["pid"].is_null() || object["pid"].is_number(), "{line}");
        let message = object["message"].as_str().unwrap();
        let known = messages.iter().filter(|known| message.starts_with(known.as_str()));
        match known.max_by_key(|known| known.len()) {
            Some(known) => {
                seen.insert(known.clone());
            }
            // A problem or a warning, in words alone.
            None => {
                let plain = others.is_empty() && object["name"].is_null();
                assert!(
                    plain && ["warning", "error"].contains(&object["level"].as_str().unwrap()),
                    "{line}"
                );
            }
        }
    }
    assert!(seen.len() >= 18, "{seen:?}");
}

#[test]
fn what_matters_less_than_its_level_is_left_out() {
    let mut bench = Bench::new("");
    let dies = "b: {cmd: 'false', startretries: 0}";
    bench.configure_daemon("log: {level: warning},", &format!("{SLEEPER}\n{dies}"));
    bench.start();
    bench.until_state("b", "FATAL");
    let log = bench.log();
    assert!(!log.contains("name=a") && !log.contains(" info "), "{log}");
    assert!(log.contains("error") && log.contains("fatal name=b"), "{log}");
}

#[test]
fn it_is_rotated_and_only_so_many_are_kept() {
    let bench = with_log("max_bytes: 4KB, keep: 2");
    let size = |name: &str| fs::metadata(bench.path(name)).map_or(0, |about| about.len());
    let (log, first, second) =
        ("state/taskmaster.log", "state/taskmaster.log.1", "state/taskmaster.log.2");
    let mut client = bench.client();
    bench.until("two old ones are there", |_| {
        client.ask("restart a");
        size(second) > 0
    });
    // The number of the newest line is the same for all: so many more rotations.
    let newest = bench.read(first);
    bench.until("it goes round", |bench| {
        client.ask("restart a");
        bench.read(second) == newest
    });
    for name in [log, first, second] {
        assert!(size(name) < 4096 + 4000, "{name}: {}", size(name));
    }
    assert!(!bench.path("state/taskmaster.log.3").exists());
    // What is left is one piece: no line is cut or lost between two files.
    let text = bench.read(second) + &bench.read(first) + &bench.read(log);
    let words: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(" name=a")?.0.rsplit(' ').next()).collect();
    assert!(words.len() > 30, "{text}");
    let cycle = ["starting", "running", "stopping", "stopped"];
    let offset = cycle.iter().position(|word| *word == words[0]).unwrap();
    for (n, word) in words.iter().enumerate() {
        assert_eq!(*word, cycle[(n + offset) % 4], "line {n} of\n{text}");
    }
}

#[test]
fn in_the_foreground_the_same_lines_go_to_stderr() {
    let mut bench = Bench::new(SLEEPER);
    let mut command = bench.daemon_command();
    command.stderr(fs::File::create(bench.path("stderr")).unwrap());
    bench.start_as(command);
    bench.ctl("stop a");
    bench.stop();
    assert_eq!(bench.read("stderr"), bench.log());
    assert!(bench.log().contains("stopped name=a"));
}

#[test]
fn in_the_foreground_each_line_goes_to_stderr_once_wherever_a_reload_sends_the_log() {
    let mut bench = Bench::new(SLEEPER);
    let mut command = bench.daemon_command();
    command.stderr(fs::File::create(bench.path("stderr")).unwrap());
    bench.start_as(command);
    for (keys, pid) in [("log: {file: stderr},", "one"), ("log: {file: other.log},", "two")] {
        bench.configure_daemon(
            keys,
            &format!("{SLEEPER}\n{pid}: {{cmd: sleep 1000, starttime: 0}}"),
        );
        assert_eq!(bench.ctl("reload").status, 0);
        bench.until_state(pid, "RUNNING");
        assert_eq!(bench.ctl(&format!("stop {pid}")).status, 0);
    }
    bench.stop();
    let (stderr, other) = (bench.read("stderr"), bench.read("other.log"));
    for line in ["running name=one", "stopped name=one", "running name=two", "stopped name=two"] {
        assert_eq!(stderr.matches(line).count(), 1, "{line}: {stderr}");
    }
    assert!(stderr.ends_with(&other) && other.contains("running name=two"), "{other}");
}

#[test]
fn it_can_go_to_stderr_alone() {
    let mut bench = Bench::new("");
    bench.configure_daemon("log: {file: stderr},", SLEEPER);
    let mut command = bench.daemon_command();
    command.stderr(fs::File::create(bench.path("stderr")).unwrap());
    bench.start_as(command);
    bench.stop();
    let stderr = bench.read("stderr");
    assert_eq!(stderr.matches("daemon started").count(), 1, "{stderr}");
    assert!(!bench.path("state/taskmaster.log").exists());
}

#[test]
fn a_place_where_it_cannot_be_is_named() {
    let bench = Bench::new("");
    bench.configure_daemon("log: {file: missing/log},", SLEEPER);
    let said = crate::bench::finished(bench.daemon_command());
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("missing/log: No such file or directory"), "{}", said.err);
    assert!(said.err.contains("daemon.log"), "{}", said.err);
    assert!(!bench.path("state/address").exists(), "nobody listens");
}

#[test]
fn a_log_that_cannot_be_opened_again_is_found_once_it_can() {
    let mut bench = Bench::new("a: {cmd: sleep 1000, starttime: 0}");
    fs::create_dir(bench.path("logs")).unwrap();
    bench.configure_daemon(
        "log: {file: logs/tm.log, max_bytes: 1},",
        "a: {cmd: sleep 1000, starttime: 0}",
    );
    bench.start();
    fs::rename(bench.path("logs"), bench.path("gone")).unwrap();
    // Whatever is logged now is rotated into a folder that is not there.
    assert_eq!(bench.ctl("restart a").status, 0);
    fs::create_dir(bench.path("logs")).unwrap();
    signal(bench.pid(), libc::SIGUSR1);
    assert_eq!(bench.ctl("restart a").status, 0);
    bench.until("it writes again", |bench| bench.path("logs/tm.log").exists());
    bench.stop();
}

#[test]
fn a_reload_with_a_log_that_cannot_be_opened_changes_nothing() {
    let mut bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}");
    let before = bench.pid_of("a");
    bench.configure_daemon("log: {file: nowhere/tm.log},", "a: {cmd: sleep 2000, starttime: 0}");
    let said = bench.ctl("reload");
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("nowhere/tm.log"), "{said:?}");
    assert_eq!(bench.pid_of("a"), before);
    bench.stop();
}
