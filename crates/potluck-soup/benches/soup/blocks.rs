//! The copy loop: each thread takes the next block, reads it from every input, and writes one of that size.
//!
//! Blocks are aligned in the file; inputs have one header and one length, so that the work is flat: no tensors,
//! no names, no checks. What a soup takes beyond this loop is what its arithmetic and its care cost.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Files that are open, and how the work is cut.
pub(crate) struct Job {
    inputs: Vec<File>,
    output: Option<File>,
    /// Where the tensors' bytes begin, after the header.
    begin: u64,
    /// The files' length.
    end: u64,
    /// Bytes, a power of two.
    block: u64,
}

impl Job {
    /// Opens the inputs and the output (`-` for none), and writes the header.
    ///
    /// # Errors
    /// When a file cannot be opened, or the inputs differ in length or header.
    pub(crate) fn open(inputs: &[&str], out: &str, block: u64) -> io::Result<Self> {
        if !block.is_power_of_two() {
            return Err(io::Error::other("a block must be a power of two"));
        }
        let mut files = Vec::new();
        let mut known: Option<(Vec<u8>, u64)> = None;
        for path in inputs {
            let mut file = File::open(path)?;
            let found = (header(&mut file)?, file.metadata()?.len());
            if known.get_or_insert_with(|| found.clone()) != &found {
                return Err(io::Error::other(format!("{path} is of another shape")));
            }
            files.push(file);
        }
        let (header, end) = known.ok_or_else(|| io::Error::other("no input"))?;
        let output = if out == "-" { None } else { Some(output(out, &header, end)?) };
        Ok(Self { inputs: files, output, begin: header.len() as u64, end, block })
    }

    /// Does the work on one thread a core; `mix` sees a block of every input and answers with the bytes to
    /// write, in the buffer that it is given or in an input.
    ///
    /// # Errors
    /// When a read or a write fails.
    pub(crate) fn run(
        &self,
        mix: impl for<'a> Fn(&'a [Vec<u8>], &'a mut Vec<u8>) -> &'a [u8] + Sync,
    ) -> io::Result<()> {
        let next = AtomicU64::new(self.begin / self.block);
        let threads = thread::available_parallelism()?.get();
        thread::scope(|scope| {
            let work = || self.work(&next, &mix);
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|it| it.join().expect("a worker returns its errors"))
        })
    }

    fn work(
        &self,
        next: &AtomicU64,
        mix: &impl for<'a> Fn(&'a [Vec<u8>], &'a mut Vec<u8>) -> &'a [u8],
    ) -> io::Result<()> {
        let mut inputs = vec![Vec::new(); self.inputs.len()];
        let mut output = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed) * self.block;
            let (from, to) = (at.max(self.begin), (at + self.block).min(self.end));
            if from >= to {
                return Ok(());
            }
            for (file, bytes) in self.inputs.iter().zip(&mut inputs) {
                bytes.resize((to - from) as usize, 0);
                file.read_exact_at(bytes, from)?;
            }
            output.resize((to - from) as usize, 0);
            let bytes = mix(&inputs, &mut output);
            if let Some(file) = &self.output {
                file.write_all_at(bytes, from)?;
            }
        }
    }
}

/// A safetensors header with the length before it.
fn header(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 8];
    file.read_exact(&mut bytes)?;
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes were read"));
    bytes.resize(8 + usize::try_from(length).map_err(io::Error::other)?, 0);
    file.read_exact(&mut bytes[8..])?;
    Ok(bytes)
}

/// The output with room for all that comes.
fn output(path: &str, header: &[u8], length: u64) -> io::Result<File> {
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.len() != length {
        file.set_len(0)?;
        reserve(&file, length)?;
    }
    file.write_all_at(header, 0)?;
    Ok(file)
}

/// Makes room at once, which is a third faster than growing with each write.
#[cfg(target_os = "linux")]
fn reserve(file: &File, length: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let length = libc::off_t::try_from(length).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as `file` lives, and no memory is passed.
    match unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets the length, where there is no more to be had.
#[cfg(not(target_os = "linux"))]
fn reserve(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)
}
