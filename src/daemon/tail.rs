//! The end of a log, and what is added to it: for `tail` and `log`.
//!
//! Reads are bounded, whatever the size of the file. Who follows is served on a beat: a file
//! that was renamed is read to its end, and then its successor, which by then may have been
//! renamed in turn; one that became shorter is read from its beginning. The log of a process that was
//! removed ends where nothing more is written to it and all has been read.

mod kept;
mod order;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use order::Mark;

use crate::logger::numbered;
use crate::protocol::{GoneRow, OutputRow, Reply};
use crate::sys::files;

/// How often somebody who follows is served.
const BEAT: Duration = Duration::from_millis(100);

/// The same where more is there already: a log that grows fast is not to be gone before it is read.
const SHORT_BEAT: Duration = Duration::from_millis(10);

/// The most that is read back for the last lines of all logs, in bytes.
const FAR_ENOUGH: u64 = 1 << 20;

/// The most logs at once: each takes a descriptor.
const MOST_LOGS: usize = 200;

/// The most that is read of a file at once, in bytes. Less than what a line of a reply may be, even
/// if all of it is in hexadecimal. A beat reads less than twice that of a log.
const AT_ONCE: usize = 64 * 1024;

/// The most looks at one log on a beat: a file that is at its end, and its successor, take two.
const MOST_LOOKS: u32 = 32;

/// Logs that a client reads.
#[derive(Debug)]
pub(super) struct Tail {
    logs: Vec<Tailed>,
    /// When it is served next.
    pub(super) due: Instant,
}

/// A log that is to be read.
#[derive(Debug)]
pub(super) struct Source {
    /// The process, where there are several: then only whole lines are handed out.
    pub(super) name: Option<String>,
    /// Its program and number; none: it is the daemon's own.
    pub(super) of: Option<(String, u32)>,
    pub(super) path: PathBuf,
}

#[derive(Debug)]
struct Tailed {
    source: Source,
    /// What the process was called, if it was removed.
    gone: Option<String>,
    /// Nothing more is written to it.
    is_whole: bool,
    /// None: there is no such file yet.
    file: Option<File>,
    /// So far it has been handed out, in bytes.
    at: u64,
}

impl Tail {
    /// The last lines of each log, and the way to go on. The error names the log.
    pub(super) fn start(
        logs: Vec<Source>,
        lines: usize,
        now: Instant,
    ) -> Result<(Self, Vec<Reply>), String> {
        if logs.len() > MOST_LOGS {
            return Err(format!("{} logs are too many at once: {MOST_LOGS} at most", logs.len()));
        }
        let share = FAR_ENOUGH / u64::try_from(logs.len().max(1)).unwrap_or(1);
        let mut tail = Self { logs: Vec::new(), due: now + BEAT };
        let mut replies = Vec::new();
        for source in logs {
            let (log, bytes) = Tailed::open(source, lines, share)?;
            replies.extend(pieces(log.source.name.as_ref(), bytes));
            tail.logs.push(log);
        }
        Ok((tail, replies))
    }

    /// A process was removed, by the name that it had.
    pub(super) fn lose(&mut self, program: &str, index: u32, name: &str) {
        let is_its = |of: &(String, u32)| of.0 == program && of.1 == index;
        for log in self.logs.iter_mut().filter(|log| log.source.of.as_ref().is_some_and(is_its)) {
            log.gone = Some(name.to_owned());
        }
    }

    /// What has been added since. Of a process that was removed `is_written` says whether what it has
    /// printed may still be on its way. The name of the last one, if no log is left.
    pub(super) fn more(
        &mut self,
        now: Instant,
        is_written: impl Fn(&str, u32) -> bool,
    ) -> (Vec<Reply>, Option<String>) {
        self.due = now + BEAT;
        let mut replies = Vec::new();
        let mut last = None;
        self.logs.retain_mut(|log| {
            let is_written = |(program, index): &(String, u32)| is_written(program, *index);
            log.is_whole = log.gone.is_some() && !log.source.of.as_ref().is_some_and(is_written);
            let (bytes, is_all) = log.on_a_beat();
            replies.extend(pieces(log.source.name.as_ref(), bytes));
            if !is_all {
                self.due = now + SHORT_BEAT;
            }
            if !log.is_whole || !is_all {
                return true;
            }
            last.clone_from(&log.gone);
            replies.extend(log.gone_row().map(Reply::Gone));
            false
        });
        (replies, last.filter(|_| self.logs.is_empty()))
    }
}

/// The last lines of one log, of which no more than `most` bytes are read. The error names the log.
pub(super) fn end_of(path: PathBuf, lines: usize, most: u64) -> Result<Vec<u8>, String> {
    let source = Source { name: None, of: None, path };
    Tailed::open(source, lines, most).map(|(_, bytes)| bytes)
}

/// Replies of a bounded size: of several logs whole lines, of one whole characters.
fn pieces(name: Option<&String>, bytes: Vec<u8>) -> Vec<Reply> {
    let mut replies = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let chunk = rest.get(..AT_ONCE).unwrap_or(rest);
        let end = match name {
            _ if chunk.len() == rest.len() => chunk.len(),
            Some(_) => whole_lines(chunk),
            None => whole_characters(chunk),
        };
        let (piece, after) = rest.split_at(if end == 0 { chunk.len() } else { end });
        replies.push(Reply::Output(OutputRow::new(name.cloned(), piece.to_vec())));
        rest = after;
    }
    replies
}

impl Tailed {
    fn open(source: Source, lines: usize, share: u64) -> Result<(Self, Vec<u8>), String> {
        let path = source.path.clone();
        let failed =
            |error: &io::Error| format!("reading {}: {}", path.display(), crate::sys::cause(error));
        let new = |source, file, at| Self { source, gone: None, is_whole: false, file, at };
        let mut file = match files::read_log(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // What comes after the newest old one will be all new.
                let file = files::read_log(&numbered(&path, 1)).ok();
                let about = file.as_ref().and_then(|file| file.metadata().ok());
                let at = about.map_or(0, |about| about.len());
                return Ok((new(source, file, at), Vec::new()));
            }
            Err(error) => return Err(failed(&error)),
        };
        let at = file.metadata().map_err(|error| failed(&error))?.len();
        let mut bytes = last_lines(&mut file, at, lines, share).map_err(|error| failed(&error))?;
        let missing = lines.saturating_sub(count_lines(&bytes));
        if missing > 0 && at < share {
            // It has just been begun: the one before it has the rest.
            let before = files::read_log(&numbered(&path, 1));
            let earlier = before.and_then(|mut file| {
                let end = file.metadata()?.len();
                last_lines(&mut file, end, missing, share)
            });
            bytes.splice(0..0, earlier.unwrap_or_default());
        }
        let mut log = new(source, Some(file), at);
        if log.source.name.is_some() {
            let whole = whole_lines(&bytes);
            let rest = u64::try_from(bytes.len() - whole).unwrap_or(0);
            log.at = log.at.saturating_sub(rest);
            bytes.truncate(whole);
        }
        Ok((log, bytes))
    }

    /// That it was removed, where it is one of several: by the name that stands before its lines.
    fn gone_row(&self) -> Option<GoneRow> {
        let (program, index) = self.source.of.clone()?;
        Some(GoneRow { name: self.source.name.clone()?, program, index })
    }

    /// What has been added, through as many files as it takes; and whether that is all.
    fn on_a_beat(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        for _ in 0..MOST_LOOKS {
            // A file that cannot be read now may be read on the next beat.
            let Ok((more, goes_on)) = self.more() else { return (bytes, true) };
            bytes.extend(more);
            if !goes_on {
                return (bytes, true);
            }
            if bytes.len() >= AT_ONCE {
                break;
            }
        }
        (bytes, false)
    }

    /// Some of what has been added, and whether there may be more.
    fn more(&mut self) -> io::Result<(Vec<u8>, bool)> {
        let mut bytes = Vec::new();
        let Some(file) = &mut self.file else {
            self.file = order::open_after(&self.source.path, None);
            return Ok((bytes, self.file.is_some()));
        };
        let about = file.metadata()?;
        if about.len() < self.at {
            self.at = 0;
        }
        // Before it is read: one that is renamed in between may have grown since.
        let grows = !self.is_whole && Mark::of(&about).is_at(&self.source.path);
        file.seek(SeekFrom::Start(self.at))?;
        let limit = u64::try_from(AT_ONCE).unwrap_or(u64::MAX);
        file.take(limit).read_to_end(&mut bytes)?;
        let whole = match self.source.name {
            Some(_) => whole_lines(&bytes),
            None => whole_characters(&bytes),
        };
        // What has only begun waits for its end, unless there is no end to it, or to the file.
        let is_torn = if bytes.len() < AT_ONCE { grows } else { whole > 0 };
        if is_torn {
            bytes.truncate(whole);
        }
        self.at += u64::try_from(bytes.len()).unwrap_or(0);
        let goes_on = !bytes.is_empty() || self.go_on()?;
        Ok((bytes, goes_on))
    }

    /// There was nothing to hand out of this file: takes up the next, if there is one. Whether there
    /// is more to read.
    fn go_on(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let mark = Mark::of(&file.metadata()?);
        let Some(next) = order::open_after(&self.source.path, Some(mark)) else { return Ok(false) };
        // What may have been added between the last read and the renaming comes first.
        if file.metadata()?.len() <= self.at {
            (self.file, self.at) = (Some(next), 0);
        }
        Ok(true)
    }
}

/// The last lines of a file that ends at `end`.
fn last_lines(file: &mut File, end: u64, lines: usize, share: u64) -> io::Result<Vec<u8>> {
    let start = end.saturating_sub(share);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let newlines = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let cut = match lines {
        0 => bytes.len(),
        _ => newlines.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0),
    };
    Ok(bytes.split_off(cut))
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.split_inclusive(|byte| *byte == b'\n').count()
}

/// How many bytes of whole lines there are.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// How many bytes there are before a character that has only begun.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}
