//! `upgrade` and USR2: another version goes on in the daemon's place, and nothing else is different.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::output::{COUNTER, check_counted, whole_log};
use crate::bench::{Bench, children, copy, lives, proc, signal};
use crate::facts::configure;

/// A bench whose daemon was started from a file that can be replaced.
fn replaceable(programs: &str) -> Bench {
    let mut bench = Bench::new(programs);
    start_replaceable(&mut bench);
    bench
}

/// Starts such a daemon.
pub fn start_replaceable(bench: &mut Bench) {
    copy(env!("CARGO_BIN_EXE_taskmaster").as_ref(), &bench.path("taskmaster"));
    let like = bench.daemon_command();
    let mut command = Command::new(bench.path("taskmaster"));
    command.args(like.get_args()).current_dir(bench.path("")).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    bench.start_as(command);
}

/// Puts another file in its place, as a package manager does.
pub fn replace(bench: &Bench, text: &[u8]) {
    fs::rename(bench.executable("new", text), bench.path("taskmaster")).unwrap();
}

pub fn upgrade(bench: &Bench) {
    let said = bench.ctl("upgrade");
    assert_eq!(said.status, 0, "{said:?}\n{}", bench.log());
    assert!(said.out.starts_with("upgraded from "), "{said:?}");
}

#[test]
fn every_process_and_every_state_goes_on() {
    let mut bench = Bench::up(
        "up: {cmd: sleep 1000, numprocs: 2, starttime: 0}\n\
         starting: {cmd: sleep 1000, starttime: 1000}\n\
         waits: {cmd: \"false\", backoff: 1000}\n\
         fatal: {cmd: /nowhere, startretries: 0}\n\
         done: {cmd: \"sh -c 'exit 0'\", starttime: 0}\n\
         stopping: {cmd: \"sh -c 'trap \\\"\\\" TERM; echo up > up; while :; do sleep 0.05; done'\", starttime: 0, stoptime: 1000}\n\
         stopped: {cmd: sleep 1000, starttime: 0}\n\
         disabled: {cmd: sleep 1000, starttime: 0}",
    );
    bench.until("it ignores", |bench| bench.path("up").exists());
    for (name, state) in [("waits", "BACKOFF"), ("fatal", "FATAL"), ("done", "EXITED")] {
        bench.until_state(name, state);
    }
    assert_eq!(bench.ctl("stop stopped").status, 0);
    assert_eq!(bench.ctl("disable disabled").status, 0);
    assert_eq!(bench.ctl("stop --no-wait stopping").status, 0);
    bench.until_state("stopping", "STOPPING");
    let before = bench.rows();
    let (daemon, address) = (bench.pid(), bench.read("state/address"));
    upgrade(&bench);
    for (old, new) in before.iter().zip(bench.rows()) {
        for key in ["name", "state", "pid", "since", "restarts", "exit", "expected"] {
            assert_eq!(old[key], new[key], "{old}\n{new}");
        }
        let pid = new["pid"].as_i64().unwrap_or_default();
        assert!(pid == 0 || children(daemon).contains(&(pid as i32)), "{new}");
    }
    let described = |name| bench.row(name)["description"].as_str().unwrap().to_owned();
    assert!(described("waits").contains("retry 1 of 3 in 16m"), "{}", described("waits"));
    assert!(described("disabled").starts_with("disabled"));
    assert_eq!((bench.pid(), bench.read("state/address")), (daemon, address));
    // Ends are seen, with their status, and answered as ever.
    let pid = bench.pid_of("up:0");
    signal(pid, libc::SIGKILL);
    bench.until("it is restarted", |bench| bench.has_new_pid("up:0", pid));
    assert_eq!(bench.row("up:0")["exit"], json!({"signal": "KILL"}));
    signal(bench.pid_of("stopping"), libc::SIGKILL);
    bench.until_state("stopping", "STOPPED");
    bench.stop();
}

#[test]
fn who_waits_and_who_follows_notices_nothing() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, starttime: 1, autostart: false}\nb: {cmd: sleep 1000, starttime: 0}",
    );
    let (mut waits, mut events, mut stranger) =
        (bench.client(), bench.follower(), bench.stranger());
    waits.send("start a");
    events.until_event("starting", "a");
    let mut asks = bench.client();
    asks.send("upgrade");
    // Half a request, the rest of which comes later.
    let mut slow = bench.client();
    slow.stream.write_all(b"pid ").unwrap();
    let answer = asks.answer();
    assert_eq!(answer.last().unwrap()["end"]["exit"], 0, "{answer:?}");
    slow.send("b");
    assert_eq!(slow.answer()[0]["pid"]["pid"], bench.pid_of("b"));
    stranger.hello(bench.read("state/secret").trim());
    assert_eq!(stranger.ask("version").last().unwrap()["end"]["exit"], 0);
    let answer = waits.answer();
    assert_eq!(answer[0]["result"]["message"], "started", "{answer:?}");
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("running") {
        let event = events.line().unwrap()["event"]["event"].as_str().unwrap().to_owned();
        seen.push(event);
    }
    assert_eq!(seen, ["upgraded", "running"]);
}

#[test]
fn usr2_upgrades_and_a_file_that_was_changed_meanwhile_waits_for_a_reload() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}");
    let pid = bench.pid_of("a");
    let mut events = bench.follower();
    bench.write("taskmaster.yaml", "programs: [this is, no: configuration");
    signal(bench.pid(), libc::SIGUSR2);
    while events.line().unwrap()["event"]["event"] != "upgraded" {}
    let mut client = bench.client();
    assert_eq!(client.ask("pid a")[0]["pid"]["pid"], pid);
    let answer = client.ask("reload");
    assert_eq!(answer.last().unwrap()["end"]["exit"], 1, "{answer:?}");
    bench.configure("a: {cmd: sleep 2000, starttime: 0}");
    assert_eq!(client.ask("reload --dry-run")[0]["plan"]["action"], "restart (cmd)");
}

/// A glob goes on without a folder that is not there, or is none; so does who takes it up.
#[test]
fn an_include_that_matched_nothing_matches_nothing_after_it() {
    let mut bench = Bench::new("{}");
    let programs = "programs: {a: {cmd: sleep 1000, starttime: 0}}\n";
    fs::create_dir(bench.path("apps")).unwrap();
    bench.write("apps/README", "not a folder");
    let include = "include: [conf.d/*.yaml, 'apps/*/*.yaml']\n";
    configure(&bench, "", &format!("{include}{programs}"));
    bench.start();
    let pid = bench.pid_of("a");
    upgrade(&bench);
    assert_eq!(bench.pid_of("a"), pid);
    fs::create_dir(bench.path("conf.d")).unwrap();
    bench.write("conf.d/b.yaml", &programs.replace("a:", "b:"));
    upgrade(&bench);
    assert_eq!(bench.rows().len(), 1, "what came since waits for a reload");
    let plan = bench.ctl("reload");
    assert_eq!((plan.status, plan.out.trim()), (0, "b: add and start"), "{plan:?}");
    upgrade(&bench);
    assert_eq!(bench.rows().len(), 2);
}

#[test]
fn a_file_that_cannot_go_on_is_refused_and_nothing_is_given_up() {
    let mut bench = replaceable("a: {cmd: sleep 1000, starttime: 0}");
    let pid = bench.pid_of("a");
    let binary = fs::read(bench.path("taskmaster")).unwrap();
    let refused = |text: Option<&[u8]>, why: &str| {
        match text {
            Some(text) => replace(&bench, text),
            None => fs::remove_file(bench.path("taskmaster")).unwrap(),
        }
        let said = bench.ctl("upgrade");
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.err.contains("nothing was changed"), "{said:?}");
        assert!(said.err.contains(why), "{said:?}");
        assert_eq!(bench.pid_of("a"), pid);
    };
    refused(Some(b"#!/bin/sh\nexit 0\n"), "is no taskmaster that could go on: exit 0");
    refused(Some(b"#!/bin/sh\necho 'it is version 9' >&2\nexit 1\n"), "it is version 9");
    refused(Some(b"#!/bin/sh\nkill -9 $$\n"), "killed by KILL");
    refused(Some(b"no program at all"), "executing");
    refused(Some(&binary[..8192]), "");
    refused(None, "No such file or directory");
    fs::write(bench.path("new"), &binary).unwrap();
    fs::rename(bench.path("new"), bench.path("taskmaster")).unwrap();
    let said = bench.ctl("upgrade");
    assert!(said.err.contains("Permission denied"), "{said:?}");
    replace(&bench, &binary);
    upgrade(&bench);
    assert_eq!(bench.pid_of("a"), pid);
    // Again from the file that was put there.
    upgrade(&bench);
    bench.stop();
}

#[test]
fn the_new_file_is_no_descendant_that_left_its_program() {
    let leaver =
        "setsid sh -c 'echo $$ >left; exec sleep 1000' & until test -s left; do :; done; exit 3";
    let bench = replaceable("a: {cmd: sh leaver, starttime: 0, autostart: no, autorestart: no}");
    bench.write("leaver", leaver);
    replace(&bench, b"#!/bin/sh\ntouch asked\nuntil test -e go; do sleep 0.05; done\n");
    let mut client = bench.client();
    client.send("upgrade");
    bench.until("it looks at the state", |bench| bench.path("asked").exists());
    bench.ctl("start a");
    bench.until("another has left", |bench| bench.log().contains("left its program"));
    bench.write("go", "");
    assert_eq!(client.answer().last().unwrap()["end"]["exit"], 1);
    let log = bench.log();
    let left: Vec<&str> = log.lines().filter(|line| line.contains("left its program")).collect();
    let pid = format!("pid={} ", bench.read("left").trim());
    assert!(left.len() == 1 && left[0].contains(&pid), "{left:?}");
}

#[test]
fn a_state_that_is_damaged_is_refused_by_the_check() {
    let check = |state: &[u8]| {
        let mut command = crate::bench::taskmaster();
        command.arg("resume-check").stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(state).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for state in [&b""[..], b"1 {}", b"\xff"] {
        let (status, said) = check(state);
        assert_eq!(status, Some(1));
        assert!(said.contains("is damaged"), "{said}");
    }
}

#[test]
fn what_is_printed_meanwhile_is_all_there_and_the_logger_is_new_as_well() {
    let mut bench = Bench::new("");
    bench.write("counter", &COUNTER.replace("PAUSE", "0.001"));
    bench.configure(
        "a: {cmd: perl counter, starttime: 0, stdout: {file: a.log, max_bytes: 4KB, keep: 1000}}",
    );
    bench.start();
    let logger = |bench: &Bench| {
        let is_logger = |pid: &i32| proc(*pid, "cmdline") == "taskmaster\0logger\0";
        children(bench.pid()).into_iter().find(is_logger)
    };
    bench.until("it counts", |bench| bench.path("a.log.1").exists());
    for _ in 0..5 {
        let old = logger(&bench);
        upgrade(&bench);
        bench.until("the logger is another", |bench| {
            let new = logger(bench);
            new.is_some() && new != old
        });
    }
    upgrade(&bench);
    bench.stop();
    check_counted(&whole_log(&bench, "a.log"));
    assert!(!bench.log().contains("the logger ended"), "{}", bench.log());
}

#[test]
fn one_that_was_adopted_stays_so() {
    let mut bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}");
    let pid = bench.pid_of("a");
    bench.kill();
    bench.start();
    upgrade(&bench);
    assert_eq!(bench.pid_of("a"), pid);
    assert_eq!(bench.ctl("stop a").status, 0);
    assert!(!lives(pid));
    assert_eq!(bench.ctl("start a").status, 0);
    let pid = bench.pid_of("a");
    upgrade(&bench);
    bench.kill();
    bench.start();
    assert_eq!(bench.pid_of("a"), pid, "and what was upgraded can be killed");
}

/// A server that goes on sending while its supervisor is replaced.
#[test]
fn a_download_goes_on_through_upgrades() {
    if !Command::new("python3").arg("-V").stdout(Stdio::null()).status().is_ok_and(|s| s.success())
    {
        eprintln!("left out: there is no python3");
        return;
    }
    let bench = Bench::new("");
    let bytes: Vec<u8> =
        (0..8 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::create_dir(bench.path("www")).unwrap();
    fs::write(bench.path("www/file"), &bytes).unwrap();
    let serve = "import http.server,os; os.chdir(\"www\"); \
                 s=http.server.ThreadingHTTPServer((\"127.0.0.1\",0),http.server.SimpleHTTPRequestHandler); \
                 f=open(\"../port.new\",\"w\"); print(s.server_port,file=f); f.close(); \
                 os.rename(\"../port.new\",\"../port\"); s.serve_forever()";
    bench.write("serve", serve);
    bench.configure("www: {cmd: python3 serve, starttime: 0}");
    let mut bench = bench;
    bench.start();
    let port = bench.number("port");
    let mut download = TcpStream::connect(("127.0.0.1", port as u16)).unwrap();
    download.write_all(b"GET /file HTTP/1.0\r\n\r\n").unwrap();
    let mut got = vec![0; 1 << 16];
    download.read_exact(&mut got).unwrap();
    for _ in 0..3 {
        upgrade(&bench);
        let mut more = vec![0; 1 << 16];
        download.read_exact(&mut more).unwrap();
        got.extend(more);
    }
    download.read_to_end(&mut got).unwrap();
    assert!(got.ends_with(&bytes), "{} bytes", got.len());
    assert_eq!(bench.row("www")["restarts"], Value::from(0));
    bench.stop();
}

#[test]
fn restarts_are_counted_on() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, starttime: 0, backoff: 0, max_restarts: {count: 2, within: 1h}}",
    );
    for _ in 0..2 {
        let pid = bench.pid_of("a");
        signal(pid, libc::SIGKILL);
        bench.until("it is up again", |bench| bench.has_new_pid("a", pid));
    }
    upgrade(&bench);
    signal(bench.pid_of("a"), libc::SIGKILL);
    bench.until_state("a", "FATAL");
}

#[test]
fn a_rolling_restart_is_not_cut_short() {
    let bench = Bench::up("a: {cmd: sleep 1000, numprocs: 2, starttime: 0}");
    bench.configure("a: {cmd: sleep 1000, numprocs: 2, starttime: 1000}");
    assert_eq!(bench.ctl("reload").status, 0);
    assert_eq!(bench.ctl("restart --rolling --no-wait a").status, 0);
    bench.until_state("a:0", "STARTING");
    let said = bench.ctl("upgrade");
    assert!(said.status == 1 && said.err.contains("a rolling restart is under way"), "{said:?}");
    assert_eq!(bench.state("a:1"), "RUNNING");
}
