//! The interactive shell, in a real pseudo-terminal; and `up`.

use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Regex, Session};

use crate::bench::{Bench, PATIENCE, signal, taskmaster, until};

const PROGRAMS: &str = "clock: {cmd: sleep 1000, starttime: 0.1}\n\
                        web: {cmd: sleep 1000, numprocs: 2, starttime: 0.1}\n\
                        later: {cmd: sleep 1000, autostart: no, starttime: 0.1}";

pub const PROMPT: &str = "taskmaster> ";

/// A shell on a terminal of its own, that has come to its first prompt.
pub fn shell(bench: &Bench, applet: &str, env: &[(&str, &str)]) -> OsSession {
    let mut shell = spawn(bench, applet, env);
    shell.expect(PROMPT).unwrap();
    shell
}

pub fn spawn(bench: &Bench, applet: &str, env: &[(&str, &str)]) -> OsSession {
    let mut command = taskmaster();
    command.current_dir(bench.path("")).args([applet, "-c", "taskmaster.yaml"]);
    command.envs(env.iter().copied());
    on_terminal(command)
}

/// A command on a terminal of its own.
pub fn on_terminal(mut command: std::process::Command) -> OsSession {
    command.stdin(std::process::Stdio::inherit());
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(PATIENCE));
    session
}

pub fn leave(mut shell: OsSession) {
    shell.send("\x04").unwrap();
    shell.expect(Eof).unwrap();
}

#[test]
fn it_greets_with_the_state_of_things_and_what_to_type() {
    let bench = Bench::up(PROGRAMS);
    bench.until_state("web:1", "RUNNING");
    let mut shell = spawn(&bench, "shell", &[]);
    for what in ["taskmaster 0.", "NAME", "clock", "later", "STOPPED", "web:1", "help", PROMPT] {
        shell.expect(what).unwrap();
    }
    leave(shell);
}

#[test]
fn a_command_is_typed_edited_completed_and_remembered() {
    let bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    // Six steps back, the X deleted, to the end again, and the name completed.
    shell.send("staXrt lat\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x7f\x05\t\r").unwrap();
    shell.expect("later: started").unwrap();
    shell.expect(PROMPT).unwrap();
    assert_eq!(bench.state("later"), "RUNNING");
    // Twice Tab lists what there is.
    shell.send("stop w\t\t").unwrap();
    shell.expect("web:0").unwrap();
    shell.expect("web:1").unwrap();
    // Ctrl-C drops the line.
    shell.send("\x03").unwrap();
    shell.expect(PROMPT).unwrap();
    leave(shell);
    assert_eq!(bench.state("web:0"), "RUNNING", "nothing was stopped");

    // The next shell knows what was typed: one step up.
    let mut shell = self::shell(&bench, "shell", &[]);
    shell.send("\x1b[A\r").unwrap();
    shell.expect("later: already running").unwrap();
    leave(shell);
    let history = bench.path("state/history");
    let mode = std::os::unix::fs::MetadataExt::mode(&history.metadata().unwrap());
    assert_eq!((bench.read("state/history").as_str(), mode & 0o777), ("start later\n", 0o600));
}

#[test]
fn ctrl_c_ends_a_wait_and_what_was_asked_goes_on() {
    let bench = Bench::up("slow: {cmd: sleep 1000, starttime: 1h, autostart: no}");
    let mut shell = shell(&bench, "shell", &[]);
    shell.send("start slow\r").unwrap();
    bench.until_state("slow", "STARTING");
    shell.send("\x03").unwrap();
    shell.expect(PROMPT).unwrap();
    assert_eq!(bench.state("slow"), "STARTING");
    shell.send("events\r").unwrap();
    shell.expect("events").unwrap();
    bench.ctl("stop slow");
    shell.expect("STOPPED").unwrap();
    shell.send("\x03").unwrap();
    shell.expect(PROMPT).unwrap();
    leave(shell);
}

#[test]
fn a_daemon_that_goes_away_is_noticed_at_the_prompt_and_found_again() {
    let mut bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    signal(bench.pid(), libc::SIGTERM);
    shell.expect(Regex("went away|ended")).unwrap();
    assert_eq!(bench.ended(), 0);
    shell.send("version\r").unwrap();
    shell.expect("no daemon").unwrap();
    shell.expect(PROMPT).unwrap();
    bench.start();
    shell.send("version\r").unwrap();
    shell.expect("taskmaster 0.").unwrap();
    shell.expect(PROMPT).unwrap();
    leave(shell);
}

#[test]
fn odd_terminals_do_not_break_it() {
    let bench = Bench::up(PROGRAMS);
    for env in [("TERM", ""), ("TERM", "dumb"), ("TERM", "no-such-terminal"), ("NO_COLOR", "1")] {
        let mut shell = shell(&bench, "shell", &[env]);
        shell.get_process_mut().set_window_size(0, 0).unwrap();
        // A byte that is no UTF-8, and a wide name.
        shell.send(b"\xff\xe5\xad\x97\x15version\r".as_slice()).unwrap();
        shell.expect("taskmaster 0.").unwrap();
        shell.expect(PROMPT).unwrap();
        leave(shell);
    }
}

#[test]
fn several_lines_at_once_are_several_commands() {
    let bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    shell.send("stop clock\rstart later\rversion\r").unwrap();
    for what in ["clock: stopped", "later: started", "taskmaster 0."] {
        shell.expect(what).unwrap();
    }
    leave(shell);
}

#[test]
fn up_starts_a_daemon_if_none_answers_and_finds_it_the_next_time() {
    let bench = Bench::new(PROGRAMS);
    let mut first = spawn(&bench, "up", &[]);
    first.expect("has been started: pid ").unwrap();
    first.expect(PROMPT).unwrap();
    let pid: i32 = bench.ctl("pid").out.trim().parse().unwrap();
    let mut second = spawn(&bench, "up", &[]);
    second.expect(format!("is up: pid {pid}, at 127.0.0.1:").as_str()).unwrap();
    second.expect("taskmaster.yaml").unwrap();
    second.expect(PROMPT).unwrap();
    second.send("shutdown\r").unwrap();
    second.expect("daemon ended").unwrap();
    second.expect(Eof).unwrap();
    first.expect(Regex("went away|ended")).unwrap();
    leave(first);
    until("the daemon is gone", || !crate::bench::lives(pid));
}

#[test]
fn without_a_terminal_commands_come_from_standard_input() {
    let bench = Bench::up(PROGRAMS);
    bench.until_state("web:1", "RUNNING");
    let run = |text: &str| {
        use std::io::Write as _;
        let mut command = taskmaster();
        command.current_dir(bench.path("")).args(["shell", "-c", "taskmaster.yaml"]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, out) = run("# a comment\n\nstop clock\nversion\n");
    assert_eq!(status, Some(0));
    assert!(out.starts_with("clock: stopped\ntaskmaster 0."), "{out}");
    assert_eq!(run("stop nobody\nversion\n").0, Some(4), "the last failure counts");
    assert_eq!(run("nonsense\nstop nobody\nstatus web\n").0, Some(4));
    assert_eq!(run("nonsense\nquit\nstop nobody\n").0, Some(2));
}
