//! A folder on the disk: complete under its name, or not there.
//!
//! It grows beside its target under a hidden name and is renamed in the end. A kill leaves the hidden folder, which
//! the next soup for that target removes. (A single file's soup does the same by itself.)

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A folder while it grows.
#[derive(Debug)]
pub(crate) struct Staging {
    target: PathBuf,
    /// Where the files are until they are complete; removed on drop unless renamed.
    part: Option<PathBuf>,
    /// Locked for as long as the folder grows.
    lock: File,
}

/// What becomes of a folder that stands where the new one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Old {
    /// It must be empty, or not be there.
    Kept,
    /// The new one takes its place in one step, and it is removed.
    Replaced,
}

impl Staging {
    /// Begins a folder beside `target`, whose parent exists.
    pub(crate) fn begin(target: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let prefix = format!(".{}.", name.to_string_lossy());
        let parent = parent_of(target);
        remove_abandoned(parent, &prefix);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let part = parent.join(format!("{prefix}{}-{number}.part", process::id()));
            match fs::create_dir(&part) {
                // Left by a killed process that had our number, on a file system without locks.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
                Ok(()) => {}
            }
            let lock = File::open(&part)?;
            // Where the file system has no locks, nobody finds one free either.
            let _ = lock.lock();
            // Between the two, another soup may have taken it for abandoned.
            if fs::metadata(&part).is_ok_and(|there| is_same(&there, &lock)) {
                return Ok(Self { target: target.to_owned(), part: Some(part), lock });
            }
        }
    }

    /// Where to put its files meanwhile.
    pub(crate) fn path(&self) -> &Path {
        self.part.as_deref().expect("only finish takes the path, and it consumes the staging")
    }

    /// Makes the folder visible under its name; synced where `is_synced`, as its files are to be then.
    pub(crate) fn finish(mut self, old: Old, is_synced: bool) -> io::Result<()> {
        if is_synced {
            self.lock.sync_all()?;
        }
        let part = self.path().to_owned();
        match old {
            Old::Replaced if self.target.exists() => {
                swap(&part, &self.target)?;
                // Now it is the old folder that the hidden name stands for; what cannot be removed takes room, no
                // more, and the next soup tries again.
                let _ = fs::remove_dir_all(&part);
            }
            _ => fs::rename(&part, &self.target)?,
        }
        self.part = None;
        if is_synced { File::open(parent_of(&self.target))?.sync_all() } else { Ok(()) }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // The error that brought us here is the one to report.
            let _ = fs::remove_dir_all(part);
        }
    }
}

/// Exchanges two folders in one step; where the file system cannot, in three, with the new one always there.
fn swap(part: &Path, target: &Path) -> io::Result<()> {
    match renameat_with(CWD, part, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    let aside = part.with_extension("old");
    fs::rename(target, &aside)?;
    if let Err(error) = fs::rename(part, target) {
        fs::rename(&aside, target)?;
        return Err(error);
    }
    fs::rename(&aside, part)
}

/// The folder that a path stands in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn is_same(there: &fs::Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

/// Removes the unfinished folders that no process writes any more. What cannot be removed takes room, no more.
fn remove_abandoned(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".part"));
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder
            && rest.is_some_and(is_number)
            && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the text is `PID-N`.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(process, number)| digits(process) && digits(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn it_appears_whole_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("soup");
        let staging = Staging::begin(&target).unwrap();
        fs::write(staging.path().join("file"), "half").unwrap();
        assert!(!target.exists());
        drop(staging);
        assert!(names(home.path()).is_empty());

        let staging = Staging::begin(&target).unwrap();
        fs::write(staging.path().join("file"), "whole").unwrap();
        staging.finish(Old::Kept, true).unwrap();
        assert_eq!(
            (names(home.path()), names(&target)),
            (vec!["soup".into()], vec!["file".into()])
        );
    }

    #[test]
    fn an_old_folder_is_replaced_only_on_request() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("soup");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("old"), "").unwrap();
        let staging = Staging::begin(&target).unwrap();
        assert!(staging.finish(Old::Kept, false).is_err());
        assert_eq!((names(home.path()), names(&target)), (vec!["soup".into()], vec!["old".into()]));

        let staging = Staging::begin(&target).unwrap();
        fs::write(staging.path().join("new"), "").unwrap();
        staging.finish(Old::Replaced, false).unwrap();
        assert_eq!((names(home.path()), names(&target)), (vec!["soup".into()], vec!["new".into()]));
    }

    #[test]
    fn what_a_kill_left_is_removed_and_what_grows_is_not() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("soup");
        let abandoned = home.path().join(".soup.1-0.part");
        for folder in
            [&abandoned, &home.path().join(".soup.x.part"), &home.path().join(".soup2.1-0.part")]
        {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), "").unwrap();
        }
        let first = Staging::begin(&target).unwrap();
        let second = Staging::begin(&target).unwrap();
        assert!(!abandoned.exists() && first.path().exists() && second.path().exists());
        drop((first, second));
        assert_eq!(names(home.path()), [".soup.x.part", ".soup2.1-0.part"]);
    }
}
