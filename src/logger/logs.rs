//! The log files that are open: only those that were written to of late, and not too many.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::message::Stream;
use crate::sys::output;

/// So many are open at most: beyond that the one is closed that was written to longest ago.
const OPEN: usize = 256;

/// One that was not written to for so long is closed.
const IDLE: Duration = Duration::from_secs(2);

/// The open files, by stream.
#[derive(Debug, Default)]
pub(super) struct Logs {
    open: BTreeMap<u64, Log>,
    /// When to look for idle ones. None are open if there is no such time.
    sweep_at: Option<Instant>,
}

#[derive(Debug)]
struct Log {
    file: File,
    path: PathBuf,
    used: Instant,
}

impl Logs {
    /// The file of a stream and its size in bytes, as it is now: another process may have
    /// truncated or lengthened it.
    ///
    /// # Errors
    /// Those of [`output::open`].
    pub(super) fn of(&mut self, stream: &Stream, now: Instant) -> io::Result<(&File, u64)> {
        let known = self.open.get(&stream.id).map(|log| log.file.metadata()).transpose()?;
        // One without a name was removed: what was written to it nobody would find.
        let size = match known.filter(|about| about.nlink() > 0) {
            Some(about) => about.len(),
            None => self.open(stream, now)?,
        };
        self.sweep_at.get_or_insert(now + IDLE);
        let log = self.open.get_mut(&stream.id).ok_or(io::ErrorKind::NotFound)?;
        log.used = now;
        Ok((&log.file, size))
    }

    fn open(&mut self, stream: &Stream, now: Instant) -> io::Result<u64> {
        self.open.remove(&stream.id);
        if self.open.len() >= OPEN {
            self.close_oldest();
        }
        let file = loop {
            match output::open(&stream.path, stream.owner) {
                Err(error) if output::is_too_many(&error) && self.close_oldest() => {}
                file => break file?,
            }
        };
        let size = file.metadata()?.len();
        self.open.insert(stream.id, Log { file, path: stream.path.clone(), used: now });
        Ok(size)
    }

    fn close_oldest(&mut self) -> bool {
        let oldest = self.open.iter().min_by_key(|(_, log)| log.used).map(|(id, _)| *id);
        oldest.is_some_and(|id| self.open.remove(&id).is_some())
    }

    /// Closes the file of this stream.
    pub(super) fn close(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// Closes the files that were opened by this name: it is another's now. More than one stream
    /// may write to one file.
    pub(super) fn close_path(&mut self, path: &Path) {
        self.open.retain(|_, log| log.path != path);
    }

    /// Closes all.
    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }

    /// When [`Logs::sweep`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Closes those that are idle.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.sweep_at.is_none_or(|at| now < at) {
            return;
        }
        self.open.retain(|_, log| now < log.used + IDLE);
        self.sweep_at = self.open.values().map(|log| log.used + IDLE).min();
    }
}
