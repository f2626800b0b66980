//! The README's session and its tour, played on the sample: what they show is what there is.
//!
//! Numbers may differ, and how many blanks stand between words. A line of `...` stands for any
//! lines, one that ends in `…` for any that begins so.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use expectrl::{Eof, Expect, Regex, Session};

use crate::bench::{Bench, PATIENCE, taskmaster};

const PROMPT: &str = "taskmaster> ";

/// A command and what is printed then.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
}

fn top(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The steps of the first block below a heading; below none, of the first block of all.
fn steps(heading: Option<&str>, prompts: &[&str]) -> Vec<Step> {
    let readme = top("README.md");
    let text = heading.map_or(readme.as_str(), |heading| readme.split_once(heading).unwrap().1);
    let block = text.lines().skip_while(|line| !line.starts_with("    ")).map_while(|line| {
        (line.is_empty() || line.starts_with("    ")).then(|| line.trim_start_matches("    "))
    });
    let mut steps: Vec<Step> = Vec::new();
    for line in block {
        match prompts.iter().find_map(|prompt| line.strip_prefix(prompt)) {
            Some(command) => {
                // What stands behind two blanks and a # is for the reader.
                let command = command.split("  #").next().unwrap().trim_end().to_owned();
                steps.push(Step { command, shown: Vec::new() });
            }
            None => steps.last_mut().unwrap().shown.push(line.to_owned()),
        }
    }
    while let Some(step) =
        steps.last_mut().filter(|step| step.shown.last().is_some_and(String::is_empty))
    {
        step.shown.pop();
    }
    steps
}

/// The sample, with a port and a state folder of the test's own.
fn desk() -> Bench {
    let bench = Bench::new("");
    let sample = top("taskmaster.yaml");
    let own = sample.replacen(
        "\ndefaults:",
        "\ndaemon: {listen: 127.0.0.1:0, state_dir: state}\ndefaults:",
        1,
    );
    assert_ne!(own, sample);
    bench.write("taskmaster.yaml", &own);
    fs::create_dir(bench.path("bin")).unwrap();
    symlink(taskmaster().get_program(), bench.path("bin/taskmaster")).unwrap();
    bench
}

fn in_folder(bench: &Bench, program: &str) -> Command {
    let mut command = Command::new(program);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bench.path("bin").display());
    command.env_clear().env("PATH", path).env("TERM", "xterm").env("NO_COLOR", "1");
    command.current_dir(bench.path(""));
    command
}

const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";

/// A line without its numbers and months, and with one blank where there are several.
fn bare(line: &str) -> String {
    let month = |word: &str| word.len() == 3 && MONTHS.contains(word);
    let words = line.split_whitespace().map(|word| if month(word) { "Jan" } else { word });
    let words: Vec<&str> = words.collect();
    let mut bare = String::new();
    for letter in words.join(" ").chars() {
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        if !(letter == '0' && bare.ends_with('0')) {
            bare.push(letter);
        }
    }
    bare
}

/// Whether lines are what is shown.
fn agrees(lines: &[String], shown: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return lines.is_empty() };
    if first.trim() == "..." {
        return (0..=lines.len()).any(|skipped| agrees(&lines[skipped..], rest));
    }
    let Some((line, others)) = lines.split_first() else { return false };
    let is_it = match first.strip_suffix('…') {
        Some(start) => bare(line).starts_with(&bare(start)),
        None => bare(line) == bare(first),
    };
    is_it && agrees(others, rest)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The same as a regular expression, for what a terminal shows.
fn pattern(line: &str) -> String {
    let mut pattern = String::new();
    for letter in bare(line.trim_end_matches('…')).chars() {
        match letter {
            '0' => pattern += "[0-9]+",
            ' ' => pattern += " +",
            letter if letter.is_alphanumeric() => pattern.push(letter),
            letter => pattern.extend(['\\', letter]),
        }
    }
    pattern
}

/// Ends the daemon of a folder, should there be one.
struct Ending<'a>(&'a Bench);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ctl("shutdown");
    }
}

#[test]
fn the_tour_is_as_it_is_shown() {
    let steps = steps(Some("## Ten commands"), &["$ "]);
    let used = steps.iter().filter_map(|step| step.command.strip_prefix("taskmaster "));
    let used: std::collections::BTreeSet<_> = used.map(|rest| rest.split(' ').next()).collect();
    assert!(used.len() >= 10, "{used:?}");
    let bench = desk();
    let _ending = Ending(&bench);
    for step in steps {
        let mut said = Vec::new();
        let mut run = |bench: &Bench| {
            let mut shell = in_folder(bench, "sh");
            shell.args(["-c", &format!("{} 2>&1", step.command)]).stdin(Stdio::null());
            said = lines(&String::from_utf8(shell.output().unwrap().stdout).unwrap());
            // Which of several processes is done first is not told.
            let sorted = |lines: &[String]| {
                let mut lines = lines.to_vec();
                lines.sort_by_key(|line| bare(line));
                lines
            };
            agrees(&said, &step.shown) || agrees(&sorted(&said), &sorted(&step.shown))
        };
        // What only looks is asked until it is so; what does something does it once.
        let looks = ["status", "tail", "log", "events"];
        let word = step.command.split(' ').nth(1).unwrap();
        if looks.contains(&word) {
            bench.until(&format!("{step:#?}"), run);
        } else if !run(&bench) {
            panic!("{step:#?}\nbut it says {said:#?}");
        }
    }
}

#[test]
fn the_session_is_as_it_is_shown() {
    let bench = desk();
    let _ending = Ending(&bench);
    let mut session: Option<expectrl::session::OsSession> = None;
    for step in steps(None, &["$ ", PROMPT]) {
        let session = match &mut session {
            none @ None => {
                let (program, args) = step.command.split_once(' ').unwrap();
                let mut command = in_folder(&bench, program);
                command.args(args.split(' ')).stdin(Stdio::inherit());
                let started = none.insert(Session::spawn(command).unwrap());
                started.set_expect_timeout(Some(PATIENCE));
                started
            }
            Some(session) => {
                // Its first line is the command, as the terminal echoes it.
                session.send(format!("{}\r", step.command)).unwrap();
                session.expect(&step.command).unwrap();
                session
            }
        };
        for line in step.shown.iter().filter(|line| !line.is_empty() && *line != "...") {
            session.expect(Regex(pattern(line))).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        }
        if step.command != "shutdown" {
            session.expect(PROMPT).unwrap();
        }
    }
    session.unwrap().expect(Eof).unwrap();
}
