//! The event log: one line an event, to a file that is rotated, to stderr or to syslog.
//!
//! What a turn of the loop has to say goes out as one write(2) at its end, before clients are
//! answered: who has heard of something finds it in the log.
//!
//! Writing never holds the daemon up and never fails it: a line that cannot be written is
//! counted, and the count is the first thing that is written when it can be again.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::echo::{PIPE_BUF, pieces, to_stderr};
use super::when;
use crate::config::{Level, Log, LogFormat, LogTarget};
use crate::logger::rotate;
use crate::sys::{cause, files};

/// One line of the log.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) level: Level,
    /// What happened, in words.
    pub(super) message: &'a str,
    /// Further facts, by name.
    pub(super) facts: &'a [(&'static str, &'a str)],
}

/// Where lines go.
#[derive(Debug)]
pub(super) struct EventLog {
    settings: Log,
    sink: Sink,
    /// Lines of this level and above are to go to stderr, too, wherever else they go.
    wish: Option<Level>,
    /// Lines that could not be written since the last that could.
    lost: u64,
    /// Whole lines for the file that are not written yet.
    pending: String,
    /// As many of `lost` as the first of them tells of.
    told: u64,
    /// Whole lines for stderr that are not written yet.
    echoed: String,
    /// The time of the last line, and as it stands there: a turn's lines have the same.
    time: (SystemTime, String),
}

#[derive(Debug)]
enum Sink {
    File {
        file: File,
        path: PathBuf,
        size: u64,
    },
    Stderr,
    Syslog(UnixDatagram),
    /// It could not be opened again.
    Nowhere,
}

/// Facts that every line in JSON has, null where there are none.
const ALWAYS: [&str; 3] = ["name", "pid", "reason"];

/// Facts that are numbers.
const NUMBERS: [&str; 4] = ["pid", "changes", "events", "runs"];

/// A line's text is cut at this many bytes.
const LINE_LIMIT: usize = PIPE_BUF - 96;

/// So many bytes are written though the turn goes on.
const ENOUGH: usize = 16 * 1024;

/// A part of a line in JSON is cut at this many bytes.
const PART_LIMIT: usize = 1000;

impl EventLog {
    /// Opens it; lines of the level `echo` and above go to stderr, too.
    ///
    /// # Errors
    /// What could not be opened, and why.
    pub(super) fn open(settings: &Log, echo: Option<Level>) -> Result<Self, String> {
        Ok(Self::on(Sink::open(&settings.target)?, settings, echo))
    }

    /// The same, after an upgrade: one that cannot be opened now is tried again with each line.
    pub(super) fn resume(settings: &Log, echo: Option<Level>) -> Self {
        Self::on(Sink::open(&settings.target).unwrap_or(Sink::Nowhere), settings, echo)
    }

    fn on(sink: Sink, settings: &Log, wish: Option<Level>) -> Self {
        let (pending, echoed) = (String::new(), String::new());
        let time = (SystemTime::UNIX_EPOCH, when::rfc3339(SystemTime::UNIX_EPOCH));
        Self { settings: settings.clone(), sink, wish, lost: 0, pending, told: 0, echoed, time }
    }

    /// Opens the file of this name again, as after somebody has moved it away.
    ///
    /// # Errors
    /// As [`EventLog::open`]; what was open stays so.
    pub(super) fn reopen(&mut self, settings: &Log) -> Result<(), String> {
        let sink = Sink::open(&settings.target)?;
        self.flush();
        self.sink = sink;
        self.settings = settings.clone();
        Ok(())
    }

    /// From now on stderr is nobody's.
    pub(super) fn stop_echo(&mut self) {
        self.flush();
        self.wish = None;
    }

    /// Writes a line, if its level matters enough.
    pub(super) fn write(&mut self, wall: SystemTime, line: &Line<'_>) {
        if line.level > self.settings.level {
            return;
        }
        if self.time.0 != wall {
            self.time = (wall, when::rfc3339(wall));
        }
        if self.lost > 0 && self.told == 0 {
            let message = format!("{} lines of this log could not be written", self.lost);
            let lost = Line { level: Level::Warning, message: &message, facts: &[] };
            let text = self.shape(&lost);
            if self.put(&lost, &text).is_ok() {
                match self.sink {
                    // Not before it is in the file.
                    Sink::File { .. } => self.told = self.lost,
                    Sink::Stderr | Sink::Syslog(_) | Sink::Nowhere => self.lost = 0,
                }
            }
        }
        let text = self.shape(line);
        if self.put(line, &text).is_err() {
            self.lost += 1;
        }
        let is_copied = self.settings.target != LogTarget::Stderr;
        if is_copied && self.wish.is_some_and(|level| line.level <= level) {
            self.echoed.push_str(&text);
        }
        if self.pending.len().max(self.echoed.len()) > ENOUGH {
            self.flush();
        }
    }

    /// Writes what has been gathered.
    pub(super) fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_str();
        while !rest.is_empty() {
            let (part, more) = rest.split_at(self.until_full(rest));
            self.append(part);
            rest = more;
        }
        let echoed = std::mem::take(&mut self.echoed);
        for part in pieces(&echoed) {
            let _ = to_stderr(part);
        }
    }

    fn put(&mut self, line: &Line<'_>, text: &str) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stderr => to_stderr(text),
            Sink::Syslog(socket) => {
                let sent = socket.send(syslog(&self.time, line, self.settings.format).as_bytes());
                if sent.is_err() {
                    // Its other end may have been started anew: the next line finds it.
                    self.sink = Sink::Nowhere;
                }
                sent.map(|_| ())
            }
            Sink::Nowhere => {
                self.sink = Sink::open(&self.settings.target).map_err(io::Error::other)?;
                self.put(line, text)
            }
            Sink::File { .. } => {
                self.pending.push_str(text);
                Ok(())
            }
        }
    }

    /// How many bytes of these lines belong in the file before it is rotated.
    fn until_full(&self, lines: &str) -> usize {
        let Sink::File { size, .. } = &self.sink else { return lines.len() };
        let most = self.settings.max_bytes;
        let mut ends = lines.match_indices('\n').map(|(at, _)| at + 1);
        let fills = |end: &usize| most > 0 && size + u64::try_from(*end).unwrap_or(0) >= most;
        ends.find(fills).unwrap_or(lines.len())
    }

    /// Writes whole lines, and counts those that cannot be. What is told of lost ones is the first.
    fn append(&mut self, lines: &str) {
        if let Sink::Nowhere = self.sink {
            self.sink = Sink::open(&self.settings.target).unwrap_or(Sink::Nowhere);
        }
        let written = match &mut self.sink {
            Sink::File { file, size, .. } => {
                let written = write_all(file, lines.as_bytes());
                *size += u64::try_from(written).unwrap_or(0);
                written
            }
            Sink::Stderr | Sink::Syslog(_) | Sink::Nowhere => 0,
        };
        let missing = lines.get(written..).unwrap_or_default().matches('\n').count();
        self.lost += u64::try_from(missing).unwrap_or(0);
        if self.told > 0 {
            let first = lines.find('\n').unwrap_or(0);
            // The line that tells of the lost ones is none of them.
            self.lost -= if written > first { self.told } else { 1 };
            self.told = 0;
        }
        let Sink::File { size, .. } = &self.sink else { return };
        let full = self.settings.max_bytes > 0 && *size >= self.settings.max_bytes;
        if full && self.rotate().is_err() {
            self.put_off_rotation();
        }
    }

    /// What cannot be renamed now is tried again after as much again.
    fn put_off_rotation(&mut self) {
        if let Sink::File { size, .. } = &mut self.sink {
            *size = 0;
        }
    }

    fn shape(&self, line: &Line<'_>) -> String {
        let (_, time) = &self.time;
        match self.settings.format {
            LogFormat::Text => as_text(time, line),
            LogFormat::Json => as_json(time, line),
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let Sink::File { path, .. } = &self.sink else { return Ok(()) };
        rotate(path, self.settings.keep)?;
        self.sink = Sink::open(&self.settings.target).unwrap_or(Sink::Nowhere);
        Ok(())
    }
}

impl Sink {
    fn open(target: &LogTarget) -> Result<Self, String> {
        let failed = |what: &Path, error: io::Error| {
            format!("opening the log {}: {}; see daemon.log", what.display(), cause(&error))
        };
        match target {
            LogTarget::Stderr => Ok(Self::Stderr),
            LogTarget::Syslog => {
                let path = Path::new("/dev/log");
                let connect = || {
                    let socket = UnixDatagram::unbound()?;
                    socket.connect(path)?;
                    socket.set_nonblocking(true)?;
                    Ok(socket)
                };
                connect().map(Self::Syslog).map_err(|error| failed(path, error))
            }
            LogTarget::File(path) => {
                let file = files::open_log(path, None).map_err(|error| failed(path, error))?;
                let about = file.metadata().map_err(|error| failed(path, error))?;
                if !about.is_file() {
                    // A pipe or terminal that nobody reads would hold the daemon up.
                    return Err(failed(path, io::Error::other("it is no regular file")));
                }
                Ok(Self::File { file, path: path.clone(), size: about.len() })
            }
        }
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}

fn as_text(time: &str, line: &Line<'_>) -> String {
    let mut text = format!("{time} {:<7} {}", word(line.level), words(line));
    text.truncate(cut(&text, LINE_LIMIT).len());
    text.push('\n');
    text
}

/// The message and its facts.
fn words(line: &Line<'_>) -> String {
    let mut text = clean(line.message);
    for (name, value) in line.facts {
        text.extend([" ", name, "=", &quoted(value)]);
    }
    text
}

fn as_json(time: &str, line: &Line<'_>) -> String {
    // By hand, since a map would sort the keys. Cut, the line would be no object any more: its parts
    // are cut instead.
    let text = |text: &str| serde_json::to_string(cut(text, PART_LIMIT)).unwrap_or_default();
    let value = |key: &str, fact: &str| match fact.parse::<u64>() {
        Ok(number) if NUMBERS.contains(&key) => number.to_string(),
        _ => text(fact),
    };
    let mut pairs = vec![
        ("time", text(time)),
        ("level", text(word(line.level))),
        ("message", text(line.message)),
    ];
    let fact = |key: &str| line.facts.iter().find(|(name, _)| *name == key);
    pairs.extend(ALWAYS.map(|key| match fact(key) {
        Some((_, fact)) => (key, value(key, fact)),
        None => (key, "null".to_owned()),
    }));
    let others = line.facts.iter().filter(|(key, _)| !ALWAYS.contains(key));
    pairs.extend(others.map(|(key, fact)| (*key, value(key, fact))));
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}:{value}", text(key))).collect();
    format!("{{{}}}\n", pairs.join(","))
}

/// As syslog(3) writes it: priority, local time without year or offset, tag, text. Time and level
/// stand in that frame already.
fn syslog((wall, time): &(SystemTime, String), line: &Line<'_>, format: LogFormat) -> String {
    const DAEMON: u8 = 3 << 3;
    let severity = match line.level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Info => 6,
        Level::Debug => 7,
    };
    let pid = std::process::id();
    let words = match format {
        LogFormat::Text => words(line),
        LogFormat::Json => as_json(time, line),
    };
    let time = when::syslog(*wall);
    format!("<{}>{time} taskmaster[{pid}]: {}", DAEMON | severity, words.trim_end())
}

/// As much of a text as `limit` bytes hold, in whole characters.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or(text)
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"\"=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// Writes as much as can be; how many bytes that was.
fn write_all(mut to: &File, bytes: &[u8]) -> usize {
    let mut written = 0;
    while let Some(rest @ [_, ..]) = bytes.get(written..) {
        match to.write(rest) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logger::numbered;
    use std::fs;

    #[test]
    fn a_fact_is_quoted_where_it_must_be() {
        let facts = [("name", "web"), ("reason", "exit 3"), ("odd", "a\nb")];
        let line = Line { level: Level::Info, message: "ended\x1b[31m", facts: &facts };
        assert_eq!(
            as_text("T", &line),
            "T info    ended\u{fffd}[31m name=web reason=\"exit 3\" odd=\"a\\nb\"\n"
        );
    }

    #[test]
    fn every_line_in_json_has_the_same_keys_first() {
        let of = |facts: &[(&'static str, &str)]| {
            as_json("T", &Line { level: Level::Info, message: "m", facts })
        };
        let head = r#"{"time":"T","level":"info","message":"m","#;
        assert_eq!(of(&[]), format!("{head}\"name\":null,\"pid\":null,\"reason\":null}}\n"));
        assert_eq!(
            of(&[("peer", "1"), ("pid", "71"), ("name", "42"), ("events", "3")]),
            format!(
                "{head}\"name\":\"42\",\"pid\":71,\"reason\":null,\"peer\":\"1\",\"events\":3}}\n"
            )
        );
    }

    #[test]
    fn syslog_gets_a_frame_of_its_own() {
        let line = Line { level: Level::Error, message: "fatal", facts: &[("name", "a")] };
        let frame = |format| syslog(&(SystemTime::UNIX_EPOCH, "T".to_owned()), &line, format);
        let text = frame(LogFormat::Text);
        let id = std::process::id();
        assert!(text.starts_with("<27>Jan  1 ") || text.starts_with("<27>Dec 31 "), "{text}");
        assert!(text.ends_with(&format!(" taskmaster[{id}]: fatal name=a")), "{text}");
        let json = frame(LogFormat::Json);
        let (_, object) = json.split_once("]: ").unwrap();
        let object: serde_json::Value = serde_json::from_str(object).unwrap();
        assert_eq!((&object["level"], &object["name"]), (&"error".into(), &"a".into()));
    }

    #[test]
    fn rotation_keeps_so_many_and_loses_nothing_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let target = LogTarget::File(path.clone());
        let settings =
            Log { target, level: Level::Info, format: LogFormat::Text, max_bytes: 1, keep: 2 };
        let mut log = EventLog::open(&settings, None).unwrap();
        for message in ["one", "two", "three"] {
            log.write(SystemTime::UNIX_EPOCH, &Line { level: Level::Info, message, facts: &[] });
            log.flush();
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "");
        assert!(read(&numbered(&path, 1)).ends_with("three\n"));
        assert!(read(&numbered(&path, 2)).ends_with("two\n"));
        assert!(!numbered(&path, 3).exists());
    }
}
