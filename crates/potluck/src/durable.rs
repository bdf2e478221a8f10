//! Files that appear whole or not at all, whatever is killed meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner only: mode 0600.
    Owner,
    /// As the process's mask says.
    Anyone,
}

/// Writes `path` beside its place, synced, and renames it there.
///
/// Two processes that write one path at the same time must hold a lock.
pub(crate) fn write(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    // What a kill left may have another mode.
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mode = if readers == Readers::Owner { 0o600 } else { 0o666 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(part, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_a_kill_left_does_not_stand_in_the_way() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/secret");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(home.path().join("deep/secret.part"), "half").unwrap();
        write(&path, b"whole", Readers::Owner).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path().join("deep")).unwrap().count(), 1);
    }
}
