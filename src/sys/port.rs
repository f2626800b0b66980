//! A TCP port that is listened on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use nix::sys::socket::{Backlog, listen as queue};

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

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
