//! Where a stream goes: the values of `stdout` and `stderr`.

use super::fields;
use super::keys::CAPTURE_KEYS;
use super::launch::Names;
use super::read::Reader;
use super::template::Template;
use super::tree::{Node, Value};
use super::values::{self, boolean, shown};

/// Where a stream of a process goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Captured in a file of its own in `state_dir`/log.
    Auto,
    /// Captured, and rotated.
    Captured(Capture),
    /// A file that the program itself appends to; absolute once expanded.
    File(Template),
    /// Nowhere.
    Discard,
    /// To where the daemon's own goes.
    Inherit,
    /// stderr only: to where stdout goes.
    Stdout,
}

/// A captured stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    /// The file; absolute once expanded.
    pub file: Template,
    /// Size in bytes at which it is rotated; 0: never.
    pub max_bytes: u64,
    /// Rotated files that are kept.
    pub keep: u32,
    /// Whether each line begins with the time.
    pub timestamps: bool,
}

/// Rotated files that `auto` keeps.
pub(super) const AUTO_KEEP: u32 = 2;

impl Capture {
    /// What `auto` is, and what a map that says no more than `file` has.
    pub fn to(file: Template) -> Self {
        Self { file, max_bytes: 1 << 20, keep: AUTO_KEEP, timestamps: false }
    }
}

impl Output {
    /// Whether the logger moves it: from one such to another nothing has to be restarted.
    pub fn is_captured(&self) -> bool {
        matches!(self, Self::Auto | Self::Captured(_))
    }
}

/// A descriptor of the daemon's own, by a path that leads to it. A program that opens it would open
/// its own; and here it may well be a pipe, which cannot be opened by another name.
pub(super) enum Own {
    Stdout,
    Stderr,
    Other,
}

impl Own {
    pub(super) fn of(path: &Template) -> Option<Self> {
        match path.as_plain() {
            Some("/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => return Some(Self::Stdout),
            Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => return Some(Self::Stderr),
            Some("/dev/stdin") => return Some(Self::Other),
            Some(_) | None => {}
        }
        let leads = |folder| path.beginning().starts_with(folder);
        ["/dev/fd/", "/proc/self/fd/", "/proc/1/fd/"].into_iter().any(leads).then_some(Self::Other)
    }

    pub(super) fn is_no_file(&self, path: &Template) -> String {
        let name = path.as_plain().unwrap_or(path.beginning());
        format!("{} is a descriptor of the daemon's, and no file", shown(name))
    }
}

impl<'s> Reader<'s> {
    /// Reads `stdout`.
    pub(super) fn stdout(&mut self, value: &'s Node, names: Names<'_>) -> Output {
        let path = match self.output(value, "", names) {
            Ok(output) => return output,
            Err(path) => path,
        };
        match Own::of(&path) {
            None => Output::File(path),
            // So Supervisor's files say it in a container.
            Some(Own::Stdout) => Output::Inherit,
            Some(own @ (Own::Stderr | Own::Other)) => {
                let why = own.is_no_file(&path)
                    + ": write inherit to go where the daemon's own stdout goes";
                self.report.error(value, why);
                Output::Auto
            }
        }
    }

    /// Reads `stderr`, given where stdout goes.
    pub(super) fn stderr(&mut self, value: &'s Node, stdout: &Output, names: Names<'_>) -> Output {
        let path = match self.output(value, ", stdout", names) {
            Ok(output) => return output,
            Err(path) => path,
        };
        match Own::of(&path) {
            None => Output::File(path),
            Some(Own::Stderr) => Output::Inherit,
            // Of the defaults it is not known where stdout will go.
            Some(Own::Stdout) if *stdout == Output::Inherit || !names.is_settled() => {
                Output::Stdout
            }
            Some(own @ (Own::Stdout | Own::Other)) => {
                let why = own.is_no_file(&path)
                    + ": write inherit to go where the daemon's own stderr goes, or stdout to go \
                       where stdout does";
                self.report.error(value, why);
                Output::Auto
            }
        }
    }

    /// Reads what both may say, `more` being what else one may; the error is a path.
    fn output(
        &mut self,
        value: &'s Node,
        more: &str,
        names: Names<'_>,
    ) -> Result<Output, Template> {
        let text = match &value.value {
            Value::Null => return Ok(Output::Discard),
            Value::Scalar(text) => text,
            Value::Map(_) => {
                return Ok(self.capture(value, names).map_or(Output::Auto, Output::Captured));
            }
            Value::List(_) => {
                let why = format!(
                    "must be auto, discard, inherit{more}, the path of a file, or a map with `file`"
                );
                self.report.error(value, why);
                return Ok(Output::Auto);
            }
        };
        let Some(target) = self.expand(value, text, names) else { return Ok(Output::Auto) };
        // Supervisor writes these words in capitals.
        Ok(match target.as_plain().map(str::to_ascii_lowercase).as_deref() {
            Some("auto") => Output::Auto,
            Some("discard" | "null" | "none" | "/dev/null") => Output::Discard,
            Some("inherit") => Output::Inherit,
            Some("stdout") if !more.is_empty() => Output::Stdout,
            Some(word) if is_taken_for_more(word) => {
                let why = format!(
                    "must be auto, discard, inherit{more} or the path of a file; one that is \
                     called {word} is written ./{word}"
                );
                self.report.error(value, why);
                Output::Auto
            }
            Some(_) | None => match self.absolute(value, target) {
                Some(path) => return Err(path),
                None => Output::Auto,
            },
        })
    }

    /// Reads either where it is a map.
    fn capture(&mut self, value: &'s Node, names: Names<'_>) -> Option<Capture> {
        let fields = fields::known(value, CAPTURE_KEYS, &mut self.report);
        let Some(file) = fields.get("file") else {
            self.report.error(value, "has no `file`, where the output is to go");
            return None;
        };
        let mut capture = Capture::to(Template::from(""));
        for (key, field) in &fields {
            match *key {
                "max_bytes" => self.set(&mut capture.max_bytes, field.value, values::size),
                "keep" => {
                    self.set(&mut capture.keep, field.value, |t| values::integer(t, 0, 1000));
                }
                "timestamps" => self.set(&mut capture.timestamps, field.value, boolean),
                _ => {}
            }
        }
        let text = self.scalar(file.value)?;
        let path = self.expand(file.value, text, names)?;
        capture.file = self.absolute(file.value, path)?;
        if let Some(own) = Own::of(&capture.file) {
            let why =
                format!("{}: write inherit in place of the map", own.is_no_file(&capture.file));
            self.report.error(file.value, why);
            return None;
        }
        Some(capture)
    }
}

/// Whether who writes this word, which means something here or to Supervisor, wants no file of that
/// name.
pub(super) fn is_taken_for_more(word: &str) -> bool {
    const WORDS: [&str; 14] = [
        "stdout", "stderr", "syslog", "auto", "inherit", "discard", "none", "null", "off", "no",
        "false", "on", "yes", "true",
    ];
    WORDS.contains(&word)
}
