//! Memory that was needed once.
#![allow(unsafe_code)] // malloc_trim(3), madvise(2)

/// Gives back to the kernel what was needed to read a configuration and is not any more: what
/// the allocator keeps free, which is many times what is kept of the file, and the code.
pub fn give_back() {
    // SAFETY: it takes the allocator's own locks, and moves nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
    forget_code();
}

/// Takes the pages of this program's code out of its memory. Those that are used again come back
/// from the page cache, and those of what only a start needs stay away.
fn forget_code() {
    unsafe extern "C" {
        // The linker's, at the beginning of the program and at the end of its code.
        static __executable_start: u8;
        static etext: u8;
    }
    const PAGE: usize = 4096;
    // SAFETY: only the addresses are taken. What is mapped in the range is the program's file, up
    // to the end of its code: pages that are not written, as nothing in them is relocated, so that
    // they are the same when they are read again. Into a gap between two segments the kernel puts
    // nothing else while there is room elsewhere. An error changes nothing.
    unsafe {
        let start = (&raw const __executable_start).addr().next_multiple_of(PAGE);
        let length = ((&raw const etext).addr() / PAGE * PAGE).saturating_sub(start);
        let start = std::ptr::without_provenance_mut::<libc::c_void>(start);
        libc::madvise(start, length, libc::MADV_DONTNEED);
    }
}
