//! What a process may do besides what its user may: capabilities, and the keys in its session.
#![allow(unsafe_code)] // capset(2), keyctl(2)

/// Gives up every capability: permitted, effective and inheritable, and with them the ambient ones.
/// Becoming another user clears them only where that user was root and no securebits say otherwise.
/// False: errno tells why not.
///
/// It makes one system call and nothing else, and may be called in a child before exec.
pub(super) fn drop_capabilities() -> bool {
    // From linux/capability.h: version 3 and this very process; then two times 32 bits of each.
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0u32; 6];
    // SAFETY: both have the sizes that version 3 prescribes, and live through the call. The raw call
    // changes this task alone, which is all there is.
    unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) == 0 }
}

/// Takes a new and empty session keyring in the place of the one that was inherited: whoever has
/// that, as from the login that the daemon was started from, may read the keys in it, whatever its
/// user. Where the kernel has no keys, or permits no call for them, there is nothing to leave.
///
/// It makes one system call and nothing else, and may be called in a child before exec.
pub(super) fn leave_keys() {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    let nameless = std::ptr::null::<libc::c_char>();
    // SAFETY: a null pointer asks for a keyring without a name.
    unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, nameless) };
}
