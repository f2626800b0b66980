//! Bytes in pipes: counted, looked at, and moved elsewhere without ever being in this process's
//! hands, so that a SIGKILL at any moment neither loses nor doubles one.
#![allow(unsafe_code)] // ioctl(2) FIONREAD

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::raw::c_int;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice, tee};

/// How many bytes wait in a pipe.
///
/// # Errors
/// Those of ioctl(2).
pub fn pending(pipe: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count: c_int = 0;
    // SAFETY: FIONREAD writes one int, and `count` lives through the call.
    if unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &mut count) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(count).unwrap_or(0))
}

/// How many bytes a pipe holds; 0 if that cannot be told.
pub fn capacity(pipe: BorrowedFd<'_>) -> u64 {
    fcntl(pipe, FcntlArg::F_GETPIPE_SZ).ok().and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
}

/// Makes a pipe as large as it may be, and says how many bytes it holds now. A user's share of
/// pipe memory may be used up: then it stays as it was.
pub fn enlarge(pipe: BorrowedFd<'_>) -> u64 {
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(WHOLE_PIPE as c_int));
    capacity(pipe)
}

/// Moves up to `len` bytes from a pipe to a file, from `offset` on, and says how many. None: the
/// pipe is empty. The file must not be open with O_APPEND, which splice(2) refuses; nor does every
/// kind of file know it. Both are EINVAL.
///
/// # Errors
/// Those of splice(2). Nothing was moved then.
pub fn to_file(
    pipe: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    len: u64,
) -> io::Result<u64> {
    let mut offset = i64::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
    done(splice(pipe, None, file, Some(&mut offset), size(len), SpliceFFlags::SPLICE_F_NONBLOCK))
}

/// Takes up to `len` bytes out of a pipe and drops them, by way of `null`, which is open on
/// /dev/null. Says how many: fewer only if the pipe holds fewer.
///
/// # Errors
/// Those of splice(2).
pub fn discard(pipe: BorrowedFd<'_>, null: BorrowedFd<'_>, len: u64) -> io::Result<u64> {
    let mut gone = 0;
    while gone < len {
        let len = size(len - gone);
        match done(splice(pipe, None, null, None, len, SpliceFFlags::SPLICE_F_NONBLOCK))? {
            0 => break,
            more => gone += more,
        }
    }
    Ok(gone)
}

/// A pipe of one's own to see in what waits in another.
#[derive(Debug)]
pub struct Peek {
    read: std::fs::File,
    write: std::os::fd::OwnedFd,
    chunk: Vec<u8>,
}

/// What one read(2) takes, in bytes.
const CHUNK: usize = 64 * 1024;

/// As large as a pipe may be made without privileges (/proc/sys/fs/pipe-max-size), in bytes.
pub const WHOLE_PIPE: u64 = 1024 * 1024;

impl Peek {
    /// With an empty pipe.
    ///
    /// # Errors
    /// Those of pipe2(2).
    pub fn new() -> io::Result<Self> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // A smaller one shows less at a time.
        enlarge(write.as_fd());
        Ok(Self { read: read.into(), write, chunk: vec![0; CHUNK] })
    }

    /// Shows the first `len` bytes that wait in a pipe, or as many as there are, in pieces. They
    /// stay where they are.
    ///
    /// # Errors
    /// Those of tee(2) and read(2).
    pub fn look(
        &mut self,
        pipe: BorrowedFd<'_>,
        len: u64,
        mut see: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let write = self.write.as_fd();
        let copied = done(tee(pipe, write, size(len), SpliceFFlags::SPLICE_F_NONBLOCK))?;
        let mut left = size(copied);
        while left > 0 {
            let most = left.min(CHUNK);
            let read = self.read.read(self.chunk.get_mut(..most).unwrap_or_default())?;
            see(self.chunk.get(..read).unwrap_or_default());
            left = if read == 0 { 0 } else { left.saturating_sub(read) };
        }
        Ok(())
    }
}

/// That nothing is there is no error here.
fn done(moved: nix::Result<usize>) -> io::Result<u64> {
    match moved {
        Err(Errno::EAGAIN) => Ok(0),
        Err(error) => Err(error.into()),
        Ok(count) => Ok(u64::try_from(count).unwrap_or(u64::MAX)),
    }
}

fn size(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
