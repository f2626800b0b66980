//! The completions in the shells that they are for. What is there to complete is asked of the
//! program itself, so a command or an option that a script has forgotten fails here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expectrl::{Expect, Session};

use crate::bench::{Bench, PATIENCE, finished, taskmaster};

const PROGRAMS: &str = "clock: {cmd: sleep 1000, starttime: 0}\n\
                        worker: {cmd: sleep 1000, numprocs: 2, starttime: 0}";

/// A shell that completes, told apart by how it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bash,
    Fish,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Fish => "fish",
        }
    }
}

/// A daemon, and the program under its three names where a shell finds them.
struct Desk {
    bench: Bench,
}

impl Desk {
    fn new() -> Self {
        let bench = Bench::up(PROGRAMS);
        bench.until_state("clock", "RUNNING");
        fs::create_dir(bench.path("bin")).unwrap();
        for name in ["taskmaster", "taskmasterctl", "taskmasterd"] {
            symlink(taskmaster().get_program(), bench.path("bin").join(name)).unwrap();
        }
        Self { bench }
    }

    /// A shell in this folder that nothing of the caller's reaches.
    fn command(&self, shell: &str) -> Command {
        let mut command = Command::new(shell);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.bench.path("bin").display());
        command.env_clear().env("PATH", path).env("HOME", self.bench.path(""));
        command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").env("COLUMNS", "200");
        command.current_dir(self.bench.path(""));
        command
    }

    /// What completes the end of this line.
    fn ask(&self, kind: Kind, line: &str) -> BTreeSet<String> {
        let mut command = self.command(kind.program());
        match kind {
            Kind::Bash => command.args(["--norc", "--noprofile", "-c", BASH, "-"]),
            Kind::Fish => command.args(["--no-config", "-c", FISH]),
        };
        command.arg(script(kind)).arg(line).stdin(Stdio::null());
        let said = finished(command);
        assert!(said.err.is_empty(), "{kind:?} at {line:?}: {}", said.err);
        // fish puts a description behind a tab.
        let word = |line: &str| line.split('\t').next().unwrap().trim_end().to_owned();
        said.out.lines().map(word).filter(|word| !word.is_empty()).collect()
    }

    /// The same, but for a shell that is not there: then there is nothing to hold it to.
    fn each(&self, line: &str, mut check: impl FnMut(BTreeSet<String>, Kind)) {
        for kind in [Kind::Bash, Kind::Fish] {
            if is_there(kind.program()) {
                check(self.ask(kind, line), kind);
            }
        }
    }

    fn expect(&self, line: &str, words: &[&str]) {
        let words: BTreeSet<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.each(line, |found, kind| assert_eq!(found, words, "{kind:?} at {line:?}"));
    }
}

/// Fills in what bash fills in before it calls a completion function.
const BASH: &str = r#"
    source "$1"
    COMP_LINE=$2 COMP_POINT=${#2}
    read -a COMP_WORDS <<<"$2"
    [[ $2 == *' ' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _taskmaster 2> >(grep -v 'not currently executing' >&2)
    printf '%s\n' "${COMPREPLY[@]}"
"#;

const FISH: &str = "source $argv[1]; complete -C $argv[2]";

fn script(kind: Kind) -> PathBuf {
    file(&format!("taskmaster.{}", kind.program()))
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name)
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Help for these words, as a list of the first words of its indented lines.
fn help(words: &[&str]) -> Vec<String> {
    let said = finished({
        let mut command = taskmaster();
        command.args(words);
        command
    });
    assert_eq!(said.status, 0, "{said:?}");
    let indented = said.out.lines().filter_map(|line| line.strip_prefix("  "));
    indented.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn commands() -> Vec<String> {
    help(&["help"])
}

fn options(command: &str) -> BTreeSet<String> {
    help(&["help", command]).into_iter().filter(|word| word.starts_with('-')).collect()
}

#[test]
fn every_command_is_completed() {
    let desk = Desk::new();
    for command in commands() {
        for line in [format!("taskmasterctl {command}"), format!("taskmaster {command}")] {
            desk.each(&line, |found, kind| assert!(found.contains(&command), "{kind:?}: {line}"));
        }
    }
    desk.expect("taskmasterctl stat", &["status"]);
    desk.expect("taskmaster shell relo", &["reload"]);
    desk.expect("taskmaster daem", &["daemon"]);
}

#[test]
fn every_option_of_every_command_is_completed_and_no_other() {
    let desk = Desk::new();
    for command in commands() {
        let options = options(&command);
        let line = format!("taskmasterctl {command} -");
        desk.each(&line, |found, kind| assert_eq!(found, options, "{kind:?} at {line:?}"));
    }
}

#[test]
fn names_signals_and_streams_are_completed_where_they_may_stand() {
    let desk = Desk::new();
    desk.expect("taskmasterctl stop wor", &["worker", "worker:0", "worker:1"]);
    desk.expect("taskmaster status cl", &["clock"]);
    desk.expect("taskmasterctl signal US", &["USR1", "USR2"]);
    desk.expect("taskmasterctl signal HUP clo", &["clock"]);
    desk.expect("taskmasterctl tail clock std", &["stderr", "stdout"]);
    desk.expect("taskmasterctl -c taskmaster.yaml stop clo", &["clock"]);
    desk.expect("taskmasterctl -c nowhere.yaml stop clo", &[]);
    desk.expect("taskmasterd --det", &["--detach"]);
}

/// Without a daemon there are no names, and nothing else is disturbed.
#[test]
fn without_a_daemon_no_name_is_completed() {
    let mut desk = Desk::new();
    desk.bench.stop();
    desk.expect("taskmasterctl stop wor", &[]);
    desk.expect("taskmasterctl stat", &["status"]);
}

/// Types lines at a real prompt, each ended by what must be seen then. What a line would run is
/// printed instead, so that it shows what the line has become.
fn type_at(desk: &Desk, shell: &str, args: &[&str], setup: &str, typed: &[(String, String)]) {
    let mut command = desk.command(shell);
    command.args(args);
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(PATIENCE));
    // Quoted in the middle, so that what is typed is not taken for what is said.
    let prints = "taskmasterctl() { echo g''ot:$*:; }";
    session.send_line(format!("{setup}; {prints}; echo rea''dy")).unwrap();
    session.expect("ready").unwrap();
    for (keys, seen) in typed {
        session.send(keys).unwrap();
        session.expect(seen).unwrap_or_else(|error| panic!("{keys:?}, {seen:?}: {error}"));
        // Ctrl-U, and a line of its own, part one question from the next.
        session.send("\x15echo do''ne\r").unwrap();
        session.expect("done").unwrap();
    }
    session.send_line("exit").unwrap();
    session.expect(expectrl::Eof).unwrap();
}

fn lines(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(keys, seen)| ((*keys).to_owned(), (*seen).to_owned())).collect()
}

#[test]
fn tab_works_at_the_prompt_of_bash() {
    let setup = format!("source {}", file("taskmaster.bash").display());
    let typed = lines(&[
        ("taskmasterctl resta\tclo\t\r", "got:restart clock:"),
        ("taskmasterctl stop worker:\t\t", "0  1"),
        ("taskmasterctl tail worker:1 stde\t\r", "got:tail worker:1 stderr:"),
    ]);
    type_at(&Desk::new(), "bash", &["--norc", "--noprofile", "-i"], &setup, &typed);
}

#[test]
fn tab_works_at_the_prompt_of_zsh() {
    if !is_there("zsh") {
        return;
    }
    let setup = format!(
        "LISTMAX=999; fpath=({} $fpath); autoload -Uz compinit; compinit -D -u",
        file("").display()
    );
    let mut typed = lines(&[
        ("taskmasterctl resta\tclo\t\r", "got:restart clock:"),
        ("taskmasterctl stop worker:\t\t", "worker:1"),
        ("taskmasterctl signal USR\t\t", "USR2"),
        ("taskmasterctl tail worker:1 stde\t\r", "got:tail worker:1 stderr:"),
    ]);
    for command in commands() {
        // One that stands alone is completed, several are listed.
        let options = options(&command);
        let (long, short): (Vec<_>, Vec<_>) =
            options.iter().partition(|option| option.starts_with("--"));
        for (start, options) in [("--", long), ("-", short)] {
            match options.as_slice() {
                [] => {}
                [one] if start == "--" => {
                    let keys = format!("taskmasterctl {command} --\t\r");
                    typed.push((keys, format!("got:{command} {one}:")));
                }
                several => {
                    let keys = format!("taskmasterctl {command} {start}\t\t");
                    typed.extend(several.iter().map(|one| (keys.clone(), (*one).clone())));
                }
            }
        }
    }
    type_at(&Desk::new(), "zsh", &["-f", "-i"], &setup, &typed);
}
