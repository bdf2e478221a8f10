//! Reading everything through, on all cores.
//!
//! Files are cut into stretches, and each is verified against the file's tree of hashes by itself, so that one large
//! file keeps all cores busy as many small ones do.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use potluck_core::FileEntry;
use potluck_net::Ranges;
use potluck_net::blob::{self, SendError};
use serde::Serialize;

use super::Role;
use crate::store::blobs::Blobs;

/// How much one thread reads at a time, in bytes: seconds of work, and a multiple of a group.
const STRETCH: u64 = 256 << 20;

/// How often progress is told.
const BEAT: Duration = Duration::from_millis(500);

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// It is not there.
    Missing,
    /// Its bytes are others.
    Corrupt {
        /// Where the group, or the stretch, begins in which they are.
        offset: u64,
    },
    /// Its bytes are right, and the tree of hashes beside them is not.
    Hashes,
    /// The disk does not give it.
    Unreadable {
        /// What the system says.
        reason: String,
    },
}

/// What is wrong with each of `files`, in their order.
pub(super) fn verify(
    blobs: &Blobs,
    files: &[(FileEntry, Role)],
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(u64, u64),
) -> Vec<Option<Problem>> {
    let stretches: Vec<_> =
        files.iter().enumerate().flat_map(|(place, (file, _))| cut(place, file.size)).collect();
    let total = files.iter().fold(0u64, |sum, (file, _)| sum.saturating_add(file.size));
    let (next, read) = (AtomicUsize::new(0), AtomicU64::new(0));
    let mut problems = vec![None; files.len()];
    let (found, findings) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.get() {
            let (found, next, read, stretches) = (found.clone(), &next, &read, &stretches);
            scope.spawn(move || {
                while let Some((place, range)) = stretches.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let problem = look_at(blobs, &files[*place].0, *range, read);
                    // The receiver lives until every thread is through.
                    let _ = problem.map(|problem| found.send((*place, problem)));
                }
            });
        }
        drop(found);
        loop {
            match findings.recv_timeout(BEAT) {
                // Several stretches of one file may be wrong: the first place is told.
                Ok((place, problem)) => keep(&mut problems[place], problem),
                Err(RecvTimeoutError::Timeout) => progress(read.load(Ordering::Relaxed), total),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    progress(total, total);
    for (problem, (file, _)) in problems.iter_mut().zip(files) {
        if matches!(problem, Some(Problem::Corrupt { .. } | Problem::Hashes))
            && has_right_bytes(&blobs.data(file.blake3), file)
        {
            *problem = Some(Problem::Hashes);
        }
    }
    problems
}

/// The stretches of a file; an empty one has one.
fn cut(place: usize, size: u64) -> impl Iterator<Item = (usize, [u64; 2])> {
    let begins = (0..size.max(1)).step_by(usize::try_from(STRETCH).unwrap_or(usize::MAX));
    begins.map(move |begin| (place, [begin, size.min(begin.saturating_add(STRETCH))]))
}

fn keep(known: &mut Option<Problem>, problem: Problem) {
    match (&known, &problem) {
        (Some(Problem::Corrupt { offset: first }), Problem::Corrupt { offset })
            if offset < first =>
        {
            *known = Some(problem);
        }
        (None, _) => *known = Some(problem),
        _ => {}
    }
}

fn look_at(blobs: &Blobs, file: &FileEntry, range: [u64; 2], read: &AtomicU64) -> Option<Problem> {
    let (data, outboard) = (blobs.data(file.blake3), blobs.outboard(file.blake3));
    let ranges = match range {
        [0, 0] => Ranges::all(0),
        range => Ranges::new(file.size, &[range]),
    };
    let Ok(ranges) = ranges else { return Some(Problem::Corrupt { offset: 0 }) };
    let sent = blob::send(&data, Some(&outboard), &file.blake3, &ranges, &mut Counter(read));
    match sent {
        Ok(()) | Err(SendError::Gone) => None,
        Err(SendError::Corrupt { offset }) => Some(Problem::Corrupt { offset }),
        Err(SendError::File(error)) if error.kind() == io::ErrorKind::NotFound => {
            Some(if data.exists() { Problem::Hashes } else { Problem::Missing })
        }
        Err(SendError::File(error)) => Some(Problem::Unreadable { reason: error.to_string() }),
    }
}

/// Whether only the hashes beside the bytes are wrong.
fn has_right_bytes(data: &Path, file: &FileEntry) -> bool {
    let Ok(all) = Ranges::all(file.size) else { return false };
    blob::send(data, None, &file.blake3, &all, &mut io::sink()).is_ok()
}

/// Counts what is verified, and keeps none of it.
struct Counter<'a>(&'a AtomicU64);

impl Write for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A buffer's length fits in a u64 wherever this runs.
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_each_file_once() {
        let ranges = |size| cut(7, size).map(|(_, range)| range).collect::<Vec<_>>();
        assert_eq!(ranges(0), [[0, 0]]);
        assert_eq!(ranges(5), [[0, 5]]);
        assert_eq!(ranges(STRETCH), [[0, STRETCH]]);
        assert_eq!(ranges(STRETCH + 1), [[0, STRETCH], [STRETCH, STRETCH + 1]]);
    }
}
