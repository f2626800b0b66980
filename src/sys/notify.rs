//! The socket that sd_notify(3) of a program writes to: datagrams, with who sent them.
//!
//! It has a name in the abstract namespace, so there is no file whose folder the program's
//! user would have to reach, and none to be left behind.
//!
//! Anybody may send there, and could send descriptors along. Whoever lets go of one last may have
//! to wait for it: for bytes that a socket with SO_LINGER has yet to deliver, for the answer of
//! who serves its file system. Not to take it does not help, since what was sent is let go of by
//! the receiver however it reads or closes its socket. So datagrams with descriptors are refused
//! as they are sent ([`refuse_descriptors`]), where the kernel can, Linux 6.16; elsewhere they
//! are taken, and closed as soon as the datagram has been dealt with.
#![allow(unsafe_code)] // recvmsg(2): nix gives up descriptors that came where not all fitted

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt,
};

/// The most that a datagram may hold, in bytes; systemd's limit, too.
pub const LONGEST: usize = 4096;

/// As many descriptors as one datagram may bring: SCM_MAX_FD of the kernel's.
const MOST_PASSED: usize = 253;

/// Room for those and for the sender's credentials, in units that are aligned for cmsghdr.
const CONTROL: usize = 160;

/// The receiving end. No call on it ever waits.
#[derive(Debug)]
pub struct Mailbox(OwnedFd);

/// Who sent a datagram, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// Its process id; 0: it lives where this process cannot see it.
    pub pid: i32,
    /// Its user id.
    pub uid: u32,
}

/// A datagram, already in the buffer.
#[derive(Debug)]
pub struct Datagram {
    /// Its length in bytes; none: it was longer than the buffer, and is of no use.
    pub length: Option<usize>,
    /// Who sent it.
    pub sender: Option<Sender>,
    /// What came with it, closed when this is dropped.
    _passed: Vec<Passed>,
}

/// A descriptor of somebody else's.
#[derive(Debug)]
struct Passed(OwnedFd);

impl Drop for Passed {
    fn drop(&mut self) {
        // The last close(2) of a socket that lingers would wait; of what is no socket this fails.
        let never = libc::linger { l_onoff: 0, l_linger: 0 };
        let _ = setsockopt(&self.0, sockopt::Linger, &never);
    }
}

impl Mailbox {
    /// Binds it to this name, of at most 107 bytes.
    ///
    /// # Errors
    /// Those of socket(2) and bind(2): that the name is taken.
    pub fn bind(name: &[u8]) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        // Before it has a name: nothing arrives without its sender.
        setsockopt(&fd, sockopt::PassCred, &true)?;
        refuse_descriptors(&fd);
        bind(fd.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
        Ok(Self(fd))
    }

    /// The next datagram; none: there is none yet.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub fn receive(&self, buffer: &mut [u8; LONGEST]) -> io::Result<Option<Datagram>> {
        let mut control = [0u64; CONTROL];
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: LONGEST };
        // SAFETY: an all-zero msghdr is valid; its pointers are those of buffers that live
        // through the call, with their own lengths.
        let (got, header) = unsafe {
            let mut header: libc::msghdr = std::mem::zeroed();
            header.msg_iov = &raw mut part;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = size_of_val(&control) as _;
            let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
            (libc::recvmsg(self.0.as_raw_fd(), &raw mut header, flags), header)
        };
        let Ok(length) = usize::try_from(got) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        };
        // Control data that was cut is no matter: what did not fit the kernel has closed.
        let (sender, passed) = attached(&header);
        let whole = header.msg_flags & libc::MSG_TRUNC == 0;
        Ok(Some(Datagram { length: whole.then_some(length), sender, _passed: passed }))
    }
}

/// Has the kernel refuse datagrams that bring descriptors, with EPERM. Whether it can.
///
/// Those that say BARRIER= or FDSTORE= are thrown away before that, and their senders told that
/// they were sent: nothing is done about them here, and systemd-notify(1), which passes one end of
/// a pipe as a barrier and fails if that cannot be sent, finds it closed at once.
fn refuse_descriptors(mailbox: &OwnedFd) -> bool {
    /// Of asm-generic/socket.h.
    const SO_PASSRIGHTS: libc::c_int = 83;
    let jump = |code: u32, value: u32, yes: u8, no: u8| step(libc::BPF_JMP | code, yes, no, value);
    let load = |offset: u32| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let keep = |most: u32| step(libc::BPF_RET | libc::BPF_K, 0, 0, most);
    let mut steps = [
        // To load more than there is would throw the datagram away.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0, 0),
        jump(libc::BPF_JGE, 8, 0, 7),
        load(0),
        jump(libc::BPF_JEQ, u32::from_be_bytes(*b"BARR"), 0, 2),
        load(4),
        jump(libc::BPF_JEQ, u32::from_be_bytes(*b"IER="), 4, 3),
        jump(libc::BPF_JEQ, u32::from_be_bytes(*b"FDST"), 0, 2),
        load(4),
        jump(libc::BPF_JEQ, u32::from_be_bytes(*b"ORE="), 1, 0),
        keep(u32::MAX),
        keep(0),
    ];
    let filter = libc::sock_fprog {
        len: u16::try_from(steps.len()).unwrap_or_default(),
        filter: steps.as_mut_ptr(),
    };
    set_option(mailbox, SO_PASSRIGHTS, &0i32) && {
        // Without this no descriptor comes in either.
        set_option(mailbox, libc::SO_ATTACH_FILTER, &filter);
        true
    }
}

/// A step of a program for bpf(4), whose codes fit in 16 bits.
fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or_default(), jt, jf, k }
}

fn set_option<T>(socket: &OwnedFd, option: libc::c_int, value: &T) -> bool {
    let (value, size) = (std::ptr::from_ref(value), size_of::<T>());
    // SAFETY: the pointer is to as many bytes as are said to be there, which the kernel only
    // reads. What a filter's pointer leads to outlives the call, with its length beside it.
    unsafe {
        let size = libc::socklen_t::try_from(size).unwrap_or_default();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value.cast(), size) == 0
    }
}

/// What came with a datagram.
fn attached(header: &libc::msghdr) -> (Option<Sender>, Vec<Passed>) {
    let (mut sender, mut passed) = (None, Vec::new());
    // SAFETY: recvmsg(2) has filled in the header and the control buffer, which is still there;
    // the CMSG macros stay within its length. Data is read unaligned, as far as each part says
    // that it goes. The kernel has just opened these descriptors for this process, and nobody
    // else knows their numbers.
    unsafe {
        let mut part = libc::CMSG_FIRSTHDR(header);
        while !part.is_null() {
            let data = libc::CMSG_DATA(part);
            let before = usize::try_from(libc::CMSG_LEN(0)).unwrap_or(usize::MAX);
            #[allow(clippy::unnecessary_cast)] // the field's type differs between C libraries
            let length = ((*part).cmsg_len as usize).saturating_sub(before);
            match ((*part).cmsg_level, (*part).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for place in 0..length / size_of::<RawFd>() {
                        let fd = data.cast::<RawFd>().add(place).read_unaligned();
                        passed.push(Passed(OwnedFd::from_raw_fd(fd)));
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if length >= size_of::<libc::ucred>() => {
                    let who = data.cast::<libc::ucred>().read_unaligned();
                    sender = Some(Sender { pid: who.pid, uid: who.uid });
                }
                _ => {}
            }
            part = libc::CMSG_NXTHDR(header, part);
        }
    }
    (sender, passed)
}

impl From<OwnedFd> for Mailbox {
    /// One that was bound before, in another life of this process.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

// The buffer holds what one datagram can bring.
const _: () = assert!(CONTROL * 8 >= 16 + 12 + 4 + 16 + MOST_PASSED * 4 + 8);

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    use std::io::{IoSlice, Read};

    fn sender() -> OwnedFd {
        let flags = SockFlag::SOCK_CLOEXEC;
        socket(AddressFamily::Unix, SockType::Datagram, flags, None).unwrap()
    }

    fn send(name: &[u8], text: &[u8], fds: &[RawFd]) {
        try_to_send(name, text, fds).unwrap();
    }

    fn try_to_send(name: &[u8], text: &[u8], fds: &[RawFd]) -> nix::Result<usize> {
        let to = UnixAddr::new_abstract(name).unwrap();
        let rights = [ControlMessage::ScmRights(fds)];
        let rights: &[_] = if fds.is_empty() { &[] } else { &rights };
        let flags = MsgFlags::empty();
        sendmsg(sender().as_raw_fd(), &[IoSlice::new(text)], rights, flags, Some(&to))
    }

    /// As an older kernel makes it: descriptors come in.
    fn old_mailbox(name: &[u8]) -> Mailbox {
        let mailbox = Mailbox(sender());
        setsockopt(&mailbox.0, sockopt::PassCred, &true).unwrap();
        bind(mailbox.0.as_raw_fd(), &UnixAddr::new_abstract(name).unwrap()).unwrap();
        mailbox
    }

    /// Whether nobody holds the other end of this pipe any more.
    fn is_closed(read: OwnedFd) -> bool {
        nix::fcntl::fcntl(&read, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
            .unwrap();
        std::fs::File::from(read).read(&mut [0; 1]).is_ok_and(|length| length == 0)
    }

    fn mailbox(what: &str) -> (Vec<u8>, Mailbox) {
        let name = format!("taskmaster.test.{what}.{}", std::process::id()).into_bytes();
        let mailbox = Mailbox::bind(&name).unwrap();
        (name, mailbox)
    }

    #[test]
    fn a_datagram_says_who_sent_it() {
        let (name, mailbox) = mailbox("who");
        let mut buffer = [0; LONGEST];
        assert!(mailbox.receive(&mut buffer).unwrap().is_none());
        send(&name, b"READY=1", &[]);
        let got = mailbox.receive(&mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..got.length.unwrap()], b"READY=1");
        let me = std::process::id() as i32;
        assert_eq!(got.sender, Some(Sender { pid: me, uid: crate::sys::users::me() }));
        assert!(Mailbox::bind(&name).is_err(), "the name is taken");
    }

    #[test]
    fn one_too_long_is_told_to_be_and_does_not_stay() {
        let (name, mailbox) = mailbox("long");
        let mut buffer = [0; LONGEST];
        for (length, whole) in [(LONGEST, true), (LONGEST + 1, false), (0, true)] {
            send(&name, &vec![b'x'; length], &[]);
            let got = mailbox.receive(&mut buffer).unwrap().unwrap();
            assert_eq!(got.length, whole.then_some(length));
        }
        assert!(mailbox.receive(&mut buffer).unwrap().is_none());
    }

    #[test]
    fn descriptors_are_refused_as_they_are_sent() {
        if !refuse_descriptors(&sender()) {
            return;
        }
        let (name, mailbox) = mailbox("refused");
        for text in [&b"READY=1"[..], b"X", b"", b"BARRIER", b"FDSTORE", b"FDSTOREREMOVE=1"] {
            let (read, write) = nix::unistd::pipe().unwrap();
            let sent = try_to_send(&name, text, &[write.as_raw_fd()]);
            assert_eq!(sent, Err(nix::errno::Errno::EPERM), "{text:?}");
            drop(write);
            assert!(is_closed(read), "{text:?}");
            send(&name, text, &[]);
            let got = mailbox.receive(&mut [0; LONGEST]).unwrap().unwrap();
            assert_eq!(got.length, Some(text.len()), "{text:?}");
        }
        assert!(mailbox.receive(&mut [0; LONGEST]).unwrap().is_none());
    }

    #[test]
    fn who_waits_for_a_barrier_finds_it_closed_at_once() {
        if !refuse_descriptors(&sender()) {
            return;
        }
        let (name, mailbox) = mailbox("barrier");
        for text in [&b"BARRIER=1"[..], b"BARRIER=", b"FDSTORE=1\nFDNAME=a"] {
            let (read, write) = nix::unistd::pipe().unwrap();
            send(&name, text, &[write.as_raw_fd()]);
            drop(write);
            assert!(is_closed(read), "{text:?}");
        }
        assert!(mailbox.receive(&mut [0; LONGEST]).unwrap().is_none());
    }

    #[test]
    fn what_is_passed_is_closed_with_the_datagram_as_many_as_there_are() {
        let name = format!("taskmaster.test.passed.{}", std::process::id()).into_bytes();
        let mailbox = old_mailbox(&name);
        let (read, write) = nix::unistd::pipe().unwrap();
        send(&name, b"BARRIER=1", &[write.as_raw_fd(); MOST_PASSED]);
        drop(write);
        let got = mailbox.receive(&mut [0; LONGEST]).unwrap().unwrap();
        assert_eq!(got._passed.len(), MOST_PASSED);
        assert!(got.sender.is_some());
        drop(got);
        assert!(is_closed(read));
    }
}
