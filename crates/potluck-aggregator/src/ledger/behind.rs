//! The log's folder, written behind the commits by a thread of its own.
//!
//! ```text
//! commit ─▶ hand over: entries, note ─▶ a short rest, so that many share one writing ─▶ push each, seal once
//! reader of the checkpoint ─▶ settle: what was handed over so far is written now
//! ```
//!
//! The folder is derived, so nobody's receipt waits for it. What is handed over is bounded: a commit waits for a
//! disk that is too slow. A failure to write raises the fault, as any other failure of the disk does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use potluck_core::Entry;
use potluck_net::archive::{ArchiveError, ArchiveWriter};

use super::LogFiles;
use crate::fault::Fault;
use crate::in_full;

/// How long entries gather before they are written, unless somebody asks for them: the checkpoint and the
/// partial tiles are written once for all of them.
const REST: Duration = Duration::from_millis(20);

/// How many entries may wait. An entry is at most an envelope and its record.
const MOST: usize = 1024;

/// The folder's writer on its thread. Dropped, it writes what it was handed and ends.
#[derive(Debug)]
pub(super) struct Behind {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    note: Option<String>,
    /// How often something was handed over, and how often of those it is written.
    handed: u64,
    written: u64,
    /// Up to which of these somebody waits for.
    wanted: u64,
    ending: bool,
    /// The thread writes nothing more: it failed, or was told to end.
    ended: bool,
}

impl Behind {
    /// Goes on with `folder`, which is sealed.
    pub(super) fn start(folder: ArchiveWriter<LogFiles>, fault: Arc<Fault>) -> Self {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let _ending = Ending(&writing, &fault);
            if let Err(error) = writing.run(folder) {
                fault.raise("write the log's folder", &in_full(&error));
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// Leaves entries that are durable to be written, and the checkpoint over all so far.
    pub(super) fn hand_over(&self, entries: Vec<Entry>, note: String) {
        let mut state = self.shared.lock();
        while state.entries.len() >= MOST && !state.ended {
            state = self.shared.wait(state);
        }
        state.entries.extend(entries);
        let is_resting = state.note.replace(note).is_some();
        state.handed += 1;
        // One that rests wakes by itself; each waking would cost the committer a switch.
        if !is_resting || state.is_urgent() {
            drop(state);
            self.shared.changed.notify_all();
        }
    }

    /// Whether so much waits that committers may soon have to.
    pub(super) fn is_far(&self) -> bool {
        let state = self.shared.lock();
        state.ended || state.entries.len() >= MOST / 2
    }

    /// Returns when all that was handed over before is written, or never will be.
    pub(super) fn settle(&self) {
        let mut state = self.shared.lock();
        let all = state.handed;
        state.wanted = state.wanted.max(all);
        self.shared.changed.notify_all();
        while state.written < all && !state.ended {
            state = self.shared.wait(state);
        }
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.changed.notify_all();
        // A panic raised the fault, and the folder is mended at the next start.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn run(&self, mut folder: ArchiveWriter<LogFiles>) -> Result<(), ArchiveError> {
        while let Some((entries, note, handed)) = self.next() {
            self.changed.notify_all();
            entries.iter().try_for_each(|entry| folder.push(entry))?;
            folder.seal(&note)?;
            self.lock().written = handed;
            self.changed.notify_all();
        }
        Ok(())
    }

    /// What was handed over, once it has rested or somebody waits for it; nothing when all is done.
    fn next(&self) -> Option<(Vec<Entry>, String, u64)> {
        let mut state = self.lock();
        while state.note.is_none() {
            if state.ending {
                return None;
            }
            state = self.wait(state);
        }
        let rested = Instant::now() + REST;
        while !state.is_urgent()
            && let Some(rest) = rested.checked_duration_since(Instant::now())
        {
            let waited = self.changed.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let note = state.note.take()?;
        Some((std::mem::take(&mut state.entries), note, state.handed))
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// No change to the state can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_urgent(&self) -> bool {
        self.ending || self.wanted > self.written || self.entries.len() >= MOST
    }
}

/// However the thread ends, nobody waits for it any more, and no panic goes unnoticed.
struct Ending<'a>(&'a Shared, &'a Fault);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.1.raise("write the log's folder", &"the thread that does so panicked");
        }
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use potluck_core::federation::genesis_entry;
    use potluck_log::{Checkpoint, NoteSigner};
    use potluck_net::archive::ArchiveReader;

    use super::*;
    use crate::fixture::{Shelves, genesis, log_key};

    fn note(folder: &ArchiveWriter<LogFiles>) -> String {
        let origin: potluck_log::Origin = "potluck/news".parse().unwrap();
        let signer = NoteSigner::new(origin.clone(), log_key().as_dalek().clone());
        Checkpoint { origin, size: folder.size(), root: folder.root(), state: [0; 32] }
            .sign(&signer)
    }

    /// A folder of one entry, and the notes over that and over twice and thrice the same.
    fn begun(files: &LogFiles, entry: &Entry) -> (ArchiveWriter<LogFiles>, [String; 3]) {
        let mut ahead = ArchiveWriter::over(Arc::new(Shelves::default()) as LogFiles);
        let notes = [(); 3].map(|()| {
            ahead.push(entry).unwrap();
            note(&ahead)
        });
        let mut folder = ArchiveWriter::over(Arc::clone(files));
        folder.push(entry).unwrap();
        folder.seal(&notes[0]).unwrap();
        (folder, notes)
    }

    #[test]
    fn what_was_handed_over_is_there_once_settled_and_at_the_end() {
        let shelves = Shelves::default();
        let files: LogFiles = Arc::new(shelves.clone());
        let entry = genesis_entry(&genesis(0), 1).unwrap();
        let (folder, [_, second, third]) = begun(&files, &entry);
        let behind = Behind::start(folder, Arc::default());
        behind.settle();
        behind.hand_over(vec![entry.clone()], second);
        behind.settle();
        assert_eq!(ArchiveReader::over(Arc::clone(&files)).unwrap().size(), 2);
        behind.hand_over(vec![entry], third);
        drop(behind);
        let reader = ArchiveReader::over(files).unwrap();
        assert_eq!((reader.size(), reader.entries(0).filter(Result::is_ok).count()), (3, 3));
    }

    #[test]
    fn a_folder_that_cannot_be_written_raises_the_fault_and_keeps_nobody_waiting() {
        let shelves = Shelves::default();
        let files: LogFiles = Arc::new(shelves.clone());
        let entry = genesis_entry(&genesis(0), 1).unwrap();
        let (folder, [_, second, third]) = begun(&files, &entry);
        let _ = shelves.clone().dying_at(shelves.changes());
        let fault = Arc::new(Fault::default());
        let behind = Behind::start(folder, Arc::clone(&fault));
        behind.hand_over(vec![entry.clone()], second);
        behind.settle();
        behind.hand_over(vec![entry; 2 * MOST], third.clone());
        behind.hand_over(Vec::new(), third);
        behind.settle();
        drop(behind);
        assert!(fault.first().unwrap().contains("log's folder"));
    }
}
