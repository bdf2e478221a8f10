//! A checkpoint's folder as a manifest: every file with its length and digests.
//!
//! Files are read once, in tiles; hidden ones are left out, and what is neither a file nor a folder (a symbolic
//! link, say, which could lead out of it) is refused. Called when a base is published and when an expert is
//! pushed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use potluck_core::manifest::{MAX_FILES, ManifestError};
use potluck_core::{Blake3, FileEntry, Manifest, Sha256};
use sha2::Digest as _;

/// How many folders may lie inside one another.
pub const MAX_DEPTH: usize = 8;

/// Bytes read at a time.
const TILE_BYTES: usize = 256 << 10;

/// Why a folder has no manifest.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A link, a socket or the like.
    #[error("{} is neither a file nor a folder: copy what it stands for into the checkpoint", .0.display())]
    Special(PathBuf),
    /// A name that is no text.
    #[error("the name of {} is not UTF-8", .0.display())]
    Name(PathBuf),
    /// Folders nested beyond [`MAX_DEPTH`].
    #[error("{} lies more than {MAX_DEPTH} folders deep", .0.display())]
    Depth(PathBuf),
    /// The files are no manifest.
    #[error("the folder {} is no checkpoint", folder.display())]
    Manifest {
        /// Which folder.
        folder: PathBuf,
        /// Why not.
        source: ManifestError,
    },
    /// Something could not be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Lists and hashes the files of `folder`, at any depth up to [`MAX_DEPTH`].
///
/// `progress` hears of bytes hashed and in all. The folder must not change meanwhile.
///
/// # Errors
/// [`FolderError`]; paths and their number are checked before anything is hashed.
pub fn manifest_of(
    folder: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Manifest, FolderError> {
    let no_manifest = |source| FolderError::Manifest { folder: folder.to_owned(), source };
    let mut listed = Vec::new();
    list(folder, "", 0, &mut listed)?;
    // The sizes are what the folder says now; what counts is what is read below.
    let blank = |(path, size): &(String, u64)| FileEntry {
        path: path.clone(),
        size: *size,
        blake3: Blake3::of(b""),
        sha256: Sha256::of(b""),
    };
    let planned = Manifest::new(listed.iter().map(blank).collect()).map_err(no_manifest)?;
    let (mut done, total) = (0, planned.total_size().unwrap_or(u64::MAX));
    progress(done, total);
    let mut hash = |file: &FileEntry| {
        let entry = file_entry(&folder.join(&file.path), &file.path, &mut |bytes, _| {
            progress(done + bytes, total);
        })?;
        done += entry.size;
        Ok(entry)
    };
    let entries = planned.files().iter().map(&mut hash).collect::<Result<_, FolderError>>()?;
    Manifest::new(entries).map_err(no_manifest)
}

/// Hashes one file and lists it as `listed_as`.
///
/// `progress` hears of bytes hashed and in all.
///
/// # Errors
/// [`FolderError::Read`] and [`FolderError::Special`]. The name is judged by the manifest it goes into.
pub fn file_entry(
    file: &Path,
    listed_as: &str,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<FileEntry, FolderError> {
    let failed = |source| FolderError::Read { path: file.to_owned(), source };
    let mut open = open_plain(file)?;
    let total = open.metadata().map_err(failed)?.len();
    let digests = Digests::of(&mut open, &mut |done| progress(done, total)).map_err(failed)?;
    let (size, blake3, sha256) = digests.finish();
    Ok(FileEntry { path: listed_as.to_owned(), size, blake3, sha256 })
}

/// The SHA-256 of a file's bytes, from where it stands to its end, and how many they are.
///
/// # Errors
/// What the file system says.
pub fn sha256_of(file: &mut impl io::Read) -> io::Result<(u64, Sha256)> {
    let (mut hasher, mut tile) = (sha2::Sha256::new(), vec![0; TILE_BYTES]);
    let mut size = 0;
    loop {
        match file.read(&mut tile) {
            Ok(0) => return Ok((size, Sha256::from_bytes(hasher.finalize().into()))),
            Ok(read) => {
                hasher.update(&tile[..read]);
                // A tile's length fits in a u64 wherever this runs.
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Opens a file to read that a manifest may list: neither a link nor a pipe.
///
/// # Errors
/// [`FolderError::Read`] and [`FolderError::Special`].
pub fn open_plain(file: &Path) -> Result<File, FolderError> {
    let failed = |source| FolderError::Read { path: file.to_owned(), source };
    // Neither follows a link that was put there since the folder was listed, nor waits for a pipe's writer.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let open =
        OpenOptions::new().read(true).custom_flags(flags).open(file).map_err(
            |error| match error.raw_os_error() {
                Some(libc::ELOOP) => FolderError::Special(file.to_owned()),
                _ => failed(error),
            },
        )?;
    match open.metadata().map_err(failed)?.is_file() {
        true => Ok(open),
        false => Err(FolderError::Special(file.to_owned())),
    }
}

fn list(
    folder: &Path,
    prefix: &str,
    depth: usize,
    listed: &mut Vec<(String, u64)>,
) -> Result<(), FolderError> {
    let failed = |source| FolderError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(FolderError::Name(path));
        };
        if name.starts_with('.') {
            continue;
        }
        let metadata = entry.metadata().map_err(failed)?;
        if metadata.is_dir() {
            if depth == MAX_DEPTH {
                return Err(FolderError::Depth(path));
            }
            list(&path, &format!("{prefix}{name}/"), depth + 1, listed)?;
        } else if !metadata.is_file() {
            return Err(FolderError::Special(path));
        } else if listed.len() < MAX_FILES + 1 {
            // One more than a manifest may have is enough for it to be refused.
            listed.push((format!("{prefix}{name}"), metadata.len()));
        }
    }
    Ok(())
}

/// Length, BLAKE3 and SHA-256 of bytes that pass by.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    size: u64,
    blake3: blake3::Hasher,
    sha256: sha2::Sha256,
}

impl Digests {
    /// Of a file from where it stands to its end; `progress` hears of the bytes so far.
    fn of(file: &mut File, progress: &mut dyn FnMut(u64)) -> io::Result<Self> {
        let mut digests = Self::default();
        let mut tile = vec![0; TILE_BYTES];
        loop {
            match file.read(&mut tile) {
                Ok(0) => return Ok(digests),
                Ok(read) => digests.update(&tile[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            progress(digests.size);
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.blake3.update(bytes);
        self.sha256.update(bytes);
    }

    pub(crate) fn finish(self) -> (u64, Blake3, Sha256) {
        let blake3 = Blake3::from_bytes(*self.blake3.finalize().as_bytes());
        (self.size, blake3, Sha256::from_bytes(self.sha256.finalize().into()))
    }
}

#[cfg(test)]
mod tests;
