//! How fast the kernels are on data in a core's second-level cache: GB/s of input, by level, dtype and number of
//! inputs, beside a copy of the same bytes; and against binary32 sums, which are what exactness costs.
//!
//! `cargo bench -p potluck-soup --bench kernel`. Nothing is asserted; the figures are for people.

#[cfg(target_arch = "x86_64")]
#[path = "kernel/binary32.rs"]
mod binary32;
#[cfg(target_arch = "x86_64")]
#[path = "kernel/files.rs"]
mod files;

use std::hint::black_box;
use std::time::{Duration, Instant};

use potluck_soup::Dtype;
use potluck_soup::kernel::{Level, Scale, Term};

/// Elements of one input: with eight inputs of BF16, a quarter of a megabyte.
const ELEMENTS: usize = 16 << 10;
/// Rounds of each measurement, of which the best counts: what disturbs only ever makes slower.
const ROUNDS: u32 = 40;
/// How long a round takes at least.
const ROUND: Duration = Duration::from_millis(2);

fn main() {
    let copied = input(Dtype::Bf16, 0);
    let mut output = vec![0; copied.len()];
    let copy = seconds(&mut || black_box(&mut output).copy_from_slice(black_box(&copied)));
    println!("copy of {} KiB: {:.1} GB/s", copied.len() >> 10, copied.len() as f64 / copy / 1e9);
    println!("{:9} {:8} {:>7} {:>7} {:>7}  GB/s of input", "level", "dtype", "K=2", "K=4", "K=8");
    for level in Level::available() {
        for dtype in [Dtype::Bf16, Dtype::F16, Dtype::F32, Dtype::F64, Dtype::F8E4M3, Dtype::F8E5M2]
        {
            let rates =
                [2, 4, 8].map(|count| format!("{:7.1}", rate(level, dtype, count, Shares::Skewed)));
            println!("{:9} {:8} {}", level.name(), dtype.name(), rates.join(" "));
        }
        let rates = [2, 4, 8]
            .map(|count| format!("{:7.1}", rate(level, Dtype::Bf16, count, Shares::Equal)));
        println!("{:9} {:8} {}", level.name(), "BF16 =", rates.join(" "));
    }
    #[cfg(target_arch = "x86_64")]
    if binary32::is_available() {
        let rates = [2, 4, 8].map(|count| format!("{:7.1}", binary32_rate(count)));
        println!(
            "{:9} {:8} {}  (sums in binary32: not the same result)",
            "AVX-512",
            "BF16",
            rates.join(" ")
        );
        files::print().expect("files in the temporary folder");
    }
}

/// As [`rate`], summed in binary32.
#[cfg(target_arch = "x86_64")]
fn binary32_rate(count: usize) -> f64 {
    let inputs = Inputs::new(Dtype::Bf16, count);
    let terms: Vec<_> = inputs.slices().map(|bytes| (bytes, 1.0 / count as f32)).collect();
    let mut output = vec![0; inputs.bytes];
    let time = seconds(&mut || binary32::mix(black_box(&terms), &mut output));
    (count * inputs.bytes) as f64 / time / 1e9
}

/// What of their shares the inputs give one another.
#[derive(Clone, Copy)]
enum Shares {
    /// All the same: many sums lie in the middle of two elements.
    Equal,
    /// Different.
    Skewed,
}

/// GB/s of input where `count` inputs are mixed.
fn rate(level: Level, dtype: Dtype, count: usize, shares: Shares) -> f64 {
    let inputs = Inputs::new(dtype, count);
    let skew = match shares {
        Shares::Equal => 0.0,
        Shares::Skewed => 1234.0,
    };
    let factor = |index| 1e6 / count as f64 + if index % 2 == 0 { skew } else { -skew };
    let terms: Vec<_> = (inputs.slices().enumerate())
        .map(|(index, bytes)| Term { bytes, dtype, factor: factor(index) })
        .collect();
    let (mut scratch, mut output) = (Vec::new(), vec![0; inputs.bytes]);
    let time = seconds(&mut || {
        let mixed =
            level.mix(black_box(&terms), Scale::Millionth, dtype, &mut scratch, &mut output);
        mixed.expect("every input is finite");
    });
    (count * inputs.bytes) as f64 / time / 1e9
}

/// Inputs that do not all begin at the same place of a page: nine such would not fit a first-level cache.
struct Inputs {
    all: Vec<u8>,
    bytes: usize,
}

impl Inputs {
    const STAGGER: usize = 192;

    fn new(dtype: Dtype, count: usize) -> Self {
        let bytes = ELEMENTS * dtype.size();
        let mut all = vec![0; count * (bytes + Self::STAGGER)];
        for (seed, slot) in all.chunks_mut(bytes + Self::STAGGER).enumerate() {
            slot[..bytes].copy_from_slice(&input(dtype, seed as u64));
        }
        Self { all, bytes }
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.all.chunks(self.bytes + Self::STAGGER).map(|slot| &slot[..self.bytes])
    }
}

/// Weights as they are: of both signs, their magnitudes spread over a few powers of two around 1/32.
fn input(dtype: Dtype, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let values: Vec<_> = (0..ELEMENTS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f64 / f64::from(1 << 24) - 0.5) / 8.0
        })
        .collect();
    let mut bytes = vec![0; ELEMENTS * dtype.size()];
    potluck_soup::kernel::narrow(dtype, &values, &mut bytes).expect("every value is small");
    bytes
}

/// The shortest time of one call.
fn seconds(call: &mut dyn FnMut()) -> f64 {
    let mut shortest = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (start, mut calls) = (Instant::now(), 0);
        while start.elapsed() < ROUND {
            (0..8).for_each(|_| call());
            calls += 8;
        }
        shortest = shortest.min(start.elapsed().as_secs_f64() / f64::from(calls));
    }
    shortest
}
