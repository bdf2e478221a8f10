//! A soup's file on the disk: complete under its name, or not there.
//!
//! It grows beside its target under a hidden name, its room taken beforehand, and is renamed in the end. A kill
//! leaves the hidden `.part` file, which the next soup for that target removes. Called by [`mod@crate::blend`].

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// When a written file counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on the disk, and its name too: it survives a power cut.
    Synced,
    /// Once the system has it: it survives the end of this process, however it comes.
    Cached,
}

/// A file while it grows.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    target: PathBuf,
    /// Where the bytes are until they are complete; removed on drop unless renamed.
    part: Option<PathBuf>,
}

impl Part {
    /// Begins a file of `length` bytes and takes the room for them, so that a disk that is too full says so now.
    pub(crate) fn create(target: &Path, length: u64) -> io::Result<Self> {
        let (file, part) = create_part(target)?;
        let part = Self { file, target: target.to_owned(), part: Some(part) };
        allocate(&part.file, length)?;
        Ok(part)
    }

    /// The file, to be written to at any offset below its length.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Makes the file visible under its name, and durable where that is asked for.
    pub(crate) fn finish(mut self, durability: Durability) -> io::Result<()> {
        if durability == Durability::Synced {
            self.file.sync_all()?;
        }
        let part = self.part.take().expect("only finish takes the name, and it consumes the part");
        if let Err(error) = fs::rename(&part, &self.target) {
            self.part = Some(part);
            return Err(error);
        }
        match durability {
            Durability::Synced => File::open(folder_of(&self.target))?.sync_all(),
            Durability::Cached => Ok(()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // The error that brought us here is the one to report.
            let _ = fs::remove_file(part);
        }
    }
}

/// Takes room for `length` bytes, where the file system can; where it cannot, the writes find out.
#[cfg(target_os = "linux")]
fn allocate(file: &File, length: u64) -> io::Result<()> {
    let bytes = libc::off_t::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    if bytes == 0 {
        return Ok(());
    }
    loop {
        // SAFETY: the descriptor is open for as long as `file` is borrowed, and no memory is handed over.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, bytes) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => return file.set_len(length),
            _ => return Err(error),
        }
    }
}

/// Sets the length; the writes find out whether there is room.
#[cfg(not(target_os = "linux"))]
fn allocate(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)
}
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Creates `.NAME.PID-N.part` beside the target: two blends to one target never share it. It is locked for as
/// long as it grows, so that what a killed process left can be told from what is being written.
fn create_part(target: &Path) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the output's path ends in no file name")
    })?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let prefix = format!(".{}.", name.to_string_lossy());
    let folder = folder_of(target);
    remove_abandoned(folder, &prefix);
    let part = folder.join(format!("{prefix}{}-{number}.part", process::id()));
    loop {
        // Truncated, not refused: what stands there was left by a killed process that had our number.
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&part)?;
        // Where the file system has no locks, nobody finds one free either.
        let _ = file.lock();
        // Between the two, another blend may have taken it for abandoned.
        if fs::metadata(&part).is_ok_and(|there| is_same(&there, &file)) {
            return Ok((file, part));
        }
    }
}

fn is_same(there: &fs::Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

/// Removes the unfinished soups that no process writes any more. What cannot be removed takes room, no more.
fn remove_abandoned(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".part"));
        if rest.is_some_and(is_number)
            && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok())
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether the text is `PID-N`.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(process, number)| digits(process) && digits(number))
}

#[cfg(test)]
mod tests;
