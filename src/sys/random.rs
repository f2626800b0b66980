//! Random bytes from the kernel.
#![allow(unsafe_code)] // getrandom(2)

use std::io;

/// 32 bytes that nobody can guess.
///
/// # Errors
/// Those of getrandom(2): on Linux none, once the kernel has been seeded.
pub fn nonce() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    // SAFETY: the pointer and the length are those of a buffer that is ours.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    match usize::try_from(got) {
        Ok(32) => Ok(bytes),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
