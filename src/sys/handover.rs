//! One program handing itself over to another in the same process: what execve(2) keeps.
#![allow(unsafe_code)] // descriptors by number, the environment, getauxval(3)

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::signals;

/// The file that this process was started by, absolute; after it has been replaced, the new one.
///
/// # Errors
/// Those of looking at /proc/self/exe, where what the caller named says nothing.
pub fn own_file() -> io::Result<PathBuf> {
    // SAFETY: the kernel puts the address of a string there, which lives as long as the process.
    let named = unsafe {
        let name = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
        (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes())
    };
    let named = named.map(|name| std::path::absolute(Path::new(OsStr::from_bytes(name))));
    match named {
        // The name of an open file is no name for the next one.
        Some(Ok(path)) if !path.starts_with("/proc") && !path.starts_with("/dev") => Ok(path),
        _ => std::env::current_exe(),
    }
}

/// Takes a variable out of the environment.
pub fn take_variable(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name);
    if value.is_some() {
        // SAFETY: the process has one thread.
        unsafe { std::env::remove_var(name) };
    }
    value
}

/// A descriptor that was handed over by its number, CLOEXEC again. Each number is to be asked for
/// once, and only if this program has been told of it by the one before.
///
/// # Errors
/// That there is none of this number.
pub fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 3 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it is not -1, which no descriptor may be, and borrowed for one call, which fails and
    // does nothing if it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, and the program that owned it before is no more. Nothing in this one
    // has got the number since, as it was open then, too, and the state names each once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Becomes this program, which is given the arguments and the environment of this one, a
/// variable besides, and these descriptors. Returns only if that failed: then all is as before.
///
/// All signals are blocked meanwhile, and are so at the new program's start: those that come wait.
/// So do those that `caught` tells of, which this program has not acted upon.
pub fn become_program(
    file: &Path,
    variable: (&str, &File),
    fds: &[BorrowedFd<'_>],
    caught: &dyn Fn() -> Vec<i32>,
) -> io::Error {
    let mask = signals::set_mask(&signals::full());
    for signal in caught() {
        signals::send_to_self(signal);
    }
    let (name, state) = variable;
    let state_fd = state.as_fd();
    let all = || fds.iter().copied().chain([state_fd]);
    let set =
        |flag: FdFlag| all().try_for_each(|fd| fcntl(fd, FcntlArg::F_SETFD(flag)).map(|_| ()));
    let error = match set(FdFlag::empty()) {
        Ok(()) => execute(file, name, state_fd.as_raw_fd()),
        Err(error) => error.into(),
    };
    let _ = set(FdFlag::FD_CLOEXEC);
    signals::set_mask(&mask);
    error
}

fn execute(file: &Path, name: &str, value: RawFd) -> io::Error {
    let c_string = |bytes: Vec<u8>| CString::new(bytes).unwrap_or_default();
    let args: Vec<CString> = std::env::args_os().map(|arg| c_string(arg.into_vec())).collect();
    let pair = |(key, value): (OsString, OsString)| {
        c_string([key.as_bytes(), b"=", value.as_bytes()].concat())
    };
    let environment = std::env::vars_os().map(pair);
    let environment: Vec<CString> =
        environment.chain([c_string(format!("{name}={value}").into_bytes())]).collect();
    let file = c_string(file.as_os_str().as_bytes().to_vec());
    match nix::unistd::execve(&file, &args, &environment) {
        Ok(never) => match never {},
        Err(error) => error.into(),
    }
}
