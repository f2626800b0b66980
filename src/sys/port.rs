//! A TCP port that is listened on.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::socket::sockopt::{KeepAlive, TcpKeepCount, TcpKeepIdle, TcpKeepInterval};
use nix::sys::socket::{Backlog, listen as queue, setsockopt};

/// Listens there; accepting never waits.
///
/// # Errors
/// Those of bind(2) and listen(2).
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // As many newcomers may wait as the kernel allows: of one that finds the queue full nothing is
    // heard for a second, until it tries again. std's queue is shorter; it can be changed at any time.
    queue(&listener, Backlog::MAXALLOWABLE)?;
    Ok(listener)
}

/// After so much silence, in seconds, the kernel asks whether the other side is still there,
const IDLE: u32 = 60;
/// so often,
const ASKED: u32 = 4;
/// so many seconds apart. With no answer to any of that, two minutes in all, the connection is broken.
const APART: u32 = 15;

/// Makes an accepted connection one that is never waited for, and that does not stay for ever when
/// the other side's machine has vanished without a word.
///
/// # Errors
/// Those of setsockopt(2) and fcntl(2).
pub fn make_ready(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    // Small answers at once, rather than when there are more of them.
    stream.set_nodelay(true)?;
    setsockopt(stream, TcpKeepIdle, &IDLE)?;
    setsockopt(stream, TcpKeepInterval, &APART)?;
    setsockopt(stream, TcpKeepCount, &ASKED)?;
    Ok(setsockopt(stream, KeepAlive, &true)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_wait_than_std_has_room_for_and_none_has_to_try_again() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let waiting = 300.min(most.trim().parse().unwrap());
        let patience = std::time::Duration::from_millis(500);
        let newcomer = |_| TcpStream::connect_timeout(&address, patience).unwrap();
        let newcomers: Vec<TcpStream> = (0..waiting).map(newcomer).collect();
        let accepted = (0..waiting).map_while(|_| listener.accept().ok()).count();
        assert_eq!(accepted, newcomers.len());
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
