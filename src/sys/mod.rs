//! The system calls: the only unsafe code, and what it needs to be safe to use.
//!
//! Each file is one concern of the kernel's. They know nothing of programs,
//! requests or configuration.

pub mod channel;
pub mod children;
pub mod clock;
pub mod connect;
mod decimal;
pub mod door;
pub mod epoll;
pub mod exec;
pub mod files;
pub mod handover;
pub mod identity;
pub mod limits;
pub mod lock;
pub mod memory;
pub mod mounts;
mod newborn;
pub mod notify;
mod others;
pub mod output;
pub mod pidfd;
pub mod pipe;
pub mod place;
pub mod poll;
pub mod port;
mod privileges;
pub mod process;
pub mod random;
pub mod record;
pub mod signals;
pub mod spawn;
pub mod splice;
pub mod term;
pub mod timer;
pub mod trust;
pub mod users;
pub mod wait;

/// The cause of an error as the system words it, without its number.
pub fn cause(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

/// Whether an error means that this process has no descriptors, memory, processes or ports left:
/// so it says nothing of whom the call was about.
pub fn is_shortage(error: &std::io::Error) -> bool {
    use nix::errno::Errno;
    const SHORT: [Errno; 6] = [
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOMEM,
        Errno::ENOBUFS,
        Errno::EAGAIN,
        Errno::EADDRNOTAVAIL,
    ];
    error.raw_os_error().is_some_and(|number| SHORT.contains(&Errno::from_raw(number)))
}
