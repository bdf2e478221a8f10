//! The file of a soup: header by our own rules, bytes in one order, digests taken while it is written.
//!
//! It stands beside its target under a hidden name until it is complete and synced, and is renamed then. A kill
//! leaves the hidden `.part` file, which the next soup for that target removes. Nothing of the machine (paths, times) enters the bytes.
//! Called by [`mod@crate::blend`] only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use potluck_core::{Blake3, Sha256};

use crate::checkpoint::Digests;
use crate::layout::{Layout, TensorLayout};

/// A soup that stands on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blended {
    /// Its length in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub blake3: Blake3,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
}

/// The order in which a soup's tensors stand: wider elements first, then byte order of names.
///
/// Where all tensors have one dtype it is the byte order of names. Otherwise it keeps every tensor aligned to
/// its elements, which PyTorch needs to view one in place.
pub(crate) fn output_order(layout: &Layout) -> Vec<&TensorLayout> {
    let mut tensors: Vec<_> = layout.tensors().iter().collect();
    tensors.sort_by_key(|tensor| std::cmp::Reverse(tensor.dtype.size()));
    tensors
}

/// The header of the soup of `recipe`, with the length before it and the padding after it.
pub(crate) fn header(layout: &Layout, recipe: Blake3) -> Vec<u8> {
    // `format` is what transformers asks of every safetensors file; a file without it is refused.
    let mut json = format!(r#"{{"__metadata__":{{"format":"pt","recipe":"{recipe}"}}"#);
    let mut start = 0;
    for tensor in output_order(layout) {
        let end = start + tensor.bytes();
        let shape: Vec<_> = tensor.shape.iter().map(u64::to_string).collect();
        // Names need no escapes: the layout lets none through that would.
        json += &format!(
            r#","{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{start},{end}]}}"#,
            tensor.name,
            tensor.dtype.name(),
            shape.join(",")
        );
        start = end;
    }
    json.push('}');
    json.extend(std::iter::repeat_n(' ', json.len().next_multiple_of(8) - json.len()));
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.extend_from_slice(json.as_bytes());
    header
}

/// A soup's file while it grows.
#[derive(Debug)]
pub(crate) struct Output {
    file: BufWriter<File>,
    digests: Digests,
    target: PathBuf,
    /// Where the bytes are until they are complete; removed on drop unless renamed.
    part: Option<PathBuf>,
}

impl Output {
    /// Begins the file and writes its header.
    pub(crate) fn create(target: &Path, layout: &Layout, recipe: Blake3) -> io::Result<Self> {
        let (file, part) = create_part(target)?;
        let mut output = Self {
            file: BufWriter::with_capacity(256 << 10, file),
            digests: Digests::default(),
            target: target.to_owned(),
            part: Some(part),
        };
        output.write(&header(layout, recipe))?;
        Ok(output)
    }

    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digests.update(bytes);
        self.file.write_all(bytes)
    }

    /// Makes the file durable, then visible, then its name durable.
    pub(crate) fn finish(mut self) -> io::Result<Blended> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let part =
            self.part.take().expect("only finish takes the name, and it consumes the output");
        if let Err(error) = fs::rename(&part, &self.target) {
            self.part = Some(part);
            return Err(error);
        }
        File::open(folder_of(&self.target))?.sync_all()?;
        let (size, blake3, sha256) = std::mem::take(&mut self.digests).finish();
        Ok(Blended { size, blake3, sha256 })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // The error that brought us here is the one to report.
            let _ = fs::remove_file(part);
        }
    }
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
