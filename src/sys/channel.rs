//! A line between two of our own processes: messages that keep their bounds and may carry a
//! descriptor, over an AF_UNIX socketpair of type SOCK_SEQPACKET.
#![allow(unsafe_code)] // a descriptor that is received is a mere number until it is owned

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, getsockopt,
    recvmsg, sendmsg, socketpair, sockopt,
};

/// One end of the line. No call on it ever waits.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Both ends of a new line, CLOEXEC.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Self(one), Self(other)))
    }

    /// The end that this process was started with as its standard input.
    ///
    /// # Errors
    /// Those of getsockopt(2); a socket of another type.
    pub fn from_stdin() -> io::Result<Self> {
        let stdin = io::stdin();
        if getsockopt(&stdin, sockopt::SockType)? != SockType::SeqPacket {
            return Err(io::Error::other("it is a socket of another type"));
        }
        Ok(Self(stdin.as_fd().try_clone_to_owned()?))
    }

    /// Sends a message of at least one byte, and with it a descriptor.
    ///
    /// # Errors
    /// Those of sendmsg(2). `WouldBlock`: the other end has not read enough yet, and nothing was
    /// sent; the descriptor polls writable when it may be tried again.
    pub fn send(&self, message: &[u8], with: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let fds = with.map(|fd| [fd.as_raw_fd()]);
        let rights: Vec<_> = fds.iter().map(|fds| ControlMessage::ScmRights(fds)).collect();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        loop {
            match sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(message)], &rights, flags, None)
            {
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Receives a message and the descriptor that came with it, CLOEXEC. No bytes: the other end
    /// is closed, and all that it sent has been received.
    ///
    /// # Errors
    /// Those of recvmsg(2). `WouldBlock`: there is none yet. `InvalidData`: it was longer than the
    /// buffer, and is gone.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        let mut space = nix::cmsg_space!(RawFd);
        let mut room = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let got = loop {
            match recvmsg::<()>(self.0.as_raw_fd(), &mut room, Some(&mut space), flags) {
                // ECONNRESET, told once: the other end went and left messages unread. Its own
                // are still to be had.
                Err(Errno::EINTR | Errno::ECONNRESET) => {}
                got => break got?,
            }
        };
        let mut fds = Vec::new();
        // Where there was no descriptor to be had for it, the message comes without one.
        for part in got.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmRights(numbers) = part {
                // SAFETY: the kernel has just opened these for this process, and nobody else
                // knows their numbers.
                fds.extend(numbers.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        if got.flags.contains(MsgFlags::MSG_TRUNC) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((got.bytes, fds.into_iter().next()))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}
