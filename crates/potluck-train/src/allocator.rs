//! What memory a long run keeps: settings of the C allocator, without which training takes a quarter longer, and bounds
//! for what grows with every new length of a text.

/// After so many updates memory that lies free is given back: rarely enough to cost little time.
#[cfg(target_env = "gnu")]
const OFTEN: u64 = 16;

/// How many compiled kernels oneDNN keeps, and where it asks: some four times what one part of a step uses again. Of its own
/// it keeps 1024, and texts have other lengths in every step.
const KERNELS: (&str, &str) = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64");

/// Sets the process up. To be called first, before any other thread runs.
pub fn set_up() {
    keep_freed_memory();
    let (name, count) = KERNELS;
    if std::env::var_os(name).is_none() {
        // SAFETY: no other thread runs that could read the environment.
        unsafe { std::env::set_var(name, count) };
    }
}

/// Lets the allocator keep what is freed: libtorch frees and allocates megabytes thousands of
/// times a second, and by default each goes back to the system and comes again as fresh pages.
fn keep_freed_memory() {
    // SAFETY: mallopt takes plain integers and is called before any other thread runs.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// Gives pages that lie free back to the system, after every few of the updates that `taken` counts.
///
/// Blocks of ever new sizes are asked for, and kernels that are kept lie between them, so that what is free is seldom large
/// enough for what comes next, and the heap grows beside it.
pub fn give_back_at_times(taken: u64) {
    #[cfg(target_env = "gnu")]
    if taken.is_multiple_of(OFTEN) {
        // SAFETY: it may be called at any time by any thread.
        unsafe {
            libc::malloc_trim(0);
        }
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = taken;
}
