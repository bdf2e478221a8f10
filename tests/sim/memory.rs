//! How much memory a simulated program holds: an allocator that counts, per thread, what is taken while it runs.
//!
//! The scheduler hangs a program's own meter in before it runs the program, and takes it out afterwards. What the
//! simulated world takes meanwhile (disks, links) is left out by [`uncounted`].

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What one program holds, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    now: i64,
    peak: i64,
}

impl Meter {
    /// The most that was held at once.
    pub(crate) fn peak(self) -> i64 {
        self.peak
    }
}

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static METER: Cell<Meter> = const { Cell::new(Meter { now: 0, peak: 0 }) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(change: i64) {
    if COUNTING.get() {
        let mut meter = METER.get();
        meter.now += change;
        meter.peak = meter.peak.max(meter.now);
        METER.set(meter);
    }
}

// SAFETY: every call is passed on unchanged to the system's allocator; what is counted beside it lies in
// thread-local cells without destructors, which allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps the promises of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the promises of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs a program for a while, on its own meter.
pub(crate) fn metered<T>(meter: &mut Meter, run: impl FnOnce() -> T) -> T {
    METER.set(*meter);
    COUNTING.set(true);
    let output = run();
    COUNTING.set(false);
    *meter = METER.get();
    output
}

/// Does the world's work: what it takes is not the program's.
pub(crate) fn uncounted<T>(run: impl FnOnce() -> T) -> T {
    let counting = COUNTING.replace(false);
    let output = run();
    COUNTING.set(counting);
    output
}
