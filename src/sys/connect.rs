//! A TCP connection that is made without waiting for it.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, connect, socket,
};

/// Begins to connect. Once the stream polls writable or gone, [`finish`] tells what came of it.
///
/// # Errors
/// Those of socket(2) and connect(2), as far as they are known at once.
pub fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd: OwnedFd = socket(family, SockType::Stream, flags, None)?;
    let done = match address {
        SocketAddr::V4(address) => connect(fd.as_raw_fd(), &SockaddrIn::from(address)),
        SocketAddr::V6(address) => connect(fd.as_raw_fd(), &SockaddrIn6::from(address)),
    };
    match done {
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(TcpStream::from(fd)),
        Err(error) => Err(error.into()),
    }
}

/// What came of it.
///
/// # Errors
/// Why there is no connection. One that met itself is refused: the kernel may have picked for
/// this end the very port that nobody listens on.
pub fn finish(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(Errno::ECONNREFUSED.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::{Interest, Poller};
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    fn outcome(address: SocketAddr) -> io::Result<()> {
        let stream = begin(address)?;
        let mut poller = Poller::new();
        let slot = poller.add(stream.as_fd(), Interest::Write);
        poller.wait(None)?;
        assert!(poller.ready(slot).write || poller.ready(slot).gone);
        finish(&stream)
    }

    #[test]
    fn one_who_listens_is_reached_and_a_closed_port_refuses() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(host) else { continue };
            let address = listener.local_addr().unwrap();
            outcome(address).unwrap();
            drop(listener);
            let error = outcome(address).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
    }
}
