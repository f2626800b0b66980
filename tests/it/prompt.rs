//! Life at the prompt: completion, history, keys, pastes, odd terminals and odd names.

use std::fs;
use std::process::Command;

use expectrl::session::OsSession;
use expectrl::{Eof, Expect};

use crate::bench::{Bench, taskmaster};
use crate::shell::{PROMPT, leave, on_terminal, shell};

const PROGRAMS: &str = "clock: {cmd: sleep 1000, starttime: 0}\n\
                        web: {cmd: sleep 1000, numprocs: 2, starttime: 0, stdout: discard}\n\
                        日本語: {cmd: sleep 1000, autostart: no, starttime: 0}";

/// Types this and waits for that.
fn types(shell: &mut OsSession, keys: &str, answer: &str) {
    shell.send(keys).unwrap();
    if let Err(error) = shell.expect(answer) {
        panic!("{keys:?} did not bring {answer:?}: {error}");
    }
}

/// Drops the line, and waits for the next prompt.
fn drops(shell: &mut OsSession) {
    types(shell, "\x03", PROMPT);
}

/// How the editor shows a word that it has completed.
fn completed(word: &str) -> String {
    format!("{word}\x1b[J")
}

#[test]
fn tab_completes_whatever_may_stand_there() {
    let bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    for (keys, word) in [
        ("statu\t", "status "),
        ("clear we\t", "web"),
        ("restart cl\t", "clock "),
        ("start --no\t", "--no-wait "),
        ("start --timeout 3\t", "30s "),
        ("signal us\t1 cl\t", "clock "),
        ("tail -n 5 clock stde\t", "stderr "),
        ("help shutd\t", "shutdown "),
        ("stop 日\t", "日本語 "),
    ] {
        types(&mut shell, keys, &completed(word));
        drops(&mut shell);
    }
    // A second Tab lists what fits.
    types(&mut shell, "stop web\t\t", "web:1");
    drops(&mut shell);
    // A new program is known at once.
    bench.configure(&format!("{PROGRAMS}\nnewcomer: {{cmd: sleep 1000}}"));
    assert_eq!(bench.ctl("reload").status, 0);
    types(&mut shell, "stop new\t", &completed("newcomer "));
    drops(&mut shell);
    leave(shell);
}

#[test]
fn names_are_remembered_while_the_daemon_is_away() {
    let mut bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    types(&mut shell, "start cl\t", &completed("clock "));
    drops(&mut shell);
    bench.stop();
    shell.expect("went away").unwrap();
    types(&mut shell, "start cl\t", &completed("clock "));
    types(&mut shell, "\r", "no daemon runs");
    shell.expect(PROMPT).unwrap();
    bench.start();
    types(&mut shell, "start clock\r", "connected again");
    shell.expect("clock: already running").unwrap();
    shell.expect(PROMPT).unwrap();
    leave(shell);
}

#[test]
fn two_shells_at_once_share_a_history_without_doubles() {
    let bench = Bench::up(PROGRAMS);
    let mut shells = [shell(&bench, "shell", &[]), shell(&bench, "shell", &[])];
    for (number, line) in
        [(0, "version"), (1, "pid clock"), (0, "pid"), (1, "version"), (0, "no such command")]
    {
        types(&mut shells[number], line, line);
        types(&mut shells[number], "\r", PROMPT);
    }
    let [mut one, two] = shells;
    let history = "pid clock\npid\nversion\nno such command\n";
    assert_eq!(bench.read("state/history"), history);
    // What the other typed is two steps up once a line has been ended here.
    types(&mut one, "\x1b[A\x1b[A", "version");
    drops(&mut one);
    leave(one);
    leave(two);
    let mut next = shell(&bench, "shell", &[]);
    types(&mut next, "\x1b[A\x1b[A\x1b[A\x1b[A", "pid clock");
    drops(&mut next);
    leave(next);
    assert_eq!(bench.read("state/history"), history, "looking changes nothing");
}

#[test]
fn keys_move_whatever_the_terminal_sends_for_them() {
    let bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    for (home, end) in [("1~", "4~"), ("7~", "8~"), ("H", "F"), ("1;5D", "1;5C")] {
        let keys = format!("ersio\x1b[{home}v\x1b[{end}\x1b[5~\x1b[6~n\r");
        types(&mut shell, &keys, "taskmaster 0.");
        shell.expect(PROMPT).unwrap();
    }
    leave(shell);
}

#[test]
fn ctrl_r_searches_and_ctrl_d_leaves_only_an_empty_line() {
    let bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    for line in ["version\r", "pid clock\r"] {
        shell.send(line).unwrap();
        shell.expect(PROMPT).unwrap();
    }
    types(&mut shell, "\x12ersi", "version");
    types(&mut shell, "\r", "taskmaster 0.");
    assert_eq!(bench.read("state/history"), "pid clock\nversion\n", "it was run again");
    shell.expect(PROMPT).unwrap();
    // Ctrl-C ends a search as it ends a line.
    types(&mut shell, "\x12cloc", "pid clock");
    types(&mut shell, "\x03", "^C");
    types(&mut shell, "", PROMPT);
    types(&mut shell, "nothing\r", "unknown command \"nothing\"");
    shell.expect(PROMPT).unwrap();
    // On a line it deletes what is under the cursor, if there is something.
    types(&mut shell, "versionX\x1b[D\x04\x04\r", "taskmaster 0.");
    shell.expect(PROMPT).unwrap();
    leave(shell);
}

/// What bash prompts with.
const BASH: &str = "ready> ";

#[test]
fn ctrl_z_suspends_and_fg_brings_it_back() {
    let bench = Bench::up(PROGRAMS);
    let mut command = taskmaster();
    let program = command.get_program().to_owned();
    command = std::process::Command::new("bash");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TASKMASTER", program);
    command.env("PS1", BASH);
    command.args(["--norc", "--noprofile", "--noediting", "-i"]).current_dir(bench.path(""));
    let mut bash = on_terminal(command);
    types(&mut bash, "", BASH);
    types(&mut bash, "\"$TASKMASTER\" shell -c taskmaster.yaml\r", PROMPT);
    types(&mut bash, "versi\x1a", "Stopped");
    types(&mut bash, "", BASH);
    types(&mut bash, "echo $((6 * 7))\r", "42");
    types(&mut bash, "", BASH);
    // The line is as it was left.
    types(&mut bash, "fg\r", "> versi");
    types(&mut bash, "on\r", "taskmaster 0.");
    bash.expect(PROMPT).unwrap();
    // The same while rows are watched: the screen is left and comes back.
    types(&mut bash, "status -w\r", "q leaves");
    types(&mut bash, "\x1a", "\x1b[?1049l");
    types(&mut bash, "", "Stopped");
    types(&mut bash, "", BASH);
    types(&mut bash, "fg\r", "\x1b[?1049h");
    bash.expect("q leaves").unwrap();
    types(&mut bash, "q", PROMPT);
    types(&mut bash, "\x04", BASH);
    bash.send("exit\r").unwrap();
    bash.expect(Eof).unwrap();
}

#[test]
fn a_paste_is_typed_lines_with_marks_around_it_or_without() {
    let bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    types(&mut shell, "\x1b[200~stop clock\rversion\rpid clo\x1b[201~", "clock: stopped");
    shell.expect("taskmaster 0.").unwrap();
    // What has no end of line yet waits for it.
    shell.expect("pid clo").unwrap();
    types(&mut shell, "ck\r", "clock: not running");
    shell.expect(PROMPT).unwrap();
    leave(shell);
    assert_eq!(bench.read("state/history"), "stop clock\nversion\npid clock\n");
}

#[test]
fn wide_letters_are_edited_as_what_they_are() {
    let bench = Bench::up(PROGRAMS);
    let mut shell = shell(&bench, "shell", &[]);
    shell.get_process_mut().set_window_size(20, 10).unwrap();
    // Over the edge of the window and back, one letter taken out again, and one in any two parts.
    shell.send("start 日本語本\x7f").unwrap();
    let letter = "語".as_bytes();
    shell.send("\x7f").unwrap();
    shell.send(&letter[..1]).unwrap();
    shell.send(&letter[1..]).unwrap();
    shell.send("\r").unwrap();
    shell.expect("started").unwrap();
    shell.expect(PROMPT).unwrap();
    assert_eq!(bench.state("日本語"), "RUNNING");
    shell.get_process_mut().set_window_size(200, 50).unwrap();
    types(&mut shell, "\x1b[A", "start 日本語");
    drops(&mut shell);
    leave(shell);
}

#[test]
fn key_bindings_of_other_programs_do_not_count() {
    let bench = Bench::up(PROGRAMS);
    bench.write(
        ".inputrc",
        "TAB: menu-complete\nset no such: thing\n$include /dev/zero\n\"a\": ??\n",
    );
    let home = bench.path("");
    let mut shell = shell(&bench, "shell", &[("HOME", home.to_str().unwrap())]);
    types(&mut shell, "statu\t", &completed("status "));
    drops(&mut shell);
    shell.send("\x04").unwrap();
    let rest = shell.expect(Eof).unwrap();
    assert!(!String::from_utf8_lossy(rest.as_bytes()).contains("inputrc"));
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let bench = Bench::up(PROGRAMS);
    // Where the tests themselves are started with it ignored, Ctrl-C would do nothing here either.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(taskmaster().get_program());
    command.current_dir(bench.path("")).args(["shell", "-c", "taskmaster.yaml"]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "dumb");
    let mut shell = on_terminal(command);
    let mut seen = String::new();
    let mut until = |shell: &mut OsSession, keys: &str, what: &str| {
        shell.send(keys).unwrap();
        let found = shell.expect(what).unwrap();
        seen += &String::from_utf8_lossy(found.as_bytes());
    };
    until(&mut shell, "", PROMPT);
    until(&mut shell, "stop clock\n", "clock: stopped");
    until(&mut shell, "", PROMPT);
    // Ctrl-C drops the line, and ends what follows.
    until(&mut shell, "stop all\x03", PROMPT);
    until(&mut shell, "status -w clock\n", "STOPPED");
    bench.ctl("start clock");
    until(&mut shell, "", "RUNNING");
    until(&mut shell, "\x03", PROMPT);
    until(&mut shell, "nonsense\n", "unknown command");
    until(&mut shell, "", PROMPT);
    until(&mut shell, "version\n", "taskmaster 0.");
    until(&mut shell, "", PROMPT);
    assert!(!seen.contains('\x1b'), "{seen:?}");
    leave(shell);
    assert_eq!(bench.state("web:0"), "RUNNING");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let bench = Bench::up(PROGRAMS);
    bench.until_state("web:1", "RUNNING");
    let status = |env: &[(&str, &str)]| {
        let mut command = taskmaster();
        command.current_dir(bench.path("")).args(["shell", "-c", "taskmaster.yaml", "status"]);
        command.envs(env.iter().copied());
        let mut session = on_terminal(command);
        let said = session.expect(Eof).unwrap();
        String::from_utf8_lossy(said.as_bytes()).into_owned()
    };
    assert!(status(&[]).contains("\x1b[32mRUNNING"));
    for env in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let said = status(&[env]);
        assert!(said.contains("RUNNING") && !said.contains('\x1b'), "{env:?}: {said:?}");
    }
    for line in ["status", "status clock", "status --json", "help"] {
        assert!(!bench.ctl(line).out.contains('\x1b'), "{line}");
    }
    // A description that a terminal has to wrap is on one line in a pipe.
    let long = "x".repeat(200);
    fs::write(
        bench.path("taskmaster.yaml"),
        format!(
            "daemon: {{listen: '127.0.0.1:0', state_dir: state}}\n\
             programs: {{lost: {{cmd: /{long}, startretries: 0}}}}\n"
        ),
    )
    .unwrap();
    bench.ctl("reload");
    bench.until_state("lost", "FATAL");
    bench.until("the others are gone", |bench| bench.rows().len() == 1);
    assert_eq!(bench.ctl("status").out.lines().count(), 2);
    assert!(bench.ctl("status").out.contains(&long));
}
