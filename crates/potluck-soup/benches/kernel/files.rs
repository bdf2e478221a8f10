//! What exact arithmetic costs where it matters: inputs are read from files (which the system has in memory), and
//! the output is written to one, by all processors. The kernel is then a part of the time only.

use std::fs::{self, File};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use potluck_soup::Dtype;
use potluck_soup::kernel::{self, Scale, Term};

use crate::binary32;

/// Bytes of one input, of BF16.
const INPUT: u64 = 128 << 20;
/// Bytes of the output that one thread makes at a time.
const PIECE: usize = 64 << 10;
/// Bytes by which the buffers are out of step, see [`crate::Inputs`].
const STAGGER: usize = 192;
/// Runs, of which the best counts.
const RUNS: usize = 20;

/// Mixes the inputs' bytes into the last argument.
type Kernel = fn(&[&[u8]], &mut Vec<f64>, &mut [u8]);

/// Prints the seconds of both kernels and their ratio for some numbers of inputs.
pub(crate) fn print() -> io::Result<()> {
    let folder = Folder::create()?;
    println!("with reads and writes, {} MiB an input, seconds:", INPUT >> 20);
    for count in [2, 4, 8] {
        let [exact, inexact] = folder.best(count, [exact, inexact])?;
        let ratio = exact / inexact;
        println!("K={count}: binary64 {exact:.3}, binary32 {inexact:.3}, ratio {ratio:.2}");
    }
    Ok(())
}

fn exact(inputs: &[&[u8]], scratch: &mut Vec<f64>, output: &mut [u8]) {
    let factor = |index| 1e6 / inputs.len() as f64 + if index % 2 == 0 { 1234.0 } else { -1234.0 };
    let term = |(index, bytes)| Term { bytes, dtype: Dtype::Bf16, factor: factor(index) };
    let terms: Vec<_> = inputs.iter().copied().enumerate().map(term).collect();
    let mixed = kernel::mix(&terms, Scale::Millionth, Dtype::Bf16, scratch, output);
    mixed.expect("every input is finite");
}

fn inexact(inputs: &[&[u8]], _: &mut Vec<f64>, output: &mut [u8]) {
    let share = 1.0 / inputs.len() as f32;
    let terms: Vec<_> = inputs.iter().map(|bytes| (*bytes, share)).collect();
    binary32::mix(&terms, output);
}

/// Eight inputs in a folder of their own, which goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let folder = Self(std::env::temp_dir().join(format!("kernel-{}", std::process::id())));
        fs::create_dir_all(&folder.0)?;
        for seed in 0..8 {
            let piece = crate::input(Dtype::Bf16, seed);
            let pieces = INPUT as usize / piece.len();
            fs::write(folder.0.join(seed.to_string()), piece.repeat(pieces))?;
        }
        Ok(folder)
    }

    /// The shortest time of each kernel; they take turns, so that both meet the same disturbances.
    fn best(&self, count: u64, kernels: [Kernel; 2]) -> io::Result<[f64; 2]> {
        let open = |seed: u64| File::open(self.0.join(seed.to_string()));
        let inputs: Vec<_> = (0..count).map(open).collect::<Result<_, _>>()?;
        // Written over in each run, so that no run has to find new pages.
        let output = File::create(self.0.join("output"))?;
        let mut shortest = [f64::INFINITY; 2];
        for _ in 0..RUNS {
            for (shortest, kernel) in shortest.iter_mut().zip(kernels) {
                let start = Instant::now();
                mix(&inputs, &output, kernel)?;
                *shortest = shortest.min(start.elapsed().as_secs_f64());
            }
        }
        Ok(shortest)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A benchmark that has failed has said why; what it leaves in the temporary folder goes some day.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mix(inputs: &[File], output: &File, kernel: Kernel) -> io::Result<()> {
    let next = AtomicU64::new(0);
    let work = || -> io::Result<()> {
        let mut buffers = vec![0; inputs.len() * (PIECE + STAGGER)];
        let (mut scratch, mut mixed) = (Vec::new(), vec![0; PIECE]);
        loop {
            let offset = next.fetch_add(PIECE as u64, Ordering::Relaxed);
            if offset >= INPUT {
                return Ok(());
            }
            let slots = buffers.chunks_mut(PIECE + STAGGER);
            for (file, slot) in inputs.iter().zip(slots) {
                file.read_exact_at(&mut slot[..PIECE], offset)?;
            }
            let pieces: Vec<_> =
                buffers.chunks(PIECE + STAGGER).map(|slot| &slot[..PIECE]).collect();
            kernel(black_box(&pieces), &mut scratch, &mut mixed);
            output.write_all_at(&mixed, offset)?;
        }
    };
    let threads = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}
