//! The journal's file: appended to, and replaced as a whole.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::entry::{Entry, Helper, Launched, Up, head};
use super::past::Past;
use crate::supervisor::{Pid, Process, State};
use crate::sys::record::{Record, checksum};
use crate::sys::{clock, files, identity};

/// The most that is read of one that is found, in bytes.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Grown by so much since it was last written anew, or to twice the size, it is so again.
const GROWTH: u64 = 256 * 1024;

/// How soon after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// The file, and who of those in it lives.
#[derive(Debug)]
pub(in crate::daemon) struct Journal {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    /// Beyond this size it is written anew.
    enough: u64,
    boot: u64,
    /// Apart from the table, which is never full.
    up: HashMap<Pid, Box<Launched>>,
    /// Those of them that have been sent the stop signal.
    asked: HashSet<Pid>,
    in_trouble: bool,
    retry_at: Option<Instant>,
}

impl Journal {
    /// The journal of this folder. Nothing is written before [`Journal::rewrite`].
    pub(in crate::daemon) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("journal"),
            file: None,
            size: 0,
            enough: GROWTH,
            // Without a name of the boot this one is like no other: nobody is taken for somebody.
            boot: identity::boot()
                .map_or_else(|| clock::monotonic().1, |boot| checksum(boot.as_bytes())),
            up: HashMap::new(),
            asked: HashSet::new(),
            in_trouble: false,
            retry_at: None,
        }
    }

    /// Which boot this is.
    pub(in crate::daemon) fn boot(&self) -> u64 {
        self.boot
    }

    /// Where it is.
    pub(in crate::daemon) fn path(&self) -> &Path {
        &self.path
    }

    /// What an earlier daemon wrote; none: nothing, or it ended in order.
    ///
    /// # Errors
    /// Why it cannot be read or believed.
    pub(in crate::daemon) fn past(&self) -> Result<Option<Past>, String> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.path);
        let failed = |error: &io::Error| crate::sys::cause(error);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                return Err("it is a symbolic link".to_owned());
            }
            opened => opened.map_err(|error| failed(&error))?,
        };
        if !file.metadata().map_err(|error| failed(&error))?.is_file() {
            return Err("it is no regular file".to_owned());
        }
        // Whoever may write here could have this daemon stop any process.
        if let Some(why) = files::exposed(&file, &self.path) {
            return Err(why);
        }
        let bytes = files::read_all(file, LIMIT).map_err(|error| failed(&error))?;
        Ok(Some(Past::read(&bytes)))
    }

    /// What a child is to leave behind.
    pub(in crate::daemon) fn record(&self, up: &Up) -> Option<Record> {
        Some(Record { file: self.file.as_ref()?.as_raw_fd(), head: up.head()? })
    }

    /// What the logger is to leave behind.
    pub(in crate::daemon) fn logger_record(&self) -> Option<Record> {
        let helper = Helper { boot: self.boot, pid: 0, seen: 0 };
        Some(Record { file: self.file.as_ref()?.as_raw_fd(), head: head(&Entry::Logger(helper))? })
    }

    /// Remembers a live process.
    pub(in crate::daemon) fn remember(&mut self, up: Up) {
        self.up.insert(up.pid, Box::new(Launched::of(up)));
    }

    /// It lives no more.
    pub(in crate::daemon) fn forget(&mut self, pid: Pid) {
        self.up.remove(&pid);
        self.asked.remove(&pid);
    }

    /// It has been sent the stop signal.
    pub(in crate::daemon) fn was_asked(&mut self, pid: Pid) {
        self.asked.insert(pid);
    }

    /// Whether a process is on its way out and has been told so.
    pub(super) fn has_been_asked(&self, process: &Process) -> bool {
        let is_stopping = matches!(process.state, State::Stopping { .. });
        is_stopping && process.state.process().is_some_and(|(pid, _)| self.asked.contains(&pid))
    }

    /// What is on record of a process, if it lives.
    pub(in crate::daemon) fn up_of(&self, process: &Process) -> Option<&Launched> {
        process.state.process().and_then(|(pid, _)| Some(&**self.up.get(&pid)?))
    }

    /// Whether the last write failed and somebody has been told.
    pub(super) fn in_trouble(&self) -> bool {
        self.in_trouble
    }

    pub(super) fn set_trouble(&mut self, in_trouble: bool) {
        self.in_trouble = in_trouble;
    }

    /// When a failed write is tried again.
    pub(in crate::daemon) fn due(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Whether it has grown, or is to be tried again.
    pub(super) fn wants_rewrite(&self, now: Instant) -> bool {
        self.size > self.enough || self.retry_at.is_some_and(|at| at <= now)
    }

    /// Adds lines, with one write(2).
    ///
    /// # Errors
    /// Those of the system calls; that the file has lost its place.
    pub(super) fn append(&mut self, entries: &[Entry], now: Instant) -> io::Result<()> {
        let written = self.write(&Entry::lines(entries));
        if written.is_err() {
            self.retry_at.get_or_insert(now + PAUSE);
        }
        written
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let Some(size) = files::size_at(file.as_fd(), &self.path) else {
            return Err(io::Error::other("it is gone"));
        };
        file.write_all(bytes)?;
        // Children write to it as well.
        self.size = size + u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// Writes it anew: these lines and no others.
    ///
    /// # Errors
    /// Those of the system calls. Then it goes on as it was.
    pub(super) fn rewrite(&mut self, entries: &[Entry], now: Instant) -> io::Result<()> {
        let boot = Entry::Boot(self.boot);
        let text = Entry::lines(std::iter::once(&boot).chain(entries));
        let size = u64::try_from(text.len()).unwrap_or(0);
        let written = self.replace(&text);
        self.retry_at = written.is_err().then_some(now + PAUSE);
        match written {
            Ok(file) => {
                self.file = Some(file);
                self.size = size;
                self.enough = size + size.max(GROWTH);
                Ok(())
            }
            Err(error) => {
                self.enough = self.size + GROWTH;
                // That of the last daemon has room that was kept for it.
                if self.file.is_none() { self.go_on_in_old(&text) } else { Err(error) }
            }
        }
    }

    fn go_on_in_old(&mut self, text: &[u8]) -> io::Result<()> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().append(true).custom_flags(flags).open(&self.path)?;
        if files::exposed(&file, &self.path).is_some() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.file = Some(file);
        self.write(&[&Entry::lines([&Entry::Anew]), text].concat())
    }

    /// There is no place for it now.
    ///
    /// # Errors
    /// That is one.
    pub(super) fn put_off(&mut self, why: String, now: Instant) -> io::Result<()> {
        self.retry_at = Some(now + PAUSE);
        self.enough = self.size + GROWTH;
        Err(io::Error::other(why))
    }

    fn replace(&self, text: &[u8]) -> io::Result<File> {
        let new = self.path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&new)?;
        let size = u64::try_from(text.len()).unwrap_or(0);
        // Room for what comes, where it can be had: a disk that fills up leaves it.
        files::reserve(&file, size + size.max(GROWTH));
        let done = file.write_all(text).and_then(|()| fs::rename(&new, &self.path));
        if done.is_err() {
            let _ = fs::remove_file(&new);
        }
        done.map(|()| file)
    }

    /// Everything has ended in order: there is nothing for the next daemon to know.
    pub(in crate::daemon) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}
