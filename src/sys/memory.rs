//! Memory that was needed once.
#![allow(unsafe_code)] // malloc_trim(3)

/// Gives back to the kernel what the allocator keeps free, as after a configuration was read,
/// which takes many times what is kept of it.
pub fn give_back() {
    // SAFETY: it takes the allocator's own locks, and moves nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
