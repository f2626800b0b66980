//! Captured output as its users meet it: rotation, `tail`, `clear`, `log`, trouble, and a logger
//! that is killed.

mod lost;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use serde_json::json;

use crate::bench::{Bench, children, is_root, proc, signal, taskmaster};
use crate::survive::upgrade::start_replaceable;

/// Prints numbered lines, some at once, and then waits.
fn printer(lines: u32) -> String {
    format!("sh -c 'seq 1 {lines}; exec sleep 1000'")
}

/// The loggers of a bench's daemon, by the name that they give themselves.
fn loggers(bench: &Bench) -> Vec<i32> {
    let is_logger = |pid: &i32| proc(*pid, "comm") == "taskmaster-log\n";
    children(bench.pid()).into_iter().filter(is_logger).collect()
}

/// Its logger, the one for all.
fn logger(bench: &Bench) -> i32 {
    bench.until("there is one logger", |bench| loggers(bench).len() == 1);
    loggers(bench)[0]
}

/// All that a rotated log holds, the oldest first.
fn rotated(bench: &Bench, name: &str) -> String {
    let kept = (1..1000).take_while(|n| bench.path(&format!("{name}.{n}")).exists()).count();
    let mut all = String::new();
    for number in (1..=kept).rev() {
        all += &bench.read(&format!("{name}.{number}"));
    }
    all + &bench.read(name)
}

fn numbers(upto: u32) -> String {
    (1..=upto).map(|n| format!("{n}\n")).collect()
}

/// A `tail -f`, and its lines as they come.
struct Follower {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Follower {
    fn of(bench: &Bench, words: &[&str]) -> Self {
        let mut command = taskmaster();
        command.current_dir(bench.path("")).args(["shell", "-c", "taskmaster.yaml"]).args(words);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_rotated_is_whole_and_in_order() {
    let bench = Bench::up(&format!(
        "a: {{cmd: \"{}\", stdout: {{file: a.log, max_bytes: 10KB, keep: 500}}}}",
        printer(50_000)
    ));
    bench.until("all is there", |bench| rotated(bench, "a.log") == numbers(50_000));
    for number in 1..20 {
        let old = bench.read(&format!("a.log.{number}"));
        assert!(old.ends_with('\n') && old.len() <= 10 * 1024, "a.log.{number}: {}", old.len());
    }
}

#[test]
fn a_logger_that_is_killed_mid_flood_loses_and_doubles_nothing() {
    let bench = Bench::up(&format!(
        "a: {{cmd: \"{}\", stdout: {{file: a.log, max_bytes: 1MB, keep: 500}}}}",
        printer(2_000_000)
    ));
    let first = bench.pid_of("a");
    for _ in 0..5 {
        let pid = logger(&bench);
        signal(pid, libc::SIGKILL);
        bench.until("it is gone", |bench| !loggers(bench).contains(&pid));
    }
    let expected = numbers(2_000_000);
    bench.until("all is there", |bench| rotated(bench, "a.log").len() >= expected.len());
    assert!(rotated(&bench, "a.log") == expected);
    assert_eq!(bench.pid_of("a"), first, "no SIGPIPE");
    assert!(bench.log().contains("the logger ended: killed by KILL"));
}

#[test]
fn a_logger_that_cannot_start_is_told_of_once_and_nobody_waits_for_it() {
    let mut bench = Bench::new("a: {cmd: \"sh -c 'echo out; exec sleep 1000'\", starttime: 0}");
    start_replaceable(&mut bench);
    bench.until("it printed", |bench| bench.read("state/log/a.stdout.log") == "out\n");
    // From now on nobody may execute it, not even root.
    let binary = bench.path("taskmaster");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o644)).unwrap();
    signal(logger(&bench), libc::SIGKILL);

    let said = bench.ctl("clear a");
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("only the logger clears logs, and none stays"), "{said:?}");
    assert!(said.err.contains("Permission denied"), "{said:?}");
    let log = bench.log();
    let told = log.matches("the logger").count();
    assert!((1..=2).contains(&told), "{log}");
    assert_eq!(bench.read("state/log/a.stdout.log"), "out\n");
    assert_eq!(bench.state("a"), "RUNNING");

    // Once it may, there is one, and it does not do what was given up.
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    logger(&bench);
    assert_eq!(bench.ctl("restart a").status, 0);
    bench.until("it prints", |bench| bench.read("state/log/a.stdout.log") == "out\nout\n");
    assert_eq!(bench.ctl("clear a").status, 0);
    assert_eq!(bench.read("state/log/a.stdout.log"), "");
}

#[test]
fn auto_appends_after_any_restart() {
    let mut bench =
        Bench::up("a: {cmd: \"sh -c 'echo out; echo err >&2; exec sleep 1000'\", starttime: 0}");
    let log = |bench: &Bench, which: &str| bench.read(&format!("state/log/a.{which}.log"));
    bench.until("it printed", |b| log(b, "stdout") == "out\n" && log(b, "stderr") == "err\n");
    assert_eq!(bench.ctl("restart a").status, 0);
    bench.until("again", |bench| log(bench, "stdout") == "out\nout\n");
    bench.stop();
    bench.start();
    bench.until("and again", |bench| log(bench, "stdout") == "out\nout\nout\n");
}

#[test]
fn what_was_printed_last_is_there_when_the_daemon_has_ended() {
    let mut bench = Bench::up(
        "a: {cmd: \"sh -c 'trap \\\"seq 1 5000; exit\\\" TERM; while :; do sleep 0.05; done'\", starttime: 0}",
    );
    bench.until_state("a", "RUNNING");
    // Its trap stands once it has a child.
    let pid = bench.pid_of("a");
    bench.until("it waits", |_| !children(pid).is_empty());
    bench.stop();
    assert_eq!(bench.read("state/log/a.stdout.log"), numbers(5000));
}

#[test]
fn between_captures_the_logger_changes_over_and_nothing_is_restarted() {
    let ticker = "sh -c 'while :; do echo tick; sleep 0.02; done'";
    let with = |stdout: &str| format!("a: {{cmd: \"{ticker}\", starttime: 0, stdout: {stdout}}}");
    let bench = Bench::up(&with("{file: one.log}"));
    let pid = bench.pid_of("a");
    bench.until("it ticks", |bench| bench.read("one.log").contains("tick"));
    for (stdout, file) in [
        ("{file: two.log, max_bytes: 100, keep: 1}", "two.log.1"),
        ("auto", "state/log/a.stdout.log"),
        ("{file: three.log, timestamps: yes}", "three.log"),
    ] {
        bench.configure(&with(stdout));
        let said = bench.ctl("reload");
        assert_eq!((said.status, said.out.as_str()), (0, "a: change in place (stdout)\n"));
        bench.until(&format!("it ticks in {file}"), |bench| bench.read(file).contains("tick"));
        assert_eq!(bench.pid_of("a"), pid);
    }
    // A stamp is RFC 3339, a blank, and then the line.
    bench.until("a line is whole", |bench| bench.read("three.log").contains(" tick\n"));
    let stamp = bench.read("three.log");
    assert!(stamp.get(4..5) == Some("-") && stamp.get(10..11) == Some("T"), "{stamp}");
    bench.configure(&with("discard"));
    assert_eq!(bench.ctl("reload").out, "a: restart (stdout)\n");
    bench.until("it is another", |bench| bench.has_new_pid("a", pid));
}

#[test]
fn tail_shows_the_end_and_follows_through_rotation_and_truncation() {
    let bench = Bench::up(
        "a: {cmd: cat pipe, stdout: {file: a.log, max_bytes: 40, keep: 9}, autostart: no, starttime: 0}",
    );
    nix::unistd::mkfifo(&bench.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(bench.ctl("tail a").out, "", "it has not printed anything");
    bench.configure(
        "a: {cmd: cat pipe, workingdir: '${here}', stdout: {file: a.log, max_bytes: 40, keep: 9}, autostart: no, starttime: 0}",
    );
    assert_eq!(bench.ctl("reload").status, 0);
    assert_eq!(bench.ctl("start a").status, 0);
    let mut pipe = fs::File::options().write(true).open(bench.path("pipe")).unwrap();
    let mut print = |text: &str| std::io::Write::write_all(&mut pipe, text.as_bytes()).unwrap();
    print("one\ntwo\nthree\n");
    bench.until("it is logged", |bench| bench.read("a.log").ends_with("three\n"));
    assert_eq!(bench.ctl("tail -n 2 a").out, "two\nthree\n");
    assert_eq!(bench.ctl("tail -n1 a stdout").out, "three\n");
    let mut follower = Follower::of(&bench, &["tail", "-f", "-n", "1", "a"]);
    assert_eq!(follower.line(), "three\n");
    for number in 0..30 {
        let line = format!("number {number}\n");
        print(&line);
        assert_eq!(follower.line(), line);
    }
    assert!(bench.path("a.log.1").exists());
    assert_eq!(bench.ctl("clear a").out, "a: cleared\n");
    assert!(!bench.path("a.log.1").exists());
    print("after\n");
    assert_eq!(follower.line(), "after\n");
}

#[test]
fn who_follows_one_that_is_removed_is_shown_its_last_words_and_then_the_end() {
    for capture in ["", ", stdout: a.log"] {
        let program = format!("a: {{cmd: sh run, starttime: 0, stoptime: 1000{capture}}}");
        let mut bench = Bench::new("");
        bench.write("run", "trap 'printf bye; exit' TERM\necho up\nsleep 1000 & wait\n");
        bench.configure(&program);
        bench.start();
        bench.until("it is up", |bench| bench.ctl("tail a").out == "up\n");
        let mut one = bench.client();
        one.send("tail -f -n 1 a");
        assert_eq!(one.line().unwrap()["output"]["text"], "up\n");
        bench.configure("other: {cmd: sleep 1000}");
        assert_eq!(bench.ctl("reload").status, 0);
        let answer = one.answer();
        assert_eq!((&answer[0]["output"]["text"], answer.len()), (&"bye".into(), 2), "{answer:?}");
        let error = "a: removed from the configuration: nothing is left to follow";
        assert_eq!(answer[1], json!({"end": {"exit": 1, "error": error}}));
    }
}

#[test]
fn who_follows_several_goes_on_while_one_is_left() {
    let program = |number: u32| format!("a: {{cmd: sh run, starttime: 0, numprocs: {number}}}\n");
    let mut bench = Bench::new("");
    let script = "trap 'printf bye; exit' TERM\ntouch up$TASKMASTER_INDEX\nsleep 1000 & wait\n";
    bench.write("run", script);
    bench.configure(&program(2));
    bench.start();
    bench.until("they are up", |bench| (0..2).all(|n| bench.path(&format!("up{n}")).exists()));
    let mut client = bench.client();
    client.send("tail -f a");
    let output = |index: u32| json!({"output": {"name": format!("a:{index}"), "text": "bye"}});
    let gone = |index: u32| json!({"gone": {"name": format!("a:{index}"), "program": "a", "index": index}});
    bench.configure(&program(1));
    assert_eq!(bench.ctl("reload").status, 0);
    let told = [(); 2].map(|()| client.line().unwrap());
    assert_eq!(told, [output(1), gone(1)]);
    bench.configure("other: {cmd: sleep 1000}");
    assert_eq!(bench.ctl("reload").status, 0);
    let answer = client.answer();
    assert_eq!(answer[..answer.len() - 1], [output(0), gone(0)]);
    assert_eq!(answer.last().unwrap()["end"]["exit"], 1);
}

#[test]
fn several_are_told_apart_and_control_characters_stay_harmless() {
    let bench = Bench::up(
        "a: {cmd: \"sh -c 'printf \\\"$TASKMASTER_INDEX\\\\t\\\\033[31m\\\\n\\\"; exec sleep 1000'\", numprocs: 2, starttime: 0}",
    );
    bench.until("both printed", |bench| {
        (0..2).all(|n| bench.read(&format!("state/log/a:{n}.stdout.log")).ends_with('\n'))
    });
    assert_eq!(bench.ctl("tail a").out, "a:0 | 0\t\\x1b[31m\na:1 | 1\t\\x1b[31m\n");
    assert_eq!(bench.ctl("tail --raw a:1").out, "1\t\x1b[31m\n");
}

#[test]
fn tail_of_plain_paths_and_of_nothing_and_the_daemons_own() {
    let bench = Bench::up(
        "plain: {cmd: \"sh -c 'echo hello; exec sleep 1000'\", stdout: plain.log, starttime: 0}\n\
         mute: {cmd: sleep 1000, stdout: discard, stderr: stdout, starttime: 0}",
    );
    bench.until("it printed", |bench| bench.read("plain.log") == "hello\n");
    assert_eq!(bench.ctl("tail plain").out, "hello\n");
    for stream in ["stdout", "stderr"] {
        let said = bench.ctl(&format!("tail mute {stream}"));
        assert_eq!(said.status, 1);
        assert!(said.err.contains("discarded"), "{said:?}");
    }
    assert_eq!(bench.ctl("clear mute").status, 1);
    assert_eq!(bench.ctl("tail nobody").status, 4);
    assert_eq!(bench.ctl("tail plain nonsense").status, 2);
    assert_eq!(bench.ctl("tail -n x plain").status, 2);
    let said = bench.ctl("log -n 3");
    assert_eq!((said.status, said.out.lines().count()), (0, 3));
    assert_eq!(bench.ctl("maintail -n 1").out.lines().count(), 1);
}

#[test]
fn a_stopped_processs_log_is_cleared_too() {
    let mut bench = Bench::up("a: {cmd: \"sh -c 'echo x; exec sleep 1000'\", starttime: 0}");
    let log = |bench: &Bench| bench.read("state/log/a.stdout.log");
    bench.until("it printed", |bench| log(bench) == "x\n");
    bench.stop();
    bench.configure("a: {cmd: sleep 1000, autostart: no}");
    bench.start();
    let said = bench.ctl("clear a");
    assert_eq!((said.status, said.out.as_str()), (0, "a: cleared\n"));
    assert_eq!(log(&bench), "");
}

#[test]
fn a_planted_link_is_not_followed_by_who_writes_and_who_reads() {
    if !is_root() {
        return;
    }
    let bench = Bench::new("a: {cmd: yes, starttime: 0, stdout: {file: a.log}}");
    bench.write("precious", "root's own\n");
    std::os::unix::fs::symlink("precious", bench.path("a.log")).unwrap();
    std::os::unix::fs::lchown(bench.path("a.log"), Some(65534), None).unwrap();
    let mut bench = bench;
    bench.start();
    bench.until("the loss is counted", |bench| bench.row("a")["lost_bytes"].as_u64() > Some(0));
    assert_eq!(bench.read("precious"), "root's own\n");
    let said = bench.ctl("tail a");
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(said.err.contains("symbolic link"), "{said:?}");
}

#[test]
fn fifty_floods_leave_the_daemon_to_its_work() {
    let bench = Bench::up(
        "flood: {cmd: yes, numprocs: 50, starttime: 0, stdout: {file: '${name}.log', max_bytes: 100KB, keep: 1}}\n\
         a: {cmd: sleep 1000, starttime: 0, backoff: 0}",
    );
    bench.until("all flood", |bench| {
        (0..50).all(|n| bench.path(&format!("flood:{n}.log.1")).exists())
    });
    let first = bench.pid_of("a");
    signal(first, libc::SIGKILL);
    bench.until("it is started again", |bench| bench.has_new_pid("a", first));
    assert_eq!(bench.rows().len(), 51);
    // The bytes went by the daemon and not through it.
    let read: u64 = proc(bench.pid(), "io")
        .lines()
        .find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
        .unwrap();
    assert!(read < 10 << 20, "{read} bytes were read by the daemon");
}

#[test]
fn a_thousand_processes_with_two_captured_streams_each() {
    let mut bench = Bench::new(
        "a: {cmd: \"sh -c 'echo $TASKMASTER_INDEX; ulimit -n; exec sleep 1000'\", numprocs: 1000, starttime: 0}",
    );
    let command = bench.daemon_through(&["sh", "-c", "ulimit -Sn 1024; exec \"$@\"", "sh"]);
    bench.start_as(command);
    bench.until("all are up", |bench| bench.ctl("status").status == 0);
    let log = |n: u32| format!("state/log/a:{n}.stdout.log");
    bench.until("all printed", |bench| {
        (0..1000).all(|n| bench.read(&log(n)) == format!("{n}\n1024\n"))
    });
    assert!(!bench.log().contains("Too many open files"));
    bench.stop();
}

#[test]
fn more_streams_than_files_may_be_open_are_told_before_that_is_met() {
    let mut bench = Bench::new("a: {cmd: sleep 1000, numprocs: 100, starttime: 0}");
    let command = bench.daemon_through(&["sh", "-c", "ulimit -n 300; exec \"$@\"", "sh"]);
    bench.start_as(command);
    assert!(bench.log().contains("200 captured streams, but only 300 files"), "{}", bench.log());
    bench.stop();
}

#[test]
fn usr1_opens_a_log_that_was_moved_away_anew() {
    let bench =
        Bench::up("a: {cmd: \"sh -c 'while :; do echo tick; sleep 0.02; done'\", starttime: 0}");
    let log = "state/log/a.stdout.log";
    bench.until("it ticks", |bench| bench.read(log).contains("tick"));
    fs::rename(bench.path(log), bench.path("old.log")).unwrap();
    signal(bench.pid(), libc::SIGUSR1);
    bench.until("it ticks anew", |bench| bench.read(log).contains("tick"));
}
