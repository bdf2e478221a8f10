//! Settings of the C allocator, without which training takes a quarter longer.

/// Lets the allocator keep what is freed: libtorch frees and allocates megabytes thousands of
/// times a second, and by default each goes back to the system and comes again as fresh pages.
pub fn keep_freed_memory() {
    // SAFETY: mallopt takes plain integers and is called before any other thread runs.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}
