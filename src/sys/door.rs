//! A place in the file system where another of our own processes can come and get a
//! [`Channel`]: a listening AF_UNIX socket of type SOCK_SEQPACKET.
#![allow(unsafe_code)] // a descriptor that is accepted is a mere number until it is owned

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, connect, getsockopt,
    listen, socket, sockopt,
};

use super::channel::Channel;

/// The listening end.
#[derive(Debug)]
pub struct Door(OwnedFd);

impl Door {
    /// Opens one at this path, in the place of what is there, for this user alone.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn open(path: &Path) -> io::Result<Self> {
        let door = new_socket()?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        at(path, |address| bind(door.as_raw_fd(), address))?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        listen(&door, Backlog::new(4)?)?;
        Ok(Self(door))
    }

    /// The one that this process was started with as its standard output, if that is one.
    pub fn from_stdout() -> Option<Self> {
        let stdout = io::stdout();
        let is_door = getsockopt(&stdout, sockopt::SockType).ok() == Some(SockType::SeqPacket)
            && getsockopt(&stdout, sockopt::AcceptConn).ok() == Some(true);
        is_door.then(|| stdout.as_fd().try_clone_to_owned().ok().map(Self)).flatten()
    }

    /// Who comes next, if it is of this user or root.
    ///
    /// # Errors
    /// Those of accept4(2). `WouldBlock`: nobody is there. `PermissionDenied`: somebody else was.
    pub fn next(&self) -> io::Result<Channel> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let came = accept4(self.0.as_raw_fd(), flags)?;
        // SAFETY: the kernel has just opened it for this process, and nobody else knows its number.
        let came = unsafe { OwnedFd::from_raw_fd(came) };
        let peer = getsockopt(&came, sockopt::PeerCredentials)?.uid();
        if ![0, super::users::me()].contains(&peer) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Channel::from(came))
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Goes to the door at this path.
///
/// # Errors
/// Those of connect(2).
pub fn enter(path: &Path) -> io::Result<Channel> {
    let socket = new_socket()?;
    at(path, |address| connect(socket.as_raw_fd(), address))?;
    Ok(Channel::from(socket))
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}

/// Calls with the address of a path. One that is too long for an address goes by way of its folder.
fn at(path: &Path, call: impl Fn(&UnixAddr) -> Result<(), Errno>) -> io::Result<()> {
    if let Ok(address) = UnixAddr::new(path) {
        return Ok(call(&address)?);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let folder: File = OpenOptions::new().read(true).custom_flags(flags).open(folder)?;
    let short = format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), name.to_string_lossy());
    Ok(call(&UnixAddr::new(Path::new(&short))?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_enters_is_heard_however_long_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(150));
        fs::create_dir(&deep).unwrap();
        for folder in [folder.path(), &deep] {
            let path = folder.join("door");
            let door = Door::open(&path).unwrap();
            assert_eq!(door.next().unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let guest = enter(&path).unwrap();
            let host = door.next().unwrap();
            guest.send(b"hello", None).unwrap();
            let mut buffer = [0; 9];
            assert_eq!(host.recv(&mut buffer).unwrap().0, 5);
            drop(Door::open(&path).unwrap());
            assert_eq!(enter(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }
    }
}
