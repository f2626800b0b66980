//! `status -w` as people and scripts see it.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use expectrl::session::OsSession;
use expectrl::{Eof, Expect};
use serde_json::Value;

use crate::bench::{Bench, signal, taskmaster};
use crate::shell::{PROMPT, leave, on_terminal, shell};

const PROGRAMS: &str = "clock: {cmd: sleep 1000, starttime: 0}\n\
                        web: {cmd: sleep 1000, starttime: 0, numprocs: 40}";

const SCREEN: &str = "\x1b[?1049h";
const NO_SCREEN: &str = "\x1b[?1049l";

fn status(bench: &Bench, args: &[&str]) -> Command {
    let mut command = taskmaster();
    command.current_dir(bench.path("")).args(["status"]).args(args);
    command
}

/// What comes up to and with this.
fn until(session: &mut OsSession, what: &str) -> String {
    let found = session.expect(what).unwrap_or_else(|error| panic!("{what:?}: {error}"));
    String::from_utf8_lossy(found.as_bytes()).into_owned()
}

#[test]
fn a_screen_is_drawn_again_when_something_changes_or_the_window_does() {
    let bench = Bench::up(PROGRAMS);
    bench.until_state("web:39", "RUNNING");
    let mut shell = shell(&bench, "shell", &[]);
    shell.send("status -w\r").unwrap();
    until(&mut shell, SCREEN);
    let frame = until(&mut shell, "q leaves");
    assert!(frame.contains("clock") && frame.contains("41 processes: 41 RUNNING"), "{frame}");
    assert_eq!(frame.matches("web:").count(), 21, "as many as 24 lines have room for: {frame}");
    // Without another question a change is seen.
    bench.ctl("stop clock");
    until(&mut shell, "1 STOPPED");
    // The rest is scrolled to; a taller window shows all.
    shell.send("\x1b[F").unwrap();
    until(&mut shell, "web:39");
    until(&mut shell, "20-41, arrows scroll");
    shell.get_process_mut().set_window_size(200, 50).unwrap();
    until(&mut shell, "clock");
    let frame = until(&mut shell, " q leaves");
    assert!(frame.contains("web:0") && frame.contains("web:39"), "{frame}");
    // What was seen last stays, on the terminal's own screen.
    shell.send("q").unwrap();
    until(&mut shell, NO_SCREEN);
    let left = until(&mut shell, PROMPT);
    assert!(left.contains("clock") && left.contains("web:39"), "{left}");
    // Ctrl-C leaves as well, and a request that is refused needs no screen.
    shell.send("status -w clock\r").unwrap();
    until(&mut shell, SCREEN);
    until(&mut shell, "q leaves");
    shell.send("\x03").unwrap();
    until(&mut shell, PROMPT);
    shell.send("status -w clokc\r").unwrap();
    let refused = until(&mut shell, PROMPT);
    assert!(refused.contains("did you mean clock?") && !refused.contains(SCREEN), "{refused}");
    leave(shell);
}

#[test]
fn a_single_command_watches_too_and_gives_the_screen_back_whatever_ends_it() {
    let mut bench = Bench::up(PROGRAMS);
    let watch = |bench: &Bench| {
        let mut session = on_terminal(status(bench, &["-w"]));
        until(&mut session, SCREEN);
        until(&mut session, "q leaves");
        session
    };
    let mut session = watch(&bench);
    session.send("q").unwrap();
    until(&mut session, NO_SCREEN);
    session.expect(Eof).unwrap();
    // A signal.
    let mut session = watch(&bench);
    signal(session.get_process().pid().as_raw(), libc::SIGTERM);
    until(&mut session, NO_SCREEN);
    session.expect(Eof).unwrap();
    // The daemon's end.
    let mut session = watch(&bench);
    bench.stop();
    until(&mut session, NO_SCREEN);
    until(&mut session, "is lost");
    session.expect(Eof).unwrap();
}

/// A watch without a terminal.
struct Piped {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Piped {
    fn new(bench: &Bench, args: &[&str]) -> Self {
        let mut child = status(bench, args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("it goes on").unwrap()
    }

    /// The next line in which this stands.
    fn until(&mut self, what: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(what) {
                return line;
            }
        }
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn without_a_terminal_each_row_that_changes_is_a_line() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}\nb: {cmd: sleep 1000, starttime: 0}");
    bench.until_state("b", "RUNNING");
    let mut watch = Piped::new(&bench, &["-w"]);
    let header = watch.line();
    assert_eq!(header.split_whitespace().next(), Some("NAME"));
    let column = header.find("STATE").unwrap();
    assert!(watch.line()[column..].starts_with("RUNNING"));
    assert!(watch.line().starts_with("b "));
    bench.ctl("stop b");
    let line = watch.until("STOPPED");
    assert!(line.starts_with("b ") && line[column..].starts_with("STOPPED"), "{line}");
    bench.configure("a: {cmd: sleep 1000, starttime: 0}");
    bench.ctl("reload");
    assert_eq!(watch.until("removed"), "b  removed");
}

#[test]
fn for_scripts_each_row_is_an_object_on_a_line() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}\nb: {cmd: sleep 1000, starttime: 0}");
    bench.until_state("b", "RUNNING");
    let mut watch = Piped::new(&bench, &["-w", "--json"]);
    let parse = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let (a, b) = (parse(watch.line()), parse(watch.line()));
    assert_eq!((&a["name"], &b["name"]), (&"a".into(), &"b".into()));
    let mut row = bench.row("a");
    // But for the time that has passed.
    row["uptime"] = a["uptime"].clone();
    assert_eq!(a, row, "they are the rows of status --json");
    bench.ctl("stop a");
    let row = parse(watch.until("STOPPED"));
    assert_eq!((&row["name"], &row["pid"]), (&"a".into(), &Value::Null));
    bench.configure("a: {cmd: sleep 1000, starttime: 0}");
    bench.ctl("reload");
    assert_eq!(watch.until("gone"), r#"{"gone":"b"}"#);
}
