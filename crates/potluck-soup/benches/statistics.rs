//! How fast statistics are, beside a loop of the same threads that reads the same file and does nothing.
//!
//! `cargo bench -p potluck-soup --bench statistics [-- FOLDER]`: a file of 1 GB of BF16 weights is made in FOLDER (or
//! the system's folder of temporary files) and removed in the end. Each is run eight times in turn, the first of them
//! to warm the page cache; medians are printed, and the share of the reading bandwidth that is left.

#![allow(missing_docs, reason = "a benchmark has no public items")]

use std::fs::File;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use potluck_soup::Checkpoint;
use potluck_soup::statistics::{Surveying, survey};

const RUNS: usize = 8;
const TENSORS: usize = 64;
/// Bytes of a tensor.
const TENSOR: usize = 16 << 20;
/// As large as the blocks of what is measured.
const BLOCK: usize = 256 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds `--bench`.
    let folder = std::env::args_os().skip(1).find(|it| it != "--bench").map(PathBuf::from);
    let folder = tempfile::tempdir_in(folder.unwrap_or_else(std::env::temp_dir))?;
    let path = folder.path().join("model.safetensors");
    let bytes = write_weights(&path)? as f64;
    let checkpoint = Checkpoint::open(&path)?;
    for threads in [1, thread::available_parallelism()?.get()].map(NonZeroUsize::new) {
        let threads = threads.ok_or("no threads")?;
        let surveyed = |statistics, blake3| {
            let surveying = Surveying { threads, statistics, blake3 };
            survey(&checkpoint, surveying, &mut |_| {}).map(drop)
        };
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..RUNS {
            let begun = Instant::now();
            read(&path, threads)?;
            times[0].push(begun.elapsed().as_secs_f64());
            for (at, wanted) in [(true, false), (false, true), (true, true)].iter().enumerate() {
                let begun = Instant::now();
                surveyed(wanted.0, wanted.1)?;
                times[at + 1].push(begun.elapsed().as_secs_f64());
            }
        }
        let [bare, rest @ ..] = times.map(|times| bytes / 1e9 / median(times));
        println!("{threads} threads: read {bare:.2} GB/s");
        for (what, speed) in ["statistics", "BLAKE3", "statistics and BLAKE3"].iter().zip(rest) {
            println!("  {what}: {speed:.2} GB/s, {:.0} % of it", 100.0 * speed / bare);
        }
    }
    Ok(())
}

/// The median of all but the first.
fn median(times: Vec<f64>) -> f64 {
    let mut times = times[1..].to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn read(path: &Path, threads: NonZeroUsize) -> io::Result<()> {
    let (file, next) = (File::open(path)?, AtomicU64::new(0));
    let length = file.metadata()?.len();
    let work = || {
        let mut block = vec![0; BLOCK];
        loop {
            let offset = next.fetch_add(BLOCK as u64, Ordering::Relaxed);
            if offset >= length {
                return Ok(());
            }
            let left = usize::try_from(length - offset).unwrap_or(BLOCK).min(BLOCK);
            file.read_exact_at(&mut block[..left], offset)?;
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(work)).collect();
        let ours = work();
        others
            .into_iter()
            .map(|it| it.join().expect("it does not panic"))
            .fold(ours, io::Result::and)
    })
}

/// Normally distributed weights, as many as a tensor has, written once for each tensor.
fn write_weights(path: &Path) -> io::Result<u64> {
    let mut state = 1u64;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 24) as f32
    };
    let weights = (0..TENSOR / 2).flat_map(|_| {
        let normal = (0..8).map(|_| uniform()).sum::<f32>() - 4.0;
        // BF16 is a binary32's upper half.
        ((normal * 0.02).to_bits() as u64 >> 16).to_le_bytes().into_iter().take(2)
    });
    let weights: Vec<u8> = weights.collect();
    let entry = |index: usize| {
        let (start, elements) = (index * TENSOR, TENSOR / 2);
        format!(
            r#""layers.{index}.weight":{{"dtype":"BF16","shape":[{elements}],"data_offsets":[{start},{}]}}"#,
            start + TENSOR
        )
    };
    let header = format!("{{{}}}", (0..TENSORS).map(entry).collect::<Vec<_>>().join(","));
    let mut file = File::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    (0..TENSORS).try_for_each(|_| file.write_all(&weights))?;
    Ok(file.metadata()?.len())
}
