//! The server's answers: one JSON object a line, named by its only key.

use serde::{Deserialize, Serialize};

use super::hello::{hex, unhex};
use crate::config::EventName;
use crate::supervisor::StateName;

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A process, for `status`.
    Status(Row),
    /// More about the one process that `status` was asked for.
    Detail(DetailRow),
    /// A process that is no more, for `status -w`.
    Gone(GoneRow),
    /// For `status -w`: so many processes there are, and their rows have all been sent.
    Current(usize),
    /// What became of one process, for commands that do something to it.
    Result(ResultRow),
    /// What a reload does with one process.
    Plan(PlanRow),
    /// Something wrong or odd in the configuration.
    Problem(ProblemRow),
    /// A process id.
    Pid(PidRow),
    /// A change, for `events`.
    Event(EventRow),
    /// What a program, or the daemon, has printed.
    Output(OutputRow),
    /// A line for people.
    Text(String),
    /// The last line of every answer.
    End(End),
}

/// A process as `status` shows it. `status --json` prints these, in this order of keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `web`, or `web:0` where there are several.
    pub name: String,
    /// The program it is a process of.
    pub program: String,
    /// Its number among them, from 0.
    pub index: u32,
    /// Its state.
    pub state: StateName,
    /// Its process id; null when it is not up.
    pub pid: Option<i32>,
    /// When it entered this state, RFC 3339; null: never started.
    pub since: Option<String>,
    /// Seconds since its start; null when it is not up.
    pub uptime: Option<u64>,
    /// Starts by taskmaster itself since it was last asked for.
    pub restarts: u64,
    /// How it last ended; null before that, or unknown.
    pub exit: Option<ExitRow>,
    /// Whether that end was expected; null before it.
    pub expected: Option<bool>,
    /// The state in words.
    pub description: String,
    /// Bytes of captured output that were lost.
    pub lost_bytes: u64,
}

/// One of the things that there are to tell of a process besides its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailRow {
    /// What it is about, in a word, as `command`.
    pub about: String,
    /// In words, at least one line.
    pub lines: Vec<String>,
}

/// A process that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneRow {
    /// Its name.
    pub name: String,
    /// The program it was a process of.
    pub program: String,
    /// Its number among them, from 0.
    pub index: u32,
}

/// How a process ended: `{"code":N}` or `{"signal":"KILL"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitRow {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(String),
}

/// What became of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRow {
    /// The process.
    pub name: String,
    /// Whether it is as was asked.
    pub ok: bool,
    /// In words, as `started`.
    pub message: String,
}

/// What a reload does with one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRow {
    /// The process; null where it concerns the daemon itself.
    pub name: Option<String>,
    /// What is done, in words.
    pub action: String,
}

/// A problem or warning of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemRow {
    /// Whether it is only a warning.
    pub warning: bool,
    /// `FILE:LINE:COLUMN: KEY: what`.
    pub message: String,
    /// The line and a caret under the place, where there is one.
    pub excerpt: Option<String>,
}

/// A process id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidRow {
    /// The process; null for the daemon.
    pub name: Option<String>,
    /// Null when it is not up.
    pub pid: Option<i32>,
}

/// Some of a log. Exactly one of `text` and `hex` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRow {
    /// Whose it is, where several are shown: then it is whole lines.
    pub name: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// What is not UTF-8, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hex: Option<String>,
}

impl OutputRow {
    /// Bytes as they were printed.
    pub fn new(name: Option<String>, bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self { name, text: Some(text), hex: None },
            Err(error) => Self { name, text: None, hex: Some(hex(error.as_bytes())) },
        }
    }

    /// The bytes again.
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.hex) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(hex)) => unhex(hex).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }
}

/// A change. `events --json` prints these, in this order of keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// When, RFC 3339.
    pub time: String,
    /// What.
    pub event: EventName,
    /// The process; null where it concerns the daemon.
    pub name: Option<String>,
    /// The state before.
    pub from: Option<StateName>,
    /// The state after.
    pub to: Option<StateName>,
    /// The process id, of an end the one that ended.
    pub pid: Option<i32>,
    /// How it ended.
    pub exit: Option<ExitRow>,
    /// Whether that was expected.
    pub expected: Option<bool>,
    /// In words.
    pub message: String,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The exit status for a shell of one command, as taskmasterctl(1) lists them.
    pub exit: u8,
    /// What went wrong as a whole, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

impl Reply {
    /// An end without complaint.
    pub const DONE: Self = Self::End(End { exit: 0, error: None });

    /// An end with an exit status and its reason.
    pub fn failed(exit: u8, error: impl Into<String>) -> Self {
        Self::End(End { exit, error: Some(error.into()) })
    }

    /// The line to send, newline included.
    pub fn to_line(&self) -> String {
        // Serialising cannot fail: every key is a string and every value a plain type.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads a line of the server's. None: it is of a later one, which knows a kind of reply, or a
    /// name of an event or a state, that was none when this was written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_line(line: &str) -> Result<Option<Self>, String> {
        match serde_json::from_str(line) {
            Ok(reply) => Ok(Some(reply)),
            Err(error) if is_of_later(line, &error) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Whether a line is one whole reply, which this could not read since it does not know a name in it.
/// An end is never passed over: it would be waited for without end.
fn is_of_later(line: &str, error: &serde_json::Error) -> bool {
    // Nothing else tells that from a wrong type; a test holds the words.
    let is_unknown = error.to_string().starts_with("unknown variant");
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line);
    is_unknown && object.is_ok_and(|object| object.len() == 1 && !object.contains_key("end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_daemon_says_is_passed_over_and_nonsense_is_not() {
        let row = |state: &str| {
            format!(
                r#"{{"status":{{"name":"a","program":"a","index":0,"state":"{state}","restarts":0,"description":"","lost_bytes":0,"later":[1]}}}}"#
            )
        };
        assert!(matches!(Reply::from_line(&row("RUNNING")), Ok(Some(Reply::Status(_)))));
        let event = r#"{"event":{"time":"","event":"later","message":""}}"#;
        for line in [&row("LATER"), event, r#"{"later":{"a":[1,"end"]}}"#, r#"{"later":null}"#] {
            assert_eq!(Reply::from_line(line), Ok(None), "{line}");
        }
        for line in [
            "",
            "later",
            "\"later\"",
            "[]",
            "{}",
            r#"{"later":1"#,
            r#"{"later":1}}"#,
            r#"{"later":1,"end":{"exit":0}}"#,
            r#"{"end":{"exit":"later"}}"#,
            r#"{"end":"later"}"#,
            r#"{"status":{}}"#,
        ] {
            assert!(Reply::from_line(line).is_err(), "{line}");
        }
    }
}
