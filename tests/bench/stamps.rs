//! Stamps: what a child writes at the moments that count.
//!
//! A stamp is one record, written with one write(2), to a FIFO or at the end of a file: the
//! monotonic clock in nanoseconds, the pid, the kind, the child's number and a value. The clock
//! is read by the child, so it does not matter when somebody here looks.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use crate::clock::{SECOND, now};
use crate::doing::{Doing, Result};

/// Bytes of a record.
pub(crate) const SIZE: usize = 32;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The child has started.
    Start,
    /// It begins to print.
    Begin,
    /// It has printed `value` bytes.
    End,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// When, in nanoseconds of the monotonic clock.
    pub(crate) at: u64,
    /// The child's pid.
    pub(crate) pid: i32,
    /// What happened.
    pub(crate) kind: Kind,
    /// The child's number.
    pub(crate) id: u64,
    /// What there is to tell.
    pub(crate) value: u64,
}

impl Kind {
    const ALL: [(Self, u32); 3] =
        [(Self::Start, b'S' as u32), (Self::Begin, b'B' as u32), (Self::End, b'E' as u32)];
}

impl Stamp {
    /// As the child writes it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let kind =
            Kind::ALL.iter().find(|(kind, _)| *kind == self.kind).map_or(0, |(_, byte)| *byte);
        let mut bytes = self.at.to_ne_bytes().to_vec();
        bytes.extend(self.pid.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(self.id.to_ne_bytes());
        bytes.extend(self.value.to_ne_bytes());
        bytes
    }

    fn decode(record: &[u8]) -> Option<Self> {
        let eight = |at: usize| Some(u64::from_ne_bytes(record.get(at..at + 8)?.try_into().ok()?));
        let four = |at: usize| Some(u32::from_ne_bytes(record.get(at..at + 4)?.try_into().ok()?));
        let number = four(12)?;
        let kind = Kind::ALL.iter().find(|(_, byte)| *byte == number)?.0;
        let pid = i32::try_from(four(8)?).ok()?;
        Some(Self { at: eight(0)?, pid, kind, id: eight(16)?, value: eight(24)? })
    }
}

/// The FIFO that children stamp, and what is known from it.
#[derive(Debug)]
pub(crate) struct Stamps {
    path: PathBuf,
    fifo: File,
    rest: Vec<u8>,
    pids: HashMap<u64, i32>,
}

impl Stamps {
    /// Makes the FIFO in this folder.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("stamps");
        nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).doing("making a FIFO")?;
        let nonblocking = OFlag::O_NONBLOCK.bits();
        let fifo = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(&path);
        let fifo = fifo.doing("opening the FIFO")?;
        // So that no child ever waits for us; a smaller one does as well.
        let _ = fcntl(fifo.as_fd(), FcntlArg::F_SETPIPE_SZ(1 << 20));
        Ok(Self { path, fifo, rest: Vec::new(), pids: HashMap::new() })
    }

    /// Where children stamp.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The pid with which this child last started.
    pub(crate) fn pid(&self, id: u64) -> Result<i32> {
        self.pids.get(&id).copied().doing(format!("child {id} never started"))
    }

    /// What has come since the last time.
    pub(crate) fn take(&mut self) -> Vec<Stamp> {
        let mut buffer = [0; 1 << 16];
        while let Ok(count @ 1..) = self.fifo.read(&mut buffer) {
            self.rest.extend(buffer.iter().take(count));
        }
        let whole = self.rest.len() / SIZE * SIZE;
        let records: Vec<u8> = self.rest.drain(..whole).collect();
        let stamps: Vec<Stamp> = records.chunks(SIZE).filter_map(Stamp::decode).collect();
        let starts = stamps.iter().filter(|stamp| stamp.kind == Kind::Start);
        self.pids.extend(starts.map(|stamp| (stamp.id, stamp.pid)));
        stamps
    }

    /// Waits for a stamp of this kind, for so many seconds at most.
    pub(crate) fn wait(&mut self, kind: Kind, id: u64, seconds: u64) -> Result<Stamp> {
        let end = now() + seconds * SECOND;
        loop {
            let mut stamps = self.take().into_iter();
            if let Some(stamp) = stamps.find(|stamp| stamp.kind == kind && stamp.id == id) {
                return Ok(stamp);
            }
            if now() > end {
                return Err(format!("child {id}: no {kind:?} within {seconds} s"));
            }
            let mut fds = [PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(100u8)).doing("polling the FIFO")?;
        }
    }
}
