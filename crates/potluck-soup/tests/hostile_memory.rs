//! What the worst headers and indexes take while they are read: every allocation is counted.

// A test binary: clippy knows tests by their attribute only, and not the functions that they call.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use potluck_soup::index::{MAX_INDEX, MAX_INDEXED};
use potluck_soup::layout::{MAX_HEADER, MAX_LOCAL_HEADER, MAX_TENSOR_NAME, MAX_TENSORS};
use potluck_soup::{Layout, ShardIndex};

const MIB: usize = 1 << 20;

/// The system's allocator, and what it has given out.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator as it is; the counters touch no block.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        let held = HELD.fetch_add(block.size(), Relaxed) + block.size();
        PEAK.fetch_max(held, Relaxed);
        // SAFETY: the caller keeps the allocator's contract.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, start: *mut u8, block: Block) {
        HELD.fetch_sub(block.size(), Relaxed);
        // SAFETY: as above; the block came from `System`.
        unsafe { System.dealloc(start, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What it took to read a text.
struct Cost {
    /// How many tensors it lists, or why it was refused.
    outcome: Result<usize, String>,
    /// Held at most meanwhile, the text included, in bytes.
    peak: usize,
    /// Allocations.
    calls: usize,
}

fn cost(text: &[u8], read: impl Fn(&[u8]) -> Result<usize, String>) -> Cost {
    let (held, calls) = (HELD.load(Relaxed), CALLS.load(Relaxed));
    PEAK.store(held, Relaxed);
    let outcome = read(text);
    let peak = PEAK.load(Relaxed) - held + text.len();
    Cost { outcome, peak, calls: CALLS.load(Relaxed) - calls }
}

fn cost_of_header(text: &[u8]) -> Cost {
    cost(text, |text| match Layout::parse(text, 0) {
        Ok(layout) => Ok(layout.tensors().len()),
        Err(error) => Err(error.to_string()),
    })
}

fn cost_of_index(text: &[u8]) -> Cost {
    cost(text, |text| match ShardIndex::parse(text) {
        Ok(index) => Ok(index.weight_map().len()),
        Err(error) => Err(error.to_string()),
    })
}

/// Empty tensors, as many as fit, with names of that length at least, and as many dimensions.
fn crowd(bytes: u64, name_length: usize, dimensions: usize) -> Vec<u8> {
    let shape = vec!["0"; dimensions].join(",");
    let mut header = String::from("{");
    for number in 0..MAX_TENSORS {
        let comma = if number > 0 { "," } else { "" };
        let entry = format!(
            r#"{comma}"{number:0name_length$x}":{{"dtype":"U8","shape":[{shape}],"data_offsets":[0,0]}}"#
        );
        if header.len() + entry.len() + 1 > bytes as usize {
            break;
        }
        header.push_str(&entry);
    }
    header.push('}');
    header.into_bytes()
}

/// An index of as many tensors as fit, with names of that length at least.
fn map(name_length: usize) -> Vec<u8> {
    let mut index = String::from(r#"{"weight_map":{"#);
    for number in 0..MAX_INDEXED {
        let comma = if number > 0 { "," } else { "" };
        let shard = number % 4096;
        let entry =
            format!(r#"{comma}"{number:0name_length$x}":"model-{shard:05}-of-04096.safetensors""#);
        if index.len() + entry.len() + 2 > MAX_INDEX as usize {
            break;
        }
        index.push_str(&entry);
    }
    index.push_str("}}");
    index.into_bytes()
}

// One test: the counters are the process's.
#[test]
fn the_worst_texts_take_bounded_memory() {
    for (limit, bound) in [(MAX_HEADER, 32 * MIB), (MAX_LOCAL_HEADER, 64 * MIB)] {
        for (name_length, dimensions) in [(1, 1), (40, 8), (MAX_TENSOR_NAME, 2)] {
            let Cost { outcome, peak, calls } =
                cost_of_header(&crowd(limit, name_length, dimensions));
            let tensors = outcome.unwrap();
            assert!(peak <= bound, "{tensors} tensors of a header of {limit} took {peak} bytes");
            assert!(calls <= 2 * tensors + 64, "{tensors} tensors took {calls} allocations");
        }
    }
    for name_length in [1, 60, MAX_TENSOR_NAME] {
        let Cost { outcome, peak, calls } = cost_of_index(&map(name_length));
        let tensors = outcome.unwrap();
        assert!(peak <= 64 * MIB, "{tensors} tensors of an index took {peak} bytes");
        assert!(calls <= tensors + 3 * 4096, "{tensors} tensors took {calls} allocations");
    }
    long_strings_take_bounded_memory();
}

/// One string over the whole length, escaped and plain, where a name, a dtype or a field is expected, and where
/// it is not; and characters that grow when they are shown.
fn long_strings_take_bounded_memory() {
    let header = [
        ("{\"", "\":{}}"),
        ("{\"a\":\"", "\"}"),
        ("{\"a\":{\"", "\":1}}"),
        ("{\"a\":{\"shape\":[0],\"data_offsets\":[0,0],\"dtype\":\"", "\"}}"),
        ("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":\"", "\"}}"),
        ("{\"__metadata__\":{\"a\":\"", "\"}, }"),
        ("{\"__metadata__\":{\"", "\":\"\"}, }"),
    ];
    let index = [
        ("{\"weight_map\":{\"", "\":\"\"}}"),
        ("{\"weight_map\":{\"a\":\"", "\"}}"),
        ("{\"metadata\":\"", "\"}"),
        ("{\"x\":\"", "\"}"),
        ("{\"", "\":1}"),
    ];
    for fill in ["\\u0001", "\u{e000}"] {
        let text = |(before, after): (&str, &str), limit: u64| {
            let times = (limit as usize - 128) / fill.len();
            format!("{before}{}{after}", fill.repeat(times)).into_bytes()
        };
        let of_header = header.map(|place| (place, cost_of_header(&text(place, MAX_LOCAL_HEADER))));
        let of_index = index.map(|place| (place, cost_of_index(&text(place, MAX_INDEX))));
        for ((before, _), Cost { outcome, peak, calls }) in of_header.into_iter().chain(of_index) {
            let error = outcome.unwrap_err();
            assert!(peak <= 64 * MIB, "{before}{fill}…: {peak} bytes");
            assert!(calls < 128 && error.len() < 2048, "{before}{fill}…: {calls}, {error}");
        }
    }
}
