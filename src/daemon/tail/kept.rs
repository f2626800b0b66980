//! Logs that go on being read through an upgrade, from the byte where they were.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

use super::{Source, Tail, Tailed};
use crate::daemon::kept::KeptLog;
use crate::sys::handover::inherited;

impl Tail {
    /// All of them, as plain data.
    pub(in crate::daemon) fn keep(&self) -> Vec<KeptLog> {
        let keep = |log: &Tailed| KeptLog {
            name: log.source.name.clone(),
            of: log.source.of.clone(),
            gone: log.gone.clone(),
            path: log.source.path.clone(),
            file: log.file.as_ref().map(AsRawFd::as_raw_fd),
            at: log.at,
        };
        self.logs.iter().map(keep).collect()
    }

    /// The descriptors that they need.
    pub(in crate::daemon) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.logs.iter().filter_map(|log| log.file.as_ref()).map(AsFd::as_fd).collect()
    }

    /// Them again.
    ///
    /// # Errors
    /// That a descriptor is not there.
    pub(in crate::daemon) fn take_up(kept: Vec<KeptLog>, now: Instant) -> io::Result<Self> {
        let take_up = |KeptLog { name, of, gone, path, file, at }| {
            let file = file.map(|fd| inherited(fd).map(File::from)).transpose()?;
            let source = Source { name, of, path };
            Ok(Tailed { source, gone, is_whole: false, file, at })
        };
        let logs = kept.into_iter().map(take_up).collect::<io::Result<_>>()?;
        Ok(Self { logs, due: now })
    }
}
