//! Files that are written whole or not at all, and read no further than they may go.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Puts `bytes` at `path` by one rename: whoever looks sees the old file or the new, also after a
/// loss of power. The folder is made if it is missing.
///
/// # Errors
/// Where the file system refuses; the temporary file `path.part` may then remain.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_for(0o666, path, bytes)
}

/// The same for what nobody but its owner may read.
///
/// # Errors
/// As [`write_whole`].
pub fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_for(0o600, path, bytes)
}

/// `mode` is what the user's mask may take bits from.
fn write_for(mode: u32, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    // One that a killed run left keeps the mode it has, which is then not this one.
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_folder(folder)
}

/// Reads a file that may have `most` bytes: all of it, or one byte more, by which its reader knows.
///
/// # Errors
/// Where the file system refuses.
pub fn read_up_to(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes renames within `folder` last.
///
/// # Errors
/// Where the folder cannot be opened or synchronised.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}
