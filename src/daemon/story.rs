//! The whole story of one process, for `status NAME`: what its row has no room for.
//!
//! Each detail is a word and a few lines; the shell shows them one below the other, whatever
//! they are, so that there may be more of them.

use super::capture::Which;
use super::{Daemon, tail, when, words};
use crate::config::{command_line, settings};
use crate::protocol::{DetailRow, Reply};
use crate::supervisor::{PastEnd, Process};

/// So many lines of each stream are shown.
const LINES: usize = 5;

/// So much of a log is read for them, in bytes.
const FAR_ENOUGH: u64 = 16 * 1024;

/// So much of a line of output is shown, in characters.
const WIDE_ENOUGH: usize = 1000;

/// So much of any other, so that even a command of the greatest length that the kernel takes
/// leaves a reply that a client takes.
const LONG_ENOUGH: usize = 4096;

impl Daemon {
    /// What there is to tell of a process besides its row.
    pub(super) fn story(&self, process: &Process) -> Vec<Reply> {
        let details = [
            Some(detail("command", vec![command_line(&process.program, process.index)])),
            some("settings", setting_lines(process)),
            some("last ends", process.past.ends().map(end_line).collect()),
            Some(self.output_detail(process, Which::Stdout)),
            Some(self.output_detail(process, Which::Stderr)),
        ];
        details.into_iter().flatten().map(Reply::Detail).collect()
    }

    /// Where a stream goes, and the end of what has arrived there.
    fn output_detail(&self, process: &Process, which: Which) -> DetailRow {
        let shares = matches!(process.program.launch.stderr, crate::config::Output::Stdout);
        let lines = match self.log_path(process, which) {
            _ if shares && which == Which::Stderr => vec!["goes where stdout does".to_owned()],
            Err(why) => vec![why.to_owned()],
            Ok(path) => {
                let mut lines = vec![path.display().to_string()];
                match tail::end_of(path, LINES, FAR_ENOUGH) {
                    Ok(bytes) => lines.extend(output_lines(&bytes)),
                    Err(why) => lines.push(why),
                }
                lines
            }
        };
        detail(which.name(), lines)
    }
}

fn detail(about: &str, lines: Vec<String>) -> DetailRow {
    let lines = lines.into_iter().map(|line| cut(line, LONG_ENOUGH)).collect();
    DetailRow { about: about.to_owned(), lines }
}

fn some(about: &str, lines: Vec<String>) -> Option<DetailRow> {
    (!lines.is_empty()).then(|| detail(about, lines))
}

fn setting_lines(process: &Process) -> Vec<String> {
    let settings = settings(&process.program, process.index);
    settings.into_iter().map(|(key, value)| format!("{key}: {value}")).collect()
}

fn end_line(end: &PastEnd) -> String {
    format!(
        "{}  {}, {}, pid {}, up {}",
        when::short(end.at),
        words::ended(end.exit),
        if end.expected { "expected" } else { "unexpected" },
        end.pid,
        when::span(end.lasted)
    )
}

/// Behind a bar, so that what a program printed is not taken for what taskmaster says.
fn output_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| cut(format!("| {line}"), WIDE_ENOUGH)).collect()
}

/// The line, if it is longer than this many characters only its beginning.
fn cut(mut line: String, most: usize) -> String {
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('\u{2026}');
    }
    line
}
